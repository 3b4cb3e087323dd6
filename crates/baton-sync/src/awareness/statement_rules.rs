//! Decision about one statement: whether a connection may state this about a client.
//!
//! Changes nothing; the steps carry the decisions out.

use super::entry_table::{Entry, EntryTable};
use super::error::AwarenessRefusal;
use super::limits::{AwarenessLimits, CLOCK_END, STRANGERS_CLOCK_END};
use super::payload::Statement;

/// Decision about one statement.
pub(super) enum Decision {
    /// It is newer, and its connection may state it.
    Accept,
    /// The same entry, whose owner is its true connection from now on.
    Take,
    /// At a clock that is known to be past: the sender must raise it.
    Ask,
    /// Nothing new.
    Ignore,
    /// A newer statement about a client of another connection.
    Spoof,
    /// It would be accepted, but a limit is reached or its clock is out of range.
    Refuse(AwarenessRefusal),
}

/// Bounds that apply at the moment.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) limits: &'a AwarenessLimits,
    /// Bytes of all states that the caller allows, beside the limits.
    pub(super) allowed: usize,
}

/// Decides about a statement of a connection.
pub(super) fn decide<O: Copy + Eq + Ord>(
    table: &EntryTable<O>,
    bounds: Bounds<'_>,
    owner: O,
    statement: &Statement<'_>,
) -> Decision {
    let Some(entry) = table.entry(statement.client) else {
        return match statement.state {
            None => Decision::Ignore,
            Some(state) => admit(table, bounds, owner, statement, state),
        };
    };
    let mine = entry.owner == Some(owner);
    let own = table.is_own(owner, statement.client);
    if !mine && !table.may_take(owner, statement.client) {
        return if statement.clock > entry.clock {
            Decision::Spoof
        } else {
            Decision::Ignore
        };
    }
    match statement.state {
        None if !mine && !own => Decision::Ignore,
        // Only the owner of a tombstone can have more to state, and only for itself.
        None if entry.state.is_none() && (!mine || statement.clock <= entry.clock) => {
            Decision::Ignore
        }
        None if statement.clock >= CLOCK_END => Decision::Refuse(out_of_range(statement)),
        None if statement.clock >= entry.clock => Decision::Accept,
        None => Decision::Ignore,
        Some(state) if statement.clock > entry.clock => {
            admit(table, bounds, owner, statement, state)
        }
        // A rejoin, or a client that began to count again.
        Some(_) if entry.state.is_none() => Decision::Ask,
        Some(_) if statement.clock < entry.clock && own => Decision::Ask,
        Some(_) if !mine && own => Decision::Take,
        Some(_) => Decision::Ignore,
    }
}

/// Accepts a newer state of a connection that may state it, within the limits.
fn admit<O: Copy + Eq + Ord>(
    table: &EntryTable<O>,
    Bounds { limits, allowed }: Bounds<'_>,
    owner: O,
    statement: &Statement<'_>,
    state: &str,
) -> Decision {
    let entry = table.entry(statement.client);
    let mine = entry.is_some_and(|entry| entry.owner == Some(owner));
    let claims = entry.is_some() && table.is_claimant(owner, statement.client);
    let clock_end = if mine || claims {
        CLOCK_END
    } else {
        STRANGERS_CLOCK_END
    };
    let before = entry.and_then(|entry: &Entry<O>| entry.state.as_deref());
    let before_bytes = before.map_or(0, str::len);
    let bytes = table.bytes() - before_bytes + state.len();
    Decision::Refuse(if statement.clock >= clock_end {
        out_of_range(statement)
    } else if state.len() > limits.entry_bytes {
        AwarenessRefusal::TooLarge {
            client: statement.client,
            bytes: state.len(),
            limit: limits.entry_bytes,
        }
    } else if !mine && table.owned(owner) >= limits.entries_per_owner {
        AwarenessRefusal::Owned(limits.entries_per_owner)
    } else if before.is_none() && table.present() >= limits.entries {
        AwarenessRefusal::Entries(limits.entries)
    } else if bytes > limits.bytes {
        AwarenessRefusal::Document(limits.bytes)
    } else if bytes > allowed && state.len() > before_bytes {
        AwarenessRefusal::All
    } else {
        return Decision::Accept;
    })
}

fn out_of_range(statement: &Statement<'_>) -> AwarenessRefusal {
    AwarenessRefusal::Clock {
        client: statement.client,
        clock: statement.clock,
    }
}
