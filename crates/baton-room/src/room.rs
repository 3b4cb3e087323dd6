//! A room: one open document and the connections in it. Conducts its four owners.
//!
//! - a message goes through sessions and intake, which answer, propose or close;
//! - a proposal gets its position ([`Room::settle`]), is applied to the replicated state, and its
//!   effects go to sessions, intake and outbound, in this order;
//! - time goes to each owner in turn.
//!
//! Every method is synchronous and takes microseconds. A room knows no clock (time comes in), no
//! socket (outputs go out), no disk (records go out, positions come back). The caller's duty after
//! every call: [`Room::settle`], then [`Room::next_output`] until it is empty.

mod departure;
mod erasure;
mod framing;
mod in_flight;
mod incoming;
mod opening_records;
mod other_hosts;
mod placed_record;
mod reactions;
mod room_load;
mod room_parts;
mod settle;

use baton_presence::{Proposal, Rights, Time};
use bytes::Bytes;

use crate::context::context;
use crate::error::LoadError;
use crate::intake::{Budget, Intake, finished_recoveries, next_finished_recovery};
use crate::message::{
    AccessNews, Arrival, ConnectionId, Departure, Ending, Incoming, Outgoing, Receipts, ToClose,
    WriteScope,
};
use crate::options::RoomOptions;
use crate::outbound::{CatchUp, MissedUpdates, Outbound, caught_up};
use crate::output::Output;
use crate::reaction::ProposedRecord;
use crate::replica::{HostId, ReplicatedState, Snapshots};
use crate::sessions::Sessions;
use crate::token::ResumeToken;

pub use erasure::erase;
use in_flight::InFlight;
pub use incoming::would_take;
use opening_records::opening_records;
pub use other_hosts::ClusterEvent;
use reactions::{carry_out, release};
pub use room_load::RoomLoad;
pub use room_parts::Room;
pub use settle::{Awaited, Journal, RecordPlacement};

impl Room {
    /// Opens from a stored snapshot, with its position, and the records after it, in order. The
    /// caller then calls [`Room::settle`]: after a restart, one record states it.
    ///
    /// # Errors
    /// The stored bytes cannot be read. Nothing was changed, and the document must not be served.
    pub fn open(
        mut options: RoomOptions,
        snapshot: Option<&(u64, Bytes)>,
        tail: &[(u64, Bytes)],
        now: Time,
    ) -> Result<Self, LoadError> {
        let state = ReplicatedState::load(snapshot, tail, options.history)?;
        let locks = state.locks();
        // A document that was erased is in an epoch of its own until the store's is later.
        options.lock_settings.epoch = options.lock_settings.epoch.max(locks.epoch());
        let is_new = snapshot.is_none() && tail.is_empty();
        let records = opening_records(&state, &options, is_new);
        Ok(Self {
            sessions: Sessions::open(&options, &state, now)?,
            intake: Intake::default(),
            outbound: Outbound::new(state.position(), now),
            proposals: records.map(ProposedRecord::unanswered).collect(),
            in_flight: InFlight::default(),
            returns: None,
            now,
            effects: Vec::new(),
            reactions: Vec::new(),
            options,
            state,
        })
    }

    /// Lets a connection in. It is sent the state vector of the room, unless its wire wants that
    /// with the first answer ([`Receipts::EachUpdate`]), and the awareness.
    pub fn connect(&mut self, connection: ConnectionId, arrival: impl Into<Arrival>) {
        let arrival = arrival.into();
        let (limits, receipts) = (self.options.handshake, arrival.receipts);
        self.sessions.connect(connection, arrival, self.now);
        let inboxes = self.intake.inboxes_mut();
        inboxes.connect(connection, limits, receipts);
        let step1 = Outgoing::Step1(self.state.document().encoded_vector());
        let step1 = (receipts != Receipts::EachUpdate).then_some(step1);
        let all = self.sessions.awareness().all();
        for message in [step1, all].into_iter().flatten() {
            self.outbound.send(connection, message, self.now);
        }
        self.outbound.connect(connection, self.now);
    }

    /// Takes a message of a connection. `fresh` becomes the session's next resume token if this
    /// message starts or resumes one: 128 random bits, drawn for this connection alone.
    pub fn receive(
        &mut self,
        connection: ConnectionId,
        message: Incoming<'_>,
        fresh: ResumeToken,
        now: Time,
    ) {
        self.now = now;
        let kept = incoming::keep(self, connection, message, fresh, now);
        if let Some(message) = kept {
            incoming::take_in(self, connection, message, fresh, now);
        }
    }

    /// Notes that bytes came over a connection which are no message: a ping, or a pong. `mark` is
    /// that of the probe which a pong answers: a hello that waits for it and names the same Yjs
    /// client id is another client's. Another mark changes nothing.
    pub fn heard(&mut self, connection: ConnectionId, mark: Option<u64>, now: Time) {
        self.sessions.heard(connection, now);
        if let Some(mark) = mark {
            let mut out = Vec::new();
            self.sessions.probe_answered(connection, mark, &mut out);
            carry_out(self, out, now);
        }
    }

    /// Sets the rights of a connection from now on, such as those of its client's new token. Its
    /// client is told, and what it may no longer have ends: see
    /// [`Event::RightsSet`](baton_presence::Event::RightsSet). Harmless for a connection that is
    /// gone.
    pub fn set_rights(&mut self, connection: ConnectionId, rights: Rights, now: Time) {
        self.now = now;
        let mut out = Vec::new();
        self.sessions
            .set_rights(connection, rights, &self.state, &mut out);
        carry_out(self, out, now);
        if self.sessions.contains(connection) {
            let (to, message) = (connection, Outgoing::Scope(WriteScope::of(rights)));
            self.outbound.push(Output::Send { to, message });
        }
    }

    /// Tells the client of a connection about its access, as far as its wire has words for it.
    pub fn tell_access(&mut self, connection: ConnectionId, news: AccessNews, now: Time) {
        self.now = now;
        if !self.sessions.contains(connection) {
            return;
        }
        self.outbound
            .tell_access(connection, news, context!(self, now));
    }

    /// Closes one connection, or all, as when the server goes away. If its access ended or the
    /// document was erased, its client is told so in the words of its wire first, which lets it go
    /// for good.
    pub fn close(&mut self, which: impl Into<ToClose>, why: Ending, reason: String, now: Time) {
        match which.into() {
            ToClose::One(connection) => departure::close(self, connection, why, reason, now),
            ToClose::All => {
                let all: Vec<_> = self.sessions.ids().collect();
                for connection in all {
                    departure::close(self, connection, why, reason.clone(), now);
                }
            }
        }
    }

    /// Takes news of the cluster.
    pub fn follow_cluster(&mut self, news: ClusterEvent, now: Time) {
        match news {
            ClusterEvent::HostLost { host, served } => {
                other_hosts::lost(self, host, served, now);
            }
            ClusterEvent::Isolated(isolated) => other_hosts::set_isolated(self, isolated, now),
            ClusterEvent::Returned(times) => other_hosts::returned(self, times, now),
        }
    }

    /// Takes an [`Output::Relay`] of the room of this document on another host, or its
    /// [`Room::own_awareness`].
    pub fn relayed(&mut self, from: HostId, update: &[u8], now: Time) {
        other_hosts::relayed(self, from, update, now);
    }

    /// Returns the awareness of the clients here, for a host that has just come; `None` if there is
    /// none.
    #[must_use]
    pub fn own_awareness(&self) -> Option<Bytes> {
        self.sessions.awareness().own()
    }

    /// Notes that a connection ended. Harmless for one that the room has closed itself. The
    /// messages that came before are taken up first, if they wait for a record.
    pub fn disconnect(&mut self, connection: ConnectionId, how: Departure, now: Time) {
        departure::client_left(self, connection, how, now);
    }

    /// Returns the time at which [`Room::handle_timeout`] wants to be called, if at all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let due = [
            self.sessions.due(),
            self.intake.due(context!(self, self.now)),
            self.outbound.due(&self.state, &self.options),
            next_finished_recovery(&self.state, self.options.unix_at_zero_ms)
                .map(|due| self.in_flight.patient(due, self.now)),
        ];
        due.into_iter().flatten().min()
    }

    /// Notes that time has come to `now`. Early calls are harmless.
    pub fn handle_timeout(&mut self, now: Time) {
        self.now = now;
        // All that is durable is told before a beat confirms anything.
        release(self, now);
        let durable = self.outbound.durable();
        let intake_due = self.intake.due(context!(self, now));
        let proposals = self
            .sessions
            .handle_timeout(&self.state, durable, intake_due, now);
        for proposal in proposals {
            match proposal {
                Proposal::Record(event) => self.proposals.push_back(ProposedRecord::event(event)),
                Proposal::Dead { session } => {
                    if let Some(connection) = self.sessions.connection_of(session) {
                        let patience = self.options.timings.offline_after;
                        let reason = format!(
                            "nothing came from this connection for {patience:?}; connect again"
                        );
                        self.close(connection, Ending::Silent, reason, now);
                    }
                }
                other => self.outbound.tell_liveness(&other, context!(self, now)),
            }
        }
        let look = self.sessions.look_at_greeting(now);
        self.outbound.ping(look.ping);
        for connection in look.close {
            let reason = "nothing came from this connection since it was opened; connect again";
            self.close(connection, Ending::Silent, reason.to_owned(), now);
        }
        let mut out = Vec::new();
        self.sessions.awareness_mut().refresh(now, &mut out);
        carry_out(self, out, now);
        let finished = finished_recoveries(&self.state, self.options.unix_ms(now)).into_iter();
        self.proposals
            .extend(finished.map(ProposedRecord::unanswered));
        let mut out = Vec::new();
        self.intake.stop_waiting(context!(self, now), &mut out);
        carry_out(self, out, now);
        let mut out = Vec::new();
        self.intake.retry_large(context!(self, now), &mut out);
        carry_out(self, out, now);
        for owner in self.sessions.silent_owners(now) {
            let reason = "nothing came from this connection when another one said the same Yjs client id; this session went on without it";
            self.close(owner, Ending::Superseded, reason.to_owned(), now);
        }
        self.outbound.handle_timeout(context!(self, now));
        // All may be durable already.
        release(self, now);
        self.outbound.keep_alive(&self.sessions, now);
        self.outbound
            .drop_answers(&mut self.state, &self.options, now);
    }

    /// Notes that the log is durable up to `position`.
    pub fn durable(&mut self, position: u64, now: Time) {
        self.outbound.raise_durable(position);
        // A stock client has its status before it is closed for a park; a client of Baton's channel
        // hears of the park before its message is called saved.
        let inboxes = self.intake.inboxes_mut();
        self.outbound
            .tell_stock_receipts(inboxes, context!(self, now));
        release(self, now);
        let inboxes = self.intake.inboxes_mut();
        self.outbound
            .tell_all_receipts(inboxes, context!(self, now));
    }

    /// Returns true if a client waits for the disk. If none does, [`Room::durable`] need not be
    /// called until one does.
    #[must_use]
    pub fn awaits_durability(&self) -> bool {
        self.outbound.awaits_durability()
            || self.intake.inboxes().has_unsaved()
            || !self.in_flight.is_empty()
    }

    /// Returns the next thing for the caller to do.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outbound.next_output()
    }

    /// The replicated half of the room, to be looked at.
    #[must_use]
    pub const fn state(&self) -> &ReplicatedState {
        &self.state
    }

    /// The size of the room beside its document.
    #[must_use]
    pub fn load(&self) -> RoomLoad {
        let contested = self.sessions.contested_bytes();
        let document = self.state.document();
        RoomLoad {
            connections: self.sessions.connections(),
            aside_bytes: self.intake.inboxes().aside_bytes() + contested + self.in_flight.bytes(),
            first_sync_is_encoded: document.has_pieces(self.options.piece_bytes),
            first_sync_is_compressed: document.has_compressed_pieces(self.options.piece_bytes),
        }
    }

    /// Returns true if a Step1 of this connection is answered with compressed updates, where
    /// that is of use.
    #[must_use]
    pub fn compresses_for(&self, to: ConnectionId) -> bool {
        self.sessions.compression_for(to, &self.options).is_some()
    }

    /// The budget for edits and awareness, to be set before an input and looked at after it.
    pub const fn budget(&mut self) -> Budget<'_> {
        Budget {
            edits: self.intake.budget_mut(),
            awareness: self.sessions.awareness_mut(),
        }
    }

    /// Returns the difference between the document and the copy of a client that was sent
    /// everything but `missed`.
    #[must_use]
    pub fn catch_up(&self, missed: &MissedUpdates) -> CatchUp {
        let awareness = self.sessions.awareness().known();
        caught_up(self.state.document(), awareness, missed)
    }

    /// The state of the room, to write snapshots of it.
    pub const fn snapshots(&mut self) -> Snapshots<'_> {
        Snapshots {
            state: &mut self.state,
        }
    }
}
