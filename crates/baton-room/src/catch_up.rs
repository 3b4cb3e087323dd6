//! What a connection that reads too slowly was not sent, and the one difference that makes up for it.
//!
//! Owns the account of it: for each client id the lowest clock that was left out. What was deleted needs no account,
//! because every difference carries all deletions. Who reads too slowly, and when it has taken what went before, is the
//! caller's business.

use std::collections::BTreeMap;

use baton_sync::scan::scan;
use baton_sync::{ClientId, Clock};
use bytes::Bytes;

use crate::room::Room;

/// The updates that a connection was not sent since it last had everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missed {
    lowest: BTreeMap<ClientId, Clock>,
    /// One of them could not be read: then anything may be missing.
    anything: bool,
}

impl Missed {
    /// This one update.
    #[must_use]
    pub fn update(update: &[u8]) -> Self {
        let mut missed = Self::default();
        match scan(update) {
            Ok(scanned) => {
                for range in scanned.inserts() {
                    missed.lower(range.client, range.start);
                }
            }
            Err(_) => missed.anything = true,
        }
        missed
    }

    /// These as well.
    pub fn add(&mut self, others: &Self) {
        self.anything |= others.anything;
        for (client, clock) in &others.lowest {
            self.lower(*client, *clock);
        }
    }

    fn lower(&mut self, client: ClientId, clock: Clock) {
        let lowest = self.lowest.entry(client).or_insert(clock);
        *lowest = clock.min(*lowest);
    }
}

/// What brings a connection up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatchUp {
    /// To be sent in place of all updates that were missed.
    pub difference: Bytes,
    /// All that is known of awareness, removals included: for who missed some of it. Nothing if nothing is known.
    pub awareness: Option<Bytes>,
}

impl Room {
    /// The difference between the document and what a client has that was sent everything but `missed`.
    #[must_use]
    pub fn catch_up(&self, missed: &Missed) -> CatchUp {
        let mut has = self.state.document.state().vector().clone();
        if missed.anything {
            has = baton_sync::StateVector::new();
        }
        for (client, lowest) in &missed.lowest {
            if *lowest < has.get(*client) {
                has.set(*client, *lowest);
            }
        }
        let difference = self.state.document.difference(&has);
        let awareness = self.awareness.encode_known();
        CatchUp {
            difference,
            awareness: (awareness[..] != [0]).then_some(awareness),
        }
    }
}
