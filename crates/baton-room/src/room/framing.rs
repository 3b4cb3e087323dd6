//! A proposal as the record that is appended.
//!
//! An edit gets its session. In a cluster a record about a session gets a frame, which says what
//! the host knew of the session. It changes nothing if another record has changed that first.

use super::Room;
use crate::reaction::{Origin, ProposedRecord};
use crate::replica::{CheckedUpdate, HostId, Placing, Record, ReplicatedState};
use crate::sessions::Sessions;

/// Returns the record of a proposal. An edit whose session is in flight is kept until that has its
/// position; one without a session is dropped.
pub(super) fn with_session(
    room: &mut Room,
    proposal: ProposedRecord,
) -> Option<(Record, Option<CheckedUpdate>, Origin)> {
    let (connection, update, at_ms, is_suggestion, streamed) = match proposal {
        ProposedRecord::Record(record, origin) => return Some((record, None, origin)),
        ProposedRecord::Update {
            connection,
            update,
            at_ms,
            is_suggestion,
            streamed,
        } => (connection, update, at_ms, is_suggestion, streamed),
    };
    let Some(session) = room.sessions.session_of(connection) else {
        let update = ProposedRecord::Update {
            connection,
            update,
            at_ms,
            is_suggestion,
            streamed,
        };
        room.in_flight.keep_unattached(connection, update);
        return None;
    };
    let bytes = update.bytes().clone();
    let record = if is_suggestion {
        Record::Suggested {
            session,
            update: bytes,
            at_ms: at_ms.unwrap_or(0),
        }
    } else {
        Record::Update {
            session,
            update: bytes,
            at_ms,
            placing: Placing::ByAuthor,
        }
    };
    let origin = match streamed {
        Some(streamed) => Origin::Streamed(connection, streamed),
        None => Origin::Update(connection),
    };
    Some((record, Some(update), origin))
}

/// Returns the record as this host proposes it.
pub(super) fn framed(
    record: Record,
    origin: &Origin,
    host: HostId,
    state: &ReplicatedState,
    sessions: &Sessions,
) -> Record {
    let attachments = state.attachments();
    let (from, shown) = match (&record, origin) {
        (Record::Resumed { session, .. }, Origin::Resume(_, resumption)) => {
            (attachments.attached_at(*session), Some(resumption.shown))
        }
        (Record::Resumed { session, .. }, _) => (attachments.attached_at(*session), None),
        (Record::Joined { .. }, _) => (0, None),
        _ => return since(record, origin, state, sessions),
    };
    Record::AttachedTo {
        host,
        from,
        shown,
        record: Box::new(record),
    }
}

/// Frames a record about a session. A mode names no session: that of its connection counts.
fn since(record: Record, origin: &Origin, state: &ReplicatedState, sessions: &Sessions) -> Record {
    let of_connection = || sessions.session_of(origin.operator()?);
    let Some(session) = record.subject().or_else(of_connection) else {
        return record;
    };
    let note = match origin {
        Origin::Request(_, _, note) => note.clone(),
        _ => String::new(),
    };
    Record::Since {
        session,
        since: state.attachments().since(session),
        note,
        record: Box::new(record),
    }
}
