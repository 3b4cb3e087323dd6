//! Lock operations of a session, and the mode of a document.
//!
//! Owns the step from an operation to the record that it wants, and the refusals that need no
//! record: limits, the pause after a take-over, the right to manage, and malformed scopes. The lock
//! state decides what a record grants.

use baton_presence::{Event, GrantState, Rights, Scope, ScopeError, SessionId};
use baton_sync::control_channel::{ClientMessage, LockMode, MAX_NOTE, Outcome, Paths};

use crate::channel_types::cut;
use crate::context::Context;
use crate::message::ConnectionId;
use crate::options::LockLimits;
use crate::reaction::{Answer, Origin, ProposedRecord, Reaction};
use crate::replica::Record;

/// The operation on a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Acquire,
    Try,
    Request,
    TakeOver,
    MoveHere,
}

/// The reason for which an operation is refused without a record. Nothing changed.
struct OpRefused {
    outcome: Outcome,
    message: String,
}

/// Returns the reaction to a lock operation; `None` if the message is no such operation.
pub(super) fn operate(
    cx: Context<'_>,
    connection: ConnectionId,
    session: SessionId,
    message: ClientMessage,
) -> Option<Reaction> {
    let on = |nonce| Origin::Operation(connection, nonce);
    let want = |nonce, want, paths| (on(nonce), nonce, wanted(cx, session, want, paths));
    let (origin, nonce, event) = match message {
        ClientMessage::Acquire { nonce, paths } => want(nonce, Want::Acquire, paths),
        ClientMessage::Try { nonce, paths } => want(nonce, Want::Try, paths),
        ClientMessage::TakeOver { nonce, paths } => want(nonce, Want::TakeOver, paths),
        ClientMessage::MoveHere { nonce, paths } => want(nonce, Want::MoveHere, paths),
        ClientMessage::Request { nonce, paths, note } => {
            let origin = Origin::Request(connection, nonce, cut(note, MAX_NOTE));
            (origin, nonce, wanted(cx, session, Want::Request, paths))
        }
        ClientMessage::SetMode { nonce, mode } => (on(nonce), nonce, set_mode(cx, session, mode)),
        message => {
            let (event, nonce) = unconditional(session, &message)?;
            let origin = nonce.map_or(Origin::FenceMessage(connection), on);
            (origin, 0, Ok(event))
        }
    };
    Some(match event {
        Ok(event) => Reaction::Propose(ProposedRecord::Record(Record::Presence(event), origin)),
        Err(OpRefused { outcome, message }) => {
            Reaction::Answer(connection, Answer::result(nonce, outcome, Some(message)))
        }
    })
}

/// Returns the event for an operation that no limit concerns, with its nonce if it has one.
fn unconditional(session: SessionId, message: &ClientMessage) -> Option<(Event, Option<u64>)> {
    Some(match *message {
        ClientMessage::Cancel { nonce } => (Event::Cancel { session }, Some(nonce)),
        ClientMessage::Release { nonce, fence } => {
            let fence = fence.into();
            (Event::Release { session, fence }, Some(nonce))
        }
        ClientMessage::Transfer { nonce, fence, to } => {
            let (fence, to) = (fence.into(), SessionId(to));
            (Event::Transfer { session, fence, to }, Some(nonce))
        }
        ClientMessage::Claim { fence } => {
            let fence = fence.into();
            (Event::Claim { session, fence }, None)
        }
        ClientMessage::Decline { fence, later } => {
            let fence = fence.into();
            let decline = Event::Decline {
                session,
                fence,
                later,
            };
            (decline, None)
        }
        ClientMessage::Drained { fence } => {
            let fence = fence.into();
            (Event::Drained { session, fence }, None)
        }
        _ => return None,
    })
}

fn set_mode(cx: Context<'_>, session: SessionId, mode: LockMode) -> Result<Event, OpRefused> {
    let peer = cx.state.locks().peer(session);
    if peer.is_some_and(|peer| peer.rights.contains(Rights::MANAGE)) {
        Ok(Event::ModeSet(mode.into()))
    } else {
        Err(OpRefused {
            outcome: Outcome::NotAllowed,
            message: "changing the mode needs the right to manage".to_owned(),
        })
    }
}

/// Returns the event for an operation, if no limit is in the way.
fn wanted(
    cx: Context<'_>,
    session: SessionId,
    want: Want,
    paths: Paths,
) -> Result<Event, OpRefused> {
    let scope = scope(paths).map_err(|error| OpRefused {
        outcome: Outcome::Invalid,
        message: format!("{error}; nothing changed"),
    })?;
    fits(cx, session, &scope)?;
    if want == Want::TakeOver {
        cooled_down(cx, session, &scope)?;
    }
    Ok(match want {
        Want::Acquire => Event::Acquire { session, scope },
        Want::Try => Event::Try { session, scope },
        Want::Request => Event::Request { session, scope },
        Want::TakeOver => Event::TakeOver { session, scope },
        Want::MoveHere => Event::MoveHere { session, scope },
    })
}

/// Checks the limits on locks.
fn fits(cx: Context<'_>, session: SessionId, scope: &Scope) -> Result<(), OpRefused> {
    let LockLimits {
        per_session,
        in_document,
        bytes,
    } = cx.options.locks;
    let (mut own, mut all, mut size) = (0, 0, length(scope));
    for grant in cx.state.locks().grants() {
        // A lock that it has already costs nothing more.
        if grant.party == session && grant.scope.covers(scope) {
            return Ok(());
        }
        own += usize::from(grant.party == session);
        all += 1;
        size += length(&grant.scope);
    }
    for (waiter, waits_for) in cx.state.locks().waiters() {
        if waiter != session {
            size += length(waits_for);
        }
    }
    let full = |message: String| {
        Err(OpRefused {
            outcome: Outcome::Full,
            message,
        })
    };
    if own >= per_session {
        return full(format!(
            "this session has {per_session} locks, which is all it may (max_locks_per_session); release some, or lock a path above them"
        ));
    }
    if all >= in_document {
        return full(format!(
            "this document has {in_document} locks, which is all it may (max_locks); try again later"
        ));
    }
    if size > bytes {
        return full(format!(
            "the paths of all locks of this document would have more than {bytes} bytes (max_lock_bytes); try again later, or with shorter paths"
        ));
    }
    Ok(())
}

/// Checks the pause after the last take-over. A take-over that takes nothing, or that the lock
/// state refuses anyway, need not wait.
fn cooled_down(cx: Context<'_>, session: SessionId, scope: &Scope) -> Result<(), OpRefused> {
    let locks = cx.state.locks();
    let may = locks
        .peer(session)
        .is_some_and(|peer| peer.rights.contains(Rights::TAKE_OVER));
    let takes = locks.grants().any(|grant| {
        grant.party != session
                && grant.scope.conflicts(scope)
                // It is on its way to this session already: asked twice.
                && !matches!(grant.state, GrantState::Draining { to, .. } if to == Some(session))
    });
    if !may || !takes {
        return Ok(());
    }
    cx.sessions
        .detector()
        .take_over_ready(session, cx.now)
        .map_err(|left| OpRefused {
            outcome: Outcome::Cooldown,
            message: format!(
                "a lock was taken over a short time ago; another session can do so in {} s",
                left.as_secs() + 1
            ),
        })
}

/// Returns the scope of these paths; no path is the whole document.
fn scope(paths: Paths) -> Result<Scope, ScopeError> {
    if paths.is_empty() {
        return Ok(Scope::WHOLE);
    }
    Scope::of(paths)
}

/// Returns the bytes of a scope's paths.
fn length(scope: &Scope) -> usize {
    scope
        .paths()
        .iter()
        .flat_map(|path| path.segments())
        .map(String::len)
        .sum()
}
