//! Decisions about parks that sessions ask for, and those that follow from a lock or from time.
//!
//! A park without a decision stays (L4). Owns the step from a request to the record that it wants,
//! and the limits. The replicated state checks the right to decide at the record's position.

use baton_presence::{SessionId, Time};
use baton_sync::control_channel::Outcome;

use crate::context::Context;
use crate::message::ConnectionId;
use crate::reaction::{Answer, Origin, ProposedRecord, Reaction};
use crate::replica::{
    Decision, DecisionRefused, Park, ParkFull, ParkReason, Record, ReplicatedState,
};

/// Returns the reaction to a session's decision about a park.
pub(super) fn decide(
    cx: Context<'_>,
    connection: ConnectionId,
    session: SessionId,
    nonce: u64,
    decision: Decision,
    id: u64,
) -> Reaction {
    if let Err(full) = room_for(cx, decision, id) {
        return refused(connection, nonce, &DecisionRefused::from(full));
    }
    let record = record(id, Some(session), decision, cx.unix_ms());
    Reaction::Propose(ProposedRecord::Record(
        record,
        Origin::Operation(connection, nonce),
    ))
}

/// Returns the reaction to a session that asks for the preview of a park. Every reader of the
/// document may see the parked edits; those of a discarded park only its author and managers.
pub(super) fn show(
    cx: Context<'_>,
    connection: ConnectionId,
    session: SessionId,
    nonce: u64,
    id: u64,
) -> Reaction {
    let Some(park) = cx.state.all_parks().get(id) else {
        return refused(connection, nonce, &DecisionRefused::Unknown(id));
    };
    if !park.is_open() && !cx.state.sees_discarded(session, park) {
        return refused(connection, nonce, &DecisionRefused::Hidden(id));
    }
    let answer = Answer::Show {
        nonce,
        id,
        updates: park.updates.clone(),
    };
    Reaction::Answer(connection, answer)
}

/// Returns the merges that follow from a grant to this session: its author could not write before,
/// and can now.
pub(crate) fn own_merges(state: &ReplicatedState, session: SessionId, at_ms: u64) -> Vec<Record> {
    let is_due = |park: &&Park| {
        park.is_open()
            && park.reason == ParkReason::Locked
            && state.is_author(session, park)
            && state.holds_all(session, park)
    };
    let due = state.parks().filter(is_due);
    due.map(|park| record(park.id, Some(session), Decision::Merge, at_ms))
        .collect()
}

/// Returns the removals of parks whose time for recovery is over. After a start these may be many,
/// if the time passed meanwhile.
pub(crate) fn finished_recoveries(state: &ReplicatedState, unix_ms: u64) -> Vec<Record> {
    let is_over = |park: &&Park| {
        park.recoverable_until_ms()
            .is_some_and(|until| until <= unix_ms)
    };
    let over = state.parks().filter(is_over);
    over.map(|park| record(park.id, None, Decision::Purge, unix_ms))
        .collect()
}

/// Returns the time at which the first recovery is over.
pub(crate) fn next_finished_recovery(
    state: &ReplicatedState,
    unix_at_zero_ms: u64,
) -> Option<Time> {
    let until = state.parks().filter_map(Park::recoverable_until_ms).min()?;
    Some(Time::from_millis(until.saturating_sub(unix_at_zero_ms)))
}

fn room_for(cx: Context<'_>, decision: Decision, id: u64) -> Result<(), ParkFull> {
    let parks = cx.state.all_parks();
    let is_open = parks.get(id).map(Park::is_open);
    match (decision, is_open) {
        (Decision::Discard, Some(true)) => parks.room_for_discarded(id, &cx.options.parks),
        (Decision::Recover, Some(false)) => parks.room_for_recovered(id, &cx.options.parks),
        _ => Ok(()),
    }
}

fn refused(connection: ConnectionId, nonce: u64, why: &DecisionRefused) -> Reaction {
    let (outcome, message): (Outcome, _) = (why.outcome(), why.to_string());
    Reaction::Answer(connection, Answer::result(nonce, outcome, Some(message)))
}

const fn record(id: u64, by: Option<SessionId>, decision: Decision, at_ms: u64) -> Record {
    Record::ParkDecided {
        id,
        by,
        decision,
        at_ms,
    }
}
