//! A snapshot in two steps: a draft is taken while the room waits, and written while it goes on.
//!
//! Owns the writing of snapshots, and the removal of deleted content from them. The caller decides
//! on the moment.

use baton_sync::compact::{CompactError, Compacted, History, rewrite};
use bytes::Bytes;

use super::stored::Stored;
use crate::error::SnapshotError;

/// The source of a snapshot; see [`Snapshots::draft`](crate::Snapshots::draft). It shares the
/// document's bytes with the room.
#[must_use = "a draft is not a snapshot yet"]
pub struct SnapshotDraft {
    pub(super) position: u64,
    pub(super) stored: Stored,
    pub(super) history: History,
}

/// A snapshot to be stored.
#[derive(Debug)]
pub struct Snapshot {
    /// It stands for all records up to this one.
    pub position: u64,
    /// The bytes to store.
    pub bytes: Bytes,
    /// The document without its deleted content, if that halves it. The room should go on with it:
    /// see [`Snapshots::adopt`](crate::Snapshots::adopt).
    pub compacted: Option<Compacted>,
    /// The reason why deleted content could not be removed: a fault of this project, to be
    /// reported. The snapshot is complete all the same.
    pub trouble: Option<CompactError>,
}

impl SnapshotDraft {
    /// Bytes of the document as it is. The time of writing grows with it, see [`rewrite`].
    #[must_use]
    pub const fn document_bytes(&self) -> usize {
        self.stored.document.len()
    }

    /// Writes the snapshot compacted: without deleted content, unless the room's history is kept.
    ///
    /// # Errors
    /// It cannot be encoded: a fault of this crate.
    pub fn write(&mut self) -> Result<Snapshot, SnapshotError> {
        let full = self.document_bytes();
        match rewrite(&self.stored.document, self.history) {
            Ok(rewritten) => {
                self.stored.document = rewritten.encoding().clone();
                let compacted = Some(rewritten).filter(|new| new.encoding().len() <= full / 2);
                self.encode(compacted, None)
            }
            Err(error) => self.encode(None, Some(error)),
        }
    }

    /// Writes the document as it is. For a draft of which [`SnapshotDraft::write`] failed, or
    /// panicked.
    ///
    /// # Errors
    /// As [`SnapshotDraft::write`].
    pub fn write_as_it_is(&mut self) -> Result<Snapshot, SnapshotError> {
        self.encode(None, None)
    }

    fn encode(
        &self,
        compacted: Option<Compacted>,
        trouble: Option<CompactError>,
    ) -> Result<Snapshot, SnapshotError> {
        let buffer = Vec::with_capacity(self.document_bytes() + 256);
        Ok(Snapshot {
            position: self.position,
            bytes: self.stored.write(buffer)?.into(),
            compacted,
            trouble,
        })
    }
}

/// Sizes only: content is never logged.
impl std::fmt::Debug for SnapshotDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotDraft")
            .field("position", &self.position)
            .field("document_bytes", &self.document_bytes())
            .finish_non_exhaustive()
    }
}
