//! The effects of a record.

use baton_presence::{Change, SessionId};
use baton_sync::control_channel::{Outcome, ParkView};
use baton_sync::scan::OwnedScan;
use bytes::Bytes;

use super::record::Record;

/// One thing that a record changed.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The update is in the document and was not before.
    Applied(OwnedScan),
    /// The update added nothing, or could not be applied at its position: an earlier record had
    /// changed what it was judged by. It is judged again.
    Nothing(Bytes),
    /// The update is in the park of this id.
    Parked { id: u64, update: OwnedScan },
    /// A park is new, grew, or was decided.
    Park(Box<ParkView>),
    /// An operation was refused, with the reason for people.
    Denied(Outcome, String),
    /// The roster or a lock changed.
    Presence(Change),
    /// A presence record produced no notification. It may have changed a timer.
    Quiet,
    /// A session has another name or colour.
    Renamed(SessionId),
}

impl Effect {
    /// Returns the effect of a record about a session that went on in another way meanwhile.
    pub(super) fn late(record: Record) -> Self {
        match record {
            Record::Update { update, .. } | Record::Suggested { update, .. } => {
                Self::Nothing(update)
            }
            _ => Self::overtaken(),
        }
    }

    /// Returns the effect of anything else than an edit that came too late.
    pub(super) fn overtaken() -> Self {
        let message = "this session went on over another connection meanwhile; nothing changed";
        Self::Denied(Outcome::Stale, message.to_owned())
    }

    /// The change of the roster or of a lock.
    pub(crate) const fn change(&self) -> Option<&Change> {
        match self {
            Self::Presence(change) => Some(change),
            _ => None,
        }
    }

    /// Returns true for every presence record. One without a notification, such as the end of a
    /// grace in which no session could take the lock, may change a timer as well.
    pub(crate) const fn is_about_presence(&self) -> bool {
        matches!(self, Self::Presence(_) | Self::Quiet)
    }
}
