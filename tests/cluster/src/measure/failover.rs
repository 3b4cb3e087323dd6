//! How long the failure of a node or of an engine is felt.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use baton_client::yrs::{Text, WriteTxn};
use baton_client::{Client, ClientOptions, Outcome, UserSecret};
use baton_load::{Dialect, Pace, Saves, SavesSeen};
use baton_testkit::Proxy;
use baton_tests::ServerProcess;
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep, timeout};

use super::Measure;
use super::results::{BASELINE, Notes};
use super::servers::Servers;
use crate::engines::Engines;
use crate::injector::Cluster;

/// Longer than a lease, its grace and the recovery (30 s), and than an election (11 s).
const PATIENCE: Duration = Duration::from_secs(60);

/// Edits a second of each writer while an engine fails.
const RATE: f64 = 20.0;

/// Documents with a writer while an engine fails: each of the eight streams has some.
const WRITERS: usize = 24;

/// Time after the beginning of a load at which an engine fails.
const FAILS: Duration = Duration::from_secs(1);

/// The beginning of the names of the streams with the records.
const LOG: &str = "baton-log-";

/// The time until edits of all clients are saved again, of a server that is killed.
const SAVED_AGAIN: &str = "node killed, until its clients have saved an edit again";

/// Kills the one node and starts it again at once.
pub(super) async fn restart(
    measure: &Measure,
    process: &mut ServerProcess,
    notes: &mut Notes<'_>,
) -> io::Result<()> {
    let clients = come(measure, process.address()).await?;
    process.kill().await;
    let began = Instant::now();
    process.start_again().await;
    tell(&again(&clients, began).await?, BASELINE, notes);
    Ok(())
}

/// Kills a node whose clients can go elsewhere, and one of which holds a lock and cannot.
pub(super) async fn node_killed(
    measure: &Measure,
    cluster: &mut Cluster,
    notes: &mut Notes<'_>,
) -> io::Result<()> {
    let label = Servers::cluster(cluster).label;
    let balancer = Proxy::among(cluster.nodes.addresses_from(0)).await?;
    let clients = come(measure, balancer.address()).await?;
    let holder = comes(cluster.nodes.address(0), "locked", "holder").await?;
    asks(&holder, Outcome::Done).await?;
    in_time(holder.granted()).await?;
    let waiter = comes(cluster.nodes.address(1), "locked", "waiter").await?;
    asks(&waiter, Outcome::Queued).await?;

    cluster.nodes.kill(0).await;
    let began = Instant::now();
    tell(&again(&clients, began).await?, &label, notes);
    in_time(waiter.granted()).await?;
    let took = began.elapsed().as_secs_f64();
    notes.note(
        "node killed, until a lock of it passes on",
        &label,
        took,
        "s",
    );
    cluster.nodes.start_again(0).await;
    Ok(())
}

/// Kills the engine that leads most streams.
pub(super) async fn engine_killed(
    measure: &Measure,
    cluster: &mut Cluster,
    notes: &mut Notes<'_>,
) -> io::Result<()> {
    let servers = Servers::cluster(cluster);
    let engines = &mut cluster.engines;
    let strike = async {
        sleep(FAILS).await;
        let (engine, _) = leader(engines).await?;
        engines.kill(engine).await?;
        Ok::<_, io::Error>(engine)
    };
    let load = writers(measure, &servers, "killed");
    let targets = servers.targets(Dialect::Baton);
    let (seen, engine) = tokio::try_join!(load.run(&targets), strike)?;
    cluster.engines.start_again(engine)?;
    cluster.engines.are_ready().await?;
    pause(&seen, "engine killed", &servers.label, notes);
    Ok(())
}

/// Freezes the engine that leads most streams.
pub(super) async fn engine_frozen(
    measure: &Measure,
    cluster: &Cluster,
    notes: &mut Notes<'_>,
) -> io::Result<()> {
    let servers = Servers::cluster(cluster);
    let engines = &cluster.engines;
    let strike = async {
        sleep(FAILS).await;
        let (engine, _) = leader(engines).await?;
        engines.freeze(engine)?;
        Ok::<_, io::Error>(engine)
    };
    let load = writers(measure, &servers, "frozen");
    let targets = servers.targets(Dialect::Baton);
    let (seen, engine) = tokio::try_join!(load.run(&targets), strike)?;
    engines.thaw(engine)?;
    engines.are_ready().await?;
    pause(&seen, "engine frozen", &servers.label, notes);
    Ok(())
}

async fn leader(engines: &Engines) -> io::Result<(usize, usize)> {
    let leader = engines.leads_most(LOG).await;
    leader.ok_or_else(|| io::Error::other("no engine leads a stream"))
}

fn writers(measure: &Measure, servers: &Servers, name: &str) -> Saves {
    Saves {
        documents: WRITERS,
        pace: Pace::Rate(RATE),
        time: measure.outage,
        patience: PATIENCE,
        name: servers.documents(name, Dialect::Baton),
        ..Saves::default()
    }
}

/// Notes for how long nothing was saved; in the end all must be.
fn pause(seen: &SavesSeen, name: &str, label: &str, notes: &mut Notes<'_>) {
    let what = format!("{name}, longest time in which nothing of a document is saved");
    notes.note(what, label, seen.longest_pause / 1000.0, "s");
    if seen.closed > 0 {
        // After more than a lease without an answer a node closes its connections. These writers
        // do not come again, and what they sent last is not looked for.
        let what = format!("{name}, writers whose node was cut off for longer than its lease");
        let closed = u32::try_from(seen.closed).unwrap_or(u32::MAX);
        notes.note(what, label, f64::from(closed), "");
    } else if seen.saved != seen.sent {
        notes.problem(format!(
            "{name}: {PATIENCE:?} after the end of the load {} of {} edits are not saved: {seen:?}",
            seen.sent - seen.saved,
            seen.sent
        ));
    }
}

// ---- clients ----

/// Lets clients come to a document each, all of whose edits are saved.
async fn come(measure: &Measure, address: SocketAddr) -> io::Result<Vec<Client>> {
    let clients = (0..measure.refugees).map(|number| async move {
        let client = comes(address, &format!("refuge-{number}"), "refugee").await?;
        types(&client, "before")?;
        in_time(client.saved()).await?;
        Ok::<_, io::Error>(client)
    });
    try_join_all(clients).await
}

/// Returns for each client the time in seconds until an edit that it makes now is saved.
async fn again(clients: &[Client], began: Instant) -> io::Result<Vec<f64>> {
    let all = clients.iter().map(|client| async move {
        types(client, "after")?;
        in_time(client.saved()).await?;
        Ok::<_, io::Error>(began.elapsed().as_secs_f64())
    });
    let mut times = try_join_all(all).await?;
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn tell(times: &[f64], label: &str, notes: &mut Notes<'_>) {
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let last = times.last().copied().unwrap_or_default();
    notes.note(format!("{SAVED_AGAIN}: half of them"), label, median, "s");
    notes.note(format!("{SAVED_AGAIN}: all"), label, last, "s");
}

async fn comes(address: SocketAddr, document: &str, name: &str) -> io::Result<Client> {
    let mut options = ClientOptions::new(format!("ws://{address}/ws"), document);
    let secret = UserSecret::new(format!("{name} of the measuring program"));
    options.user_key = Some(secret.map_err(io::Error::other)?);
    let client = Client::connect(options).map_err(io::Error::other)?;
    in_time(client.synced()).await?;
    Ok(client)
}

async fn asks(client: &Client, expected: Outcome) -> io::Result<()> {
    let outcome = in_time(client.acquire()).await?;
    if outcome == expected {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "the answer to a request for the lock is {outcome:?} instead of {expected:?}"
    )))
}

fn types(client: &Client, word: &str) -> io::Result<()> {
    let edit = client.edit(|txn| txn.get_or_insert_text("t").push(txn, word));
    edit.map_err(io::Error::other)
}

async fn in_time<T, E>(future: impl Future<Output = Result<T, E>>) -> io::Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    timeout(PATIENCE, future).await?.map_err(io::Error::other)
}
