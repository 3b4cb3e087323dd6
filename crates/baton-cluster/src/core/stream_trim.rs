//! Moves the first sequence of a stream forward, so that the engine starts quickly.

use std::time::Duration;

use baton_presence::Time;

/// Limits of a [`StreamTrim`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrimOptions {
    /// Purged messages between the first and the last one above which the oldest are moved. The
    /// engine writes its index up to a million.
    pub holes: u64,
    /// Time between two looks at a stream.
    pub interval: Duration,
    /// Most documents that are asked for at once.
    pub documents: usize,
}

impl Default for TrimOptions {
    fn default() -> Self {
        Self {
            holes: 200_000,
            interval: Duration::from_secs(60),
            documents: 64,
        }
    }
}

/// The extent of a stream, as the engine says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamExtent {
    /// Sequence of the first message.
    pub first: u64,
    /// Sequence of the last message.
    pub last: u64,
    /// Number of messages that are there.
    pub messages: u64,
}

/// The part of a stream that is to be emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldestTenth {
    /// First sequence of the part.
    pub first: u64,
    /// Last sequence of the part.
    pub last: u64,
    /// Most documents to snapshot in this round.
    pub documents: usize,
}

/// Decides when the documents that hold the oldest messages of a stream are to be snapshotted.
///
/// Documents are purged one by one, and one that rests keeps its last messages: holes grow between
/// them, and only the first sequence frees the engine of the holes below it.
#[derive(Debug)]
pub struct StreamTrim {
    options: TrimOptions,
    due: Time,
}

impl StreamTrim {
    /// Makes the trim of one stream.
    #[must_use]
    pub fn new(options: TrimOptions, now: Time) -> Self {
        let due = now + options.interval;
        Self { options, due }
    }

    /// Returns the time at which the shell asks the engine for the stream's extent.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        self.due
    }

    /// Takes the extent of the stream; `None` if the engine did not answer. `rank` is the place of
    /// this node among those that live, in the order of their boots, and `nodes` their number: one
    /// of them does it.
    ///
    /// Returns the part whose documents the shell opens and snapshots, the oldest messages first;
    /// marks and probes in it are appended again or purged.
    pub fn looked(
        &mut self,
        stream: u16,
        extent: Option<StreamExtent>,
        rank: usize,
        nodes: usize,
        now: Time,
    ) -> Option<OldestTenth> {
        self.due = now + self.options.interval;
        let extent = extent.filter(|extent| extent.first > 0 && extent.first <= extent.last)?;
        let span = extent.last - extent.first + 1;
        let holes = span.saturating_sub(extent.messages);
        let own = usize::from(stream) % nodes.max(1) == rank;
        (own && holes > self.options.holes).then(|| OldestTenth {
            first: extent.first,
            last: extent.first + span / 10,
            documents: self.options.documents,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_moves_the_oldest_tenth_if_there_are_many_holes() {
        let now = Time::ZERO;
        let mut trim = StreamTrim::new(TrimOptions::default(), now);
        let extent = |messages| {
            Some(StreamExtent {
                first: 1_001,
                last: 301_000,
                messages,
            })
        };
        assert_eq!(
            trim.looked(4, extent(100_000), 1, 3, now),
            None,
            "not so many"
        );
        let part = trim.looked(4, extent(99_999), 1, 3, now).expect("too many");
        assert_eq!((part.first, part.last), (1_001, 31_001));
        assert_eq!(trim.looked(4, extent(0), 0, 3, now), None, "another node's");
        assert_eq!(trim.looked(4, None, 1, 3, now), None);
        assert_eq!(trim.poll_timeout(), now + Duration::from_secs(60));
    }
}
