//! The updates that a connection which reads too slowly was not sent, and the one difference that
//! makes up for them.
//!
//! The account is, for each client id, the lowest clock that was left out. Deletions need no
//! account, because every difference carries all of them. The caller knows which connection reads
//! too slowly, and when it has taken everything of before.

use std::collections::BTreeMap;

use baton_sync::scan::scan;
use baton_sync::{ClientId, Clock, Replica, StateVector};
use bytes::Bytes;

/// The updates that a connection was not sent since it last had everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissedUpdates {
    lowest: BTreeMap<ClientId, Clock>,
    /// One of them could not be read: then anything may be missing.
    anything: bool,
}

impl MissedUpdates {
    /// The account of this one update.
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

    /// Adds another account.
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

/// The messages that bring a connection up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatchUp {
    /// An update, to be sent in place of all that were missed.
    pub difference: Bytes,
    /// All that is known of awareness, removals included, for a client that missed some of it.
    pub awareness: Option<Bytes>,
}

/// Returns the difference between the document and the copy of a client that was sent everything
/// but `missed`. `awareness` is all that is known of awareness.
pub(crate) fn caught_up(
    document: &Replica,
    awareness: Option<Bytes>,
    missed: &MissedUpdates,
) -> CatchUp {
    let mut has = document.state().vector();
    if missed.anything {
        has = StateVector::new();
    }
    for (client, lowest) in &missed.lowest {
        if *lowest < has.get(*client) {
            has.set(*client, *lowest);
        }
    }
    CatchUp {
        difference: document.difference(&has),
        awareness,
    }
}
