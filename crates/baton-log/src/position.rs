//! A position in the log of one document.

use std::fmt;

/// A position in the log of one document. The first record is at 1; [`Position::START`] (0) is
/// before all.
///
/// A document's positions only grow: over restarts, over compaction, and over the erasure of the
/// document. The crate's front page says what a crash may and may not take back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// The position before the first record.
    pub const START: Position = Position(0);

    /// Makes the position with this number.
    #[must_use]
    pub const fn new(number: u64) -> Position {
        Position(number)
    }

    /// Returns the number of this position.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the position right after this one.
    #[must_use]
    pub const fn next(self) -> Position {
        Position(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
