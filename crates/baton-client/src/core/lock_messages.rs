//! Translates between the server's messages about locks and the lock tracker.
//!
//! Functions without state: they tell the tracker, the program (events) and the server (claims,
//! declines). The tracker owns the meaning of the messages for this session's locks.

use std::time::Duration;

use baton_sync::control_channel::{ClientMessage, FencingToken, LockView, Paths, ServerMessage};

use super::outputs::Outputs;
use crate::dual_clock::Moment;
use crate::events::{ClientEvent, LockRequest};
use crate::lock_tracker::grant::HeardRequest;
use crate::lock_tracker::{LockEffect, LockTracker};
use crate::options::ClaimPolicy;
use crate::scope::LockScope;

/// Handles a message about locks; ignores all others.
pub(super) fn receive(
    locks: &mut LockTracker,
    out: &mut Outputs,
    claim_mode: ClaimPolicy,
    now: Moment,
    message: ServerMessage,
) {
    match message {
        ServerMessage::Lock { lock } => view(locks, out, lock),
        ServerMessage::Offer {
            fence,
            paths,
            expires_ms,
        } => {
            let expires = Duration::from_millis(expires_ms);
            if offer(locks, out, fence, paths, expires) && claim_mode == ClaimPolicy::Auto {
                claim(locks, out, now, fence);
            }
        }
        ServerMessage::Granted { fence, paths } => {
            let effect = locks.granted(fence, LockScope::from_wire(paths));
            report(out, effect);
        }
        ServerMessage::Lost { fence, reason } => {
            let effect = locks.lost(fence, reason);
            report(out, effect);
        }
        ServerMessage::Drain {
            fence,
            reason,
            to,
            expires_ms,
        } => {
            if let Some(scope) = locks.drain(fence) {
                out.event(ClientEvent::Draining {
                    fence,
                    scope,
                    reason,
                    to,
                    expires: Duration::from_millis(expires_ms),
                });
            }
        }
        ServerMessage::Requested {
            fence,
            by,
            note,
            expires_ms,
        } => {
            let heard = HeardRequest {
                by,
                note,
                at: now,
                expires: Duration::from_millis(expires_ms),
            };
            if locks.requested(fence, heard)
                && let Some(requested) = request_for(locks, fence, now)
            {
                out.event(ClientEvent::Requested(requested));
            }
        }
        ServerMessage::RequestOver { fence } => request_over(locks, out, fence),
        ServerMessage::IdleWarning { fence, left_ms } if locks.grants().contains_key(&fence) => {
            let left = Duration::from_millis(left_ms);
            out.event(ClientEvent::IdleWarning { fence, left });
        }
        // The core handles the other messages itself; a warning about a lost grant is late.
        _ => {}
    }
}

/// Reports the effects of an input to the program.
pub(super) fn report(out: &mut Outputs, effects: impl IntoIterator<Item = LockEffect>) {
    for effect in effects {
        out.event(match effect {
            LockEffect::Granted { fence, scope, kept } => {
                ClientEvent::Granted { fence, scope, kept }
            }
            LockEffect::Lost {
                fence,
                scope,
                reason,
            } => ClientEvent::Lost {
                fence,
                scope,
                reason,
            },
            LockEffect::OfferEnded { fence, reason } => ClientEvent::OfferEnded { fence, reason },
            LockEffect::Mode(mode) => ClientEvent::Mode(mode),
        });
    }
}

fn view(locks: &mut LockTracker, out: &mut Outputs, view: LockView) {
    if let Some(effects) = locks.viewed(&view) {
        out.event(ClientEvent::Lock(view));
        report(out, effects);
    }
}

/// Handles an offer. Returns false if this session does not want the lock; it is declined then.
fn offer(
    locks: &mut LockTracker,
    out: &mut Outputs,
    fence: FencingToken,
    paths: Paths,
    expires: Duration,
) -> bool {
    let scope = LockScope::from_wire(paths);
    let wanted = locks.offered(fence, scope.clone());
    if wanted {
        out.event(ClientEvent::Offer {
            fence,
            scope,
            expires,
        });
    } else {
        let later = false;
        out.say(&ClientMessage::Decline { fence, later });
    }
    wanted
}

fn request_over(locks: &mut LockTracker, out: &mut Outputs, fence: FencingToken) {
    if locks.request_over(fence) {
        out.event(ClientEvent::RequestOver { fence });
    }
}

/// Claims an offer, unless it is over.
pub(super) fn claim(locks: &mut LockTracker, out: &mut Outputs, now: Moment, fence: FencingToken) {
    if locks.is_offer(fence) {
        out.say(&ClientMessage::Claim { fence });
        locks.claim_sent(fence, now);
    }
}

/// Declines an offer, unless it is over. With `later`, this session goes on waiting.
pub(super) fn decline(
    locks: &mut LockTracker,
    out: &mut Outputs,
    fence: FencingToken,
    later: bool,
) {
    if locks.is_offer(fence) {
        out.say(&ClientMessage::Decline { fence, later });
        locks.declined(fence, later);
    }
}

/// Returns the request for this grant that another session made, if there is one.
pub(super) fn request_for(
    locks: &LockTracker,
    fence: FencingToken,
    now: Moment,
) -> Option<LockRequest> {
    let grant = locks.grants().get(&fence)?;
    let heard = grant.request()?;
    Some(LockRequest {
        fence,
        scope: grant.scope().clone(),
        by: heard.by,
        note: heard.note.clone(),
        left: heard.expires.saturating_sub(now.since(&heard.at)),
    })
}
