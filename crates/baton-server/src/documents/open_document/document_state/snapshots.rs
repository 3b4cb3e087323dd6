//! The snapshots of a document: when one is due, its way into the log, and the one that remains of
//! an erased document.

use std::sync::Arc;

use baton_log::Position;
use baton_presence::Time;
use baton_room::{RetiredReplica, Snapshot, SnapshotDraft, SnapshotError};

use tokio::sync::oneshot;

use super::DocumentState;
use crate::config::Settings;
use crate::documents::open_document::error::NotErased;

impl DocumentState {
    /// Notes a caller that waits until the document is erased. It gets no answer if the document
    /// leaves memory for another reason.
    pub(in crate::documents::open_document) fn await_erasure(
        &mut self,
        eraser: oneshot::Sender<Result<(), NotErased>>,
    ) {
        self.erasers.push(eraser);
    }

    /// Replaces what is stored of an erased document by what remains of it, and tells the callers
    /// that wait for it.
    pub(in crate::documents::open_document) fn finish_erasure(&mut self, name: &str) {
        let trouble = self.room.state().erasure();
        if let Some(error) = trouble.and_then(|erasure| erasure.trouble.as_ref()) {
            tracing::error!(
                document = name,
                %error,
                "the document could not be emptied: it is erased, but an old copy of a client brings its content back"
            );
        }
        let replaced = self.store_remnant();
        self.account.erased();
        for eraser in self.erasers.drain(..) {
            // A caller that has gone needs no answer.
            let _gone = eraser.send(replaced.clone());
        }
        match replaced {
            Ok(()) => tracing::info!(document = name, "the document was erased"),
            Err(error) => {
                tracing::error!(document = name, %error, "what remains of an erased document could not be stored");
            }
        }
    }

    fn store_remnant(&mut self) -> Result<(), NotErased> {
        let remains = self.room.state().snapshot().map_err(Arc::new)?;
        Ok(self.journal.erase_leaving(remains)?)
    }

    /// Returns true if a snapshot is to be written now: the log has grown, or the document is near
    /// its limit.
    pub(in crate::documents::open_document) fn snapshot_is_due(
        &mut self,
        now: Time,
        settings: &Settings,
    ) -> bool {
        let compact_after = settings.compact_after.as_u64();
        self.snapshots
            .is_due(self.journal.log().tail_bytes(), compact_after)
            || self.account.wants_snapshot(self.journal.log(), now)
    }

    /// Returns true if a snapshot is to be written before the idle document leaves memory.
    pub(in crate::documents::open_document) fn idle_snapshot_is_due(
        &self,
        now: Time,
        settings: &Settings,
    ) -> bool {
        let (bytes, records) = (
            self.journal.log().tail_bytes(),
            self.journal.log().tail_records(),
        );
        self.snapshots.is_due_before_unloading(bytes, records) && self.is_idle(now, settings)
    }

    /// Begins a snapshot, unless one is being written. Its result goes to
    /// [`DocumentState::finish_snapshot`].
    pub(in crate::documents::open_document) fn draft_snapshot(&mut self) -> Option<SnapshotDraft> {
        self.snapshots
            .begin()
            .then(|| self.room.snapshots().draft())
    }

    /// Stores a snapshot, and continues with the document as it is there if that saves memory.
    /// Returns what the caller has to drop, which may take long.
    pub(in crate::documents::open_document) fn finish_snapshot(
        &mut self,
        written: Result<Snapshot, SnapshotError>,
        name: &str,
    ) -> Option<RetiredReplica> {
        let snapshot = match written {
            Ok(snapshot) => snapshot,
            Err(error) => return self.snapshot_failed(name, &error),
        };
        if let Some(error) = snapshot.trouble {
            tracing::error!(
                document = name,
                %error,
                "deleted content could not be removed from a snapshot; it is stored with the snapshot"
            );
        }
        let bytes = snapshot.bytes.len() as u64;
        let at = Position::new(snapshot.position);
        if let Err(error) = self.journal.snapshot(at, snapshot.bytes) {
            return self.snapshot_failed(name, &error);
        }
        self.snapshots.stored(bytes);
        self.account.note(self.journal.log());
        self.room.snapshots().adopt(snapshot.compacted?)
    }

    fn snapshot_failed(
        &mut self,
        name: &str,
        error: &dyn std::error::Error,
    ) -> Option<RetiredReplica> {
        self.snapshots.failed(self.journal.log().tail_bytes());
        tracing::warn!(
            document = name,
            %error,
            "a snapshot could not be made; the log keeps everything, and the next attempt is made when it is twice as long"
        );
        None
    }
}
