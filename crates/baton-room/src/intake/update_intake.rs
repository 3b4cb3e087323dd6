//! Updates on their way in: scanned, judged, then proposed, kept aside or refused.
//!
//! An update is judged by the document, or, under another session's lock, by the document with the
//! author's park laid over it. Nothing is applied here: only a record is applied.

use std::time::Duration;

use baton_presence::Time;
use baton_sync::control_channel::ErrorCode;
use baton_sync::handshake::{HandshakeError, SyncKind, Verdict};
use bytes::Bytes;

use super::budget::EditBudget;
use super::client_ops;
use super::inboxes::Inboxes;
use super::read_only;
use super::settlement::{barrier, close_malformed, known, parked_before, refuse};
use crate::context::Context;
use crate::message::{ConnectionId, Ending, Outgoing, Receipts};
use crate::options::ReadOnlyEdits;
use crate::reaction::{Answer, ProposedRecord, Reaction};
use crate::replica::{CheckedUpdate, Destination};

/// Time that a large update which is kept aside waits after something changed for it: it is not
/// looked through again at every letter that comes.
const LARGE_AGAIN: Duration = Duration::from_millis(250);

/// The updates and operations of all connections that are not records yet.
#[derive(Default)]
pub(crate) struct Intake {
    pub(super) inboxes: Inboxes,
    /// Time at which large updates that are kept aside are judged again.
    large_due: Option<Time>,
    /// The next record in the log may decide about early messages.
    pub(super) judge_again: bool,
    pub(super) budget: EditBudget,
}

impl Intake {
    /// Takes an update that came over a connection.
    pub(crate) fn update(
        &mut self,
        connection: ConnectionId,
        kind: SyncKind,
        update: Bytes,
        cx: Context<'_>,
        out: &mut Vec<Reaction>,
    ) {
        if self.inboxes.get(connection).is_none() {
            return;
        }
        // Before anything looks into it: its cost is bounded by its content.
        let update = match CheckedUpdate::read(update, &cx.options.handshake.update) {
            Ok(update) => update,
            Err(error) => {
                let fault = HandshakeError::from(error).to_string();
                return close_malformed(&mut self.inboxes, connection, &fault, out);
            }
        };
        let inboxes = &mut self.inboxes;
        let done = read_only::drop_edit(inboxes, connection, kind, &update, cx, out)
            || self.keep_early(connection, kind, &update, cx, out);
        let proposed = !done && self.judge(connection, kind, update, cx, out);
        if kind == SyncKind::Step2 {
            self.resynced(connection, proposed, cx, out);
            client_ops::take_up_deferred(&mut self.inboxes, connection, cx, out);
        }
    }

    /// Takes a barrier.
    pub(crate) fn barrier(
        &mut self,
        connection: ConnectionId,
        version: &[u8],
        out: &mut Vec<Reaction>,
    ) {
        barrier(&mut self.inboxes, connection, version, out);
    }

    /// Takes a message of Baton's channel.
    pub(crate) fn channel(
        &mut self,
        connection: ConnectionId,
        payload: &str,
        cx: Context<'_>,
        out: &mut Vec<Reaction>,
    ) {
        client_ops::receive(&mut self.inboxes, connection, payload, cx, out);
    }

    /// Judges an update. Returns true if something was proposed.
    pub(super) fn judge(
        &mut self,
        connection: ConnectionId,
        kind: SyncKind,
        mut update: CheckedUpdate,
        cx: Context<'_>,
        out: &mut Vec<Reaction>,
    ) -> bool {
        let admission = update.admission(cx.author_of(connection), &cx.state.write_check());
        let Some(inbox) = self.inboxes.get_mut(connection) else {
            return false;
        };
        let basis = cx.state.basis(admission);
        let scan = update.owned_scan();
        let verdict = inbox.handshake.incoming_scanned(scan, kind, basis);
        if inbox.wants_receipts() || !cx.sessions.is_stock(connection) {
            self.inboxes.set_unsaved(connection);
        }
        let mut proposed = self.follow_verdict(connection, verdict, Some(update), cx, out);
        proposed |= self.retry_one(connection, cx, out);
        proposed
    }

    /// Does what a handshake wants. `came` is the message that it judged, if one came. Returns true
    /// if something was proposed.
    pub(super) fn follow_verdict(
        &mut self,
        connection: ConnectionId,
        verdict: Verdict,
        came: Option<CheckedUpdate>,
        cx: Context<'_>,
        out: &mut Vec<Reaction>,
    ) -> bool {
        let is_known = matches!(verdict, Verdict::Known(_));
        match verdict {
            Verdict::Known(bytes) | Verdict::Admit(bytes) => {
                // The scan is of other bytes if only a part of the message is admitted.
                let whole = came.filter(|came| came.is_of(&bytes));
                match whole.map_or_else(|| CheckedUpdate::reread(bytes), Ok) {
                    Ok(update) if is_known => {
                        known(&mut self.inboxes, connection, &update, cx, out);
                    }
                    Ok(update) => return self.admit(connection, update, cx, out),
                    Err(error) => {
                        let fault = HandshakeError::from(error).to_string();
                        close_malformed(&mut self.inboxes, connection, &fault, out);
                    }
                }
            }
            Verdict::Ask => {
                let vector = cx.state.document().encoded_vector();
                let step1 = Answer::Send(Outgoing::Step1(vector));
                out.push(Reaction::Answer(connection, step1));
            }
            Verdict::Wait => {}
            Verdict::Refuse(HandshakeError::Clash(clash)) => {
                let (code, reason) = (ErrorCode::ClientId, clash.to_string());
                refuse(
                    &mut self.inboxes,
                    connection,
                    code,
                    Ending::Protocol,
                    reason,
                    cx,
                    out,
                );
            }
            Verdict::Refuse(fault) => {
                close_malformed(&mut self.inboxes, connection, &fault.to_string(), out);
            }
        }
        false
    }

    fn admit(
        &mut self,
        connection: ConnectionId,
        mut update: CheckedUpdate,
        cx: Context<'_>,
        out: &mut Vec<Reaction>,
    ) -> bool {
        let author = cx.author_of(connection);
        let (document, parks) = (cx.state.document().state(), cx.state.all_parks());
        let mut at_ms = None;
        let destination = update
            .admission(author, &cx.state.write_check())
            .destination;
        let is_suggestion = destination == Destination::Suggestion;
        let suggests = cx.options.read_only_edits == ReadOnlyEdits::Suggest;
        if is_suggestion && !suggests {
            read_only::give_up_edit(&mut self.inboxes, connection, cx, out);
            return false;
        }
        if destination != Destination::Document {
            let held = parks.holding(document, &update.scan());
            if let Some(id) = held.or_else(|| parks.alike(author, &update.scan())) {
                // The same edit over a new session, or an equal one of a stock client from the same
                // source: it is parked once.
                parked_before(&mut self.inboxes, connection, id, cx, out);
                return false;
            }
            let limits = &cx.options.parks;
            if let Err(full) = parks.room_for(author, document, &update.scan(), limits) {
                if is_suggestion {
                    read_only::give_up_edit(&mut self.inboxes, connection, cx, out);
                    return false;
                }
                if let Some(inbox) = self.inboxes.get_mut(connection) {
                    inbox.handshake.refused(update.bytes().clone());
                }
                let (code, reason) = (ErrorCode::ParkFull, full.to_string());
                refuse(
                    &mut self.inboxes,
                    connection,
                    code,
                    Ending::Locked,
                    reason,
                    cx,
                    out,
                );
                return false;
            }
            at_ms = Some(cx.unix_ms());
        }
        if let Err(limit) = self.budget.take(&update.scan(), document) {
            if is_suggestion {
                read_only::give_up_edit(&mut self.inboxes, connection, cx, out);
                return false;
            }
            if let Some(inbox) = self.inboxes.get_mut(connection) {
                inbox.handshake.not_taken();
            }
            let (code, reason) = (ErrorCode::Limit, limit.to_string());
            refuse(
                &mut self.inboxes,
                connection,
                code,
                Ending::Limit,
                reason,
                cx,
                out,
            );
            return false;
        }
        if is_suggestion {
            read_only::note_suggestion(&mut self.inboxes, connection, cx, out);
        }
        if let Some(inbox) = self.inboxes.get_mut(connection) {
            inbox.proposed += 1;
            inbox.stream.judged(destination == Destination::Document);
        }
        out.push(Reaction::Propose(ProposedRecord::Update {
            connection,
            update,
            at_ms,
            is_suggestion,
            streamed: None,
        }));
        true
    }

    /// Follows a change of the rights of a connection's session.
    pub(crate) fn follow_rights(
        &mut self,
        connection: ConnectionId,
        cx: Context<'_>,
        out: &mut Vec<Reaction>,
    ) {
        read_only::follow_rights(&mut self.inboxes, connection, cx, out);
    }

    /// Takes up everything that waited for a record and can come now.
    pub(crate) fn follow_record(
        &mut self,
        updated: bool,
        locks_changed: bool,
        cx: Context<'_>,
        out: &mut Vec<Reaction>,
    ) {
        if updated {
            self.retry_aside(cx, out);
        }
        if locks_changed || std::mem::take(&mut self.judge_again) {
            self.retry_early(cx, out);
        }
    }

    /// Takes up everything that was kept aside and can come now.
    fn retry_aside(&mut self, cx: Context<'_>, out: &mut Vec<Reaction>) {
        for connection in self.inboxes.aside() {
            let proposed = self.retry_one(connection, cx, out);
            self.judge_again |= proposed;
        }
    }

    /// Takes up what one connection has aside, up to the first piece that becomes a record: the
    /// record brings the next. Returns true if one does.
    pub(super) fn retry_one(
        &mut self,
        connection: ConnectionId,
        cx: Context<'_>,
        out: &mut Vec<Reaction>,
    ) -> bool {
        let mut proposed = false;
        let (author, check) = (cx.author_of(connection), cx.state.write_check());
        let basis = |update: &Bytes| cx.state.basis(check.admission_of_bytes(author, update));
        while !proposed {
            let Some(inbox) = self.inboxes.get_mut(connection) else {
                return false;
            };
            let Some(verdict) = inbox.handshake.retry(basis) else {
                break;
            };
            proposed = self.follow_verdict(connection, verdict, None, cx, out);
        }
        let Some(inbox) = self.inboxes.get_mut(connection) else {
            return proposed;
        };
        let complaint = inbox.take_complaint();
        out.extend(complaint.map(|complaint| Reaction::Answer(connection, complaint)));
        let gives_statuses = inbox.receipts == Receipts::EachUpdate;
        let is_waiting = inbox.handshake.is_waiting();
        let has_large = inbox.handshake.has_large();
        let resumes = !inbox.deferred.is_empty() && !inbox.owes_edits();
        if is_waiting || !proposed {
            self.inboxes.set_aside(connection, is_waiting);
        }
        if gives_statuses {
            // A message that was not taken has its status at once.
            out.push(Reaction::Answer(connection, Answer::Receipts));
        }
        if has_large {
            self.large_due.get_or_insert(cx.now + LARGE_AGAIN);
        }
        if resumes {
            client_ops::take_up_deferred(&mut self.inboxes, connection, cx, out);
        }
        proposed
    }

    /// Judges large updates that are kept aside again, if some were woken and their time has come.
    pub(crate) fn retry_large(&mut self, cx: Context<'_>, out: &mut Vec<Reaction>) {
        if self.large_due.is_none_or(|due| cx.now < due) {
            return;
        }
        self.large_due = None;
        self.inboxes.take_large();
        self.retry_aside(cx, out);
    }

    /// Returns the next time at which something is to be judged again.
    pub(crate) fn due(&self, cx: Context<'_>) -> Option<Time> {
        let due = [self.large_due, self.early_due(cx)];
        due.into_iter().flatten().min()
    }

    pub(crate) const fn inboxes(&self) -> &Inboxes {
        &self.inboxes
    }

    pub(crate) const fn inboxes_mut(&mut self) -> &mut Inboxes {
        &mut self.inboxes
    }

    pub(crate) const fn budget_mut(&mut self) -> &mut EditBudget {
        &mut self.budget
    }
}
