//! The snapshots of a document: when one is due, and its way into the log.

use baton_log::Position;
use baton_presence::Time;
use baton_room::{RetiredReplica, Snapshot, SnapshotDraft, SnapshotError};

use super::DocumentState;
use crate::config::Settings;

impl DocumentState {
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
