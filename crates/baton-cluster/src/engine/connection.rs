//! The connection of a node to the engine's servers: asking JetStream, and leaving a server.
//!
//! One connection carries everything of a node. It reconnects by itself, to any of the servers. A
//! server that lives and is parted from the others answers pings, but stores nothing: it is left.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::Instant;

use super::connect::connect;
use super::error::EngineError;
use super::options::EngineOptions;

/// Time without a decision of the engine after which a server is left that is alive. Most
/// elections are shorter; in a longer one another server is as good.
const UNDECIDED_AT_MOST: Duration = Duration::from_secs(6);

/// Connections that are made, at most, to find another server than the one that is left: the
/// library takes any of those that are not known to be gone, also the same one.
const OTHERS_TRIED: u32 = 8;

/// Interval at which it is looked whether the library has connected again: its event comes before
/// what the new server said of itself.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

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
            self.leave_server().await;
        }
    }

    /// Connects to another server, if there is one that answers, and to the same one otherwise.
    /// Takes no longer than that server then has for its first decision.
    async fn leave_server(&self) {
        let left = self.client.server_info().server_id;
        let elsewhere = async {
            for _ in 0..OTHERS_TRIED {
                let connection = self.client.server_info().client_id;
                if self.client.force_reconnect().await.is_err() {
                    // The connection is closed for good.
                    return;
                }
                let info = loop {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    let info = self.client.server_info();
                    if info.server_id != left || info.client_id != connection {
                        break info;
                    }
                };
                if info.server_id != left {
                    tracing::info!(server = %info.server_name, "another server of the engine");
                    return;
                }
            }
        };
        // No server is there: the library tries them all until one comes.
        let _ = tokio::time::timeout(UNDECIDED_AT_MOST, elsewhere).await;
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that greets under its name and answers pings, and decides nothing. Returns its
    /// address.
    async fn greeter(name: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        tokio::spawn(async move {
            for connection in 1_u64.. {
                let (stream, _) = listener.accept().await.expect("a connection");
                let (read, mut write) = stream.into_split();
                let info = serde_json::json!({
                    "server_id": name, "server_name": name, "version": "2.12.0", "proto": 1,
                    "host": "127.0.0.1", "port": address.port(), "headers": true,
                    "max_payload": 1_048_576, "client_id": connection,
                });
                tokio::spawn(async move {
                    write
                        .write_all(format!("INFO {info}\r\n").as_bytes())
                        .await?;
                    let mut lines = BufReader::new(read).lines();
                    while let Some(line) = lines.next_line().await? {
                        if line.starts_with("PING") {
                            write.write_all(b"PONG\r\n").await?;
                        }
                    }
                    std::io::Result::Ok(())
                });
            }
        });
        format!("nats://{address}")
    }

    /// One of three reconnections was to the server that had been left, which has six seconds then.
    #[tokio::test]
    async fn a_server_that_is_left_is_not_taken_again() {
        let servers = [greeter("A").await, greeter("B").await, greeter("C").await];
        let options = EngineOptions::new(servers.join(",").parse().expect("addresses"));
        let connection = Connection::open(options).await.expect("a server");
        let mut left = connection.client.server_info().server_id;
        for _ in 0..20 {
            connection.leave_server().await;
            let taken = connection.client.server_info().server_id;
            assert_ne!(taken, left);
            left = taken;
        }
    }

    /// An engine of one server is connected to again.
    #[tokio::test]
    async fn the_only_server_is_taken_again() {
        let options = EngineOptions::new(greeter("A").await.parse().expect("an address"));
        let connection = Connection::open(options).await.expect("a server");
        connection.leave_server().await;
        let flushed = connection.client.flush().await;
        flushed.expect("it is connected");
    }

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
