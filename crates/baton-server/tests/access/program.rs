//! The program as a child process, and a client that only finds out if it is let in.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Longest wait for anything, on a machine that has much else to do.
pub(crate) const WAIT: Duration = Duration::from_secs(30);

/// A running program, which ends with this.
pub(crate) struct Program {
    folder: TempDir,
    pub(crate) address: SocketAddr,
    _child: Child,
}

/// Answer to a client that asks for a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server began to send the document.
    Opened,
    /// The server closed the connection, and told the client this before.
    Closed {
        code: u16,
        reason: String,
        text: String,
    },
    /// The server did not upgrade the connection.
    Http(u16),
}

impl Outcome {
    /// Returns code and reason of the close frame.
    pub(crate) fn closed(&self) -> (u16, &str) {
        match self {
            Self::Closed { code, reason, .. } => (*code, reason),
            other => panic!("not closed, but {other:?}"),
        }
    }
}

/// Returns a command for the program, without what the environment of the tests sets.
pub(crate) fn baton() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
    for name in baton_server::Settings::NAMES {
        command.env_remove(format!("BATON_{}", name.to_uppercase()));
    }
    command.env_remove("BATON_CONFIG").kill_on_drop(true);
    command
}

impl Program {
    /// Starts the program with these settings on a free port, with everything in its log.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_with(settings, &[]).await
    }

    /// Starts it with these environment variables as well.
    pub(crate) async fn start_with(
        settings: &[(&str, &str)],
        environment: &[(&str, &str)],
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let mut command = baton();
        for (name, value) in settings {
            command.env(format!("BATON_{}", name.to_uppercase()), value);
        }
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("data"))
            .env("BATON_LOG", "trace")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = timeout(WAIT, lines.next_line()).await.unwrap().unwrap();
        let said = std::fs::read_to_string(folder.path().join("log")).unwrap();
        let line = line.unwrap_or_else(|| panic!("it does not start: {said}"));
        let address = line.strip_prefix("listening on http://").unwrap();
        Self {
            address: address.parse().unwrap(),
            folder,
            _child: child,
        }
    }

    /// Writes a file that settings can name.
    pub(crate) fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Returns its log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Asks for a document with a token in the query.
    pub(crate) async fn ask(&self, document: &str, token: &str) -> Outcome {
        self.ask_at(&format!("/ws/{document}?token={token}"), &[])
            .await
    }

    /// Asks with this path and these headers.
    pub(crate) async fn ask_at(&self, path: &str, headers: &[(&'static str, &str)]) -> Outcome {
        let url = format!("ws://{}{path}", self.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let connected = timeout(WAIT, connect_async(request)).await.unwrap();
        let mut socket = match connected {
            Ok((socket, _)) => socket,
            Err(Error::Http(answer)) => return Outcome::Http(answer.status().as_u16()),
            Err(error) => panic!("{path}: {error}"),
        };
        self.talks(&mut socket, vec![0, 0, 1, 0]).await
    }

    /// Asks for a document with this hello as the first message.
    pub(crate) async fn ask_with_hello(&self, document: &str, hello: &str) -> Outcome {
        let url = format!("ws://{}/ws/{document}", self.address);
        let (mut socket, _) = timeout(WAIT, connect_async(url)).await.unwrap().unwrap();
        let frame = baton_sync::y_websocket::baton(hello).to_vec();
        self.talks(&mut socket, frame).await
    }

    /// Connects without a token, and says nothing.
    pub(crate) async fn stays_silent(&self, document: &str) -> Outcome {
        let url = format!("ws://{}/ws/{document}", self.address);
        let (mut socket, _) = timeout(WAIT, connect_async(url)).await.unwrap().unwrap();
        hears(&mut socket).await
    }

    /// Sends the first message, as every client does, and reads the answer to it.
    async fn talks(&self, socket: &mut Socket, first: Vec<u8>) -> Outcome {
        // It may be refused before it has read all of this.
        let _refused = socket.send(Message::Binary(first.into())).await;
        hears(socket).await
    }

    /// Asks again until the client is let in, as a provider does after a retryable code.
    pub(crate) async fn opens_at_last(&self, document: &str, token: &str) {
        let asking = async {
            while self.ask(document, token).await != Outcome::Opened {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        assert!(timeout(WAIT, asking).await.is_ok(), "not let in");
    }

    /// Returns the count of a denial in the metrics.
    pub(crate) async fn denied(&self, why: &str) -> u64 {
        self.metric(&format!("baton_denied_total{{why=\"{why}\"}}"))
            .await
    }

    /// Returns the value of a metric.
    pub(crate) async fn metric(&self, series: &str) -> u64 {
        let metrics = self.metrics().await;
        let line = metrics.lines().find_map(|line| line.strip_prefix(series));
        let value = line.unwrap_or_else(|| panic!("{series}: {metrics}")).trim();
        value.parse().unwrap()
    }

    /// Returns the page of metrics.
    pub(crate) async fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let reading = stream.read_to_string(&mut answer);
        timeout(WAIT, reading).await.unwrap().unwrap();
        answer
    }

    /// Asserts that neither log nor metrics show a secret, or a part of a token that counts.
    pub(crate) async fn keeps_secret(&self, secrets: &[&str]) {
        let shown = self.log() + &self.metrics().await;
        assert!(shown.contains("refused: "), "the log is captured: {shown}");
        for secret in secrets {
            for part in secret.split('.').filter(|part| part.len() >= 16) {
                assert!(!shown.contains(part), "{part} is shown: {shown}");
            }
        }
    }
}

/// Reads the answer of the server to a client that asks for a document.
async fn hears(socket: &mut Socket) -> Outcome {
    let mut text = String::new();
    loop {
        let message = timeout(WAIT, socket.next()).await.unwrap();
        match message.unwrap_or_else(|| panic!("no close frame")).unwrap() {
            // Sync: what a client that is denied must never see, with or without content.
            Message::Binary(frame) if frame.first() == Some(&0) => return Outcome::Opened,
            // Auth: denied, and a text with its length.
            Message::Binary(frame) if frame.starts_with(&[2, 0]) => {
                text = String::from_utf8_lossy(&frame[3..]).into_owned();
            }
            Message::Close(Some(close)) => {
                let (code, reason) = (close.code.into(), close.reason.to_string());
                return Outcome::Closed { code, reason, text };
            }
            Message::Ping(_) => {}
            // A welcome: the channel is open, and so is the document.
            Message::Binary(frame) if frame.first() == Some(&98) => return Outcome::Opened,
            other => panic!("{other:?} comes before the answer"),
        }
    }
}
