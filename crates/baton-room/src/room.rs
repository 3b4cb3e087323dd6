//! A room: one open document, the connections in it, and the way of a message through both.
//!
//! Owns the order of things: what a connection says becomes a record or an answer; a record that got its position is
//! applied; what must not be told before it is durable waits here. Every method is synchronous and takes microseconds.
//! Knows no clock (time comes in), no socket (outputs go out), no disk (records go out, positions come back).
//!
//! The caller's duty after every call: [`Room::settle`], which appends to the log; then
//! [`Room::next_output`] until it is empty.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use baton_presence::{
    BeatVerdict, DrainReason, Event, FailureDetector, Fence, LockSettings, Proposal as Watched,
    Rights, SessionId, Time,
};
use baton_sync::awareness::Awareness;
use baton_sync::channel::ServerMessage;
use baton_sync::compact::Compacted;
use baton_sync::handshake::Handshake;
use baton_sync::replica::{Former, Replica};
use bytes::Bytes;

use crate::claims::Claims;
use crate::connection::{Channel, Connection, Held, Origin, Proposal, Proposed, Stage};
use crate::draft::Draft;
use crate::faults::{LoadError, SnapshotError};
use crate::keepalive::Keepalive;
use crate::lock_views::LockViews;
use crate::locks::{millis, wire};
use crate::options::RoomOptions;
use crate::output::{ConnectionId, Ending, Outgoing, Output};
use crate::park::Park;
use crate::quota::Quota;
use crate::record::{Placing, Record};
use crate::requesters::Requesters;
use crate::roster_news::RosterNews;
use crate::state::{Effect, State};
use crate::token::{Source, TokenHash};
use crate::views::Views;
use crate::withheld::{Bringing, Withheld};

/// Tells whether a client waits for a record to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// Yes.
    Yes,
    /// No: nobody is told when it is.
    No,
}

/// The log, as a caller of [`Room::settle_with`] sees it.
pub trait Journal {
    /// Why a record cannot be appended.
    type Error;

    /// Appends a record and returns its position. A journal may first let the room
    /// [replay](Room::replay) records that others appended, and may replace this one: a simulation
    /// plants faults so.
    ///
    /// # Errors
    /// The log takes nothing more.
    fn append(
        &mut self,
        room: &mut Room,
        record: &mut Record,
        awaited: Awaited,
        now: Time,
    ) -> Result<u64, Self::Error>;

    /// The record at `position` took effect.
    fn applied(&mut self, room: &mut Room, position: u64, now: Time) {
        let _ = (room, position, now);
    }
}

/// A journal that only appends.
struct Appender<A>(A);

impl<E, A: FnMut(&Record, Awaited) -> Result<u64, E>> Journal for Appender<A> {
    type Error = E;

    fn append(
        &mut self,
        _: &mut Room,
        record: &mut Record,
        awaited: Awaited,
        _: Time,
    ) -> Result<u64, E> {
        (self.0)(record, awaited)
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// Its client said that it is done (close code 1000).
    Done,
    /// In any other way.
    Dropped,
}

/// An open document; see the module.
pub struct Room {
    pub(crate) options: RoomOptions,
    pub(crate) state: State,
    pub(crate) watch: FailureDetector,
    pub(crate) awareness: Awareness<ConnectionId>,
    /// Boxed: a node of the map has room for eleven, and most documents have two.
    pub(crate) connections: BTreeMap<ConnectionId, Box<Connection>>,
    /// The live connection of each session.
    pub(crate) attached: BTreeMap<SessionId, ConnectionId>,
    /// Connections with updates that are not durable yet, and want to know.
    pub(crate) unsaved: BTreeSet<ConnectionId>,
    /// Connections with incomplete updates kept aside.
    pub(crate) aside: BTreeSet<ConnectionId>,
    /// When large updates that are kept aside are judged again.
    pub(crate) large_due: Option<Time>,
    /// Who says which Yjs client id.
    pub(crate) claims: Claims,
    /// Connections with messages that are too early to judge.
    pub(crate) withheld: BTreeSet<ConnectionId>,
    /// The next record in the log may decide about those.
    pub(crate) judge_again: bool,
    pub(crate) lock_views: LockViews,
    pub(crate) roster_news: RosterNews,
    /// Why each draining lock drains; said again when its holder has it no more.
    pub(crate) draining: BTreeMap<Fence, DrainReason>,
    /// Those who request something and are gone.
    pub(crate) requesters: Requesters,
    /// What those who request something say.
    pub(crate) notes: BTreeMap<SessionId, String>,
    pub(crate) quota: Quota,
    pub(crate) keepalive: Keepalive,
    /// For a session that was resumed: the token before its last one, as long as nothing proves that the last one arrived.
    pub(crate) unproven: BTreeMap<SessionId, TokenHash>,
    /// The time of the last input.
    pub(crate) now: Time,
    pub(crate) durable: u64,
    /// When the document changed last, or something was made of it for somebody who joined.
    pub(crate) touched: Time,
    pub(crate) refresh_at: Option<Time>,
    proposals: VecDeque<Proposed>,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) held: VecDeque<(u64, Held)>,
    pub(crate) views: Views,
    effects: Vec<Effect>,
}

impl Room {
    /// Opens from what is stored: a snapshot with its position, and the records after it, in order.
    ///
    /// The caller then calls [`Room::settle`]: after a restart, one record says so.
    ///
    /// # Errors
    /// The store holds what cannot be read; nothing was changed, and the document must not be served.
    pub fn open(
        options: RoomOptions,
        snapshot: Option<&(u64, Bytes)>,
        tail: &[(u64, Bytes)],
        now: Time,
    ) -> Result<Self, LoadError> {
        let state = State::load(snapshot, tail)?;
        let LockSettings {
            auto_pass, mode, ..
        } = options.fold;
        // One that was erased is in an epoch of its own until the store's is later.
        let epoch = options.fold.epoch.max(state.fold.epoch());
        let new = snapshot.is_none() && tail.is_empty();
        let mut room = Self {
            watch: FailureDetector::new(options.timings)?,
            awareness: Awareness::new(options.awareness),
            connections: BTreeMap::new(),
            attached: BTreeMap::new(),
            unsaved: BTreeSet::new(),
            aside: BTreeSet::new(),
            large_due: None,
            claims: Claims::default(),
            withheld: BTreeSet::new(),
            judge_again: false,
            lock_views: LockViews::default(),
            roster_news: RosterNews::default(),
            draining: BTreeMap::new(),
            requesters: Requesters::default(),
            notes: BTreeMap::new(),
            quota: Quota::default(),
            keepalive: Keepalive::default(),
            unproven: BTreeMap::new(),
            durable: state.position,
            touched: now,
            refresh_at: None,
            now,
            proposals: VecDeque::new(),
            outputs: VecDeque::new(),
            held: VecDeque::new(),
            views: Views::default(),
            effects: Vec::new(),
            options,
            state,
        };
        room.options.fold.epoch = epoch;
        room.watch.adopt(&room.state.fold, now);
        room.requesters
            .follow(&room.state.fold, now, room.options.timings.offline_after);
        if room.state.fold.epoch() != epoch {
            room.propose(Record::Epoch(epoch), Origin::Nobody);
        }
        if !room.state.fold.is_empty() {
            room.propose(Record::Presence(Event::Restarted), Origin::Nobody);
        }
        if room.state.fold.auto_pass() != auto_pass {
            room.propose(
                Record::Presence(Event::AutoPassSet(auto_pass)),
                Origin::Nobody,
            );
        }
        if new && room.state.fold.mode() != mode {
            room.propose(Record::Presence(Event::ModeSet(mode)), Origin::Nobody);
        }
        Ok(room)
    }

    /// A connection comes in: it is sent what this side has, and who is here. `rights` are what its session may do beside
    /// editing, unless it only watches.
    pub fn connect(&mut self, connection: ConnectionId, rights: Rights) {
        let mut handshake = Handshake::new(self.options.handshake);
        handshake.open();
        let here = Connection {
            stage: Stage::Greeting,
            channel: Channel::Closed,
            rights,
            source: None,
            handshake,
            withheld: Withheld::default(),
            bringing: Bringing::Nothing,
            deferred: Vec::new(),
            told_at: None,
        };
        self.connections.insert(connection, Box::new(here));
        let vector = self.state.document.encoded_vector();
        self.send(connection, Outgoing::Step1(vector));
        self.send_awareness(connection);
        self.keepalive_starts(connection);
    }

    /// Says from where a connection comes, before its first message: what stock clients of one source park becomes one park
    /// where it is the same. Without it each has a park of its own.
    pub fn comes_from(&mut self, connection: ConnectionId, source: Source) {
        if let Some(here) = self.connections.get_mut(&connection) {
            here.source = Some(source);
        }
    }

    /// A connection ended. Harmless for one that the room has closed itself.
    pub fn disconnect(&mut self, connection: ConnectionId, how: Departure, now: Time) {
        let Some(gone) = self.connections.remove(&connection) else {
            return;
        };
        self.unsaved.remove(&connection);
        self.aside.remove(&connection);
        self.withheld.remove(&connection);
        let removed = self.awareness.removed(connection);
        if let Some(removal) = removed.broadcast {
            self.broadcast(None, Outgoing::Awareness(removal));
        }
        for (owner, answer) in removed.answers {
            self.send(owner, Outgoing::Awareness(answer));
        }
        if let Stage::In(session) = gone.stage
            && self.attached.get(&session) == Some(&connection)
        {
            self.attached.remove(&session);
            self.watch.detached(session, now);
            // A stock client has nothing to resume with, so that its session ends with its connection.
            let event = match (how, gone.channel) {
                (Departure::Done, _) | (_, Channel::Closed) => Event::Done { session },
                (Departure::Dropped, _) => Event::Disconnected { session },
            };
            self.propose(Record::Presence(event), Origin::Nobody);
        }
        self.drop_claim(connection, now);
    }

    /// When [`Room::handle_timeout`] wants to be called, if at all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let watch = self.watch.poll_timeout();
        let others = [
            self.refresh_at,
            self.parks_due(),
            self.withheld_due(),
            self.large_due,
            self.claims.due(),
            self.lock_views.due(),
            self.roster_news.due(),
            self.answers_due(),
            self.requesters_due(),
            self.keepalive_due(),
        ];
        others.into_iter().chain([watch]).flatten().min()
    }

    /// Time has come to `now`. Early calls are harmless.
    pub fn handle_timeout(&mut self, now: Time) {
        self.now = now;
        // All that is durable is told before a beat confirms anything.
        self.let_go_durable(now);
        let mut watched = Vec::new();
        self.watch
            .handle_timeout(now, &self.state.fold, self.durable, &mut watched);
        for proposal in watched {
            self.carry_out(proposal, now);
        }
        self.refresh_awareness(now);
        self.purge_parks(now);
        self.give_up_waiting(now);
        self.void_requests_of_the_gone(now);
        self.retry_large(now);
        self.settle_claims(now);
        self.tell_due_news(now);
        self.show_due_locks(now);
        // All may be durable already.
        self.let_go_durable(now);
        self.keep_alive(now);
        self.drop_answers(now);
    }

    /// Milliseconds of Unix time at `now`.
    pub(crate) fn unix_ms(&self, now: Time) -> u64 {
        self.options.unix_at_zero_ms.saturating_add(millis(now.0))
    }

    /// The page of a session answered a beat.
    pub(crate) fn answered(&mut self, session: SessionId, n: u64, idle: Duration, now: Time) {
        // A late answer still proves that the connection is alive, and that was noted. One to a beat of this connection
        // proves that the welcome before it has arrived.
        if self.watch.answered(session, n, idle, now) == BeatVerdict::Counts {
            self.unproven.remove(&session);
        }
    }

    fn carry_out(&mut self, proposal: Watched, now: Time) {
        match proposal {
            Watched::Record(event) => self.propose(Record::Presence(event), Origin::Nobody),
            Watched::Ping { session } => {
                if let Some(&to) = self.attached.get(&session) {
                    self.outputs.push_back(Output::Ping { to });
                }
            }
            Watched::Beat {
                session,
                n,
                confirmed,
            } => {
                if let Some(&to) = self.attached.get(&session) {
                    self.send_channel(to, &Arc::new(ServerMessage::Beat { n, confirmed }));
                }
            }
            Watched::Health { session, .. } => self.announce_peer(session),
            Watched::IdleWarning {
                session,
                fence,
                left,
            } => {
                let warning = ServerMessage::IdleWarning {
                    fence: wire(fence),
                    left_ms: millis(left),
                };
                if let Some(&to) = self.attached.get(&session) {
                    self.send_channel(to, &Arc::new(warning));
                }
            }
            Watched::Dead { session } => {
                if let Some(&connection) = self.attached.get(&session) {
                    let reason = format!(
                        "nothing came from this connection for {:?}; connect again",
                        self.options.timings.offline_after
                    );
                    self.close(connection, Ending::Silent, reason, now);
                }
            }
        }
    }

    /// Gives each proposed record its position, in order, and applies it. To be called after every
    /// input; then [`Room::next_output`] until it is empty. `append` is told whether a client waits
    /// for the record to be durable, and returns the position.
    ///
    /// # Errors
    /// The first error of `append`. The room cannot go on then: open it again from its log.
    pub fn settle<E>(
        &mut self,
        now: Time,
        append: impl FnMut(&Record, Awaited) -> Result<u64, E>,
    ) -> Result<(), E> {
        self.settle_with(now, &mut Appender(append))
    }

    /// [`Room::settle`] for a caller that looks at the room before and after each record.
    ///
    /// # Errors
    /// The first error of [`Journal::append`]. The room cannot go on then: open it again from its
    /// log.
    pub fn settle_with<J: Journal>(&mut self, now: Time, journal: &mut J) -> Result<(), J::Error> {
        while let Some(mut proposal) = self.next_proposal() {
            let awaited = if self.awaits_durability() {
                Awaited::Yes
            } else {
                Awaited::No
            };
            let position = journal.append(self, &mut proposal.record, awaited, now)?;
            self.commit(position, proposal, now);
            journal.applied(self, position, now);
        }
        Ok(())
    }

    /// Applies a record that this room did not propose and that stands at `position` of its log.
    pub fn replay(&mut self, position: u64, record: Record, now: Time) {
        let origin = Origin::Nobody;
        self.commit(position, Proposal { record, origin }, now);
    }

    /// Returns the next record that wants a position.
    fn next_proposal(&mut self) -> Option<Proposal> {
        loop {
            match self.proposals.pop_front()? {
                Proposed::Ready(proposal) => return Some(proposal),
                Proposed::Update {
                    connection,
                    update,
                    at_ms,
                } => {
                    if let Some(session) = self.session_of(connection) {
                        return Some(Proposal {
                            record: Record::Update {
                                session,
                                update,
                                at_ms,
                                placing: Placing::ByAuthor,
                            },
                            origin: Origin::Update(connection),
                        });
                    }
                }
            }
        }
    }

    /// Applies a proposal that got its position.
    fn commit(&mut self, position: u64, proposal: Proposal, now: Time) {
        self.now = now;
        let mut effects = std::mem::take(&mut self.effects);
        self.state.apply(position, proposal.record, &mut effects);
        self.announce(position, &effects, &proposal.origin, now);
        effects.clear();
        self.effects = effects;
    }

    /// The next thing to do; see the module for the caller's duty.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Position of the last record applied.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.state.position
    }

    /// Bytes of updates kept aside, which may become records with the next change of the document or of its locks.
    #[must_use]
    pub fn aside_bytes(&self) -> usize {
        let here = |id| self.connections.get(id);
        let incomplete = self.aside.iter().filter_map(here);
        let incomplete = incomplete.map(|here| here.handshake.aside_bytes());
        let withheld = self.withheld.iter().filter_map(here);
        let withheld = withheld.map(|here| here.withheld.bytes());
        let contested = self.claims.bytes();
        incomplete.chain(withheld).chain([contested]).sum()
    }

    /// Bytes of all that is parked.
    #[must_use]
    pub fn parked_bytes(&self) -> usize {
        self.state.parks.iter().map(Park::bytes).sum()
    }

    /// The size of the pieces, in bytes, in which a client is sent what it lacks.
    #[must_use]
    pub fn piece_bytes(&self) -> usize {
        self.options.piece_bytes
    }

    /// How many connections are in the room.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// What is parked in this document.
    pub fn parks(&self) -> impl Iterator<Item = &Park> {
        self.state.parks.iter()
    }

    /// Everything that the log made true, for the log to start from next time: stands for all records up to
    /// [`Room::position`]. What was deleted from the document is not in it. To keep the room waiting for less, take a
    /// [`Room::draft`].
    ///
    /// # Errors
    /// It could not be encoded: a fault of this crate.
    pub fn snapshot(&self) -> Result<Bytes, SnapshotError> {
        Ok(self.state.copied_draft(self.options.history).write()?.bytes)
    }

    /// What a snapshot is made from, to be written elsewhere while the room goes on.
    pub fn draft(&mut self) -> Draft {
        self.state.draft(self.options.history)
    }

    /// Goes on with the document as a snapshot was written of it, without what was deleted, if nothing has changed since.
    /// Gives back what the document was, to be dropped where nobody waits; `None` if it has changed.
    pub fn adopt(&mut self, compacted: Compacted) -> Option<Former> {
        self.state.document.adopt(compacted).ok()
    }

    /// The document: its index and its bytes. To read its content, make a
    /// [`Document`](baton_sync::Document) of [`Replica::difference`] to nothing.
    #[must_use]
    pub fn document(&self) -> &Replica {
        &self.state.document
    }

    /// Closes every connection, as when the server goes away.
    pub fn close_all(&mut self, why: Ending, reason: &str, now: Time) {
        let all: Vec<_> = self.connections.keys().copied().collect();
        for connection in all {
            self.close(connection, why, reason.to_owned(), now);
        }
    }

    pub(crate) fn close(
        &mut self,
        connection: ConnectionId,
        why: Ending,
        reason: String,
        now: Time,
    ) {
        if self.connections.contains_key(&connection) {
            self.outputs.push_back(Output::Close {
                to: connection,
                why,
                reason,
            });
            self.disconnect(connection, Departure::Dropped, now);
        }
    }

    pub(crate) fn session_of(&self, connection: ConnectionId) -> Option<SessionId> {
        match self.connections.get(&connection)?.stage {
            Stage::In(session) => Some(session),
            Stage::Greeting | Stage::Contesting | Stage::Joining => None,
        }
    }

    pub(crate) fn propose(&mut self, record: Record, origin: Origin) {
        self.proposals
            .push_back(Proposed::Ready(Proposal { record, origin }));
    }

    /// Whether an edit of this connection waits for its position.
    pub(crate) fn has_proposed(&self, connection: ConnectionId) -> bool {
        self.proposals.iter().any(|proposed| {
            matches!(proposed, Proposed::Update { connection: of, .. } if *of == connection)
        })
    }

    pub(crate) fn propose_update(
        &mut self,
        connection: ConnectionId,
        update: Bytes,
        at_ms: Option<u64>,
    ) {
        self.proposals.push_back(Proposed::Update {
            connection,
            update,
            at_ms,
        });
    }
}
