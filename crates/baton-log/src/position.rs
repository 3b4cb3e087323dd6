//! A position in the log of one document.

use std::fmt;

/// A place in one document's log. The first record is at 1; [`Position::START`] (0) is before all.
///
/// Positions of a document only grow: over restarts, over compaction and over the deletion of all
/// that the document held. The crate's front page says what a crash may and may not take back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// Before the first record.
    pub const START: Position = Position(0);

    /// The position with this number.
    #[must_use]
    pub const fn new(number: u64) -> Position {
        Position(number)
    }

    /// The number of this position.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position right after this one.
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
