//! Steps in the life of a connection: connect, open, lose, leave, end.
//!
//! Functions over the core's state. They keep the parts in step: the frames, the copy, the locks
//! and the requests of one connection end together.

use baton_sync::compressed_update::DEFLATE_RAW;
use baton_sync::control_channel::{ChannelToken, ClientMessage, ErrorCode, Resume, VERSION};
use baton_sync::{Broken, y_websocket};

use super::connection::{AfterLeaving, ConnectionPhase, LeaveStep, PassedDeadline};
use super::state::CoreState;
use crate::close_cause::CloseCause;
use crate::dual_clock::Moment;
use crate::error::ClientEnded;
use crate::events::{AwarenessChange, ClientEvent, ConnectionStatus, ReconnectPolicy};
use crate::lock_tracker::EditBlock;
use crate::options::{ClientRole, UserSecret};
use crate::token::{ClientToken, TokenSourceError};

/// The close code of a client that leaves for good: its locks pass on at once.
const DONE: u16 = 1000;

/// A close code without a meaning to the server, which starts the grace time: a resume within it
/// keeps the session and its locks.
const BACK_SOON: u16 = 3000;

/// Connects, unless there is a connection or an attempt at one.
pub(super) fn connect(core: &mut CoreState, now: Moment) {
    if core.connection.connect() {
        dial(core, now);
    }
}

/// Leaves, and may return: the server keeps the session, and for the grace time its locks.
pub(super) fn disconnect(core: &mut CoreState, now: Moment) {
    leave(core, now, BACK_SOON, AfterLeaving::StayIdle);
}

/// Leaves for good. Nothing may be edited from here on, for the locks pass on at once.
pub(super) fn close(core: &mut CoreState, now: Moment) {
    core.locks.block_edits(EditBlock::Closed);
    leave(core, now, DONE, AfterLeaving::End);
}

/// Opens the conversation on a socket that is open.
pub(super) fn opened(core: &mut CoreState, now: Moment) {
    if core.connection.opened(now) {
        core.out.open();
        core.out
            .event(ClientEvent::Status(ConnectionStatus::Connected));
        let hello = hello(core);
        core.out.say(&hello);
        core.locks.hello_sent(now);
        core.copy.send_step1(&mut core.out);
        core.awareness.opened(now.monotonic);
    }
}

fn hello(core: &CoreState) -> ClientMessage {
    let ticket = core.ticket();
    ClientMessage::Hello {
        version: VERSION,
        fences: ticket
            .as_ref()
            .map(|ticket| ticket.fences.clone())
            .unwrap_or_default(),
        locks: core.locks.view().map(|view| view.version),
        resume: ticket.map(|ticket| Resume {
            session: ticket.session,
            token: ticket.token,
        }),
        epoch: core.session.epoch(),
        user: core.options.user.clone(),
        user_key: core.options.user_key.as_ref().map(UserSecret::secret),
        client: Some(core.copy.client().get()),
        observer: core.options.role == ClientRole::Observer,
        encodings: vec![DEFLATE_RAW.to_owned()],
    }
}

/// Acts on the end of the connection, or of the attempt at one.
pub(super) fn lost(core: &mut CoreState, now: Moment, cause: CloseCause) {
    match core.connection.phase() {
        ConnectionPhase::AwaitingToken
        | ConnectionPhase::Connecting
        | ConnectionPhase::Open
        | ConnectionPhase::Retiring => {}
        ConnectionPhase::Leaving => return left(core, now),
        ConnectionPhase::Idle | ConnectionPhase::Waiting | ConnectionPhase::Over => return,
    }
    if core.tokens.is_final(&cause) {
        return finish(core, cause);
    }
    let delay = core.connection.schedule_retry(now, &cause, &mut core.rng);
    drop_connection(core, ConnectionPhase::Waiting);
    report_closed(core, cause, ReconnectPolicy::After(delay));
}

/// Takes another token, which the program or its source gave. An attempt that waits for one goes on
/// with it; a connection that is open shows it.
pub(super) fn token_given(core: &mut CoreState, now: Moment, token: ClientToken) {
    let shown = ChannelToken::new(token.secret());
    if let Err(refusal) = core.tokens.replace(token) {
        return finish(core, refusal);
    }
    if core.connection.phase() == ConnectionPhase::AwaitingToken {
        dial(core, now);
    } else if core.connection.is_welcomed() {
        core.out.say(&ClientMessage::Token { token: shown });
    }
}

/// Acts on the failure of the program's source. A session that is open goes on until its token
/// expires.
pub(super) fn no_token(core: &mut CoreState, now: Moment, error: TokenSourceError) {
    if core.connection.phase() == ConnectionPhase::AwaitingToken {
        lost(core, now, CloseCause::Token(error));
    } else {
        let message = format!("{error}; the session ends when its token expires");
        core.out.fault(ErrorCode::Access, message);
    }
}

/// Acts on a deadline that has passed, if one has.
pub(super) fn timeout(core: &mut CoreState, now: Moment) {
    let is_open = core.connection.is_open();
    let change = core.awareness.timeout(now.monotonic, is_open);
    report_awareness(core, change);
    match core.connection.passed_deadline(now) {
        None => {}
        Some(PassedDeadline::Retry) => dial(core, now),
        Some(PassedDeadline::Retirement) => renew(core, now),
        Some(PassedDeadline::Token) => {
            core.tokens.give_up();
            let error = TokenSourceError::Unavailable("the source did not answer".to_owned());
            lost(core, now, CloseCause::Token(error));
        }
        Some(PassedDeadline::Silence) => lost(core, now, CloseCause::Silence),
        Some(PassedDeadline::Farewell) => left(core, now),
    }
}

/// Starts an attempt, or asks for the token that it needs first.
fn dial(core: &mut CoreState, now: Moment) {
    if core.tokens.is_lacking() {
        core.tokens.ask();
        return core.connection.await_token(now);
    }
    core.connection.dial(now);
    core.out
        .event(ClientEvent::Status(ConnectionStatus::Connecting));
}

fn leave(core: &mut CoreState, now: Moment, code: u16, after: AfterLeaving) {
    if core.connection.is_open() {
        send_unsent(core);
    }
    match core.connection.leave(now, after) {
        LeaveStep::SendClose => core.out.close(code),
        LeaveStep::AlreadyGone => left(core, now),
        LeaveStep::Nothing => {}
    }
}

/// Acts on the end of a connection that this client left.
fn left(core: &mut CoreState, now: Moment) {
    core.tokens.give_up();
    let after = core.connection.after_leaving();
    if after == AfterLeaving::End {
        return finish(core, CloseCause::Left);
    }
    drop_connection(core, ConnectionPhase::Idle);
    report_closed(core, CloseCause::Left, ReconnectPolicy::WhenAsked);
    if after == AfterLeaving::Reconnect {
        connect(core, now);
    }
}

/// Replaces a retiring connection by a new one. The server recognises the session by its hello and
/// drops the old connection then, so that no lock is lost in between.
pub(super) fn renew(core: &mut CoreState, now: Moment) {
    if core.connection.phase() == ConnectionPhase::Retiring {
        drop_connection(core, ConnectionPhase::Connecting);
        dial(core, now);
    }
}

fn drop_connection(core: &mut CoreState, next: ConnectionPhase) {
    let was_up = core.connection.drop_to(next);
    core.out.connection_over();
    core.copy.connection_over();
    core.locks.disconnected();
    core.pending.connection_over(&mut core.out);
    let gone = core.awareness.connection_over();
    report_awareness(core, gone);
    if was_up {
        core.out
            .event(ClientEvent::Status(ConnectionStatus::Disconnected));
    }
}

/// Ends the client for good, with an answer to everything that waits.
fn finish(core: &mut CoreState, cause: CloseCause) {
    if core.connection.phase() == ConnectionPhase::Over {
        return;
    }
    core.tokens.give_up();
    drop_connection(core, ConnectionPhase::Over);
    core.locks.block_edits(EditBlock::Closed);
    core.session.ended();
    core.pending.close(&mut core.out);
    core.ended = Some(ClientEnded::Closed(cause.clone()));
    report_closed(core, cause, ReconnectPolicy::Never);
}

/// Ends the client because yrs failed in its document, which can no longer be used.
pub(super) fn end_broken(core: &mut CoreState, broken: &Broken) {
    finish(core, CloseCause::Broken(broken.to_string()));
}

fn report_closed(core: &mut CoreState, cause: CloseCause, reconnect: ReconnectPolicy) {
    core.out.event(ClientEvent::Closed { cause, reconnect });
}

pub(super) fn report_awareness(core: &mut CoreState, change: AwarenessChange) {
    if !change.is_empty() {
        core.out.event(ClientEvent::Awareness(change));
    }
}

/// Returns true if this client's awareness is to be sent on this connection. A connection that
/// serves a copy that was set aside is another client's to the server.
pub(super) fn owes_awareness(core: &CoreState) -> bool {
    let is_open = core.connection.phase() == ConnectionPhase::Open;
    is_open && core.awareness.has_unsent()
}

/// Sends the newest state of this client's awareness, behind the edits that it speaks of.
pub(super) fn send_awareness(core: &mut CoreState) {
    if owes_awareness(core)
        && let Some(payload) = core.awareness.take_unsent(core.copy.client())
    {
        core.out.send(y_websocket::awareness(&payload));
    }
}

/// Sends the edits that did not fit into the queue of frames.
pub(super) fn send_unsent(core: &mut CoreState) {
    if let Err(broken) = core.copy.send_unsent(&mut core.out) {
        end_broken(core, &broken);
    }
}
