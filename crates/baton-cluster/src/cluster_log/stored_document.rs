//! Reading documents that are not opened: what the engine has of them now, or had a moment ago.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use baton_log::{DocumentInfo, LoadedDocument, LogError};

use super::document_errors::{damaged, gone, unread};
use super::documents::loaded;
use super::questions::{Questions, stated_name};
use crate::core::{
    Content, Delivered, DocumentFeed, DocumentKey, Incarnations, OpenedDocument, SnapshotEnvelope,
    StreamPosition, Subject,
};
use crate::engine::{Engine, EngineError, SnapshotKey};

/// Reads of a document whose snapshot is not there. Another node may have replaced it meanwhile.
const READS: u32 = 5;

/// Pause between two of them.
const READ_AGAIN: Duration = Duration::from_millis(200);

/// A document as it is stored.
type StoredDocument = (DocumentInfo, LoadedDocument);

/// The result of one read.
enum Read {
    Whole(Option<StoredDocument>),
    /// The snapshot of this position is named, and is not there.
    Without(StreamPosition),
}

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
    ) -> Result<Option<StoredDocument>, LogError> {
        let mut reads = 1;
        loop {
            let at = match self.read_once(key, stream).await? {
                Read::Whole(found) => return Ok(found),
                Read::Without(at) => at,
            };
            if reads == READS {
                let document = key.clone();
                let place = self.engine.snapshots();
                let place = place.place_of(&SnapshotKey { document, at });
                return Err(gone(key.as_str().into(), &place));
            }
            reads += 1;
            tokio::time::sleep(READ_AGAIN).await;
        }
    }

    async fn read_once(&self, key: &DocumentKey, stream: u16) -> Result<Read, LogError> {
        let unread = |error: &EngineError| unread(key.as_str(), error);
        let snapshots = self.engine.snapshots();
        let listed = snapshots.of_document(key).await;
        let newest = listed.map_err(|error| unread(&error))?.pop();
        let snapshot = match newest {
            None => None,
            Some(SnapshotKey { document, at }) => {
                let stored = snapshots.get(&SnapshotKey { document, at }).await;
                let stored = stored.map_err(|error| unread(&error))?;
                match stored.as_ref().map(SnapshotEnvelope::decode) {
                    Some(Ok(snapshot)) => Some(snapshot),
                    Some(Err(_)) => return Err(damaged(key.as_str().into())),
                    None => return Ok(Read::Without(at)),
                }
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
        let base = snapshot.as_ref().map(|snapshot| snapshot.position);
        if let Some(newest) = newest_mark(&messages).filter(|at| Some(*at) > base) {
            return Ok(Read::Without(newest));
        }
        let name = key.name().or_else(|| stated_name(&messages));
        let name = name.or_else(|| snapshot.as_ref().map(|snapshot| snapshot.name.clone()));
        let opened = opened(snapshot, &messages);
        let Some(name) = name.filter(|_| opened.snapshot.is_some() || !opened.tail.is_empty())
        else {
            return Ok(Read::Whole(None));
        };
        let (positions, loaded) = loaded(&opened).ok_or_else(|| damaged(key.as_str().into()))?;
        let bytes = loaded.tail.iter().map(|(_, record)| record.len() as u64);
        let info = DocumentInfo {
            name: name.into(),
            last: positions.of(opened.feed.last()),
            snapshot: loaded.snapshot.as_ref().map(|(at, _)| *at),
            tail_bytes: bytes.sum(),
            erased: loaded.erased,
        };
        Ok(Read::Whole(Some((info, loaded))))
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

/// Returns the position of the newest snapshot of which the log says that it was stored.
fn newest_mark(messages: &[Delivered]) -> Option<StreamPosition> {
    let marks = messages.iter();
    marks
        .filter_map(|message| match &message.envelope.content {
            Content::SnapshotAt { position, .. } => Some(*position),
            _ => None,
        })
        .max()
}
