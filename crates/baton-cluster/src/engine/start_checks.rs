//! Checks before a node starts: what it later calls saved must be saved.
//!
//! Each refusal names the command or the lines of configuration that mend it.

use std::time::Duration;

use async_nats::jetstream::account::Account;
use serde_json::json;
use tokio::time::Instant;

use super::bucket::{self, BucketSnapshots};
use super::connection::Connection;
use super::error::EngineError;
use super::options::EngineOptions;
use super::server_state::{ServerState, server_states};
use super::stream_setup;

/// The oldest version of nats-server that knows atomic batches.
const OLDEST: (u64, u64) = (2, 12);

/// Bytes of a message beside its content: subject and headers.
const MESSAGE_OVERHEAD: usize = 4 << 10;

/// Pause before the engine is asked again, as long as it elects its leaders.
const RETRY: Duration = Duration::from_millis(500);

/// Checks servers and streams, and creates the streams that are missing. Asks again while the
/// engine cannot answer yet or has too few servers, which may be starting, too:
/// [`EngineOptions::start_timeout`] at most.
pub(crate) async fn run(
    connection: &Connection,
    bucket: Option<&BucketSnapshots>,
) -> Result<(), EngineError> {
    let until = Instant::now() + connection.options().start_timeout;
    loop {
        let asked = Instant::now();
        match run_once(connection, bucket).await {
            Err(error) if error.is_passing() && Instant::now() < until => {
                tracing::info!(%error, "waiting for the engine");
                connection.undecided(asked).await;
                tokio::time::sleep(RETRY).await;
            }
            done => return done,
        }
    }
}

async fn run_once(
    connection: &Connection,
    bucket: Option<&BucketSnapshots>,
) -> Result<(), EngineError> {
    let info = connection.client().server_info();
    check_version(&info.server_name, &info.version)?;
    check_payload(info.max_payload, connection.options())?;
    let account = "the question for the account";
    match connection.ask(account, "INFO".to_owned(), &json!({})).await {
        Ok(Account { .. }) => {}
        Err(EngineError::Rejected { .. }) => return Err(no_jetstream(&info.server_name)),
        Err(error) if !info.jetstream && info.cluster.is_none() => {
            tracing::debug!(%error, "no answer of JetStream");
            return Err(no_jetstream(&info.server_name));
        }
        Err(error) => return Err(error),
    }
    check_states(&server_states(connection).await?, connection.options())?;
    if let Some(bucket) = bucket {
        bucket::check(bucket).await?;
    }
    stream_setup::run(connection, bucket).await
}

fn check_version(server: &str, version: &str) -> Result<(), EngineError> {
    let (major, minor) = OLDEST;
    let mut numbers = version.split(['.', '-']).map(|number| number.parse().ok());
    let found = (numbers.next().flatten(), numbers.next().flatten());
    if let (Some(found_major), Some(found_minor)) = found
        && (found_major, found_minor) >= OLDEST
    {
        return Ok(());
    }
    Err(EngineError::Unfit {
        what: format!("server {server} has version {version}, which knows no atomic batches"),
        mend: format!("install nats-server {major}.{minor} or newer, one server after the other"),
    })
}

fn check_payload(max_payload: usize, options: &EngineOptions) -> Result<(), EngineError> {
    let needed = options.part_bytes + MESSAGE_OVERHEAD;
    if max_payload >= needed {
        return Ok(());
    }
    Err(EngineError::Unfit {
        what: format!("the servers take messages of {max_payload} bytes, Baton needs {needed}"),
        mend: format!(
            "set `max_payload: {needed}` in the configuration of each nats-server and run \
             `nats-server --signal reload`"
        ),
    })
}

fn no_jetstream(server: &str) -> EngineError {
    EngineError::Unfit {
        what: format!("JetStream is off, at server {server} or for this account"),
        mend: "set `jetstream { store_dir: /var/lib/nats, sync_interval: always }` in the \
               configuration of each nats-server, `jetstream: enabled` in the account if there \
               are accounts, and restart one server after the other"
            .to_owned(),
    }
}

/// Checks the servers that answered. Of those that copies need for a majority all must answer: the
/// others may be down while one server after the other is restarted.
fn check_states(states: &[ServerState], options: &EngineOptions) -> Result<(), EngineError> {
    for state in states {
        check_version(&state.name, &state.version)?;
    }
    let keeping = || {
        let keeping = states.iter();
        keeping.filter_map(|state| Some((&state.name, state.jetstream?)))
    };
    if let Some((name, _)) = keeping().find(|(_, config)| !config.sync_always) {
        return Err(EngineError::Unfit {
            what: format!("server {name} acknowledges records before they are on its disk"),
            mend: "set `sync_interval: always` in the `jetstream` block of each nats-server's \
                   configuration and restart one server after the other"
                .to_owned(),
        });
    }
    let majority = options.replicas / 2 + 1;
    let found = keeping().count();
    if found >= majority {
        return Ok(());
    }
    if found == 0 && options.monitors.is_empty() {
        return Err(EngineError::Unfit {
            what: "the servers' state cannot be read: this account may not ask for it over NATS, \
                   and no monitor is known"
                .to_owned(),
            mend:
                "start with `--cluster-monitors http://A:8222,http://B:8222` with each server (and \
                   `http: 8222` in its configuration), or let the account import the service \
                   $SYS.REQ.SERVER.PING.JSZ of the system account (docs/cluster-engine.md)"
                    .to_owned(),
        });
    }
    Err(EngineError::unanswered(
        "the question for the servers' state",
        &format!(
            "{found} servers with JetStream answered, {majority} are a majority of {} copies",
            options.replicas
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::server_state::JetStreamConfig;
    use super::*;

    fn options() -> EngineOptions {
        EngineOptions::new("a,b,c".parse().unwrap())
    }

    fn state(name: &str, version: &str, sync_always: Option<bool>) -> ServerState {
        ServerState {
            name: name.to_owned(),
            version: version.to_owned(),
            jetstream: sync_always.map(|sync_always| JetStreamConfig { sync_always }),
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        for version in ["2.12.0", "2.15.0", "3.0.0", "2.100.1-beta.1"] {
            assert!(check_version("a", version).is_ok(), "{version}");
        }
        for version in ["2.11.9", "2.9.0", "1.99.0", "", "two"] {
            assert!(check_version("a", version).is_err(), "{version}");
        }
    }

    #[test]
    fn a_majority_must_answer_and_all_that_answer_must_sync() {
        let good = |name| state(name, "2.15.0", Some(true));
        let check = |states: &[ServerState]| check_states(states, &options());
        assert!(check(&[good("a"), good("b")]).is_ok());
        assert!(check(&[good("a"), good("b"), state("c", "2.15.0", None)]).is_ok());
        let few = check(&[good("a")]).unwrap_err();
        assert!(few.is_passing(), "{few}");
        let lax = check(&[good("a"), good("b"), state("c", "2.15.0", Some(false))]);
        let lax = lax.unwrap_err().to_string();
        assert!(
            lax.contains("server c") && lax.contains("sync_interval: always"),
            "{lax}"
        );
        let old = check(&[good("a"), good("b"), state("c", "2.10.0", Some(true))]);
        assert!(
            old.unwrap_err()
                .to_string()
                .contains("server c has version 2.10.0")
        );
        let unread = check(&[]).unwrap_err();
        assert!(!unread.is_passing() && unread.to_string().contains("--cluster-monitors"));
    }
}
