//! Reads all that is stored of one document, verified and complete.
//!
//! A part that is missing or damaged is an error of that document, never a shorter result.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::LogError;
use crate::format::codec::BadRow;
use crate::format::journal::{JournalRow, StoredRun};
use crate::format::rows::decode_snapshot;
use crate::position::Position;
use crate::store::traits::{StoreTable, StoreView};
use crate::store_index::{IndexedDocument, IndexedRun};
use crate::types::LoadedDocument;

/// Reads a document as the index describes it. The view must be of the same moment.
pub(crate) fn read_document(
    view: &dyn StoreView,
    id: u64,
    document: &IndexedDocument,
) -> Result<LoadedDocument, LogError> {
    let damaged = |what: String| LogError::Damaged {
        document: document.name.clone(),
        what: what.into(),
    };
    if let Some(what) = &document.damage {
        return Err(LogError::Damaged {
            document: document.name.clone(),
            what: what.clone(),
        });
    }
    let get = |table, key| {
        view.get(table, key).map_err(|source| LogError::Load {
            document: document.name.clone(),
            source: Arc::new(source),
        })
    };
    let mut snapshot = None;
    if document.base_kind.has_snapshot() {
        let row = get(StoreTable::Snapshots, id)?
            .ok_or_else(|| damaged("its snapshot is missing".to_owned()))?;
        let (at, bytes) = decode_snapshot(id, &row)
            .map_err(|BadRow(what)| damaged(format!("snapshot of document #{id}: {what}")))?;
        if at != document.base {
            return Err(damaged(format!(
                "its snapshot is at {at}, not at {}",
                document.base
            )));
        }
        snapshot = Some((Position::new(at), bytes));
    }
    let mut tail = Vec::new();
    let (mut row, mut commit) = (Bytes::new(), None);
    for run in &document.runs {
        if commit != Some(run.commit) {
            row = get(StoreTable::Journal, run.commit)?.unwrap_or_default();
            commit = Some(run.commit);
        }
        read_run(&row, id, run, &mut tail).map_err(|BadRow(what)| {
            damaged(format!(
                "journal commit {} of document #{id}: {what}",
                run.commit
            ))
        })?;
    }
    Ok(LoadedDocument {
        snapshot,
        tail,
        erased: document.is_erased(),
    })
}

fn read_run(
    row: &[u8],
    id: u64,
    run: &IndexedRun,
    tail: &mut Vec<(Position, Bytes)>,
) -> Result<(), BadRow> {
    let stored = find(row, id, run)?;
    let records = stored.records()?;
    let wanted = &records[(run.first - stored.first) as usize..];
    // Copied, so that a record that is kept in memory does not keep a row of other documents.
    let mut rest = Bytes::from(wanted.concat());
    for (position, record) in (run.first..).zip(wanted) {
        tail.push((Position::new(position), rest.split_to(record.len())));
    }
    Ok(())
}

/// Finds the stored run that ends with the run of the index. Records at its front may no longer be
/// needed.
fn find<'a>(row: &'a [u8], id: u64, run: &IndexedRun) -> Result<StoredRun<'a>, BadRow> {
    for stored in JournalRow::parse(run.commit, row)?.runs() {
        let stored = stored?;
        if stored.id == id && stored.end() == run.end() && stored.first <= run.first {
            return Ok(stored);
        }
    }
    Err(BadRow("the records are not in it"))
}
