//! Opens a document: a snapshot, the records after it, and no decision on an old answer.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use baton_presence::Time;

use super::delivered::Delivered;
use super::document_feed::{DocumentFeed, PositionedRecord};
use super::envelope::MessageContent;
use super::record_id::RecordId;
use super::snapshot_envelope::SnapshotEnvelope;
use super::stream_position::{Incarnations, StreamPosition};

/// Answers of the object store after which a snapshot counts as gone: a server of it may be behind.
const MISSED: u32 = 8;

/// Times of a [`DocumentOpening`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningOptions {
    /// Pause before something is read again.
    pub retry: Duration,
    /// Longest opening; after it everything is read anew. It must be shorter than half of the
    /// delay of purges, so that no page of the tail is older than the mark of a purge.
    pub longest: Duration,
}

impl Default for OpeningOptions {
    fn default() -> Self {
        Self {
            retry: Duration::from_millis(100),
            longest: Duration::from_secs(25),
        }
    }
}

/// An effect of an opening. Answers to an earlier attempt than the last do no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpeningOutput {
    /// The shell appends the mark by [`StreamWriter::open`](super::StreamWriter::open), and says
    /// its id by [`DocumentOpening::marked`] before it delivers anything more.
    Mark,
    /// The shell lists the stored snapshots of the document.
    ListSnapshots,
    /// The shell reads the snapshot with this position.
    FetchSnapshot(StreamPosition),
    /// The shell reads all messages of the document, records and marks, from any server.
    ReadTail,
    /// The document is open. The opening is done.
    Opened(Box<OpenedDocument>),
    /// A snapshot that the log needs is damaged. The document does not open until the object
    /// store has it again.
    Damaged(StreamPosition),
    /// The object store says again and again that it does not have a snapshot that the log needs.
    /// The document does not open until the object store has it again.
    Gone(StreamPosition),
}

/// A document as it is opened.
#[derive(Debug, Clone)]
pub struct OpenedDocument {
    /// The newest snapshot.
    pub snapshot: Option<SnapshotEnvelope>,
    /// All records after it, up to the moment of the last delivery.
    pub tail: Vec<PositionedRecord>,
    /// Takes the messages that are delivered from now on.
    pub feed: DocumentFeed,
}

impl PartialEq for OpenedDocument {
    fn eq(&self, other: &Self) -> bool {
        self.snapshot == other.snapshot && self.tail == other.tail
    }
}

impl Eq for OpenedDocument {}

/// Result of a read of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchedSnapshot {
    /// The snapshot.
    Whole(Box<SnapshotEnvelope>),
    /// The store does not have it, or not yet.
    Missing,
    /// It is there and cannot be read.
    Damaged,
}

/// Opens one document.
///
/// The opening appends a mark of its own. A read of the tail that has the mark comes from a server
/// that has all that is before it; all that follows it is delivered and buffered. A purge is
/// preceded by the mark of its snapshot, so after the snapshot of its newest mark a tail has no
/// hole.
///
/// The list of snapshots is not believed where the log can tell: an object may come of an end that
/// the stream has lost. It counts only if the log has neither a mark nor a message from before it.
#[derive(Debug)]
pub struct DocumentOpening {
    options: OpeningOptions,
    history: Incarnations,
    begun: Time,
    mark: Option<RecordId>,
    /// Sequence at which the mark was delivered.
    marked_at: Option<u64>,
    /// Messages that were delivered after the mark.
    buffer: Vec<Delivered>,
    stage: Stage,
    /// Positions whose snapshots cannot be read.
    damaged: BTreeSet<StreamPosition>,
    /// Number of answers that the object store does not have the snapshot that the log needs.
    missed: u32,
    /// True if no snapshot is to be read.
    unread: bool,
    /// Time at which the last question is put again.
    again: Time,
    outputs: VecDeque<OpeningOutput>,
}

/// The progress of an opening.
#[derive(Debug)]
enum Stage {
    /// The mark is awaited.
    Marking,
    /// The tail was asked for, or is when this is due again.
    Reading {
        asked: bool,
    },
    /// The tail has no mark of a snapshot; the list was asked for.
    Listing {
        tail: Vec<Delivered>,
    },
    /// This snapshot was asked for; `needed` by the log, else only found in the list.
    Fetching {
        tail: Vec<Delivered>,
        at: StreamPosition,
        needed: bool,
    },
    /// All is known but what is delivered until the effect is taken.
    Ready {
        tail: Vec<Delivered>,
        snapshot: Option<Box<SnapshotEnvelope>>,
    },
    Opened,
}

impl DocumentOpening {
    /// Begins to open a document. From now on the shell hands over each message of the document
    /// that the reader delivers. `history` is that of the reader.
    #[must_use]
    pub fn new(history: Incarnations, options: OpeningOptions, now: Time) -> Self {
        Self::with(history, options, false, now)
    }

    /// Begins to open a document without its content, to erase it: no snapshot is read. Its table
    /// of duplicates knows only the records that the log still has.
    #[must_use]
    pub fn unread(history: Incarnations, options: OpeningOptions, now: Time) -> Self {
        Self::with(history, options, true, now)
    }

    fn with(history: Incarnations, options: OpeningOptions, unread: bool, now: Time) -> Self {
        let mut opening = Self {
            options,
            history: Incarnations::default(),
            begun: now,
            mark: None,
            marked_at: None,
            buffer: Vec::new(),
            stage: Stage::Marking,
            damaged: BTreeSet::new(),
            missed: 0,
            unread,
            again: now,
            outputs: VecDeque::new(),
        };
        opening.begin(history, now);
        opening
    }

    /// Begins anew: after a hole, or when an incarnation has begun.
    pub fn begin(&mut self, history: Incarnations, now: Time) {
        self.history = history;
        self.begun = now;
        self.mark = None;
        self.marked_at = None;
        self.buffer.clear();
        self.damaged.clear();
        self.missed = 0;
        self.stage = Stage::Marking;
        self.again = now + self.options.longest;
        self.outputs.clear();
        self.outputs.push_back(OpeningOutput::Mark);
    }

    /// Takes the id of the mark.
    pub fn marked(&mut self, id: RecordId) {
        self.mark = Some(id);
    }

    /// Takes a message of the document that the reader delivers.
    pub fn delivered(&mut self, message: &Delivered, now: Time) {
        if self.marked_at.is_some() {
            self.buffer.push(message.clone());
        } else if Some(message.envelope.id) == self.mark
            && matches!(message.envelope.content, MessageContent::Opened { .. })
        {
            self.marked_at = Some(message.sequence);
            self.read_tail(now);
        }
    }

    /// Takes the messages of a read of the tail, in order; `None` if the read failed.
    pub fn tail_read(&mut self, tail: Option<&[Delivered]>, now: Time) {
        if !matches!(self.stage, Stage::Reading { asked: true }) {
            return;
        }
        self.stage = Stage::Reading { asked: false };
        self.again = now + self.options.retry;
        if now.since(self.begun) >= self.options.longest {
            // The process was stopped: pages of before may be older than the mark of a purge.
            self.begin(self.history.clone(), now);
            return;
        }
        let is_own = |message: &Delivered| Some(message.envelope.id) == self.mark;
        // A tail without the own mark is from a server that is behind.
        let Some(tail) = tail.filter(|tail| tail.iter().any(is_own)) else {
            return;
        };
        let tail = tail.to_vec();
        if self.unread {
            self.ready(tail, None);
            return;
        }
        match self.newest_mark(&tail) {
            // Records up to there may have been purged before the tail was read.
            Some(at) => self.fetch(tail, at, true, now),
            None => self.list(tail, now),
        }
    }

    /// Takes the positions of the stored snapshots of the document.
    pub fn listed(&mut self, positions: &[StreamPosition], now: Time) {
        let Stage::Listing { tail } = &mut self.stage else {
            return;
        };
        // A purge leaves no message of before.
        let first = tail.iter().map(|message| message.sequence).min();
        let usable = |at: &&StreamPosition| {
            self.history.contains(**at)
                && !self.damaged.contains(*at)
                && first.is_none_or(|first| at.sequence < first)
        };
        let newest = positions.iter().filter(usable).max().copied();
        let tail = std::mem::take(tail);
        match newest {
            Some(newest) => self.fetch(tail, newest, false, now),
            None => self.ready(tail, None),
        }
    }

    /// Takes what a read of the snapshot with this position gave.
    pub fn fetched(&mut self, position: StreamPosition, snapshot: FetchedSnapshot, now: Time) {
        let Stage::Fetching { tail, at, needed } = &mut self.stage else {
            return;
        };
        let (at, needed) = (*at, *needed);
        if at != position {
            return;
        }
        match snapshot {
            FetchedSnapshot::Whole(snapshot) if snapshot.position == position => {
                let tail = std::mem::take(tail);
                self.ready(tail, Some(snapshot));
            }
            // The read again is due at the time that `fetch` has set.
            FetchedSnapshot::Missing if needed => self.missed += 1,
            // Deleted in favour of a newer one; the list was old.
            FetchedSnapshot::Missing => {
                let tail = std::mem::take(tail);
                self.stage = Stage::Listing { tail };
                self.again = now + self.options.retry;
            }
            FetchedSnapshot::Whole(_) | FetchedSnapshot::Damaged if needed => {
                self.outputs.push_back(OpeningOutput::Damaged(position));
            }
            FetchedSnapshot::Whole(_) | FetchedSnapshot::Damaged => {
                let tail = std::mem::take(tail);
                self.damaged.insert(position);
                self.list(tail, now);
            }
        }
    }

    /// Returns the time at which [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        self.again.min(self.begun + self.options.longest)
    }

    /// Asks again for what did not come.
    pub fn handle_timeout(&mut self, now: Time) {
        if now.since(self.begun) >= self.options.longest {
            match self.stage {
                Stage::Fetching {
                    at, needed: true, ..
                } if self.missed >= MISSED => {
                    self.missed = 0;
                    self.outputs.push_back(OpeningOutput::Gone(at));
                }
                _ => self.begin(self.history.clone(), now),
            }
        } else if self.again <= now {
            match std::mem::replace(&mut self.stage, Stage::Opened) {
                Stage::Reading { .. } => self.read_tail(now),
                Stage::Listing { tail } => self.list(tail, now),
                Stage::Fetching { tail, at, needed } => self.fetch(tail, at, needed, now),
                stage @ (Stage::Marking | Stage::Ready { .. } | Stage::Opened) => {
                    self.stage = stage;
                }
            }
        }
    }

    /// Returns the next effect. An opened document is made when it is taken, so that it has all
    /// that was delivered until then; from then on its feed takes what is delivered.
    pub fn next_output(&mut self) -> Option<OpeningOutput> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        match std::mem::replace(&mut self.stage, Stage::Opened) {
            Stage::Ready { tail, snapshot } => {
                let opened = self.opened(&tail, snapshot.map(|snapshot| *snapshot));
                Some(OpeningOutput::Opened(Box::new(opened)))
            }
            stage => {
                self.stage = stage;
                None
            }
        }
    }

    fn newest_mark(&self, tail: &[Delivered]) -> Option<StreamPosition> {
        let marks = tail
            .iter()
            .filter_map(|message| match &message.envelope.content {
                MessageContent::SnapshotAt { position, .. } => Some((*position, message.sequence)),
                _ => None,
            });
        marks
            .filter(|(position, sequence)| self.history.counts(*position, *sequence))
            .map(|(position, _)| position)
            .max()
    }

    fn read_tail(&mut self, now: Time) {
        self.stage = Stage::Reading { asked: true };
        self.again = now + self.options.retry * 10;
        self.outputs.push_back(OpeningOutput::ReadTail);
    }

    fn list(&mut self, tail: Vec<Delivered>, now: Time) {
        self.stage = Stage::Listing { tail };
        self.again = now + self.options.retry * 10;
        self.outputs.push_back(OpeningOutput::ListSnapshots);
    }

    fn fetch(&mut self, tail: Vec<Delivered>, at: StreamPosition, needed: bool, now: Time) {
        self.stage = Stage::Fetching { tail, at, needed };
        self.again = now + self.options.retry * 10;
        self.outputs.push_back(OpeningOutput::FetchSnapshot(at));
    }

    fn ready(&mut self, tail: Vec<Delivered>, snapshot: Option<Box<SnapshotEnvelope>>) {
        self.stage = Stage::Ready { tail, snapshot };
    }

    fn opened(&self, tail: &[Delivered], snapshot: Option<SnapshotEnvelope>) -> OpenedDocument {
        let mut feed = DocumentFeed::new(self.history.clone(), snapshot.as_ref());
        let marked_at = self.marked_at.unwrap_or(0);
        let before = tail.iter().filter(|message| message.sequence <= marked_at);
        let messages = before.chain(&self.buffer);
        let tail = messages.filter_map(|message| feed.take(message)).collect();
        OpenedDocument {
            snapshot,
            tail,
            feed,
        }
    }
}

#[cfg(test)]
mod tests;
