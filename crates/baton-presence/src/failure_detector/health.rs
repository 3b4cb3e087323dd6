//! Verdicts about one session.

use crate::Time;

/// Health of a session as seen from this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SessionHealth {
    /// The session answers.
    Online,
    /// The session missed a heartbeat, and is not given up yet.
    Shaky,
    /// The session was silent for the offline time, or has no connection.
    Offline,
}

/// Verdict about an answer to a beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BeatVerdict {
    /// The answer shows that the client's program lives. The next beat tells it.
    Counts,
    /// The answer came too late, for a beat of another connection, or a second time. It only shows
    /// that the connection lives.
    Stale,
}

/// Times at which a silence makes a session shaky, then offline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SilenceLimits {
    pub(crate) shaky: Time,
    pub(crate) offline: Time,
}

impl SilenceLimits {
    pub(crate) fn judge(self, now: Time) -> SessionHealth {
        if self.offline <= now {
            SessionHealth::Offline
        } else if self.shaky <= now {
            SessionHealth::Shaky
        } else {
            SessionHealth::Online
        }
    }

    /// Returns the limits that are still ahead.
    pub(crate) fn ahead(self, now: Time) -> impl Iterator<Item = Time> {
        let limits = [self.shaky, self.offline];
        limits.into_iter().filter(move |limit| *limit > now)
    }
}
