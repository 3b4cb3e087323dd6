//! Virtual time, the network between nodes and engine, and what goes wrong.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use baton_cluster::core::{
    BatchAnswer, BootId, ConsumerScope, DocumentKey, MarkAnswer, NodeLife, OutgoingMessage,
    PutAnswer, SnapshotEnvelope, StreamPosition, Subject,
};
use baton_cluster::core::{FetchedSnapshot, stream_of as core_stream_of};
use baton_presence::Time;
use baton_testkit::Random;
use bytes::Bytes;

use crate::engine::{Bucket, Change, Message, Objects, Published, Stream, WINDOW};
use crate::flaw::Flaw;
use crate::node::{Node, Observation, Reply, Request, STREAMS};
use crate::oracle::Histories;

const NODES: usize = 3;

/// Time during which things go wrong, and time to heal afterwards.
const TROUBLE: Duration = Duration::from_secs(75);
const HEALING: Duration = Duration::from_secs(60);
/// Time in which all documents are opened on all nodes.
const REOPENING: Duration = Duration::from_secs(15);

/// Time within which messages that follow an input are one step with it.
const STEP: Duration = Duration::from_millis(1);

/// Shortest time after which a node may be called lost.
const LEAST_LAPSE: Duration = Duration::from_secs(20);

pub(crate) fn stream_of(name: &str) -> u16 {
    core_stream_of(name, STREAMS)
}

/// The documents: name, key and stream.
type Name = (String, DocumentKey, u16);

fn names() -> Vec<Name> {
    let mut names: Vec<_> = ["minutes", "a.b *>", "plan", "x"].map(str::to_owned).into();
    names.push("long".repeat(100));
    let all = names.into_iter();
    all.map(|name| (name.clone(), DocumentKey::new(&name), stream_of(&name)))
        .collect()
}

/// Way between a node and the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    Cut,
    /// Requests arrive, nothing comes back.
    Deaf,
    /// Requests do not arrive.
    Mute,
}

#[derive(Debug)]
enum Event {
    /// A request arrives at the engine.
    Request {
        node: usize,
        boot: BootId,
        request: Request,
    },
    /// The engine's word arrives at the node.
    Reply {
        node: usize,
        boot: BootId,
        epoch: u32,
        reply: Reply,
    },
    Timer {
        node: usize,
    },
    Act {
        node: usize,
    },
    Fault,
    Heal {
        node: usize,
    },
    EngineUp {
        stream: Option<u16>,
        again: bool,
    },
    Restart {
        node: usize,
    },
    Heartbeats,
}

#[derive(Debug)]
struct Consumer {
    generation: u64,
    next: u64,
    number: u64,
    scope: ConsumerScope,
    /// Arrival of the last message that was sent.
    arrival: Time,
}

#[derive(Debug)]
struct Place {
    node: Option<Node>,
    boot: BootId,
    life: u64,
    link: Link,
    /// The process is stopped until then.
    asleep: Time,
    timer: Option<Time>,
    consumers: BTreeMap<u16, Consumer>,
    watch_arrival: Time,
}

/// What is known of a boot, for the oracles.
#[derive(Debug, Default)]
struct Life {
    died: Option<Time>,
    /// Times at which the bucket took its renewals.
    renewals: Vec<Time>,
    lapsed: BTreeMap<BootId, Time>,
    /// Time at which another node has deleted its lease.
    deleted: Option<Time>,
    /// Time of its last message in each stream.
    stored: BTreeMap<u16, Time>,
}

#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) violation: Option<String>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

pub(crate) struct World {
    random: Random,
    names: Vec<Name>,
    flaw: Flaw,
    loses_tails: bool,
    now: Time,
    order: u64,
    queue: BinaryHeap<Reverse<(Time, u64)>>,
    events: BTreeMap<u64, Event>,
    places: Vec<Place>,
    streams: Vec<Stream>,
    stream_up: Vec<bool>,
    bucket_up: bool,
    objects: Objects,
    bucket: Bucket,
    histories: Vec<Histories>,
    /// Nodes that have delivered messages of an end that was lost, and do not know it yet.
    deceived: BTreeMap<(usize, u16), Vec<Message>>,
    /// Counts the losses, to drop what is under way.
    epoch: u32,
    lives: BTreeMap<BootId, Life>,
    proposed: BTreeMap<u64, BootId>,
    saved: BTreeMap<u64, DocumentKey>,
    /// First time at which a message was sent.
    first_sent: BTreeMap<(u16, String), Time>,
    /// Messages whose writer has looked for them.
    looked: BTreeSet<(u16, String)>,
    /// Documents whose opening an oracle has checked against the present incarnation.
    current: BTreeSet<(usize, DocumentKey)>,
    /// Snapshots that were put and are not there, for `Flaw::NoReadBack`.
    unstored: BTreeMap<(DocumentKey, StreamPosition), Bytes>,
    next_value: u64,
    violation: Option<String>,
    counts: BTreeMap<&'static str, u64>,
    trace: bool,
}

pub(crate) fn run(seed: u64, flaw: Flaw, trace: bool) -> Report {
    let mut world = World::new(seed, flaw, trace);
    world.run();
    Report {
        violation: world.violation,
        counts: world.counts,
    }
}

impl World {
    fn new(seed: u64, flaw: Flaw, trace: bool) -> Self {
        let mut random = Random::from_seed(seed);
        let loses_tails = random.chance(30);
        let place = |_| Place {
            node: None,
            boot: BootId(0),
            life: 0,
            link: Link::Up,
            asleep: Time::ZERO,
            timer: None,
            consumers: BTreeMap::new(),
            watch_arrival: Time::ZERO,
        };
        Self {
            random,
            names: names(),
            flaw,
            loses_tails,
            now: Time::from_millis(1_000),
            order: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            places: (0..NODES).map(place).collect(),
            streams: (0..STREAMS).map(|_| Stream::default()).collect(),
            stream_up: vec![true; usize::from(STREAMS)],
            bucket_up: true,
            objects: Objects::default(),
            bucket: Bucket::default(),
            histories: (0..STREAMS).map(|_| Histories::default()).collect(),
            deceived: BTreeMap::new(),
            epoch: 0,
            lives: BTreeMap::new(),
            proposed: BTreeMap::new(),
            saved: BTreeMap::new(),
            first_sent: BTreeMap::new(),
            looked: BTreeSet::new(),
            current: BTreeSet::new(),
            unstored: BTreeMap::new(),
            next_value: 1,
            violation: None,
            counts: BTreeMap::new(),
            trace,
        }
    }

    fn stream_of(&self, key: &DocumentKey) -> u16 {
        let name = self.names.iter().find(|(_, of, _)| of == key);
        name.map(|(_, _, stream)| *stream)
            .expect("one of the documents")
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    #[expect(clippy::print_stderr, reason = "a test may print")]
    fn note(&self, text: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>9.3} {}", self.now.0.as_secs_f64(), text());
        }
    }

    fn fail(&mut self, text: String) {
        self.note(|| format!("VIOLATION {text}"));
        self.violation.get_or_insert(text);
    }

    fn at(&mut self, time: Time, event: Event) {
        self.order += 1;
        self.queue.push(Reverse((time.max(self.now), self.order)));
        self.events.insert(self.order, event);
    }

    fn after(&mut self, delay: Duration, event: Event) {
        self.at(self.now + delay, event);
    }

    fn latency(&mut self) -> Duration {
        if self.random.one_in(50) {
            self.random.millis(5, 300)
        } else {
            self.random.millis(0, 3)
        }
    }

    fn run(&mut self) {
        for node in 0..NODES {
            self.start(node);
            self.after(Duration::from_millis(300), Event::Act { node });
        }
        self.after(Duration::from_secs(3), Event::Fault);
        self.after(Duration::from_secs(2), Event::Heartbeats);
        let trouble = Time::ZERO + TROUBLE;
        self.run_until(trouble);
        self.heal_all();
        self.run_until(trouble + HEALING);
        // What is open is compared first, then every document is opened anew on every node.
        self.check_end(false);
        for place in &mut self.places {
            if let Some(node) = &mut place.node {
                node.documents.clear();
            }
        }
        self.current.clear();
        for node in 0..NODES {
            for (name, ..) in names() {
                self.with_node(node, |node, now| node.open(&name, now));
            }
        }
        self.run_until(trouble + HEALING + REOPENING);
        self.check_end(true);
    }

    fn run_until(&mut self, end: Time) {
        while self.violation.is_none() {
            let Some(Reverse((time, order))) = self.queue.peek().copied() else {
                break;
            };
            if time > end {
                break;
            }
            self.queue.pop();
            self.now = time;
            if let Some(event) = self.events.remove(&order) {
                self.happen(event);
            }
        }
        self.now = self.now.max(end);
    }

    fn start(&mut self, node: usize) {
        let place = &mut self.places[node];
        place.life += 1;
        place.boot = BootId(4 * place.life + node as u64);
        place.consumers.clear();
        place.timer = None;
        let boot = place.boot;
        self.lives.insert(boot, Life::default());
        self.note(|| format!("node {node} starts as {boot}"));
        let fresh = Node::new(boot, self.flaw, self.now);
        self.places[node].node = Some(fresh);
        self.show_bucket(node);
        self.with_node(node, |_, _| {});
    }

    /// Returns true if a message to this node comes next, and soon: a shell takes all messages that
    /// are there in one step with what woke it.
    fn is_message_next(&self, node: usize, boot: BootId) -> bool {
        let Some(Reverse((time, order))) = self.queue.peek() else {
            return false;
        };
        let is_message = |event: &Event| match event {
            Event::Reply {
                node: to,
                boot: of,
                epoch,
                reply: Reply::Message { .. },
            } => (*to, *of, *epoch) == (node, boot, self.epoch),
            _ => false,
        };
        *time <= self.now + STEP && self.events.get(order).is_some_and(is_message)
    }

    /// Lets a node act, and takes what comes of it.
    fn with_node<T>(&mut self, node: usize, act: impl FnOnce(&mut Node, Time) -> T) -> Option<T> {
        let now = self.now;
        let place = &mut self.places[node];
        let machine = place.node.as_mut()?;
        let result = act(machine, now);
        let requests = std::mem::take(&mut machine.requests);
        let observed = std::mem::take(&mut machine.observed);
        let due = machine.poll_timeout();
        let boot = place.boot;
        if let Some(due) = due.map(|due| due.max(now))
            && place.timer.is_none_or(|timer| timer > due || timer < now)
        {
            place.timer = Some(due);
            self.at(due, Event::Timer { node });
        }
        for request in requests {
            self.send(node, boot, request);
        }
        for observation in observed {
            self.observe(node, observation);
        }
        Some(result)
    }

    fn happen(&mut self, event: Event) {
        let to = match &event {
            Event::Reply { node, .. } | Event::Timer { node } | Event::Act { node } => Some(*node),
            _ => None,
        };
        if let Some(asleep) = to.map(|node| self.places[node].asleep)
            && asleep > self.now
        {
            self.at(asleep, event);
            return;
        }
        match event {
            Event::Request {
                node,
                boot,
                request,
            } => self.arrive(node, boot, request),
            Event::Reply {
                node,
                boot,
                epoch,
                reply,
            } => {
                let lost = epoch != self.epoch && !matches!(reply, Reply::Lease(_));
                if self.places[node].boot == boot && !lost {
                    let is_last = !self.is_message_next(node, boot);
                    self.with_node(node, |node, now| node.reply(reply, is_last, now));
                }
            }
            Event::Timer { node } => {
                if self.places[node]
                    .timer
                    .is_some_and(|timer| timer <= self.now)
                {
                    self.places[node].timer = None;
                    self.with_node(node, Node::handle_timeout);
                }
            }
            Event::Act { node } => self.act(node),
            Event::Fault => self.fault(),
            Event::Heal { node } => self.heal(node),
            Event::EngineUp { stream, again } => self.engine_up(stream, again),
            Event::Restart { node } => {
                if self.places[node].node.is_none() {
                    self.start(node);
                }
            }
            Event::Heartbeats => self.heartbeats(),
        }
    }

    fn act(&mut self, node: usize) {
        let pause = self.random.millis(20, 400);
        if self.now + pause < Time::ZERO + TROUBLE {
            self.after(pause, Event::Act { node });
        }
        let (name, key, _) = self.random.pick(&self.names).clone();
        match self.random.below(20) {
            0..3 => {
                self.with_node(node, |node, now| node.open(&name, now));
            }
            3 => {
                if self.random.one_in(3) {
                    self.current.remove(&(node, key.clone()));
                    self.with_node(node, |node, _| node.documents.remove(&key).map(drop));
                }
            }
            4..6 => {
                self.with_node(node, |node, now| node.snapshot(&key, now));
            }
            _ => {
                for _ in 0..self.random.within(1..4) {
                    let length = match self.random.below(20) {
                        0 => self.random.below(600),
                        _ => self.random.below(40),
                    };
                    let value = self.next_value;
                    let propose = |node: &mut Node, now| node.propose(&key, value, length, now);
                    if self.with_node(node, propose) == Some(true) {
                        self.next_value += 1;
                        self.proposed.insert(value, self.places[node].boot);
                        self.count("proposed");
                    }
                }
            }
        }
    }
}

mod network;
mod trouble;
mod verdicts;
