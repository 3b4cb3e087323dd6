//! Operations of a session on Baton's channel, each to the module that it concerns.

use std::time::Duration;

use baton_presence::SessionId;
use baton_sync::control_channel::{ClientMessage, ErrorCode};

use super::{lock_ops, park_ops};
use crate::channel_types::profile;
use crate::context::Context;
use crate::message::ConnectionId;
use crate::reaction::{Answer, Origin, ProposedRecord, Reaction};
use crate::replica::{Decision, Record};

/// Returns the reaction to a message of a session, if there is one.
pub(super) fn operate(
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
            let profile = profile(user);
            let record = Record::Renamed { session, profile };
            let proposal = ProposedRecord::Record(record, Origin::Unanswered);
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
