//! Incomplete updates, kept aside until the units come on which they build.
//!
//! Owns their bytes, the bound on these, and the index of the units that each waits for. A change
//! costs nothing for the updates that wait for other units. It judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::verdict::SyncKind;
use crate::scan::Scan;
use crate::state_vector::{ClientId, Clock, StateVector};

/// Bytes that a kept update is counted with beyond its own, for its place in the index.
const OVERHEAD: usize = 96;

/// Most obstacles of one update in the index. The others are looked for when these are gone.
const WATCHED: usize = 64;

/// Largest update, in bytes, that is judged again at once. Otherwise each of many small changes
/// could cost the reading of a large one. See [`KeptUpdates::take_large`].
const AT_ONCE: usize = 16 * 1024;

/// One kept update.
#[derive(Debug)]
struct Kept {
    kind: SyncKind,
    update: Bytes,
    /// Obstacles under which the index has it.
    waits: Vec<(ClientId, Clock)>,
    /// True if a part of it was admitted already.
    partly: bool,
}

/// A kept update to be judged again.
#[derive(Debug)]
pub(super) struct Woken {
    pub(super) number: u64,
    pub(super) kind: SyncKind,
    pub(super) update: Bytes,
    pub(super) partly: bool,
    pub(super) refused: bool,
}

/// The kept updates of one connection, by the numbers of their messages.
#[derive(Debug)]
pub(super) struct KeptUpdates {
    limit: usize,
    bytes: usize,
    kept: BTreeMap<u64, Kept>,
    /// Updates that the caller refused. They wait for another message that brings the same units.
    refused: BTreeSet<u64>,
    /// For each client, the clocks that messages wait for, with the message.
    waits: BTreeMap<ClientId, BTreeSet<(Clock, u64)>>,
    /// Updates to be judged again now.
    woken: BTreeSet<u64>,
    /// Updates to be judged again at [`KeptUpdates::take_large`].
    large: BTreeSet<u64>,
    /// Obstacles of updates that were too large to keep.
    unkept: Vec<(ClientId, Clock)>,
    /// An obstacle of an update that was too large to keep has gone.
    may_fit: bool,
}

impl KeptUpdates {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: 0,
            kept: BTreeMap::new(),
            refused: BTreeSet::new(),
            waits: BTreeMap::new(),
            woken: BTreeSet::new(),
            large: BTreeSet::new(),
            unkept: Vec::new(),
            may_fit: false,
        }
    }

    /// Keeps an update. Returns false if it is too large: then only its obstacles are remembered.
    pub(super) fn keep(
        &mut self,
        number: u64,
        kind: SyncKind,
        update: Bytes,
        obstacles: &StateVector,
    ) -> bool {
        let cost = update.len() + OVERHEAD;
        if self.bytes + cost > self.limit {
            let room = WATCHED.saturating_sub(self.unkept.len());
            self.unkept.extend(obstacles.iter().take(room));
            return false;
        }
        self.bytes += cost;
        let kept = Kept {
            kind,
            update,
            waits: Vec::new(),
            partly: false,
        };
        self.kept.insert(number, kept);
        self.wait(number, obstacles);
        true
    }

    /// Replaces the obstacles of a kept update.
    pub(super) fn wait(&mut self, number: u64, obstacles: &StateVector) {
        self.forget_waits(number);
        let Some(kept) = self.kept.get_mut(&number) else {
            return;
        };
        kept.waits = obstacles.iter().take(WATCHED).collect();
        for (client, clock) in &kept.waits {
            let waits = self.waits.entry(*client).or_default();
            waits.insert((*clock, number));
        }
    }

    /// Notes that a part of a kept update was admitted.
    pub(super) fn admitted_part(&mut self, number: u64) {
        if let Some(kept) = self.kept.get_mut(&number) {
            kept.partly = true;
        }
    }

    /// Keeps an update that was refused, until all units that it inserts are known. Returns true if
    /// it is kept.
    pub(super) fn keep_refused(
        &mut self,
        number: u64,
        kind: SyncKind,
        update: Bytes,
        inserts: &StateVector,
    ) -> bool {
        let fits = self.bytes + update.len() + OVERHEAD <= self.limit;
        if fits && !inserts.is_empty() {
            self.keep(number, kind, update, inserts);
            self.refused.insert(number);
        }
        self.refused.contains(&number)
    }

    /// Drops a kept update.
    pub(super) fn remove(&mut self, number: u64) {
        self.forget_waits(number);
        self.woken.remove(&number);
        self.large.remove(&number);
        self.refused.remove(&number);
        if let Some(kept) = self.kept.remove(&number) {
            self.bytes -= kept.update.len() + OVERHEAD;
        }
    }

    /// Wakes the updates for which the last obstacle may be gone: the blocks of this client are
    /// known up to this clock.
    pub(super) fn wake(&mut self, client: ClientId, known: Clock) {
        while let Some(waits) = self.waits.get_mut(&client) {
            let Some(&(clock, number)) = waits.first() else {
                self.waits.remove(&client);
                break;
            };
            if clock > known {
                break;
            }
            waits.pop_first();
            let kept = self.kept.get_mut(&number);
            if let Some(kept) = kept {
                kept.waits.retain(|wait| *wait != (client, clock));
                if kept.update.len() > AT_ONCE {
                    self.large.insert(number);
                } else {
                    self.woken.insert(number);
                }
            }
        }
        let came = |(wanted, clock): &(ClientId, Clock)| *wanted == client && *clock <= known;
        if self.unkept.iter().any(came) {
            self.unkept.clear();
            self.may_fit = true;
        }
    }

    /// Wakes all updates at [`KeptUpdates::take_large`]: more of each may be taken from now on.
    pub(super) fn wake_all(&mut self) {
        self.large.extend(self.kept.keys());
    }

    /// Wakes one update.
    pub(super) fn wake_one(&mut self, number: u64) {
        self.woken.insert(number);
    }

    /// Wakes the updates that are too large to be judged again at each change.
    pub(super) fn take_large(&mut self) {
        self.woken.append(&mut self.large);
    }

    pub(super) fn has_large(&self) -> bool {
        !self.large.is_empty()
    }

    /// Takes the oldest woken update.
    pub(super) fn next_woken(&mut self) -> Option<Woken> {
        loop {
            let number = self.woken.pop_first()?;
            if let Some(kept) = self.kept.get(&number) {
                return Some(Woken {
                    number,
                    kind: kept.kind,
                    update: kept.update.clone(),
                    partly: kept.partly,
                    refused: self.refused.contains(&number),
                });
            }
        }
    }

    /// Returns true, once, after a unit came on which an update builds that was too large to keep.
    /// Its sender is to be asked for it.
    pub(super) const fn take_may_fit(&mut self) -> bool {
        std::mem::replace(&mut self.may_fit, false)
    }

    /// Returns true if an answer could complete an update that is kept, or that was too large to
    /// keep.
    pub(super) fn awaits_units(&self) -> bool {
        self.kept.len() > self.refused.len() || !self.unkept.is_empty()
    }

    /// Returns true if changes of the document matter to any update.
    pub(super) fn is_waiting(&self) -> bool {
        !self.kept.is_empty() || !self.unkept.is_empty() || self.may_fit
    }

    /// Returns the bytes of all kept updates, each with its overhead.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    fn forget_waits(&mut self, number: u64) {
        let Some(kept) = self.kept.get_mut(&number) else {
            return;
        };
        for (client, clock) in std::mem::take(&mut kept.waits) {
            if let Some(waits) = self.waits.get_mut(&client) {
                waits.remove(&(clock, number));
                if waits.is_empty() {
                    self.waits.remove(&client);
                }
            }
        }
    }
}

/// Returns, for each client of the update's blocks, the clock behind the last one.
pub(super) fn own_ends(scan: &Scan<'_>) -> StateVector {
    let inserts = scan.inserts();
    inserts.map(|range| (range.client, range.end)).collect()
}
