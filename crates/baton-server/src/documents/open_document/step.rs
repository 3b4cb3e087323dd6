//! One step of a document: its input, and its result.

use std::num::NonZeroU64;
use std::time::Duration;

use baton_log::Reservation;
use baton_room::ConnectionId;

use super::connections::RequestedPreview;
use super::document_state::DocumentState;
use super::held_state::MaybeState;
use crate::documents::work_cost::StepKind;

/// An input for a room, with its price.
pub(crate) struct Step<W, F> {
    /// Number of the connection that the input comes from; `None` for a step of the document's own.
    /// Not zero, because every connection's task keeps a step.
    pub(crate) from: Option<NonZeroU64>,
    /// Pays for the records that follow from the input.
    pub(crate) reservation: Reservation,
    /// Tells in advance how long the step takes.
    pub(crate) kind: StepKind,
    /// Returns true while the connection is there. A request of one that is gone is not carried
    /// out.
    pub(crate) wanted: W,
    pub(crate) input: F,
}

/// The result of a step beside what it queued.
#[derive(Debug, Default)]
pub(crate) struct StepResult {
    /// Processor time that the step took.
    pub(crate) took: Duration,
    /// Previews of parks that clients asked for.
    pub(crate) previews: Vec<RequestedPreview>,
    /// True if the connection has to wait before its next message; see
    /// [`OpenDocument::placed`].
    pub(crate) awaits_placement: bool,
}

impl StepResult {
    /// Returns the same, as the connection sees it whose step it was.
    pub(super) fn of(self, from: Option<NonZeroU64>, state: &MaybeState) -> Self {
        let from = from.map(|number| ConnectionId(number.get()));
        let awaits = |(state, from): (&DocumentState, _)| state.awaits_placement(from);
        Self {
            awaits_placement: state.as_deref().zip(from).is_some_and(awaits),
            ..self
        }
    }
}
