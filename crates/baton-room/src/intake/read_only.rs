//! Edits of connections without the right to write: dropped, or kept as suggestions.
//!
//! Owns the decision to drop an edit and the notices to its client. An edit that adds nothing is
//! none: the answer of a reader to our Step1 still carries all deletions. The connection goes on,
//! since a reader's editor may write something whenever it opens, and types ahead of what it is
//! told.

use std::time::Duration;

use baton_sync::control_channel::ErrorCode;
use baton_sync::handshake::SyncKind;
use baton_sync::replica_index::Judgement;

use super::inbox::Inbox;
use super::inboxes::Inboxes;
use crate::context::Context;
use crate::message::{ConnectionId, Outgoing, Receipts};
use crate::options::ReadOnlyEdits;
use crate::reaction::{Answer, Reaction};
use crate::replica::CheckedUpdate;

/// Least time between two notices to one connection. A person types several edits a second.
const NOTICE_EVERY: Duration = Duration::from_secs(30);

/// The reason that a client is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadOnlyNotice {
    /// An edit was not taken.
    Dropped,
    /// An edit was kept as a suggestion.
    Suggested,
    /// The client may only read from now on.
    Revoked,
}

impl ReadOnlyNotice {
    const fn text(self) -> &'static str {
        match self {
            Self::Dropped => {
                "you may only read this document: your edit was not taken, and is only in your copy; open the document afresh to see it as it is"
            }
            Self::Suggested => {
                "you may only read this document: your edits are set aside as suggestions for those who may edit it"
            }
            Self::Revoked => {
                "you may only read this document from now on: edits that come now do not enter it"
            }
        }
    }
}

/// Drops an update of a connection that may not write, if such updates are dropped and it adds
/// something. Returns true if it was dropped.
pub(super) fn drop_edit(
    inboxes: &mut Inboxes,
    connection: ConnectionId,
    kind: SyncKind,
    update: &CheckedUpdate,
    cx: Context<'_>,
    out: &mut Vec<Reaction>,
) -> bool {
    let drops = cx.options.read_only_edits == ReadOnlyEdits::Drop;
    if !drops || cx.author_of(connection).writes {
        return false;
    }
    if cx.state.document().state().judge(&update.scan()) == Judgement::Known {
        return false;
    }
    let Some(inbox) = inboxes.get_mut(connection) else {
        return false;
    };
    inbox.handshake.dropped(kind);
    notify(inbox, connection, ReadOnlyNotice::Dropped, cx, out);
    if inbox.wants_receipts() {
        inboxes.set_unsaved(connection);
        out.push(Reaction::Answer(connection, Answer::Receipts));
    }
    true
}

/// Gives up the update of the last verdict, whose connection lost the right to write while it was
/// kept aside, or for whose suggestion there is no room.
pub(super) fn give_up_edit(
    inboxes: &mut Inboxes,
    connection: ConnectionId,
    cx: Context<'_>,
    out: &mut Vec<Reaction>,
) {
    if let Some(inbox) = inboxes.get_mut(connection) {
        inbox.handshake.not_taken();
        notify(inbox, connection, ReadOnlyNotice::Dropped, cx, out);
    }
}

/// Notes that an edit of a connection becomes a suggestion. A client of Baton's channel is told
/// the park of each.
pub(super) fn note_suggestion(
    inboxes: &mut Inboxes,
    connection: ConnectionId,
    cx: Context<'_>,
    out: &mut Vec<Reaction>,
) {
    let Some(inbox) = inboxes.get_mut(connection) else {
        return;
    };
    if cx.sessions.is_stock(connection) {
        notify(inbox, connection, ReadOnlyNotice::Suggested, cx, out);
    } else {
        inbox.read_only.withheld = true;
    }
}

/// Follows a change of the rights of a connection's session. A stock client that may only read is
/// told so. One that may write again is asked for the edits that are only in its copy.
pub(super) fn follow_rights(
    inboxes: &mut Inboxes,
    connection: ConnectionId,
    cx: Context<'_>,
    out: &mut Vec<Reaction>,
) {
    let Some(inbox) = inboxes.get_mut(connection) else {
        return;
    };
    if !cx.author_of(connection).writes {
        if cx.sessions.is_stock(connection) && inbox.read_only.told_at.is_none() {
            notify(inbox, connection, ReadOnlyNotice::Revoked, cx, out);
        }
        return;
    }
    inbox.read_only.told_at = None;
    if std::mem::take(&mut inbox.read_only.withheld) && inbox.handshake.ask_for_all() {
        let vector = cx.state.document().encoded_vector();
        let step1 = Answer::Send(Outgoing::Step1(vector));
        out.push(Reaction::Answer(connection, step1));
    }
}

/// Tells a client that its edits do not enter the document: at once, and then once in a while.
fn notify(
    inbox: &mut Inbox,
    connection: ConnectionId,
    notice: ReadOnlyNotice,
    cx: Context<'_>,
    out: &mut Vec<Reaction>,
) {
    let notices = &mut inbox.read_only;
    notices.withheld |= notice != ReadOnlyNotice::Revoked;
    if notices
        .told_at
        .is_some_and(|told| cx.now < told + NOTICE_EVERY)
    {
        return;
    }
    notices.told_at = Some(cx.now);
    // A denial ends the connection of a client that has a status for each of its updates.
    if inbox.receipts == Receipts::EachUpdate {
        return;
    }
    let text = notice.text().to_owned();
    let answer = if cx.sessions.is_stock(connection) {
        Answer::Send(Outgoing::Denied(text))
    } else {
        Answer::complaint(ErrorCode::ReadOnly, text, false)
    };
    out.push(Reaction::Answer(connection, answer));
}
