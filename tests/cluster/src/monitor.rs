//! What an engine says about itself on its monitoring port.
//!
//! Owns the reading of it. Asks only; a server that is down or stands still says nothing.

use std::net::SocketAddr;
use std::time::Duration;

use baton_tests::http::try_get;
use serde_json::Value;

/// Time for an answer. A server that is frozen takes connections and does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The group that places streams, as one engine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// The name of the leader; `None` without a majority.
    pub leader: Option<String>,
    /// Servers that the leader counts as there and up to date, itself among them. Others see
    /// only themselves.
    pub current: usize,
}

/// Returns the state of the group of all engines as this one sees it.
pub(crate) async fn meta(monitor: SocketAddr) -> Option<Meta> {
    let state = ask(monitor, "/jsz").await?;
    let meta = &state["meta_cluster"];
    let replicas = meta["replicas"].as_array();
    let is_current = |replica: &&Value| {
        replica["current"].as_bool() == Some(true) && replica["offline"].as_bool() != Some(true)
    };
    let others = replicas.map_or(0, |all| all.iter().filter(is_current).count());
    Some(Meta {
        leader: meta["leader"].as_str().map(str::to_owned),
        current: 1 + others,
    })
}

/// Returns true if this engine syncs each write, as it says itself.
pub(crate) async fn syncs_always(monitor: SocketAddr) -> Option<bool> {
    let state = ask(monitor, "/jsz").await?;
    Some(state["config"]["sync_always"].as_bool() == Some(true))
}

/// Returns the names of the streams that this engine holds a replica of, in order.
pub(crate) async fn streams(monitor: SocketAddr) -> Option<Vec<String>> {
    let streams = stream_details(monitor).await?;
    let names = streams.iter().filter_map(|stream| stream["name"].as_str());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    Some(names)
}

/// Returns the leader of each stream with this beginning of its name, as this engine knows it.
pub(crate) async fn leaders(monitor: SocketAddr, prefix: &str) -> Option<Vec<String>> {
    let streams = stream_details(monitor).await?;
    let named = streams.iter().filter(|stream| is_named(stream, prefix));
    let leaders = named.filter_map(|stream| stream["cluster"]["leader"].as_str());
    Some(leaders.map(str::to_owned).collect())
}

/// Returns the number of messages in the streams with this beginning of their name.
pub(crate) async fn messages(monitor: SocketAddr, prefix: &str) -> Option<u64> {
    let streams = stream_details(monitor).await?;
    let named = streams.iter().filter(|stream| is_named(stream, prefix));
    let counts = named.filter_map(|stream| stream["state"]["messages"].as_u64());
    Some(counts.sum())
}

/// Returns the number of subscriptions of clients of this engine with this beginning of their
/// subject.
pub(crate) async fn subscriptions(monitor: SocketAddr, prefix: &str) -> Option<usize> {
    let state = ask(monitor, "/connz?subs=true").await?;
    let connections = state["connections"].as_array().into_iter().flatten();
    let lists = connections.filter_map(|connection| connection["subscriptions_list"].as_array());
    let subjects = lists.flatten().filter_map(|subject| subject.as_str());
    Some(
        subjects
            .filter(|subject| subject.starts_with(prefix))
            .count(),
    )
}

async fn stream_details(monitor: SocketAddr) -> Option<Vec<Value>> {
    let state = ask(monitor, "/jsz?accounts=true&streams=true").await?;
    let accounts = state["account_details"].as_array().into_iter().flatten();
    let streams = accounts.filter_map(|account| account["stream_detail"].as_array());
    Some(streams.flatten().cloned().collect())
}

fn is_named(stream: &Value, prefix: &str) -> bool {
    let name = stream["name"].as_str();
    name.is_some_and(|name| name.starts_with(prefix))
}

async fn ask(monitor: SocketAddr, path: &str) -> Option<Value> {
    let answer = try_get(monitor, path, PATIENCE).await?;
    serde_json::from_str(&answer.body).ok()
}
