//! The two moments at which snapshots of a room touch its state.

use baton_sync::compact::Compacted;
use baton_sync::replica::RetiredReplica;

use super::snapshot::SnapshotDraft;
use super::state::ReplicatedState;

/// The state of a room, to write snapshots of it. See [`Room::snapshots`](crate::Room::snapshots).
pub struct Snapshots<'r> {
    pub(crate) state: &'r mut ReplicatedState,
}

impl Snapshots<'_> {
    /// Takes the source of a snapshot, to be written elsewhere while the room goes on.
    pub fn draft(self) -> SnapshotDraft {
        self.state.draft()
    }

    /// Goes on with the document as a snapshot was written of it, without its deleted content.
    /// Returns the former form of the document, to be dropped where no client waits; `None` if the
    /// document has changed meanwhile.
    pub fn adopt(self, compacted: Compacted) -> Option<RetiredReplica> {
        self.state.adopt(compacted)
    }
}
