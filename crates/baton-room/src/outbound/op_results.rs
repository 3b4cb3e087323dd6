//! The results of operations, as a word for programs and a text for people.

use baton_presence::{Change, DrainReason, LockRefusal, LossReason, OfferEnd};
use baton_sync::control_channel::Outcome;

use crate::replica::Effect;

/// Returns the result of an operation, from the effects of its record.
pub(super) fn outcome(effects: &[Effect]) -> (Outcome, Option<String>) {
    let mut outcome = Outcome::Done;
    for effect in effects {
        match effect {
            Effect::Presence(Change::Queued { .. }) => outcome = Outcome::Queued,
            Effect::Presence(Change::Refused { why, .. }) => {
                let (outcome, message) = refusal(why);
                return (outcome, message.map(str::to_owned));
            }
            Effect::Denied(outcome, message) => return (*outcome, Some(message.clone())),
            _ => {}
        }
    }
    (outcome, None)
}

fn refusal(why: &LockRefusal) -> (Outcome, Option<&'static str>) {
    match why {
        LockRefusal::Busy { .. } => (Outcome::Busy, None),
        LockRefusal::StaleFence { .. } => (Outcome::Stale, None),
        LockRefusal::WouldWait { .. } => (
            Outcome::WouldWait,
            Some(
                "you hold a lock or are being offered one, and a holder never waits: release it, then ask for everything at once",
            ),
        ),
        LockRefusal::NotAllowed => (
            Outcome::NotAllowed,
            Some("take-over needs the right to take over: use request"),
        ),
        LockRefusal::NoUser => (
            Outcome::NotAllowed,
            Some(
                "move-here needs a user_key, which this session did not name in its hello: use request",
            ),
        ),
        LockRefusal::OtherUser { .. } => (
            Outcome::NotAllowed,
            Some(
                "a lock there is of a session with another user_key or none, and move-here takes only those of your own: use request",
            ),
        ),
        LockRefusal::NoSuchTarget => (
            Outcome::Unknown,
            Some(
                "that session is not here, is your own, cannot hold a lock, or waits for something else",
            ),
        ),
        LockRefusal::NothingToTake => (
            Outcome::Unknown,
            Some("no session has a lock there: acquire it"),
        ),
        LockRefusal::Observer | LockRefusal::CannotClaim => {
            (Outcome::Forbidden, Some("an observer holds no lock"))
        }
        LockRefusal::NoLockRight => (
            Outcome::Forbidden,
            Some("this session has no right to hold a lock: nothing changed; ask for the right"),
        ),
        LockRefusal::NotLive => (
            Outcome::Busy,
            Some(
                "this session was silent and counts as offline until it answers a beat, or another offer went first: try again in a moment",
            ),
        ),
        LockRefusal::UnknownSession | LockRefusal::AlreadyJoined => {
            (Outcome::Forbidden, Some("this session is not here"))
        }
    }
}

pub(super) fn offer_end(why: OfferEnd) -> &'static str {
    match why {
        OfferEnd::Expired => "the offer was not claimed in time",
        OfferEnd::Declined => "the offer was declined",
        OfferEnd::Cancelled => "the offer was cancelled",
        OfferEnd::Unreachable => "you went offline while it was offered to you",
        OfferEnd::TakenOver => {
            "it was taken over, or moved to another session of its user, while it was offered to you"
        }
        OfferEnd::Revoked => "you may no longer hold a lock",
    }
}

pub(super) fn loss(why: LossReason) -> &'static str {
    match why {
        LossReason::Silent => "you were silent for too long, and another session could take it",
        LossReason::GraceOver => {
            "your connection was gone for too long, and another session could take it"
        }
        LossReason::RecoveryOver => "you did not come back in time after your server was lost",
        LossReason::OtherFence => "you came back and did not name it among your fences",
        LossReason::DrainOver => "you were asked to stop, and did not say in time that you had",
        LossReason::TakenOver => {
            "it was taken over, or moved to another session of its user, while you could not be reached"
        }
        LossReason::Revoked => "you may no longer hold a lock",
    }
}

/// Returns the reason why a holder that behaved has the lock no more. `drained` is the reason why
/// it had to stop, if it had to.
pub(super) fn given_back(drained: Option<DrainReason>) -> &'static str {
    match drained {
        None => "given back",
        Some(DrainReason::Transfer) => "you handed it over",
        Some(DrainReason::TakenOver) => "it was taken over",
        Some(DrainReason::Moved) => "it was moved to another session of yours",
        Some(DrainReason::Requested) => "it was requested, and the time for that was over",
        Some(DrainReason::Idle) => "you had no input for long, and another session waited",
        Some(DrainReason::Revoked) => "you may no longer hold a lock",
    }
}

/// For a holder that said `drained` in time, which could not count: it owed an answer to our Step1.
pub(super) const ANSWER_MISSING: &str = "you said in time that you had stopped, but did not send the edits that the server asked you for (answer its Step1)";

/// The same, but its edits wait for another holder that is expected to resend them.
pub(super) const EDITS_WAITING: &str = "you said in time that you had stopped, but edits that you had sent before still waited for another holder";

/// For a client that names a fence which it does not have.
pub(super) const ENDED_AWAY: &str =
    "it ended while you were away (given back, passed on or taken), or was never yours";

/// The same, for a client that was here.
pub(super) const NOT_YOURS: &str = "it is over, or was never yours";
