//! Parks as they are shown to the clients.

use baton_sync::control_channel::{ParkCause, ParkStatus, ParkView};

use crate::channel_types::user;

use super::park::{Park, ParkReason, ParkState};

/// Returns the state of a park as clients are shown it.
pub(crate) fn shown_state(park: &Park) -> ParkStatus {
    match park.state {
        ParkState::Open => ParkStatus::Open,
        ParkState::Discarded { .. } => ParkStatus::Discarded,
    }
}

/// Returns a park as clients are shown it.
pub(crate) fn view(park: &Park, state: ParkStatus) -> ParkView {
    let until = park.recoverable_until_ms();
    ParkView {
        id: park.id,
        session: park.session.0,
        user: user(&park.author),
        at_ms: park.at_ms,
        reason: match park.reason {
            ParkReason::Locked => ParkCause::Locked,
            ParkReason::Quarantined => ParkCause::Quarantined,
            ParkReason::Suggestion => ParkCause::Suggestion,
        },
        edits: u32::try_from(park.updates.len()).unwrap_or(u32::MAX),
        inserted: park.inserted,
        deleted: park.deleted,
        bytes: park.bytes() as u64,
        state,
        until_ms: until.filter(|_| state == ParkStatus::Discarded),
        by: match park.state {
            ParkState::Discarded { by, .. } if state == ParkStatus::Discarded => Some(by.0),
            _ => None,
        },
    }
}
