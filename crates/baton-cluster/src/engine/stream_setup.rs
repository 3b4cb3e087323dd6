//! The streams and buckets of a cluster: creating them, and checking those that exist.
//!
//! An existing stream is never changed: the operator may have had a reason, and gets the command.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType};

use super::bucket::{self, BucketSnapshots};
use super::connection::Connection;
use super::error::EngineError;
use super::options::{EngineOptions, SnapshotPlace};
use super::shared_table::LEASES;
use super::subjects::Names;

/// Version of the layout of streams and subjects.
const LAYOUT: &str = "1";
const LAYOUT_KEY: &str = "baton-layout";
const STREAMS_KEY: &str = "baton-streams";
/// Place of the snapshots. A cluster without it has them in the engine.
const SNAPSHOTS_KEY: &str = "baton-snapshots";
/// Number that the bucket has, too, drawn by the node that creates the cluster.
const CLUSTER_KEY: &str = "baton-cluster";

const CREATION: &str = "the creation of a stream";

/// Time after which the lease of a node that is long gone is dropped.
const LEASES_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Checks the streams of the log and of snapshots, and creates the missing ones. The first stream
/// says where the snapshots are; the table of leases is created last.
pub(crate) async fn run(
    connection: &Connection,
    bucket: Option<&BucketSnapshots>,
) -> Result<(), EngineError> {
    let options = connection.options();
    let names = Names::new(&options.prefix);
    for index in 0..options.streams {
        let name = names.log_stream(index);
        let mut wanted = config(options, name, names.log_subjects(index));
        if index == 0 {
            let cluster = format!("{:032x}", rand::random::<u128>());
            wanted.metadata.insert(CLUSTER_KEY.to_owned(), cluster);
        }
        let found = ensure(connection, wanted).await?;
        if let Some(bucket) = bucket
            && index == 0
        {
            claim(connection, bucket, &names, &found).await?;
        }
    }
    if bucket.is_none() {
        let snapshots = config(options, names.snapshot_stream(), names.all_snapshots());
        ensure(connection, snapshots).await?;
    }
    let leases = table_config(options, &names, LEASES, LEASES_KEPT);
    ensure(connection, leases).await.map(|_| ())
}

/// Checks that the bucket is the cluster's. It becomes that before the cluster is complete.
async fn claim(
    connection: &Connection,
    bucket: &BucketSnapshots,
    names: &Names,
    first: &Config,
) -> Result<(), EngineError> {
    let Some(cluster) = first.metadata.get(CLUSTER_KEY) else {
        return Err(EngineError::Unfit {
            what: format!("stream {} does not say its cluster's number", first.name),
            mend: again(),
        });
    };
    let complete = find(connection, &names.table_stream(LEASES))
        .await?
        .is_some();
    bucket::claim(bucket, cluster, !complete).await
}

/// Says that a difference stays.
fn again() -> String {
    "this cannot be changed in place: choose another `--cluster-name`, or move the documents into \
     a new cluster with `baton move`"
        .to_owned()
}

/// A table is a stream as NATS makes it for a key-value bucket, so that `nats kv` can show it.
fn table_config(options: &EngineOptions, names: &Names, table: &str, max_age: Duration) -> Config {
    let subjects = format!("{}>", names.table_prefix(table));
    Config {
        max_messages_per_subject: 1,
        max_age,
        allow_rollup: true,
        deny_delete: true,
        allow_atomic_publish: false,
        ..config(options, names.table_stream(table), subjects)
    }
}

fn config(options: &EngineOptions, name: String, subjects: String) -> Config {
    Config {
        name,
        subjects: vec![subjects],
        description: Some("Documents of Baton. No other program may write here.".to_owned()),
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: options.replicas,
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_age: Duration::ZERO,
        // Full means refused, never that the oldest record goes.
        discard: DiscardPolicy::New,
        duplicate_window: options.dedupe_window,
        allow_direct: true,
        allow_atomic_publish: true,
        metadata: HashMap::from([
            (LAYOUT_KEY.to_owned(), LAYOUT.to_owned()),
            (STREAMS_KEY.to_owned(), options.streams.to_string()),
            (SNAPSHOTS_KEY.to_owned(), options.snapshots.to_string()),
        ]),
        ..Config::default()
    }
}

/// Returns a stream, if there is one of this name.
async fn find(connection: &Connection, name: &str) -> Result<Option<Info>, EngineError> {
    const QUESTION: &str = "the question for a stream";
    let jetstream = connection.jetstream();
    match connection
        .unless_lost(QUESTION, jetstream.get_stream(name))
        .await?
    {
        Ok(stream) => Ok(Some(stream.cached_info().clone())),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error)
                if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
            {
                Ok(None)
            }
            GetStreamErrorKind::JetStream(error) => {
                Err(EngineError::from_jetstream(QUESTION, &error))
            }
            _ => Err(EngineError::unanswered(QUESTION, &error)),
        },
    }
}

/// Checks a stream, or creates it. Returns how it is.
async fn ensure(connection: &Connection, wanted: Config) -> Result<Config, EngineError> {
    let name = wanted.name.clone();
    if let Some(found) = find(connection, &name).await? {
        return check(found, &wanted);
    }
    tracing::info!(
        stream = name,
        copies = wanted.num_replicas,
        "creating a stream"
    );
    let jetstream = connection.jetstream();
    let created = jetstream.create_stream(wanted.clone());
    match connection.unless_lost(CREATION, created).await? {
        Ok(stream) => check(stream.cached_info().clone(), &wanted),
        Err(error) => Err(match error.kind() {
            CreateStreamErrorKind::JetStream(error) => create_error(&error, wanted.num_replicas),
            _ => EngineError::unanswered(CREATION, &error),
        }),
    }
}

fn create_error(error: &async_nats::jetstream::Error, replicas: usize) -> EngineError {
    // Another node of the cluster may be creating the same stream.
    if error.error_code() == ErrorCode::STREAM_NAME_EXIST {
        return EngineError::unanswered(CREATION, &error);
    }
    let unplaceable = [
        ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED,
        ErrorCode::CLUSTER_NO_PEERS,
    ];
    if unplaceable.contains(&error.error_code()) {
        return EngineError::TooFewServers {
            copies: replicas,
            reason: error.to_string(),
        };
    }
    EngineError::from_jetstream(CREATION, error)
}

/// Checks what Baton relies on; all else is the operator's. Returns the stream's settings.
fn check(info: Info, wanted: &Config) -> Result<Config, EngineError> {
    let found = info.config;
    let name = &found.name;
    let streams = found.metadata.get(STREAMS_KEY);
    let (in_engine, wanted_place) = (
        SnapshotPlace::Engine.to_string(),
        &wanted.metadata[SNAPSHOTS_KEY],
    );
    let place = found.metadata.get(SNAPSHOTS_KEY).unwrap_or(&in_engine);
    let edit = |what: &str| format!("run `nats stream edit {name} {what}`");
    let rules: [(bool, String, String); 12] = [
        (
            found.metadata.get(LAYOUT_KEY).map(String::as_str) == Some(LAYOUT),
            format!("stream {name} was not made by this version of Baton"),
            again(),
        ),
        (
            streams == wanted.metadata.get(STREAMS_KEY),
            format!(
                "the cluster was made with {} streams, the settings say {}",
                streams.map_or("no number of", String::as_str),
                wanted.metadata[STREAMS_KEY]
            ),
            "start with `--cluster-streams` as it was; the number is fixed at creation".to_owned(),
        ),
        (
            place == wanted_place,
            format!(
                "the cluster was made with its snapshots in {place}, the settings say \
                 {wanted_place}"
            ),
            format!(
                "start with `--cluster-snapshots {place}` as it was; the place is fixed at creation"
            ),
        ),
        (
            found.num_replicas >= wanted.num_replicas,
            format!(
                "stream {name} has {} copies, {} are asked for",
                found.num_replicas, wanted.num_replicas
            ),
            edit(&format!("--replicas {}", wanted.num_replicas)),
        ),
        (
            found.storage == StorageType::File,
            format!("stream {name} is kept in memory"),
            again(),
        ),
        (
            found.retention == RetentionPolicy::Limits && found.subjects == wanted.subjects,
            format!("stream {name} has other subjects or another retention than Baton's"),
            again(),
        ),
        (
            found.allow_atomic_publish || !wanted.allow_atomic_publish,
            format!("stream {name} takes no atomic batches"),
            edit("--allow-batch"),
        ),
        (
            found.allow_direct,
            format!("stream {name} allows no direct reads"),
            edit("--allow-direct"),
        ),
        (
            found.duplicate_window >= wanted.duplicate_window,
            format!(
                "stream {name} recognizes a repeated message for {:?}, {:?} are asked for",
                found.duplicate_window, wanted.duplicate_window
            ),
            edit(&format!(
                "--dupe-window {}s",
                wanted.duplicate_window.as_secs()
            )),
        ),
        (
            !found.deny_purge && !found.sealed,
            format!("stream {name} allows no purge, so that snapshots could not replace records"),
            again(),
        ),
        (
            found.max_age == wanted.max_age,
            format!("stream {name} drops what is older than {:?}", found.max_age),
            edit(&format!("--max-age {}s", wanted.max_age.as_secs())),
        ),
        (
            found.max_messages_per_subject == wanted.max_messages_per_subject
                && (found.discard == DiscardPolicy::New
                    || (found.max_messages < 1 && found.max_bytes < 1)),
            format!("stream {name} drops its oldest records when it is full"),
            edit(&format!(
                "--discard new --max-msgs-per-subject {}",
                wanted.max_messages_per_subject
            )),
        ),
    ];
    match rules.into_iter().find(|(holds, ..)| !holds) {
        Some((_, what, mend)) => Err(EngineError::Unfit { what, mend }),
        None => Ok(found),
    }
}
