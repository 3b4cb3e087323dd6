//! The effects of a driver, and its error.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::{Change, Fence, LockSnapshotError, SessionHealth, SessionId, TimingsError};

/// An effect of a [`Driver`](crate::Driver), for its caller to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DriverOutput {
    /// Something changed: announce it to the sessions that it concerns.
    Changed(Change),
    /// Send something that its client answers. Whatever comes back is a sign of life.
    Ping {
        /// The session.
        session: SessionId,
    },
    /// Send a beat with these numbers; see [`Proposal::Beat`](crate::Proposal::Beat). Only for a
    /// client that speaks for itself; [`Driver::answered`](crate::Driver::answered) takes its
    /// answer.
    Beat {
        /// The session.
        session: SessionId,
        /// Number of the beat, for its answer.
        n: u64,
        /// Number of the newest beat whose answer counted.
        confirmed: u64,
    },
    /// Show the session as shaky, or as online again.
    Health {
        /// The session.
        session: SessionId,
        /// `Online` or `Shaky`.
        health: SessionHealth,
    },
    /// Warn a holder that does nothing, while another session waits.
    IdleWarning {
        /// The holder.
        session: SessionId,
        /// Fence of its grant.
        fence: Fence,
        /// Time left until the lock passes on.
        left: Duration,
    },
    /// Close the session's connection: nothing came from it for the offline time. The driver has
    /// taken note that it is gone.
    Close {
        /// The session.
        session: SessionId,
    },
}

/// Error of [`Driver::restore`](crate::Driver::restore). Nothing was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DriverError {
    /// The snapshot contradicts itself: it was damaged, or was not made by this crate.
    Snapshot(LockSnapshotError),
    /// The timings do not fit each other. The configuration is at fault.
    Timings(TimingsError),
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Snapshot(error) => write!(f, "the snapshot cannot be restored: {error}"),
            Self::Timings(error) => write!(f, "the timings cannot be used: {error}"),
        }
    }
}

impl Error for DriverError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Snapshot(error) => Some(error),
            Self::Timings(error) => Some(error),
        }
    }
}
