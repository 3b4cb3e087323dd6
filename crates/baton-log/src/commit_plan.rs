//! The plan of one commit: its rows for the store, and the same change for the index.
//!
//! A plan is made from the index, and applied to it only after the store has committed it. It reads
//! rows that are to be moved, and writes nothing itself.

use std::sync::Arc;

use bytes::Bytes;
use tracing::warn;

use crate::commit_queue::{PendingCommit, QueuedRecord};
use crate::format::codec::BadRow;
use crate::format::journal::{JournalRow, JournalRowBuilder, RowKind};
use crate::format::rows::{BaseKind, DocumentRow, Meta, VERSION, encode_snapshot};
use crate::log_state::CommitState;
use crate::store::traits::{Batch, Store, StoreTable, StoreView};
use crate::store_index::{IndexedDocument, IndexedRun, StoreIndex};

/// Size at which a row is closed, in bytes. So reading one document's record never means reading
/// much more than that; a larger record has a row of its own.
const ROW_BYTES: usize = 256 << 10;

/// Most rows that one commit deletes.
const DELETED_ROWS: usize = 256;

/// Most rows that one commit moves.
const MOVED_ROWS: usize = 64;

/// Most bytes that one commit moves.
const MOVED_BYTES: u64 = 4 << 20;

/// The changes of one commit.
pub(crate) struct CommitPlan {
    pub(crate) batch: Batch,
    next_commit: u64,
    created: Vec<(u64, Arc<str>)>,
    runs: Vec<(u64, IndexedRun)>,
    moved: Vec<(u64, u64, u64)>,
    /// Document id, base, kind of base, and length of the snapshot there.
    bases: Vec<(u64, u64, BaseKind, u64)>,
    deleted: Vec<u64>,
    pinned: Vec<u64>,
}

impl CommitPlan {
    /// Plans the commit of what was taken, together with some tidying. Sorts the records by
    /// document.
    pub(crate) fn new(
        commit_state: &CommitState,
        index: &StoreIndex,
        store: &dyn Store,
        taken: &mut PendingCommit,
        relocate_bytes: u64,
    ) -> CommitPlan {
        let mut plan = CommitPlan {
            batch: Batch::default(),
            next_commit: commit_state.next_commit,
            created: Vec::new(),
            runs: Vec::new(),
            moved: Vec::new(),
            bases: Vec::new(),
            deleted: Vec::new(),
            pinned: Vec::new(),
        };
        plan.add_records(index, &mut taken.records);
        plan.add_documents(index, taken);
        plan.add_chores(commit_state, index, store, relocate_bytes);
        plan
    }

    fn add_records(&mut self, index: &StoreIndex, records: &mut [QueuedRecord]) {
        // A stable sort keeps the records of one document in the order of their positions.
        records.sort_by_key(|record| record.id);
        let mut row = JournalRowBuilder::new(RowKind::Appended);
        for run in records.chunk_by(|one, next| one.id == next.id) {
            if index.document(run[0].id).is_none() {
                self.created.push((run[0].id, run[0].watch.name().clone()));
            }
            let mut rest = run;
            while !rest.is_empty() {
                let fitting = fitting(rest, ROW_BYTES.saturating_sub(row.bytes()));
                if fitting == 0 && !row.is_empty() {
                    let full =
                        std::mem::replace(&mut row, JournalRowBuilder::new(RowKind::Appended));
                    self.put_row(full);
                    continue;
                }
                let (now, later) = rest.split_at(fitting.max(1));
                let bytes = now.iter().map(|record| record.bytes.len() as u64).sum();
                let (id, first) = (now[0].id, now[0].position);
                row.run(id, first, now);
                self.runs.push((
                    id,
                    IndexedRun::new(first, now.len() as u64, bytes, self.next_commit),
                ));
                rest = later;
            }
        }
        self.put_row(row);
    }

    fn put_row(&mut self, row: JournalRowBuilder) {
        if !row.is_empty() {
            let commit = self.next_commit;
            self.batch
                .puts
                .push((StoreTable::Journal, commit, row.finish(commit)));
            self.next_commit += 1;
        }
    }

    /// Adds snapshots, and a row for each document that is new or has a new base.
    fn add_documents(&mut self, index: &StoreIndex, taken: &PendingCommit) {
        // Sorted by id, because the records were.
        let with_records = self.created.len();
        for (&id, snapshot) in &taken.snapshots {
            let name = snapshot.watch.name();
            let base_kind = snapshot.base_kind;
            match &snapshot.bytes {
                Some(bytes) => {
                    let row = encode_snapshot(id, snapshot.at, bytes);
                    self.batch.puts.push((StoreTable::Snapshots, id, row));
                }
                None => self.batch.deletes.push((StoreTable::Snapshots, id)),
            }
            let bytes = snapshot.bytes.as_ref().map_or(0, Bytes::len);
            let row = DocumentRow {
                base: snapshot.at,
                base_kind,
                name,
            }
            .encode(id);
            self.batch.puts.push((StoreTable::Documents, id, row));
            let known = index.document(id).is_some()
                || self.created[..with_records]
                    .binary_search_by_key(&id, |created| created.0)
                    .is_ok();
            if !known {
                self.created.push((id, name.clone()));
            }
            self.bases.push((id, snapshot.at, base_kind, bytes as u64));
        }
        for (id, name) in &self.created[..with_records] {
            if !taken.snapshots.contains_key(id) {
                let row = DocumentRow {
                    base: 0,
                    base_kind: BaseKind::Nothing,
                    name,
                }
                .encode(*id);
                self.batch.puts.push((StoreTable::Documents, *id, row));
            }
        }
    }

    /// Deletes some rows that are no longer needed, and moves together the rest of some others.
    fn add_chores(
        &mut self,
        commit_state: &CommitState,
        index: &StoreIndex,
        store: &dyn Store,
        relocate_bytes: u64,
    ) {
        self.deleted.extend(index.dead().take(DELETED_ROWS));
        let mut worth = index
            .worth_moving(relocate_bytes)
            .take(MOVED_ROWS)
            .peekable();
        if worth.peek().is_some() {
            match store.view() {
                Ok(view) => self.relocate(index, &*view, worth),
                Err(error) => {
                    warn!(%error, "some journal rows could not be read; they are not moved");
                    self.pinned.extend(worth.map(|row| row.0));
                }
            }
        }
        let delete = |commit: &u64| (StoreTable::Journal, *commit);
        self.batch.deletes.extend(self.deleted.iter().map(delete));
        // Commit numbers are never used again, even if the journal is left empty.
        if self.next_commit == commit_state.next_commit
            && self
                .deleted
                .iter()
                .any(|commit| commit + 1 == self.next_commit)
        {
            let meta = Meta {
                version: VERSION,
                epoch: commit_state.epoch,
                next_commit: self.next_commit,
            };
            self.batch
                .puts
                .push((StoreTable::Meta, Meta::KEY, meta.encode()));
        }
    }

    fn relocate(
        &mut self,
        index: &StoreIndex,
        view: &dyn StoreView,
        rows: impl Iterator<Item = (u64, u64)>,
    ) {
        let mut target = JournalRowBuilder::new(RowKind::Relocated);
        let mut budget = MOVED_BYTES;
        for (commit, weight) in rows {
            let row = match view.get(StoreTable::Journal, commit) {
                Ok(row) => row.unwrap_or_default(),
                Err(error) => {
                    warn!(commit, %error, "a journal row could not be read; it is not moved");
                    self.pinned.push(commit);
                    continue;
                }
            };
            match live_runs(index, commit, &row) {
                Ok(runs) => {
                    for (id, first, records) in runs {
                        target.run(id, first, &records);
                        self.moved.push((id, first, self.next_commit));
                    }
                    self.deleted.push(commit);
                }
                Err(BadRow(what)) => {
                    warn!(commit, what, "a journal row is damaged; it is not moved");
                    self.pinned.push(commit);
                }
            }
            if target.bytes() >= ROW_BYTES {
                let full =
                    std::mem::replace(&mut target, JournalRowBuilder::new(RowKind::Relocated));
                self.put_row(full);
            }
            budget = budget.saturating_sub(weight);
            if budget == 0 {
                break;
            }
        }
        self.put_row(target);
    }

    /// Applies the changes to the index, after the store has committed them.
    pub(crate) fn apply(self, commit_state: &mut CommitState, index: &mut StoreIndex) {
        for (id, name) in self.created {
            let document = IndexedDocument::new(name, 0, BaseKind::Nothing);
            index.insert_document(id, document);
        }
        for (id, run) in self.runs {
            index.add_run(id, run);
        }
        for (id, first, to) in self.moved {
            index.move_run(id, first, to);
        }
        for commit in self.deleted {
            index.remove_row(commit);
        }
        for commit in self.pinned {
            index.pin_row(commit);
        }
        for (id, base, base_kind, bytes) in self.bases {
            index.set_base(id, base, base_kind, bytes);
        }
        commit_state.next_commit = self.next_commit;
    }

    /// Returns true if there is nothing to commit.
    pub(crate) fn is_empty(&self) -> bool {
        self.batch.puts.is_empty() && self.batch.deletes.is_empty()
    }
}

/// Returns the number of records that fit into `room` bytes.
fn fitting(records: &[QueuedRecord], room: usize) -> usize {
    let mut bytes = 0;
    let over = records.iter().position(|record| {
        // The length in the directory takes a few bytes, too.
        bytes += record.bytes.len() + 4;
        bytes > room
    });
    over.unwrap_or(records.len())
}

type LiveRun<'a> = (u64, u64, Vec<&'a [u8]>);

/// Returns the verified records of a row that are still needed.
fn live_runs<'a>(
    index: &StoreIndex,
    commit: u64,
    row: &'a Bytes,
) -> Result<Vec<LiveRun<'a>>, BadRow> {
    let mut found = Vec::new();
    for run in JournalRow::parse(commit, row)?.runs() {
        let run = run?;
        let Some(document) = index.document(run.id) else {
            continue;
        };
        let at = document.runs.partition_point(|live| live.end() < run.end());
        let Some(live) = document.runs.get(at) else {
            continue;
        };
        if live.commit == commit && live.end() == run.end() && live.first >= run.first {
            let mut records = run.records()?;
            records.drain(..(live.first - run.first) as usize);
            found.push((run.id, live.first, records));
        }
    }
    Ok(found)
}

impl AsRef<[u8]> for QueuedRecord {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
