//! The state of the engine's servers, as they report it themselves.
//!
//! Only the system account may ask for it over NATS, unless the operator shares the question with
//! Baton's account; else each server's HTTP monitor answers.

use std::time::Duration;

use async_nats::StatusCode;
use bytes::Bytes;
use futures_util::StreamExt;
use http::Uri;
use http::uri::Scheme;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::connection::Connection;
use super::error::EngineError;

/// Subject on which each server of the cluster reports the state of its JetStream.
const PING: &str = "$SYS.REQ.SERVER.PING.JSZ";

/// Longest answer of a monitor that is read, in bytes.
const MOST_BYTES: usize = 4 << 20;

/// Pause after which no further server is expected to answer.
const LAST_ANSWER: Duration = Duration::from_millis(500);

/// The state of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerState {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Nothing if JetStream is off.
    pub(crate) jetstream: Option<JetStreamConfig>,
}

/// The part of a server's JetStream settings that matters here.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct JetStreamConfig {
    /// True if each record is on the disk before it is acknowledged.
    #[serde(default)]
    pub(crate) sync_always: bool,
}

/// Asks all servers; returns the answers of those that answered, which may be none.
pub(crate) async fn server_states(
    connection: &Connection,
) -> Result<Vec<ServerState>, EngineError> {
    let mut states = states_over_nats(connection).await?;
    for monitor in &connection.options().monitors {
        match state_over_http(monitor, connection.options().answer_timeout).await {
            Ok(state) => states.push(state),
            Err(reason) => {
                tracing::warn!(%monitor, %reason, "a monitor of the engine does not answer");
            }
        }
    }
    states.sort_by(|one, other| one.name.cmp(&other.name));
    states.dedup_by(|one, other| one.name == other.name);
    Ok(states)
}

async fn states_over_nats(connection: &Connection) -> Result<Vec<ServerState>, EngineError> {
    let failed = |error| EngineError::unanswered("the question for the servers' state", &error);
    let client = connection.client();
    let inbox = client.new_inbox();
    let subscribed = client.subscribe(inbox.clone()).await;
    let mut answers = subscribed.map_err(|error| failed(error.to_string()))?;
    let asked = client.publish_with_reply(PING, inbox, Bytes::new()).await;
    asked.map_err(|error| failed(error.to_string()))?;
    let mut states = Vec::new();
    let mut patience = connection.options().answer_timeout;
    while let Ok(Some(answer)) = tokio::time::timeout(patience, answers.next()).await {
        if answer.status == Some(StatusCode::NO_RESPONDERS) {
            break;
        }
        if let Ok(report) = serde_json::from_slice::<Report>(&answer.payload) {
            states.push(ServerState {
                name: report.server.name,
                version: report.server.ver,
                jetstream: report.data.config,
            });
        }
        patience = LAST_ANSWER;
    }
    Ok(states)
}

/// The answer over NATS.
#[derive(Deserialize)]
struct Report {
    server: ReportServer,
    #[serde(default)]
    data: ReportData,
}

#[derive(Deserialize)]
struct ReportServer {
    name: String,
    ver: String,
}

#[derive(Default, Deserialize)]
struct ReportData {
    #[serde(default)]
    config: Option<JetStreamConfig>,
}

/// The answer of a monitor.
#[derive(Deserialize)]
struct Varz {
    server_name: String,
    version: String,
    #[serde(default)]
    jetstream: ReportData,
}

async fn state_over_http(monitor: &str, patience: Duration) -> Result<ServerState, String> {
    let page = tokio::time::timeout(patience, read(monitor));
    let page = page.await.map_err(|_| "it took too long".to_owned())??;
    let varz: Varz = serde_json::from_slice(&page).map_err(|error| error.to_string())?;
    Ok(ServerState {
        name: varz.server_name,
        version: varz.version,
        jetstream: varz.jetstream.config,
    })
}

async fn read(monitor: &str) -> Result<Bytes, String> {
    let page = format!("{}/varz", monitor.trim_end_matches('/'));
    let page: Uri = page
        .parse()
        .map_err(|_| "it is no http:// or https:// address".to_owned())?;
    let builder = Client::builder(TokioExecutor::new());
    let answer = if page.scheme() == Some(&Scheme::HTTPS) {
        // Named here: the provider of the process may be another one in an embedding program.
        let provider = rustls::crypto::ring::default_provider();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .map_err(|error| error.to_string())?;
        let connector = connector.https_only().enable_http1().build();
        let client: Client<_, Empty<Bytes>> = builder.build(connector);
        client.get(page).await
    } else {
        let client: Client<_, Empty<Bytes>> = builder.build_http();
        client.get(page).await
    };
    let answer = answer.map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("status {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
    Ok(body.map_err(|error| error.to_string())?.to_bytes())
}
