//! Edits that came where their author might not write: kept, never applied in silence, never dropped.
//!
//! Owns the parks of one document, which park an edit belongs to, and the caps. A park is filled and emptied by the log
//! only, so every replay makes the same parks. What is decided about them is in `deciding`; it closes by itself when what
//! it holds has entered the document by another way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use baton_presence::{SessionId, UserKey};
use baton_sync::originals::Contents;
use baton_sync::scan::{Scan, scan};
use baton_sync::state::{Judgement, State};
use baton_sync::store::BlockStore;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::park::{Park, ParkReason, ParkState};
use crate::park_limits::{LEAST, ParkFull, ParkLimits, counted};

/// Largest update of a stock client, in bytes, that is compared with what others from the same source have parked.
const ALIKE: usize = 64 * 1024;

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
    /// What those of its edits say that may come again from the same source under another Yjs client id; hashed.
    forms: BTreeSet<[u8; 32]>,
    /// Their blocks by their clocks, once some came again.
    originals: OnceLock<BlockStore>,
}

/// Whose an edit is, as far as parks are concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Author {
    pub(crate) session: SessionId,
    /// The user of a session that said whose it is.
    pub(crate) user: Option<UserKey>,
    /// Whether it is a stock client's, which says neither a name nor a user.
    pub(crate) is_stock: bool,
    /// From where a stock client comes, if that is known.
    pub(crate) source: Option<UserKey>,
}

impl Author {
    fn wrote(&self, park: &Park) -> bool {
        park.session == self.session || (self.user.is_some() && self.user == park.user)
    }
}

/// What an update may build on beside the document.
pub(crate) struct ParkBasis<'a> {
    pub(crate) known: &'a State,
    pub(crate) originals: &'a BlockStore,
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
            let (mut known, mut forms) = (State::default(), BTreeSet::new());
            for update in &park.updates {
                // Only scanned updates are ever parked; one that does not scan (a newer rule) knows nothing, and so
                // never closes.
                if let Ok(scanned) = scan(update) {
                    known.absorb_over(document, &scanned);
                    // Whether its author was a stock client is not stored. If not, nobody looks for it.
                    forms.extend(park.user.and_then(|_| form(&scanned)));
                }
            }
            let kept = Kept {
                park,
                known,
                forms,
                originals: OnceLock::new(),
            };
            (kept.park.id, kept)
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

    /// The open park in which an edit of a stock client stands that says the same, and came from the same source. Readers
    /// whose editor writes something when it opens would leave one park each.
    pub(crate) fn alike(&self, author: Author, update: &[u8]) -> Option<u64> {
        let source = author.source?;
        let of_source = |kept: &&Kept| {
            let park = &kept.park;
            park.user == Some(source) && park.is_open() && park.reason == ParkReason::Locked
        };
        let mut there = self.parks.values().filter(of_source).peekable();
        there.peek()?;
        let form = form(&scan(update).ok()?)?;
        let mut same = there.filter(|kept| kept.forms.contains(&form));
        same.next().map(|kept| kept.park.id)
    }

    /// What this author's update builds on beyond the document, of one that does not fit the document alone.
    pub(crate) fn basis(
        &self,
        author: Author,
        document: &State,
        update: &[u8],
    ) -> Option<ParkBasis<'_>> {
        let scanned = scan(update).ok()?;
        let kept = self.under(author, document, &scanned)?;
        Some(ParkBasis {
            known: &kept.known,
            originals: kept.originals(),
            roots: &kept.park.roots,
        })
    }

    /// The park that already holds everything of this update that the document lacks.
    pub(crate) fn holding(&self, document: &State, update: &[u8]) -> Option<u64> {
        let scanned = scan(update).ok()?;
        let holds = |kept: &&Kept| {
            matches!(document.judge_over(&kept.known, &scanned), Judgement::Known)
                && kept.agrees(document, &scanned)
        };
        self.parks.values().find(holds).map(|kept| kept.park.id)
    }

    /// Whether this update of this author may be parked.
    pub(crate) fn room_for(
        &self,
        author: Author,
        document: &State,
        update: &[u8],
        limits: &ParkLimits,
    ) -> Result<(), ParkFull> {
        let scanned = scan(update).ok();
        let place = scanned.map_or(Place::Alone, |scanned| {
            self.place(author, document, &scanned)
        });
        let grown = match place {
            Place::With(id) | Place::Instead(id) => self.get(id),
            Place::Alone => None,
        };
        let apart = |park: &&Park| grown.is_none_or(|grown| grown.id != park.id);
        let with = match place {
            Place::With(_) => grown.map_or(0, Park::bytes),
            Place::Instead(_) | Place::Alone => 0,
        };
        let new = with + update.len();
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

    /// Whether this discarded park may be open again.
    pub(crate) fn room_for_recovered(&self, id: u64, limits: &ParkLimits) -> Result<(), ParkFull> {
        let Some(recovered) = self.get(id) else {
            return Ok(());
        };
        // A user counts once, as does a session that has not said whose it is.
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

    /// Whether this park may be discarded.
    pub(crate) fn room_for_discarded(&self, id: u64, limits: &ParkLimits) -> Result<(), ParkFull> {
        let discarded = self.iter().filter(|park| !park.is_open() || park.id == id);
        let bytes = discarded.map(counted).sum();
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
        author: Author,
        document: &State,
        update: Bytes,
        is_gone: impl Fn(SessionId) -> bool,
    ) -> u64 {
        let scanned = scan(&update).ok();
        let place = match (&scanned, fresh.reason) {
            (Some(scanned), ParkReason::Locked) => match self.place(author, document, scanned) {
                Place::Alone => self.inherited(&fresh, author, document, scanned, is_gone),
                place => place,
            },
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
            forms: BTreeSet::new(),
            originals: OnceLock::new(),
        });
        kept.park.session = session;
        kept.park.state = ParkState::Open;
        if let Place::Instead(_) = place {
            kept.clear();
        }
        if let Some(scanned) = &scanned {
            kept.learn(document, scanned);
            kept.forms.extend(author.source.and_then(|_| form(scanned)));
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

    /// This author's parks, those first of which it is likelier that an edit builds on them.
    fn of(&self, author: Author) -> impl Iterator<Item = &Kept> {
        let own =
            move |kept: &&Kept| author.wrote(&kept.park) && kept.park.reason == ParkReason::Locked;
        let open = self.parks.values().rev().filter(own);
        let discarded = self.parks.values().rev().filter(own);
        open.filter(|kept| kept.park.is_open())
            .chain(discarded.filter(|kept| !kept.park.is_open()))
    }

    /// The park of this author over which the update fits.
    fn under(&self, author: Author, document: &State, update: &Scan<'_>) -> Option<&Kept> {
        self.of(author)
            .find(|kept| fits(&document.judge_over(&kept.known, update)))
    }

    fn place(&self, author: Author, document: &State, update: &Scan<'_>) -> Place {
        if !fits(&document.judge(update)) {
            // It builds on one of them, also if that is discarded: apart from it, it could never be applied.
            let under = self.under(author, document, update);
            return under.map_or(Place::Alone, |kept| Place::With(kept.park.id));
        }
        // It needs none of them. What was discarded stays so.
        for kept in self.of(author).filter(|kept| kept.park.is_open()) {
            // Two sessions of one user may write under one client id.
            if !kept.agrees(document, update) {
                continue;
            }
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
        author: Author,
        document: &State,
        update: &Scan<'_>,
        is_gone: impl Fn(SessionId) -> bool,
    ) -> Place {
        let known = alone(document, update);
        let is_inherited = |kept: &&Kept| {
            let park = &kept.park;
            // A stock client says no name, and may come back from another source: its copy says enough.
            let same_user = park.user == fresh.user || author.is_stock;
            park.is_open()
                && park.reason == ParkReason::Locked
                && park.author == fresh.author
                && same_user
                && known.covers(&kept.known)
                && is_gone(park.session)
                && kept.agrees(document, update)
        };
        let park = self.parks.values().find(is_inherited);
        park.map_or(Place::Alone, |kept| Place::Instead(kept.park.id))
    }
}

impl Kept {
    fn clear(&mut self) {
        self.known = State::default();
        self.forms.clear();
        self.originals = OnceLock::new();
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
        if let Some(originals) = self.originals.get_mut() {
            originals.follow(update);
        }
    }

    fn originals(&self) -> &BlockStore {
        self.originals.get_or_init(|| {
            let mut originals = BlockStore::default();
            for update in &self.park.updates {
                if let Ok(scanned) = scan(update) {
                    originals.follow(&scanned);
                }
            }
            originals
        })
    }

    /// Compares what the update and the park have in common by its clocks: two clients that write under one
    /// id share clocks, and nothing else.
    fn agrees(&self, document: &State, update: &Scan<'_>) -> bool {
        Contents::of_park(self.originals()).agree(document, &self.known, update)
    }
}

/// What an update says, under whatever Yjs client id; nothing of one that is too large to be compared.
fn form(update: &Scan<'_>) -> Option<[u8; 32]> {
    (update.bytes().len() <= ALIKE).then(|| Sha256::digest(update.form()).into())
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
