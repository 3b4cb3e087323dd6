//! Snapshots as objects of a bucket: `PREFIX/d/DOCUMENT/INCARNATION.SEQUENCE`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use super::super::error::EngineError;
use super::super::snapshot_key::{Put, SnapshotKey};
use super::bucket_options::BucketOptions;
use super::bucket_requests::{Access, BucketRequests};
use super::in_flight::InFlight;
use crate::core::DocumentKey;

/// Longest snapshot, in bytes: the longest one that the engine would take.
const MOST_BYTES: usize = 500 << 20;

/// The snapshots of all documents in a bucket. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct BucketSnapshots {
    bucket: Arc<Bucket>,
    gets: InFlight<SnapshotKey, Option<Bytes>>,
    /// With the address of the bytes: another snapshot of the same position is put on its own.
    puts: InFlight<(SnapshotKey, usize), Put>,
}

#[derive(Debug)]
struct Bucket {
    options: BucketOptions,
    store: AmazonS3,
    requests: BucketRequests,
}

impl BucketSnapshots {
    /// Makes the handle. Nothing is asked yet.
    pub(crate) fn new(
        options: BucketOptions,
        answer_timeout: Duration,
    ) -> Result<BucketSnapshots, EngineError> {
        let store = options.store()?;
        let requests = BucketRequests::new(options.to_string(), answer_timeout);
        Ok(BucketSnapshots {
            bucket: Arc::new(Bucket {
                options,
                store,
                requests,
            }),
            gets: InFlight::new(),
            puts: InFlight::new(),
        })
    }

    pub(crate) async fn put(&self, key: &SnapshotKey, bytes: Bytes) -> Result<Put, EngineError> {
        let (bucket, name) = (Arc::clone(&self.bucket), self.options().snapshot(key));
        let flight = (key.clone(), bytes.as_ptr().addr());
        let put = async move { bucket.put(&name, bytes).await };
        self.puts.join(flight, put).await
    }

    pub(crate) async fn get(&self, key: &SnapshotKey) -> Result<Option<Bytes>, EngineError> {
        let (bucket, name) = (Arc::clone(&self.bucket), self.options().snapshot(key));
        let get = async move { bucket.get(&name).await };
        self.gets.join(key.clone(), get).await
    }

    pub(crate) async fn of_document(
        &self,
        document: &DocumentKey,
    ) -> Result<Vec<SnapshotKey>, EngineError> {
        self.list(&self.options().of_document(document)).await
    }

    pub(crate) async fn all(&self) -> Result<Vec<SnapshotKey>, EngineError> {
        self.list(&self.options().documents()).await
    }

    pub(crate) async fn remove(&self, key: &SnapshotKey) -> Result<(), EngineError> {
        self.remove_object(&self.options().snapshot(key)).await
    }

    /// Returns the address of a snapshot.
    pub(crate) fn url(&self, key: &SnapshotKey) -> String {
        self.options().url(&self.options().snapshot(key))
    }

    /// Returns the last failure, if there was no answer since.
    pub(crate) fn failure(&self) -> Option<EngineError> {
        self.bucket.requests.failure()
    }

    pub(super) fn options(&self) -> &BucketOptions {
        &self.bucket.options
    }

    /// Stores an object if there is none of this name.
    pub(super) async fn put_object(&self, name: &Path, bytes: Bytes) -> Result<Put, EngineError> {
        self.bucket.put(name, bytes).await
    }

    /// Returns an object.
    pub(super) async fn get_object(&self, name: &Path) -> Result<Option<Bytes>, EngineError> {
        self.bucket.get(name).await
    }

    /// Removes an object, if it is there.
    pub(super) async fn remove_object(&self, name: &Path) -> Result<(), EngineError> {
        const REMOVAL: &str = "the removal of a snapshot";
        let bucket = &self.bucket;
        let request = bucket.store.delete(name);
        match bucket
            .requests
            .ask(REMOVAL, Access::Write, 0, request)
            .await?
        {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(bucket.requests.sort(REMOVAL, &error)),
        }
    }

    /// Returns the snapshots whose names begin with this one.
    async fn list(&self, prefix: &Path) -> Result<Vec<SnapshotKey>, EngineError> {
        const LIST: &str = "the list of snapshots";
        let bucket = &self.bucket;
        let request = async {
            let mut listed = bucket.store.list(Some(prefix));
            let mut keys = Vec::new();
            while let Some(object) = listed.try_next().await? {
                keys.extend(bucket.options.snapshot_of(&object.location));
            }
            Ok(keys)
        };
        let keys = bucket.requests.ask(LIST, Access::Read, 0, request).await?;
        let mut keys = keys.map_err(|error| bucket.requests.sort(LIST, &error))?;
        keys.sort();
        Ok(keys)
    }
}

impl Bucket {
    async fn put(&self, name: &Path, bytes: Bytes) -> Result<Put, EngineError> {
        const PUT: &str = "the put of a snapshot";
        let length = bytes.len();
        if length > MOST_BYTES {
            return Err(self.too_long(PUT, length as u64));
        }
        let mode = PutOptions::from(PutMode::Create);
        let request = self.store.put_opts(name, bytes.into(), mode);
        let put = self
            .requests
            .ask(PUT, Access::Write, length as u64, request)
            .await?;
        match put {
            Ok(_) => Ok(Put::Stored),
            // Without this cause it is a conflict with another request that is still running.
            Err(Error::AlreadyExists { source, .. }) if source.is::<Error>() => Ok(Put::Taken),
            Err(error) => Err(self.requests.sort(PUT, &error)),
        }
    }

    async fn get(&self, name: &Path) -> Result<Option<Bytes>, EngineError> {
        const GET: &str = "the read of a snapshot";
        let begun = self.store.get(name);
        let found = match self.requests.ask(GET, Access::Read, 0, begun).await? {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.requests.sort(GET, &error)),
        };
        let length = found.meta.size;
        if length > MOST_BYTES as u64 {
            return Err(self.too_long(GET, length));
        }
        let read = self
            .requests
            .ask(GET, Access::Read, length, found.bytes())
            .await?;
        read.map(Some)
            .map_err(|error| self.requests.sort(GET, &error))
    }

    fn too_long(&self, operation: &'static str, length: u64) -> EngineError {
        EngineError::StoreRefused {
            place: self.options.to_string(),
            operation,
            reason: format!("{length} bytes, and a snapshot has at most {MOST_BYTES}"),
        }
    }
}
