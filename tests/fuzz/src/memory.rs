//! What a run may allocate: a multiple of its input, and a little for its own furniture.
//!
//! Owns the counting allocator of every program that this crate is linked into. It counts for the whole process, so that
//! runs that are measured must not overlap; it knows nothing of what a run does.

use std::sync::{Mutex, PoisonError};

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Only one run at a time can be measured.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How much a run may have allocated at once, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// Whatever the input is.
    pub fixed: usize,
    /// For each byte of input.
    pub per_byte: usize,
}

impl Allowance {
    /// What an input of this length may cost.
    #[must_use]
    pub const fn of(self, len: usize) -> usize {
        self.fixed + self.per_byte * len
    }
}

/// Runs it, and returns the most that was allocated at once beyond what was there before, in bytes.
pub fn measured(run: impl FnOnce()) -> usize {
    // A run that panicked was a finding already; the next one is measured afresh.
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    run();
    ALLOCATOR.peak_usage().saturating_sub(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_allocated_for_a_moment_is_counted() {
        let peak = measured(|| drop(std::hint::black_box(vec![7_u8; 1 << 20])));
        assert!((1 << 20..2 << 20).contains(&peak), "{peak}");
    }
}
