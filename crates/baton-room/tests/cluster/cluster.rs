//! Rooms of one document on several hosts, over a sequencer in memory.
//!
//! The sequencer has one order for all hosts. It takes the records of one host in their order, and
//! hands all records to every host in order; when it does so is up to the story.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use baton_presence::{LockSnapshot, Mode, Rights, Time};
use baton_room::{
    Arrival, Awaited, ClusterEvent, ConnectionId, Ending, HostId, Incoming, Outgoing, Output, Park,
    Record, RecordError, RecordPlacement, ResumeToken, Room, RoomOptions, erase,
};
use baton_sync::document::Document;
use baton_sync::document::yrs::types::ToJson;
use baton_sync::document::yrs::{Any, GetString, ReadTxn};
use baton_sync::{DeleteSet, StateVector};
use baton_testkit::Random;
use bytes::Bytes;

/// A record of the log.
pub(crate) struct Entry {
    pub(crate) position: u64,
    by: (HostId, u64),
    pub(crate) bytes: Bytes,
}

impl Entry {
    fn positioned(&self) -> (u64, Bytes) {
        (self.position, self.bytes.clone())
    }
}

fn options(id: HostId, mode: Mode) -> RoomOptions {
    let mut options = RoomOptions {
        host: Some(id),
        ..RoomOptions::default()
    };
    options.lock_settings.mode = mode;
    options
}

/// A running server with the document open.
pub(crate) struct Host {
    pub(crate) id: HostId,
    pub(crate) room: Room,
    counter: u64,
    /// Proposed records that the sequencer has not taken.
    pub(crate) outbox: VecDeque<(u64, Bytes)>,
    /// Records of the log that the room has.
    taken: usize,
    /// Messages that its clients have not read.
    pub(crate) sent: BTreeMap<ConnectionId, Vec<Outgoing>>,
    pub(crate) closed: BTreeMap<ConnectionId, Ending>,
    pub(crate) relays: Vec<Bytes>,
    pub(crate) pings: Vec<ConnectionId>,
}

/// The state after a record, as every host must have it.
#[derive(PartialEq, Debug)]
struct Mark {
    locks: LockSnapshot,
    vector: Bytes,
    parks: usize,
}

/// A fault of the hosts that the checks have to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// One host passes over erasures, and keeps the content.
    Deaf,
    /// Records about a session do not say what their host knew of it: so edits that were in flight
    /// are taken although their session has ended with the document.
    Unframed,
    /// A host goes on from its own snapshot, without the records that it has not seen.
    WritesBack,
}

/// The state of a room, as far as it does not depend on how the document is written: a host that
/// began from a snapshot has no deleted content.
#[derive(Debug, PartialEq)]
struct Made {
    locks: LockSnapshot,
    inserted: StateVector,
    deleted: DeleteSet,
    content: Vec<Any>,
    parks: Vec<Park>,
}

fn made(room: &Room) -> Made {
    let state = room.state();
    let known = state.document().state();
    let content = Document::to_read(state.document()).read(|txn| {
        let text = |name: &str| {
            let text = txn.get_text(name).map(|text| text.get_string(txn));
            Any::from(text.unwrap_or_default())
        };
        let is_there = txn.root_refs().any(|(name, _)| name == "m");
        let map = txn.get_map("m").filter(|_| is_there);
        let map = map.map_or(Any::Null, |map| map.to_json(txn));
        vec![text("a"), text("b"), map]
    });
    Made {
        locks: state.locks().snapshot(),
        inserted: known.vector(),
        deleted: known.deletes().clone(),
        content: content.unwrap(),
        parks: state.parks().cloned().collect(),
    }
}

pub(crate) struct Cluster {
    pub(crate) log: Vec<Entry>,
    pub(crate) hosts: Vec<Host>,
    /// The records of hosts that are gone which may still arrive.
    pub(crate) late: Vec<(HostId, VecDeque<(u64, Bytes)>)>,
    /// Hosts that the others take for dead.
    pub(crate) dead: BTreeSet<HostId>,
    pub(crate) now: Time,
    marks: BTreeMap<u64, Mark>,
    /// Position of each erasure, with what the document had until then: that stays deleted.
    pub(crate) erasures: BTreeMap<u64, StateVector>,
    /// A planted fault.
    pub(crate) fault: Fault,
    /// The mode that is set up for new documents.
    mode: Mode,
    boots: u64,
    connections: u64,
}

impl Cluster {
    pub(crate) fn new(hosts: usize) -> Self {
        Self::with_mode(hosts, Mode::default())
    }

    pub(crate) fn with_mode(hosts: usize, mode: Mode) -> Self {
        let mut cluster = Self {
            log: Vec::new(),
            hosts: Vec::new(),
            late: Vec::new(),
            dead: BTreeSet::new(),
            now: Time::ZERO + Duration::from_secs(1),
            marks: BTreeMap::new(),
            erasures: BTreeMap::new(),
            fault: Fault::None,
            mode,
            boots: 100,
            connections: 0,
        };
        for _ in 0..hosts {
            cluster.boot();
        }
        cluster
    }

    /// Starts a server, which opens the document from the log as it is.
    pub(crate) fn boot(&mut self) -> HostId {
        self.boot_from(None)
    }

    /// Starts a server, which opens the document from a snapshot of this host and the log behind.
    pub(crate) fn boot_from(&mut self, snapshot_of: Option<usize>) -> HostId {
        self.boots += 1;
        let id = HostId(self.boots);
        let snapshot = snapshot_of.map(|host| {
            let state = self.hosts[host].room.state();
            (state.position(), state.snapshot().unwrap())
        });
        let from = snapshot.as_ref().map_or(0, |(position, _)| *position);
        let writes_back = self.fault == Fault::WritesBack && snapshot.is_some();
        let tail = self.log.iter().filter(|entry| entry.position > from);
        let tail = tail.filter(|entry| !(writes_back && Record::is_erasure(&entry.bytes)));
        let tail: Vec<_> = tail.map(Entry::positioned).collect();
        let room = Room::open(options(id, self.mode), snapshot.as_ref(), &tail, self.now).unwrap();
        self.hosts.push(Host {
            id,
            room,
            counter: 0,
            outbox: VecDeque::new(),
            taken: self.log.len(),
            sent: BTreeMap::new(),
            closed: BTreeMap::new(),
            relays: Vec::new(),
            pings: Vec::new(),
        });
        let host = self.hosts.len() - 1;
        self.look_for_dead(host);
        id
    }

    /// Lets a host propose that the dead hosts are lost, as soon as they are.
    pub(crate) fn look_for_dead(&mut self, host: usize) {
        self.look_for_dead_after(host, Duration::ZERO);
    }

    /// Lets a host that has served for so long without the dead hosts propose that they are lost.
    pub(crate) fn look_for_dead_after(&mut self, host: usize, served: Duration) {
        let known = self.hosts[host].room.state().hosts();
        let dead: Vec<_> = known.intersection(&self.dead).copied().collect();
        self.input(host, |room, now| {
            for host in dead {
                room.follow_cluster(ClusterEvent::HostLost { host, served }, now);
            }
        });
    }

    pub(crate) fn index(&self, id: HostId) -> Option<usize> {
        self.hosts.iter().position(|host| host.id == id)
    }

    /// Kills a server. Its records that are on the way may arrive, or not.
    pub(crate) fn kill(&mut self, host: usize) -> HostId {
        let host = self.hosts.remove(host);
        self.dead.insert(host.id);
        self.late.push((host.id, host.outbox));
        host.id
    }

    pub(crate) fn input<R>(&mut self, host: usize, input: impl FnOnce(&mut Room, Time) -> R) -> R {
        let (now, fault) = (self.now, self.fault);
        let host = &mut self.hosts[host];
        let result = input(&mut host.room, now);
        let (counter, outbox) = (&mut host.counter, &mut host.outbox);
        let settled = host.room.settle(now, |record: &Record, _: Awaited| {
            *counter += 1;
            let record = match record {
                Record::Since { record, .. } if fault == Fault::Unframed => record,
                record => record,
            };
            outbox.push_back((*counter, record.encode()?));
            Ok::<_, RecordError>(RecordPlacement::Later(*counter))
        });
        settled.unwrap();
        while let Some(output) = host.room.next_output() {
            host.carry_out(output);
        }
        result
    }

    /// Connects a client to a host.
    pub(crate) fn connect(&mut self, host: usize) -> ConnectionId {
        self.connections += 1;
        let id = ConnectionId(self.connections);
        self.hosts[host].sent.insert(id, Vec::new());
        self.input(host, |room, _| room.connect(id, Arrival::new(Rights::ALL)));
        id
    }

    pub(crate) fn receive(&mut self, host: usize, from: ConnectionId, message: Incoming<'_>) {
        let mut token = [0; 16];
        token[..8].copy_from_slice(&from.0.to_le_bytes());
        token[8..].copy_from_slice(&self.hosts[host].id.0.to_le_bytes());
        self.input(host, |room, now| {
            room.receive(from, message, ResumeToken::new(token), now);
        });
    }

    /// The sequencer takes the next record of a host.
    pub(crate) fn sequence(&mut self, host: usize) -> bool {
        let host = &mut self.hosts[host];
        let id = host.id;
        let next = host.outbox.pop_front();
        self.take(id, next)
    }

    /// The sequencer takes the next late record of a host that is gone.
    pub(crate) fn sequence_late(&mut self, index: usize) -> bool {
        let (id, outbox) = &mut self.late[index];
        let (id, next) = (*id, outbox.pop_front());
        self.take(id, next)
    }

    fn take(&mut self, id: HostId, next: Option<(u64, Bytes)>) -> bool {
        let Some((counter, bytes)) = next else {
            return false;
        };
        // Positions are sparse: other documents are in the same stream.
        let last = self.log.last().map_or(0, |entry| entry.position);
        self.log.push(Entry {
            position: last + 1 + counter % 3,
            by: (id, counter),
            bytes,
        });
        true
    }

    /// Hands the next record of the log to a host.
    pub(crate) fn deliver(&mut self, host: usize) -> bool {
        let id = self.hosts[host].id;
        let Some(entry) = self.log.get(self.hosts[host].taken) else {
            return false;
        };
        self.hosts[host].taken += 1;
        let own = (entry.by.0 == id).then_some(entry.by.1);
        let (position, mut record) = (entry.position, Record::decode(&entry.bytes).unwrap());
        let erases = matches!(record, Record::Erased { .. });
        if erases && self.fault == Fault::Deaf && host == 0 {
            record = Record::HostLost {
                host: HostId(u64::MAX),
                overdue_to: 0,
            };
        }
        let erased = self.erasures.range(..position).next_back();
        let is_late = erased.is_some_and(|(erased, _)| match record.content() {
            Record::Update { session, .. } | Record::Suggested { session, .. } => {
                session.0 < *erased
            }
            _ => false,
        });
        let content = |host: &Host| {
            let state = host.room.state();
            (state.document().state().vector(), state.parks().count())
        };
        let before = content(&self.hosts[host]);
        self.input(host, |room, now| {
            room.commit(position, own, record, now);
            room.durable(position, now);
        });
        if is_late {
            let now = content(&self.hosts[host]);
            assert!(
                now == before,
                "an edit of before an erasure counts at {position}"
            );
        }
        if erases {
            self.erasures.entry(position).or_insert(before.0);
        }
        self.check(host, position);
        if erases {
            self.reopen(host);
        }
        true
    }

    /// Opens the document of a host again. The mark of an opening is in the log behind all that the
    /// host has proposed.
    fn reopen(&mut self, host: usize) {
        while self.sequence(host) {}
        let all: Vec<_> = self.log.iter().map(Entry::positioned).collect();
        let there = &mut self.hosts[host];
        there.room = Room::open(options(there.id, self.mode), None, &all, self.now).unwrap();
        there.taken = all.len();
        self.input(host, |_, _| ());
        self.look_for_dead(host);
        let position = all.last().unwrap().0;
        self.check(host, position);
    }

    /// A host erases the document.
    pub(crate) fn erase(&mut self, host: usize, epoch: u32) {
        self.input(host, |room, now| erase(room, epoch, now));
    }

    /// Compares the state of a host with that of the others at the same position.
    fn check(&mut self, host: usize, position: u64) {
        let state = self.hosts[host].room.state();
        assert_eq!(state.position(), position);
        let locks = state.locks();
        let grants: Vec<_> = locks.grants().collect();
        for (index, grant) in grants.iter().enumerate() {
            for other in &grants[..index] {
                assert!(other.fence < grant.fence);
                assert!(
                    !other.scope.conflicts(&grant.scope),
                    "two have a lock at {position}"
                );
            }
        }
        let mark = Mark {
            locks: locks.snapshot(),
            vector: state.document().encoded_vector(),
            parks: state.parks().count(),
        };
        for (at, content) in self.erasures.range(..=position) {
            let deleted = state.document().state().deletes();
            for (client, clock) in content.iter() {
                let is_deleted = clock == 0 || deleted.contains(client, 0, clock);
                assert!(is_deleted, "what was erased at {at} is back at {position}");
            }
        }
        if let Some(before) = self.marks.range(..position).next_back() {
            let (before, locks) = (&before.1.locks, &mark.locks);
            let later = before.epoch < locks.epoch;
            assert!(later || before.last_fence <= locks.last_fence);
        }
        let there = self.marks.entry(position);
        match there {
            std::collections::btree_map::Entry::Occupied(there) => {
                assert_eq!(*there.get(), mark, "at {position}");
            }
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert(mark);
            }
        }
    }

    /// Takes and delivers everything, until nothing is on the way.
    pub(crate) fn run(&mut self) {
        loop {
            let mut moved = false;
            for host in 0..self.hosts.len() {
                moved |= self.sequence(host);
                moved |= self.deliver(host);
            }
            if !moved {
                break;
            }
        }
    }

    /// As [`Cluster::run`], in a random order.
    pub(crate) fn step(&mut self, random: &mut Random) {
        let host = random.below(self.hosts.len());
        if random.chance(50) {
            self.sequence(host);
        } else {
            self.deliver(host);
        }
    }

    /// Lets time pass on all hosts.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for host in 0..self.hosts.len() {
            self.input(host, |room, now| {
                if room.poll_timeout().is_some_and(|due| due <= now) {
                    room.handle_timeout(now);
                }
            });
        }
    }

    /// Checks that all hosts have the same state, which is that of the log.
    pub(crate) fn agrees(&self) {
        let all: Vec<_> = self.log.iter().map(Entry::positioned).collect();
        let whole = Room::open(RoomOptions::default(), None, &all, self.now).unwrap();
        let expected = made(&whole);
        for host in &self.hosts {
            assert_eq!(host.taken, self.log.len());
            assert_eq!(made(&host.room), expected);
        }
    }
}

impl Host {
    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send { to, message } => self.put(to, message),
            Output::Multicast { to, message } => {
                for to in to {
                    self.put(to, message.clone());
                }
            }
            Output::Broadcast { except, message } => {
                for (id, inbox) in &mut self.sent {
                    if Some(*id) != except && !self.closed.contains_key(id) {
                        inbox.push(message.clone());
                    }
                }
            }
            Output::Close { to, why, .. } => {
                self.closed.insert(to, why);
            }
            Output::Relay(payload) => self.relays.push(payload),
            Output::Ping { to } => self.pings.push(to),
            Output::Show { .. } | Output::Probe { .. } => {}
        }
    }

    fn put(&mut self, to: ConnectionId, message: Outgoing) {
        // Nothing follows an end.
        if let Some(inbox) = self.sent.get_mut(&to)
            && !self.closed.contains_key(&to)
        {
            inbox.push(message);
        }
    }
}
