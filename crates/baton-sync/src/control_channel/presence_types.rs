//! Conversions between the fences and modes of this channel and those of `baton-presence`.
//!
//! The two crates do not need each other, and a client is built without the rules of the lock. A
//! program that has both, such as a room, switches the feature `presence` on.

use baton_presence::{Fence, Mode};

use super::{FencingToken, LockMode};

impl From<Fence> for FencingToken {
    fn from(Fence { epoch, position }: Fence) -> Self {
        Self { epoch, position }
    }
}

impl From<FencingToken> for Fence {
    fn from(FencingToken { epoch, position }: FencingToken) -> Self {
        Self { epoch, position }
    }
}

impl From<Mode> for LockMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Open => Self::Open,
            Mode::ExclusiveWhenHeld => Self::ExclusiveWhenHeld,
            Mode::Required => Self::Required,
        }
    }
}

impl From<LockMode> for Mode {
    fn from(mode: LockMode) -> Self {
        match mode {
            LockMode::Open => Self::Open,
            LockMode::ExclusiveWhenHeld => Self::ExclusiveWhenHeld,
            LockMode::Required => Self::Required,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_keep_their_order_on_both_sides() {
        let fences = [(1, 9), (2, 3), (2, 4)].map(|(epoch, position)| Fence { epoch, position });
        let tokens = fences.map(FencingToken::from);
        assert!(tokens.is_sorted());
        assert_eq!(tokens.map(Fence::from), fences);
    }

    #[test]
    fn a_mode_means_the_same_on_both_sides() {
        assert_eq!(LockMode::from(Mode::default()), LockMode::default());
        for mode in [Mode::Open, Mode::ExclusiveWhenHeld, Mode::Required] {
            let shown = LockMode::from(mode);
            assert_eq!(format!("{shown:?}"), format!("{mode:?}"));
            assert_eq!(Mode::from(shown), mode);
        }
    }
}
