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

/// Writes a snapshot however short the log is, and returns when it is stored or has failed. One
/// that is being written already is as good.
pub(crate) async fn compact_now(document: &Arc<OpenDocument>, settings: &Arc<Settings>) {
    if let Some(draft) = document.draft_snapshot().await {
        compact_aside(Arc::clone(document), Arc::clone(settings), draft).await;
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

#[cfg(test)]
mod tests {
    use baton_log::{Log, LogOptions};
    use baton_presence::{Rights, Time};
    use baton_room::{ConnectionId, Incoming, ResumeToken, Room, SyncKind};
    use bytes::Bytes;
    use bytesize::ByteSize;

    use super::*;
    use crate::access::Authorizer;
    use crate::documents::registry::Registry;
    use crate::documents::work_cost::StepKind;

    /// Returns an update in which a client writes so many letters into the text "t".
    fn writes(client: u8, letters: usize) -> Bytes {
        let mut update = vec![1, 1, client, 0, 4, 1, 1, b't'];
        let mut length = letters;
        while length > 0x7f {
            update.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        update.push(length as u8);
        update.resize(update.len() + letters, b'x');
        update.push(0);
        update.into()
    }

    async fn edit(document: &Arc<OpenDocument>, client: u8, letters: usize) {
        let update = writes(client, letters);
        let edit = move |room: &mut Room, now: Time| {
            let edit = Incoming::Sync(SyncKind::Update, update);
            let connection = ConnectionId(client.into());
            room.connect(connection, Rights::ALL);
            room.receive(connection, edit, ResumeToken::new([client; 16]), now);
        };
        document.own_step(StepKind::Light, edit).await.unwrap();
    }

    /// The commit of such an edit found a snapshot under way, and no later one asked again.
    #[tokio::test]
    async fn edits_that_come_while_a_snapshot_is_written_get_one_as_well() {
        let settings = Arc::new(Settings {
            compact_after: ByteSize::kib(64),
            ..Settings::default()
        });
        let log = Arc::new(Log::in_memory(LogOptions::default()).unwrap());
        let authorizer = Arc::new(Authorizer::new(&settings).unwrap());
        let registry = Registry::new(Arc::clone(&settings), log, authorizer);
        let document = registry.open("notes").await.unwrap();
        edit(&document, 1, 40_000).await;
        let draft = document.draft_snapshot().await.expect("none is under way");
        edit(&document, 2, 300_000).await;
        assert!(document.draft_snapshot().await.is_none());
        assert!(document.snapshot_is_due(&settings).await);
        compact_aside(Arc::clone(&document), Arc::clone(&settings), draft).await;
        assert!(!document.snapshot_is_due(&settings).await);
    }
}
