//! Parks: edits whose authors might not write there. They are kept, never applied in silence, never
//! dropped.
//!
//! Owns the parks of one document, the choice of the park for an edit, and the limits. Only records
//! fill and empty a park, so every replay makes the same parks. `park_decisions` holds the
//! decisions about them. A park closes by itself if its edits enter the document in another way.

use std::collections::{BTreeMap, BTreeSet};

use baton_presence::SessionId;
use baton_sync::replica_index::{Judgement, ReplicaIndex};
use baton_sync::scan::{OwnedScan, Scan};

use super::author::Author;
use super::indexed_park::{IndexedPark, ParkBasis, form};
use super::park::{Park, ParkReason, ParkState};
use super::park_limits::{LEAST, ParkFull, ParkLimits, counted};

/// The parks of one document.
#[derive(Debug, Default)]
pub(crate) struct Parks {
    parks: BTreeMap<u64, IndexedPark>,
}

/// The park of an edit that is to be parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// This park, on whose edits it builds.
    With(u64),
    /// This park, instead of all its edits, which it holds: a copy of its author came as a whole.
    Instead(u64),
    /// A park of its own.
    Alone,
}

impl Parks {
    /// Rebuilds from stored parks.
    pub(crate) fn restore(stored: Vec<Park>, document: &ReplicaIndex) -> Self {
        let kept = stored.into_iter().map(|park| {
            let kept = IndexedPark::restore(park, document);
            (kept.park.id, kept)
        });
        Self {
            parks: kept.collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parks.is_empty()
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

    /// Returns the open park that holds an equal edit of a stock client from the same source.
    /// Readers whose editor writes something when it opens would leave one park each.
    pub(crate) fn alike(&self, author: Author, update: &Scan<'_>) -> Option<u64> {
        let source = author.source?;
        let of_source = |kept: &&IndexedPark| {
            let park = &kept.park;
            park.user == Some(source) && park.is_open() && park.reason == author.park_reason()
        };
        let mut there = self.parks.values().filter(of_source).peekable();
        there.peek()?;
        let form = form(update)?;
        let mut same = there.filter(|kept| kept.holds_form(&form));
        same.next().map(|kept| kept.park.id)
    }

    /// Returns the park on which this author's update builds, of one that does not fit the document
    /// alone.
    pub(super) fn basis(
        &self,
        author: Author,
        document: &ReplicaIndex,
        update: &Scan<'_>,
    ) -> Option<ParkBasis<'_>> {
        Some(self.under(author, document, update)?.basis())
    }

    /// Returns the park of this id as something to build on.
    pub(super) fn basis_of(&self, id: u64) -> Option<ParkBasis<'_>> {
        Some(self.parks.get(&id)?.basis())
    }

    /// Returns the park that already holds everything of this update that the document lacks.
    pub(crate) fn holding(&self, document: &ReplicaIndex, update: &Scan<'_>) -> Option<u64> {
        let holds = |kept: &&IndexedPark| {
            matches!(document.judge_over(&kept.known, update), Judgement::Known)
                && kept.agrees(document, update)
        };
        self.parks.values().find(holds).map(|kept| kept.park.id)
    }

    /// Checks the limits for parking this update of this author.
    pub(crate) fn room_for(
        &self,
        author: Author,
        document: &ReplicaIndex,
        update: &Scan<'_>,
        limits: &ParkLimits,
    ) -> Result<(), ParkFull> {
        let place = self.place(author, document, update);
        let grown = match place {
            Place::With(id) | Place::Instead(id) => self.get(id),
            Place::Alone => None,
        };
        let apart = |park: &&Park| grown.is_none_or(|grown| grown.id != park.id);
        let with = match place {
            Place::With(_) => grown.map_or(0, Park::bytes),
            Place::Instead(_) | Place::Alone => 0,
        };
        let new = with + update.bytes().len();
        let own = self.open().filter(apart).filter(|park| author.wrote(park));
        if own.map(Park::bytes).sum::<usize>() + new > limits.bytes_per_session {
            return Err(ParkFull::Session(limits.bytes_per_session));
        }
        let others = self.open().filter(apart).map(counted).sum::<usize>();
        if others + new.max(LEAST) > limits.bytes {
            return Err(ParkFull::Document(limits.bytes));
        }
        Ok(())
    }

    /// Checks the limits for opening this discarded park again.
    pub(crate) fn room_for_recovered(&self, id: u64, limits: &ParkLimits) -> Result<(), ParkFull> {
        let Some(recovered) = self.get(id) else {
            return Ok(());
        };
        // A user counts once, as does a session without a user.
        let person = |park: &Park| match park.user {
            Some(user) => (Some(user), None),
            None => (None, Some(park.session)),
        };
        let people: BTreeSet<_> = self.open().map(person).collect();
        if people.len() >= limits.parks && !people.contains(&person(recovered)) {
            return Err(ParkFull::People(people.len()));
        }
        let bytes = self.open().map(counted).sum::<usize>() + counted(recovered);
        if bytes > limits.bytes {
            return Err(ParkFull::Recovered(limits.bytes));
        }
        Ok(())
    }

    /// Checks the limits for discarding this park.
    pub(crate) fn room_for_discarded(&self, id: u64, limits: &ParkLimits) -> Result<(), ParkFull> {
        let discarded = self.iter().filter(|park| !park.is_open() || park.id == id);
        let bytes = discarded.map(counted).sum();
        if bytes > limits.discarded_bytes {
            return Err(ParkFull::Discarded(bytes));
        }
        Ok(())
    }

    /// Adds an update to the park that it belongs to, or starts one with `fresh`. Returns the park,
    /// which is open from now on: less was discarded than there is now.
    ///
    /// `is_gone` returns true for sessions that are over: their copies go on with others, as those
    /// of stock clients do.
    pub(crate) fn add(
        &mut self,
        fresh: Park,
        author: Author,
        document: &ReplicaIndex,
        update: &OwnedScan,
        is_gone: impl Fn(SessionId) -> bool,
    ) -> u64 {
        let scanned = update.as_scan();
        let place = match self.place(author, document, &scanned) {
            Place::Alone => self.inherited(&fresh, author, document, &scanned, is_gone),
            place => place,
        };
        let (session, new) = (fresh.session, fresh.id);
        let id = match place {
            Place::With(id) | Place::Instead(id) => id,
            Place::Alone => new,
        };
        let kept = self.parks.entry(id);
        let kept = kept.or_insert_with(|| IndexedPark::new(fresh));
        kept.park.session = session;
        kept.park.state = ParkState::Open;
        if let Place::Instead(_) = place {
            kept.clear();
        }
        kept.add(document, update, author.source.is_some());
        id
    }

    /// Closes the parks whose edits the document now has.
    pub(crate) fn close_merged(&mut self, document: &ReplicaIndex) -> Vec<Park> {
        if self.parks.is_empty() {
            return Vec::new();
        }
        let is_merged = |kept: &&IndexedPark| {
            kept.park.reason != ParkReason::Quarantined && kept.is_within(document)
        };
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

    /// Returns this author's parks to which its edits may be added, the likeliest to be built on
    /// first.
    fn of(&self, author: Author) -> impl Iterator<Item = &IndexedPark> {
        let own = move |kept: &&IndexedPark| {
            author.wrote(&kept.park) && kept.park.reason == author.park_reason()
        };
        let open = self.parks.values().rev().filter(own);
        let discarded = self.parks.values().rev().filter(own);
        open.filter(|kept| kept.park.is_open())
            .chain(discarded.filter(|kept| !kept.park.is_open()))
    }

    /// Returns the park of this author over which the update fits.
    fn under(
        &self,
        author: Author,
        document: &ReplicaIndex,
        update: &Scan<'_>,
    ) -> Option<&IndexedPark> {
        self.of(author)
            .find(|kept| fits(&document.judge_over(&kept.known, update)))
    }

    fn place(&self, author: Author, document: &ReplicaIndex, update: &Scan<'_>) -> Place {
        if !fits(&document.judge(update)) {
            // It builds on one of them, also if that is discarded: apart from it, it could never be
            // applied.
            let under = self.under(author, document, update);
            return under.map_or(Place::Alone, |kept| Place::With(kept.park.id));
        }
        // It needs none of them. A discarded park stays so.
        for kept in self.of(author).filter(|kept| kept.park.is_open()) {
            // Two sessions of one user may write under one client id.
            if !kept.agrees(document, update) {
                continue;
            }
            if fits(&document.judge_over(&kept.known, update)) {
                return Place::With(kept.park.id);
            }
            if document.covers_over(&alone(document, update), &kept.known) {
                return Place::Instead(kept.park.id);
            }
        }
        Place::Alone
    }

    /// Finds the park of a copy that comes again over another session, with more in it. Else every
    /// try of a stock client would leave one more park behind.
    fn inherited(
        &self,
        fresh: &Park,
        author: Author,
        document: &ReplicaIndex,
        update: &Scan<'_>,
        is_gone: impl Fn(SessionId) -> bool,
    ) -> Place {
        let known = alone(document, update);
        let is_inherited = |kept: &&IndexedPark| {
            let park = &kept.park;
            // A stock client has no name, and may come back from another source: its copy tells.
            let same_user = park.user == fresh.user || author.is_stock;
            park.is_open()
                && park.reason == fresh.reason
                && park.author == fresh.author
                && same_user
                && document.covers_over(&known, &kept.known)
                && is_gone(park.session)
                && kept.agrees(document, update)
        };
        let park = self.parks.values().find(is_inherited);
        park.map_or(Place::Alone, |kept| Place::Instead(kept.park.id))
    }
}

fn fits(judgement: &Judgement) -> bool {
    matches!(judgement, Judgement::Fits | Judgement::Known)
}

/// Returns the index of an update beyond the document.
fn alone(document: &ReplicaIndex, update: &Scan<'_>) -> ReplicaIndex {
    let mut known = ReplicaIndex::default();
    known.absorb_over(document, update);
    known
}
