//! Sockets that keep to no protocol, or to half of one: each is told so and let go, and a pair of editors in the same
//! document does not notice. Frames that are in order, with hostile content, are in `hostile`.

use std::time::{Duration, Instant};

use baton_server::close;
use baton_testkit::websocket::{self, frame};
use baton_tests::{Join, TestServer, WildSocket, millis, within};
use bytesize::ByteSize;
use futures_util::future::join_all;

use crate::pair::Pair;

const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;
const BINARY: u8 = 0x82;
/// The first fragment of a binary message, and one in the middle.
const BEGINS: u8 = 0x02;
const GOES_ON: u8 = 0x00;

/// More bytes than any message of 64 KiB may have on its way.
const ENDLESS: usize = 300 * 1024;

/// A byte every few milliseconds keeps nobody's place: the time is for the whole head.
#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_told_408_when_its_time_is_over() {
    let mut pair = Pair::with(|settings| settings.handshake_timeout = millis(500)).await;
    let address = pair.server.address();
    let slow = async {
        let mut sockets = join_all((0..50).map(|_| WildSocket::connect(address))).await;
        let began = Instant::now();
        let request = websocket::handshake("/ws/notes");
        'all: for byte in request.as_bytes().chunks(1) {
            for socket in &mut sockets {
                if !socket.sends(byte).await {
                    break 'all;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            if began.elapsed() > Duration::from_secs(2) {
                break;
            }
        }
        let heads = sockets.iter_mut().map(WildSocket::head);
        join_all(heads).await
    };
    for head in pair.during(slow).await {
        // Whoever went on writing after the end may have been reset before it read.
        let told = head.starts_with("HTTP/1.1 408 ");
        assert!(told || head.is_empty(), "{head}");
    }
    assert_eq!(pair.server.refused("handshake_time"), 50);
    pair.testifies().await;
}

#[tokio::test]
async fn who_connects_and_says_nothing_is_told_408() {
    let mut pair = Pair::with(|settings| settings.handshake_timeout = millis(300)).await;
    let address = pair.server.address();
    let mut silent = join_all((0..200).map(|_| WildSocket::connect(address))).await;
    let heads = join_all(silent.iter_mut().map(WildSocket::head));
    for head in pair.during(heads).await {
        assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    }
    pair.testifies().await;
}

/// Peers that are gone without a word, as behind a network that was cut: heartbeats end them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_vanish_without_a_word_are_ended_by_the_heartbeat() {
    let mut pair = Pair::with(TestServer::brisk).await;
    let coming = (0..100).map(|_| pair.server.connect(Join::stock("notes")));
    let crowd = join_all(coming).await;
    assert_eq!(pair.server.load().connections, 102);
    for peer in &crowd {
        peer.stalls();
    }
    let gone = async {
        while pair.server.load().connections > 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("the heartbeat to end them", gone).await;
    pair.edits().await;
    drop(crowd);
    pair.testifies().await;
}

/// Requests by the thousand, and no answer is ever read.
#[tokio::test]
async fn who_never_reads_an_answer_is_let_go() {
    let mut pair = Pair::with(|settings| settings.http_timeout = millis(800)).await;
    let address = pair.server.address();
    let mut deaf = join_all((0..20).map(|_| WildSocket::connect(address))).await;
    let requests = "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000);
    let attack = async {
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(700) {
            for socket in &mut deaf {
                socket.floods(requests.as_bytes(), 1 << 20);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    pair.during(attack).await;
    pair.server
        .comes_to("none of them here", |load| load.handshakes == 0)
        .await;
    assert!(pair.server.refused("http_time") > 0);
    drop(deaf);
    pair.testifies().await;
}

/// What comes, and the close code for it.
#[tokio::test]
async fn frames_against_rfc_6455_are_closed_with_1002() {
    let mut pair = Pair::with(|_| ()).await;
    let address = pair.server.address();
    let long = [0; 126];
    let broken: [(&str, Vec<u8>); 12] = [
        ("unmasked", vec![BINARY, 1, 3]),
        ("the first reserved bit", frame(0xc2, &[3])),
        ("all reserved bits", frame(0xf2, &[3])),
        ("a reserved opcode", frame(0x83, &[3])),
        ("a reserved control opcode", frame(0x8b, &[])),
        ("a fragmented ping", frame(0x09, &[])),
        ("a ping of 126 bytes", frame(PING, &long)),
        ("a close of 126 bytes", frame(CLOSE, &long)),
        ("a continuation of nothing", frame(0x80, &[3])),
        (
            "a message inside of another",
            [frame(BEGINS, &[3]), frame(BINARY, &[3])].concat(),
        ),
        ("a close with half a code", frame(CLOSE, &[3])),
        (
            "a close with a reason that is no text",
            frame(CLOSE, &[3, 0xe8, 0xff, 0xff]),
        ),
    ];
    for (what, bytes) in &broken {
        let mut eve = WildSocket::upgraded(address, "/ws/notes").await;
        eve.sends(bytes).await;
        let code = pair.during(eve.close_code()).await;
        assert_eq!(code, Some(close::WEBSOCKET), "{what}");
    }
    assert_eq!(pair.server.refused("websocket"), broken.len() as u64);
    pair.testifies().await;
}

#[tokio::test]
async fn a_length_beyond_all_limits_is_closed_with_4413_before_anything_is_kept_for_it() {
    let mut pair = Pair::with(|settings| settings.max_frame = ByteSize::mib(1)).await;
    let address = pair.server.address();
    for length in [1 << 20 | 1, 1 << 32, 1 << 62, u64::MAX >> 1, u64::MAX] {
        let mut eve = WildSocket::upgraded(address, "/ws/notes").await;
        let mut head = vec![BINARY, 0xff];
        head.extend(length.to_be_bytes());
        head.extend([0; 4]);
        eve.sends(&head).await;
        // Whoever sends it goes on sending.
        eve.floods(&[0; 4096], 1 << 20);
        let code = pair.during(eve.close_code()).await;
        assert_eq!(code, Some(close::TOO_LARGE), "{length}");
    }
    pair.testifies().await;
}

/// Messages in fragments of one byte, and of none: they never come to their end, and cost no more than a message.
#[tokio::test]
async fn endless_fragments_are_closed_with_4413() {
    let mut pair = Pair::with(|settings| settings.max_frame = ByteSize::kib(64)).await;
    let address = pair.server.address();
    for payload in [&[0u8][..], &[]] {
        let mut eve = WildSocket::upgraded(address, "/ws/notes").await;
        eve.sends(&frame(BEGINS, payload)).await;
        let one = frame(GOES_ON, payload);
        pair.during(eve.sends(&one.repeat(ENDLESS / one.len())))
            .await;
        let code = pair.during(eve.close_code()).await;
        assert_eq!(code, Some(close::TOO_LARGE), "{payload:?}");
    }
    // With pings between them, which would make it look alive for ever.
    let mut eve = WildSocket::upgraded(address, "/ws/notes").await;
    eve.sends(&frame(BEGINS, &[])).await;
    let mixed = [frame(GOES_ON, &[]).repeat(200), frame(PING, b"still here")].concat();
    pair.during(eve.sends(&mixed.repeat(ENDLESS / mixed.len())))
        .await;
    let code = pair.during(eve.close_code()).await;
    assert_eq!(code, Some(close::TOO_LARGE), "with pings");
    pair.testifies().await;
}

/// A fragmented message is one all the same, with pings between its fragments.
#[tokio::test]
async fn a_message_in_fragments_with_pings_between_them_is_taken() {
    let pair = Pair::with(|_| ()).await;
    let address = pair.server.address();
    let mut eve = WildSocket::upgraded(address, "/ws/elsewhere").await;
    // A Step1 of an empty document, byte by byte.
    eve.sends(&frame(BEGINS, &[0])).await;
    for byte in [0, 1] {
        eve.sends(&frame(PING, b"?")).await;
        eve.sends(&frame(GOES_ON, &[byte])).await;
    }
    eve.sends(&frame(0x80, &[0])).await;
    let mut opcodes = Vec::new();
    // The server's own Step1, two pongs, and the Step2.
    while opcodes.len() < 4 {
        let (opcode, _) = eve.frame().await.unwrap();
        opcodes.push(opcode);
    }
    opcodes.sort_unstable();
    assert_eq!(opcodes, [2, 2, 10, 10]);
    eve.sends(&frame(CLOSE, &1000_u16.to_be_bytes())).await;
    assert_eq!(eve.close_code().await, Some(1000));
    drop(eve);
    pair.server
        .comes_to("one document", |load| load.connections == 2)
        .await;
}

/// Pings as fast as they go, by somebody who reads no pong: held to the rate of messages, and to the queue of one
/// connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_pings_is_held_to_the_rate() {
    let mut pair = Pair::with(|settings| {
        settings.max_messages_per_second = 500;
        settings.max_outbox = ByteSize::kib(64);
    })
    .await;
    let address = pair.server.address();
    let mut floods = join_all((0..10).map(|_| WildSocket::upgraded(address, "/ws/notes"))).await;
    let ping = frame(PING, &[7; 125]);
    let began = Instant::now();
    let attack = async {
        let mut sent = 0;
        while began.elapsed() < Duration::from_secs(2) {
            for socket in &mut floods {
                sent += socket.floods(&ping, 1 << 20);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sent
    };
    let sent = pair.during(attack).await;
    // What the sockets between them hold, and the rate: 2 s of 500 pings of 131 bytes, and a burst, of each.
    let rate = 10 * 3 * 500 * 131;
    let held = 10 * 8 * 1024 * 1024;
    assert!(sent < rate + held, "{sent}");
    drop(floods);
    pair.testifies().await;
}

#[tokio::test]
async fn a_flood_of_closes_is_answered_once() {
    let mut pair = Pair::with(|_| ()).await;
    let address = pair.server.address();
    for _ in 0..20 {
        let mut eve = WildSocket::upgraded(address, "/ws/notes").await;
        let closes = frame(CLOSE, &1001_u16.to_be_bytes()).repeat(5000);
        eve.floods(&closes, closes.len());
        assert_eq!(pair.during(eve.close_code()).await, Some(1001));
        assert_eq!(eve.frame().await, None, "nothing comes behind a close");
    }
    pair.testifies().await;
}

/// Upgrades that are dropped or reset at every stage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_go_at_any_moment_leave_nothing_behind() {
    let mut pair = Pair::with(|settings| {
        settings.ticket_life = settings.grace;
        settings.unload_after = millis(20);
    })
    .await;
    let address = pair.server.address();
    let attack = async {
        for round in 0..300_usize {
            let mut eve = WildSocket::connect(address).await;
            let request = websocket::handshake(&format!("/ws/fleeting-{}", round % 7));
            let whole = [request.as_bytes(), &frame(BINARY, &[0, 0, 1, 0])].concat();
            let count = whole.len() * (round % 30 + 1) / 30;
            eve.sends(&whole[..count]).await;
            if round % 3 == 0 {
                let _head = tokio::time::timeout(Duration::from_millis(2), eve.head()).await;
            }
            if round % 2 == 0 {
                eve.resets();
            }
        }
    };
    pair.during(attack).await;
    pair.testifies().await;
}
