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

/// Decides about a statement that another server has accepted from its owner: the newer one counts,
/// whatever connection had that client before. Only its own entries can be removed by it.
pub(super) fn decide_relayed<O: Copy + Eq + Ord>(
    table: &EntryTable<O>,
    Bounds { limits, allowed }: Bounds<'_>,
    owner: O,
    statement: &Statement<'_>,
) -> Decision {
    let entry = table.entry(statement.client);
    let known = entry.map_or(0, |entry| entry.clock);
    let Some(state) = statement.state else {
        let is_mine =
            entry.is_some_and(|entry| entry.owner == Some(owner) && entry.state.is_some());
        return if is_mine && statement.clock >= known {
            Decision::Accept
        } else {
            Decision::Ignore
        };
    };
    if entry.is_some() && statement.clock <= known {
        return Decision::Ignore;
    }
    let limits = AwarenessLimits {
        entries_per_owner: usize::MAX,
        ..*limits
    };
    match refusal(
        table,
        Bounds {
            limits: &limits,
            allowed,
        },
        owner,
        statement,
        state,
        CLOCK_END,
    ) {
        Some(why) => Decision::Refuse(why),
        None => Decision::Accept,
    }
}

/// Accepts a newer state of a connection that may state it, within the limits.
fn admit<O: Copy + Eq + Ord>(
    table: &EntryTable<O>,
    bounds: Bounds<'_>,
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
    match refusal(table, bounds, owner, statement, state, clock_end) {
        Some(why) => Decision::Refuse(why),
        None => Decision::Accept,
    }
}

/// Returns the limit that a newer state meets.
fn refusal<O: Copy + Eq + Ord>(
    table: &EntryTable<O>,
    Bounds { limits, allowed }: Bounds<'_>,
    owner: O,
    statement: &Statement<'_>,
    state: &str,
    clock_end: u64,
) -> Option<AwarenessRefusal> {
    let entry = table.entry(statement.client);
    let mine = entry.is_some_and(|entry| entry.owner == Some(owner));
    let before = entry.and_then(|entry: &Entry<O>| entry.state.as_deref());
    let before_bytes = before.map_or(0, str::len);
    let bytes = table.bytes() - before_bytes + state.len();
    Some(if statement.clock >= clock_end {
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
        return None;
    })
}

fn out_of_range(statement: &Statement<'_>) -> AwarenessRefusal {
    AwarenessRefusal::Clock {
        client: statement.client,
        clock: statement.clock,
    }
}
