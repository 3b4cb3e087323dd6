//! Opens documents: claims the name, waits for what an earlier handle left, and reads the store.
//!
//! Functions over a running log. If opening fails, the claim is given back.

use std::sync::Arc;

use crate::document_log::DocumentLog;
use crate::document_table::ClaimedDocument;
use crate::error::LogError;
use crate::log_state::{LogState, StoreContent};
use crate::read_document::read_document;
use crate::running_log::RunningLog;
use crate::store::traits::StoreView;
use crate::store_index::IndexedDocument;
use crate::types::LoadedDocument;

/// Opens a document and reads all that is stored of it; see [`Log::open`](crate::Log::open).
pub(crate) fn open(
    running: &Arc<RunningLog>,
    document: &str,
) -> Result<(DocumentLog, LoadedDocument), LogError> {
    let state = running.state();
    let claimed = state.documents.claim(document)?;
    let opened = read(running, &claimed);
    if opened.is_err() {
        give_back(state, &claimed);
    }
    opened
}

/// Opens a document without anything stored; see [`Log::open_new`](crate::Log::open_new).
pub(crate) fn open_new(
    running: &Arc<RunningLog>,
    document: &str,
) -> Result<Option<DocumentLog>, LogError> {
    let state = running.state();
    let all_named = |content: &StoreContent| content.unnamed.is_none();
    let content = state.content.try_read();
    if !content.is_some_and(|content| all_named(&content)) {
        return Ok(None);
    }
    let Some(claimed) = state.documents.claim_new(document)? else {
        return Ok(None);
    };
    // Checked after the claim: a log that fails from here on reports it to this handle.
    if let Err(error) = state.queue.check_generation(claimed.watch.generation()) {
        give_back(state, &claimed);
        return Err(error);
    }
    let (running, loaded) = (running.clone(), LoadedDocument::default());
    let log = DocumentLog::new(running, claimed.watch, claimed.id, 0, &loaded);
    Ok(Some(log))
}

/// Opens a document without reading it; see [`Log::open_unread`](crate::Log::open_unread).
pub(crate) fn open_unread(
    running: &Arc<RunningLog>,
    document: &str,
) -> Result<DocumentLog, LogError> {
    let state = running.state();
    let claimed = state.documents.claim(document)?;
    let checked = state.queue.check_generation(claimed.watch.generation());
    let found = checked.and_then(|()| {
        state.queue.wait_for(claimed.queued_through);
        find(state, &claimed)
    });
    match found {
        Ok(found) => {
            let last = found.map_or(0, |found| found.last);
            claimed.watch.advance(last);
            let (running, loaded) = (running.clone(), LoadedDocument::default());
            let (watch, id) = (claimed.watch, claimed.id);
            Ok(DocumentLog::new(running, watch, id, last, &loaded))
        }
        Err(error) => {
            give_back(state, &claimed);
            Err(error)
        }
    }
}

fn give_back(state: &LogState, claimed: &ClaimedDocument) {
    state
        .documents
        .release(&claimed.watch, claimed.id, claimed.queued_through);
}

fn read(
    running: &Arc<RunningLog>,
    claimed: &ClaimedDocument,
) -> Result<(DocumentLog, LoadedDocument), LogError> {
    let (state, watch) = (running.state(), &claimed.watch);
    state.queue.check()?;
    state.queue.wait_for(claimed.queued_through);
    let (base, loaded) = match find(state, claimed)? {
        None => (0, LoadedDocument::default()),
        Some(found) => match read_document(&*view(state, &found)?, claimed.id, &found) {
            // A commit under way may have moved rows that the index still showed elsewhere.
            Err(LogError::Damaged { .. }) if found.damage.is_none() => {
                let no_commit = state.commit.lock();
                let found = find(state, claimed)?.unwrap_or(found);
                let view = view(state, &found);
                drop(no_commit);
                (found.base, read_document(&*view?, claimed.id, &found)?)
            }
            loaded => (found.base, loaded?),
        },
    };
    if let Some((at, bytes)) = &loaded.snapshot {
        let mut content = state.content.write();
        let len = bytes.len() as u64;
        content.index.note_snapshot(claimed.id, at.get(), len);
    }
    watch.advance(base + loaded.tail.len() as u64);
    let opened = DocumentLog::new(running.clone(), watch.clone(), claimed.id, base, &loaded);
    // The store may have failed after the first check; then an earlier generation was read.
    state.queue.check_generation(watch.generation())?;
    Ok((opened, loaded))
}

/// Returns the index's entry of a document; `None` if nothing is stored under its name.
fn find(state: &LogState, claimed: &ClaimedDocument) -> Result<Option<IndexedDocument>, LogError> {
    let content = state.content.read();
    match (content.index.document(claimed.id), &content.unnamed) {
        (Some(found), _) => Ok(Some(found.clone())),
        (None, None) => Ok(None),
        (None, Some(what)) => Err(LogError::Damaged {
            document: claimed.watch.name().clone(),
            what: what.clone(),
        }),
    }
}

fn view(state: &LogState, found: &IndexedDocument) -> Result<Box<dyn StoreView>, LogError> {
    state.view().map_err(|source| LogError::Load {
        document: found.name.clone(),
        source: Arc::new(source),
    })
}
