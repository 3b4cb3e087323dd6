//! A draft: a copy that was set aside because its edits could not reach the document.
//!
//! Owns the copy and the difference to the document; decides nothing about them.

use baton_sync::{ApplyError, ClientId, Document, DocumentOptions};
use bytes::Bytes;

/// A copy that was set aside because edits of it were parked.
///
/// Cheap to clone. The client drops it when its park is merged or discarded, if that park has all
/// its edits; otherwise it stays until [`Client::drop_draft`](crate::Client::drop_draft).
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    /// The park that has its edits; `None` if the server refused to park them too.
    pub park: Option<u64>,
    /// The Yjs client id of the copy, which identifies the draft.
    pub client: ClientId,
    /// Number of its edits that are not in the document.
    pub edits: u64,
    /// The whole copy, as an update in format v1.
    pub copy: Bytes,
    /// The copy's content that was not known to be in the document, as an update in format v1.
    pub difference: Bytes,
    /// The place of its edits. Until they are all in the park, this draft is the only copy of some.
    pub location: DraftLocation,
}

/// The place where the edits of a draft are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DraftLocation {
    /// In the draft, and as far as is known nowhere else. Some may be in the park.
    InDraft,
    /// All in the park, durably.
    InPark,
}

impl Draft {
    /// Opens the copy for reading.
    ///
    /// # Errors
    /// [`ApplyError`], if [`Draft::copy`] was changed. The copy that the client made is sound.
    pub fn document(&self) -> Result<Document, ApplyError> {
        let client = self.client;
        Document::load(&self.copy, &DocumentOptions::new(client))
    }
}

/// Leaves out the content, so that the output may be logged.
impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft")
            .field("park", &self.park)
            .field("client", &self.client)
            .field("edits", &self.edits)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}
