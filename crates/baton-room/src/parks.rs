//! Edits that came where their author might not write: kept, never applied in silence, never dropped.
//!
//! Owns the parks of one document, which park an edit belongs to, and the caps. A park is filled and emptied by the log
//! only, so every replay makes the same parks. What is decided about them is in `deciding`; it closes by itself when what
//! it holds has entered the document by another way.

use std::collections::{BTreeMap, BTreeSet};

use baton_presence::SessionId;
use baton_sync::scan::{Scan, scan};
use baton_sync::state::{Judgement, State};
use bytes::Bytes;

use crate::park::{Park, ParkReason, ParkState};

/// What a discarded park counts at least, in bytes, so that many small ones are bounded as well.
const LEAST_DISCARDED: usize = 16 * 1024;

/// Caps on what is parked. Beyond them new input is refused; nothing that is stored is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParkLimits {
    /// Bytes of updates for one session in open parks.
    pub bytes_per_session: usize,
    /// Open parks in one document.
    pub parks: usize,
    /// Bytes of updates in discarded parks of one document; each counts at least 16 KiB. Beyond it, nothing can be
    /// discarded until something was recovered, or its 30 days are over.
    pub discarded_bytes: usize,
}

impl Default for ParkLimits {
    fn default() -> Self {
        Self {
            bytes_per_session: 10 * 1024 * 1024,
            parks: 100,
            discarded_bytes: 20 * 1024 * 1024,
        }
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
    /// The document has too many discarded parks.
    #[error(
        "the discarded parks of this document have {0} bytes with this one, more than they may (max_discarded_parks); nothing changed: recover and merge one, or wait until the oldest is over, 30 days after it was discarded"
    )]
    Discarded(usize),
}

/// The parks of one document.
#[derive(Debug, Default)]
pub(crate) struct Parks {
    parks: BTreeMap<u64, Kept>,
}

#[derive(Debug)]
struct Kept {
    park: Park,
    /// What its edits know beyond the document.
    known: State,
}

/// What an update may build on beside the document.
pub(crate) struct ParkBasis<'a> {
    pub(crate) known: &'a State,
    pub(crate) roots: &'a BTreeSet<String>,
}

/// Where an edit goes that is to be parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// To the edits of this park, on which it builds.
    With(u64),
    /// Into this park instead of all its edits, which it holds: a copy of its author's that came as a whole.
    Instead(u64),
    /// Into a park of its own.
    Alone,
}

impl Parks {
    /// Rebuilds from stored parks.
    pub(crate) fn restore(stored: Vec<Park>, document: &State) -> Self {
        let kept = stored.into_iter().map(|park| {
            let mut known = State::default();
            for update in &park.updates {
                // Only scanned updates are ever parked; one that does not scan (a newer rule) knows nothing, and so
                // never closes.
                if let Ok(scanned) = scan(update) {
                    known.absorb_over(document, &scanned);
                }
            }
            (park.id, Kept { park, known })
        });
        Self {
            parks: kept.collect(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Park> {
        self.parks.values().map(|kept| &kept.park)
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Park> {
        self.parks.get(&id).map(|kept| &kept.park)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Park> {
        self.parks.get_mut(&id).map(|kept| &mut kept.park)
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Park> {
        self.parks.remove(&id).map(|kept| kept.park)
    }

    /// What this session's update builds on beyond the document, of one that does not fit the document alone.
    pub(crate) fn basis(
        &self,
        session: SessionId,
        document: &State,
        update: &[u8],
    ) -> Option<ParkBasis<'_>> {
        let scanned = scan(update).ok()?;
        let kept = self.under(session, document, &scanned)?;
        Some(ParkBasis {
            known: &kept.known,
            roots: &kept.park.roots,
        })
    }

    /// The park that already holds everything of this update that the document lacks.
    pub(crate) fn holding(&self, document: &State, update: &[u8]) -> Option<u64> {
        let scanned = scan(update).ok()?;
        let holds =
            |kept: &&Kept| matches!(document.judge_over(&kept.known, &scanned), Judgement::Known);
        self.parks.values().find(holds).map(|kept| kept.park.id)
    }

    /// Whether this update of this session may be parked.
    pub(crate) fn room_for(
        &self,
        session: SessionId,
        document: &State,
        update: &[u8],
        limits: &ParkLimits,
    ) -> Result<(), ParkFull> {
        let scanned = scan(update).ok();
        let place = scanned.map_or(Place::Alone, |scanned| {
            self.place(session, document, &scanned)
        });
        let grown = match place {
            Place::With(id) | Place::Instead(id) => self.get(id),
            Place::Alone => None,
        };
        let others = self.open().filter(|park| park.session == session);
        let others = others.filter(|park| grown.is_none_or(|grown| grown.id != park.id));
        let with = match place {
            Place::With(_) => grown.map_or(0, Park::bytes),
            Place::Instead(_) | Place::Alone => 0,
        };
        if others.map(Park::bytes).sum::<usize>() + with + update.len() > limits.bytes_per_session {
            return Err(ParkFull::Session(limits.bytes_per_session));
        }
        if grown.is_some_and(Park::is_open) {
            return Ok(());
        }
        self.room_for_open(limits)
    }

    /// Whether there may be one more open park.
    pub(crate) fn room_for_open(&self, limits: &ParkLimits) -> Result<(), ParkFull> {
        if self.open().count() >= limits.parks {
            return Err(ParkFull::Document(limits.parks));
        }
        Ok(())
    }

    /// Whether this park may be discarded.
    pub(crate) fn room_for_discarded(&self, id: u64, limits: &ParkLimits) -> Result<(), ParkFull> {
        let discarded = self.iter().filter(|park| !park.is_open() || park.id == id);
        let bytes = discarded
            .map(|park| park.bytes().max(LEAST_DISCARDED))
            .sum();
        if bytes > limits.discarded_bytes {
            return Err(ParkFull::Discarded(bytes));
        }
        Ok(())
    }

    /// Adds an update to the park that it belongs to, or starts one with `fresh`. Returns the park, which is open from
    /// now on: what was discarded was less than it is now.
    ///
    /// `is_gone` says whose sessions are over: their copies go on with others, as those of stock clients do.
    pub(crate) fn add(
        &mut self,
        fresh: Park,
        document: &State,
        update: Bytes,
        is_gone: impl Fn(SessionId) -> bool,
    ) -> u64 {
        let scanned = scan(&update).ok();
        let place = match (&scanned, fresh.reason) {
            (Some(scanned), ParkReason::Locked) => {
                match self.place(fresh.session, document, scanned) {
                    Place::Alone => self.inherited(&fresh, document, scanned, is_gone),
                    place => place,
                }
            }
            _ => Place::Alone,
        };
        let (session, new) = (fresh.session, fresh.id);
        let id = match place {
            Place::With(id) | Place::Instead(id) => id,
            Place::Alone => new,
        };
        let kept = self.parks.entry(id).or_insert_with(|| Kept {
            park: fresh,
            known: State::default(),
        });
        kept.park.session = session;
        kept.park.state = ParkState::Open;
        if let Place::Instead(_) = place {
            kept.clear();
        }
        if let Some(scanned) = &scanned {
            kept.learn(document, scanned);
        }
        kept.park.updates.push(update);
        id
    }

    /// Closes the parks whose content the document now has.
    pub(crate) fn close_merged(&mut self, document: &State) -> Vec<Park> {
        if self.parks.is_empty() {
            return Vec::new();
        }
        let is_merged =
            |kept: &&Kept| kept.park.reason == ParkReason::Locked && document.covers(&kept.known);
        let merged = self.parks.values().filter(is_merged);
        let merged: Vec<u64> = merged.map(|kept| kept.park.id).collect();
        merged
            .into_iter()
            .filter_map(|id| self.remove(id))
            .collect()
    }

    fn open(&self) -> impl Iterator<Item = &Park> {
        self.iter().filter(|park| park.is_open())
    }

    /// This session's parks, those first of which it is likelier that an edit builds on them.
    fn of(&self, session: SessionId) -> impl Iterator<Item = &Kept> {
        let own = move |kept: &&Kept| {
            kept.park.session == session && kept.park.reason == ParkReason::Locked
        };
        let open = self.parks.values().rev().filter(own);
        let discarded = self.parks.values().rev().filter(own);
        open.filter(|kept| kept.park.is_open())
            .chain(discarded.filter(|kept| !kept.park.is_open()))
    }

    /// The park of this session over which the update fits.
    fn under(&self, session: SessionId, document: &State, update: &Scan<'_>) -> Option<&Kept> {
        self.of(session)
            .find(|kept| fits(&document.judge_over(&kept.known, update)))
    }

    fn place(&self, session: SessionId, document: &State, update: &Scan<'_>) -> Place {
        if !fits(&document.judge(update)) {
            // It builds on one of them, also if that is discarded: apart from it, it could never be applied.
            let under = self.under(session, document, update);
            return under.map_or(Place::Alone, |kept| Place::With(kept.park.id));
        }
        // It needs none of them. What was discarded stays so.
        for kept in self.of(session).filter(|kept| kept.park.is_open()) {
            if fits(&document.judge_over(&kept.known, update)) {
                return Place::With(kept.park.id);
            }
            if alone(document, update).covers(&kept.known) {
                return Place::Instead(kept.park.id);
            }
        }
        Place::Alone
    }

    /// A copy that comes again over another session, with more in it: its park goes over to it. Else every try of a stock
    /// client would leave one more park behind.
    fn inherited(
        &self,
        fresh: &Park,
        document: &State,
        update: &Scan<'_>,
        is_gone: impl Fn(SessionId) -> bool,
    ) -> Place {
        let known = alone(document, update);
        let is_inherited = |kept: &&Kept| {
            let park = &kept.park;
            park.is_open()
                && park.reason == ParkReason::Locked
                && (&park.author, park.user) == (&fresh.author, fresh.user)
                && known.covers(&kept.known)
                && is_gone(park.session)
        };
        let park = self.parks.values().find(is_inherited);
        park.map_or(Place::Alone, |kept| Place::Instead(kept.park.id))
    }
}

impl Kept {
    fn clear(&mut self) {
        self.known = State::default();
        self.park.updates.clear();
        self.park.roots.clear();
        (self.park.inserted, self.park.deleted) = (0, 0);
    }

    fn learn(&mut self, document: &State, update: &Scan<'_>) {
        let roots = document.touched_roots_over(&self.known, update);
        self.park.roots.extend(roots);
        let gain = document.gain_over(&self.known, update);
        self.park.inserted = self.park.inserted.saturating_add_signed(gain.inserted);
        self.park.deleted += gain.deleted;
        self.known.absorb_over(document, update);
    }
}

fn fits(judgement: &Judgement) -> bool {
    matches!(judgement, Judgement::Fits | Judgement::Known)
}

/// What an update knows beyond the document.
fn alone(document: &State, update: &Scan<'_>) -> State {
    let mut known = State::default();
    known.absorb_over(document, update);
    known
}
