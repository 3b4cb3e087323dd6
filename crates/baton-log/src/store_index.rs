//! The index of a store: the runs of records of each document, and the use of each journal row.
//!
//! Plain data, changed only after the commit that made the change durable. Decides which rows are
//! no longer needed and which are worth moving; reads and writes nothing itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::format::rows::BaseKind;

/// Weight of a record beside its bytes, so that rows of tiny records have a weight, too.
const RECORD_WEIGHT: u64 = 16;

/// Consecutive records of one document in one journal row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexedRun {
    pub(crate) first: u64,
    pub(crate) commit: u64,
    pub(crate) count: u32,
    pub(crate) weight: u32,
}

impl IndexedRun {
    pub(crate) fn new(first: u64, count: u64, bytes: u64, commit: u64) -> IndexedRun {
        let weight = u32::try_from(bytes + count * RECORD_WEIGHT).unwrap_or(u32::MAX);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        IndexedRun {
            first,
            commit,
            count,
            weight,
        }
    }

    /// Returns the position after the last record.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// Cuts off the records up to and including `base`. Returns the weight that was removed: an
    /// estimate for a part, exact for the whole, and the parts add up to the whole.
    fn trim(&mut self, base: u64) -> u32 {
        let gone = (base + 1)
            .saturating_sub(self.first)
            .min(u64::from(self.count));
        let weight = if gone == u64::from(self.count) {
            self.weight
        } else {
            (u64::from(self.weight) * gone / u64::from(self.count)) as u32
        };
        self.first += gone;
        self.count -= gone as u32;
        self.weight -= weight;
        weight
    }
}

/// The stored content of one document.
#[derive(Clone, Debug)]
pub(crate) struct IndexedDocument {
    pub(crate) name: Arc<str>,
    pub(crate) base: u64,
    pub(crate) base_kind: BaseKind,
    /// The last durable position.
    pub(crate) last: u64,
    /// Sorted by position, all after the base.
    pub(crate) runs: VecDeque<IndexedRun>,
    /// The reason why the document cannot be opened, if it is damaged.
    pub(crate) damage: Option<Arc<str>>,
    /// Length of the snapshot in bytes, once it was read or written: until then only the store
    /// knows.
    snapshot_bytes: Option<u64>,
}

impl IndexedDocument {
    pub(crate) fn new(name: Arc<str>, base: u64, base_kind: BaseKind) -> IndexedDocument {
        IndexedDocument {
            name,
            base,
            base_kind,
            last: base,
            runs: VecDeque::new(),
            damage: None,
            snapshot_bytes: (!base_kind.has_snapshot()).then_some(0),
        }
    }

    /// Returns true if nothing is stored except the remains of an erasure.
    pub(crate) fn is_erased(&self) -> bool {
        self.base_kind.is_erased() && self.runs.is_empty()
    }

    /// Returns the bytes of the records after the base.
    pub(crate) fn tail_bytes(&self) -> u64 {
        let weights = self
            .runs
            .iter()
            .map(|run| u64::from(run.weight).saturating_sub(u64::from(run.count) * RECORD_WEIGHT));
        weights.sum()
    }

    /// Marks the document as damaged. The first reason stays.
    pub(crate) fn damage(&mut self, what: String) {
        self.damage.get_or_insert_with(|| what.into());
    }
}

/// The use of a journal row, in weights.
#[derive(Clone, Copy, Debug, Default)]
struct RowUsage {
    total: u64,
    live: u64,
    live_runs: u32,
}

/// The index of a whole store.
#[derive(Debug, Default)]
pub(crate) struct StoreIndex {
    /// Indexed by document id; ids are dense and start at 1.
    documents: Vec<Option<IndexedDocument>>,
    stored: usize,
    /// Number of documents that are erased.
    erased: usize,
    /// Bytes written into rows since the start, less the bytes that were freed.
    grown: i64,
    rows: BTreeMap<u64, RowUsage>,
    dead: BTreeSet<u64>,
    sparse: BTreeSet<u64>,
    total: u64,
    live: u64,
}

impl StoreIndex {
    pub(crate) fn document(&self, id: u64) -> Option<&IndexedDocument> {
        self.documents.get(id as usize)?.as_ref()
    }

    pub(crate) fn document_mut(&mut self, id: u64) -> Option<&mut IndexedDocument> {
        self.documents.get_mut(id as usize)?.as_mut()
    }

    pub(crate) fn documents(&self) -> impl Iterator<Item = (u64, &IndexedDocument)> {
        let numbered = self.documents.iter().enumerate();
        numbered.filter_map(|(id, document)| Some((id as u64, document.as_ref()?)))
    }

    pub(crate) fn stored(&self) -> usize {
        self.stored
    }

    /// Returns the number of documents that are stored and not erased.
    pub(crate) fn held(&self) -> usize {
        self.stored - self.erased
    }

    /// Returns the growth of the rows since the start, in bytes. It is negative if more was freed.
    pub(crate) fn grown(&self) -> i64 {
        self.grown
    }

    /// Notes the length of a snapshot that was just read.
    pub(crate) fn note_snapshot(&mut self, id: u64, base: u64, bytes: u64) {
        if let Some(document) = self.document_mut(id)
            && document.base == base
        {
            document.snapshot_bytes.get_or_insert(bytes);
        }
    }

    /// Updates the number of erased documents after a change of this one.
    fn recount(&mut self, id: u64, before: bool) {
        let now = self.document(id).is_some_and(IndexedDocument::is_erased);
        self.erased += usize::from(now);
        self.erased -= usize::from(before);
    }

    /// Returns the id after the highest.
    pub(crate) fn next_id(&self) -> u64 {
        (self.documents.len() as u64).max(1)
    }

    pub(crate) fn insert_document(&mut self, id: u64, document: IndexedDocument) {
        let slot = id as usize;
        if self.documents.len() <= slot {
            self.documents.resize_with(slot + 1, || None);
        }
        self.stored += usize::from(self.documents[slot].is_none());
        let before = self.documents[slot].replace(document);
        self.recount(id, before.as_ref().is_some_and(IndexedDocument::is_erased));
    }

    /// Adds a run of a row. Only the part after the base of its document counts as live.
    pub(crate) fn add_run(&mut self, id: u64, mut run: IndexedRun) {
        let Some(document) = self.document_mut(id) else {
            return;
        };
        let before = document.is_erased();
        let (whole, commit) = (run.weight, run.commit);
        let gone = run.trim(document.base);
        document.last = document.last.max(run.end() - 1);
        let lives = run.count > 0;
        if lives {
            document.runs.push_back(run);
        }
        self.rows.entry(commit).or_default();
        self.change(commit, |usage| {
            usage.total += u64::from(whole);
            usage.live += u64::from(whole - gone);
            usage.live_runs += u32::from(lives);
        });
        self.grown += i64::from(whole);
        self.recount(id, before);
    }

    /// Adds a row without any record that is needed.
    pub(crate) fn add_dead_row(&mut self, commit: u64) {
        self.rows.entry(commit).or_default();
        self.change(commit, |_| ());
    }

    /// Notes that a run was moved to another row.
    pub(crate) fn move_run(&mut self, id: u64, first: u64, to: u64) {
        let Some(document) = self.document_mut(id) else {
            return;
        };
        let Ok(at) = document.runs.binary_search_by_key(&first, |run| run.first) else {
            return;
        };
        let run = &mut document.runs[at];
        let (from, weight) = (
            std::mem::replace(&mut run.commit, to),
            u64::from(run.weight),
        );
        self.change(from, |usage| {
            usage.live -= weight;
            usage.live_runs -= 1;
        });
        self.rows.entry(to).or_default();
        self.change(to, |usage| {
            usage.total += weight;
            usage.live += weight;
            usage.live_runs += 1;
        });
        self.grown += i64::try_from(weight).unwrap_or(i64::MAX);
    }

    /// Moves the base of a document: the records up to it are no longer needed. `bytes` is the
    /// length of the snapshot there.
    pub(crate) fn set_base(&mut self, id: u64, base: u64, base_kind: BaseKind, bytes: u64) {
        let Some(document) = self.document_mut(id) else {
            return;
        };
        let erased = document.is_erased();
        let before = document.snapshot_bytes.replace(bytes).unwrap_or(bytes);
        if base_kind.is_erased() && base >= document.last {
            document.damage = None;
        }
        document.base = base;
        document.base_kind = base_kind;
        document.last = document.last.max(base);
        let mut gone = Vec::new();
        while let Some(run) = document.runs.front_mut() {
            if run.first > base {
                break;
            }
            let (commit, weight) = (run.commit, run.trim(base));
            let whole = run.count == 0;
            gone.push((commit, u64::from(weight), u32::from(whole)));
            if !whole {
                break;
            }
            document.runs.pop_front();
        }
        if document.runs.is_empty() {
            document.runs = VecDeque::new();
        }
        for (commit, weight, runs) in gone {
            self.change(commit, |usage| {
                usage.live -= weight;
                usage.live_runs -= runs;
            });
        }
        let signed = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.grown += signed(bytes) - signed(before);
        self.recount(id, erased);
    }

    /// Removes a row that is no longer in the store.
    pub(crate) fn remove_row(&mut self, commit: u64) {
        if let Some(usage) = self.rows.remove(&commit) {
            self.grown -= i64::try_from(usage.total).unwrap_or(i64::MAX);
            self.total -= usage.total;
            self.live -= usage.live;
        }
        self.dead.remove(&commit);
        self.sparse.remove(&commit);
    }

    /// Keeps a row that cannot be read where it is, until the next start.
    pub(crate) fn pin_row(&mut self, commit: u64) {
        let grown = self.grown;
        self.remove_row(commit);
        // The row still takes its space.
        self.grown = grown;
    }

    /// Returns the rows that can be deleted.
    pub(crate) fn dead(&self) -> impl Iterator<Item = u64> {
        self.dead.iter().copied()
    }

    /// Returns the rows that are worth moving, oldest first, with their weights: none unless the
    /// journal is larger than `threshold` bytes and mostly dead.
    pub(crate) fn worth_moving(&self, threshold: u64) -> impl Iterator<Item = (u64, u64)> {
        let worth = self.total > threshold && self.live * 2 < self.total;
        let rows = self.sparse.iter().filter(move |_| worth);
        rows.map(|commit| {
            (
                *commit,
                self.rows.get(commit).map_or(0, |usage| usage.total),
            )
        })
    }

    /// Returns true if there are rows to delete or to move.
    pub(crate) fn has_chores(&self, threshold: u64) -> bool {
        !self.dead.is_empty() || self.worth_moving(threshold).next().is_some()
    }

    /// Changes the use of a row, unless the row is pinned.
    fn change(&mut self, commit: u64, change: impl FnOnce(&mut RowUsage)) {
        let Some(usage) = self.rows.get_mut(&commit) else {
            return;
        };
        self.total -= usage.total;
        self.live -= usage.live;
        change(usage);
        self.total += usage.total;
        self.live += usage.live;
        let (dead, sparse) = (usage.live_runs == 0, usage.live * 2 < usage.total);
        place(&mut self.dead, commit, dead);
        place(&mut self.sparse, commit, sparse && !dead);
    }
}

fn place(set: &mut BTreeSet<u64>, commit: u64, belongs: bool) {
    if belongs {
        set.insert(commit);
    } else {
        set.remove(&commit);
    }
}
