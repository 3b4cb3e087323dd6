//! Opens a store: reads its meta row, documents and journal into an index, and finds damage.
//!
//! Damage is attributed to the documents that it can concern, and to no others. A row that cannot
//! be read at all concerns every document that cannot be shown to be whole without it. Nothing is
//! repaired or deleted here.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::error;

use crate::document_table::DocumentTable;
use crate::error::LogError;
use crate::format::codec::{BadRow, NUMBERS_END};
use crate::format::journal::{JournalRow, RowKind, roll};
use crate::format::rows::{BaseKind, DocumentRow, Meta, VERSION};
use crate::log_state::{CommitState, RecoveredStore, StoreContent};
use crate::store::traits::{Batch, Store, StoreError, StoreTable, StoreView};
use crate::store_index::{IndexedDocument, IndexedRun, StoreIndex};

/// Largest gap between document ids. Ids are dense except for rows that were lost; a larger gap is
/// damage, and the index must not reserve memory for it.
const LARGEST_HOLE: u64 = 1 << 16;

/// Reads a store. Writes the meta row of a new one.
pub(crate) fn recover(store: &dyn Store) -> Result<RecoveredStore, LogError> {
    let view = store.view().map_err(failed)?;
    let meta = match view.get(StoreTable::Meta, Meta::KEY).map_err(failed)? {
        Some(row) => read_meta(&row)?,
        None => {
            let meta = new_meta(&*view)?;
            let puts = vec![(StoreTable::Meta, Meta::KEY, meta.encode())];
            store
                .commit(Batch {
                    puts,
                    deletes: Vec::new(),
                })
                .map_err(failed)?;
            meta
        }
    };
    let mut scan = StoreScan {
        next_commit: meta.next_commit,
        ..StoreScan::default()
    };
    scan.read_documents(&*view).map_err(failed)?;
    scan.read_journal(&*view).map_err(failed)?;
    if let Some(commit) = scan.impossible {
        return Err(LogError::DamagedStore {
            what: format!("a journal row has the number {commit}, which no commit gets"),
        });
    }
    if !scan.unaccounted.is_empty() {
        scan.suspect(&*view).map_err(failed)?;
    }
    drop(view);
    scan.check();
    Ok(RecoveredStore {
        commit: CommitState {
            next_commit: scan.next_commit,
            epoch: meta.epoch,
        },
        content: StoreContent {
            index: scan.index,
            unnamed: scan.unnamed,
        },
        documents: scan.documents,
    })
}

/// Compares a reopened store with the index before. A document of which less is stored than was
/// durable is marked as damaged. Returns the number of such documents.
pub(crate) fn check_against(found: &mut RecoveredStore, before: &StoreIndex) -> usize {
    let mut lost = 0;
    for (id, document) in before.documents() {
        let there = found.content.index.document(id);
        let at = there.map_or(0, |there| there.last);
        let whole = there.is_some_and(|there| {
            *there.name == *document.name
                && there.last >= document.last
                && there.base >= document.base
        });
        if whole {
            continue;
        }
        lost += 1;
        let what = format!(
            "it was durable up to position {}, and after a failure of the disk \
             the store holds it up to {at}",
            document.last
        );
        error!(document = &*document.name, what, "a document is damaged");
        let mut damaged = IndexedDocument::new(document.name.clone(), 0, BaseKind::Nothing);
        damaged.last = document.last;
        damaged.damage(what);
        found.content.index.insert_document(id, damaged);
        found.documents.insert(document.name.clone(), id);
    }
    lost
}

fn failed(source: StoreError) -> LogError {
    match source {
        StoreError::InUse { path } => LogError::InUse { path },
        source => LogError::Start {
            source: Arc::new(source),
        },
    }
}

fn read_meta(row: &[u8]) -> Result<Meta, LogError> {
    let meta = Meta::decode(row).map_err(|BadRow(what)| LogError::DamagedStore {
        what: what.to_owned(),
    })?;
    if meta.version > VERSION {
        return Err(LogError::NewerFormat {
            found: meta.version,
            known: VERSION,
        });
    }
    Ok(meta)
}

/// A store is new only if it has no row at all; one that lost its meta row is damaged.
fn new_meta(view: &dyn StoreView) -> Result<Meta, LogError> {
    let mut empty = true;
    for table in StoreTable::ALL {
        view.scan(table, &mut |_, _| empty = false)
            .map_err(failed)?;
    }
    if !empty {
        return Err(LogError::DamagedStore {
            what: "the meta row is missing".to_owned(),
        });
    }
    Ok(Meta {
        version: VERSION,
        epoch: 1,
        next_commit: 1,
    })
}

#[derive(Default)]
struct StoreScan {
    index: StoreIndex,
    documents: DocumentTable,
    next_commit: u64,
    unnamed: Option<Arc<str>>,
    /// Rows of which not even the roll can be read.
    unaccounted: Vec<u64>,
    /// A row under a number that no commit gets. It may hold records of any document, and would be
    /// newer than all that is ever appended.
    impossible: Option<u64>,
}

impl StoreScan {
    fn read_documents(&mut self, view: &dyn StoreView) -> Result<(), StoreError> {
        view.scan(
            StoreTable::Documents,
            &mut |id, row| match DocumentRow::decode(id, row) {
                Ok(found) if self.is_possible(id) => {
                    let name: Arc<str> = found.name.into();
                    let before = self.documents.insert(name.clone(), id);
                    let mut document = IndexedDocument::new(name, found.base, found.base_kind);
                    if let Some(before) = before {
                        document.damage(format!("document #{before} has the same name"));
                    }
                    self.index.insert_document(id, document);
                }
                Ok(_) => self.unname(id, "its id is out of range"),
                Err(BadRow(what)) => self.unname(id, what),
            },
        )
    }

    fn is_possible(&self, id: u64) -> bool {
        (1..self.index.next_id() + LARGEST_HOLE).contains(&id)
    }

    /// Notes a document whose name is lost: any unknown name could be its name.
    fn unname(&mut self, id: u64, what: &str) {
        error!(id, what, "a stored document has lost its name");
        let what: Arc<str> =
            format!("row of document #{id}: {what}; so a name that is not known could be its name")
                .into();
        if self.is_possible(id) {
            let mut document =
                IndexedDocument::new(format!("document #{id}").into(), 0, BaseKind::Nothing);
            document.damage = Some(what.clone());
            self.index.insert_document(id, document);
        }
        self.unnamed = Some(what);
    }

    fn read_journal(&mut self, view: &dyn StoreView) -> Result<(), StoreError> {
        view.scan(StoreTable::Journal, &mut |commit, row| {
            if commit >= NUMBERS_END {
                self.impossible = Some(commit);
                return;
            }
            self.next_commit = self.next_commit.max(commit + 1);
            if let Err(BadRow(what)) = self.row(commit, row) {
                self.damaged_row(commit, row, what);
            }
        })
    }

    fn row(&mut self, commit: u64, row: &[u8]) -> Result<(), BadRow> {
        let mut empty = true;
        for run in JournalRow::parse(commit, row)?.runs() {
            let run = run?;
            if self.index.document(run.id).is_none() {
                self.unname(run.id, "the row is missing");
            }
            self.index.add_run(
                run.id,
                IndexedRun::new(run.first, run.count, run.bytes, commit),
            );
            empty = false;
        }
        if empty {
            self.index.add_dead_row(commit);
        }
        Ok(())
    }

    /// Attributes a row's damage to the documents that its roll names and that still need it.
    fn damaged_row(&mut self, commit: u64, row: &[u8], what: &str) {
        let Ok(roll) = roll(commit, row) else {
            error!(
                commit,
                what, "a journal row cannot be read, nor whose records it held"
            );
            self.unaccounted.push(commit);
            return;
        };
        let mut needed = false;
        for (id, last) in roll {
            // Its id must not be given to another document, which would then have this damage.
            if self.index.document(id).is_none() {
                self.unname(id, "the row is missing");
            }
            if let Some(document) = self.index.document_mut(id)
                && document.base < last
            {
                document.damage(format!("journal commit {commit}: {what}"));
                // The document was durable up to there: an erasure of it must stand at or after
                // that.
                document.last = document.last.max(last);
                needed = true;
            }
        }
        if !needed {
            self.index.add_dead_row(commit);
        }
    }

    /// Marks documents that may have records in rows of which nothing is known. A document is whole
    /// only if its last record was *appended* after those rows, for then a missing record would
    /// leave a gap before it.
    fn suspect(&mut self, view: &dyn StoreView) -> Result<(), StoreError> {
        let newest_unaccounted = self.unaccounted.iter().copied().max().unwrap_or(0);
        let mut shown: HashMap<u64, u64> = HashMap::new();
        view.scan(StoreTable::Journal, &mut |commit, row| {
            let Ok(row) = JournalRow::parse(commit, row) else {
                return;
            };
            if row.kind == RowKind::Appended && commit > newest_unaccounted {
                for run in row.runs().flatten() {
                    shown.insert(run.id, run.end() - 1);
                }
            }
        })?;
        let suspects: Vec<u64> = self
            .index
            .documents()
            .filter(|(id, document)| {
                shown
                    .get(id)
                    .is_none_or(|shown| *shown < document.last.max(document.base))
            })
            .map(|(id, _)| id)
            .collect();
        for id in suspects {
            if let Some(document) = self.index.document_mut(id) {
                document.damage(format!(
                    "journal commit {newest_unaccounted} cannot be read at all \
                     and may hold records of it"
                ));
            }
        }
        Ok(())
    }

    /// Sorts the runs of each document, and finds records that are missing or stored twice.
    fn check(&mut self) {
        let ids: Vec<u64> = self.index.documents().map(|(id, _)| id).collect();
        for id in ids {
            let Some(document) = self.index.document_mut(id) else {
                continue;
            };
            if !document.runs.iter().is_sorted_by_key(|run| run.first) {
                document.runs.make_contiguous().sort_by_key(|run| run.first);
            }
            let mut next = document.base + 1;
            let mut gap = None;
            for run in &document.runs {
                if run.first != next && gap.is_none() {
                    gap = Some((next, run.first, run.commit));
                }
                next = run.end();
            }
            if let Some((expected, found, commit)) = gap {
                document.damage(format!(
                    "journal commit {commit}: position {found} follows where {expected} should"
                ));
            }
            if next == 1 && document.base_kind == BaseKind::Nothing {
                document.damage("no record of it is left".to_owned());
            }
            if let Some(what) = &document.damage {
                error!(
                    document = &*document.name,
                    what = &**what,
                    "a document is damaged"
                );
            }
        }
    }
}
