//! Bounds of one document's awareness.

use std::time::Duration;

/// A moment on the caller's monotonic clock: the time since any fixed start.
pub type Stamp = Duration;

/// Bound that no clock reaches: clients in Rust hold it in 32 bits.
pub const CLOCK_END: u64 = 1 << 32;

/// Bound for the clock of an entry that its connection does not own yet. So the true client of the
/// id can still raise its clock some two billion times above a stranger's claim.
pub const STRANGERS_CLOCK_END: u64 = 1 << 31;

/// Bounds of one document's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwarenessLimits {
    /// Longest state of one client, in bytes of JSON.
    pub entry_bytes: usize,
    /// Client ids that one connection may own.
    pub entries_per_owner: usize,
    /// Client ids with a state in the document.
    pub entries: usize,
    /// All states of the document together, in bytes of JSON.
    pub bytes: usize,
    /// Removed ids whose last clock is remembered; the longest removed is forgotten first. Clients
    /// that still know the clock of a forgotten id do not see it until it renews itself (15 s).
    pub tombstones: usize,
    /// Age at which the owner of an entry is asked to state it again, and time for its answer.
    pub stale_after: Duration,
    /// Delay from a rejoin to the roll call: many clients that rejoin together cost one.
    pub roll_call_after: Duration,
}

impl Default for AwarenessLimits {
    fn default() -> Self {
        Self {
            entry_bytes: 256 * 1024,
            entries_per_owner: 64,
            entries: 10_000,
            bytes: 16 * 1024 * 1024,
            tombstones: 1_000,
            stale_after: Duration::from_secs(20),
            roll_call_after: Duration::from_millis(500),
        }
    }
}
