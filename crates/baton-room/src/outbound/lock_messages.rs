//! Messages about locks: one for the party of each change, and the view of all locks.

use std::time::Duration;

use baton_presence::{Change, DrainReason, Fence, GrantState, SessionId};
use baton_sync::control_channel::{FencingToken, LockView, ServerMessage, Waiter};

use crate::channel_types::{drain_reason, grant_view, millis, paths};
use crate::context::Context;
use crate::replica::ReplicatedState;

/// Waiters that a view of the locks names.
pub(super) const QUEUE_SHOWN: usize = 100;

/// Returns the message about a new offer, grant or drain, and the session that it is for.
pub(super) fn granted_or_asked(
    change: &Change,
    cx: Context<'_>,
) -> Option<(SessionId, ServerMessage)> {
    let timings = &cx.options.timings;
    Some(match *change {
        Change::Offered {
            to,
            fence,
            ref scope,
        } => {
            let offer = ServerMessage::Offer {
                fence: fence.into(),
                paths: paths(scope),
                expires_ms: expires(fence, timings.offer, cx),
            };
            (to, offer)
        }
        Change::Granted {
            to,
            fence,
            ref scope,
        }
        | Change::Resumed {
            by: to,
            fence,
            ref scope,
        } => {
            let granted = ServerMessage::Granted {
                fence: fence.into(),
                paths: paths(scope),
            };
            (to, granted)
        }
        Change::Draining {
            by, fence, to, why, ..
        } => (by, drain(fence, to, why, cx)),
        Change::RequestVoid { by, fence } => {
            let fence = fence.into();
            (by, ServerMessage::RequestOver { fence })
        }
        _ => return None,
    })
}

/// Returns the message about an offer or a grant that its party was not told of in time; `None` if
/// it is over, or its end is under way.
pub(super) fn standing(
    fence: FencingToken,
    party: SessionId,
    cx: Context<'_>,
) -> Option<ServerMessage> {
    let mut grants = cx.state.locks().grants();
    let grant =
        grants.find(|grant| FencingToken::from(grant.fence) == fence && grant.party == party)?;
    let paths = paths(&grant.scope);
    match grant.state {
        GrantState::Offered => Some(ServerMessage::Offer {
            fence,
            paths,
            expires_ms: expires(grant.fence, cx.options.timings.offer, cx),
        }),
        GrantState::Held => Some(ServerMessage::Granted { fence, paths }),
        GrantState::Suspect | GrantState::Recovering | GrantState::Draining { .. } => None,
    }
}

fn drain(fence: Fence, to: Option<SessionId>, why: DrainReason, cx: Context<'_>) -> ServerMessage {
    ServerMessage::Drain {
        fence: fence.into(),
        reason: drain_reason(why),
        to: to.map(|to| to.0),
        expires_ms: expires(fence, cx.options.timings.drain, cx),
    }
}

/// Returns the message to a holder about a request that runs against its lock.
pub(super) fn requested(
    fence: Fence,
    from: SessionId,
    note: String,
    cx: Context<'_>,
) -> ServerMessage {
    let left = cx.sessions.detector().request_left(fence, cx.now);
    ServerMessage::Requested {
        fence: fence.into(),
        by: from.0,
        note,
        expires_ms: millis(left.unwrap_or(cx.options.timings.request)),
    }
}

/// Returns the message about a lock that a session has no more.
pub(super) fn lost(fence: Fence, why: &str) -> ServerMessage {
    ServerMessage::Lost {
        fence: fence.into(),
        reason: why.to_owned(),
    }
}

/// Returns the rest of the time of an offer or a drain. A client that is told again has less than
/// the whole time.
fn expires(fence: Fence, whole: Duration, cx: Context<'_>) -> u64 {
    let left = cx.sessions.detector().state_left(fence, cx.now);
    millis(left.unwrap_or(whole))
}

/// Returns the view of all locks.
pub(super) fn lock_view(state: &ReplicatedState) -> LockView {
    let locks = state.locks();
    let waiters = locks.waiters().take(QUEUE_SHOWN);
    LockView {
        version: state.position(),
        mode: locks.mode().into(),
        grants: locks.grants().map(grant_view).collect(),
        queue: waiters
            .map(|(session, scope)| Waiter {
                session: session.0,
                paths: paths(scope),
            })
            .collect(),
        waiting: u32::try_from(locks.waiter_count()).unwrap_or(u32::MAX),
    }
}
