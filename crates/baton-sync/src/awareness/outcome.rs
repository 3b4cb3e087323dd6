//! Results of the steps of awareness: payloads to be sent.

use bytes::Bytes;

use super::error::AwarenessRefusal;

/// Result of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct AwarenessOutcome {
    /// The changes, for all connections. The sender is one of them: its watchdog counts any
    /// message.
    pub broadcast: Option<Bytes>,
    /// For the sender alone: removals that make it state its entries again, at a raised clock.
    pub answer: Option<Bytes>,
    /// Entries ignored because they are newer statements about a client of another connection.
    pub spoofed: u32,
    /// Entries ignored because a limit is reached or their clock is out of range.
    pub refused: u32,
    /// Reason for the first refusal.
    pub refusal: Option<AwarenessRefusal>,
}

/// Result of the end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct OwnerRemoval<O> {
    /// For all connections: the entries that were removed with this one.
    pub broadcast: Option<Bytes>,
    /// For one connection each: a removal, which its client answers by stating its entry again.
    /// These clients came back over a new connection before the old one was known to be dead.
    pub answers: Vec<(O, Bytes)>,
}

/// Result of a look for entries that have not been renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct StaleEntries<O> {
    /// For one connection each: removals, which its client answers by stating its entries again.
    pub ask: Vec<(O, Bytes)>,
    /// For all connections: removed entries, whose owner was asked and did not answer.
    pub broadcast: Option<Bytes>,
}
