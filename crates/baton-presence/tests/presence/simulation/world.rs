//! The world of the simulation: one queue of what happens when, clients, connections and a server,
//! and somebody who breaks them at random.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use baton_presence::{
    AutoPass, ClientKind, Fence, Grant, GrantState, Lateness, Peer, Presence, Rights, Scope,
    SessionId, Time, Timings, UserKey,
};

use super::Flaw;
use super::checker::{Checker, Since, Violation};
use super::client::{Body, Client};
use super::net::{Conn, Down, Path, Up};
use super::server::{Entry, Server, Visitor};
use crate::harness::Dice;

const LASTS: Duration = Duration::from_secs(240);

/// What the simulation itself adds to a bound: steps on the disk, messages under way.
const SLACK: Duration = Duration::from_millis(1_500);

/// What the failure detector gives who gave up a server that slept, whatever the grace.
const COME_BACK: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    /// A message arrives at the server over this connection.
    Up(usize),
    /// A message arrives at the client of this connection.
    Down(usize),
    /// The server sees that this connection is closed.
    Closed(usize),
    Timeout,
    Durable,
    Think(usize),
    Connect(usize),
    Fault,
    Start,
}

pub(crate) struct World {
    now: Time,
    dice: Dice,
    timings: Timings,
    flaw: Flaw,
    queue: BinaryHeap<Reverse<(Time, u64, Action)>>,
    pushed: u64,
    clients: Vec<Client>,
    conns: Vec<Conn>,
    server: Server,
    up: bool,
    asleep_until: Time,
    timeout_at: Option<Time>,
    durable_at: Option<Time>,
    pub(crate) checker: Checker,
    served: BTreeMap<usize, Since>,
    requested: BTreeMap<Fence, Since>,
    unconfirmed: BTreeMap<usize, Since>,
    beside: BTreeMap<usize, Since>,
    harsh: bool,
    traced: bool,
}

/// What the server goes by.
fn flawed(timings: Timings, flaw: Flaw) -> Timings {
    Timings {
        wait_out_lease: timings.wait_out_lease && flaw != Flaw::GraceAlone,
        ..timings
    }
}

impl World {
    pub(crate) fn new(seed: u64, flaw: Flaw, timings: Timings) -> Self {
        let mut dice = Dice(seed);
        let stop = match flaw {
            Flaw::EqualTimeouts => timings.offline_after,
            _ => timings.client_stop,
        };
        let auto_pass = if dice.chance(70) {
            AutoPass::On
        } else {
            AutoPass::Off
        };
        let mut clients: Vec<_> = (0..4)
            .map(|_| Client::new(ClientKind::LockAware, stop, flaw, &mut dice))
            .collect();
        (clients[2].lazy, clients[3].lazy) = (dice.chance(30), true);
        // In some worlds no client asks twice, and all depends on the repeated offers of the server.
        let patience = if dice.chance(20) { 100 } else { 30 };
        for client in &mut clients {
            client.patient = dice.chance(patience);
        }
        clients.push(Client::new(ClientKind::Stock, stop, flaw, &mut dice));
        let mut world = Self {
            now: Time::from_millis(1_000),
            timings,
            flaw,
            queue: BinaryHeap::new(),
            pushed: 0,
            clients,
            conns: Vec::new(),
            server: Server::new(flawed(timings, flaw), auto_pass, flaw),
            up: true,
            asleep_until: Time::ZERO,
            timeout_at: None,
            durable_at: None,
            checker: Checker::new(auto_pass, timings.drain),
            served: BTreeMap::new(),
            requested: BTreeMap::new(),
            unconfirmed: BTreeMap::new(),
            beside: BTreeMap::new(),
            harsh: false,
            traced: false,
            dice,
        };
        for client in 0..world.clients.len() {
            world.after(200, 2_000, Action::Connect(client));
            world.after(100, 1_000, Action::Think(client));
        }
        world.after(5_000, 15_000, Action::Fault);
        world
    }

    /// Makes a fault nearly every second, over a disk that is always slow: what shows only where a
    /// word waits while a beat goes out is found in few runs.
    pub(crate) fn harshly(mut self) -> Self {
        self.harsh = true;
        self
    }

    /// Prints what is said, heard and recorded.
    pub(crate) fn traced(mut self) -> Self {
        self.traced = true;
        self
    }

    #[expect(clippy::print_stdout, reason = "a test may print")]
    fn trace(&self, what: impl FnOnce(&Self) -> String) {
        if self.traced {
            println!("{:?} {}", self.now.0, what(self));
        }
    }

    pub(crate) fn run(&mut self) -> Result<(), Violation> {
        let end = self.now + LASTS;
        while let Some(Reverse((at, _, action))) = self.queue.pop() {
            if at > end {
                break;
            }
            self.now = at.max(self.now);
            self.act(action)?;
            self.flush();
            self.check()?;
        }
        Ok(())
    }

    fn at(&mut self, at: Time, action: Action) {
        self.pushed += 1;
        self.queue.push(Reverse((at, self.pushed, action)));
    }

    /// Some time from now, between two numbers of milliseconds.
    fn after(&mut self, least: u64, most: u64, action: Action) {
        let wait = Duration::from_millis(least + self.dice.below(most - least));
        self.at(self.now + wait, action);
    }

    fn act(&mut self, action: Action) -> Result<(), Violation> {
        match action {
            Action::Up(conn) => self.arrive_up(conn),
            Action::Down(conn) => self.arrive_down(conn),
            Action::Closed(conn) => self.server_sees_close(conn),
            Action::Timeout if self.timeout_at == Some(self.now) && self.up => {
                self.timeout_at = None;
                self.server.handle_timeout(self.now);
            }
            Action::Durable if self.durable_at == Some(self.now) && self.up => {
                self.durable_at = None;
                return self.durable();
            }
            Action::Timeout | Action::Durable => {}
            Action::Think(client) => self.think(client),
            Action::Connect(client) => self.connect(client),
            Action::Fault => self.fault(),
            Action::Start => {
                self.up = true;
                let timings = flawed(self.timings, self.flaw);
                self.server.restart(timings, self.now);
            }
        }
        Ok(())
    }

    // Messages

    fn say(&mut self, client: usize, ups: Vec<Up>) {
        for up in ups {
            let Some(conn) = self.clients[client].conn else {
                return;
            };
            self.trace(|_| format!("client {client} says {up:?} over {conn}"));
            if up == Up::Done {
                self.clients[client].conn = None;
                self.after(500, 5_000, Action::Connect(client));
            }
            if let Some(at) = self.conns[conn].up.send(up, self.now, &mut self.dice) {
                self.at(at, Action::Up(conn));
            }
        }
    }

    fn arrive_up(&mut self, conn: usize) {
        if !self.up || !self.conns[conn].server_open {
            return;
        }
        if self.is_asleep() {
            // It lies in the socket until the server looks.
            self.at(self.asleep_until, Action::Up(conn));
            return;
        }
        let Some(up) = self.conns[conn].up.receive() else {
            return;
        };
        if let Up::Hello { resume, fences } = up {
            let visitor = self.visitor(self.conns[conn].client);
            let session = self.server.hello(conn, visitor, resume, fences, self.now);
            self.checker.session_is(session, visitor);
        } else if let Some(session) = self.session_of(conn) {
            self.server.receive(session, up, self.now);
        }
    }

    /// The first two may take over; the first and the third are one user.
    fn visitor(&self, client: usize) -> Visitor {
        let user = [Some(1), None, Some(1), Some(2), None];
        let key = user.get(client).copied().flatten();
        Visitor {
            client_kind: self.clients[client].client_kind,
            rights: if client < 2 {
                Rights::TAKE_OVER
            } else {
                Rights::MANAGE
            },
            user: key.map(|key: u8| UserKey([key; 16])),
        }
    }

    fn session_of(&self, conn: usize) -> Option<SessionId> {
        let found = self.server.conns.iter().find(|(_, c)| **c == conn);
        found.map(|(session, _)| *session)
    }

    fn arrive_down(&mut self, conn: usize) {
        let client = self.conns[conn].client;
        let current = self.clients[client].conn == Some(conn);
        if !current || self.clients[client].body == Body::Dead {
            return;
        }
        let Some(down) = self.conns[conn].down.receive() else {
            return;
        };
        self.trace(|world| {
            let Client { session, body, .. } = world.clients[client];
            format!("client {client} ({session:?}, {body:?}) hears {down:?} over {conn}")
        });
        let mut ups = Vec::new();
        self.clients[client].receive(down, self.now, &mut self.dice, &mut ups);
        self.say(client, ups);
    }

    fn send(&mut self, session: SessionId, down: Down) {
        let Some(conn) = self.server.conns.get(&session).copied() else {
            return;
        };
        let lane = &mut self.conns[conn].down;
        if let Some(at) = lane.send(down, self.now, &mut self.dice) {
            self.at(at, Action::Down(conn));
        }
    }

    /// Carries out what the server wants done, and sets its next deadlines.
    fn flush(&mut self) {
        for (session, down) in std::mem::take(&mut self.server.out) {
            self.send(session, down);
        }
        for conn in std::mem::take(&mut self.server.close) {
            self.conns[conn].server_open = false;
            if self.conns[conn].down.path != Path::Lost {
                self.client_sees_close(conn);
            }
        }
        if !self.up {
            return;
        }
        if self.server.log.len() > self.server.durable && self.durable_at.is_none() {
            let slow_disk = match self.dice.below(100) {
                _ if self.harsh => 1_400,
                0..5 => 500,
                _ => 20,
            };
            let at = self.now + Duration::from_millis(1 + self.dice.below(slow_disk));
            let at = at.max(self.asleep_until);
            self.durable_at = Some(at);
            self.at(at, Action::Durable);
        }
        let next = self.server.detector.poll_timeout();
        let next = next.map(|next| next.max(self.asleep_until).max(self.now));
        if next.is_some_and(|next| self.timeout_at.is_none_or(|at| next < at || at < self.now)) {
            self.timeout_at = next;
            self.at(next.unwrap_or_default(), Action::Timeout);
        }
    }

    fn durable(&mut self) -> Result<(), Violation> {
        for (position, entry) in self.server.make_durable() {
            self.trace(|_| format!("record {position}: {entry:?}"));
            let granted = self.checker.durable(position, &entry, self.now)?;
            for (to, fence) in granted {
                self.nobody_dead_is_granted(to, fence)?;
            }
            if let Entry::Presence(event, changes, _) = &entry {
                for change in changes {
                    let word = Server::message(change).or_else(|| Server::refused(event, change));
                    if let Some((to, down)) = word {
                        self.send(to, down);
                    }
                }
            }
        }
        // All records are durable now: the state is what they made of it.
        self.checker.queue_is(&self.server.queue(), self.now)
    }

    // Clients

    fn client_sees_close(&mut self, conn: usize) {
        let client = self.conns[conn].client;
        self.conns[conn].client_open = false;
        if self.clients[client].conn == Some(conn) {
            self.clients[client].conn = None;
            self.clients[client].welcomed = false;
            self.after(100, 2_500, Action::Connect(client));
        }
    }

    fn connect(&mut self, client: usize) {
        let one = &self.clients[client];
        if one.conn.is_some() || one.body == Body::Dead {
            return;
        }
        if one.body == Body::Frozen || !self.up || self.is_asleep() {
            self.after(500, 2_500, Action::Connect(client));
            return;
        }
        self.conns.push(Conn::new(client, &mut self.dice));
        self.clients[client].conn = Some(self.conns.len() - 1);
        self.clients[client].heard_at = self.now;
        let hello = self.clients[client].hello(self.now);
        self.say(client, vec![hello]);
    }

    fn think(&mut self, client: usize) {
        self.after(100, 500, Action::Think(client));
        let one = &self.clients[client];
        if one.body != Body::Well {
            return;
        }
        let deaf = self.now.since(one.heard_at) > Duration::from_secs(12);
        if let (true, Some(conn)) = (deaf, one.conn) {
            // It closes; whether the server sees that is the network's choice.
            self.client_sees_close(conn);
            if self.conns[conn].up.path != Path::Lost {
                self.server_sees_close(conn);
            }
        } else if one.welcomed {
            let mut ups = Vec::new();
            self.clients[client].think(self.now, &mut self.dice, &mut ups);
            self.say(client, ups);
        }
    }

    fn server_sees_close(&mut self, conn: usize) {
        if self.is_asleep() {
            self.at(self.asleep_until, Action::Closed(conn));
            return;
        }
        self.conns[conn].server_open = false;
        if self.up
            && let Some(session) = self.session_of(conn)
        {
            self.server.closed(session, self.now);
        }
    }

    // Faults

    fn fault(&mut self) {
        let most = if self.harsh { 1_200 } else { 9_000 };
        self.after(300, most, Action::Fault);
        let client = usize::try_from(self.dice.below(self.clients.len() as u64)).unwrap_or(0);
        let one = &mut self.clients[client];
        match self.dice.below(13) {
            0..3 if one.body == Body::Well => {
                one.body = Body::Frozen;
                one.unwell_at = self.now;
            }
            0..5 if one.body == Body::Frozen => {
                let mut ups = Vec::new();
                one.thaw(self.now, &mut self.dice, &mut ups);
                self.say(client, ups);
            }
            5 if one.body != Body::Dead => {
                one.body = Body::Dead;
                one.unwell_at = self.now;
                one.leave();
                if let (Some(conn), true) = (one.conn.take(), self.dice.chance(60)) {
                    self.server_sees_close(conn);
                }
            }
            3..7 if one.body == Body::Dead => {
                one.body = Body::Well;
                one.unwell_at = self.now;
                self.connect(client);
            }
            7..11 => self.harm(client),
            11 if self.up && self.dice.chance(40) => self.crash(),
            12 if self.up && !self.is_asleep() && self.dice.chance(30) => self.sleep(),
            _ => {}
        }
    }

    fn harm(&mut self, client: usize) {
        let Some(conn) = self.clients[client].conn else {
            return;
        };
        self.clients[client].unwell_at = self.now;
        let Conn { up, down, .. } = &mut self.conns[conn];
        match self.dice.below(8) {
            0 => up.path = Path::Lost,
            1 => down.path = Path::Lost,
            2 => (up.path, down.path) = (Path::Lost, Path::Lost),
            3 if up.path == Path::Good => up.path = Path::Slow,
            4 if down.path == Path::Good => down.path = Path::Slow,
            5 => self.server_sees_close(conn),
            6 => self.client_sees_close(conn),
            7 => {
                self.client_sees_close(conn);
                self.server_sees_close(conn);
            }
            _ => {}
        }
    }

    fn is_asleep(&self) -> bool {
        self.now < self.asleep_until
    }

    /// Stops the server for a while: it reads no socket, meets no deadline and announces nothing.
    fn sleep(&mut self) {
        self.asleep_until = self.now + Duration::from_millis(self.dice.below(20_000));
        self.timeout_at = None;
        if let Some(at) = &mut self.durable_at {
            *at = self.asleep_until.max(*at);
            let at = *at;
            self.at(at, Action::Durable);
        }
    }

    fn crash(&mut self) {
        self.up = false;
        (self.timeout_at, self.durable_at) = (None, None);
        self.asleep_until = Time::ZERO;
        for conn in 0..self.conns.len() {
            self.conns[conn].server_open = false;
            if self.conns[conn].client_open && self.conns[conn].down.path != Path::Lost {
                self.client_sees_close(conn);
            }
        }
        self.after(50, 4_000, Action::Start);
    }

    /// How long a lock stays with a holder that may believe in it.
    fn lease(&self) -> Duration {
        if self.timings.wait_out_lease {
            self.timings.lease()
        } else {
            Duration::ZERO
        }
    }

    // What must hold at any time

    fn violation(&self, rule: &'static str, what: String) -> Result<(), Violation> {
        let at = self.now;
        Err(Violation { rule, at, what })
    }

    fn check(&mut self) -> Result<(), Violation> {
        let now = self.now;
        if let Some(what) = self.server.overtook.take() {
            return self.violation("S5", format!("confirmed before the word of a loss: {what}"));
        }
        if self.timings.wait_out_lease {
            self.nobody_believes_the_same()?;
        }
        if !self.up || now < self.asleep_until + SLACK {
            self.served.clear();
            self.requested.clear();
            self.unconfirmed.clear();
            self.beside.clear();
            for (_, since) in self.server.states.values_mut() {
                *since = now;
            }
            return Ok(());
        }
        self.timed_states_end()?;
        self.requests_end()?;
        self.holders_are_confirmed()?;
        self.free_locks_are_offered()?;
        self.waiters_are_served()
    }

    /// L5: what a live waiter waits for does not lie free for long.
    fn free_locks_are_offered(&mut self) -> Result<(), Violation> {
        let stuck = self.stuck_behind(|_| true);
        for client in 0..self.clients.len() {
            let waits = |peer: &Peer| peer.ticket.is_some() && !stuck.contains(&peer.session);
            let is_free = self.peer_of(client).is_some_and(waits);
            let so = is_free && self.is_well_connected(client);
            let since = self.beside.entry(client).or_default();
            let lasts = since.track(so, self.now);
            if lasts > self.timings.offer_again_most + SLACK {
                let what = format!("free beside client {client} for {lasts:?}");
                return self.violation("L5", what);
            }
        }
        Ok(())
    }

    /// L6: a holder who is well, over a connection that is, may edit: its answers are confirmed,
    /// whatever it held and lost before.
    fn holders_are_confirmed(&mut self) -> Result<(), Violation> {
        // Two beats, the second of which confirms the answer to the first.
        let bound = self.timings.beat_every * 2 + SLACK;
        for client in 0..self.clients.len() {
            let one = &self.clients[client];
            let holds = |grant: &&Grant| {
                Some(grant.party) == one.session
                    && grant.state == GrantState::Held
                    && one.held.contains_key(&grant.fence)
            };
            let held: Vec<_> = self.server.lock_state.grants().filter(holds).collect();
            let believed: Vec<_> = one.believes(self.now).map(|(fence, _)| fence).collect();
            let idle = held.iter().any(|grant| !believed.contains(&grant.fence));
            let so = idle && self.is_well_connected(client);
            let since = self.unconfirmed.entry(client).or_default();
            let lasts = since.track(so, self.now);
            if lasts > bound {
                let what = format!("client {client} is not confirmed for {lasts:?}: {held:?}");
                return self.violation("L6", what);
            }
        }
        Ok(())
    }

    /// S5. Who takes over from somebody without a connection does not wait for its belief to end.
    fn nobody_believes_the_same(&self) -> Result<(), Violation> {
        let believed: Vec<(usize, Fence, &Scope)> = self
            .clients
            .iter()
            .enumerate()
            .flat_map(|(who, client)| {
                let beliefs = client.believes(self.now);
                beliefs.map(move |(fence, scope)| (who, fence, scope))
            })
            .filter(|(_, fence, _)| !self.server.taken.contains(fence))
            .collect();
        for (index, (one, fence, scope)) in believed.iter().enumerate() {
            for (two, other, theirs) in &believed[..index] {
                if one != two && scope.conflicts(theirs) {
                    let grants: Vec<_> = self.server.lock_state.grants().collect();
                    let what = format!("{one} by {fence} and {two} by {other}; {grants:?}");
                    return self.violation("S5", what);
                }
            }
        }
        Ok(())
    }

    /// L3: every timed state leaves by its timer.
    fn timed_states_end(&self) -> Result<(), Violation> {
        for grant in self.server.lock_state.grants() {
            let in_time = grant.lateness == Lateness::InTime;
            let limit = match grant.state {
                GrantState::Offered => self.timings.offer,
                GrantState::Draining { .. } => self.timings.drain.max(self.lease()),
                GrantState::Suspect if in_time => self.timings.grace.max(self.lease()),
                GrantState::Recovering if in_time => self.timings.recovery,
                _ => continue,
            };
            let since = self
                .server
                .states
                .get(&grant.fence)
                .map(|(_, since)| *since);
            let lasts = self.now.since(since.unwrap_or(self.now));
            // Who gave up a server that slept is waited for until it has tried again.
            let woke = since.is_some_and(|since| since <= self.asleep_until + SLACK);
            let limit = match grant.state {
                GrantState::Suspect if woke => limit.max(COME_BACK),
                _ => limit,
            };
            if lasts > limit + SLACK {
                return self.violation("L3", format!("{grant:?} lasts {lasts:?}"));
            }
        }
        Ok(())
    }

    /// L3: a request runs out while its asker waits.
    fn requests_end(&mut self) -> Result<(), Violation> {
        let lock_state = &self.server.lock_state;
        self.requested
            .retain(|fence, _| lock_state.grant(*fence).is_some());
        let mut late = None;
        for grant in lock_state.grants() {
            let runs = grant.state == GrantState::Held
                && grant.requested_by.is_some()
                && lock_state.is_waited_for(grant.fence);
            let since = self.requested.entry(grant.fence).or_default();
            let asked = self.server.requested.get(&grant.fence).copied();
            let lasts = since
                .track(runs, self.now)
                .min(self.now.since(asked.unwrap_or_default()));
            if lasts > self.timings.request + SLACK {
                late = Some(format!("the request for {grant:?} lasts {lasts:?}"));
            }
        }
        late.map_or(Ok(()), |what| self.violation("L3", what))
    }

    /// Whether anything that it says can reach the server, now or after a reconnect.
    fn reaches(&self, client: usize) -> bool {
        let one = &self.clients[client];
        one.body == Body::Well
            && one
                .conn
                .is_none_or(|conn| self.conns[conn].up.path != Path::Lost)
    }

    fn client_of(&self, session: SessionId) -> Option<usize> {
        self.clients
            .iter()
            .position(|client| client.session == Some(session))
    }

    /// Whether this lock is with somebody who is well: then a waiter has no bound.
    fn is_kept(&self, grant: &Grant) -> bool {
        matches!(grant.state, GrantState::Held | GrantState::Draining { .. })
            && self
                .client_of(grant.party)
                .is_some_and(|client| self.reaches(client))
    }

    /// Those who wait for somebody who is well, or for somebody who does.
    fn stuck(&self) -> Vec<SessionId> {
        self.stuck_behind(|grant| self.is_kept(grant))
    }

    /// Those who wait for what one of these grants keeps from them, or for somebody who does.
    fn stuck_behind(&self, keeps: impl Fn(&Grant) -> bool) -> Vec<SessionId> {
        let lock_state = &self.server.lock_state;
        let mut stuck: Vec<(SessionId, &Scope)> = Vec::new();
        for (session, scope) in lock_state.waiters() {
            let kept = |grant: &Grant| {
                let heir = grant.successor_wants.as_ref().unwrap_or(&grant.scope);
                (grant.scope.conflicts(scope) || heir.conflicts(scope)) && keeps(grant)
            };
            let behind = stuck.iter().any(|(_, older)| older.conflicts(scope));
            if behind || lock_state.grants().any(kept) {
                stuck.push((session, scope));
            }
        }
        stuck.into_iter().map(|(session, _)| session).collect()
    }

    /// L1: with nobody well in its way, a live waiter holds what it waits for within its bound.
    fn waiters_are_served(&mut self) -> Result<(), Violation> {
        let stuck = self.stuck();
        let dead_ahead = u32::try_from(self.clients.len()).unwrap_or(0);
        // Each of them may have been in the way with a lock of its own, one after the other.
        let bound = self.timings.offline_after
            + self
                .timings
                .answer_within
                .max(self.timings.grace)
                .max(self.lease())
            + self.timings.drain.max(self.lease())
            + self.timings.offer * dead_ahead
            + SLACK;
        // Then the server doubts itself, and gives them more time.
        let unwell = |client: &Client| client.body != Body::Well;
        let unreachable = (0..self.clients.len()).filter(|client| !self.reaches(*client));
        let many =
            unreachable.count() >= 3 || self.clients.iter().filter(|c| unwell(c)).count() >= 3;
        for client in 0..self.clients.len() {
            let session = self.clients[client].session;
            let is_stuck = session.is_some_and(|session| stuck.contains(&session));
            let waits = !many && !is_stuck && self.waits_well(client);
            let since = self.served.entry(client).or_default();
            let waited = since.track(waits, self.now);
            if waited > bound {
                let what = format!(
                    "client {client} waited {waited:?}, {:?}",
                    self.server.lock_state
                );
                return self.violation("L1", what);
            }
        }
        Ok(())
    }

    /// Whether nothing is wrong with it or its connection, in the eyes of the server either.
    fn is_well_connected(&self, client: usize) -> bool {
        let one = &self.clients[client];
        let good = |conn: usize| {
            let conn = &self.conns[conn];
            conn.up.path == Path::Good && conn.down.path == Path::Good && conn.server_open
        };
        let peer = self.peer_of(client);
        one.body == Body::Well
            && one.conn.is_some_and(good)
            && peer.is_some_and(|peer| peer.presence == Presence::Live)
    }

    fn peer_of(&self, client: usize) -> Option<&Peer> {
        let session = self.clients[client].session?;
        self.server.lock_state.peer(session)
    }

    fn waits_well(&self, client: usize) -> bool {
        let waits = |peer: &Peer| peer.ticket.is_some() && peer.missed_offers.is_empty();
        self.is_well_connected(client) && self.peer_of(client).is_some_and(waits)
    }

    /// L1, its other half: a dead waiter costs as long as an offer, so nobody is made holder who
    /// has been dead for longer.
    fn nobody_dead_is_granted(&self, to: SessionId, fence: Fence) -> Result<(), Violation> {
        let Some(client) = self.client_of(to) else {
            return Ok(());
        };
        let dead = match self.clients[client].body {
            Body::Well => Duration::ZERO,
            _ => self.now.since(self.clients[client].unwell_at),
        };
        let stalled = self.now < self.asleep_until + self.timings.offer + SLACK;
        if dead > self.timings.offer + SLACK && !stalled {
            let what = format!("{to} was granted {fence}, dead for {dead:?}");
            return self.violation("L1", what);
        }
        Ok(())
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .field("flaw", &self.flaw)
            .field("clients", &self.clients)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}
