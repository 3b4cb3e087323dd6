//! Snapshots of documents: written once under their position, never overwritten.
//!
//! They are in the engine or in a bucket; nothing above knows the difference.

use bytes::Bytes;

use super::bucket::BucketSnapshots;
use super::engine_snapshots::EngineSnapshots;
use super::error::EngineError;
use super::snapshot_key::{Put, SnapshotKey};
use crate::core::DocumentKey;

/// The snapshots of all documents. Clones are handles of the same.
#[derive(Clone, Debug)]
pub struct SnapshotStore(Place);

#[derive(Clone, Debug)]
enum Place {
    Engine(Box<EngineSnapshots>),
    Bucket(BucketSnapshots),
}

impl SnapshotStore {
    pub(super) fn in_engine(snapshots: EngineSnapshots) -> SnapshotStore {
        SnapshotStore(Place::Engine(Box::new(snapshots)))
    }

    pub(super) fn in_bucket(snapshots: BucketSnapshots) -> SnapshotStore {
        SnapshotStore(Place::Bucket(snapshots))
    }

    /// Stores a snapshot if its place is free. May be repeated. Before anything is removed that it
    /// replaces, the caller reads it back.
    ///
    /// # Errors
    /// No answer: it may be stored or not; a refusal: it is not.
    pub async fn put(&self, key: &SnapshotKey, bytes: Bytes) -> Result<Put, EngineError> {
        match &self.0 {
            Place::Engine(engine) => engine.put(key, bytes).await,
            Place::Bucket(bucket) => bucket.put(key, bytes).await,
        }
    }

    /// Returns a snapshot. A server of the engine may not have it yet.
    ///
    /// # Errors
    /// No answer, a refusal; [`EngineError::Foreign`].
    pub async fn get(&self, key: &SnapshotKey) -> Result<Option<Bytes>, EngineError> {
        match &self.0 {
            Place::Engine(engine) => engine.get(key).await,
            Place::Bucket(bucket) => bucket.get(key).await,
        }
    }

    /// Returns the snapshots of a document, oldest first, as the leader of their stream or the
    /// bucket knows them.
    ///
    /// # Errors
    /// No answer, a refusal.
    pub async fn of_document(
        &self,
        document: &DocumentKey,
    ) -> Result<Vec<SnapshotKey>, EngineError> {
        match &self.0 {
            Place::Engine(engine) => engine.of_document(document).await,
            Place::Bucket(bucket) => bucket.of_document(document).await,
        }
    }

    /// Returns the snapshots of all documents.
    ///
    /// # Errors
    /// No answer, a refusal.
    pub async fn all(&self) -> Result<Vec<SnapshotKey>, EngineError> {
        match &self.0 {
            Place::Engine(engine) => engine.all().await,
            Place::Bucket(bucket) => bucket.all().await,
        }
    }

    /// Removes a snapshot. May be repeated.
    ///
    /// # Errors
    /// No answer: it may be removed or not; a refusal.
    pub async fn remove(&self, key: &SnapshotKey) -> Result<(), EngineError> {
        match &self.0 {
            Place::Engine(engine) => engine.remove(key).await,
            Place::Bucket(bucket) => bucket.remove(key).await,
        }
    }

    /// Returns the place of a snapshot, in words for an operator.
    #[must_use]
    pub fn place_of(&self, key: &SnapshotKey) -> String {
        match &self.0 {
            Place::Engine(engine) => format!("subject {} of the engine", engine.subject(key)),
            Place::Bucket(bucket) => bucket.url(key),
        }
    }

    /// Returns the last failure of a bucket that has answered nothing since.
    #[must_use]
    pub fn failure(&self) -> Option<EngineError> {
        match &self.0 {
            Place::Engine(_) => None,
            Place::Bucket(bucket) => bucket.failure(),
        }
    }
}
