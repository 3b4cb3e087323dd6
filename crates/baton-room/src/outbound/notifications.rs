//! Notifications: the messages that follow from the effects of a record.
//!
//! Everything about sessions, locks and parks is held until its record is durable. An edit goes out
//! at once.

use std::sync::Arc;

use baton_presence::{Change, Fence, LockRefusal, LossReason, Proposal, SessionId};
use baton_sync::control_channel::{ErrorCode, ServerMessage};

use super::durability_gate::Held;
use super::lock_messages::{granted_or_asked, lost, requested, standing};
use super::op_results::{
    ANSWER_MISSING, EDITS_WAITING, ENDED_AWAY, NOT_YOURS, given_back, loss, offer_end, outcome,
};
use super::outlet::Outbound;
use super::peers::{peer, welcome};
use crate::channel_types::{millis, rights as shown_rights};
use crate::context::Context;
use crate::intake::{DrainDelay, Inboxes};
use crate::message::{ConnectionId, Outgoing, Receipts};
use crate::output::Output;
use crate::reaction::Origin;
use crate::replica::{Effect, ParkReason};
use crate::sessions::Attachment;
use crate::token::ResumeToken;

const UNSAVED: &str = "this server cannot reach the log at the moment: nothing is lost, but nothing is called saved, and no lock passes, until it can; go on, or wait";

impl Outbound {
    /// Welcomes a session that got its connection.
    pub(crate) fn welcome(
        &mut self,
        connection: ConnectionId,
        attachment: &Attachment,
        token: ResumeToken,
        cx: Context<'_>,
    ) {
        let (session, resumed) = (attachment.session, attachment.resumed);
        let welcome = Arc::new(welcome(session, token.to_hex(), resumed, cx));
        self.hold(Held::Welcome(connection, welcome), cx);
    }

    /// Notifies all clients that the effects of a record concern.
    pub(crate) fn notify(
        &mut self,
        effects: &[Effect],
        origin: &Origin,
        inboxes: &Inboxes,
        cx: Context<'_>,
    ) {
        if let Origin::Request(connection, _, note) = origin
            && let Some(session) = cx.sessions.session_of(*connection)
        {
            self.keep_note(session, note, effects);
        }
        for effect in effects {
            match effect {
                Effect::Applied(update) => {
                    self.touch(cx.now);
                    let except = origin.author();
                    let message = Outgoing::Update(update.bytes().clone());
                    // After a crash another client may bring back what they wrote themselves.
                    if inboxes.echoes_beside(except) {
                        self.hold_broadcast(except, message, cx);
                    } else {
                        self.broadcast(except, message, cx);
                    }
                    if let Some(author) = except
                        && inboxes.receipts(author) == Receipts::Echo
                    {
                        self.hold_echo(author, update.bytes().clone(), cx);
                    }
                }
                Effect::Parked { id, .. } => {
                    if let Some(connection) = origin.author() {
                        self.tell_parked(connection, *id, cx);
                    }
                }
                Effect::Park(view) => {
                    let park = view.as_ref().clone();
                    self.hold_view(ServerMessage::Park { park }, cx);
                }
                Effect::Renamed(session) => self.tell_of_peer(*session, cx),
                Effect::Presence(change) => self.tell_change(change, origin, inboxes, cx),
                Effect::Nothing(_) | Effect::Quiet | Effect::Denied(..) => {}
            }
        }
        if let Origin::Operation(connection, nonce) | Origin::Request(connection, nonce, _) = origin
        {
            let (outcome, message) = outcome(effects);
            let result = ServerMessage::Result {
                nonce: *nonce,
                outcome,
                message,
            };
            self.hold(Held::To(*connection, Arc::new(result)), cx);
        }
    }

    /// Tells the author that an edit is in a park. A stock client can only be told by a denial and
    /// a final close.
    pub(crate) fn tell_parked(&mut self, connection: ConnectionId, id: u64, cx: Context<'_>) {
        let session = cx.sessions.session_of(connection);
        let check = cx.state.write_check();
        let why = check.why_parked(session.unwrap_or(SessionId(0)), id);
        let park = cx.state.all_parks().get(id);
        let is_suggestion = park.is_some_and(|park| park.reason == ParkReason::Suggestion);
        if cx.sessions.is_stock(connection) {
            // It goes on reading, and the intake tells it once in a while.
            if is_suggestion {
                return;
            }
            let reason = format!("{why}: your edit was kept (park {id}); open the document again");
            self.hold_denial(connection, reason, cx);
        } else {
            let parked = ServerMessage::Parked {
                id,
                reason: why.to_owned(),
            };
            self.hold(Held::To(connection, Arc::new(parked)), cx);
        }
    }

    /// Asks connections for a sign of life.
    pub(crate) fn ping(&mut self, connections: Vec<ConnectionId>) {
        for to in connections {
            self.push(Output::Ping { to });
        }
    }

    /// Sends what the failure detector has for a client: beats, pings, warnings and news of a
    /// peer's health, which no record states.
    pub(crate) fn tell_liveness(&mut self, proposal: &Proposal, cx: Context<'_>) {
        match *proposal {
            Proposal::Ping { session } => {
                if let Some(to) = cx.sessions.connection_of(session) {
                    self.push(Output::Ping { to });
                }
            }
            Proposal::Beat {
                session,
                n,
                confirmed,
            } => {
                // Another host may grant the lock of a holder that goes on here.
                let confirmed = if self.withheld.is_isolated() {
                    0
                } else {
                    confirmed
                };
                self.send_to(session, ServerMessage::Beat { n, confirmed }, cx);
            }
            Proposal::IdleWarning {
                session,
                fence,
                left,
            } => {
                let warning = ServerMessage::IdleWarning {
                    fence: fence.into(),
                    left_ms: millis(left),
                };
                self.send_to(session, warning, cx);
            }
            Proposal::Health { session, .. } => {
                let peer = peer(session, cx);
                let message = Arc::new(ServerMessage::Peer { peer });
                if let Some(message) = self.roster.replace(session, message) {
                    self.send_to_channel(&message, cx.sessions);
                }
            }
            Proposal::Record(_) | Proposal::Dead { .. } => {}
        }
    }

    /// Tells the clients that the log does not answer.
    pub(crate) fn isolate(&mut self, cx: Context<'_>) {
        if self.withheld.begin() {
            let message = ServerMessage::Error {
                code: ErrorCode::Unsaved,
                message: UNSAVED.to_owned(),
                retry: true,
            };
            self.send_to_channel(&Arc::new(message), cx.sessions);
        }
    }

    /// Notes that the log answers again. What was kept back is told as it stands now.
    pub(crate) fn heal(&mut self, cx: Context<'_>) {
        for (to, message) in self.withheld.end() {
            let Some(session) = cx.sessions.session_of(to) else {
                continue;
            };
            match &*message {
                ServerMessage::Welcome { token, resumed, .. } => {
                    let welcome = welcome(session, token.clone(), *resumed, cx);
                    self.hold(Held::Welcome(to, Arc::new(welcome)), cx);
                }
                ServerMessage::Offer { fence, .. } | ServerMessage::Granted { fence, .. } => {
                    if let Some(message) = standing(*fence, session, cx) {
                        self.hold(Held::To(to, Arc::new(message)), cx);
                    }
                }
                _ => self.hold(Held::To(to, message), cx),
            }
        }
    }

    fn tell_of_peer(&mut self, session: SessionId, cx: Context<'_>) {
        let peer = peer(session, cx);
        let message = Arc::new(ServerMessage::Peer { peer });
        let connections = cx.sessions.connections();
        if let Some(message) = self.roster.add(session, message, connections, cx.now) {
            self.hold(Held::Channel(message), cx);
        }
    }

    fn tell_change(
        &mut self,
        change: &Change,
        origin: &Origin,
        inboxes: &Inboxes,
        cx: Context<'_>,
    ) {
        if let Some((session, message)) = granted_or_asked(change, cx) {
            self.hold_for(session, message, cx);
        }
        match *change {
            Change::Gone { session } => {
                self.notes.remove(&session);
                self.tell_of_peer(session, cx);
            }
            Change::Joined { session }
            | Change::Lost { session }
            | Change::Back { session }
            | Change::Attached { session }
            | Change::Detached { session } => self.tell_of_peer(session, cx),
            Change::Rights { session, rights } => {
                let rights = shown_rights(rights);
                self.hold_for(session, ServerMessage::Rights { rights }, cx);
                self.tell_of_peer(session, cx);
            }
            Change::Resumed { by, fence, .. } => {
                // A holder that came back hears again of the request that runs against it.
                let grant = cx.state.locks().grant(fence);
                if let Some(from) = grant.and_then(|grant| grant.requested_by) {
                    self.tell_requested(by, fence, from, cx);
                }
            }
            Change::Draining { fence, why, .. } => {
                self.draining.insert(fence, why);
            }
            Change::Requested { by, fence, from } => self.tell_requested(by, fence, from, cx),
            Change::OfferEnded { to, fence, why, .. } => {
                self.hold_for(to, lost(fence, offer_end(why)), cx);
            }
            Change::LockLost { by, fence, why, .. } => {
                self.draining.remove(&fence);
                let reason = why_lost(by, fence, why, inboxes, cx);
                self.hold_for(by, lost(fence, reason), cx);
            }
            Change::Released { by, fence, .. } => {
                let drained = self.draining.remove(&fence);
                self.hold_for(by, lost(fence, given_back(drained)), cx);
            }
            Change::Refused {
                session,
                why: LockRefusal::StaleFence { named, .. },
            } => self.correct_belief(session, named, origin, cx),
            _ => {}
        }
    }

    /// Tells a client that a grant is over in which it believes: one that came back with it, or
    /// sent something about it that has no nonce and would go unanswered.
    fn correct_belief(
        &mut self,
        session: SessionId,
        named: Fence,
        origin: &Origin,
        cx: Context<'_>,
    ) {
        let reason = match origin {
            Origin::Resume(..) => ENDED_AWAY,
            Origin::FenceMessage(_) => NOT_YOURS,
            _ => return,
        };
        let grant = cx.state.locks().grant(named);
        // A grant that is still being offered to it is offered again.
        if grant.is_none_or(|grant| grant.party != session) {
            self.hold_for(session, lost(named, reason), cx);
        }
    }

    /// Keeps the note of a request as long as its session wants something, for holders that come
    /// back.
    pub(crate) fn keep_note(&mut self, session: SessionId, note: &str, effects: &[Effect]) {
        let mut changes = effects.iter().filter_map(Effect::change);
        let asks =
            |change: &Change| matches!(change, Change::Requested { from, .. } if *from == session);
        if changes.any(asks) {
            self.notes.insert(session, note.to_owned());
        }
    }

    fn tell_requested(
        &mut self,
        holder: SessionId,
        fence: Fence,
        from: SessionId,
        cx: Context<'_>,
    ) {
        let note = self.notes.get(&from).cloned().unwrap_or_default();
        self.hold_for(holder, requested(fence, from, note, cx), cx);
    }
}

/// Returns the reason why a holder lost its lock. A holder that said `drained` in time, which waits
/// for edits that were asked for again, has not been slow to stop.
fn why_lost(
    by: SessionId,
    fence: Fence,
    why: LossReason,
    inboxes: &Inboxes,
    cx: Context<'_>,
) -> &'static str {
    let connection = cx.sessions.connection_of(by);
    let drained = connection.filter(|_| why == LossReason::DrainOver);
    match drained.and_then(|connection| inboxes.drain_delay(connection, fence)) {
        Some(DrainDelay::AnswerMissing) => ANSWER_MISSING,
        Some(DrainDelay::EditsWaiting) => EDITS_WAITING,
        None => loss(why),
    }
}
