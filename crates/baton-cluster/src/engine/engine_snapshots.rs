//! Snapshots in a stream of the engine: each in one atomic batch, under a subject of its own.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::append::{AppendAnswer, NewMessage, append};
use super::connection::Connection;
use super::error::EngineError;
use super::message_parts::{self, Assembler};
use super::snapshot_key::{Put, SnapshotKey};
use super::stored_messages;
use super::subjects::Names;
use crate::core::DocumentKey;

const SNAPSHOT: &str = "a snapshot";

/// The snapshots of all documents in the engine.
#[derive(Clone, Debug)]
pub(super) struct EngineSnapshots {
    connection: Connection,
    names: Names,
    stream: Arc<str>,
}

impl EngineSnapshots {
    pub(super) fn new(connection: Connection) -> EngineSnapshots {
        let names = Names::new(&connection.options().prefix);
        EngineSnapshots {
            stream: names.snapshot_stream().into(),
            connection,
            names,
        }
    }

    pub(super) async fn put(&self, key: &SnapshotKey, bytes: Bytes) -> Result<Put, EngineError> {
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

    pub(super) async fn get(&self, key: &SnapshotKey) -> Result<Option<Bytes>, EngineError> {
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

    pub(super) async fn of_document(
        &self,
        document: &DocumentKey,
    ) -> Result<Vec<SnapshotKey>, EngineError> {
        self.list(&self.names.document_snapshots(document)).await
    }

    pub(super) async fn all(&self) -> Result<Vec<SnapshotKey>, EngineError> {
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

    pub(super) async fn remove(&self, key: &SnapshotKey) -> Result<(), EngineError> {
        let subject = self.subject(key);
        stored_messages::purge(&self.connection, &self.stream, subject, None).await
    }

    /// Returns the subject under which a snapshot is.
    pub(super) fn subject(&self, key: &SnapshotKey) -> String {
        self.names.snapshot_subject(&key.document, key.at)
    }
}
