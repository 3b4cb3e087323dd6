//! The streams and buckets of a cluster: creating them, and checking those that exist.
//!
//! An existing stream is never changed: the operator may have had a reason, and gets the command.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType};

use super::connection::Connection;
use super::error::EngineError;
use super::options::EngineOptions;
use super::shared_table::LEASES;
use super::subjects::Names;

/// Version of the layout of streams and subjects.
const LAYOUT: &str = "1";
const LAYOUT_KEY: &str = "baton-layout";
const STREAMS_KEY: &str = "baton-streams";

/// Time after which the lease of a node that is long gone is dropped.
const LEASES_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Checks the streams of the log and of snapshots, and creates the missing ones.
pub(crate) async fn run(connection: &Connection) -> Result<(), EngineError> {
    let options = connection.options();
    let names = Names::new(&options.prefix);
    for index in 0..options.streams {
        let name = names.log_stream(index);
        let wanted = config(options, name, names.log_subjects(index));
        ensure(connection, wanted).await?;
    }
    let snapshots = config(options, names.snapshot_stream(), names.all_snapshots());
    ensure(connection, snapshots).await?;
    ensure(
        connection,
        table_config(options, &names, LEASES, LEASES_KEPT),
    )
    .await
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
        ]),
        ..Config::default()
    }
}

async fn ensure(connection: &Connection, wanted: Config) -> Result<(), EngineError> {
    let name = wanted.name.clone();
    match connection.jetstream().get_stream(&name).await {
        Ok(stream) => return check(stream.cached_info(), &wanted),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error)
                if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
            GetStreamErrorKind::JetStream(error) => {
                return Err(EngineError::from_jetstream(
                    "the question for a stream",
                    &error,
                ));
            }
            _ => return Err(EngineError::unanswered("the question for a stream", &error)),
        },
    }
    tracing::info!(
        stream = name,
        copies = wanted.num_replicas,
        "creating a stream"
    );
    match connection.jetstream().create_stream(wanted.clone()).await {
        Ok(stream) => check(stream.cached_info(), &wanted),
        Err(error) => Err(match error.kind() {
            CreateStreamErrorKind::JetStream(error) => create_error(&error, wanted.num_replicas),
            _ => EngineError::unanswered("the creation of a stream", &error),
        }),
    }
}

fn create_error(error: &async_nats::jetstream::Error, replicas: usize) -> EngineError {
    let unplaceable = [
        ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED,
        ErrorCode::CLUSTER_NO_PEERS,
    ];
    // Another node of the cluster may be creating the same stream.
    if error.error_code() == ErrorCode::STREAM_NAME_EXIST {
        return EngineError::unanswered("the creation of a stream", &error);
    }
    if unplaceable.contains(&error.error_code()) {
        return EngineError::Unfit {
            what: format!(
                "{replicas} copies are asked for, and the servers cannot hold them ({error})"
            ),
            mend: format!(
                "start {replicas} nats-servers as one cluster (`cluster {{ name: baton, routes: \
                 [...] }}`), or ask for fewer copies with `--cluster-replicas`"
            ),
        };
    }
    EngineError::from_jetstream("the creation of a stream", error)
}

/// Checks what Baton relies on; all else is the operator's.
fn check(info: &Info, wanted: &Config) -> Result<(), EngineError> {
    let found = &info.config;
    let name = &found.name;
    let streams = found.metadata.get(STREAMS_KEY);
    let edit = |what: &str| format!("run `nats stream edit {name} {what}`");
    let again = || {
        "this cannot be changed in place: choose another `--cluster-name`, or move the documents \
         into a new cluster with `baton move`"
            .to_owned()
    };
    let rules: [(bool, String, String); 11] = [
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
        None => Ok(()),
    }
}
