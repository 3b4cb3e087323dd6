//! Messages of Baton's channel: each operation of a session to the module that it concerns, at
//! once or behind the edits that came before it.

use std::time::Duration;

use baton_presence::SessionId;
use baton_sync::control_channel::{ClientMessage, ErrorCode, Outcome};

use super::inboxes::{Inboxes, given_away};
use super::settlement::close_malformed;
use super::{lock_ops, park_ops};
use crate::channel_types::profile;
use crate::context::Context;
use crate::message::ConnectionId;
use crate::reaction::{Answer, ProposedRecord, Reaction};
use crate::replica::{Decision, Record};

/// Operations of one connection that wait for edits which came before them; a further one does not
/// wait.
const MOST_DEFERRED: usize = 16;

/// Takes a message of Baton's channel.
pub(super) fn receive(
    inboxes: &mut Inboxes,
    connection: ConnectionId,
    payload: &str,
    cx: Context<'_>,
    out: &mut Vec<Reaction>,
) {
    let message = match ClientMessage::decode(payload) {
        Ok(message) => message,
        Err(error) => {
            let fault = format!("{error}; nothing changed");
            let answer = match error.nonce() {
                Some(nonce) => Answer::result(nonce, Outcome::Invalid, Some(fault)),
                None => Answer::complaint(ErrorCode::Protocol, fault, false),
            };
            return out.push(Reaction::Answer(connection, answer));
        }
    };
    if cx.sessions.session_of(connection).is_none() {
        return;
    }
    if cx.sessions.is_stock(connection) {
        let fault = "Baton's channel opens with a hello";
        return close_malformed(inboxes, connection, fault, out);
    }
    operate_in_order(inboxes, connection, message, cx, out);
}

/// Carries out the operations that waited for edits, behind those edits.
pub(super) fn take_up_deferred(
    inboxes: &mut Inboxes,
    connection: ConnectionId,
    cx: Context<'_>,
    out: &mut Vec<Reaction>,
) {
    if cx.sessions.session_of(connection).is_none() {
        return;
    }
    let Some(inbox) = inboxes.get_mut(connection) else {
        return;
    };
    for message in std::mem::take(&mut inbox.deferred) {
        operate_in_order(inboxes, connection, message, cx, out);
    }
}

/// Carries out an operation, or lets it wait for edits that the client sent before: an orderly
/// handoff would park them otherwise.
fn operate_in_order(
    inboxes: &mut Inboxes,
    connection: ConnectionId,
    message: ClientMessage,
    cx: Context<'_>,
    out: &mut Vec<Reaction>,
) {
    let Some(session) = cx.sessions.session_of(connection) else {
        return;
    };
    if given_away(&message).is_some()
        && let Some(inbox) = inboxes.get_mut(connection)
        && inbox.deferred.len() < MOST_DEFERRED
        && inbox.owes_edits()
    {
        inbox.deferred.push(message);
        return;
    }
    out.extend(operate(cx, connection, session, message));
}

/// Returns the reaction to a message of a session, if there is one.
fn operate(
    cx: Context<'_>,
    connection: ConnectionId,
    session: SessionId,
    message: ClientMessage,
) -> Option<Reaction> {
    let decide = |nonce, decision, id| {
        Some(park_ops::decide(
            cx, connection, session, nonce, decision, id,
        ))
    };
    match message {
        ClientMessage::Hello { .. } => {
            let fault = "hello is the first message of a connection, and only that".to_owned();
            let answer = Answer::complaint(ErrorCode::Protocol, fault, false);
            Some(Reaction::Answer(connection, answer))
        }
        ClientMessage::Token { .. } => {
            // The server takes it from the connection, if it asks for tokens there.
            let fault = "a token is no message for a document".to_owned();
            let answer = Answer::complaint(ErrorCode::Protocol, fault, false);
            Some(Reaction::Answer(connection, answer))
        }
        ClientMessage::Answer {
            n,
            visible: _,
            idle_ms,
        } => Some(Reaction::BeatAnswered(
            session,
            n,
            Duration::from_millis(idle_ms),
        )),
        ClientMessage::Profile { user } => {
            let profile = profile(&user, cx.sessions.identity_of(connection));
            let record = Record::Renamed { session, profile };
            let proposal = ProposedRecord::unanswered(record);
            Some(Reaction::Propose(proposal))
        }
        ClientMessage::MergePark { nonce, id } => decide(nonce, Decision::Merge, id),
        ClientMessage::DiscardPark { nonce, id } => decide(nonce, Decision::Discard, id),
        ClientMessage::RecoverPark { nonce, id } => decide(nonce, Decision::Recover, id),
        ClientMessage::ShowPark { nonce, id } => {
            Some(park_ops::show(cx, connection, session, nonce, id))
        }
        message => lock_ops::operate(cx, connection, session, message),
    }
}
