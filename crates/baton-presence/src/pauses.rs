//! Owns the pauses of those who wait and missed an offer: when each may be offered again what it waits
//! for.
//!
//! It decides nothing: that a pause is over is a proposal, and the fold may find that it has been
//! overtaken. A pause is over when its time is *and* nothing is in the way, so that all others who wait
//! have had their turn.

use std::time::Duration;

use crate::visits::AGAIN;
use crate::watch::Proposal;
use crate::{Event, Fence, Fold, SessionId, Time, Timings};

#[derive(Debug, Clone, Copy)]
struct Pause {
    session: SessionId,
    /// The offer that was missed.
    fence: Fence,
    until: Time,
}

/// Few at any time: those who let an offer pass and are live all the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pauses {
    pauses: Vec<Pause>,
}

/// The pause after so many missed offers: twice as long each time, up to the longest.
pub(crate) fn length(missed: u32, timings: &Timings) -> Duration {
    let doubled = 1_u32.checked_shl(missed.saturating_sub(1));
    let times = doubled.unwrap_or(u32::MAX);
    let pause = timings.offer_again.saturating_mul(times);
    pause.min(timings.offer_again_most)
}

impl Pauses {
    /// Begins the pause of a session that missed this offer.
    pub(crate) fn begin(&mut self, session: SessionId, fence: Fence, until: Time) {
        self.pauses.retain(|pause| pause.session != session);
        self.pauses.push(Pause {
            session,
            fence,
            until,
        });
    }

    /// Drops the pauses that are over by what the fold has decided.
    pub(crate) fn follow(&mut self, fold: &Fold) {
        let goes_on = |pause: &Pause| fold.pauses_since(pause.session) == Some(pause.fence);
        self.pauses.retain(goes_on);
    }

    /// The time at which the next pause is over, of those whose way is free.
    pub(crate) fn next(&self, fold: &Fold) -> Option<Time> {
        let free = |pause: &&Pause| fold.others_had_their_turn(pause.session);
        let free = self.pauses.iter().filter(free);
        free.map(|pause| pause.until).min()
    }

    /// Says which pauses are over.
    pub(crate) fn visit(&mut self, now: Time, fold: &Fold, out: &mut Vec<Proposal>) {
        for pause in &mut self.pauses {
            if pause.until > now || !fold.others_had_their_turn(pause.session) {
                continue;
            }
            let (session, fence) = (pause.session, pause.fence);
            out.push(Proposal::Record(Event::PauseOver { session, fence }));
            pause.until = now + AGAIN;
        }
    }
}
