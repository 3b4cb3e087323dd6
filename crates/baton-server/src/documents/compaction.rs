//! Writes snapshots of open documents while they are in use.
//!
//! Owns the work, not the rule for when it is due. A small snapshot is written by the document's
//! own task; a large one on the pool, beside the document. A snapshot that is lost with the process
//! costs nothing but space, because the log keeps all records until it is stored.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use baton_room::{Snapshot, SnapshotDraft, SnapshotError};

use crate::config::Settings;
use crate::documents::open_document::OpenDocument;
use crate::documents::work_cost;

/// Bytes of a document up to which its own task writes the snapshot.
const WRITTEN_AT_ONCE: usize = 64 * 1024;

/// Writes a snapshot if the log has grown enough since the last one, or if the document is near its
/// limit.
pub(crate) async fn compact_if_due(document: &Arc<OpenDocument>, settings: &Arc<Settings>) {
    if document.snapshot_is_due(settings).await {
        compact(document, settings).await;
    }
}

/// Writes a snapshot of an idle document whose log is long, so that it can be opened quickly again.
/// Not part of the step out of memory, because connections to any document may wait for that.
pub(crate) async fn compact_if_idle(document: &Arc<OpenDocument>, settings: &Arc<Settings>) {
    if document.idle_snapshot_is_due(settings).await {
        compact(document, settings).await;
    }
}

async fn compact(document: &Arc<OpenDocument>, settings: &Arc<Settings>) {
    let Some(mut draft) = document.draft_snapshot().await else {
        return;
    };
    if draft.document_bytes() <= WRITTEN_AT_ONCE {
        let written = write(&mut draft, document.name());
        document.finish_snapshot(written).await;
        return;
    }
    // Not awaited, because the document's task has deadlines to keep.
    tokio::spawn(compact_aside(
        Arc::clone(document),
        Arc::clone(settings),
        draft,
    ));
}

/// Writes a snapshot on the pool, and the next one if the log has grown enough meanwhile. The
/// document may get no other edit that would ask for it.
async fn compact_aside(
    document: Arc<OpenDocument>,
    settings: Arc<Settings>,
    mut draft: SnapshotDraft,
) {
    loop {
        let class = work_cost::snapshot(draft.document_bytes());
        let turn = document.pool().turn(class).await;
        let writer = Arc::clone(&document);
        let writing = turn.run(move || write(&mut draft, writer.name()));
        let Ok(written) = writing.await else {
            return;
        };
        document.finish_snapshot(written).await;
        if !document.snapshot_is_due(&settings).await {
            return;
        }
        let Some(next) = document.draft_snapshot().await else {
            return;
        };
        draft = next;
    }
}

/// Writes a snapshot. Never panics: the caller has to end the state in which the document cannot
/// leave memory.
fn write(draft: &mut SnapshotDraft, name: &str) -> Result<Snapshot, SnapshotError> {
    let written = catch_unwind(AssertUnwindSafe(|| draft.write()));
    written.unwrap_or_else(|_panic| {
        tracing::error!(
            document = name,
            "removing deleted content from a snapshot panicked; it is stored with the snapshot"
        );
        draft.write_as_it_is()
    })
}
