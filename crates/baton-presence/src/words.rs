//! Owns what one session lost, or is to leave, and may not have heard of: when its answers may be
//! confirmed, and when they show that its client has stopped.
//!
//! Knows no time and no connection; beats are the numbers that they have.

use crate::{Change, Fence, Refusal, SessionId};

/// A fence that its session is to give up, or has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Stop {
    fence: Fence,
    /// The record that says so.
    position: u64,
    /// The first beat behind the word of it on this connection. An answer to that one, or a later one,
    /// shows that the client has read the word, and so has stopped there.
    beat: Option<u64>,
}

/// The words that one session has to hear before its answers are confirmed.
///
/// Each confirmation prolongs a client's belief in all that it thinks it has, so none is given from the
/// record that takes something from it until the word of that is on its way. For callers that keep
/// their own watch, such as a model; [`crate::Watch`] does it by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Words {
    stops: Vec<Stop>,
}

impl Words {
    /// Notes what a change of the record at `position` means for this session.
    pub fn follow(&mut self, session: SessionId, change: &Change, position: u64) {
        match *change {
            Change::LockLost { by, fence, .. } | Change::Draining { by, fence, .. }
                if by == session =>
            {
                self.lost(fence, position);
            }
            Change::Refused {
                session: of,
                why: Refusal::StaleFence { named, .. },
            } if of == session => self.lost(named, position),
            Change::Granted { to: by, fence, .. } | Change::Resumed { by, fence, .. }
                if by == session =>
            {
                self.stops.retain(|stop| stop.fence != fence);
            }
            _ => {}
        }
    }

    fn lost(&mut self, fence: Fence, position: u64) {
        self.stops.retain(|stop| stop.fence != fence);
        self.stops.push(Stop {
            fence,
            position,
            beat: None,
        });
    }

    /// Notes that this beat goes out, behind every word of the records up to `told`. Returns whether no
    /// word waits, so that the beat may confirm answers.
    pub fn beat(&mut self, beat: u64, told: u64) -> bool {
        let unsaid = self.stops.iter_mut().filter(|stop| stop.beat.is_none());
        for stop in unsaid.filter(|stop| stop.position <= told) {
            stop.beat = Some(beat);
        }
        self.stops.iter().all(|stop| stop.beat.is_some())
    }

    /// Takes out one fence at which the client has stopped, as an answer to this beat shows.
    pub fn take_stopped(&mut self, answered: u64) -> Option<Fence> {
        let read = |stop: &Stop| stop.beat.is_some_and(|beat| beat <= answered);
        let index = self.stops.iter().position(read)?;
        Some(self.stops.swap_remove(index).fence)
    }

    /// Notes a new connection: nobody knows what was read of the one before.
    pub fn reconnected(&mut self) {
        for stop in &mut self.stops {
            stop.beat = None;
        }
    }

    /// Whether there is nothing that the session may not have heard of.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stops.is_empty()
    }
}
