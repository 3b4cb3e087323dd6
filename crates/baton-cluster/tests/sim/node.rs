//! A node: the machines of the core, driven as the front page of the core says.

mod effects;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use baton_cluster::core::{
    BatchAnswer, BootId, ConsumerScope, Delivered, DocumentFeed, DocumentKey, DocumentOpening,
    DuplicateTable, FetchedSnapshot, Isolation, LeaseOptions, LeaseOutput, LostRecord, MarkAnswer,
    MessageContent, NodeLeases, OpeningOptions, OpeningOutput, OutgoingMessage, Pace, PutAnswer,
    Question, ReaderOptions, ReaderOutput, SnapshotEnvelope, SnapshotOptions, SnapshotOutput,
    SnapshotPlan, StreamPosition, StreamReader, StreamWriter, Subject, WriterOptions, WriterOutput,
};
use baton_presence::Time;
use bytes::{BufMut, Bytes, BytesMut};

use crate::engine::{Change, WINDOW};
use crate::flaw::Flaw;
use crate::oracle::value_of;

pub(crate) const STREAMS: u16 = 2;

/// What a node asks of the engine.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Batch {
        stream: u16,
        number: u64,
        attempt: u32,
        messages: Vec<OutgoingMessage>,
    },
    Mark {
        key: DocumentKey,
        expected: u64,
        message: OutgoingMessage,
    },
    Proclaim {
        stream: u16,
        expected: u64,
        message: OutgoingMessage,
    },
    Put {
        key: DocumentKey,
        at: StreamPosition,
        stored: Bytes,
    },
    ReadBack {
        key: DocumentKey,
        at: StreamPosition,
    },
    List {
        key: DocumentKey,
    },
    Fetch {
        key: DocumentKey,
        at: StreamPosition,
    },
    Tail {
        key: DocumentKey,
        after: u64,
        first_page: Vec<Delivered>,
        is_last: bool,
    },
    Purge {
        key: DocumentKey,
        records: u64,
        marks: u64,
    },
    DeleteBelow {
        key: DocumentKey,
        at: StreamPosition,
    },
    Delete {
        key: DocumentKey,
        at: StreamPosition,
    },
    Renew {
        number: u64,
        expected: Option<u64>,
    },
    DeleteLease {
        boot: BootId,
        revision: u64,
    },
    Subscribe {
        stream: u16,
        generation: u64,
        from: u64,
        scope: ConsumerScope,
    },
}

/// What the engine says to a node.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Batch {
        stream: u16,
        number: u64,
        attempt: u32,
        answer: BatchAnswer,
    },
    Mark {
        key: DocumentKey,
        answer: MarkAnswer,
    },
    Put {
        key: DocumentKey,
        answer: PutAnswer,
    },
    ReadBack {
        key: DocumentKey,
        stored: Option<Bytes>,
    },
    Listed {
        key: DocumentKey,
        positions: Vec<StreamPosition>,
    },
    Fetched {
        key: DocumentKey,
        at: StreamPosition,
        snapshot: FetchedSnapshot,
    },
    Tail {
        key: DocumentKey,
        messages: Option<Vec<Delivered>>,
    },
    Purged {
        key: DocumentKey,
    },
    Lease(Change),
    StreamEnds {
        stream: u16,
        last: u64,
    },
    ConsumerFailed {
        stream: u16,
        generation: u64,
    },
    Heartbeat {
        stream: u16,
        generation: u64,
        number: u64,
    },
    Message {
        stream: u16,
        generation: u64,
        number: u64,
        sequence: u64,
        subject: Subject,
        payload: Bytes,
    },
}

/// What the oracles look at.
#[derive(Debug, Clone)]
pub(crate) enum Observation {
    /// A document shows these values now, since an opening.
    Opened {
        key: DocumentKey,
        values: Vec<u64>,
    },
    /// It has one more, its `index`th; own if this node has proposed it.
    Applied {
        key: DocumentKey,
        index: usize,
        value: u64,
        own: bool,
    },
    /// A lease has lapsed, as the own renewal shows that was sent then.
    Lapsed(BootId, Time),
    Lost {
        boot: BootId,
        stream: u16,
    },
    /// It has found the loss of an end, or begins anew.
    KnowsTheEnd(u16),
    Bad(String),
    /// For the trace.
    Note(String),
}

#[derive(Debug)]
enum State {
    Opening(Box<DocumentOpening>),
    Open {
        feed: Box<DocumentFeed>,
        values: Vec<u64>,
    },
}

#[derive(Debug)]
pub(crate) struct Document {
    name: String,
    stream: u16,
    state: State,
    plan: Option<SnapshotPlan>,
}

#[derive(Debug)]
struct StreamShell {
    writer: StreamWriter,
    reader: StreamReader,
    isolation: Isolation,
    kept: Vec<LostRecord>,
    offers: VecDeque<LostRecord>,
    /// For `Flaw::IgnoreGap`.
    counted: (u64, u64),
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) boot: BootId,
    flaw: Flaw,
    streams: Vec<StreamShell>,
    pub(crate) documents: BTreeMap<DocumentKey, Document>,
    pub(crate) leases: NodeLeases,
    pub(crate) requests: Vec<Request>,
    pub(crate) observed: Vec<Observation>,
    /// Own marks of openings, for `Flaw::TrustStaleTail`.
    marks: BTreeMap<DocumentKey, Delivered>,
    /// Records of batches in flight, for `Flaw::ResendUnderNewIds`.
    again: BTreeMap<(u16, u64), Vec<(DocumentKey, Bytes)>>,
}

fn opening_options() -> OpeningOptions {
    OpeningOptions {
        retry: Duration::from_millis(50),
        longest: Duration::from_millis(1_400),
    }
}

impl Node {
    pub(crate) fn new(boot: BootId, flaw: Flaw, now: Time) -> Self {
        let window = match flaw {
            Flaw::ResendPastTheWindow => 10 * WINDOW,
            _ => WINDOW,
        };
        let options = WriterOptions {
            max_messages: 40,
            max_batch_bytes: 2_000,
            max_message_bytes: 100,
            capacity_bytes: 8_000,
            dedupe_window: window,
            answer_timeout: Duration::from_secs(1),
            ..WriterOptions::default()
        };
        let leases = LeaseOptions::default();
        let stream = |_| {
            let mut writer = StreamWriter::new(boot, options.clone());
            let probe = writer.probe(now);
            StreamShell {
                writer,
                reader: StreamReader::new(probe, ReaderOptions::default(), now),
                isolation: Isolation::new(leases.renewal, leases.ttl, now),
                kept: Vec::new(),
                offers: VecDeque::new(),
                counted: (0, 0),
            }
        };
        let mut node = Self {
            boot,
            flaw,
            streams: (0..STREAMS).map(stream).collect(),
            documents: BTreeMap::new(),
            leases: NodeLeases::new(boot, STREAMS, LeaseOptions::default(), now),
            requests: Vec::new(),
            observed: Vec::new(),
            marks: BTreeMap::new(),
            again: BTreeMap::new(),
        };
        node.drive(now);
        node
    }

    pub(crate) fn open(&mut self, name: &str, now: Time) {
        let (key, stream) = (DocumentKey::new(name), crate::world::stream_of(name));
        let shell = &self.streams[usize::from(stream)];
        if self.documents.contains_key(&key) || !shell.reader.is_live() {
            return;
        }
        let history = shell.reader.history().clone();
        let opening = DocumentOpening::new(history, opening_options(), now);
        let document = Document {
            name: name.to_owned(),
            stream,
            state: State::Opening(Box::new(opening)),
            plan: None,
        };
        self.documents.insert(key, document);
        self.drive(now);
    }

    /// Appends a value to an open document; returns true if it was taken.
    pub(crate) fn propose(
        &mut self,
        key: &DocumentKey,
        value: u64,
        length: usize,
        now: Time,
    ) -> bool {
        let Some(document) = self.documents.get(key) else {
            return false;
        };
        if !matches!(document.state, State::Open { .. }) {
            return false;
        }
        let mut record = BytesMut::new();
        record.put_u64_le(value);
        record.put_bytes(7, length);
        let pace = if value.is_multiple_of(3) {
            Pace::Now
        } else {
            Pace::Soon
        };
        let writer = &mut self.streams[usize::from(document.stream)].writer;
        let taken = writer.append(key, &record.freeze(), pace, now).is_ok();
        self.drive(now);
        taken
    }

    pub(crate) fn snapshot(&mut self, key: &DocumentKey, now: Time) {
        let Some(document) = self.documents.get_mut(key) else {
            return;
        };
        let State::Open { feed, values } = &document.state else {
            return;
        };
        let marked = feed.snapshot();
        if document.plan.is_some()
            || values.is_empty()
            || marked.is_some_and(|(position, _)| position >= feed.last())
        {
            return;
        }
        let mut content = BytesMut::new();
        for value in values {
            content.put_u64_le(*value);
        }
        let mut position = feed.last();
        if self.flaw == Flaw::SnapshotAhead {
            position.sequence += 1;
        }
        let snapshot = SnapshotEnvelope {
            position,
            name: document.name.clone(),
            table: feed.table().clone(),
            content: content.freeze(),
        };
        let options = SnapshotOptions {
            retry: Duration::from_millis(100),
            purge_delay: Duration::from_secs(3),
            ..SnapshotOptions::default()
        };
        let expected = marked.map_or(0, |(_, mark)| mark);
        let plan = SnapshotPlan::new(self.boot, &snapshot, expected, options, now);
        document.plan = Some(plan);
        self.drive(now);
    }

    pub(crate) fn values(&self, key: &DocumentKey) -> Option<&[u64]> {
        match &self.documents.get(key)?.state {
            State::Open { values, .. } => Some(values),
            State::Opening(_) => None,
        }
    }

    pub(crate) fn is_isolated(&self) -> bool {
        self.streams
            .iter()
            .any(|shell| shell.isolation.is_isolated())
    }

    pub(crate) fn pending(&self) -> usize {
        self.streams
            .iter()
            .map(|shell| shell.writer.pending_bytes())
            .sum()
    }

    pub(crate) fn waiting(&self) -> String {
        let shells = self.streams.iter();
        let texts = shells.map(|shell| {
            let (live, pending) = (shell.reader.is_live(), shell.writer.pending_bytes());
            let isolated = shell.isolation.is_isolated();
            format!("live {live}, isolated {isolated}, {pending} bytes wait")
        });
        texts.collect::<Vec<_>>().join("; ")
    }

    pub(crate) fn incarnations(&self, stream: u16) -> &[u64] {
        self.streams[usize::from(stream)].reader.history().bases()
    }

    /// Highest sequence that this node has taken from a stream.
    pub(crate) fn position(&self, stream: u16) -> u64 {
        self.streams[usize::from(stream)].reader.position().sequence
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        let streams = self.streams.iter().flat_map(|shell| {
            [
                shell.writer.poll_timeout(),
                shell.reader.poll_timeout(),
                shell.isolation.poll_timeout(),
            ]
        });
        let documents = self.documents.values().flat_map(|document| {
            let opening = match &document.state {
                State::Opening(opening) => Some(opening.poll_timeout()),
                State::Open { .. } => None,
            };
            [
                opening,
                document.plan.as_ref().and_then(SnapshotPlan::poll_timeout),
            ]
        });
        let all = streams.chain(documents).flatten();
        all.chain([self.leases.poll_timeout()]).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) {
        for shell in &mut self.streams {
            shell.writer.handle_timeout(now);
            shell.reader.handle_timeout(now);
        }
        for document in self.documents.values_mut() {
            if let State::Opening(opening) = &mut document.state {
                opening.handle_timeout(now);
            }
            if let Some(plan) = &mut document.plan {
                plan.handle_timeout(now);
            }
        }
        self.leases.handle_timeout(now);
        self.drive(now);
    }

    /// Takes an answer or a message. The effects are carried out with the last one of a step.
    pub(crate) fn reply(&mut self, reply: Reply, is_last: bool, now: Time) {
        match reply {
            Reply::Batch {
                stream,
                number,
                attempt,
                answer,
            } => {
                self.batch_answered(stream, number, attempt, answer, now);
            }
            Reply::Mark { key, answer } => {
                if let Some(plan) = self.plan(&key) {
                    plan.mark_answered(answer, now);
                }
            }
            Reply::Put { key, answer } => {
                if let Some(plan) = self.plan(&key) {
                    plan.put_answered(answer);
                }
            }
            Reply::ReadBack { key, stored } => {
                if let Some(plan) = self.plan(&key) {
                    plan.read_back(stored.as_ref(), now);
                }
            }
            Reply::Purged { key } => {
                if let Some(plan) = self.plan(&key) {
                    plan.purged();
                }
            }
            Reply::Listed { key, positions } => {
                if let Some(opening) = self.opening(&key) {
                    opening.listed(&positions, now);
                }
            }
            Reply::Fetched {
                key,
                at,
                mut snapshot,
            } => {
                if let FetchedSnapshot::Whole(snapshot) = &mut snapshot
                    && self.flaw == Flaw::ForgetTable
                {
                    snapshot.table = DuplicateTable::default();
                }
                if let Some(opening) = self.opening(&key) {
                    opening.fetched(at, snapshot, now);
                }
            }
            Reply::Tail { key, messages } => self.tail_read(&key, messages, now),
            Reply::Lease(change) => self.lease_shown(change, now),
            Reply::StreamEnds { stream, last } => {
                self.streams[usize::from(stream)]
                    .reader
                    .stream_ends_at(last, now);
            }
            Reply::ConsumerFailed { stream, generation } => {
                let reader = &mut self.streams[usize::from(stream)].reader;
                reader.consumer_failed(generation, now);
            }
            Reply::Heartbeat {
                stream,
                generation,
                number,
            } => {
                let shell = &mut self.streams[usize::from(stream)];
                if self.flaw != Flaw::IgnoreGap {
                    shell.reader.heartbeat(generation, number, now);
                }
            }
            Reply::Message {
                stream,
                generation,
                mut number,
                sequence,
                subject,
                payload,
            } => {
                let shell = &mut self.streams[usize::from(stream)];
                if self.flaw == Flaw::IgnoreGap {
                    let (of, count) = &mut shell.counted;
                    if *of != generation {
                        (*of, *count) = (generation, 0);
                    }
                    *count += 1;
                    number = *count;
                }
                let reader = &mut shell.reader;
                reader.received(generation, number, sequence, subject, &payload, now);
            }
        }
        if is_last {
            self.drive(now);
        }
    }

    fn lease_shown(&mut self, change: Change, now: Time) {
        let Some(number) = change.number else {
            self.leases.removed(change.boot, change.revision, now);
            return;
        };
        if change.boot == self.boot {
            for shell in &mut self.streams {
                shell.isolation.answered(Question::Renewal(number), now);
            }
        }
        let (boot, revision) = (change.boot, change.revision);
        self.leases.seen(boot, number, revision, now);
    }

    fn batch_answered(
        &mut self,
        stream: u16,
        number: u64,
        attempt: u32,
        mut answer: BatchAnswer,
        now: Time,
    ) {
        if self.flaw == Flaw::UnknownIsStored && answer == BatchAnswer::Unknown {
            answer = BatchAnswer::Duplicate;
        }
        let writer = &mut self.streams[usize::from(stream)].writer;
        if self.flaw == Flaw::ResendUnderNewIds
            && answer == BatchAnswer::Unknown
            && let Some(again) = self.again.remove(&(stream, number))
        {
            for (key, record) in again {
                let _ = writer.append(&key, &record, Pace::Now, now);
            }
            answer = BatchAnswer::Duplicate;
        }
        writer.answered(number, attempt, answer, now);
    }

    fn tail_read(&mut self, key: &DocumentKey, messages: Option<Vec<Delivered>>, now: Time) {
        let (boot, flaw) = (self.boot, self.flaw);
        let mark = self.marks.get(key).cloned();
        let Some(opening) = self.opening(key) else {
            return;
        };
        let mut messages = messages;
        if let Some(messages) = &mut messages {
            if flaw == Flaw::IgnoreMarks {
                messages.retain(|m| !matches!(m.subject, Subject::Snapshots(_)));
            }
            let own = |message: &Delivered| {
                message.envelope.id.boot == boot
                    && matches!(message.envelope.content, MessageContent::Opened { .. })
            };
            if flaw == Flaw::TrustStaleTail && !messages.iter().any(own) {
                messages.extend(mark);
            }
        }
        opening.tail_read(messages.as_deref(), now);
    }

    fn plan(&mut self, key: &DocumentKey) -> Option<&mut SnapshotPlan> {
        self.documents.get_mut(key)?.plan.as_mut()
    }

    fn opening(&mut self, key: &DocumentKey) -> Option<&mut DocumentOpening> {
        match &mut self.documents.get_mut(key)?.state {
            State::Opening(opening) => Some(opening),
            State::Open { .. } => None,
        }
    }

    /// Returns true if a probe was appended, so that the stream heals.
    fn look_at_isolation(&mut self, stream: u16, now: Time) -> bool {
        let shell = &mut self.streams[usize::from(stream)];
        shell.isolation.changed(now);
        let wants_probe = shell.isolation.wants_probe(now);
        if wants_probe {
            let probe = shell.writer.probe(now);
            shell.isolation.probing(probe.counter);
        }
        wants_probe
    }

    /// Carries out all effects until there are none.
    fn drive(&mut self, now: Time) {
        loop {
            let mut quiet = true;
            self.offer(now);
            for stream in 0..STREAMS {
                while let Some(output) = self.streams[usize::from(stream)].writer.next_output() {
                    self.written(stream, output, now);
                    quiet = false;
                }
                while let Some(output) = self.streams[usize::from(stream)].reader.next_output() {
                    self.read(stream, output, now);
                    quiet = false;
                }
                quiet &= !self.look_at_isolation(stream, now);
            }
            let keys: Vec<_> = self.documents.keys().cloned().collect();
            for key in keys {
                while let Some(output) = self.opening(&key).and_then(DocumentOpening::next_output) {
                    self.opened(&key, output, now);
                    quiet = false;
                }
                while let Some(output) = self.plan(&key).and_then(SnapshotPlan::next_output) {
                    self.planned(&key, output, now);
                    quiet = false;
                }
            }
            while let Some(output) = self.leases.next_output() {
                self.leased(&output, now);
                quiet = false;
            }
            if quiet {
                return;
            }
        }
    }
}
