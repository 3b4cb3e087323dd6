//! Latency, throughput, and one document with many readers.

use std::io;
use std::pin::pin;
use std::time::Duration;

use baton_load::times::Spread;
use baton_load::{Crowd, Dialect, Pace, Saves, Target};
use tokio::time::sleep;

use super::Measure;
use super::results::Notes;
use super::servers::Servers;
use crate::engines::Engines;

/// Edits a second of the one writer whom many read.
const READ_RATE: f64 = 5.0;

/// Pause between two looks at the subscriptions.
const LOOK: Duration = Duration::from_millis(300);

/// Returns the beginning of the names of what is measured on this wire.
fn wire(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Hocuspocus => "Hocuspocus wire: ",
        Dialect::Forward | Dialect::YWebsocket | Dialect::Baton => "",
    }
}

/// Echo to another client of the same document, and the answer that an edit is saved.
pub(super) async fn latency(
    measure: &Measure,
    servers: &Servers,
    dialect: Dialect,
    notes: &mut Notes<'_>,
) -> io::Result<()> {
    let targets = servers.targets(dialect);
    for rate in &measure.rates {
        let name = format!("{}echo, {rate} edits/s", wire(dialect));
        echo(measure, servers, &targets[..1], *rate, &name, notes).await?;
        if targets.len() > 1 {
            echo(measure, servers, &targets[..2], *rate, &name, notes).await?;
        }
        let load = Saves {
            documents: measure.documents,
            pace: Pace::Rate(rate / measure.documents as f64),
            time: measure.time,
            name: servers.documents(&format!("saves-{rate}"), dialect),
            ..Saves::default()
        };
        let seen = load.run(&targets).await?;
        let name = format!("{}saved, {rate} edits/s", wire(dialect));
        spread(&name, &servers.label, seen.spread, notes);
        missing(&name, &servers.label, seen.sent - seen.saved, notes);
    }
    Ok(())
}

/// A writer and a reader in each document, the reader at the second of two servers.
async fn echo(
    measure: &Measure,
    servers: &Servers,
    targets: &[Target],
    rate: f64,
    name: &str,
    notes: &mut Notes<'_>,
) -> io::Result<()> {
    let dialect = targets.first().map_or(Dialect::Baton, |one| one.dialect);
    let load = Crowd {
        rooms: measure.documents,
        clients: 2,
        writers: 1,
        rate: rate / measure.documents as f64,
        time: measure.time,
        name: servers.documents(&format!("echo-{rate}-{}", targets.len()), dialect),
        ..Crowd::default()
    };
    let seen = load.run_over(targets).await?;
    let label = match targets.len() {
        1 => servers.label.clone(),
        _ => format!("{}; reader at another one", servers.label),
    };
    spread(name, &label, seen.spread, notes);
    missing(name, &label, seen.due - seen.delivered, notes);
    Ok(())
}

/// Saved edits a second with so many in flight that the servers are saturated.
pub(super) async fn throughput(
    measure: &Measure,
    servers: &Servers,
    dialect: Dialect,
    notes: &mut Notes<'_>,
) -> io::Result<()> {
    let load = Saves {
        documents: measure.documents,
        pace: Pace::InFlight(measure.in_flight),
        time: measure.time,
        name: servers.documents("saturated", dialect),
        ..Saves::default()
    };
    let before = servers.cost()?;
    let seen = load.run(&servers.targets(dialect)).await?;
    let (nodes, engines) = servers.cost()?.per_million(before, seen.saved);
    let (wire, label) = (wire(dialect), &servers.label);
    let name = format!("{wire}saturated");
    notes.note(format!("{name}: saved edits"), label, seen.per_second, "/s");
    spread(&name, label, seen.spread, notes);
    let unit = "CPU s per million edits";
    notes.note(format!("{name}: nodes"), label, nodes, unit);
    if servers.has_engines() {
        notes.note(format!("{name}: engines"), label, engines, unit);
    }
    missing(&name, label, seen.sent - seen.saved, notes);
    Ok(())
}

/// One writer, and many readers that are dealt to all nodes.
pub(super) async fn readers(
    measure: &Measure,
    servers: &Servers,
    engines: Option<&Engines>,
    notes: &mut Notes<'_>,
) -> io::Result<()> {
    let dialect = Dialect::YWebsocket;
    let load = Crowd {
        rooms: 1,
        clients: measure.readers + 1,
        writers: 1,
        rate: READ_RATE,
        time: measure.time,
        name: servers.documents("readers", dialect),
        ..Crowd::default()
    };
    let targets = servers.targets(dialect);
    let subject = format!("baton.relay.{}.", load.document(0));
    let before = servers.cost()?;
    let mut run = pin!(load.run_over(&targets));
    let mut subscriptions = 0;
    let seen = loop {
        tokio::select! {
            seen = &mut run => break seen?,
            count = subscriptions_soon(engines, &subject) => {
                subscriptions = subscriptions.max(count);
            }
        }
    };
    let (_, engine_share) = servers.cost()?.per_million(before, seen.delivered);
    let (name, label) = (format!("{} readers", measure.readers), &servers.label);
    notes.note(format!("{name}: deliveries"), label, seen.per_second, "/s");
    spread(&name, label, seen.spread, notes);
    let unit = "CPU s per million deliveries";
    let nodes = seen.cpu_per_million.unwrap_or_default();
    notes.note(format!("{name}: nodes"), label, nodes, unit);
    if servers.has_engines() {
        notes.note(format!("{name}: engines"), label, engine_share, unit);
        let what = format!("{name}: subscriptions of all nodes");
        notes.note(what, label, subscriptions as f64, "");
    }
    missing(&name, label, seen.due - seen.delivered, notes);
    if seen.closed > 0 {
        let closed = seen.closed;
        notes.problem(format!(
            "{name}, {label}: the servers ended {closed} connections"
        ));
    }
    Ok(())
}

/// Looks after a pause how many nodes listen to this subject; never, if there are no engines.
async fn subscriptions_soon(engines: Option<&Engines>, subject: &str) -> usize {
    sleep(LOOK).await;
    match engines {
        Some(engines) => engines.subscriptions(subject).await,
        None => std::future::pending().await,
    }
}

fn spread(name: &str, label: &str, spread: Spread, notes: &mut Notes<'_>) {
    notes.note(format!("{name}: p50"), label, spread.p50, "ms");
    notes.note(format!("{name}: p99"), label, spread.p99, "ms");
}

/// Says so if something did not come: the times are then those of the rest.
fn missing(name: &str, label: &str, count: u64, notes: &mut Notes<'_>) {
    if count > 0 {
        notes.note(format!("{name}: not in time"), label, count as f64, "");
    }
}
