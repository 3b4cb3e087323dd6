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
    /// The shell reads all messages of the document, records and marks, with sequences above this
    /// one, from any server.
    ReadTail {
        /// Sequence of the last record in the snapshot.
        after: u64,
    },
    /// The document is open. The opening is done.
    Opened(Box<OpenedDocument>),
    /// A snapshot that the log needs is damaged. The document does not open until the object
    /// store has it again.
    Damaged(StreamPosition),
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
/// preceded by the mark of its snapshot, so a tail whose newest snapshot is the one that was read
/// has no hole.
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
    base: Base,
    /// Positions whose snapshots cannot be read.
    damaged: BTreeSet<StreamPosition>,
    /// The snapshot that the log needs and that the store did not have when it was last asked.
    missing: Option<StreamPosition>,
    /// True while a tail is being read.
    reading: bool,
    /// Time at which the last question is put again.
    again: Time,
    outputs: VecDeque<OpeningOutput>,
}

/// The snapshot on which the tail must join.
#[derive(Debug)]
enum Base {
    /// The list was asked for.
    Listing,
    /// This one was asked for; `needed` by the log, else only found in the list.
    Fetching { at: StreamPosition, needed: bool },
    /// There is none, or this one.
    Known(Option<Box<SnapshotEnvelope>>),
}

impl DocumentOpening {
    /// Begins to open a document. From now on the shell hands over each message of the document
    /// that the reader delivers. `history` is that of the reader.
    #[must_use]
    pub fn new(history: Incarnations, options: OpeningOptions, now: Time) -> Self {
        let mut opening = Self {
            options,
            history: Incarnations::default(),
            begun: now,
            mark: None,
            marked_at: None,
            buffer: Vec::new(),
            base: Base::Listing,
            damaged: BTreeSet::new(),
            missing: None,
            reading: false,
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
        self.missing = None;
        self.base = Base::Listing;
        self.reading = false;
        self.again = now + self.options.retry * 10;
        self.outputs.clear();
        self.outputs.push_back(OpeningOutput::Mark);
        self.outputs.push_back(OpeningOutput::ListSnapshots);
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

    /// Takes the positions of the stored snapshots of the document.
    pub fn listed(&mut self, positions: &[StreamPosition], now: Time) {
        if matches!(self.base, Base::Listing) {
            let usable = |position: &&StreamPosition| {
                self.history.contains(**position) && !self.damaged.contains(*position)
            };
            match positions.iter().filter(usable).max() {
                Some(newest) => self.fetch(*newest, false, now),
                None => self.settle(None, now),
            }
        }
    }

    /// Takes what a read of the snapshot with this position gave.
    pub fn fetched(&mut self, position: StreamPosition, snapshot: FetchedSnapshot, now: Time) {
        let Base::Fetching { at, needed } = self.base else {
            return;
        };
        if at != position {
            return;
        }
        match snapshot {
            FetchedSnapshot::Whole(snapshot) if snapshot.position == position => {
                self.settle(Some(snapshot), now);
            }
            // The read again is due at the time that `fetch` has set.
            FetchedSnapshot::Missing if needed => self.missing = Some(position),
            // Deleted in favour of a newer one; the list was old.
            FetchedSnapshot::Missing => {
                self.base = Base::Listing;
                self.again = now + self.options.retry;
            }
            FetchedSnapshot::Whole(_) | FetchedSnapshot::Damaged => {
                self.damaged.insert(position);
                if needed {
                    self.outputs.push_back(OpeningOutput::Damaged(position));
                } else {
                    self.list(now);
                }
            }
        }
    }

    /// Takes the messages of a read of the tail, in order; `None` if the read failed.
    pub fn tail_read(&mut self, tail: Option<&[Delivered]>, now: Time) {
        if !std::mem::take(&mut self.reading) {
            return;
        }
        self.again = now + self.options.retry;
        if now.since(self.begun) >= self.options.longest {
            // The process was stopped: pages of before may be older than the mark of a purge.
            self.begin(self.history.clone(), now);
            return;
        }
        let (Some(tail), Some(marked_at), Base::Known(base)) = (tail, self.marked_at, &self.base)
        else {
            return;
        };
        if !tail
            .iter()
            .any(|message| Some(message.envelope.id) == self.mark)
        {
            // From a server that is behind.
            return;
        }
        let base_position = base.as_ref().map(|snapshot| snapshot.position);
        if let Some(newer) = self
            .newest_mark(tail)
            .filter(|at| Some(*at) > base_position)
        {
            // Records up to there may have been purged before the tail was read.
            self.fetch(newer, true, now);
            return;
        }
        let snapshot = base.as_deref().cloned();
        let mut feed = DocumentFeed::new(self.history.clone(), snapshot.as_ref());
        let before = tail.iter().filter(|message| message.sequence <= marked_at);
        let messages = before.chain(&self.buffer);
        let tail = messages.filter_map(|message| feed.take(message)).collect();
        let opened = OpenedDocument {
            snapshot,
            tail,
            feed,
        };
        self.outputs
            .push_back(OpeningOutput::Opened(Box::new(opened)));
    }

    /// Returns the time at which [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        self.again.min(self.begun + self.options.longest)
    }

    /// Asks again for what did not come.
    pub fn handle_timeout(&mut self, now: Time) {
        if now.since(self.begun) >= self.options.longest {
            self.begin(self.history.clone(), now);
        } else if self.again <= now {
            match self.base {
                Base::Listing => self.list(now),
                Base::Fetching { at, needed } => self.fetch(at, needed, now),
                Base::Known(_) => {
                    self.reading = false;
                    self.again = now + self.options.retry * 10;
                    self.read_tail(now);
                }
            }
        }
    }

    /// Returns the position of the snapshot without which the document cannot be opened, if the
    /// store answered that it does not have it, and was not seen to have it since.
    #[must_use]
    pub fn missing(&self) -> Option<StreamPosition> {
        self.missing
    }

    /// Returns the next effect.
    pub fn next_output(&mut self) -> Option<OpeningOutput> {
        self.outputs.pop_front()
    }

    fn newest_mark(&self, tail: &[Delivered]) -> Option<StreamPosition> {
        let marks = tail
            .iter()
            .filter_map(|message| match &message.envelope.content {
                MessageContent::SnapshotAt { position, .. } => Some(*position),
                _ => None,
            });
        marks
            .filter(|position| self.history.contains(*position))
            .max()
    }

    fn list(&mut self, now: Time) {
        self.base = Base::Listing;
        self.again = now + self.options.retry * 10;
        self.outputs.push_back(OpeningOutput::ListSnapshots);
    }

    fn fetch(&mut self, at: StreamPosition, needed: bool, now: Time) {
        self.base = Base::Fetching { at, needed };
        self.again = now + self.options.retry * 10;
        self.outputs.push_back(OpeningOutput::FetchSnapshot(at));
    }

    fn settle(&mut self, snapshot: Option<Box<SnapshotEnvelope>>, now: Time) {
        if snapshot.as_ref().map(|snapshot| snapshot.position) >= self.missing {
            self.missing = None;
        }
        self.base = Base::Known(snapshot);
        self.read_tail(now);
    }

    /// Reads the tail once both the snapshot and the mark are there.
    fn read_tail(&mut self, now: Time) {
        if let Base::Known(snapshot) = &self.base
            && self.marked_at.is_some()
            && !self.reading
        {
            let after = snapshot
                .as_ref()
                .map_or(0, |snapshot| snapshot.position.sequence);
            self.reading = true;
            self.again = now + self.options.retry * 10;
            self.outputs.push_back(OpeningOutput::ReadTail { after });
        }
    }
}
