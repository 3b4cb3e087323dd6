//! The task of one stream: drives the machines of writer, reader, openings and snapshots over the
//! engine.
//!
//! The task owns all of them. What it asks the engine is asked by tasks of their own, and comes
//! back as an input.

mod effects;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use baton_log::{LogError, NodeNews, Reservation};
use baton_presence::Time;
use tokio::sync::{mpsc, oneshot};

use super::documents::{AbortOnDrop, Documents};
use super::node::Node;
use super::options::ClusterOptions;
use super::questions::Questions;
use super::relay_task::RelayTask;
use super::snapshot_plans::SnapshotPlans;
use super::stream_input::{Answer, OpenRequest, Proposal, StreamInput};
use crate::core::{
    DocumentKey, Isolation, LostRecord, Question, StreamExtent, StreamReader, StreamTrim,
    StreamWriter, Subject,
};
use crate::engine::{Heard, StreamState};

/// Most messages of a consumer that wait for the task.
const HEARD_WAITING: usize = 1024;

/// Time after which a reader that waits for its probe gets another one: the first may have been
/// purged while the engine could not be reached.
const PROBE_AGAIN: Duration = Duration::from_secs(60);

/// The task of one stream.
#[derive(Debug)]
pub(super) struct StreamTask {
    index: u16,
    node: Arc<Node>,
    questions: Questions,
    relay: RelayTask,
    inputs: mpsc::UnboundedReceiver<StreamInput>,
    /// For the tasks that pass on what consumers say.
    saying: mpsc::Sender<(u64, Heard)>,
    heard: mpsc::Receiver<(u64, Heard)>,
    writer: StreamWriter,
    reader: StreamReader,
    /// Time of the next probe for a reader that is not live.
    probe_again: Option<Time>,
    isolation: Isolation,
    trim: StreamTrim,
    documents: Documents,
    plans: SnapshotPlans,
    /// Passes on what the present consumer says.
    consumer: Option<AbortOnDrop>,
    /// Own records that were not delivered, with their room in the queue.
    outstanding: BTreeMap<u64, Reservation>,
    /// Requests that wait until the reader is live.
    waiting: Vec<OpenRequest>,
    /// Each waits for records up to a counter, and for so many snapshots.
    flushes: Vec<(u64, u64, oneshot::Sender<()>)>,
    /// Records of an end that the stream has lost, until the next incarnation.
    lost: Vec<LostRecord>,
    /// Sequence that was the last at the trim's look before: probes below it are old.
    probes_before: u64,
    ended: bool,
}

impl StreamTask {
    pub(super) fn new(
        index: u16,
        node: &Arc<Node>,
        options: &ClusterOptions,
        questions: Questions,
        relay: RelayTask,
        inputs: mpsc::UnboundedReceiver<StreamInput>,
        weak: mpsc::WeakUnboundedSender<StreamInput>,
    ) -> StreamTask {
        let now = node.clock.now();
        let mut writer = StreamWriter::new(node.boot, options.writer.clone());
        let probe = writer.probe(now);
        let (saying, heard) = mpsc::channel(HEARD_WAITING);
        StreamTask {
            index,
            node: Arc::clone(node),
            questions,
            relay,
            inputs,
            saying,
            heard,
            reader: StreamReader::new(probe, options.reader.clone(), now),
            probe_again: None,
            writer,
            isolation: Isolation::new(options.leases.renewal, options.leases.ttl, now),
            trim: StreamTrim::new(options.trim.clone(), now),
            documents: Documents::new(Arc::clone(node), options.opening.clone(), weak),
            plans: SnapshotPlans::new(node.boot, options.snapshots.clone()),
            consumer: None,
            outstanding: BTreeMap::new(),
            waiting: Vec::new(),
            flushes: Vec::new(),
            lost: Vec::new(),
            probes_before: 0,
            ended: false,
        }
    }

    /// Runs until the log and all its journals are gone, or it is told to end.
    pub(super) async fn run(mut self) {
        self.settle();
        while !self.ended {
            let due = self.node.clock.instant(self.poll_timeout());
            tokio::select! {
                input = self.inputs.recv() => match input {
                    Some(input) => self.take(input),
                    None => return,
                },
                Some((generation, heard)) = self.heard.recv() => self.hear(generation, heard),
                () = tokio::time::sleep_until(due) => self.handle_timeout(),
            }
            // Messages that are there already are one step with it.
            while let Ok((generation, heard)) = self.heard.try_recv() {
                self.hear(generation, heard);
            }
            self.settle();
        }
    }

    fn poll_timeout(&self) -> Time {
        let times = [
            self.writer.poll_timeout(),
            self.reader.poll_timeout(),
            self.isolation.poll_timeout(),
            self.documents.poll_timeout(),
            self.plans.poll_timeout(),
            self.probe_again,
        ];
        let trim = self.trim.poll_timeout();
        times.into_iter().flatten().fold(trim, Time::min)
    }

    fn handle_timeout(&mut self) {
        let now = self.node.clock.now();
        self.writer.handle_timeout(now);
        self.reader.handle_timeout(now);
        self.documents.handle_timeout(now);
        self.plans.handle_timeout(now);
        if self.probe_again.is_some_and(|at| at <= now) {
            self.probe_again = None;
            self.writer.probe(now);
        }
        if self.trim.poll_timeout() <= now {
            self.questions.look();
            // The answer sets the time of the next look; without one this does.
            let _ = self.trim.looked(self.index, None, 0, 1, now);
        }
    }

    fn take(&mut self, input: StreamInput) {
        let now = self.node.clock.now();
        match input {
            StreamInput::Open(request) => self.waiting.push(request),
            StreamInput::Propose(proposal) => self.propose(proposal, now),
            StreamInput::Snapshot {
                key,
                envelope,
                at_once,
            } => {
                let mark = self.documents.newest_mark(&key);
                self.plans.begin(key, envelope, mark, at_once, now);
            }
            StreamInput::Close { key, handle } => self.documents.close(&key, handle),
            StreamInput::Renewal { number, seen } => {
                let question = Question::Renewal(number);
                if seen {
                    self.isolation.answered(question, now);
                } else {
                    self.isolation.asked(question, now);
                }
            }
            StreamInput::Lapsed => {
                self.writer.probe(now);
            }
            StreamInput::Flush(reply) => {
                let last = self.outstanding.keys().next_back();
                let last = last.copied().unwrap_or(0);
                self.flushes.push((last, self.plans.begun(), reply));
            }
            StreamInput::End(error) => {
                self.documents.end(&error);
                for request in self.waiting.drain(..) {
                    // A caller that has gone needs no answer.
                    let _ = request.reply.send(Err((*error).clone()));
                }
                self.ended = true;
            }
            StreamInput::Answer(answer) => self.answered(answer, now),
        }
    }

    fn propose(&mut self, proposal: Proposal, now: Time) {
        let Proposal {
            key,
            handle,
            counter,
            record,
            pace,
            charge,
        } = proposal;
        if !self.documents.is_open(&key, handle) {
            // Its document has failed, and its journal says so.
            return;
        }
        match self.writer.append(&key, &record, pace, now) {
            Ok(id) => {
                self.outstanding.insert(id.counter, charge);
                self.documents.proposed(&key, handle, id.counter, counter);
            }
            Err(refusal) => {
                tracing::error!(document = %key, %refusal, "a record cannot be stored");
                let reason = refusal.to_string().into();
                self.documents
                    .fail(&key, &Arc::new(LogError::Failed { reason }));
            }
        }
    }

    fn answered(&mut self, answer: Answer, now: Time) {
        match answer {
            Answer::Appended {
                number,
                attempt,
                answer,
                full,
            } => {
                if let Some(full) = full {
                    self.node.set_full(self.index, full);
                }
                self.writer.answered(number, attempt, answer, now);
            }
            Answer::ConsumerBegan { last } => self.reader.stream_ends_at(last, now),
            Answer::ConsumerFailed { generation } => self.reader.consumer_failed(generation, now),
            Answer::Opening(key, answer) => self.documents.answered(&key, answer, now),
            Answer::Plan(key, answer) => self.plans.answered(&key, answer, now),
            Answer::Looked(state) => self.looked(state, now),
            Answer::Oldest(documents) => self.ask_for_snapshots(documents),
        }
    }

    fn hear(&mut self, generation: u64, heard: Heard) {
        let now = self.node.clock.now();
        match heard {
            Heard::Message { number, message } => {
                // A subject that is no subject of the protocol is read as one whose content is not.
                let subject = self.questions.parse(&message.subject);
                let (subject, payload) = match subject {
                    Some(subject) => (subject, message.payload),
                    None => (Subject::Probes, bytes::Bytes::new()),
                };
                let sequence = message.sequence;
                self.reader
                    .received(generation, number, sequence, subject, &payload, now);
            }
            Heard::Heartbeat { number } => self.reader.heartbeat(generation, number, now),
            Heard::Ended => self.reader.consumer_failed(generation, now),
        }
    }

    /// Tells the node if this stream is isolated, and has it read again to its end before it heals.
    fn look_at_isolation(&mut self) {
        let now = self.node.clock.now();
        if let Some(change) = self.isolation.changed(now) {
            self.node.set_isolated(self.index, change);
        }
        if self.isolation.wants_probe(now) {
            let probe = self.writer.probe(now);
            self.isolation.probing(probe.counter);
        }
    }

    /// Does what the machines ask for, until they ask for nothing more.
    fn settle(&mut self) {
        loop {
            self.look_at_isolation();
            let now = self.node.clock.now();
            if let Some(output) = self.writer.next_output() {
                self.write(output, now);
            } else if let Some(output) = self.reader.next_output() {
                self.read(output, now);
            } else if let Some((key, output)) = self.documents.next_output() {
                self.open(&key, output, now);
            } else if let Some((key, output)) = self.plans.next_output(now) {
                self.snapshot(key, output, now);
            } else if self.reader.is_live()
                && let Some(request) = self.waiting.pop()
            {
                let listener = self.relay.listen(&request.name);
                let history = self.reader.history().clone();
                self.documents.open(request, history, listener, now);
            } else {
                break;
            }
        }
        let waits = !self.reader.is_live();
        let next = self
            .probe_again
            .unwrap_or(self.node.clock.now() + PROBE_AGAIN);
        self.probe_again = waits.then_some(next);
        let delivered_to = self
            .outstanding
            .keys()
            .next()
            .map_or(u64::MAX, |next| next - 1);
        let plans = &self.plans;
        let is_done = |(to, snapshots, _): &mut (u64, u64, _)| {
            *to <= delivered_to && plans.are_marked(*snapshots)
        };
        for (.., reply) in self.flushes.extract_if(.., is_done) {
            let _ = reply.send(());
        }
    }

    /// Asks the server for snapshots of the documents that hold the oldest part of the stream,
    /// unless one is on its way: what it replaces is purged later.
    fn ask_for_snapshots(&self, documents: Vec<(DocumentKey, Arc<str>)>) {
        let resting = documents.into_iter();
        let resting: Vec<_> = resting.filter(|(key, _)| !self.plans.has(key)).collect();
        if !resting.is_empty() {
            tracing::info!(
                stream = self.index,
                documents = resting.len(),
                "documents that hold the oldest part of the stream get snapshots"
            );
        }
        for (_, document) in resting {
            self.node.tell(NodeNews::Oldest { document });
        }
    }

    fn looked(&mut self, state: Option<StreamState>, now: Time) {
        let alive = self.node.leases.lock().alive();
        let rank = alive.iter().position(|boot| *boot == self.node.boot);
        let rank = rank.unwrap_or(0);
        if let Some(state) = state {
            // A document has records, marks of snapshots, or both.
            let documents = usize::try_from(state.subjects).unwrap_or(usize::MAX);
            self.node.set_documents(self.index, documents);
        }
        let extent = state.map(|state| StreamExtent {
            first: state.first,
            last: state.last,
            messages: state.messages,
        });
        let oldest = self.trim.looked(self.index, extent, rank, alive.len(), now);
        if let Some(oldest) = oldest {
            self.questions.find_oldest(oldest);
        }
        // Each node's own probes are minutes old by then, and every starting node has its own.
        if usize::from(self.index) % alive.len().max(1) == rank && self.probes_before > 0 {
            self.questions.purge_probes(self.probes_before);
        }
        self.probes_before = self.reader.position().sequence;
    }
}
