//! A server in this process, and waits for its clients.

use baton_client::yrs::{GetString, ReadTxn, Text, WriteTxn};
use baton_client::{Client, ClientEvent, ClientOptions, Draft, User};
use baton_log::{Log, LogOptions};
use baton_server::{Server, Settings, Span};
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    listening: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn in_memory() -> Self {
        let log = Log::in_memory(LogOptions::default()).unwrap();
        Self::start(
            Settings::default(),
            log,
            SocketAddr::from(([127, 0, 0, 1], 0)),
        )
        .await
    }

    pub(crate) async fn stored(data: &Path, address: SocketAddr) -> Self {
        let mut settings = Settings::default();
        settings.drain_over = Span(Duration::from_millis(10));
        let log = Log::open_embedded(data, Server::log_options(&settings)).unwrap();
        Self::start(settings, log, address).await
    }

    pub(crate) async fn start(settings: Settings, log: Log, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(settings, log).unwrap();
        let accepting = server.clone();
        let listening = tokio::spawn(async move { accepting.listen(listener).await.unwrap() });
        Self {
            server,
            address,
            listening,
        }
    }

    pub(crate) async fn stop(self) {
        within("the server to stop", self.server.shutdown())
            .await
            .unwrap();
        within("the port to be free", self.listening).await.unwrap();
    }

    pub(crate) fn options(&self, name: &str) -> ClientOptions {
        let mut options = ClientOptions::new(format!("ws://{}/ws", self.address), "a/b c");
        options.user = User {
            name: name.to_owned(),
            color: String::new(),
            ..User::default()
        };
        options
    }

    pub(crate) async fn join(&self, name: &str) -> Client {
        let client = Client::connect(self.options(name)).unwrap();
        within("the first sync", client.synced()).await.unwrap();
        client
    }
}

pub(crate) async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, wait).await {
        Ok(found) => found,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// Waits for an event.
pub(crate) async fn hears<T>(
    what: &str,
    events: &mut Receiver<ClientEvent>,
    mut look: impl FnMut(ClientEvent) -> Option<T>,
) -> T {
    let wait = async {
        loop {
            match events.recv().await {
                Ok(event) => {
                    if let Some(found) = look(event) {
                        return found;
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => panic!("no more events before {what}"),
            }
        }
    };
    within(what, wait).await
}

pub(crate) fn text(client: &Client) -> String {
    client
        .read(|txn| txn.get_text("t").map(|text| text.get_string(txn)))
        .unwrap()
        .unwrap_or_default()
}

pub(crate) fn append(client: &Client, words: &str) {
    client
        .edit(|txn| txn.get_or_insert_text("t").push(txn, words))
        .unwrap();
}

/// Waits until both copies have the same text, of this length.
pub(crate) async fn agree(one: &Client, two: &Client, length: usize) {
    let mut events = (one.events(), two.events());
    let same = async {
        loop {
            let (a, b) = (text(one), text(two));
            if a == b && a.len() == length {
                return;
            }
            tokio::select! {
                event = events.0.recv() => drop(event),
                event = events.1.recv() => drop(event),
            }
        }
    };
    within("the same text", same).await;
}

pub(crate) fn text_of(draft: &Draft) -> String {
    let document = draft.document().unwrap();
    let text = document.read(|txn| txn.get_text("t").map(|text| text.get_string(txn)));
    text.unwrap().unwrap_or_default()
}

/// Waits until this copy contains these words.
pub(crate) async fn agree_that(client: &Client, words: &str) {
    let mut events = client.events();
    let wait = async {
        while !text(client).contains(words) {
            let _ = events.recv().await;
        }
    };
    within(words, wait).await;
}
