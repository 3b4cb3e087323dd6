use baton_log::{Log, LogOptions};
use baton_sync::hocuspocus::{AccessScope, Envelope, HocuspocusMessage, SyncStep};
use futures_util::SinkExt;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::app::App;
use crate::config::Settings;
use crate::connection::socket::{Opened, serve_any};

/// A server without a network, and one of its sockets.
struct Socket {
    app: Arc<App>,
    client: WebSocketStream<DuplexStream>,
    server: JoinHandle<()>,
}

/// A message of the server, with its address.
type Received = (String, String);

fn app(change: impl FnOnce(&mut Settings)) -> Arc<App> {
    let mut settings = Settings::default();
    change(&mut settings);
    let log = Log::in_memory(LogOptions::default()).unwrap();
    Arc::new(App::new(Arc::new(settings), log).unwrap())
}

impl Socket {
    async fn open(app: &Arc<App>) -> Self {
        let entry = HocuspocusEntry {
            registry: Arc::clone(app.registry()),
            authorizer: Arc::clone(app.authorizer()),
            client: IpAddr::from([127, 0, 0, 1]),
            source: Source::new([7; 16]),
            stopping: app.stop_signal(),
        };
        let (near, far) = tokio::io::duplex(1 << 20);
        let opened = Opened::Hocuspocus(Box::new(entry));
        let server = tokio::spawn(serve_any(far, Vec::new(), opened));
        Self {
            app: Arc::clone(app),
            client: WebSocketStream::from_raw_socket(near, Role::Client, None).await,
            server,
        }
    }

    async fn send(&mut self, message: Bytes) {
        self.client.send(Message::Binary(message)).await.unwrap();
    }

    /// Opens an address as the published provider does, and reads until it is in step.
    async fn enter(&mut self, address: &str) {
        for message in [
            hocuspocus::token(address, "any", Some("4.8.0")),
            hocuspocus::step1_bytes(address, &[0]),
        ] {
            self.send(message).await;
        }
        let mut kinds = Vec::new();
        while kinds.last().map(String::as_str) != Some("step2") {
            let (from, kind) = self.next().await;
            assert_eq!(from, address);
            kinds.push(kind);
        }
        assert_eq!(kinds, ["read-write", "step1", "step2"]);
    }

    /// Returns the next message, without pings of the protocol.
    async fn next(&mut self) -> Received {
        loop {
            match self.raw().await {
                Message::Binary(frame) => return shown(&frame),
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Close(frame) => {
                    let frame = frame.expect("a code");
                    return (String::new(), format!("closed {}", u16::from(frame.code)));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    async fn raw(&mut self) -> Message {
        let next = tokio::time::timeout(Duration::from_secs(120), self.client.next());
        next.await.expect("something comes").unwrap().unwrap()
    }
}

/// Returns address and kind of a frame.
fn shown(frame: &Bytes) -> Received {
    let (address, message) = match hocuspocus::decode(frame).unwrap() {
        HocuspocusFrame::Ping => return (String::new(), "ping".to_owned()),
        HocuspocusFrame::Pong => return (String::new(), "pong".to_owned()),
        HocuspocusFrame::Message(Envelope { address, message }) => (address.raw, message),
    };
    let kind = match message {
        HocuspocusMessage::Authenticated(AccessScope::ReadWrite) => "read-write".to_owned(),
        HocuspocusMessage::PermissionDenied(reason) => format!("denied: {reason}"),
        HocuspocusMessage::Close(reason) => format!("close: {}", reason.unwrap_or_default()),
        HocuspocusMessage::Sync(SyncStep::Step1(_)) => "step1".to_owned(),
        HocuspocusMessage::Sync(SyncStep::Step2(_)) => "step2".to_owned(),
        HocuspocusMessage::Sync(SyncStep::Update(_)) => "update".to_owned(),
        HocuspocusMessage::Awareness(_) => "awareness".to_owned(),
        HocuspocusMessage::SyncStatus(saved) => format!("saved {saved}"),
        other => format!("{other:?}"),
    };
    (address.to_owned(), kind)
}

fn at(address: &str, kind: &str) -> Received {
    (address.to_owned(), kind.to_owned())
}

/// An update that writes "hi" into the text "t", by client 1.
const HI: [u8; 12] = [1, 1, 1, 0, 4, 1, 1, b't', 2, b'h', b'i', 0];

#[tokio::test]
async fn two_addresses_of_one_socket_edit_one_document() {
    let app = app(|_| ());
    let mut socket = Socket::open(&app).await;
    socket.enter("notes").await;
    socket.enter("notes\0second").await;
    socket.enter("other").await;
    let update = hocuspocus::update("notes", &HI);
    socket.send(update).await;
    let (address, kind) = socket.next().await;
    assert_eq!(
        (address.as_str(), kind.as_str()),
        ("notes\0second", "update")
    );
    assert_eq!(socket.app.registry().documents(), 2);
    drop(socket.client);
    socket.server.await.unwrap();
}

#[tokio::test]
async fn an_address_is_left_and_opened_again_and_the_socket_stays() {
    let app = app(|_| ());
    let mut socket = Socket::open(&app).await;
    for _ in 0..3 {
        socket.enter("notes").await;
        socket.send(hocuspocus::close_request("notes")).await;
        assert_eq!(
            socket.next().await,
            at("notes", "close: provider_initiated")
        );
    }
    // Also when the client does not wait for the answer.
    socket.send(hocuspocus::close_request("notes")).await;
    assert_eq!(
        socket.next().await,
        at("notes", "close: provider_initiated")
    );
    for message in [
        hocuspocus::token("notes", "", None),
        hocuspocus::close_request("notes"),
        hocuspocus::token("notes", "", None),
    ] {
        socket.send(message).await;
    }
    let mut kinds = Vec::new();
    while kinds.iter().filter(|kind| *kind == "step1").count() < 2 {
        kinds.push(socket.next().await.1);
    }
    let left = "close: provider_initiated";
    let expected = ["read-write", "step1", left, "read-write", "step1"];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn a_name_that_is_none_is_denied_and_the_other_documents_go_on() {
    let app = app(|_| ());
    let mut socket = Socket::open(&app).await;
    socket.send(hocuspocus::token("a\nb", "any", None)).await;
    let (address, kind) = socket.next().await;
    assert_eq!(address, "a\nb");
    assert!(kind.starts_with("denied: the document name"), "{kind}");
    // An edit for it is refused, so that its provider does not show it as saved.
    socket.send(hocuspocus::update("a\nb", &HI)).await;
    assert_eq!(socket.next().await, at("a\nb", "saved false"));
    socket.enter("notes").await;
}

#[tokio::test]
async fn what_comes_before_the_token_waits_for_it_within_limits() {
    let app = app(|settings| settings.max_backlog_messages = 3);
    let mut socket = Socket::open(&app).await;
    socket.send(hocuspocus::step1_bytes("notes", &[0])).await;
    socket.send(hocuspocus::token("notes", "any", None)).await;
    let expected = ["read-write", "step1", "step2"];
    for kind in expected {
        assert_eq!(socket.next().await, at("notes", kind));
    }
    // What an admitted address sends does not count, nor what was taken off the backlog.
    for _ in 0..10 {
        socket.send(hocuspocus::step1_bytes("notes", &[0])).await;
        assert_eq!(socket.next().await, at("notes", "step2"));
    }
    for number in 0..4 {
        let address = format!("unannounced {number}");
        socket.send(hocuspocus::step1_bytes(&address, &[0])).await;
    }
    assert_eq!(socket.next().await, at("", "closed 4205"));
}

#[tokio::test]
async fn a_socket_has_a_limited_number_of_documents() {
    let app = app(|settings| settings.max_documents_per_connection = 2);
    let mut socket = Socket::open(&app).await;
    // A denied address gives way to another.
    socket.send(hocuspocus::token("\n", "any", None)).await;
    assert!(socket.next().await.1.starts_with("denied"));
    socket.enter("first").await;
    socket.enter("second").await;
    socket.send(hocuspocus::token("third", "any", None)).await;
    assert_eq!(socket.next().await, at("", "closed 4205"));
}

#[tokio::test(start_paused = true)]
async fn a_socket_without_a_token_is_closed_and_an_address_without_one_is_denied() {
    let app = app(|_| ());
    let mut silent = Socket::open(&app).await;
    silent.send(hocuspocus::ping()).await;
    assert_eq!(silent.next().await, at("", "pong"));
    assert_eq!(silent.next().await, at("", "closed 4408"));
    let mut socket = Socket::open(&app).await;
    socket.enter("notes").await;
    socket.send(hocuspocus::step1_bytes("other", &[0])).await;
    let mut received = socket.next().await;
    while received == at("notes", "awareness") {
        received = socket.next().await;
    }
    let (address, kind) = received;
    assert!(kind.starts_with("denied: no token"), "{address}: {kind}");
    assert_eq!(address, "other");
}

#[tokio::test(start_paused = true)]
async fn a_socket_without_documents_is_kept_alive_while_it_answers() {
    let app = app(|_| ());
    let mut socket = Socket::open(&app).await;
    socket.enter("notes").await;
    socket.send(hocuspocus::close_request("notes")).await;
    assert!(socket.next().await.1.starts_with("close"));
    for _ in 0..5 {
        let began = Instant::now();
        assert_eq!(socket.next().await, at("", "ping"));
        assert!(began.elapsed() < Duration::from_secs(20));
        socket.send(hocuspocus::pong()).await;
    }
    let mut last = at("", "ping");
    while last == at("", "ping") {
        last = socket.next().await;
    }
    assert_eq!(last, at("", "closed 4408"));
}

#[tokio::test]
async fn the_last_edits_of_a_socket_that_ended_are_taken_in() {
    let app = app(|_| ());
    let mut socket = Socket::open(&app).await;
    let messages = [
        hocuspocus::token("notes", "any", None),
        hocuspocus::update("notes", &HI),
    ];
    for message in messages {
        socket.send(message).await;
    }
    socket.client.close(None).await.unwrap();
    socket.server.await.unwrap();
    let mut other = Socket::open(&app).await;
    other.send(hocuspocus::token("notes", "any", None)).await;
    other.send(hocuspocus::step1_bytes("notes", &[0])).await;
    loop {
        let Message::Binary(frame) = other.raw().await else {
            continue;
        };
        let decoded = hocuspocus::decode(&frame).unwrap();
        if let HocuspocusFrame::Message(Envelope {
            message: HocuspocusMessage::Sync(SyncStep::Step2(update)),
            ..
        }) = decoded
        {
            assert_eq!(update, HI);
            return;
        }
    }
}

#[tokio::test]
async fn a_server_that_stops_closes_the_sockets() {
    let app = app(|_| ());
    let mut idle = Socket::open(&app).await;
    let mut busy = Socket::open(&app).await;
    busy.enter("notes").await;
    app.begin_stopping();
    assert_eq!(idle.next().await, at("", "closed 4503"));
    let deadline = Instant::now() + Duration::from_secs(5);
    app.registry().drain(deadline).await;
    assert_eq!(busy.next().await, at("", "closed 4503"));
}
