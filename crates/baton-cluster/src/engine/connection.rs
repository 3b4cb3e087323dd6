//! The connection of a node to the engine's servers: connecting, and asking JetStream's interface.
//!
//! One connection carries everything of a node. It reconnects by itself, to any of the servers. A
//! server that lives and is parted from the others answers pings, but stores nothing: it is left.

use std::future::IntoFuture;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, HeaderMap};
use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::EngineError;
use super::options::{EngineOptions, Login};

/// Longest pause between two attempts to reach a server.
const RECONNECT_AT_MOST: Duration = Duration::from_secs(1);

/// Time for a server to say hello. One whose process stands still takes connections and says
/// nothing, and may be tried first.
const GREETS_WITHIN: Duration = Duration::from_secs(2);

/// Pause between two attempts to connect at the start.
const CONNECT_AGAIN: Duration = Duration::from_millis(500);

/// Interval at which a silent server is asked for a sign of life. After two that it does not answer
/// the next server is tried.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// Time without a decision of the engine after which a server is left that is alive. Most
/// elections are shorter; in a longer one another server is as good.
const UNDECIDED_AT_MOST: Duration = Duration::from_secs(6);

/// A node's connection to the engine. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    client: Client,
    jetstream: Context,
    options: Arc<EngineOptions>,
    undecided: Arc<Mutex<Undecided>>,
    losses: Losses,
}

/// Time for which the engine has decided nothing that it was asked on this connection.
#[derive(Debug, Default)]
struct Undecided {
    /// The first question of those that were not decided since the last decision.
    since: Option<Instant>,
    /// The losses of the connection until then.
    losses: u64,
}

/// Number of times that the connection to a server was lost.
type Losses = watch::Receiver<u64>;

impl Undecided {
    fn decided(&mut self) {
        self.since = None;
    }

    /// Takes note of a question without a decision, and of the number of losses. Returns true if
    /// the server is to be left. The next one has as much time, also if the connection was lost.
    fn undecided(&mut self, asked: Instant, now: Instant, losses: u64) -> bool {
        if self.losses != losses {
            self.losses = losses;
            self.since = Some(now);
        }
        let since = *self.since.get_or_insert(asked);
        let leaves = now.saturating_duration_since(since) >= UNDECIDED_AT_MOST;
        if leaves {
            self.since = Some(now);
        }
        leaves
    }
}

impl Connection {
    /// Connects to the first server that answers.
    pub(crate) async fn open(options: EngineOptions) -> Result<Connection, EngineError> {
        options.check()?;
        let (lost, losses) = watch::channel(0);
        let client = connect(&options, &Arc::new(lost)).await?;
        let jetstream = jetstream::context::ContextBuilder::new()
            .timeout(options.answer_timeout)
            .ack_timeout(options.answer_timeout)
            .build(client.clone());
        Ok(Connection {
            client,
            jetstream,
            options: Arc::new(options),
            undecided: Arc::default(),
            losses,
        })
    }

    /// Takes note that the engine decided something: a majority of its servers was behind that.
    pub(crate) fn decided(&self) {
        self.undecided.lock().decided();
    }

    /// Takes note that something that was asked at this time was not decided, and tries another
    /// server if that has gone on for long.
    pub(crate) async fn undecided(&self, asked: Instant) {
        let losses = *self.losses.borrow();
        let leaves = self
            .undecided
            .lock()
            .undecided(asked, Instant::now(), losses);
        if leaves {
            tracing::warn!("the server of the engine decides nothing: trying another one");
            // It fails only if the connection is closed for good.
            let _ = self.client.force_reconnect().await;
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn jetstream(&self) -> &Context {
        &self.jetstream
    }

    pub(crate) fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Waits for an answer, for as long as the connection lasts on which the question was sent: a
    /// server that is gone does not answer, and the next one can be asked at once.
    pub(crate) async fn unless_lost<T>(
        &self,
        operation: &'static str,
        answer: impl IntoFuture<Output = T>,
    ) -> Result<T, EngineError> {
        let mut losses = self.losses.clone();
        losses.mark_unchanged();
        tokio::select! {
            answer = answer => Ok(answer),
            Ok(()) = losses.changed() => Err(EngineError::unanswered(
                operation,
                &"the connection was lost meanwhile",
            )),
        }
    }

    /// Asks JetStream's interface and reads its answer. `path` is what follows `$JS.API.`.
    pub(crate) async fn ask<A: DeserializeOwned>(
        &self,
        operation: &'static str,
        path: String,
        question: &impl Serialize,
    ) -> Result<A, EngineError> {
        let answer = self.jetstream.request(path, question);
        let answer: jetstream::response::Response<A> =
            self.unless_lost(operation, answer)
                .await?
                .map_err(|error| EngineError::unanswered(operation, &error))?;
        match answer {
            jetstream::response::Response::Ok(answer) => Ok(answer),
            jetstream::response::Response::Err { error } => {
                Err(EngineError::from_jetstream(operation, &error))
            }
        }
    }

    /// Sends a message and waits for the answer, [`EngineOptions::answer_timeout`] at most.
    pub(crate) async fn request(
        &self,
        operation: &'static str,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Result<async_nats::Message, EngineError> {
        let mut request = async_nats::Request::new()
            .payload(payload)
            .timeout(Some(self.options.answer_timeout));
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        let answer = self.client.send_request(subject, request);
        self.unless_lost(operation, answer)
            .await?
            .map_err(|error| EngineError::unanswered(operation, &error))
    }
}

/// Connects, and waits for servers that are started at the same time as this node.
async fn connect(
    options: &EngineOptions,
    lost: &Arc<watch::Sender<u64>>,
) -> Result<Client, EngineError> {
    let until = Instant::now() + options.start_timeout;
    loop {
        let lost = lost.clone();
        let attempt = connect_options(options).await?;
        let attempt = attempt.event_callback(move |event| report(event, lost.clone()));
        let connecting = attempt.connect(options.servers.addresses().to_vec());
        let failed = match tokio::time::timeout_at(until, connecting).await {
            Ok(Ok(client)) => return Ok(client),
            Ok(Err(error)) => connect_error(&error, options.servers.to_string()),
            Err(_) => EngineError::Unreachable {
                servers: options.servers.to_string(),
                reason: "it took too long".to_owned(),
            },
        };
        if !failed.is_passing() || Instant::now() + CONNECT_AGAIN >= until {
            return Err(failed);
        }
        tracing::info!(error = %failed, "waiting for the engine");
        tokio::time::sleep(CONNECT_AGAIN).await;
    }
}

async fn connect_options(options: &EngineOptions) -> Result<ConnectOptions, EngineError> {
    let mut connect = ConnectOptions::new()
        .name(format!("baton {}", options.prefix))
        .ping_interval(PING_INTERVAL)
        .connection_timeout(GREETS_WITHIN.min(options.answer_timeout))
        .request_timeout(Some(options.answer_timeout))
        .reconnect_delay_callback(|attempts| {
            let steps = u32::try_from(attempts).unwrap_or(u32::MAX);
            RECONNECT_AT_MOST.min(Duration::from_millis(50).saturating_mul(steps))
        });
    if options.servers.requires_tls() {
        connect = connect.require_tls(true);
    }
    if let Some(file) = &options.ca_file {
        readable(file)?;
        connect = connect.add_root_certificates(file.clone());
    }
    if let Some((certificate, key)) = &options.client_certificate {
        readable(certificate)?;
        readable(key)?;
        connect = connect.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(match &options.login {
        Login::Anonymous => connect,
        Login::User { name, password } => connect.user_and_password(name.clone(), password.clone()),
        Login::Token(token) => connect.token(token.clone()),
        Login::CredentialsFile(file) => {
            readable(file)?;
            let path = file.clone();
            let read = connect.credentials_file(&path).await;
            read.map_err(|_| EngineError::Configuration {
                what: format!("{} is no credentials file of NATS", file.display()),
            })?
        }
    })
}

/// Checks early that a file can be read: the error of a failed connection would not name it.
fn readable(file: &Path) -> Result<(), EngineError> {
    match std::fs::File::open(file) {
        Ok(_) => Ok(()),
        Err(error) => Err(EngineError::Configuration {
            what: format!("{} cannot be read ({error})", file.display()),
        }),
    }
}

fn connect_error(error: &ConnectError, servers: String) -> EngineError {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            EngineError::Unauthorized { servers }
        }
        _ => EngineError::Unreachable {
            servers,
            reason: error.to_string(),
        },
    }
}

async fn report(event: Event, lost: Arc<watch::Sender<u64>>) {
    match event {
        Event::Connected => tracing::info!("connected to the engine"),
        Event::Disconnected => {
            tracing::warn!("the connection to the engine is lost");
            lost.send_modify(|losses| *losses += 1);
        }
        other => tracing::debug!(event = %other, "the engine's connection reports"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node stayed with the server that it was connected to as long as that answered its pings.
    #[test]
    fn a_server_that_decides_nothing_is_left_and_the_next_one_has_as_much_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut undecided = Undecided::default();
        assert!(!undecided.undecided(at(0), at(5), 0));
        undecided.decided();
        assert!(
            !undecided.undecided(at(6), at(11), 0),
            "one was decided between"
        );
        assert!(undecided.undecided(at(7), at(12), 0), "none since second 6");
        assert!(
            !undecided.undecided(at(8), at(13), 0),
            "the next one has its time"
        );
        assert!(undecided.undecided(at(13), at(18), 0));
        // The connection was lost by itself meanwhile: the next server is not left for that.
        assert!(!undecided.undecided(at(19), at(25), 1));
        assert!(!undecided.undecided(at(25), at(30), 1));
        assert!(undecided.undecided(at(30), at(31), 1));
    }
}
