//! The parts of a room: its four owners, and what is on its way between them.

use std::collections::VecDeque;

use baton_presence::Time;

use super::in_flight::InFlight;
use crate::intake::Intake;
use crate::options::RoomOptions;
use crate::outbound::Outbound;
use crate::reaction::{ProposedRecord, Reaction};
use crate::replica::{Effect, ReplicatedState};
use crate::sessions::Sessions;

/// An open document: a deterministic machine over the records of its log.
pub struct Room {
    pub(super) options: RoomOptions,
    pub(super) state: ReplicatedState,
    pub(super) sessions: Sessions,
    pub(super) intake: Intake,
    pub(super) outbound: Outbound,
    pub(super) proposals: VecDeque<ProposedRecord>,
    pub(super) in_flight: InFlight,
    /// The times that this host came back to a cluster that may have called it lost, as last told.
    pub(super) returns: Option<u64>,
    /// Time of the last input.
    pub(super) now: Time,
    /// Empty between two calls; kept for its memory.
    pub(super) effects: Vec<Effect>,
    /// Empty between two calls; kept for its memory.
    pub(super) reactions: Vec<Reaction>,
}
