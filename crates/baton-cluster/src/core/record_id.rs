//! Names of records: the boot of a node, and a number that it counts.

use std::fmt;

/// A start of a node: 64 random bits, drawn anew each time the process starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootId(pub u64);

/// The name of a record, before the engine has given it a position.
///
/// A node counts the messages that it appends to a stream. A stream's writer has one batch in
/// flight, so the counters of one boot grow along the stream, except in duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// Boot of the node that proposed the record.
    pub boot: BootId,
    /// Number of the message among those of this boot in this stream, from 1.
    pub counter: u64,
}

impl RecordId {
    /// Returns the message id under which the engine removes duplicates, for one part of a record.
    #[must_use]
    pub fn message_id(self, part: u16) -> String {
        format!("{:x}-{:x}-{part:x}", self.boot.0, self.counter)
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.boot, self.counter)
    }
}
