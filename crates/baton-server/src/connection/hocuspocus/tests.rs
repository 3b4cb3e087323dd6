use baton_auth::{DocumentPattern, NewToken, Permissions, SigningKey, mint};
use baton_log::{Log, LogOptions};
use baton_sync::hocuspocus::{Address, Envelope, HocuspocusMessage, SyncStep};
use futures_util::SinkExt;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::app::App;
use crate::clock::unix_ms;
use crate::config::{AuthMode, Settings};
use crate::connection::socket::{Opened, serve_any};
use crate::connection::socket_writer::SlowReaderLimits;
use crate::connection::wire::HocuspocusAddress;

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
    let log = Arc::new(Log::in_memory(LogOptions::default()).unwrap());
    let authorizer = Authorizer::new(&settings).unwrap();
    Arc::new(App::new(Arc::new(settings), log, authorizer).unwrap())
}

impl Socket {
    async fn open(app: &Arc<App>) -> Self {
        let entry = HocuspocusEntry {
            registry: Arc::clone(app.registry()),
            authorizer: Arc::clone(app.authorizer()),
            caller: Caller::at([127, 0, 0, 1].into()),
            source: Source::new([7; 16]),
            stopping: app.stop_signal(),
        };
        let (near, far) = tokio::io::duplex(1 << 20);
        let opened = Opened::Hocuspocus(Box::new(entry));
        let server = tokio::spawn(serve_any(far, Vec::new(), opened));
        let mut socket = Self {
            app: Arc::clone(app),
            client: WebSocketStream::from_raw_socket(near, Role::Client, None).await,
            server,
        };
        assert_eq!(socket.next().await, (String::new(), "ping".to_owned()));
        socket.send(hocuspocus::pong()).await;
        socket
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
        self.send(hocuspocus::step2(address, &[0, 0])).await;
        assert_eq!(self.next().await, at(address, "saved true"));
    }

    /// Returns the next message, without pings of the protocol and awareness of no entries.
    async fn next(&mut self) -> Received {
        loop {
            match self.raw().await {
                Message::Binary(frame) if frame.ends_with(&[1, 1, 0]) => {}
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
        HocuspocusMessage::Authenticated(scope) => scope.as_str().to_owned(),
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
        hocuspocus::step1_bytes("notes", &[0]),
    ] {
        socket.send(message).await;
    }
    let left = "close: provider_initiated";
    for kind in ["read-write", left, "read-write", "step1", "step2"] {
        assert_eq!(socket.next().await, at("notes", kind));
    }
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
    // Messages of an admitted address do not count, nor do those taken off the backlog.
    for _ in 0..10 {
        socket.send(hocuspocus::step1_bytes("notes", &[0])).await;
        assert_eq!(socket.next().await, at("notes", "step1"));
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
    let (address, kind) = socket.next().await;
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

/// The published provider raises the clock of its own entry when it is sent a removal of it, but says
/// so only to a QueryAwareness. Without one a client that came back with the clock that it had was
/// not seen for up to 15 s.
#[tokio::test]
async fn a_client_that_states_its_awareness_is_asked_for_it_at_a_newer_clock() {
    let app = app(|_| ());
    let mut socket = Socket::open(&app).await;
    socket.enter("notes").await;
    let state = [1, 5, 3, 2, b'{', b'}'];
    socket.send(hocuspocus::awareness("notes", &state)).await;
    assert_eq!(socket.next().await, at("notes", "awareness"));
    let removal = [1, 5, 3, 4, b'n', b'u', b'l', b'l'];
    let Message::Binary(frame) = socket.raw().await else {
        panic!("a removal");
    };
    assert_eq!(frame, hocuspocus::awareness("notes", &removal));
    let Message::Binary(frame) = socket.raw().await else {
        panic!("a question");
    };
    assert_eq!(frame, hocuspocus::query_awareness("notes"));
}

const SECRET: &str = "a secret of thirty-two bytes or more";

fn with_tokens() -> Arc<App> {
    app(|settings| {
        settings.auth = AuthMode::Jwt;
        settings.auth_secret = SECRET.parse().unwrap();
    })
}

fn token(documents: &str, permissions: Permissions) -> String {
    let key = SigningKey::from_secret(SECRET.as_bytes()).unwrap();
    let documents = vec![DocumentPattern::parse(documents).unwrap()];
    let contents = NewToken::new(documents, permissions, 60_000);
    let token = mint(&key, &contents, unix_ms()).unwrap();
    token.secret_text().to_owned()
}

#[tokio::test]
async fn each_document_of_a_socket_has_its_own_token() {
    let app = with_tokens();
    let mut socket = Socket::open(&app).await;
    let (write, read) = (
        token("team/*", Permissions::WRITE),
        token("team/*", Permissions::READ),
    );
    for (address, token) in [("team/a", ""), ("team/a", "forged"), ("other", &write)] {
        socket.send(hocuspocus::token(address, token, None)).await;
        // The rest is for clients that were let in.
        socket.send(hocuspocus::step1_bytes(address, &[0])).await;
        let (from, kind) = socket.next().await;
        assert!(kind.starts_with("denied: "), "{kind}");
        assert_eq!(from, address);
    }
    socket.send(hocuspocus::token("team/a", &write, None)).await;
    assert_eq!(socket.next().await, at("team/a", "read-write"));
    socket.send(hocuspocus::token("team/b", &read, None)).await;
    assert_eq!(socket.next().await, at("team/b", "readonly"));
}

#[tokio::test]
async fn another_token_on_an_open_document_changes_what_its_client_may_do() {
    let app = with_tokens();
    let mut socket = Socket::open(&app).await;
    let write = token("notes", Permissions::WRITE);
    socket.send(hocuspocus::token("notes", &write, None)).await;
    assert_eq!(socket.next().await, at("notes", "read-write"));
    // An update before the client's Step1 is one of its queue, and gets a false status.
    socket.send(hocuspocus::step1_bytes("notes", &[0])).await;
    assert_eq!(socket.next().await, at("notes", "step1"));
    assert_eq!(socket.next().await, at("notes", "step2"));
    socket.send(hocuspocus::update("notes", &HI)).await;
    assert_eq!(socket.next().await, at("notes", "saved true"));
    let read = token("notes", Permissions::READ);
    socket.send(hocuspocus::token("notes", &read, None)).await;
    assert_eq!(socket.next().await, at("notes", "readonly"));
    socket.send(hocuspocus::token("notes", &write, None)).await;
    assert_eq!(socket.next().await, at("notes", "read-write"));
    socket
        .send(hocuspocus::token("notes", "forged", None))
        .await;
    let (_, kind) = socket.next().await;
    assert!(kind.starts_with("denied: "), "{kind}");
    let (_, kind) = socket.next().await;
    assert!(kind.starts_with("close: "), "{kind}");
    socket.send(hocuspocus::update("notes", &HI)).await;
    assert_eq!(socket.next().await, at("notes", "saved false"));
    // With a good token it opens again.
    socket.send(hocuspocus::token("notes", &write, None)).await;
    assert_eq!(socket.next().await, at("notes", "read-write"));
}

/// A provider that is told of a refusal does not come again; the document would stay empty.
#[tokio::test]
async fn a_document_that_cannot_be_opened_now_is_opened_when_it_can_be() {
    let app = app(|settings| settings.max_connections_per_document = 1);
    let mut first = Socket::open(&app).await;
    first.enter("notes").await;
    let mut second = Socket::open(&app).await;
    second.send(hocuspocus::token("notes", "", None)).await;
    second.send(hocuspocus::step1_bytes("notes", &[0])).await;
    assert_eq!(second.next().await, at("notes", "read-write"));
    // Others on the same socket are not held up.
    second.enter("other").await;
    first.send(hocuspocus::close_request("notes")).await;
    assert!(first.next().await.1.starts_with("close"));
    assert_eq!(second.next().await, at("notes", "step1"));
    assert_eq!(second.next().await, at("notes", "step2"));
    // A client that gives up is answered.
    first.send(hocuspocus::token("notes", "", None)).await;
    assert_eq!(first.next().await, at("notes", "read-write"));
    first.send(hocuspocus::close_request("notes")).await;
    assert_eq!(first.next().await, at("notes", "close: provider_initiated"));
}

#[tokio::test]
async fn what_only_servers_send_ends_the_address_or_is_ignored() {
    let app = app(|_| ());
    let mut socket = Socket::open(&app).await;
    socket.enter("notes").await;
    for ignored in [
        hocuspocus::sync_status("notes", true),
        hocuspocus::token_request("notes"),
        hocuspocus::permission_denied("notes", "no"),
        hocuspocus::stateless("notes", r#"{"type":"hello","version":1}"#),
    ] {
        socket.send(ignored).await;
    }
    socket
        .send(hocuspocus::broadcast_stateless("notes", "all"))
        .await;
    let (address, kind) = socket.next().await;
    assert!(kind.starts_with("close: "), "{kind}");
    assert_eq!(address, "notes");
    socket.enter("notes").await;
    let long = "x".repeat(2000);
    socket.send(hocuspocus::token(&long, "", None)).await;
    assert_eq!(socket.next().await, at("", "closed 4400"));
}

/// Two rooms may use the same number for a probe: the answer has to reach the one that asked.
#[tokio::test]
async fn the_outbox_of_an_address_is_written_in_turns_and_ends_without_its_socket() {
    let limits = SlowReaderLimits {
        most: 1000,
        behind: Duration::from_secs(60),
    };
    let socket = Arc::new(SocketWriter::indirect(limits).with_addresses());
    let address = |name: &str, number| {
        let address = HocuspocusAddress::from(Address::parse(name));
        SocketWriter::of_address(&socket, limits, address, number)
    };
    let (one, two) = (address("1", 1), address("2", 2));
    for writer in [&one, &one, &two] {
        writer.send_encoded(b"message");
    }
    let _flushed_below = one.outbox().probe(7);
    let _one_is_enough = (one.outbox().ping(), two.outbox().ping());
    one.end(close_codes::NORMAL, "left");
    two.flush();
    let mut batch = socket.outbox().borrow_batch().unwrap();
    let written: Vec<_> = std::iter::from_fn(|| batch.next_piece()).collect();
    let message = b"\x82\x07message";
    let probe = b"\x89\x0c\0\0\0\0\0\0\0\x07\0\0\0\x01";
    let ping = [0x89, 0];
    let close = hocuspocus::close("1", "left");
    let close = [&[0x82, u8::try_from(close.len()).unwrap()], &close[..]].concat();
    // The second address asks for a ping as well, and the first one's is enough.
    let expected: [&[u8]; 6] = [probe, &ping, message, message, &close, message];
    assert_eq!(written.concat(), expected.concat());
    socket.outbox().give_back(batch, 0);
    assert!(socket.outbox().borrow_batch().is_none());
    assert!(!socket.outbox().has_ending());
    two.end(close_codes::STORE_FAILED, "the disk");
    let batch = socket.outbox().borrow_batch().unwrap();
    assert!(batch.is_last());
    assert!(socket.outbox().has_ending(), "its client is to come again");
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
