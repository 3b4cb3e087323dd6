//! Steps in the life of a connection: connect, open, lose, leave, end.
//!
//! Functions over the core's state. They keep the parts in step: the frames, the copy, the locks
//! and the requests of one connection end together.

use baton_sync::Broken;
use baton_sync::compressed_update::DEFLATE_RAW;
use baton_sync::control_channel::{ClientMessage, Resume, VERSION};

use super::connection::{AfterLeaving, ConnectionPhase, LeaveStep, PassedDeadline};
use super::state::CoreState;
use crate::dual_clock::Moment;
use crate::error::ClientEnded;
use crate::events::{ClientEvent, ConnectionStatus, ReconnectPolicy};
use crate::lock_tracker::EditBlock;
use crate::options::{ClientRole, UserSecret};

/// The close code of a client that leaves for good: its locks pass on at once.
const DONE: u16 = 1000;

/// A close code without a meaning to the server, which starts the grace time: a resume within it
/// keeps the session and its locks.
const BACK_SOON: u16 = 3000;

/// Connects, unless there is a connection or an attempt at one.
pub(super) fn connect(core: &mut CoreState, now: Moment) {
    if core.connection.connect(now) {
        core.out
            .event(ClientEvent::Status(ConnectionStatus::Connecting));
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
pub(super) fn lost(core: &mut CoreState, now: Moment, code: Option<u16>, reason: String) {
    match core.connection.phase() {
        ConnectionPhase::Connecting | ConnectionPhase::Open | ConnectionPhase::Retiring => {}
        ConnectionPhase::Leaving => return left(core, now, code),
        ConnectionPhase::Idle | ConnectionPhase::Waiting | ConnectionPhase::Over => return,
    }
    if code.is_some_and(|code| (4400..4500).contains(&code)) {
        return finish(core, code, reason);
    }
    let delay = core.connection.schedule_retry(now, code, &mut core.rng);
    drop_connection(core, ConnectionPhase::Waiting);
    report_closed(core, code, reason, ReconnectPolicy::After(delay));
}

/// Acts on a deadline that has passed, if one has.
pub(super) fn timeout(core: &mut CoreState, now: Moment) {
    match core.connection.passed_deadline(now) {
        None => {}
        Some(PassedDeadline::Retry) => dial(core, now),
        Some(PassedDeadline::Retirement) => renew(core, now),
        Some(PassedDeadline::Silence) => {
            let reason = "the server sent nothing for too long".to_owned();
            lost(core, now, None, reason);
        }
        Some(PassedDeadline::Farewell) => left(core, now, None),
    }
}

fn dial(core: &mut CoreState, now: Moment) {
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
        LeaveStep::AlreadyGone => left(core, now, Some(code)),
        LeaveStep::Nothing => {}
    }
}

/// Acts on the end of a connection that this client left.
fn left(core: &mut CoreState, now: Moment, code: Option<u16>) {
    let reason = "closed by this client".to_owned();
    let after = core.connection.after_leaving();
    if after == AfterLeaving::End {
        return finish(core, code, reason);
    }
    drop_connection(core, ConnectionPhase::Idle);
    report_closed(core, code, reason, ReconnectPolicy::WhenAsked);
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
    if was_up {
        core.out
            .event(ClientEvent::Status(ConnectionStatus::Disconnected));
    }
}

/// Ends the client for good, with an answer to everything that waits.
fn finish(core: &mut CoreState, code: Option<u16>, reason: String) {
    if core.connection.phase() == ConnectionPhase::Over {
        return;
    }
    drop_connection(core, ConnectionPhase::Over);
    core.locks.block_edits(EditBlock::Closed);
    core.session.ended();
    core.pending.close(&mut core.out);
    core.ended = Some(ClientEnded::Closed {
        code,
        reason: reason.clone(),
    });
    report_closed(core, code, reason, ReconnectPolicy::Never);
}

/// Ends the client because yrs failed in its document, which can no longer be used.
pub(super) fn end_broken(core: &mut CoreState, broken: &Broken) {
    finish(core, None, broken.to_string());
}

fn report_closed(
    core: &mut CoreState,
    code: Option<u16>,
    reason: String,
    reconnect: ReconnectPolicy,
) {
    core.out.event(ClientEvent::Closed {
        code,
        reason,
        reconnect,
    });
}

/// Sends the edits that did not fit into the queue of frames.
pub(super) fn send_unsent(core: &mut CoreState) {
    if let Err(broken) = core.copy.send_unsent(&mut core.out) {
        end_broken(core, &broken);
    }
}
