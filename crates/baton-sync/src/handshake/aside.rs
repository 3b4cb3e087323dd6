//! Updates that lack something, kept until it comes.
//!
//! Owns their bytes, the bound on these, and the index by which an update is found again when what it
//! lacks has come: a change costs nothing for all those that wait for something else. It judges
//! nothing.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::SyncKind;
use crate::state_vector::{ClientId, Clock, StateVector};

/// Bytes that a kept update is counted with beyond its own, for its place in the index.
const OVERHEAD: usize = 96;

/// Obstacles of one update that are looked for at once. The others are looked for when all of these
/// are gone.
const WATCHED: usize = 64;

/// An update of more bytes is not judged again at once: many small changes could each make one that
/// large be looked through. See [`Aside::take_large`].
const AT_ONCE: usize = 16 * 1024;

/// One that is kept.
#[derive(Debug)]
struct Kept {
    kind: SyncKind,
    update: Bytes,
    /// The obstacles under which the index has it.
    waits: Vec<(ClientId, Clock)>,
    /// A part of it was admitted already.
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

/// The updates of one connection that are kept, by the numbers of their messages.
#[derive(Debug)]
pub(super) struct Aside {
    limit: usize,
    bytes: usize,
    kept: BTreeMap<u64, Kept>,
    /// Those that the caller refused: they wait for themselves, to come in another message.
    refused: BTreeSet<u64>,
    /// For each client, the clocks that are waited for, and by which message.
    waits: BTreeMap<ClientId, BTreeSet<(Clock, u64)>>,
    /// To be judged again now.
    woken: BTreeSet<u64>,
    /// To be judged again when the caller says so.
    large: BTreeSet<u64>,
    /// Obstacles of updates that were too large to keep.
    unkept: Vec<(ClientId, Clock)>,
}

impl Aside {
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
        }
    }

    /// Keeps an update, and says whether it could: if not, only its obstacles are remembered.
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

    /// A kept update waits for these from now on, and for nothing else.
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

    /// A part of a kept update was admitted.
    pub(super) fn admitted_part(&mut self, number: u64) {
        if let Some(kept) = self.kept.get_mut(&number) {
            kept.partly = true;
        }
    }

    /// Keeps an update that was refused, until all that it inserts is known. Says whether it could.
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

    /// It is kept no more.
    pub(super) fn remove(&mut self, number: u64) {
        self.forget_waits(number);
        self.woken.remove(&number);
        self.large.remove(&number);
        self.refused.remove(&number);
        if let Some(kept) = self.kept.remove(&number) {
            self.bytes -= kept.update.len() + OVERHEAD;
        }
    }

    /// The blocks of this client are known up to this clock.
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
    }

    /// Wakes all: what may be taken of them has changed.
    pub(super) fn wake_all(&mut self) {
        self.large.extend(self.kept.keys());
    }

    /// Wakes this one.
    pub(super) fn wake_one(&mut self, number: u64) {
        self.woken.insert(number);
    }

    /// Lets that be judged again now which is too large for it at each change.
    pub(super) fn take_large(&mut self) {
        self.woken.append(&mut self.large);
    }

    pub(super) fn has_large(&self) -> bool {
        !self.large.is_empty()
    }

    /// The oldest that was woken.
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

    /// Tells whether something that an update needs is there which was too large to keep. It is forgotten
    /// then: its sender is asked for it.
    pub(super) fn may_fit(&mut self, client: ClientId, known: Clock) -> bool {
        let came = |(wanted, clock): &(ClientId, Clock)| *wanted == client && *clock <= known;
        let fits = self.unkept.iter().any(came);
        if fits {
            self.unkept.clear();
        }
        fits
    }

    /// Tells whether nothing is kept that an answer could complete.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.len() == self.refused.len()
    }

    /// Tells whether something is kept that was refused.
    pub(super) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Tells whether something was too large to keep, and what it lacks has not come.
    pub(super) fn has_unkept(&self) -> bool {
        !self.unkept.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
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
