//! Memory of documents that nobody has open.

use std::io;
use std::time::Duration;

use baton_load::edits::Typed;
use baton_load::{Dialect, Target, process};
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::sleep;

use super::Measure;
use super::results::Notes;
use super::servers::Servers;
use crate::engines::Engines;

/// Documents that are made at the same time.
const AT_ONCE: usize = 32;

/// Time in which a process gives back what it does not need any more, at most.
const SETTLES: Duration = Duration::from_secs(4);

/// Characters of a document.
const LENGTH: u32 = 100;

/// The beginning of the names of the streams with the records.
const LOG: &str = "baton-log-";

/// Makes documents, and looks what is left of them once they are at rest.
pub(super) async fn at_rest(
    measure: &Measure,
    servers: &Servers,
    engines: Option<&Engines>,
    notes: &mut Notes<'_>,
) -> io::Result<()> {
    let targets = servers.targets(Dialect::YWebsocket);
    let target = targets.first();
    let target = target.ok_or_else(|| io::Error::other("documents need a server"))?;
    // What the first documents bring with them is not theirs: code, and room in the allocators.
    make(target, "warm", measure.resting / 5).await?;
    let node = measured(&servers.node_pids()).await?;
    let engine = measured(servers.engine_pids()).await?;
    let messages = left(engines).await;
    make(target, "resting", measure.resting).await?;
    sleep(measure.rest).await;
    let label = &servers.label;
    let each = |after: f64, before: f64| (after - before) / measure.resting as f64;
    let name = format!("{} documents at rest", measure.resting);
    let grown = each(measured(&servers.node_pids()).await?, node);
    notes.note(
        format!("{name}: memory of the node"),
        label,
        grown,
        "B each",
    );
    if let Some(before) = messages {
        let grown = each(measured(servers.engine_pids()).await?, engine);
        let what = format!("{name}: memory of all engines");
        notes.note(what, label, grown, "B each");
        let after = left(engines).await.unwrap_or_default();
        let what = format!("{name}: messages in the log");
        notes.note(what, label, each(after as f64, before as f64), "each");
    }
    Ok(())
}

/// Opens each document, writes into it, and leaves it.
async fn make(target: &Target, name: &str, count: usize) -> io::Result<()> {
    let typed = Typed {
        client: 7,
        length: LENGTH,
    };
    let visits = (0..count).map(|number| async move {
        let document = format!("{name}-{number}");
        let (mut client, _) = target.join(&document).await?;
        let update = target.dialect.update(&document, &typed.update(0));
        client.writer.queue(&update);
        client.leave().await
    });
    let mut visits = stream::iter(visits).buffer_unordered(AT_ONCE);
    while visits.try_next().await?.is_some() {}
    Ok(())
}

/// Returns the resident memory of all these in bytes, once it does not fall any more.
async fn measured(pids: &[u32]) -> io::Result<f64> {
    let all = pids.iter().map(|pid| process::settled(*pid, SETTLES));
    let bytes: u64 = try_join_all(all).await?.into_iter().sum();
    Ok(bytes as f64)
}

async fn left(engines: Option<&Engines>) -> Option<u64> {
    match engines {
        Some(engines) => engines.messages(LOG).await,
        None => None,
    }
}
