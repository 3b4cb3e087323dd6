//! The set of deleted units.
//!
//! Owns [`DeleteSet`]. It only grows, and knows nothing of updates or of the deleted content.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::lib0::write_var_uint;
use crate::scan::IdRange;
use crate::state_vector::{ClientId, Clock};

/// The deleted clocks of each client: ascending ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteSet {
    clients: BTreeMap<ClientId, Vec<Range<Clock>>>,
}

impl DeleteSet {
    /// Returns the empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            clients: BTreeMap::new(),
        }
    }

    /// Adds `len` clocks from `clock` on. Clocks that are in the set already change nothing.
    pub fn insert(&mut self, client: ClientId, clock: Clock, len: Clock) {
        if len == 0 {
            return;
        }
        let mut added = clock..clock.saturating_add(len);
        let one = || Vec::with_capacity(1);
        let ranges = self.clients.entry(client).or_insert_with(one);
        // Ranges that overlap or touch the added one are joined with it.
        let from = ranges.partition_point(|range| range.end < added.start);
        let to = from + ranges[from..].partition_point(|range| range.start <= added.end);
        if from < to {
            added.start = added.start.min(ranges[from].start);
            added.end = added.end.max(ranges[to - 1].end);
            ranges[from] = added;
            ranges.drain(from + 1..to);
        } else {
            if ranges.len() == ranges.capacity() {
                // Doubling would cost more than the ranges do.
                ranges.reserve_exact(1 + ranges.len() / 4);
            }
            ranges.insert(from, added);
        }
    }

    /// Adds ranges.
    pub(crate) fn extend(&mut self, ranges: impl IntoIterator<Item = IdRange>) {
        for IdRange { client, start, end } in ranges {
            self.insert(client, start, end - start);
        }
    }

    /// Returns true if all of the `len` clocks from `clock` on are deleted.
    #[must_use]
    pub fn contains(&self, client: ClientId, clock: Clock, len: Clock) -> bool {
        let Some(ranges) = self.clients.get(&client) else {
            return len == 0;
        };
        let end = clock.saturating_add(len);
        let at = ranges.partition_point(|range| range.end <= clock);
        len == 0
            || ranges
                .get(at)
                .is_some_and(|range| range.start <= clock && end <= range.end)
    }

    /// Returns the end of the deleted range that holds the clock.
    pub(crate) fn end_of_range_at(&self, client: ClientId, clock: Clock) -> Option<Clock> {
        let ranges = self.clients.get(&client)?;
        let range = ranges.get(ranges.partition_point(|range| range.end <= clock))?;
        (range.start <= clock).then_some(range.end)
    }

    /// Returns the start of the first deleted range after the clock.
    pub(crate) fn start_of_range_after(&self, client: ClientId, clock: Clock) -> Option<Clock> {
        let ranges = self.clients.get(&client)?;
        let range = ranges.get(ranges.partition_point(|range| range.start <= clock))?;
        Some(range.start)
    }

    /// Returns all ranges: clients ascending, clocks ascending.
    pub fn iter(&self) -> impl Iterator<Item = IdRange> + '_ {
        self.clients.iter().flat_map(|(client, ranges)| {
            ranges.iter().map(|range| IdRange {
                client: *client,
                start: range.start,
                end: range.end,
            })
        })
    }

    /// Writes the deletions of an update: clients descending, as Yjs does.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        write_var_uint(out, self.clients.len() as u64);
        for (client, ranges) in self.clients.iter().rev() {
            write_var_uint(out, client.get());
            write_var_uint(out, ranges.len() as u64);
            for range in ranges {
                write_var_uint(out, u64::from(range.start));
                write_var_uint(out, u64::from(range.end - range.start));
            }
        }
    }

    pub(crate) fn shrink(&mut self) {
        self.clients.values_mut().for_each(Vec::shrink_to_fit);
    }

    /// Returns true if nothing is deleted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Returns true if all clocks that are deleted in `other` are deleted here.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other
            .iter()
            .all(|range| self.contains(range.client, range.start, range.end - range.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn ranges_that_touch_become_one() {
        let client = ClientId::from(1);
        let mut set = DeleteSet::new();
        set.insert(client, 0, 2);
        set.insert(client, 4, 2);
        assert_eq!(set.iter().count(), 2);
        assert!(!set.contains(client, 1, 4));
        set.insert(client, 2, 2);
        assert_eq!(
            set.iter().collect::<Vec<_>>(),
            [IdRange {
                client,
                start: 0,
                end: 6
            }]
        );
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_clocks(
            inserts in proptest::collection::vec((0..3u32, 0..40u32, 0..9u32), 0..30),
            asked in (0..3u32, 0..50u32, 0..9u32),
        ) {
            let mut set = DeleteSet::new();
            let mut model = BTreeSet::new();
            for (client, clock, len) in inserts {
                set.insert(client.into(), clock, len);
                model.extend((clock..clock + len).map(|clock| (ClientId::from(client), clock)));
            }
            let listed: Vec<_> = set
                .iter()
                .flat_map(|range| (range.start..range.end).map(move |clock| (range.client, clock)))
                .collect();
            prop_assert_eq!(&listed, &model.iter().copied().collect::<Vec<_>>());
            let ranges: Vec<_> = set.iter().collect();
            let apart = |pair: &[IdRange]| pair[0].client != pair[1].client || pair[0].end < pair[1].start;
            prop_assert!(ranges.windows(2).all(apart));
            let (client, clock, len) = (ClientId::from(asked.0), asked.1, asked.2);
            let all = (clock..clock + len).all(|clock| model.contains(&(client, clock)));
            prop_assert_eq!(set.contains(client, clock, len), all);
            prop_assert!(set.covers(&set.clone()));
        }
    }
}
