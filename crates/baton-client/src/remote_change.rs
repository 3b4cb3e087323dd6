//! A change that other sessions made to the document. Owns its description; applies nothing.

use std::fmt;
use std::sync::Arc;

use baton_sync::document::{TextChange, TextDelta};
use bytes::Bytes;

/// A change that other sessions made to the document. Cheap to clone.
#[derive(Clone, PartialEq)]
pub struct RemoteChange(Arc<Parts>);

#[derive(PartialEq)]
struct Parts {
    update: Bytes,
    texts: Vec<TextChange>,
}

impl RemoteChange {
    pub(crate) fn new(update: Bytes, texts: Vec<TextChange>) -> Self {
        Self(Arc::new(Parts { update, texts }))
    }

    /// Returns the update in format v1 as it came. It may hold content that this copy had before.
    #[must_use]
    pub fn update(&self) -> &Bytes {
        &self.0.update
    }

    /// Returns the changes of the texts in the root types of
    /// [`ClientOptions::watched_texts`](crate::ClientOptions::watched_texts).
    #[must_use]
    pub fn texts(&self) -> &[TextChange] {
        &self.0.texts
    }

    /// Returns the change of a watched root type that is a text; empty if it did not change.
    #[must_use]
    pub fn text(&self, root: &str) -> &[TextDelta] {
        let of = |change: &&TextChange| change.root == root && change.path.is_empty();
        let found = self.0.texts.iter().find(of);
        found.map_or(&[], |change| &change.delta)
    }
}

/// Leaves out the content, so that the output may be logged.
impl fmt::Debug for RemoteChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roots: Vec<_> = self.0.texts.iter().map(|change| &change.root).collect();
        f.debug_struct("RemoteChange")
            .field("update_bytes", &self.0.update.len())
            .field("texts", &roots)
            .finish()
    }
}
