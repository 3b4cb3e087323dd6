//! Snapshots of documents: written once under their position, never overwritten.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::append::{AppendAnswer, NewMessage, append};
use super::connection::Connection;
use super::error::EngineError;
use super::message_parts::{self, Assembler};
use super::stored_messages;
use super::subjects::Names;
use crate::core::{DocumentKey, StreamPosition};

const SNAPSHOT: &str = "a snapshot";

/// Identifies a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotKey {
    /// The document.
    pub document: DocumentKey,
    /// The position up to which it replaces the records.
    pub at: StreamPosition,
}

/// The result of storing a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is stored durably.
    Stored,
    /// Its place was taken, by another one or by an earlier put of this one; nothing was changed.
    Taken,
}

/// The snapshots of all documents. Clones are handles of the same.
#[derive(Clone, Debug)]
pub struct SnapshotStore {
    connection: Connection,
    names: Names,
    stream: Arc<str>,
}

impl SnapshotStore {
    pub(crate) fn new(connection: Connection) -> SnapshotStore {
        let names = Names::new(&connection.options().prefix);
        SnapshotStore {
            stream: names.snapshot_stream().into(),
            connection,
            names,
        }
    }

    /// Stores a snapshot if its place is free. May be repeated. Before anything is removed that it
    /// replaces, the caller reads it back.
    ///
    /// # Errors
    /// [`EngineError::Unanswered`]: it may be stored or not; [`EngineError::Rejected`].
    pub async fn put(&self, key: &SnapshotKey, bytes: Bytes) -> Result<Put, EngineError> {
        let subject = self.subject(key);
        let digest = Sha256::digest(&bytes);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let part_bytes = self.connection.options().part_bytes;
        let count = message_parts::count(bytes.len(), part_bytes);
        let parts = message_parts::split(&bytes, part_bytes).enumerate();
        let messages: Vec<_> = parts
            .map(|(index, part)| {
                let id = format!("{subject}.{hex}.{index}");
                let mut message = NewMessage::new(subject.clone(), id, part);
                message_parts::mark(&mut message.headers, index, count);
                message.expected_last = (index == 0).then_some(0);
                message
            })
            .collect();
        match append(&self.connection, &messages).await {
            AppendAnswer::Stored { .. } | AppendAnswer::Duplicate => Ok(Put::Stored),
            AppendAnswer::Overtaken => Ok(Put::Taken),
            AppendAnswer::Unknown(error) | AppendAnswer::Refused(error) => Err(error),
        }
    }

    /// Returns a snapshot. The server that answers may not have it yet.
    ///
    /// # Errors
    /// [`EngineError::Unanswered`], [`EngineError::Foreign`].
    pub async fn get(&self, key: &SnapshotKey) -> Result<Option<Bytes>, EngineError> {
        let subject = self.subject(key);
        let mut assembler = Assembler::default();
        let mut found = None;
        for (sequence, message) in
            stored_messages::read(&self.connection, &self.stream, &subject, 1).await?
        {
            let headers = message.headers.as_ref();
            let whole = assembler.push(&subject, sequence, headers, message.payload)?;
            if whole.is_some() && found.is_some() {
                return Err(EngineError::Foreign {
                    place: subject,
                    what: "a snapshot is stored twice",
                });
            }
            found = found.or(whole);
        }
        if assembler.is_open() {
            return Err(EngineError::unanswered(SNAPSHOT, &"it came in part"));
        }
        Ok(found)
    }

    /// Returns the snapshots of a document, oldest first, as the leader of their stream knows them.
    ///
    /// # Errors
    /// [`EngineError::Unanswered`], [`EngineError::Rejected`].
    pub async fn of_document(
        &self,
        document: &DocumentKey,
    ) -> Result<Vec<SnapshotKey>, EngineError> {
        self.list(&self.names.document_snapshots(document)).await
    }

    /// Returns the snapshots of all documents.
    ///
    /// # Errors
    /// [`EngineError::Unanswered`], [`EngineError::Rejected`].
    pub async fn all(&self) -> Result<Vec<SnapshotKey>, EngineError> {
        self.list(&self.names.all_snapshots()).await
    }

    async fn list(&self, filter: &str) -> Result<Vec<SnapshotKey>, EngineError> {
        let subjects = stored_messages::subjects(&self.connection, &self.stream, filter).await?;
        let keys = subjects.iter().filter_map(|subject| {
            let (document, at) = self.names.snapshot_of(subject)?;
            Some(SnapshotKey { document, at })
        });
        let mut keys: Vec<_> = keys.collect();
        keys.sort();
        Ok(keys)
    }

    /// Removes a snapshot. May be repeated.
    ///
    /// # Errors
    /// [`EngineError::Unanswered`]: it may be removed or not; [`EngineError::Rejected`].
    pub async fn remove(&self, key: &SnapshotKey) -> Result<(), EngineError> {
        let subject = self.subject(key);
        stored_messages::purge(&self.connection, &self.stream, subject, None).await
    }

    fn subject(&self, key: &SnapshotKey) -> String {
        self.names.snapshot_subject(&key.document, key.at)
    }
}
