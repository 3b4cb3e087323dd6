//! The size of a room, for its caller to bound.

/// The size of a room beside its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomLoad {
    /// Connections in the room.
    pub connections: usize,
    /// Bytes of updates kept aside, which may become records with the next change of the document
    /// or of its locks.
    pub aside_bytes: usize,
    /// The pieces for a client that has nothing are encoded already.
    pub first_sync_is_encoded: bool,
    /// True if the same is kept compressed, so that a client with nothing that takes it so costs
    /// little.
    pub first_sync_is_compressed: bool,
}
