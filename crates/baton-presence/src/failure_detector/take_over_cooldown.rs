//! Cooldown after a take-over: sessions do not take a lock from each other in turns.

use std::time::Duration;

use crate::{SessionId, Time};

/// The last take-over in a document.
#[derive(Debug, Clone, Default)]
pub(crate) struct TakeOverCooldown {
    last: Option<(SessionId, Time)>,
}

impl TakeOverCooldown {
    /// Begins a cooldown.
    pub(crate) const fn taken_over(&mut self, by: SessionId, now: Time) {
        self.last = Some((by, now));
    }

    /// Checks that the session may take a lock over now, as the one that took over last always may.
    ///
    /// # Errors
    /// The time that the session still has to wait.
    pub(crate) fn ready(
        &self,
        session: SessionId,
        now: Time,
        cooldown: Duration,
    ) -> Result<(), Duration> {
        let left = match self.last {
            Some((by, at)) if by != session => (at + cooldown).since(now),
            _ => Duration::ZERO,
        };
        if left.is_zero() { Ok(()) } else { Err(left) }
    }
}
