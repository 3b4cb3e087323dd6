//! One park: edits of one author that are not in the document, and the decision about them.
//!
//! Owns the value as it is stored. `parks` finds the park of an edit; `park_decisions` decides.

use std::collections::BTreeSet;
use std::time::Duration;

use baton_presence::{Fence, SessionId, UserKey};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::record::Profile;

/// Time in which a discarded park can be recovered: 30 days.
pub const RECOVERABLE: Duration = Duration::from_hours(30 * 24);

/// Reason of a park.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParkReason {
    /// Its author might not write there: another session had a lock, or its own was lacking.
    Locked,
    /// The CRDT library of an earlier version failed on it. It can be merged like any other.
    Quarantined,
    /// Its author had no right to write.
    Suggestion,
}

/// Decision about a park. A merged park exists no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParkState {
    /// No decision yet.
    Open,
    /// It is not wanted, and can be recovered for [`RECOVERABLE`].
    Discarded {
        /// Time of the decision, in milliseconds of Unix time.
        at_ms: u64,
        /// Session that decided.
        by: SessionId,
    },
}

/// One session's edits that are not in the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Park {
    /// Position of the first parked record: names the park in its document.
    pub id: u64,
    /// Session of the author.
    pub session: SessionId,
    /// Name and colour of the author.
    pub author: Profile,
    /// User of the session, if it named one.
    pub user: Option<UserKey>,
    /// Reason of the park.
    pub reason: ParkReason,
    /// Decision about it.
    pub state: ParkState,
    /// Arrival of the first edit, in milliseconds of Unix time.
    pub at_ms: u64,
    /// The last grant that the author had, if any.
    pub fence_seen: Option<Fence>,
    /// The grant or offer in force when the first edit came.
    pub fence_now: Option<Fence>,
    /// The root types in which the edits insert or delete something.
    pub roots: BTreeSet<String>,
    /// Units of text (UTF-16) and elements that the edits inserted, beyond those of the document at
    /// their arrival.
    pub inserted: u64,
    /// Units of the document, as it was at their arrival, that the edits deleted.
    pub deleted: u64,
    /// The edits, in order of arrival, as they came.
    pub updates: Vec<Bytes>,
}

impl Park {
    /// Begins an open park without edits.
    pub(super) const fn new(id: u64, session: SessionId, author: Profile, at_ms: u64) -> Self {
        Self {
            id,
            session,
            author,
            user: None,
            reason: ParkReason::Locked,
            state: ParkState::Open,
            at_ms,
            fence_seen: None,
            fence_now: None,
            roots: BTreeSet::new(),
            inserted: 0,
            deleted: 0,
            updates: Vec::new(),
        }
    }

    /// Bytes of its updates.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.updates.iter().map(Bytes::len).sum()
    }

    /// Returns true if there is no decision about it yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == ParkState::Open
    }

    /// Returns the end of the time in which a discarded park can be recovered, in milliseconds of
    /// Unix time.
    #[must_use]
    pub fn recoverable_until_ms(&self) -> Option<u64> {
        match self.state {
            ParkState::Open => None,
            ParkState::Discarded { at_ms, .. } => {
                let time = u64::try_from(RECOVERABLE.as_millis()).unwrap_or(u64::MAX);
                Some(at_ms.saturating_add(time))
            }
        }
    }
}
