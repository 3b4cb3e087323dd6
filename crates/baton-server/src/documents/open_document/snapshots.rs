//! Snapshots of an open document: when one is due, and writing it while the document goes on.
//!
//! Owns that one is written at a time, and that the document stays in memory meanwhile. A snapshot stands for the position
//! that it was drafted at, however late it comes; until it is stored the log keeps the records that it stands for, so one
//! that fails, or that the end of the process cuts off, costs nothing but space and the time of the next opening. What takes long
//! of it is done on the pool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use baton_log::Position;
use baton_room::{Former, Snapshot, SnapshotDraft, SnapshotError};

use super::document_state::DocumentState;
use super::{Acquired, Gone, OpenDocument};
use crate::config::Settings;
use crate::connection::pending_flushes::PendingFlushes;
use crate::documents::work_cost::{self, StepKind};

/// A document with a longer tail than this gets a snapshot before it leaves memory, so that opening it stays quick.
const UNLOAD_SNAPSHOT_BYTES: u64 = 16 * 1024;

/// The same, in records.
const UNLOAD_SNAPSHOT_RECORDS: u64 = 64;

/// A snapshot of a document that has at most this many bytes is written by the document's own task.
const WRITTEN_AT_ONCE: usize = 64 * 1024;

/// What is remembered of a document's snapshots.
#[derive(Debug, Default)]
pub(super) struct SnapshotSchedule {
    /// One is being written, outside of the document's lock.
    writing: bool,
    /// Length of the last one, so that a large document is not written anew for every few edits.
    last_bytes: u64,
    /// After a failure: how long the log's tail must be before the next attempt. Neither the commits nor the document's
    /// leaving may turn into attempt after attempt.
    again_at: u64,
}

impl SnapshotSchedule {
    pub(super) const fn is_writing(&self) -> bool {
        self.writing
    }

    const fn failed(&mut self, tail_bytes: u64) {
        self.again_at = tail_bytes.saturating_mul(2).saturating_add(1);
    }
}

impl OpenDocument {
    /// Writes a snapshot when enough has been appended since the last one.
    pub(crate) async fn compact_if_due(self: &Arc<Self>, settings: &Settings) {
        let mut held = self.gate.take().await;
        let Some(state) = held.as_mut() else {
            return;
        };
        let SnapshotSchedule {
            last_bytes,
            again_at,
            ..
        } = state.snapshots;
        let due = settings.compact_after.as_u64();
        let long = state.log.tail_bytes() >= due.max(last_bytes).max(again_at);
        let now = self.clock.now();
        if !long && !state.account.wants_snapshot(&state.log, now) {
            return;
        }
        drop(held);
        self.snapshot().await;
    }

    /// Gives an idle document with a long tail a snapshot, so that opening it again stays quick. Not part of the step out
    /// of memory, which others wait for.
    pub(crate) async fn compact_if_idle(self: &Arc<Self>, settings: &Settings) {
        let held = self.gate.take().await;
        let Some(state) = held.as_ref() else {
            return;
        };
        let bytes = state.log.tail_bytes();
        let long =
            bytes >= UNLOAD_SNAPSHOT_BYTES || state.log.tail_records() >= UNLOAD_SNAPSHOT_RECORDS;
        let again = bytes >= state.snapshots.again_at;
        if !long || !again || !state.is_idle(self.clock.now(), settings) {
            return;
        }
        drop(held);
        self.snapshot().await;
    }

    /// Drafts a snapshot and writes it: a small one here and now, a large one on the pool.
    async fn snapshot(self: &Arc<Self>) {
        let draft = |held: &mut Option<Box<DocumentState>>| held.as_mut()?.draft();
        let drafted = match self
            .acquire(StepKind::Snapshot, &mut PendingFlushes::default())
            .await
        {
            Ok(Acquired::Inline(mut held)) => draft(&mut held),
            Ok(Acquired::OnPool(mut held, turn)) => {
                turn.run(move || draft(&mut held)).await.ok().flatten()
            }
            Err(Gone) => None,
        };
        let Some(mut draft) = drafted else {
            return;
        };
        if draft.document_bytes() <= WRITTEN_AT_ONCE {
            let written = write(&mut draft, &self.name);
            self.store(written).await;
            return;
        }
        let hosted = Arc::clone(self);
        // Not awaited: the driver has deadlines to keep.
        tokio::spawn(async move {
            let name = Arc::clone(&hosted.name);
            let work = work_cost::snapshot(draft.document_bytes());
            let turn = hosted.pool.turn(work).await;
            if let Ok(written) = turn.run(move || write(&mut draft, &name)).await {
                hosted.store(written).await;
            }
        });
    }

    /// Stores a snapshot that was written while the document went on.
    async fn store(self: &Arc<Self>, written: Result<Snapshot, SnapshotError>) {
        let mut held = self.gate.take().await;
        // Gone meanwhile: the server stops, or the store failed. The log has all the records.
        let Some(state) = held.as_mut() else {
            return;
        };
        let former = state.written(written, &self.name);
        drop(held);
        // Takes as long as the document was large.
        if let Some(former) = former {
            tokio::task::spawn_blocking(move || drop(former));
        }
        // It may leave memory now.
        self.wake.notify_one();
    }
}

/// Writes a snapshot. It never panics, so that the flag which keeps the document in memory is taken back after it.
fn write(draft: &mut SnapshotDraft, name: &str) -> Result<Snapshot, SnapshotError> {
    let written = catch_unwind(AssertUnwindSafe(|| draft.write()));
    written.unwrap_or_else(|_panic| {
        tracing::error!(document = %name, "removing what was deleted from a snapshot panicked; it is stored with it");
        draft.write_as_it_is()
    })
}

impl DocumentState {
    /// What a snapshot is made from, unless one is being written. What comes of it goes to [`DocumentState::written`].
    fn draft(&mut self) -> Option<SnapshotDraft> {
        if self.snapshots.writing {
            return None;
        }
        self.snapshots.writing = true;
        Some(self.room.draft())
    }

    /// A snapshot was written, or could not be. Gives back what is to be dropped.
    fn written(&mut self, written: Result<Snapshot, SnapshotError>, name: &str) -> Option<Former> {
        self.snapshots.writing = false;
        match written {
            Ok(snapshot) => self.store(snapshot, name),
            Err(error) => {
                self.failed(name, &error);
                None
            }
        }
    }

    /// Stores a snapshot, and goes on with the document as it is there if that is worth it. Gives back what is to be dropped.
    fn store(&mut self, snapshot: Snapshot, name: &str) -> Option<Former> {
        if let Some(error) = snapshot.trouble {
            tracing::error!(document = name, %error, "what was deleted could not be removed from the snapshot, which is stored with it");
        }
        let bytes = snapshot.bytes.len() as u64;
        let at = Position::new(snapshot.position);
        if let Err(error) = self.log.snapshot(at, snapshot.bytes) {
            self.failed(name, &error);
            return None;
        }
        self.snapshots.last_bytes = bytes;
        self.snapshots.again_at = 0;
        let compacted = snapshot.compacted?;
        self.room.adopt(compacted)
    }

    fn failed(&mut self, name: &str, error: &dyn std::error::Error) {
        self.snapshots.failed(self.log.tail_bytes());
        tracing::warn!(document = name, %error, "no snapshot could be made; the log keeps everything, and it is tried again when it is twice as long");
    }
}
