//! What people are told of locks.
//!
//! Owns the translation of the fold's changes into messages for their parties, the notes of requests, and the view of all
//! locks. All of it is held until its record is durable.

use std::time::Duration;

use baton_presence::{
    Change, DrainReason as Why, Event, Fence as Grant, GrantState as At, LockRefusal, LossReason,
    Mode as Meaning, Scope, SessionId, Time,
};
use baton_sync::channel::{
    ClientMessage, DrainReason, Fence, GrantState, GrantView, LockView, Mode, Paths, ServerMessage,
    Waiter,
};

use crate::connection::Origin;
use crate::outcomes::{
    ANSWER_MISSING, EDITS_WAITING, ENDED_AWAY, NOT_YOURS, given_back, loss, offer_end,
};
use crate::output::ConnectionId;
use crate::record::Record;
use crate::room::Room;

/// How many waiters a view of the locks names.
pub(crate) const QUEUE_SHOWN: usize = 100;

impl Room {
    /// Tells the parties of a lock what changed.
    pub(crate) fn announce_lock_change(&mut self, change: &Change, origin: &Origin, now: Time) {
        match *change {
            Change::Offered {
                to,
                fence,
                ref scope,
            } => {
                let offer = ServerMessage::Offer {
                    fence: wire(fence),
                    paths: paths(scope),
                    expires_ms: self.expires(fence, self.options.timings.offer, now),
                };
                self.hold_for(to, offer);
            }
            Change::Granted {
                to,
                fence,
                ref scope,
            }
            | Change::Resumed {
                by: to,
                fence,
                ref scope,
            } => {
                let granted = ServerMessage::Granted {
                    fence: wire(fence),
                    paths: paths(scope),
                };
                self.hold_for(to, granted);
                if matches!(change, Change::Resumed { .. }) {
                    self.repeat_request(to, fence, now);
                }
                self.merge_own_parks(to, now);
            }
            Change::Draining {
                by, fence, to, why, ..
            } => {
                let drain = ServerMessage::Drain {
                    fence: wire(fence),
                    reason: reason(why),
                    to: to.map(|to| to.0),
                    expires_ms: self.expires(fence, self.options.timings.drain, now),
                };
                self.hold_for(by, drain);
                self.draining.insert(fence, why);
            }
            Change::Requested { by, fence, from } => self.tell_requested(by, fence, from, now),
            Change::RequestVoid { by, fence } => {
                let fence = wire(fence);
                self.hold_for(by, ServerMessage::RequestOver { fence });
            }
            Change::OfferEnded { to, fence, why, .. } => self.hold_lost(to, fence, offer_end(why)),
            Change::LockLost { by, fence, why, .. } => {
                self.draining.remove(&fence);
                let reason = self.why_lost(by, fence, why);
                self.hold_lost(by, fence, reason);
            }
            Change::Released { by, fence, .. } => {
                let drained = self.draining.remove(&fence);
                self.hold_lost(by, fence, given_back(drained));
            }
            Change::Refused {
                session,
                why: LockRefusal::StaleFence { named, .. },
            } => self.correct_belief(session, named, origin),
            Change::Unsettled => {
                self.propose(Record::Presence(Event::Settle), Origin::Nobody);
            }
            _ => {}
        }
    }

    /// How long an offer or a drain goes on: told again, not the whole time any more.
    fn expires(&self, fence: Grant, whole: Duration, now: Time) -> u64 {
        millis(self.watch.state_left(fence, now).unwrap_or(whole))
    }

    /// Why a holder lost its lock. One that said `drained` in time, which waits for edits that were asked for again, has
    /// not been slow to stop.
    fn why_lost(&self, by: SessionId, fence: Grant, why: LossReason) -> &'static str {
        let here = self
            .attached
            .get(&by)
            .and_then(|id| self.connections.get(id));
        let Some(here) = here.filter(|_| why == LossReason::DrainOver) else {
            return loss(why);
        };
        let said = |message: &ClientMessage| match message {
            ClientMessage::Release { fence: of, .. }
            | ClientMessage::Transfer { fence: of, .. }
            | ClientMessage::Drained { fence: of } => *of == wire(fence),
            _ => false,
        };
        if !here.deferred.iter().any(said) {
            return loss(why);
        }
        if here.handshake.awaits_answer() {
            ANSWER_MISSING
        } else {
            EDITS_WAITING
        }
    }

    /// A client that believes in a grant that is over is told so: one that came back with it, or says something about it
    /// that has no nonce and would go unanswered.
    fn correct_belief(&mut self, session: SessionId, named: Grant, origin: &Origin) {
        let grant = self.state.fold.grant(named);
        // One that is still being offered to it is offered again.
        let its_own = grant.is_some_and(|grant| grant.party == session);
        let reason = match origin {
            Origin::Resume(..) => ENDED_AWAY,
            Origin::Word(_) => NOT_YOURS,
            _ => return,
        };
        if !its_own {
            self.hold_lost(session, named, reason);
        }
    }

    fn hold_lost(&mut self, session: SessionId, fence: Grant, why: &str) {
        let lost = ServerMessage::Lost {
            fence: wire(fence),
            reason: why.to_owned(),
        };
        self.hold_for(session, lost);
    }

    /// The note of a request is kept as long as its asker wants something, for holders that come back.
    pub(crate) fn keep_note(&mut self, connection: ConnectionId, note: &str, changes: &[Change]) {
        let Some(session) = self.session_of(connection) else {
            return;
        };
        let asks =
            |change: &Change| matches!(change, Change::Requested { from, .. } if *from == session);
        if changes.iter().any(asks) {
            self.notes.insert(session, note.to_owned());
        }
    }

    fn tell_requested(&mut self, holder: SessionId, fence: Grant, from: SessionId, now: Time) {
        let left = self.watch.request_left(fence, now);
        let requested = ServerMessage::Requested {
            fence: wire(fence),
            by: from.0,
            note: self.notes.get(&from).cloned().unwrap_or_default(),
            expires_ms: millis(left.unwrap_or(self.options.timings.request)),
        };
        self.hold_for(holder, requested);
    }

    /// A holder that came back hears again of the request that runs against it.
    fn repeat_request(&mut self, holder: SessionId, fence: Grant, now: Time) {
        let grant = self.state.fold.grant(fence);
        if let Some(from) = grant.and_then(|grant| grant.requested_by) {
            self.tell_requested(holder, fence, from, now);
        }
    }

    pub(crate) fn lock_view(&self) -> LockView {
        let fold = &self.state.fold;
        LockView {
            version: self.state.position,
            mode: match fold.mode() {
                Meaning::Open => Mode::Open,
                Meaning::ExclusiveWhenHeld => Mode::ExclusiveWhenHeld,
                Meaning::Required => Mode::Required,
            },
            grants: fold.grants().map(shown).collect(),
            queue: fold
                .waiters()
                .take(QUEUE_SHOWN)
                .map(|(session, scope)| Waiter {
                    session: session.0,
                    paths: paths(scope),
                })
                .collect(),
            waiting: u32::try_from(fold.waiter_count()).unwrap_or(u32::MAX),
        }
    }
}

fn shown(grant: &baton_presence::Grant) -> GrantView {
    let (state, to, why) = match grant.state {
        At::Offered => (GrantState::Offered, None, None),
        At::Held => (GrantState::Held, None, None),
        At::Suspect => (GrantState::Suspect, None, None),
        At::Recovering => (GrantState::Recovering, None, None),
        At::Draining { to, why } => (GrantState::Draining, to, Some(why)),
    };
    GrantView {
        paths: paths(&grant.scope),
        state,
        session: grant.party.0,
        fence: wire(grant.fence),
        requested_by: grant.requested_by.map(|from| from.0),
        to: to.map(|to| to.0),
        reason: why.map(reason),
    }
}

fn reason(why: Why) -> DrainReason {
    match why {
        Why::Transfer => DrainReason::Transfer,
        Why::TakenOver => DrainReason::TakenOver,
        Why::Moved => DrainReason::Moved,
        Why::Requested => DrainReason::Requested,
        Why::Idle => DrainReason::Idle,
    }
}

fn paths(scope: &Scope) -> Paths {
    let paths = scope.paths().iter();
    paths.map(|path| path.segments().to_vec()).collect()
}

pub(crate) fn wire(fence: Grant) -> Fence {
    Fence {
        epoch: fence.epoch,
        position: fence.position,
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
