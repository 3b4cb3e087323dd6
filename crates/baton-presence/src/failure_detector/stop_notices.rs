//! Notices to one session that it lost a lock, or has to leave it, until the client has read them.
//!
//! They decide when the session's answers may be confirmed, and when its answers show that its
//! client has stopped editing. Nothing here knows time or connections; beats are numbers.

use crate::{Change, Fence, LockRefusal, SessionId};

/// Notice that a session lost this fence, or has to give it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct StopNotice {
    fence: Fence,
    /// Position of the record that the notice follows from.
    position: u64,
    /// First beat sent behind the notice on this connection. An answer to that beat, or a later
    /// one, shows that the client has read the notice and stopped.
    beat: Option<u64>,
}

/// The notices that one session has to get before its answers are confirmed.
///
/// Each confirmation prolongs the client's belief in every lock that it thinks it has. So none is
/// given from the record that takes a lock from the session until the notice of it is sent.
/// [`crate::FailureDetector`] keeps these notices itself; a model that has its own failure detector
/// uses them directly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct StopNotices {
    notices: Vec<StopNotice>,
}

impl StopNotices {
    /// Notes the notices that a change of the record at `position` sends to this session.
    pub fn follow(&mut self, session: SessionId, change: &Change, position: u64) {
        match *change {
            Change::LockLost { by, fence, .. } | Change::Draining { by, fence, .. }
                if by == session =>
            {
                self.lost(fence, position);
            }
            Change::Refused {
                session: of,
                why: LockRefusal::StaleFence { named, .. },
            } if of == session => self.lost(named, position),
            Change::Granted { to: by, fence, .. } | Change::Resumed { by, fence, .. }
                if by == session =>
            {
                self.notices.retain(|notice| notice.fence != fence);
            }
            _ => {}
        }
    }

    fn lost(&mut self, fence: Fence, position: u64) {
        self.notices.retain(|notice| notice.fence != fence);
        self.notices.push(StopNotice {
            fence,
            position,
            beat: None,
        });
    }

    /// Notes that this beat is sent, behind the notices of all records up to the position `told`.
    /// Returns true if no notice waits to be sent, so that the beat may confirm answers.
    pub fn beat(&mut self, beat: u64, told: u64) -> bool {
        let unsent = self
            .notices
            .iter_mut()
            .filter(|notice| notice.beat.is_none());
        for notice in unsent.filter(|notice| notice.position <= told) {
            notice.beat = Some(beat);
        }
        self.notices.iter().all(|notice| notice.beat.is_some())
    }

    /// Takes one fence at which the client has stopped, as an answer to this beat shows.
    pub fn take_stopped(&mut self, answered: u64) -> Option<Fence> {
        let has_read = |notice: &StopNotice| notice.beat.is_some_and(|beat| beat <= answered);
        let index = self.notices.iter().position(has_read)?;
        Some(self.notices.swap_remove(index).fence)
    }

    /// Notes a new connection: the client may not have read the notices on the one before.
    pub fn reconnected(&mut self) {
        for notice in &mut self.notices {
            notice.beat = None;
        }
    }

    /// Returns true if there is no notice that the client may not have read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.notices.is_empty()
    }
}
