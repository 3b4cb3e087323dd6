//! Names of streams, tables and subjects.
//!
//! The subjects within a log stream are [`Subject`](crate::core::Subject)'s.

use crate::core::{BootId, DocumentKey, StreamPosition};

/// Names of everything that one cluster keeps in the engine.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Names {
        Names {
            prefix: prefix.to_owned(),
        }
    }

    /// Returns the name of a log stream.
    pub(crate) fn log_stream(&self, index: u16) -> String {
        format!("{}-log-{index}", self.prefix)
    }

    /// Returns the subject that all messages of a log stream match.
    pub(crate) fn log_subjects(&self, index: u16) -> String {
        format!("{}.{index}.>", self.prefix)
    }

    /// Returns the name of the stream of snapshots.
    pub(crate) fn snapshot_stream(&self) -> String {
        format!("{}-snapshots", self.prefix)
    }

    /// Returns the subject of one snapshot.
    pub(crate) fn snapshot_subject(&self, document: &DocumentKey, at: StreamPosition) -> String {
        let (
            prefix,
            StreamPosition {
                incarnation,
                sequence,
            },
        ) = (&self.prefix, at);
        format!("{prefix}.snapshot.{document}.{incarnation}.{sequence}")
    }

    /// Returns the subject that all snapshots of a document match.
    pub(crate) fn document_snapshots(&self, document: &DocumentKey) -> String {
        format!("{}.snapshot.{document}.*.*", self.prefix)
    }

    /// Returns the subject that all snapshots match.
    pub(crate) fn all_snapshots(&self) -> String {
        format!("{}.snapshot.*.*.*", self.prefix)
    }

    /// Returns the document and the position of a snapshot's subject.
    pub(crate) fn snapshot_of(&self, subject: &str) -> Option<(DocumentKey, StreamPosition)> {
        let rest = subject
            .strip_prefix(&self.prefix)?
            .strip_prefix(".snapshot.")?;
        let mut tokens = rest.split('.');
        let document = DocumentKey::parse(tokens.next()?)?;
        let incarnation = tokens.next()?.parse().ok()?;
        let sequence = tokens.next()?.parse().ok()?;
        let at = StreamPosition {
            incarnation,
            sequence,
        };
        Some((document, at))
    }

    /// Returns the name of the stream that keeps a table, as NATS names that of a key-value bucket.
    pub(crate) fn table_stream(&self, table: &str) -> String {
        format!("KV_{}-{table}", self.prefix)
    }

    /// Returns the subject of a table's keys without the key.
    pub(crate) fn table_prefix(&self, table: &str) -> String {
        format!("$KV.{}-{table}.", self.prefix)
    }

    /// Returns the subject on which a node sends unstored messages of a document.
    pub(crate) fn relay_subject(&self, document: &DocumentKey, from: BootId) -> String {
        format!("{}.relay.{document}.{from}", self.prefix)
    }

    /// Returns the subject that the unstored messages of a document match.
    pub(crate) fn relay_subjects(&self, document: &DocumentKey) -> String {
        format!("{}.relay.{document}.*", self.prefix)
    }

    /// Returns the node that sent on this subject.
    pub(crate) fn relay_sender(subject: &str) -> Option<BootId> {
        let sender = subject.rsplit('.').next()?;
        u64::from_str_radix(sender, 16).ok().map(BootId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_names_its_document_and_position() {
        let names = Names::new("baton");
        let at = StreamPosition {
            incarnation: 2,
            sequence: 77,
        };
        for name in ["notes", "team/a b.c", "日本"] {
            let document = DocumentKey::new(name);
            let subject = names.snapshot_subject(&document, at);
            assert_eq!(
                names.snapshot_of(&subject),
                Some((document, at)),
                "{subject}"
            );
        }
        assert_eq!(names.snapshot_of("baton.3.d.notes.r"), None);
        assert_eq!(names.snapshot_of("other.snapshot.notes.2.77"), None);
    }

    #[test]
    fn an_unstored_message_names_its_sender() {
        let names = Names::new("x");
        let subject = names.relay_subject(&DocumentKey::new("a.b"), BootId(0xdead_beef));
        assert_eq!(Names::relay_sender(&subject), Some(BootId(0xdead_beef)));
    }
}
