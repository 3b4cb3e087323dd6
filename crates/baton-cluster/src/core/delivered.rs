//! A message as the stream delivers it.

use super::document_key::Subject;
use super::envelope::{MessageContent, MessageEnvelope, Part};
use super::record_id::RecordId;

/// A message at its place in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Sequence in the stream.
    pub sequence: u64,
    /// Subject under which it was stored.
    pub subject: Subject,
    /// Name and content.
    pub envelope: MessageEnvelope,
}

impl Delivered {
    /// Returns true for the last message of what its writer appended under one id.
    pub(super) fn ends_its_record(&self) -> bool {
        match &self.envelope.content {
            MessageContent::Record { part, .. } | MessageContent::Offered { part, .. } => {
                part.following == 0
            }
            _ => true,
        }
    }

    /// Returns the id under which the record was proposed first, and the place of these bytes in
    /// it; `None` if the message is no record.
    pub(super) fn record(&self) -> Option<(RecordId, Part, &bytes::Bytes)> {
        match &self.envelope.content {
            MessageContent::Record { part, bytes } => Some((self.envelope.id, *part, bytes)),
            MessageContent::Offered {
                original,
                part,
                bytes,
            } => Some((*original, *part, bytes)),
            _ => None,
        }
    }
}
