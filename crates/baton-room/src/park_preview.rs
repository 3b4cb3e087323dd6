//! The preview of a park: the changes that merging it would make.

use std::sync::Arc;

use baton_sync::control_channel::{Outcome, ParkPart, PartKind, ServerMessage};
use baton_sync::text_diff::{DiffKind, DiffPart, text_diff_of};
use bytes::Bytes;

use crate::message::Outgoing;

/// A preview of a park's changes that is not rendered yet. It shares the document's bytes with the
/// room, and needs nothing else of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ParkPreview {
    pub(crate) nonce: u64,
    /// Id of the park.
    pub(crate) id: u64,
    /// The whole document.
    pub(crate) everything: Bytes,
    /// The parked edits.
    pub(crate) updates: Vec<Bytes>,
}

impl ParkPreview {
    /// Bytes of the document, and of the parked edits.
    #[must_use]
    pub fn bytes(&self) -> (usize, usize) {
        let parked = self.updates.iter().map(Bytes::len).sum();
        (self.everything.len(), parked)
    }

    /// Returns the answer to the client that asked, if the preview is not made.
    #[must_use]
    pub fn refused(&self, why: &str) -> Outgoing {
        Outgoing::Channel(Arc::new(ServerMessage::Result {
            nonce: self.nonce,
            outcome: Outcome::Stale,
            message: Some(format!("{why}; nothing changed")),
        }))
    }

    /// Renders it: the answer to the client that asked. Costs as much time and memory as loading
    /// the document once.
    #[must_use]
    pub fn render(self) -> Outgoing {
        let (nonce, id) = (self.nonce, self.id);
        let message = match text_diff_of(self.everything, self.updates) {
            Ok(diff) => ServerMessage::ParkContent {
                nonce,
                id,
                parts: diff.parts.into_iter().map(part).collect(),
                truncated: diff.truncated,
            },
            Err(error) => ServerMessage::Result {
                nonce,
                outcome: Outcome::Stale,
                message: Some(format!("{error}; nothing changed")),
            },
        };
        Outgoing::Channel(Arc::new(message))
    }
}

fn part(part: DiffPart) -> ParkPart {
    ParkPart {
        root: part.root,
        kind: match part.kind {
            DiffKind::Equal => PartKind::Equal,
            DiffKind::Insert => PartKind::Insert,
            DiffKind::Delete => PartKind::Delete,
        },
        text: part.text,
    }
}
