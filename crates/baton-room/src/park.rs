//! One park: somebody's edits that are not in the document, and what was decided about them.
//!
//! Owns the value as it is stored. Where an edit goes is in `parks`, who decides in `deciding`.

use std::collections::BTreeSet;
use std::time::Duration;

use baton_presence::{Fence, SessionId, UserKey};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::record::Profile;

/// How long a discarded park can be recovered: 30 days.
pub const RECOVERABLE: Duration = Duration::from_hours(30 * 24);

/// Why something stands in a park.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParkReason {
    /// Its author might not write there: somebody else had a lock, or its own was lacking.
    Locked,
    /// The CRDT library of an earlier version failed on it. It can be merged like any other.
    Quarantined,
}

/// What was decided about a park. (A merged one is none any more.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParkState {
    /// Nothing.
    Open,
    /// That nobody wants it; it can be recovered for [`RECOVERABLE`].
    Discarded {
        /// When, in milliseconds of Unix time.
        at_ms: u64,
        /// By whom.
        by: SessionId,
    },
}

/// One session's edits that are not in the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Park {
    /// Position of the first parked record: names the park in its document.
    pub id: u64,
    /// Whose edits.
    pub session: SessionId,
    /// Who that was.
    pub author: Profile,
    /// Whose session that was, if it said so.
    pub user: Option<UserKey>,
    /// Why.
    pub reason: ParkReason,
    /// What was decided.
    pub state: ParkState,
    /// When the first edit came, in milliseconds of Unix time.
    pub at_ms: u64,
    /// The last grant that the author had, if any.
    pub fence_seen: Option<Fence>,
    /// The grant or offer in force when the first edit came.
    pub fence_now: Option<Fence>,
    /// The root types in which the edits insert or delete something.
    pub roots: BTreeSet<String>,
    /// Units of text (UTF-16) and elements that the edits inserted, beyond what the document had when they came.
    pub inserted: u64,
    /// Units of the document, as it was when they came, that the edits deleted.
    pub deleted: u64,
    /// The edits, in order of arrival, as they came.
    pub updates: Vec<Bytes>,
}

impl Park {
    /// Bytes of its updates.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.updates.iter().map(Bytes::len).sum()
    }

    /// Whether nothing was decided about it yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == ParkState::Open
    }

    /// Until when it can be recovered, in milliseconds of Unix time, if it is discarded.
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
