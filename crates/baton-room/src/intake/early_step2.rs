//! Step2 messages that come too early: under a lock whose holder is expected to resend the same.
//!
//! Other clients see an edit before it is durable. After a crash, a copy that comes back before the
//! holder brings the holder's lost edits in its own name, under a lock that is not its own: no one
//! typed anything there. Such a Step2 is kept, with the messages that its client sent after it,
//! until the holder has resent its edits or is not waited for any longer. Nothing of it is in the
//! log; a client is told `saved` only for messages that were judged. See decision 15.

use baton_presence::{Grant, GrantState, Lateness, SessionId, Time};
use baton_sync::handshake::SyncKind;
use baton_sync::scan::{Scan, scan};
use bytes::Bytes;

use super::client_ops;
use super::inbox::{EarlyMessages, ResyncState};
use super::update_intake::Intake;
use crate::context::Context;
use crate::message::ConnectionId;
use crate::reaction::Reaction;
use crate::replica::{CheckedUpdate, Obstacle};

/// The fate of a message now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// No lock blocks it.
    Goes,
    /// The holder of the lock that blocks it is expected to resend the same.
    Waits,
    /// It is parked, or asked for again.
    Refused,
}

/// The messages that a pass takes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Those that no lock blocks. They may bring what others have as well.
    Going,
    /// Those also that are refused.
    All,
}

impl Intake {
    /// Keeps a message for later, if it is too early to judge it. Returns true if it was kept.
    pub(super) fn keep_early(
        &mut self,
        connection: ConnectionId,
        kind: SyncKind,
        update: &CheckedUpdate,
        cx: Context<'_>,
        out: &mut Vec<Reaction>,
    ) -> bool {
        let Some(inbox) = self.inboxes.get(connection) else {
            return false;
        };
        let follows = !inbox.early.is_empty();
        if !follows && self.turn(connection, kind, &update.scan(), cx) != Turn::Waits {
            return false;
        }
        let limit = cx.options.handshake.aside_bytes;
        let Some(inbox) = self.inboxes.get_mut(connection) else {
            return false;
        };
        let kept = inbox.handshake.aside_bytes() + inbox.early.bytes();
        let fits = kept + EarlyMessages::cost(update.bytes()) <= limit;
        if !fits && !follows {
            return false;
        }
        inbox.early.push(kind, update.bytes().clone(), fits);
        self.inboxes.set_early(connection, true);
        if !fits {
            self.retry_early(cx, out);
        }
        true
    }

    /// Expects the edits of a session that came back, until this time at the latest.
    pub(crate) fn expect_resync(&mut self, connection: ConnectionId, until: Time) {
        if let Some(inbox) = self.inboxes.get_mut(connection) {
            inbox.resync = ResyncState::Awaited(until);
        }
    }

    /// Notes that an answer of a session that came back was taken; `proposed` if it is on its way
    /// to the log.
    pub(super) fn resynced(
        &mut self,
        connection: ConnectionId,
        proposed: bool,
        cx: Context<'_>,
        out: &mut Vec<Reaction>,
    ) {
        let Some(inbox) = self.inboxes.get_mut(connection) else {
            return;
        };
        if inbox.resync == ResyncState::Done {
            return;
        }
        // Cut at the wrong place, it was asked for again.
        if !proposed && inbox.handshake.awaits_answer() {
            return;
        }
        inbox.resync = if proposed {
            ResyncState::Appending
        } else {
            ResyncState::Done
        };
        if !proposed {
            self.retry_early(cx, out);
        }
    }

    /// Returns the time at which a holder that came back and sends nothing is not waited for any
    /// longer, if a message waits for it.
    pub(super) fn early_due(&self, cx: Context<'_>) -> Option<Time> {
        if !self.inboxes.has_early() {
            return None;
        }
        let until = |grant: &Grant| {
            let connection = cx.sessions.connection_of(grant.party)?;
            match self.inboxes.get(connection)?.resync {
                ResyncState::Awaited(until) => Some(until),
                ResyncState::Done | ResyncState::Appending => None,
            }
        };
        let first = cx.state.locks().grants().filter_map(until).min()?;
        // Its edits may lie in the sockets of a server that stalled.
        Some(first.max(cx.sessions.reads_backlog_until()))
    }

    /// Gives up on holders that are not waited for any longer.
    pub(crate) fn stop_waiting(&mut self, cx: Context<'_>, out: &mut Vec<Reaction>) {
        if self.early_due(cx).is_none_or(|due| due > cx.now) {
            return;
        }
        for inbox in self.inboxes.values_mut() {
            if matches!(inbox.resync, ResyncState::Awaited(until) if until <= cx.now) {
                inbox.resync = ResyncState::Done;
            }
        }
        self.retry_early(cx, out);
    }

    /// Judges the kept messages again, after the locks changed or a holder resent its edits. Those
    /// that may enter the document come first, and nothing is refused before they are there: it may
    /// be the same.
    pub(super) fn retry_early(&mut self, cx: Context<'_>, out: &mut Vec<Reaction>) {
        if !self.inboxes.has_early() {
            return;
        }
        if !self.take_up(Pass::Going, cx, out) {
            self.take_up(Pass::All, cx, out);
        }
    }

    /// Returns true if something was proposed: its record brings the next.
    fn take_up(&mut self, pass: Pass, cx: Context<'_>, out: &mut Vec<Reaction>) -> bool {
        let mut proposed = false;
        for connection in self.inboxes.early() {
            // A refused message may be the same as the next one: it is kept once.
            if proposed && pass == Pass::All {
                break;
            }
            // One at a time: the state by which a message is judged is settled with its record.
            if self
                .inboxes
                .get(connection)
                .is_some_and(|inbox| inbox.proposed > 0)
            {
                proposed = true;
                continue;
            }
            while let Some((kind, update)) = self.next_early(connection, pass, cx) {
                // It was scanned when it came.
                let Ok(update) = CheckedUpdate::reread(update) else {
                    continue;
                };
                if self.judge(connection, kind, update, cx, out) {
                    proposed = true;
                    break;
                }
            }
            let inbox = self.inboxes.get(connection);
            if inbox.is_none_or(|inbox| inbox.early.is_empty()) {
                self.inboxes.set_early(connection, false);
                client_ops::take_up_deferred(&mut self.inboxes, connection, cx, out);
            }
        }
        self.judge_again |= proposed;
        proposed
    }

    fn next_early(
        &mut self,
        connection: ConnectionId,
        pass: Pass,
        cx: Context<'_>,
    ) -> Option<(SyncKind, Bytes)> {
        let inbox = self.inboxes.get(connection)?;
        let (kind, update) = inbox.early.front()?;
        let turn = match scan(update) {
            Ok(scan) => self.turn(connection, *kind, &scan, cx),
            Err(_) => Turn::Goes,
        };
        let comes = match (turn, pass) {
            (Turn::Goes, _) | (Turn::Refused, Pass::All) => true,
            (Turn::Waits, Pass::All) => inbox.early.is_overfull(),
            (Turn::Refused | Turn::Waits, Pass::Going) => false,
        };
        if !comes {
            return None;
        }
        self.inboxes.get_mut(connection)?.early.pop()
    }

    fn turn(
        &self,
        connection: ConnectionId,
        kind: SyncKind,
        update: &Scan<'_>,
        cx: Context<'_>,
    ) -> Turn {
        let grants = cx.state.locks().grants();
        let expected: Vec<&Grant> = match kind {
            SyncKind::Step2 => grants.filter(|grant| self.expects(grant, cx)).collect(),
            // The client that sends a new edit has typed it.
            SyncKind::Update => Vec::new(),
        };
        let inbox = self.inboxes.get(connection);
        if expected.is_empty() && inbox.is_none_or(|inbox| inbox.early.is_empty()) {
            return Turn::Refused;
        }
        let session = cx.sessions.session_of(connection);
        let author = cx.state.author(session.unwrap_or(SessionId(0)));
        match cx.state.write_check().obstacle(author, update, &expected) {
            Obstacle::None => Turn::Goes,
            Obstacle::Named => Turn::Waits,
            Obstacle::Other => Turn::Refused,
        }
    }

    /// Returns true if the party of this grant is expected to resend soon, on reconnecting, the
    /// edits that it made under the grant.
    fn expects(&self, grant: &Grant, cx: Context<'_>) -> bool {
        match grant.state {
            GrantState::Offered => true,
            GrantState::Suspect | GrantState::Recovering => grant.lateness == Lateness::InTime,
            GrantState::Held | GrantState::Draining { .. } => {
                let connection = cx.sessions.connection_of(grant.party);
                let inbox = connection.and_then(|id| self.inboxes.get(id));
                inbox.is_some_and(|inbox| match inbox.resync {
                    ResyncState::Done => false,
                    ResyncState::Awaited(until) => cx.now < until,
                    ResyncState::Appending => true,
                })
            }
        }
    }
}
