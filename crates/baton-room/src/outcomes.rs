//! What became of an operation, in a word and for people.
//!
//! Owns the words only.

use baton_presence::{Change, Loss, OfferEnd, Refusal};
use baton_sync::channel::Outcome;

use crate::state::Effect;

/// What became of an operation, from what followed of its record.
pub(crate) fn outcome(effects: &[Effect]) -> (Outcome, Option<String>) {
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

fn refusal(why: &Refusal) -> (Outcome, Option<&'static str>) {
    match why {
        Refusal::Busy { .. } => (Outcome::Busy, None),
        Refusal::StaleFence { .. } => (Outcome::Stale, None),
        Refusal::WouldWait { .. } => (
            Outcome::WouldWait,
            Some(
                "you hold a lock, and nobody waits while holding: release it, or acquire everything at once",
            ),
        ),
        Refusal::NotAllowed => (
            Outcome::NotAllowed,
            Some("this needs the right to take over, or a lock of your own in another session"),
        ),
        Refusal::NoSuchTarget => (
            Outcome::Unknown,
            Some("that session is not here, cannot hold a lock, or waits for something else"),
        ),
        Refusal::NothingToTake => (
            Outcome::Unknown,
            Some("nobody has a lock there: acquire it"),
        ),
        Refusal::Observer | Refusal::CannotClaim => {
            (Outcome::Forbidden, Some("who only watches holds no lock"))
        }
        Refusal::UnknownSession | Refusal::NotLive | Refusal::AlreadyJoined => {
            (Outcome::Forbidden, Some("this session is not here"))
        }
    }
}

pub(crate) fn offer_end(why: OfferEnd) -> &'static str {
    match why {
        OfferEnd::Expired => "the offer was not claimed in time",
        OfferEnd::Declined => "the offer was declined",
        OfferEnd::Cancelled => "the offer was cancelled",
        OfferEnd::Unreachable => "you were offline when it was offered",
        OfferEnd::TakenOver => "somebody took it over",
    }
}

pub(crate) fn loss(why: Loss) -> &'static str {
    match why {
        Loss::Silent => "you were silent for too long, and somebody else was there",
        Loss::GraceOver => "your connection was gone for too long, and somebody else was there",
        Loss::RecoveryOver => "you did not come back in time after the server's start",
        Loss::OtherFence => "you came back with another grant than the current one",
        Loss::DrainOver => "you were asked to stop, and did not say in time that you had",
        Loss::TakenOver => "somebody took it over while you could not be reached",
    }
}
