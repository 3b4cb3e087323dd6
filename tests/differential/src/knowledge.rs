//! The state vector and the deleted units of a replica, in one form for all libraries.

use std::collections::BTreeMap;
use std::fmt;

use baton_sync::{ClientId, DeleteSet, IdRange, StateVector};

/// The units that a replica has and those that it deleted.
///
/// Equal if and only if the same units are meant, however a library splits its ranges.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// For each client the clock behind its last unit; none is zero.
    pub vector: BTreeMap<u64, u32>,
    /// Client, first clock, clock behind: ascending, and neighbours joined.
    pub deletes: Vec<(u64, u32, u32)>,
}

impl Knowledge {
    /// Builds it from clocks and ranges (client, start, end) in any order.
    pub fn new(
        vector: impl IntoIterator<Item = (u64, u32)>,
        deletes: impl IntoIterator<Item = (u64, u32, u32)>,
    ) -> Self {
        let vector = vector.into_iter().filter(|(_, clock)| *clock > 0).collect();
        let mut ranges: Vec<_> = deletes.into_iter().collect();
        ranges.sort_unstable();
        let mut joined: Vec<(u64, u32, u32)> = Vec::with_capacity(ranges.len());
        for (client, start, end) in ranges {
            match joined.last_mut() {
                Some(last) if last.0 == client && start <= last.2 => last.2 = last.2.max(end),
                _ => joined.push((client, start, end)),
            }
        }
        Self {
            vector,
            deletes: joined,
        }
    }

    /// Builds it from Baton's own types.
    #[must_use]
    pub fn of(vector: &StateVector, deletes: &DeleteSet) -> Self {
        let clocks = vector.iter().map(|(client, clock)| (client.get(), clock));
        let ranges = deletes.iter();
        let ranges = ranges.map(|IdRange { client, start, end }| (client.get(), start, end));
        Self::new(clocks, ranges)
    }

    /// The clocks as Baton's own type.
    #[must_use]
    pub fn state_vector(&self) -> StateVector {
        let mut vector = StateVector::new();
        for (client, clock) in &self.vector {
            vector.set(ClientId::new(*client).unwrap_or(ClientId::MAX), *clock);
        }
        vector
    }

    /// Returns true if this unit is deleted.
    #[must_use]
    pub fn is_deleted(&self, client: u64, clock: u32) -> bool {
        let after = self
            .deletes
            .partition_point(|(other, start, _)| (*other, *start) <= (client, clock));
        let range = after.checked_sub(1).map(|index| self.deletes[index]);
        range.is_some_and(|(other, _, end)| other == client && clock < end)
    }
}

impl fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "has {:?}, deleted", self.vector)?;
        for (client, start, end) in &self.deletes {
            write!(f, " {client}:{start}..{end}")?;
        }
        Ok(())
    }
}
