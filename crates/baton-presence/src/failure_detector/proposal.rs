//! Proposals of the failure detector to its caller.

use std::time::Duration;

use super::health::SessionHealth;
use crate::{Event, Fence, SessionId};

/// A proposal that the lock state has not followed is made again after this long.
pub(crate) const PROPOSE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// An action that the failure detector asks its caller for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Proposal {
    /// Append this event as a record and apply it.
    Record(Event),
    /// Send a protocol ping on the session's connection.
    Ping {
        /// The session to ping.
        session: SessionId,
    },
    /// Send a beat at once. The client's program answers it: the code that edits, not its socket.
    Beat {
        /// The session to beat.
        session: SessionId,
        /// Number of the beat, repeated in the answer. It grows, and stays below 2^53 for any sane
        /// origin of time.
        n: u64,
        /// Number of the newest beat of this connection whose answer counted, as far as the client
        /// may know it; 0 for none. The client stops editing [`Timings::client_stop`] after it sent
        /// that answer, or the claim or the hello of a resume that gave it the lock.
        ///
        /// The number stands still from the record by which this session loses a lock, has its
        /// fence refused or is told to drain, until the notice of that record is sent (see
        /// [`FailureDetector::handle_timeout`]). A confirmation that overtook the notice would let
        /// the old holder edit on while the next one begins.
        ///
        /// [`Timings::client_stop`]: crate::Timings::client_stop
        /// [`FailureDetector::handle_timeout`]: crate::FailureDetector::handle_timeout
        confirmed: u64,
    },
    /// Show the session as shaky, or as steady again. (Offline and back are records.)
    Health {
        /// The session to show.
        session: SessionId,
        /// `Online` or `Shaky`.
        health: SessionHealth,
    },
    /// Warn the holder that it will have to give this lock up unless its user acts.
    IdleWarning {
        /// The holder.
        session: SessionId,
        /// Fence of its grant.
        fence: Fence,
        /// Time left until the yield.
        left: Duration,
    },
    /// Close the session's connection, from which nothing at all came for the offline time. Then
    /// report [`FailureDetector::detached`] and [`Event::Disconnected`]. Proposed once a
    /// connection.
    ///
    /// [`FailureDetector::detached`]: crate::FailureDetector::detached
    Dead {
        /// The session whose connection is dead.
        session: SessionId,
    },
}
