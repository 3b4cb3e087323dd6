//! Reading documents that are not opened: what the engine has of them now, or had a moment ago.

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_log::{DocumentInfo, LoadedDocument, LogError, StoreError};

use super::documents::loaded;
use super::questions::Questions;
use crate::core::{
    Content, Delivered, DocumentFeed, DocumentKey, Incarnations, OpenedDocument, SnapshotEnvelope,
    Subject,
};
use crate::engine::{Engine, EngineError, SnapshotKey};

/// Reads stored documents of all streams.
#[derive(Clone, Debug)]
pub(super) struct StoredDocuments {
    engine: Engine,
    prefix: String,
    /// The questions of each stream.
    streams: Arc<[Questions]>,
}

impl StoredDocuments {
    pub(super) fn new(engine: Engine, prefix: String, streams: Vec<Questions>) -> StoredDocuments {
        StoredDocuments {
            engine,
            prefix,
            streams: streams.into(),
        }
    }

    /// Returns the keys of all documents with their streams.
    pub(super) async fn keys(&self) -> Result<BTreeMap<DocumentKey, u16>, LogError> {
        let mut keys = BTreeMap::new();
        for index in 0..self.engine.stream_count() {
            let filter = format!("{}.{index}.d.>", self.prefix);
            let subjects = self.engine.stream(index).subjects(&filter).await;
            for subject in subjects.map_err(|error| unread("all documents", &error))? {
                let subject = Subject::parse(&subject, &self.prefix, index);
                if let Some(key) = subject.as_ref().and_then(Subject::document) {
                    keys.insert(key.clone(), index);
                }
            }
        }
        Ok(keys)
    }

    /// Reads a document: its newest snapshot, and the records that a server has after it. `None` if
    /// nothing was ever proposed under this name.
    pub(super) async fn read(
        &self,
        key: &DocumentKey,
        stream: u16,
    ) -> Result<Option<(DocumentInfo, LoadedDocument)>, LogError> {
        let unread = |error: &EngineError| unread(key.as_str(), error);
        let snapshots = self.engine.snapshots();
        let listed = snapshots.of_document(key).await;
        let newest = listed.map_err(|error| unread(&error))?.pop();
        let snapshot = match newest {
            None => None,
            Some(SnapshotKey { document, at }) => {
                let stored = snapshots.get(&SnapshotKey { document, at }).await;
                let stored = stored.map_err(|error| unread(&error))?;
                let stored = stored.as_ref().map(SnapshotEnvelope::decode);
                Some(match stored {
                    Some(Ok(snapshot)) => snapshot,
                    _ => return Err(damaged(key)),
                })
            }
        };
        let after = snapshot.as_ref().map_or(0, |it| it.position.sequence);
        let messages = self.streams[usize::from(stream)].tail(key, after).await;
        let messages = messages.ok_or_else(|| {
            unread(&EngineError::unanswered(
                "the read of a tail",
                &"no whole answer",
            ))
        })?;
        let name = key.name().or_else(|| named(&messages));
        let name = name.or_else(|| snapshot.as_ref().map(|snapshot| snapshot.name.clone()));
        let opened = opened(snapshot, &messages);
        let Some(name) = name.filter(|_| opened.snapshot.is_some() || !opened.tail.is_empty())
        else {
            return Ok(None);
        };
        let (positions, loaded) = loaded(&opened).ok_or_else(|| damaged(key))?;
        let bytes = loaded.tail.iter().map(|(_, record)| record.len() as u64);
        let info = DocumentInfo {
            name: name.into(),
            last: positions.of(opened.feed.last()),
            snapshot: loaded.snapshot.as_ref().map(|(at, _)| *at),
            tail_bytes: bytes.sum(),
            erased: loaded.erased,
        };
        Ok(Some((info, loaded)))
    }
}

fn opened(snapshot: Option<SnapshotEnvelope>, messages: &[Delivered]) -> OpenedDocument {
    let mut feed = DocumentFeed::new(Incarnations::default(), snapshot.as_ref());
    let tail = messages.iter().filter_map(|message| feed.take(message));
    OpenedDocument {
        tail: tail.collect(),
        snapshot,
        feed,
    }
}

fn named(messages: &[Delivered]) -> Option<String> {
    let names = messages.iter();
    names
        .filter_map(|message| match &message.envelope.content {
            Content::Opened { name } | Content::SnapshotAt { name, .. } => Some(name.clone()),
            _ => None,
        })
        .next()
}

fn damaged(key: &DocumentKey) -> LogError {
    LogError::Damaged {
        document: key.as_str().into(),
        what: "its snapshot does not verify".into(),
    }
}

/// Makes the error of a read that may succeed later.
pub(super) fn unread(document: &str, error: &EngineError) -> LogError {
    LogError::Load {
        document: document.into(),
        source: Arc::new(StoreError::failed("reading the engine", error.to_string())),
    }
}
