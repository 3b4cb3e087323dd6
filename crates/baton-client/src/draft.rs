//! A copy that could not be brought together with the document any more.
//!
//! Owns the copy and what it has beyond the document; decides nothing about it.

use baton_sync::{ApplyError, ClientId, Document, DocumentOptions};
use bytes::Bytes;

/// A copy that was set aside because edits of it were parked.
///
/// Cheap to clone. It is dropped by the client when its park is merged or discarded, if all of it is in that park;
/// otherwise it stays until [`Client::drop_draft`](crate::Client::drop_draft).
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    /// The park that has its edits; `None` when the server refused even to park them.
    pub park: Option<u64>,
    /// The Yjs client id under which it was edited, by which it is told from other drafts.
    pub client: ClientId,
    /// How many edits of it are not in the document.
    pub edits: u64,
    /// All of the copy, as an update v1.
    pub copy: Bytes,
    /// What the copy has beyond what was known to be in the document, as an update v1.
    pub difference: Bytes,
    /// Whether the server has all of it in the park. While it has not, this draft is the only place of the rest.
    pub kept: Kept,
}

/// Where the edits of a draft are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Only here, as far as is known; some may be in the park.
    Here,
    /// All in the park, durably.
    InPark,
}

impl Draft {
    /// The copy, to be read.
    ///
    /// # Errors
    /// None of those of a copy that was sound; see [`ApplyError`].
    pub fn document(&self) -> Result<Document, ApplyError> {
        let client = self.client;
        Document::load(&self.copy, &DocumentOptions { client })
    }
}

/// Without the content: this may be logged.
impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft")
            .field("park", &self.park)
            .field("client", &self.client)
            .field("edits", &self.edits)
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}
