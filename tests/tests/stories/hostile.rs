//! Hostile input: it harms its own connection only. A pair of witnesses keeps editing through all of it.
//!
//! The server is the real program, so that a crash would be one, and a panic is in what it wrote.

use std::time::{Duration, Instant};

use baton_server::close;
use baton_sync::document::yrs::{Array, Map, Text, WriteTxn};
use baton_sync::lib0::{write_var_string, write_var_uint};
use baton_sync::y_websocket;
use baton_testkit::Random;
use baton_tests::{Join, RawClient, ServerProcess, converge, http, one_machine};
use bytes::Bytes;
use tokio_tungstenite::tungstenite::Message;

/// How long each kind of attack goes on.
const ATTACK: Duration = Duration::from_secs(3);

/// Two people who edit, in the attacked document.
struct Witnesses {
    server: ServerProcess,
    ada: RawClient,
    bob: RawClient,
    turns: usize,
}

impl Witnesses {
    async fn start() -> Self {
        let server = ServerProcess::start(&["--max-frame", "256KiB"]).await;
        let ada = server
            .connect(Join::member("notes", "Ada").saying("{}"))
            .await;
        let bob = server
            .connect(Join::member("notes", "Bob").saying("{}"))
            .await;
        Self {
            server,
            ada,
            bob,
            turns: 0,
        }
    }

    /// One edit each way arrives.
    async fn edit(&mut self) {
        let turn = self.turns;
        self.ada.types(&format!("<a{turn}>"));
        self.bob.sees(&format!("<a{turn}>")).await;
        self.bob.types(&format!("<b{turn}>"));
        self.ada.sees(&format!("<b{turn}>")).await;
        self.turns += 1;
    }

    /// Nothing was harmed: all see the same, it is stored, and the server never panicked. (What was typed need not be
    /// there: a damaged deletion may well be one of somebody else's text, which anybody who may write may delete.)
    async fn testify(mut self) {
        self.edit().await;
        self.ada.is_saved().await;
        self.bob.is_saved().await;
        let carol = self.server.connect(Join::member("notes", "Carol")).await;
        converge(&[&self.ada, &self.bob, &carol]).await;
        assert_eq!(
            http::get(self.server.address(), "/readyz").await.status,
            200
        );
        let said = self.server.said();
        assert!(!said.contains("panicked"), "{said}");
        // What is stored can be read again.
        let text = carol.text();
        let Self { mut server, .. } = self;
        server.kill().await;
        server.start_again().await;
        let dan = server.connect(Join::stock("notes")).await;
        assert_eq!(dan.text(), text);
    }
}

/// Genuine frames of all kinds, to be damaged.
fn genuine(client: &RawClient) -> Vec<Bytes> {
    let mut frames = Vec::new();
    for text in ["héllo \u{1f3c3}", "b"] {
        let update = client.edits_in_silence(|txn| {
            let target = txn.get_or_insert_text("t");
            target.push(txn, text);
            let map = txn.get_or_insert_map("m");
            map.insert(txn, "key", 1.5);
            let list = txn.get_or_insert_array("l");
            list.push_back(txn, true);
        });
        frames.push(y_websocket::update(&update));
        frames.push(y_websocket::step2(&update));
    }
    let removal = client.edits_in_silence(|txn| {
        let target = txn.get_or_insert_text("t");
        target.remove_range(txn, 0, 3);
    });
    frames.push(y_websocket::update(&removal));
    let vector = client.look(|known| known.memory.document.state().vector());
    frames.push(y_websocket::step1(&vector));
    let mut awareness = Vec::new();
    write_var_uint(&mut awareness, 1);
    write_var_uint(&mut awareness, 4242);
    write_var_uint(&mut awareness, 1);
    write_var_string(&mut awareness, r#"{"user":{"name":"x"},"cursor":[1,2]}"#);
    frames.push(y_websocket::awareness(&awareness));
    frames.push(y_websocket::query_awareness());
    frames.push(y_websocket::auth_denied("no"));
    for payload in CHANNEL {
        frames.push(y_websocket::baton(payload));
    }
    frames
}

/// Nothing that would get the lock: under it the witnesses could not edit, as it should be.
const CHANNEL: [&str; 10] = [
    r#"{"type":"hello","version":1,"user":{"name":"Eve"}}"#,
    r#"{"type":"hello","version":1,"resume":{"session":1,"token":"00"},"epoch":1}"#,
    r#"{"type":"cancel","nonce":3}"#,
    r#"{"type":"release","nonce":4,"fence":{"epoch":1,"position":9007199254740991}}"#,
    r#"{"type":"claim","fence":{"epoch":1,"position":1}}"#,
    r#"{"type":"decline","fence":{"epoch":0,"position":0}}"#,
    r#"{"type":"answer","n":18446744073709551615,"visible":true,"idle_ms":0}"#,
    r#"{"type":"profile","user":{"name":"\u0000","color":"url(x)"}}"#,
    r#"{"type":"hello","version":4294967295}"#,
    r#"{"type":["hello"],"version":-1}"#,
];

fn damaged(frame: &Bytes, random: &mut Random) -> Bytes {
    let mut bytes = frame.to_vec();
    match random.below(5) {
        0 => bytes.truncate(random.below(bytes.len())),
        1 => {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        2 => {
            for _ in 0..4 {
                let at = random.below(bytes.len());
                bytes[at] = random.bits() as u8;
            }
        }
        3 => {
            let count = 1 + random.below(8);
            bytes.extend(random.bytes(count));
        }
        _ => {
            let at = random.below(bytes.len());
            bytes.insert(at, random.bits() as u8);
        }
    }
    bytes.into()
}

/// An attacker that is let in as the dice say: stock, member, or with nothing said.
async fn attacker(server: &ServerProcess, random: &mut Random) -> RawClient {
    let join = match random.below(3) {
        0 => Join::stock("notes"),
        1 => Join::member("notes", "Eve"),
        _ => Join::raw("notes"),
    };
    // It may well be closed at once, for what one before it has done to its own session only.
    RawClient::try_connect(server.address(), join)
        .await
        .unwrap()
}

/// Attacks for a while, with a new connection whenever the last was closed; the witnesses edit meanwhile.
async fn attack(story: &str, mut frame: impl FnMut(&RawClient, &mut Random) -> Message) {
    let mut random = Random::announced(story);
    let mut witnesses = Witnesses::start().await;
    let began = Instant::now();
    let (mut connections, mut sent) = (0, 0);
    while began.elapsed() < ATTACK {
        let eve = attacker(&witnesses.server, &mut random).await;
        connections += 1;
        for _ in 0..64 {
            let message = frame(&eve, &mut random);
            eve.send_message(message);
            sent += 1;
            if eve.look(|known| known.ended.is_some()) {
                break;
            }
        }
        witnesses.edit().await;
        eve.vanishes().await;
    }
    eprintln!("{story}: {sent} frames over {connections} connections");
    witnesses.testify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_frames_harm_only_who_sends_them() {
    one_machine!(Process);
    let mut frames = Vec::new();
    attack("damaged frames", |eve, random| {
        if frames.is_empty() || random.below(50) == 0 {
            frames = genuine(eve);
        }
        let chosen = &frames[random.below(frames.len())];
        Message::Binary(damaged(chosen, random))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn genuine_frames_in_a_random_order_harm_nobody() {
    one_machine!(Process);
    let mut frames = Vec::new();
    attack("shuffled frames", |eve, random| {
        if frames.is_empty() || random.below(50) == 0 {
            frames = genuine(eve);
        }
        Message::Binary(frames[random.below(frames.len())].clone())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_harm_only_who_sends_them() {
    one_machine!(Process);
    attack("random bytes", |_, random| {
        let len = random.below(200);
        let mut bytes = random.bytes(len);
        // Half of them pass for a known type, so that they get further.
        if random.below(2) == 0 && bytes.len() > 1 {
            bytes[0] = [0, 1, 2, 3, 98][random.below(5)];
            bytes[1] %= 4;
        }
        Message::Binary(bytes.into())
    })
    .await;
}

#[tokio::test]
async fn a_text_message_is_closed_with_4400() {
    one_machine!(Process);
    let mut witnesses = Witnesses::start().await;
    let eve = witnesses.server.connect(Join::stock("notes")).await;
    eve.send_message(Message::text("hello"));
    eve.is_closed_with(close::PROTOCOL).await;
    witnesses.edit().await;
    witnesses.testify().await;
}

/// Inputs on which the bare document library aborts, hangs or corrupts memory.
#[tokio::test]
async fn inputs_that_break_the_bare_library_are_closed_with_4400() {
    one_machine!(Process);
    const INPUTS: [&[u8]; 5] = [
        include_bytes!("../../../crates/baton-sync/tests/hostile/abort.bin"),
        include_bytes!("../../../crates/baton-sync/tests/hostile/count-bomb.bin"),
        include_bytes!("../../../crates/baton-sync/tests/hostile/gc-claims-clocks.bin"),
        include_bytes!("../../../crates/baton-sync/tests/hostile/use-after-free-1.bin"),
        include_bytes!("../../../crates/baton-sync/tests/hostile/use-after-free-2.bin"),
    ];
    let mut witnesses = Witnesses::start().await;
    for input in INPUTS {
        for frame in [
            y_websocket::update(input),
            y_websocket::step2(input),
            y_websocket::step1_bytes(input),
            y_websocket::awareness(input),
        ] {
            let eve = witnesses.server.connect(Join::stock("notes")).await;
            eve.send(frame);
            witnesses.edit().await;
        }
    }
    witnesses.testify().await;
}

#[tokio::test]
async fn a_frame_larger_than_the_limit_is_closed_with_4413() {
    one_machine!(Process);
    let mut witnesses = Witnesses::start().await;
    for fill in [0u8, 0xff] {
        let eve = witnesses.server.connect(Join::stock("notes")).await;
        eve.send(vec![fill; 300 * 1024].into());
        eve.is_closed_with(close::TOO_LARGE).await;
        witnesses.edit().await;
    }
    witnesses.testify().await;
}

#[tokio::test]
async fn a_number_of_things_that_is_not_there_costs_nothing() {
    one_machine!(Process);
    let mut witnesses = Witnesses::start().await;
    let before = witnesses.server.resident();
    // 2^28 of whatever, in a few bytes: half a gigabyte with the bare library.
    for frame in [
        vec![0, 0, 5, 0x80, 0x80, 0x80, 0x80, 1],
        vec![0, 2, 6, 1, 0x80, 0x80, 0x80, 0x80, 1],
        vec![0, 1, 5, 0x80, 0x80, 0x80, 0x80, 1],
        vec![1, 5, 0x80, 0x80, 0x80, 0x80, 1],
        vec![98, 0x80, 0x80, 0x80, 0x80, 1],
    ] {
        let eve = witnesses.server.connect(Join::stock("notes")).await;
        eve.send(frame.into());
        eve.is_closed_with(close::PROTOCOL).await;
        witnesses.edit().await;
    }
    let grown = witnesses.server.resident().saturating_sub(before);
    assert!(grown < 20 * 1024 * 1024, "{grown} bytes more");
    witnesses.testify().await;
}

#[tokio::test]
async fn json_of_any_depth_is_an_error_and_no_more() {
    one_machine!(Process);
    let mut witnesses = Witnesses::start().await;
    let eve = witnesses.server.connect(Join::member("notes", "Eve")).await;
    let deep = format!(
        "{{\"type\":\"acquire\",\"nonce\":1,\"x\":{}",
        "[".repeat(60_000)
    );
    eve.send(y_websocket::baton(&deep));
    eve.is_told_off(baton_sync::control_channel::ErrorCode::Protocol)
        .await;
    let state = "[".repeat(60_000) + &"]".repeat(60_000);
    let mut awareness = Vec::new();
    write_var_uint(&mut awareness, 1);
    write_var_uint(&mut awareness, 77);
    write_var_uint(&mut awareness, 1);
    write_var_string(&mut awareness, &state);
    eve.send(y_websocket::awareness(&awareness));
    witnesses.edit().await;
    let others = witnesses
        .ada
        .look(|known| known.memory.others.contains_key(&77));
    assert!(!others, "no state that would break a reader is passed on");
    witnesses.testify().await;
}

#[tokio::test]
async fn to_speak_for_others_changes_nothing() {
    one_machine!(Process);
    let mut witnesses = Witnesses::start().await;
    let victim = witnesses.ada.look(|known| known.memory.client.get());
    witnesses
        .bob
        .until("Ada's awareness", |known| {
            known.memory.others.get(&victim)?.state.as_ref().map(drop)
        })
        .await;
    let eve = witnesses.server.connect(Join::member("notes", "Eve")).await;
    for (clock, state) in [(1_000_000, "null"), (1_000_001, r#"{"name":"not Ada"}"#)] {
        let mut awareness = Vec::new();
        write_var_uint(&mut awareness, 1);
        write_var_uint(&mut awareness, victim);
        write_var_uint(&mut awareness, clock);
        write_var_string(&mut awareness, state);
        eve.send(y_websocket::awareness(&awareness));
    }
    // Ordered after what Eve sent by the room's lock.
    eve.types("eve was here");
    witnesses.bob.sees("eve was here").await;
    let seen = witnesses
        .bob
        .look(|known| known.memory.others[&victim].clone());
    assert_eq!(seen.state.as_deref(), Some("{}"));
    witnesses.edit().await;
    witnesses.testify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_to_the_port_harm_nobody() {
    one_machine!(Process);
    let mut random = Random::announced("random bytes to the port");
    let mut witnesses = Witnesses::start().await;
    let address = witnesses.server.address();
    let began = Instant::now();
    let mut requests = 0;
    while began.elapsed() < ATTACK {
        let mut bytes = match random.below(4) {
            0 => random.bytes(300),
            1 => b"GET /ws/notes HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".to_vec(),
            2 => b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzz\r\n".to_vec(),
            _ => b"GET /%2e%2e/%00/etc?%ff=\x01 HTTP/1.1\r\nHost: localhost\r\nCookie: a\r\nCookie: b\r\n\r\n".to_vec(),
        };
        if random.below(2) == 0 {
            let count = 1 + random.below(100);
            bytes.extend(random.bytes(count));
        } else {
            let at = random.below(bytes.len());
            bytes[at] = random.bits() as u8;
        }
        // Not awaited to its end where the server waits for more: the port is what is attacked.
        let asked = http::send(address, &bytes);
        let _slow = tokio::time::timeout(Duration::from_millis(200), asked).await;
        requests += 1;
        if requests % 10 == 0 {
            witnesses.edit().await;
        }
    }
    eprintln!("{requests} requests");
    witnesses.testify().await;
}

#[tokio::test]
async fn websocket_frames_against_the_standard_harm_nobody() {
    one_machine!(Process);
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut random = Random::announced("websocket frames");
    let mut witnesses = Witnesses::start().await;
    let address = witnesses.server.address();
    let broken: [&[u8]; 8] = [
        // Unmasked, reserved bits, reserved opcodes, a fragmented ping, a long ping, a lone continuation, an end
        // without its text, a length of 2^63.
        &[0x82, 0x01, 0x03],
        &[0xf2, 0x81, 0, 0, 0, 0, 3],
        &[0x83, 0x81, 0, 0, 0, 0, 3],
        &[0x09, 0x80, 0, 0, 0, 0],
        &[0x89, 0xfe, 0x01, 0x00, 0, 0, 0, 0],
        &[0x80, 0x81, 0, 0, 0, 0, 3],
        &[0x88, 0x81, 0, 0, 0, 0, 3],
        &[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ];
    for round in 0..24 {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /ws/notes HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 101");
        let _closed = stream.write_all(broken[round % broken.len()]).await;
        let _closed = stream.write_all(&random.bytes(64)).await;
        witnesses.edit().await;
    }
    witnesses.testify().await;
}
