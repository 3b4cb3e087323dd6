//! Messages that become no record: an update that adds nothing, or is in a park already, is
//! settled at the present position of the log; another one is refused. A barrier is only a
//! question about the messages before it.

use baton_sync::control_channel::ErrorCode;
use baton_sync::replica_index::Judgement;

use super::inboxes::Inboxes;
use crate::context::Context;
use crate::message::{ConnectionId, Ending, Outgoing, Receipts};
use crate::reaction::{Answer, Reaction};
use crate::replica::CheckedUpdate;

/// Bytes of a barrier: y-sweet's holds one integer.
const BARRIER_BYTES: usize = 16;

/// An update without blocks and deletions.
const EMPTY: &[u8] = &[0, 0];

/// Settles an update that adds nothing: it is saved as soon as everything up to now is.
pub(super) fn known(
    inboxes: &mut Inboxes,
    connection: ConnectionId,
    update: &CheckedUpdate,
    cx: Context<'_>,
    out: &mut Vec<Reaction>,
) {
    let (document, parks) = (cx.state.document().state(), cx.state.all_parks());
    // Known to its own park only: its author is told again, since it may have come with a new
    // connection.
    if !parks.is_empty()
        && document.judge(&update.scan()) != Judgement::Known
        && let Some(id) = parks.holding(document, &update.scan())
    {
        return parked_before(inboxes, connection, id, cx, out);
    }
    let Some(inbox) = inboxes.get_mut(connection) else {
        return;
    };
    inbox.handshake.settled(cx.state.position());
    if inbox.receipts == Receipts::Echo && update.bytes() != EMPTY {
        let echo = Answer::Echo(update.bytes().clone());
        out.push(Reaction::Answer(connection, echo));
    }
    // It may be durable already, and then no commit comes to tell it.
    out.push(Reaction::Answer(connection, Answer::Receipts));
}

/// Settles an update that is in a park already.
pub(super) fn parked_before(
    inboxes: &mut Inboxes,
    connection: ConnectionId,
    id: u64,
    cx: Context<'_>,
    out: &mut Vec<Reaction>,
) {
    if let Some(inbox) = inboxes.get_mut(connection) {
        inbox.handshake.parked(cx.state.position());
    }
    // A client of Baton's channel hears of the park before its message is called saved, so that it
    // does not take the park for the document. A stock client has its status before it is closed.
    let told = [Answer::ParkedBefore(id), Answer::Receipts];
    let mut told = told.map(|answer| Reaction::Answer(connection, answer));
    if cx.sessions.is_stock(connection) {
        told.reverse();
    }
    out.extend(told);
}

/// Tells a client that its edit is refused. A stock client can only be told by a denial and a final
/// close.
pub(super) fn refuse(
    inboxes: &mut Inboxes,
    connection: ConnectionId,
    code: ErrorCode,
    ending: Ending,
    reason: String,
    cx: Context<'_>,
    out: &mut Vec<Reaction>,
) {
    if cx.sessions.is_stock(connection) {
        let denied = Answer::Send(Outgoing::Denied(reason.clone()));
        let told = [Answer::Receipts, denied];
        out.extend(told.map(|answer| Reaction::Answer(connection, answer)));
        out.push(Reaction::Close(connection, ending, reason));
        inboxes.close(connection);
    } else {
        let told = [Answer::complaint(code, reason, false), Answer::Receipts];
        out.extend(told.map(|answer| Reaction::Answer(connection, answer)));
    }
}

/// Closes a connection whose client sent something that cannot be read.
pub(super) fn close_malformed(
    inboxes: &mut Inboxes,
    connection: ConnectionId,
    fault: &str,
    out: &mut Vec<Reaction>,
) {
    out.push(Reaction::malformed(connection, fault));
    inboxes.close(connection);
}

/// Takes a barrier: it is answered as soon as all messages before it are durable in the document.
pub(super) fn barrier(
    inboxes: &mut Inboxes,
    connection: ConnectionId,
    version: &[u8],
    out: &mut Vec<Reaction>,
) {
    if version.len() > BARRIER_BYTES {
        let fault = format!("a barrier has at most {BARRIER_BYTES} bytes");
        return close_malformed(inboxes, connection, &fault, out);
    }
    if let Some(inbox) = inboxes.get_mut(connection) {
        inbox.barrier(version);
        inboxes.set_unsaved(connection);
        out.push(Reaction::Answer(connection, Answer::Receipts));
    }
}
