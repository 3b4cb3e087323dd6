//! Updates that are proposed before they are judged, because others of their connection have no
//! position yet. See [`UpdateStream`](super::update_stream::UpdateStream).

use baton_sync::control_channel::ErrorCode;
use baton_sync::handshake::{HandshakeError, SyncKind, Verdict};
use bytes::Bytes;

use super::inbox::Inbox;
use super::settlement::{close_malformed, refuse};
use super::update_intake::Intake;
use crate::context::Context;
use crate::message::{ConnectionId, Ending};
use crate::reaction::{ProposedRecord, Reaction, StreamedUpdate};
use crate::replica::CheckedUpdate;

/// Takes an update that came over a connection. It is judged, unless others of its connection are
/// in flight.
pub(crate) fn take_update(
    intake: &mut Intake,
    connection: ConnectionId,
    kind: SyncKind,
    update: Bytes,
    cx: Context<'_>,
    out: &mut Vec<Reaction>,
) {
    let is_behind = |inbox: &Inbox| inbox.proposed > 0 || !inbox.stream.is_empty();
    if cx.options.host.is_none() || !intake.inboxes.get(connection).is_some_and(is_behind) {
        return intake.update(connection, kind, update, cx, out);
    }
    match CheckedUpdate::read(update, &cx.options.handshake.update) {
        Ok(update) => propose(intake, connection, kind, update, cx, out),
        Err(error) => {
            let fault = HandshakeError::from(error).to_string();
            close_malformed(&mut intake.inboxes, connection, &fault, out);
        }
    }
}

/// Proposes an update behind others of its connection that are in flight.
fn propose(
    intake: &mut Intake,
    connection: ConnectionId,
    kind: SyncKind,
    update: CheckedUpdate,
    cx: Context<'_>,
    out: &mut Vec<Reaction>,
) {
    let Some(inbox) = intake.inboxes.get_mut(connection) else {
        return;
    };
    let number = inbox.handshake.count(update.owned_scan(), kind);
    let wants_receipts = inbox.wants_receipts() || !cx.sessions.is_stock(connection);
    let document = cx.state.document().state();
    if let Err(limit) = intake.budget.take(&update.scan(), document) {
        inbox.handshake.lost(number);
        let (code, reason) = (ErrorCode::Limit, limit.to_string());
        let inboxes = &mut intake.inboxes;
        return refuse(inboxes, connection, code, Ending::Limit, reason, cx, out);
    }
    inbox.stream.push(&update);
    if wants_receipts {
        intake.inboxes.set_unsaved(connection);
    }
    out.push(Reaction::Propose(ProposedRecord::Update {
        connection,
        update,
        at_ms: None,
        is_suggestion: false,
        streamed: Some(StreamedUpdate { number, kind }),
    }));
}

/// Judges an update that was proposed before it could be, at its position, before it takes
/// effect. On one machine it would be judged by the same state.
pub(crate) fn judge_placed(
    intake: &mut Intake,
    connection: ConnectionId,
    streamed: StreamedUpdate,
    update: &CheckedUpdate,
    cx: Context<'_>,
    out: &mut Vec<Reaction>,
) {
    let Some(inbox) = intake.inboxes.get_mut(connection) else {
        return;
    };
    inbox.stream.placed(update.bytes().len());
    if inbox.proposed > 0 {
        // An earlier one is on its way again.
        return inbox.stream.keep(streamed, update.clone());
    }
    let mut update = update.clone();
    let admission = update.admission(cx.author_of(connection), &cx.state.write_check());
    let StreamedUpdate { number, kind } = streamed;
    let basis = cx.state.basis(admission);
    let scan = update.owned_scan();
    match inbox.handshake.counted(number, scan, kind, basis) {
        // Its record is here.
        Verdict::Admit(_) => {}
        verdict => {
            intake.follow_verdict(connection, verdict, Some(update), cx, out);
            // If it is kept aside, what it builds on has to wake it.
            intake.retry_one(connection, cx, out);
        }
    }
}

/// Judges the updates that have their positions and waited for an earlier one.
pub(crate) fn judge_returned(
    intake: &mut Intake,
    connection: ConnectionId,
    cx: Context<'_>,
    out: &mut Vec<Reaction>,
) {
    while let Some(inbox) = intake.inboxes.get_mut(connection)
        && inbox.proposed == 0
        && let Some((streamed, mut update)) = inbox.stream.next_returned()
    {
        let admission = update.admission(cx.author_of(connection), &cx.state.write_check());
        let StreamedUpdate { number, kind } = streamed;
        let basis = cx.state.basis(admission);
        let scan = update.owned_scan();
        let verdict = inbox.handshake.counted(number, scan, kind, basis);
        intake.follow_verdict(connection, verdict, Some(update), cx, out);
        intake.retry_one(connection, cx, out);
    }
}
