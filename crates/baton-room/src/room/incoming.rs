//! Messages of a connection: taken in at once, or behind the positions of those before.

use baton_presence::Time;
use baton_sync::StateVector;

use super::reactions::carry_out;
use super::{Room, departure};
use crate::context::context;
use crate::intake::take_update;
use crate::message::{ConnectionId, Incoming};
use crate::reaction::{Answer, ProposedRecord, Reaction};
use crate::replica::Destination;
use crate::sessions::Entry;
use crate::token::ResumeToken;

/// Keeps a message for later if it has to wait. Returns it if it has not.
pub(super) fn keep<'m>(
    room: &mut Room,
    connection: ConnectionId,
    message: Incoming<'m>,
    token: ResumeToken,
    now: Time,
) -> Option<Incoming<'m>> {
    if room.options.host.is_none() {
        return Some(message);
    }
    let takes = |kind| room.intake.inboxes().takes(connection, kind);
    if !room.in_flight.must_wait(connection, &message, takes) {
        return Some(message);
    }
    if !room.sessions.contains(connection) {
        return None;
    }
    room.sessions.heard(connection, now);
    if matches!(message, Incoming::Step1(_)) {
        // It is answered in a step that takes a record in, whose estimate does not count that.
        room.sessions.send_plain(connection);
    }
    room.in_flight.keep(connection, message, token);
    None
}

/// Takes a message that waits for nothing.
pub(super) fn take_in(
    room: &mut Room,
    connection: ConnectionId,
    message: Incoming<'_>,
    fresh: ResumeToken,
    now: Time,
) {
    if matches!(message, Incoming::QueueSent) {
        // It says nothing of the client: a hello may still follow.
        return room.intake.inboxes_mut().queue_was_sent(connection);
    }
    let mut out = std::mem::take(&mut room.reactions);
    let entry = Entry {
        options: &room.options,
        state: &room.state,
        fresh,
        now,
    };
    match room.sessions.receive(connection, message, entry, &mut out) {
        Some(Incoming::Step1(vector)) => out.push(match StateVector::decode(vector) {
            Ok(since) => {
                room.intake.inboxes_mut().count_anew(connection, &since);
                Reaction::Answer(connection, Answer::Lacking(since))
            }
            Err(error) => {
                let fault = format!("a state vector is wrong: {error}");
                Reaction::malformed(connection, &fault)
            }
        }),
        Some(Incoming::Sync(kind, update)) => {
            let cx = context!(room, now);
            take_update(&mut room.intake, connection, kind, update, cx, &mut out);
        }
        Some(Incoming::Channel(payload)) => {
            let cx = context!(room, now);
            room.intake.channel(connection, payload, cx, &mut out);
        }
        Some(Incoming::Barrier(version)) => room.intake.barrier(connection, version, &mut out),
        Some(Incoming::Awareness(payload)) => {
            let sessions = &mut room.sessions;
            let refusal = sessions.receive_awareness(connection, payload, now, &mut out);
            room.intake.budget_mut().refused_awareness(refusal);
        }
        Some(Incoming::QueryAwareness) => {
            let all = room.sessions.awareness().all().map(Answer::Send);
            out.extend(all.map(|all| Reaction::Answer(connection, all)));
        }
        Some(Incoming::QueueSent | Incoming::Other) | None => {}
    }
    carry_out(room, out, now);
}

/// Takes up the messages of a connection, up to the first that becomes an operation again. If its
/// client has gone meanwhile, it is disconnected behind the last.
pub(super) fn take_up(room: &mut Room, connection: ConnectionId, now: Time) {
    let proposes = |room: &Room, is_meant: fn(&ProposedRecord) -> bool| {
        let mut proposals = room.proposals.iter();
        proposals.any(|proposal| proposal.is_of(connection) && is_meant(proposal))
    };
    while !proposes(room, ProposedRecord::is_operation) {
        let inboxes = room.intake.inboxes();
        let takes = |kind| inboxes.takes(connection, kind);
        let Some((message, token)) = room.in_flight.next_message(connection, takes) else {
            break;
        };
        take_in(room, connection, message.as_incoming(), token, now);
    }
    // Its last edits need its session to be proposed.
    if !proposes(room, |_| true)
        && let Some(how) = room.in_flight.take_leaving(connection)
    {
        departure::disconnect(room, connection, how, now);
    }
}

/// Returns true if an update of this connection would enter the document now: it is one, and
/// neither a lock nor a missing right keeps it out.
#[must_use]
pub fn would_take(room: &Room, connection: ConnectionId, update: &[u8]) -> bool {
    let cx = context!(room, room.now);
    let author = cx.author_of(connection);
    baton_sync::scan(update).is_ok_and(|scan| {
        let admission = cx.state.write_check().admission(author, &scan);
        admission.destination == Destination::Document
    })
}
