//! Edits that came under somebody else's lock: kept, never applied in silence, never dropped.
//!
//! Owns the parks of one document and their caps. A park is filled by the log only, so every replay makes the same
//! parks; it closes when what it holds has entered the document by another way.

use std::collections::{BTreeMap, BTreeSet};

use baton_presence::{Fence, SessionId};
use baton_sync::scan::scan;
use baton_sync::state::{Judgement, State};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::record::Profile;

/// Caps on what is parked. Beyond them new input is refused; nothing that is stored is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParkLimits {
    /// Bytes of updates for one session.
    pub bytes_per_session: usize,
    /// Parks in one document.
    pub parks: usize,
}

impl Default for ParkLimits {
    fn default() -> Self {
        Self {
            bytes_per_session: 10 * 1024 * 1024,
            parks: 100,
        }
    }
}

/// Why something stands in a park.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParkReason {
    /// Somebody else held the lock, or was being offered it.
    Locked,
    /// The CRDT library failed on it; the document was rebuilt without it.
    Quarantined,
}

/// One session's edits that are not in the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Park {
    /// Position of the first parked record: names the park in its document.
    pub id: u64,
    /// Whose edits.
    pub session: SessionId,
    /// Who that was.
    pub author: Profile,
    /// Why.
    pub reason: ParkReason,
    /// The last grant that the author had, if any.
    pub fence_seen: Option<Fence>,
    /// The grant or offer in force when the first edit came.
    pub fence_now: Option<Fence>,
    /// The edits, in order of arrival, as they came.
    pub updates: Vec<Bytes>,
}

impl Park {
    /// Bytes of its updates.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.updates.iter().map(Bytes::len).sum()
    }
}

/// The caps are met; the author's edit was refused, is not stored, and is only with its author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParkFull {
    /// This session parked too much.
    #[error(
        "this session has parked {0} bytes, which is all it may (max_parked_per_session); copy your text, and open the document afresh"
    )]
    Session(usize),
    /// The document has too many parks.
    #[error(
        "this document has {0} parks, which is all it may (max_parks); somebody must merge or discard some first"
    )]
    Document(usize),
}

/// The parks of one document.
#[derive(Debug, Default)]
pub(crate) struct Parks {
    parks: BTreeMap<u64, (Park, State)>,
    roots: BTreeMap<u64, BTreeSet<String>>,
}

/// What an update may build on beside the document.
pub(crate) struct ParkBasis<'a> {
    pub(crate) known: &'a State,
    pub(crate) roots: &'a BTreeSet<String>,
}

impl Parks {
    /// Rebuilds from stored parks.
    pub(crate) fn restore(stored: Vec<Park>, document: &State) -> Self {
        let mut all = Self::default();
        for park in stored {
            let mut known = State::default();
            let roots = all.roots.entry(park.id).or_default();
            for update in &park.updates {
                absorb(&mut known, roots, document, update);
            }
            all.parks.insert(park.id, (park, known));
        }
        all
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Park> {
        self.parks.values().map(|(park, _)| park)
    }

    /// What this session's update may build on beyond the document.
    pub(crate) fn basis(
        &self,
        session: SessionId,
        _document: &State,
        _update: &[u8],
    ) -> Option<ParkBasis<'_>> {
        let (park, known) = self.of(session)?;
        let roots = self.roots.get(&park.id)?;
        Some(ParkBasis { known, roots })
    }

    /// The park that already holds everything of this update that the document lacks.
    pub(crate) fn holding(&self, document: &State, update: &[u8]) -> Option<u64> {
        let scanned = scan(update).ok()?;
        self.parks
            .values()
            .find(|(_, known)| matches!(document.judge_over(known, &scanned), Judgement::Known))
            .map(|(park, _)| park.id)
    }

    /// Whether so many bytes more of this session fit.
    pub(crate) fn room_for(
        &self,
        session: SessionId,
        _document: &State,
        update: &[u8],
        limits: &ParkLimits,
    ) -> Result<(), ParkFull> {
        let bytes = update.len();
        let parked = self.of(session).map(|(park, _)| park.bytes());
        if parked.unwrap_or(0) + bytes > limits.bytes_per_session {
            return Err(ParkFull::Session(limits.bytes_per_session));
        }
        if parked.is_none() && self.parks.len() >= limits.parks {
            return Err(ParkFull::Document(limits.parks));
        }
        Ok(())
    }

    /// Adds an update to its session's park, or starts one with `fresh`. Returns the park's id.
    pub(crate) fn add(&mut self, fresh: Park, document: &State, update: Bytes) -> u64 {
        let id = self
            .parks
            .values()
            .find(|(park, _)| park.session == fresh.session && park.reason == fresh.reason)
            .map_or(fresh.id, |(park, _)| park.id);
        let (park, known) = self
            .parks
            .entry(id)
            .or_insert_with(|| (fresh, State::default()));
        absorb(known, self.roots.entry(id).or_default(), document, &update);
        park.updates.push(update);
        id
    }

    /// Closes the parks whose content the document now has.
    pub(crate) fn close_merged(&mut self, document: &State) -> Vec<u64> {
        if self.parks.is_empty() {
            return Vec::new();
        }
        let merged: Vec<u64> = self
            .parks
            .values()
            .filter(|(park, known)| park.reason == ParkReason::Locked && document.covers(known))
            .map(|(park, _)| park.id)
            .collect();
        for id in &merged {
            self.parks.remove(id);
            self.roots.remove(id);
        }
        merged
    }

    fn of(&self, session: SessionId) -> Option<&(Park, State)> {
        self.parks
            .values()
            .find(|(park, _)| park.session == session && park.reason == ParkReason::Locked)
    }
}

fn absorb(known: &mut State, roots: &mut BTreeSet<String>, document: &State, update: &[u8]) {
    // Only scanned updates are ever parked; one that does not scan (a newer rule) knows nothing, and so never closes.
    if let Ok(scanned) = scan(update) {
        roots.extend(document.touched_roots_over(known, &scanned));
        known.absorb_over(document, &scanned);
    }
}
