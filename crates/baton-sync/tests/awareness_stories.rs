//! The awareness table against clients that behave like the published ones: y-protocols' rule for
//! newer states, and y-websocket's habit of broadcasting again every state that it accepts. No
//! ghosts, no flicker, and clients that come back are seen.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use baton_sync::ClientId;
use baton_sync::awareness::{
    Awareness, AwarenessError, AwarenessLimits, AwarenessOutcome, AwarenessRefusal,
};
use baton_sync::lib0::{Reader, write_var_string, write_var_uint};
use bytes::Bytes;
use proptest::prelude::*;

type Entries = Vec<(u64, u64, Option<String>)>;

fn encode(entries: &[(u64, u64, Option<&str>)]) -> Bytes {
    let mut out = Vec::new();
    write_var_uint(&mut out, entries.len() as u64);
    for (client, clock, state) in entries {
        write_var_uint(&mut out, *client);
        write_var_uint(&mut out, *clock);
        write_var_string(&mut out, state.unwrap_or("null"));
    }
    out.into()
}

fn decode(payload: &[u8]) -> Entries {
    let mut reader = Reader::new(payload);
    let count = reader.var_uint().unwrap();
    let entry = |_| {
        let (client, clock) = (reader.var_uint().unwrap(), reader.var_uint().unwrap());
        let state = reader.var_string().unwrap();
        (client, clock, (state != "null").then(|| state.to_owned()))
    };
    let entries = (0..count).map(entry).collect();
    assert!(reader.is_empty());
    entries
}

/// A tab: y-protocols' awareness under y-websocket's provider.
struct Tab {
    id: u64,
    clocks: BTreeMap<u64, u64>,
    states: BTreeMap<u64, String>,
    /// The open connection, if any.
    connection: Option<u32>,
    /// Time of the last statement about each client.
    heard: BTreeMap<u64, Duration>,
    /// Clients that it saw vanish, in order.
    vanished: Vec<u64>,
}

impl Tab {
    fn new(id: u64) -> Self {
        let mut tab = Self {
            id,
            clocks: BTreeMap::new(),
            states: BTreeMap::new(),
            connection: None,
            heard: BTreeMap::new(),
            vanished: Vec::new(),
        };
        tab.say("{}");
        tab.say(r#"{"name":"Ada"}"#);
        tab
    }

    /// `setLocalState`; the payload that goes out.
    fn say(&mut self, state: &str) -> Bytes {
        let clock = self.clocks.get(&self.id).map_or(0, |clock| clock + 1);
        self.clocks.insert(self.id, clock);
        self.states.insert(self.id, state.to_owned());
        self.encode(&BTreeSet::from([self.id]))
    }

    fn encode(&self, ids: &BTreeSet<u64>) -> Bytes {
        let entry = |id: &u64| {
            let state = self.states.get(id).map(String::as_str);
            (*id, self.clocks[id], state)
        };
        encode(&ids.iter().map(entry).collect::<Vec<_>>())
    }

    /// `applyAwarenessUpdate`, and what the provider broadcasts because of it.
    fn hear(&mut self, payload: &[u8], now: Duration) -> Option<Bytes> {
        let mut updated = BTreeSet::new();
        for (id, mut clock, state) in decode(payload) {
            let known = self.clocks.get(&id).copied();
            let current = known.unwrap_or(0);
            let removal = current == clock && state.is_none() && self.states.contains_key(&id);
            if current >= clock && !removal {
                continue;
            }
            match state {
                None if id == self.id && self.states.contains_key(&id) => clock += 1,
                None => {
                    if self.states.remove(&id).is_some() {
                        self.vanished.push(id);
                    }
                }
                Some(ref state) => {
                    self.states.insert(id, state.clone());
                }
            }
            self.clocks.insert(id, clock);
            self.heard.insert(id, now);
            if known.is_some() || state.is_some() {
                updated.insert(id);
            }
        }
        (!updated.is_empty()).then(|| self.encode(&updated))
    }

    /// y-protocols' own check: others that were not renewed for 30 s are gone.
    fn expire(&mut self, now: Duration) -> Option<Bytes> {
        let (own, heard) = (self.id, &self.heard);
        let old = |id: &u64| *id != own && now - heard[id] >= Duration::from_secs(30);
        let gone: BTreeSet<u64> = self.states.keys().copied().filter(old).collect();
        self.states.retain(|id, _| !gone.contains(id));
        (!gone.is_empty()).then(|| self.encode(&gone))
    }

    /// The end of a connection, as the provider handles it: it drops the states of others and keeps
    /// their clocks.
    fn disconnected(&mut self) {
        self.connection = None;
        self.states.retain(|id, _| *id == self.id);
    }
}

/// A server with its connections. Frames on one connection keep their order; nothing else does.
struct World {
    table: Awareness<u32>,
    tabs: Vec<Tab>,
    /// Each live connection, and the tab that had it (which may have gone on to another).
    connections: BTreeMap<u32, usize>,
    to_server: BTreeMap<u32, VecDeque<Bytes>>,
    to_tab: BTreeMap<u32, VecDeque<Bytes>>,
    /// Connections from which the server has received a message.
    heard: BTreeSet<u32>,
    next: u32,
    now: Duration,
}

impl World {
    fn new(tabs: u64) -> Self {
        Self::with_limits(tabs, AwarenessLimits::default())
    }

    fn with_limits(tabs: u64, limits: AwarenessLimits) -> Self {
        Self {
            table: Awareness::new(limits),
            tabs: (1..=tabs).map(Tab::new).collect(),
            connections: BTreeMap::new(),
            to_server: BTreeMap::new(),
            to_tab: BTreeMap::new(),
            heard: BTreeSet::new(),
            next: 0,
            now: Duration::from_secs(1000),
        }
    }

    /// A tab opens a connection. An older one that it had stays open at the server: half-open.
    fn connect(&mut self, tab: usize) -> u32 {
        self.next += 1;
        let connection = self.next;
        if self.tabs[tab].connection.is_some() {
            self.tabs[tab].disconnected();
        }
        self.tabs[tab].connection = Some(connection);
        self.connections.insert(connection, tab);
        let own = self.tabs[tab].id;
        let speaks = self.tabs[tab].states.contains_key(&own);
        let opening = speaks.then(|| self.tabs[tab].encode(&BTreeSet::from([own])));
        self.to_server
            .insert(connection, opening.into_iter().collect());
        let all = self.table.encode_all();
        self.to_tab.insert(connection, VecDeque::from([all]));
        connection
    }

    /// The tab notices that its connection is gone; the server does not yet.
    fn lose(&mut self, tab: usize) {
        self.tabs[tab].disconnected();
    }

    /// The server notices.
    fn end(&mut self, connection: u32) {
        if !self.connections.contains_key(&connection) {
            return;
        }
        // The opening arrived at least. A client whose connection ended before that is taken for a
        // new one when it comes again, and sees the others only when they renew themselves.
        if !self.heard.contains(&connection) && !self.to_server[&connection].is_empty() {
            self.deliver_up(connection);
        }
        let tab = self.connections.remove(&connection).unwrap();
        self.to_server.remove(&connection);
        self.to_tab.remove(&connection);
        if self.tabs[tab].connection == Some(connection) {
            self.tabs[tab].disconnected();
        }
        let removed = self.table.removed(connection);
        self.broadcast(removed.broadcast.as_ref());
        for (to, payload) in removed.answers {
            self.to_tab.get_mut(&to).unwrap().push_back(payload);
        }
    }

    fn say(&mut self, tab: usize, state: &str) {
        let payload = self.tabs[tab].say(state);
        if let Some(connection) = self.tabs[tab].connection {
            self.send(connection, payload);
        }
    }

    /// A tab hears of another over the browser's own channel, and its provider passes it on.
    fn relay(&mut self, from: usize, to: usize) {
        let own = BTreeSet::from([self.tabs[from].id]);
        let payload = self.tabs[from].encode(&own);
        if let Some(again) = self.tabs[to].hear(&payload, self.now)
            && let Some(connection) = self.tabs[to].connection
        {
            self.send(connection, again);
        }
    }

    fn send(&mut self, connection: u32, payload: Bytes) {
        self.to_server
            .get_mut(&connection)
            .unwrap()
            .push_back(payload);
    }

    fn broadcast(&mut self, payload: Option<&Bytes>) {
        for queue in self.to_tab.values_mut() {
            queue.extend(payload.cloned());
        }
    }

    /// Delivers one frame, on the connection that `pick` chooses; false if there is none.
    fn step(&mut self, pick: usize) -> bool {
        let up = self.to_server.iter().filter(|(_, queue)| !queue.is_empty());
        let down = self.to_tab.iter().filter(|(_, queue)| !queue.is_empty());
        let ready: Vec<(u32, bool)> = up
            .map(|(connection, _)| (*connection, true))
            .chain(down.map(|(connection, _)| (*connection, false)))
            .collect();
        if ready.is_empty() {
            return false;
        }
        match ready[pick % ready.len()] {
            (connection, true) => self.deliver_up(connection),
            (connection, false) => self.deliver_down(connection),
        }
        true
    }

    fn deliver_up(&mut self, connection: u32) {
        let queue = self.to_server.get_mut(&connection).unwrap();
        let payload = queue.pop_front().unwrap();
        self.heard.insert(connection);
        let applied = self.table.apply(connection, &payload, self.now).unwrap();
        self.broadcast(applied.broadcast.as_ref());
        self.to_tab
            .get_mut(&connection)
            .unwrap()
            .extend(applied.answer);
    }

    fn deliver_down(&mut self, connection: u32) {
        let payload = self.to_tab.get_mut(&connection).unwrap().pop_front();
        let tab = &mut self.tabs[self.connections[&connection]];
        // A frame on a connection that the tab has given up is lost.
        if tab.connection != Some(connection) {
            return;
        }
        if let Some(again) = tab.hear(&payload.unwrap(), self.now) {
            self.send(connection, again);
        }
    }

    fn quiet(&mut self) {
        for step in 0..100_000 {
            if !self.step(step) {
                return;
            }
        }
        panic!("it never gets quiet");
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        let stale = self.table.stale(self.now);
        self.broadcast(stale.broadcast.as_ref());
        for (to, payload) in stale.ask {
            self.to_tab.get_mut(&to).unwrap().push_back(payload);
        }
    }

    fn expire(&mut self) {
        for tab in 0..self.tabs.len() {
            let again = self.tabs[tab].expire(self.now);
            if let (Some(connection), Some(payload)) = (self.tabs[tab].connection, again) {
                self.send(connection, payload);
            }
        }
    }

    /// Time enough for a roll call, and its answers.
    fn settle(&mut self) {
        self.quiet();
        self.wait(AwarenessLimits::default().roll_call_after);
        self.quiet();
    }

    fn ids_seen_by(&self, tab: usize) -> BTreeSet<u64> {
        self.tabs[tab].states.keys().copied().collect()
    }

    fn assert_nobody_is_missing(&self) {
        // A client that never states its own entry looks like a newcomer when it comes again.
        let speaks = |tab: &&Tab| tab.connection.is_some() && tab.states.contains_key(&tab.id);
        for tab in self.tabs.iter().filter(speaks) {
            for other in self.tabs.iter().filter(|tab| tab.connection.is_some()) {
                let seen = tab.states.get(&other.id);
                assert_eq!(seen, other.states.get(&other.id), "by tab {}", tab.id);
            }
        }
    }

    /// All connected tabs see each other, in the newest state, and no other client.
    fn assert_everybody_sees_everybody(&self) {
        let here: BTreeMap<u64, String> = self
            .tabs
            .iter()
            .filter(|tab| tab.connection.is_some())
            .filter_map(|tab| Some((tab.id, tab.states.get(&tab.id)?.clone())))
            .collect();
        for tab in self.tabs.iter().filter(|tab| tab.connection.is_some()) {
            assert_eq!(tab.states, here, "as tab {} sees it", tab.id);
        }
        let kept: BTreeMap<u64, String> = self
            .table
            .iter()
            .map(|(client, _, state, _)| (client.get(), state.to_owned()))
            .collect();
        assert_eq!(kept, here, "as the server would tell a newcomer");
    }
}

#[test]
fn who_comes_back_with_the_clock_that_it_had_is_seen_at_once() {
    let mut world = World::new(3);
    let first = world.connect(0);
    world.connect(1);
    world.connect(2);
    world.settle();
    world.lose(0);
    world.end(first);
    world.quiet();
    assert_eq!(world.ids_seen_by(1), BTreeSet::from([2, 3]));

    world.connect(0);
    world.quiet();
    assert_eq!(world.ids_seen_by(1), BTreeSet::from([1, 2, 3]));
    // The other direction needs the roll call: the tab remembers the clocks of all.
    world.settle();
    world.assert_everybody_sees_everybody();
}

#[test]
fn after_a_restart_of_the_server_all_see_each_other_again() {
    let mut world = World::new(3);
    for tab in 0..3 {
        world.connect(tab);
    }
    world.settle();
    for tab in 0..3 {
        world.lose(tab);
    }
    let tabs = std::mem::take(&mut world.tabs);
    let mut world = World::new(0);
    world.tabs = tabs;
    for tab in 0..3 {
        world.connect(tab);
    }
    world.quiet();
    world.assert_everybody_sees_everybody();
}

#[test]
fn an_old_state_that_somebody_repeats_late_does_not_rise_as_a_ghost() {
    let mut table = Awareness::new(AwarenessLimits::default());
    let state = encode(&[(7, 5, Some("{}"))]);
    let _ = table.apply(1, &state, Duration::ZERO).unwrap();
    let _ = table.apply(2, &encode(&[(8, 1, Some("{}"))]), Duration::ZERO);
    assert_eq!(
        decode(&table.removed(1).broadcast.unwrap()),
        [(7, 5, None)],
        "at the last clock, not a raised one"
    );
    // Connection 2 had accepted the state before it heard of the removal, and broadcasts it now.
    let late = table.apply(2, &state, Duration::ZERO).unwrap();
    assert_eq!(late.broadcast, None);
    assert_eq!(table.len(), 1);
}

#[test]
fn a_hidden_tab_stays_visible_without_a_flicker() {
    let mut world = World::new(2);
    world.connect(0);
    world.connect(1);
    world.settle();
    for _ in 0..20 {
        let before = world.tabs[1].clocks[&1];
        world.wait(Duration::from_secs(20));
        world.quiet();
        // The other tab's 30 s clock for it starts again.
        assert!(world.tabs[1].clocks[&1] > before);
    }
    assert!(world.tabs.iter().all(|tab| tab.vanished.is_empty()));
    world.assert_everybody_sees_everybody();
}

#[test]
fn an_owner_is_asked_once_and_what_it_does_not_renew_goes() {
    let mut table = Awareness::new(AwarenessLimits::default());
    let at = Duration::from_secs;
    let state = encode(&[(7, 5, Some("{}"))]);
    assert!(table.apply(1, &state, at(100)).unwrap().broadcast.is_some());
    assert_eq!(table.next_stale(), Some(at(120)));
    assert_eq!(table.stale(at(119)).ask, []);
    assert_eq!(table.stale(at(120)).ask, [(1, encode(&[(7, 5, None)]))]);
    assert_eq!(table.next_stale(), Some(at(140)));
    let early = table.stale(at(139));
    assert_eq!((early.ask, early.broadcast), (vec![], None));
    let late = table.stale(at(140));
    assert_eq!(late.broadcast, Some(encode(&[(7, 5, None)])));
    assert_eq!(table.next_stale(), None);
    // It thaws, and renews itself.
    let thawed = table.apply(1, &encode(&[(7, 6, Some("{}"))]), at(200));
    assert!(thawed.unwrap().broadcast.is_some());
}

#[test]
fn nobody_can_speak_for_another_connections_client() {
    let mut world = World::new(2);
    world.connect(0);
    let mallory = world.connect(1);
    world.settle();
    let before = world.table.encode_all();
    let forged = encode(&[(1, 99, Some(r#"{"name":"not Ada"}"#)), (1, 100, None)]);
    let applied = world.table.apply(mallory, &forged, world.now).unwrap();
    let expected = AwarenessOutcome {
        spoofed: 2,
        ..AwarenessOutcome::default()
    };
    assert_eq!(applied, expected);
    assert_eq!(world.table.encode_all(), before);
}

#[test]
fn a_strangers_claim_leaves_the_true_owner_room_to_raise_its_clock() {
    let mut table = Awareness::new(AwarenessLimits::default());
    let hostile = encode(&[(7, (1 << 31) - 1, Some("\"ghost\"")), (9, 1, Some("{}"))]);
    let _ = table.apply(1, &hostile, Duration::ZERO).unwrap();
    // The true one opens with its own small clock, takes over, and is told to go higher.
    let opening = encode(&[(7, 3, Some("\"true\""))]);
    let answer = table.apply(2, &opening, Duration::ZERO).unwrap().answer;
    assert_eq!(answer, Some(encode(&[(7, (1 << 31) - 1, None)])));
    let raised = encode(&[(7, 1 << 31, Some("\"true\""))]);
    let applied = table.apply(2, &raised, Duration::ZERO).unwrap();
    assert_eq!(applied.broadcast, Some(raised));
    // No entry can be stated at a clock that leaves no room, or that other clients cannot read.
    for clock in [1 << 31, 1 << 53, u64::MAX] {
        let payload = encode(&[(8, clock, Some("{}"))]);
        assert_eq!(table.apply(1, &payload, Duration::ZERO).unwrap().refused, 1);
    }
    let payload = encode(&[(7, 1 << 32, Some("{}"))]);
    assert_eq!(table.apply(2, &payload, Duration::ZERO).unwrap().refused, 1);
}

#[test]
fn a_sessions_new_connection_takes_its_entries_over_unseen() {
    let mut world = World::new(2);
    let old = world.connect(0);
    world.connect(1);
    world.settle();
    world.lose(0);
    let new = world.connect(0);
    world.table.transfer(old, new);
    world.end(old);
    world.settle();
    world.say(0, r#"{"cursor":1}"#);
    world.settle();
    assert!(world.tabs[1].vanished.is_empty());
    world.assert_everybody_sees_everybody();
}

#[test]
fn who_came_back_before_the_old_connection_was_known_dead_is_seen_when_that_one_ends() {
    let mut world = World::new(2);
    let dead = world.connect(0);
    world.connect(1);
    world.settle();
    world.lose(0);
    world.connect(0);
    world.quiet();
    world.say(0, r#"{"cursor":1}"#);
    world.say(0, r#"{"cursor":2}"#);
    world.quiet();
    world.end(dead);
    world.settle();
    world.assert_everybody_sees_everybody();
}

#[test]
fn a_tab_that_its_neighbour_announced_first_takes_its_entry_over() {
    let mut world = World::new(3);
    let neighbour = world.connect(0);
    world.connect(2);
    world.settle();
    // The browser's channel is faster than a new socket.
    world.relay(1, 0);
    world.quiet();
    assert!(world.ids_seen_by(2).contains(&2));
    world.connect(1);
    world.settle();
    world.say(1, r#"{"cursor":1}"#);
    world.settle();
    world.assert_everybody_sees_everybody();
    // The neighbour goes, and no other entry goes with it.
    world.lose(0);
    world.end(neighbour);
    world.settle();
    assert_eq!(world.tabs[2].vanished, [1]);
    world.assert_everybody_sees_everybody();
}

/// A program that only watches has no state of its own. Its first awareness message repeats an
/// entry of another client.
#[test]
fn a_client_without_a_state_of_its_own_takes_nobodys_place() {
    let mut world = World::new(3);
    world.tabs[2].states.clear();
    world.connect(1);
    world.connect(2);
    world.settle();
    let ada = world.connect(0);
    world.settle();
    assert!(world.ids_seen_by(2).contains(&1));
    world.lose(0);
    world.end(ada);
    world.settle();
    world.connect(0);
    world.settle();
    world.say(0, r#"{"cursor":1}"#);
    world.settle();
    world.assert_everybody_sees_everybody();
}

#[test]
fn the_id_in_a_hello_counts_as_the_connections_own() {
    let mut table = Awareness::new(AwarenessLimits::default());
    table.claim(2, ClientId::from(7));
    let entries = encode(&[(7, 3, Some("{}")), (9, 1, Some("{}"))]);
    let _ = table.apply(1, &entries, Duration::ZERO).unwrap();
    let own = encode(&[(7, 4, Some("{}"))]);
    let applied = table.apply(2, &own, Duration::ZERO).unwrap();
    assert_eq!(applied.broadcast, Some(own));
    let foreign = encode(&[(7, 5, Some("{}"))]);
    assert_eq!(table.apply(1, &foreign, Duration::ZERO).unwrap().spoofed, 1);
}

#[test]
fn one_message_may_say_the_same_client_twice() {
    let mut table = Awareness::new(AwarenessLimits::default());
    let twice = encode(&[(7, 2, Some("2")), (7, 3, Some("3")), (7, 1, Some("1"))]);
    let applied = table.apply(1, &twice, Duration::ZERO).unwrap();
    assert_eq!(applied.broadcast, Some(encode(&[(7, 3, Some("3"))])));
    assert_eq!(table.len(), 1);
}

#[test]
fn limits_refuse_what_is_new_and_keep_what_is_there() {
    let limits = AwarenessLimits {
        entry_bytes: 10,
        entries_per_owner: 2,
        entries: 3,
        bytes: 12,
        tombstones: 1,
        ..AwarenessLimits::default()
    };
    let mut table = Awareness::new(limits);
    let apply = |table: &mut Awareness<u32>, owner, entries: &[(u64, u64, Option<&str>)]| {
        table.apply(owner, &encode(entries), Duration::ZERO)
    };
    let long = "\"123456789\"";
    let applied = apply(&mut table, 9, &[(9, 1, Some("1")), (8, 1, Some(long))]).unwrap();
    assert!(matches!(
        applied.refusal,
        Some(AwarenessRefusal::TooLarge {
            bytes: 11,
            limit: 10,
            ..
        })
    ));
    assert_eq!(table.len(), 1, "the other entry is taken");
    assert!(table.removed(9).broadcast.is_some());
    let three = [(1, 1, Some("1")), (2, 1, Some("2")), (3, 1, Some("3"))];
    assert_eq!(apply(&mut table, 1, &three).unwrap().refused, 1);
    let two = [(3, 1, Some("3")), (4, 1, Some("4"))];
    assert_eq!(apply(&mut table, 2, &two).unwrap().refused, 1);
    let big = [(1, 2, Some("12345678")), (2, 2, Some("1234567"))];
    assert_eq!(apply(&mut table, 1, &big).unwrap().refused, 1);
    assert_eq!((table.len(), table.bytes()), (3, 10));
    // Removals always come through, and leave a bounded trace.
    assert!(table.removed(1).broadcast.is_some());
    assert!(table.removed(2).broadcast.is_some());
    assert_eq!((table.len(), table.bytes()), (0, 0));
}

#[test]
fn what_is_not_awareness_is_refused_whole() {
    let mut table = Awareness::new(AwarenessLimits::default());
    let mut refused = |payload: &[u8]| {
        let result = table.apply(1, payload, Duration::ZERO);
        assert!(table.is_empty());
        result.unwrap_err()
    };
    for state in ["", "{", "undefined", "{} {}"] {
        let payload = encode(&[(1, 1, Some("{}")), (2, 1, Some(state))]);
        assert!(matches!(refused(&payload), AwarenessError::NotJson { .. }));
    }
    let bomb = [0x80, 0x80, 0x80, 0x80, 0x01];
    let mut trailing = encode(&[(1, 1, Some("{}"))]).to_vec();
    trailing.push(0);
    for payload in [&[][..], &bomb, &[1, 1, 1, 1, 0xff], &trailing, &[1, 1, 1]] {
        assert!(matches!(refused(payload), AwarenessError::Malformed(_)));
    }
}

#[derive(Debug, Clone)]
enum Event {
    Connect(usize),
    Lose(usize),
    End(usize),
    Say(usize),
    Relay(usize, usize),
    Deliver(usize),
    Wait,
}

fn event() -> impl Strategy<Value = Event> {
    let tab = 0..5_usize;
    let speaker = 0..4_usize;
    prop_oneof![
        2 => tab.clone().prop_map(Event::Connect),
        1 => tab.prop_map(Event::Lose),
        2 => (0..8_usize).prop_map(Event::End),
        3 => speaker.clone().prop_map(Event::Say),
        1 => (speaker.clone(), speaker).prop_map(|(from, to)| Event::Relay(from, to)),
        12 => any::<usize>().prop_map(Event::Deliver),
        1 => Just(Event::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// After any events, and frames in any order, once it is quiet: all connected tabs see one
    /// another in the newest state, and no ghost.
    #[test]
    fn all_who_are_here_are_seen_and_nobody_else(events in proptest::collection::vec(event(), 0..120)) {
        let mut world = World::new(5);
        world.tabs[4].states.clear(); // a program that only watches
        for event in events {
            match event {
                Event::Connect(tab) => {
                    world.connect(tab);
                }
                Event::Lose(tab) => world.lose(tab),
                Event::End(nth) => {
                    let nth = world.connections.keys().nth(nth).copied();
                    nth.into_iter().for_each(|connection| world.end(connection));
                }
                Event::Say(tab) => world.say(tab, &format!("{{\"at\":{:?}}}", world.next)),
                Event::Relay(from, to) if from != to && world.tabs[to].connection.is_some() => {
                    // No server can bring back an entry that a tab knows from its neighbour alone
                    // and forgets at a reconnect, before the next renewal: here the server knows
                    // it, too.
                    while let Some(connection) = world.tabs[from].connection
                        && !world.to_server[&connection].is_empty()
                    {
                        world.deliver_up(connection);
                    }
                    world.relay(from, to);
                }
                Event::Relay(..) => {}
                Event::Deliver(pick) => {
                    world.step(pick);
                }
                Event::Wait => world.wait(Duration::from_secs(1)),
            }
        }
        // The server finds out about connections that are dead.
        let dead: Vec<u32> = world
            .connections
            .iter()
            .filter(|(connection, tab)| world.tabs[**tab].connection != Some(**connection))
            .map(|(connection, _)| *connection)
            .collect();
        for connection in dead {
            world.end(connection);
        }
        world.settle();
        world.assert_nobody_is_missing();
        // An entry that only a neighbour relayed goes with the next question, or by the tabs'
        // check.
        world.wait(Duration::from_secs(20));
        world.quiet();
        world.wait(Duration::from_secs(10));
        world.expire();
        world.quiet();
        world.assert_everybody_sees_everybody();
    }

    #[test]
    fn any_bytes_are_awareness_or_refused(payload: Vec<u8>) {
        let mut table = Awareness::new(AwarenessLimits::default());
        let _ = table.apply(1_u32, &payload, Duration::ZERO);
    }
}

/// A cursor with a large selection exceeded the limit. Its whole message was dropped, and after 40
/// s its author was gone for all clients, though it sent a message every few seconds.
#[test]
fn a_state_over_the_limit_leaves_the_last_good_one_visible_for_as_long_as_its_author_speaks() {
    let limits = AwarenessLimits {
        entry_bytes: 10,
        ..AwarenessLimits::default()
    };
    let mut table = Awareness::new(limits);
    let seconds = Duration::from_secs;
    let shown = |table: &Awareness<u32>| {
        let state = table.iter().next();
        state.map(|(client, clock, state, _)| (client.get(), clock, state.to_owned()))
    };
    let good = Some((7, 1, "\"good\"".to_owned()));
    let first = table.apply(1, &encode(&[(7, 1, Some("\"good\""))]), seconds(0));
    assert!(first.unwrap().broadcast.is_some());
    for (clock, now) in [(2, 15), (3, 30), (4, 45)] {
        let long = encode(&[(7, clock, Some("\"much too long\""))]);
        let applied = table.apply(1, &long, seconds(now)).unwrap();
        assert_eq!(applied.broadcast, None);
        let refusal = applied.refusal.unwrap().to_string();
        assert!(refusal.contains("max_awareness_entry"), "{refusal}");
        assert_eq!(shown(&table), good);
        let stale = table.stale(seconds(now + 10));
        assert_eq!((stale.ask.len(), stale.broadcast), (0, None));
    }
    // A hidden tab renews nothing by itself. It is asked at its own clock, not at the one that
    // others know.
    let stale = table.stale(seconds(65));
    assert_eq!(stale.ask, [(1, encode(&[(7, 4, None)]))]);
    let answer = encode(&[(7, 5, Some("\"much too long\""))]);
    assert!(
        table
            .apply(1, &answer, seconds(66))
            .unwrap()
            .refusal
            .is_some()
    );
    assert_eq!(table.stale(seconds(80)).broadcast, None);
    assert_eq!(shown(&table), good);
    let better = encode(&[(7, 6, Some("\"short\""))]);
    let applied = table.apply(1, &better, seconds(81)).unwrap();
    assert_eq!((applied.broadcast, applied.refusal), (Some(better), None));
    // When it is gone, it is gone at the clock that others know.
    let long = encode(&[(7, 7, Some("\"much too long\""))]);
    assert!(
        table
            .apply(1, &long, seconds(82))
            .unwrap()
            .refusal
            .is_some()
    );
    assert_eq!(table.removed(1).broadcast, Some(encode(&[(7, 6, None)])));
}

#[test]
fn what_all_may_have_together_refuses_growth_only() {
    let mut table = Awareness::new(AwarenessLimits::default());
    let apply = |table: &mut Awareness<u32>, entries: &[(u64, u64, Option<&str>)]| {
        table.apply(1, &encode(entries), Duration::ZERO).unwrap()
    };
    assert_eq!(
        apply(&mut table, &[(1, 1, Some("\"12345678\""))]).refusal,
        None
    );
    table.allow(5);
    assert_eq!(table.bytes(), 10, "nothing is taken away");
    let other = apply(&mut table, &[(2, 1, Some("1"))]);
    assert_eq!(other.refusal, Some(AwarenessRefusal::All));
    let longer = apply(&mut table, &[(1, 2, Some("\"123456789\""))]);
    assert_eq!(longer.refusal, Some(AwarenessRefusal::All));
    let same = apply(&mut table, &[(1, 3, Some("\"abcdefgh\""))]);
    assert!(same.broadcast.is_some());
    assert!(apply(&mut table, &[(1, 4, None)]).broadcast.is_some());
    assert_eq!(apply(&mut table, &[(2, 2, Some("12345"))]).refusal, None);
    assert_eq!(
        apply(&mut table, &[(3, 1, Some("1"))]).refusal,
        Some(AwarenessRefusal::All)
    );
}
