//! The sessions that are beaten often: the parties of the locks, and the next in line for each.

use super::editor_liveness::Cadence;
use crate::{LockState, SessionId, Time};

/// Sessions with frequent beats, as last computed.
#[derive(Debug, Clone, Default)]
pub(crate) struct FrequentBeats {
    /// Ascending.
    sessions: Vec<SessionId>,
    computed: Time,
}

impl FrequentBeats {
    pub(crate) fn cadence(&self, session: SessionId) -> Cadence {
        if self.sessions.binary_search(&session).is_ok() {
            Cadence::Frequent
        } else {
            Cadence::Idle
        }
    }

    /// Returns the time of the last [`FrequentBeats::compute`].
    pub(crate) const fn computed(&self) -> Time {
        self.computed
    }

    /// Computes the sessions anew. Returns those whose cadence changes, the idle ones first.
    pub(crate) fn compute(
        &mut self,
        lock_state: &LockState,
        now: Time,
    ) -> Vec<(SessionId, Cadence)> {
        self.computed = now;
        let mut sessions: Vec<_> = lock_state
            .grants()
            .flat_map(|grant| [Some(grant.party), lock_state.next_in_line(grant.fence)])
            .flatten()
            .collect();
        sessions.sort_unstable();
        sessions.dedup();
        let before = std::mem::replace(&mut self.sessions, sessions);
        let without = |these: &[SessionId], those: &[SessionId], cadence| {
            let new = |session: &SessionId| those.binary_search(session).is_err();
            let these = these.iter().copied().filter(new);
            these.map(|session| (session, cadence)).collect::<Vec<_>>()
        };
        let mut changed = without(&before, &self.sessions, Cadence::Idle);
        changed.extend(without(&self.sessions, &before, Cadence::Frequent));
        changed
    }
}
