//! The end of a connection.

use baton_presence::Time;

use super::Room;
use super::reactions::{announce, carry_out};
use crate::message::{AccessNews, ConnectionId, Departure, Ending, Outgoing};
use crate::output::Output;
use crate::reaction::ProposedRecord;

/// Closes a connection: its client is told the reason first, if it is to go for good.
pub(super) fn close(
    room: &mut Room,
    connection: ConnectionId,
    why: Ending,
    reason: String,
    now: Time,
) {
    if !room.sessions.contains(connection) {
        return;
    }
    let to = connection;
    if why.denies() && room.sessions.is_stock(to) {
        let denied = Outgoing::Denied(reason.clone());
        room.outbound.send(to, denied, now);
    } else if why.denies() && why != Ending::Erased {
        let (reason, retry) = (reason.clone(), why == Ending::Expired);
        room.tell_access(to, AccessNews::Refused { reason, retry }, now);
    }
    room.outbound.push(Output::Close { to, why, reason });
    disconnect(room, connection, Departure::Dropped, now);
}

/// Ends the connection of a client that has gone: behind the messages that it sent before, if they
/// wait for the position of a record.
pub(super) fn client_left(room: &mut Room, connection: ConnectionId, how: Departure, now: Time) {
    if !room.in_flight.has_waiting(connection) || !room.sessions.contains(connection) {
        return disconnect(room, connection, how, now);
    }
    room.in_flight.leave_later(connection, how);
    // Others need not see until then a client that has gone.
    remove_awareness(room, connection, now);
}

/// Ends a connection. Harmless for one that is gone.
pub(super) fn disconnect(room: &mut Room, connection: ConnectionId, how: Departure, now: Time) {
    if !room.sessions.contains(connection) {
        return;
    }
    remove_awareness(room, connection, now);
    let event = room.sessions.disconnect(connection, how, now);
    room.intake.inboxes_mut().disconnect(connection);
    room.in_flight.forget(connection, how);
    room.outbound.disconnect(connection);
    room.proposals.extend(event.map(ProposedRecord::event));
    for waiting in room.sessions.drop_claim(connection) {
        let mut out = Vec::new();
        let (options, state) = (&room.options, &room.state);
        let contested = room
            .sessions
            .take_contested(waiting, options, state, now, &mut out);
        carry_out(room, out, now);
        let Some(contested) = contested else {
            continue;
        };
        // Its session is on the way already, so that no other token is wanted.
        for message in &contested.messages {
            room.receive(waiting, message.as_incoming(), contested.token, now);
        }
    }
}

fn remove_awareness(room: &mut Room, connection: ConnectionId, now: Time) {
    let removed = room.sessions.awareness_mut().removed(connection);
    if let Some(removal) = removed.broadcast {
        announce(room, removal, now);
    }
    for (owner, answer) in removed.answers {
        let question = room.sessions.awareness().question_of(answer);
        room.outbound.send(owner, question, now);
    }
}
