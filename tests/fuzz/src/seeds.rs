//! Where the corpora begin: bytes that are genuine, and bytes that are known to do harm.
//!
//! Owns what seeds there are; writes no file (the example `seeds` does) and runs no target.

use std::fs;
use std::path::Path;

use baton_log::{Log, LogOptions, MemoryStore, Position, Store, StoreTable, Urgency};
use baton_presence::{Rights, Time};
use baton_room::{ConnectionId, Incoming, ResumeToken, RoomOptions, SyncKind};
use baton_sync::control_channel::{ClientMessage, User};
use baton_sync::hocuspocus::{self, AccessScope, SyncStep};
use baton_sync::y_websocket::{self, Message};
use baton_sync::yrs::{
    Any, Array, Map, MapPrelim, Text, TextPrelim, TransactionMut, WriteTxn, XmlElementPrelim,
    XmlFragment,
};
use baton_sync::{ClientId, Document, DocumentOptions, StateVector};
use baton_testkit::{LoggedRoom, Random};
use bytes::Bytes;

use crate::targets::script::write as step;

/// A target, the name of a seed, its bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// All of them, the same at each call.
///
/// # Panics
/// If the checkout is not whole.
#[must_use]
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    hostile(&mut seeds);
    protocol(&mut seeds);
    other_wires(&mut seeds);
    let updates = genuine();
    documents(&mut seeds, &updates);
    rooms(&mut seeds);
    logs(&mut seeds);
    plain(&mut seeds);
    by_chance(&mut seeds);
    seeds
}

/// Updates of two peers that edit at once and hear of one another late, in a causal order.
fn genuine() -> Vec<Bytes> {
    let mut peers: Vec<_> = [7_u64, 0x1_0000_0001]
        .map(|id| {
            Document::new(&DocumentOptions::new(
                ClientId::new(id).unwrap_or(ClientId::MAX),
            ))
        })
        .into();
    let mut updates = Vec::new();
    let edits: [fn(&mut TransactionMut<'_>); 10] = [
        |txn| txn.get_or_insert_text("t").insert(txn, 0, "hello"),
        |txn| txn.get_or_insert_text("t").insert(txn, 0, "日本😀"),
        |txn| txn.get_or_insert_text("t").remove_range(txn, 1, 2),
        |txn| {
            let bold = [("b".into(), Any::Bool(true))].into_iter().collect();
            txn.get_or_insert_text("t").format(txn, 0, 2, bold);
        },
        |txn| {
            txn.get_or_insert_map("map").insert(txn, "k", 1);
        },
        |txn| {
            let map = txn.get_or_insert_map("map");
            map.insert(txn, "in", MapPrelim::from([("a", 1.5)]));
            map.insert(txn, "k", TextPrelim::new("nested"));
        },
        |txn| {
            let array = txn.get_or_insert_array("array");
            array.insert_range(txn, 0, [1, 2, 3]);
        },
        |txn| txn.get_or_insert_array("array").remove_range(txn, 0, 1),
        |txn| {
            let xml = txn.get_or_insert_xml_fragment("xml");
            xml.insert(txn, 0, XmlElementPrelim::empty("p"));
        },
        |txn| {
            let image = Any::from_json("{\"image\":\"x\"}").unwrap_or(Any::Null);
            txn.get_or_insert_text("t").insert_embed(txn, 0, image);
        },
    ];
    for (index, edit) in edits.into_iter().enumerate() {
        for peer in &mut peers {
            let (_, update) = peer.transact(edit).unwrap();
            updates.extend(update);
        }
        if index % 3 == 2 {
            let all: Vec<_> = peers
                .iter()
                .map(|peer| peer.diff(&StateVector::new()).unwrap())
                .collect();
            for (peer, other) in peers.iter_mut().zip(all.iter().rev()) {
                let _ = peer.apply(other).unwrap();
            }
        }
    }
    updates.push(peers[0].diff(&StateVector::new()).unwrap());
    updates
}

/// What breaks a bare yrs, each alone and the pair in its order; and a value nested beyond any stack.
fn hostile(seeds: &mut Vec<Seed>) {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/baton-sync/tests/hostile");
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let mut deep = vec![1, 1, 7, 0, 8, 1, 1, b'r', 1];
    deep.extend([117, 1].repeat(3000));
    deep.extend([126, 0]);
    let one = [
        ("yrs-aborts.bin", read("abort.bin")),
        ("yrs-reserves-half-a-gigabyte.bin", read("count-bomb.bin")),
        ("gc-claims-clocks.bin", read("gc-claims-clocks.bin")),
        ("any-overflows-the-stack.bin", deep),
    ];
    for (name, bytes) in one {
        let mut script = Vec::new();
        // Somebody's text is there first.
        step(
            &mut script,
            0,
            &[1, 1, 77, 0, 4, 1, 1, b'r', 4, b'm', b'i', b'n', b'e', 0],
        );
        step(&mut script, 0, &bytes);
        seeds.push(("scan_yrs", name.to_owned(), script.clone()));
        seeds.push(("handshake", name.to_owned(), script));
        seeds.push(("state_vector", name.to_owned(), bytes.clone()));
        seeds.push(("scan", name.to_owned(), bytes));
    }
    let mut script = Vec::new();
    step(&mut script, 0, &read("use-after-free-1.bin"));
    step(&mut script, 0, &read("use-after-free-2.bin"));
    seeds.push(("scan_yrs", "yrs-uses-after-free.bin".to_owned(), script));
}

/// The examples of the page, as they stand there and as what they carry.
fn protocol(seeds: &mut Vec<Seed>) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    let page = fs::read_to_string(page).unwrap();
    let mut conversation = vec![1];
    step(&mut conversation, 0, b"notes");
    let mut server = vec![0];
    let mut number = 0;
    for line in page.lines() {
        let (from_server, rest) = match line.split_at_checked(2) {
            Some(("> ", rest)) => (false, rest),
            Some(("< ", rest)) => (true, rest),
            _ => continue,
        };
        let frame = if rest.starts_with('{') {
            y_websocket::baton(rest).to_vec()
        } else {
            let hex = rest.split("  ").next().unwrap_or(rest).replace(' ', "");
            let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            (0..hex.len()).step_by(2).map(byte).collect()
        };
        number += 1;
        let name = format!("protocol-{number:02}.bin");
        if from_server {
            step(&mut server, 0, &frame);
        } else {
            step(&mut conversation, 0, &frame);
        }
        let translated = translated(&frame);
        seeds.extend(translated.map(|frame| ("hocuspocus", name.clone(), frame.to_vec())));
        match y_websocket::decode(&frame) {
            Ok(Message::Step1(bytes)) => {
                seeds.push(("state_vector", name.clone(), bytes.to_vec()));
            }
            Ok(Message::Step2(bytes) | Message::Update(bytes)) => {
                seeds.push(("scan", name.clone(), bytes.to_vec()));
            }
            Ok(Message::Awareness(bytes)) => {
                let mut script = Vec::new();
                step(&mut script, 0, bytes);
                step(&mut script, 1, bytes);
                seeds.push(("awareness", name.clone(), script));
            }
            Ok(Message::Baton(text)) => {
                seeds.push(("channel", name.clone(), text.as_bytes().to_vec()));
            }
            _ => {}
        }
        seeds.push(("y_websocket", name, frame));
    }
    assert!(number >= 5, "the page has lost its examples");
    seeds.push(("http", "protocol-from-clients.bin".to_owned(), conversation));
    seeds.push(("client", "protocol-from-the-server.bin".to_owned(), server));
}

/// The same message on the Hocuspocus wire.
fn translated(frame: &[u8]) -> Option<Bytes> {
    let address = "notes\0tab-1";
    Some(match y_websocket::decode(frame).ok()? {
        Message::Step1(vector) => hocuspocus::step1_bytes(address, vector),
        Message::Step2(update) => hocuspocus::step2(address, update),
        Message::Update(update) => hocuspocus::update(address, update),
        Message::Awareness(payload) => hocuspocus::awareness(address, payload),
        Message::QueryAwareness => hocuspocus::query_awareness(address),
        Message::AuthDenied(reason) => hocuspocus::permission_denied(address, reason),
        Message::Baton(payload) => hocuspocus::stateless(address, payload),
        Message::CompressedStep2(_)
        | Message::CompressedUpdate(_)
        | Message::Barrier(_)
        | Message::Unknown(_) => return None,
    })
}

/// Messages that only the Hocuspocus wire and y-sweet have.
fn other_wires(seeds: &mut Vec<Seed>) {
    let frames = [
        ("token", hocuspocus::token("d", "rw", Some("4.8.0"))),
        ("token-without-version", hocuspocus::token("d", "rw", None)),
        ("token-request", hocuspocus::token_request("d")),
        (
            "authenticated",
            hocuspocus::authenticated("d", AccessScope::ReadOnly),
        ),
        (
            "sync-reply",
            hocuspocus::sync_reply("d", SyncStep::Step1(&[0])),
        ),
        ("close-request", hocuspocus::close_request("d")),
        ("close", hocuspocus::close("d", "erased")),
        ("sync-status", hocuspocus::sync_status("d", true)),
        ("ping", hocuspocus::ping()),
        ("pong", hocuspocus::pong()),
    ];
    for (name, frame) in frames {
        seeds.push(("hocuspocus", format!("{name}.bin"), frame.to_vec()));
    }
    let barrier = y_websocket::barrier(&[1]).to_vec();
    seeds.push(("y_websocket", "barrier.bin".to_owned(), barrier));
}

fn documents(seeds: &mut Vec<Seed>, updates: &[Bytes]) {
    let mut all = Vec::new();
    let mut early = Vec::new();
    for (index, update) in updates.iter().enumerate() {
        if index % 3 == 0 {
            seeds.push(("scan", format!("genuine-{index:02}.bin"), update.to_vec()));
        }
        step(&mut all, 0, update);
        let between = [11, 13, 14, 12, 15][index % 5];
        step(&mut all, between, update);
        step(&mut early, if index % 4 == 3 { 6 } else { 0 }, update);
    }
    seeds.push(("scan_yrs", "genuine.bin".to_owned(), all));
    let mut late = Vec::new();
    for update in updates.iter().rev() {
        step(&mut late, 0, update);
    }
    seeds.push(("scan_yrs", "genuine-backwards.bin".to_owned(), late));
    seeds.push(("handshake", "genuine.bin".to_owned(), early));
}

/// A room's log with a little of everything in it.
fn rooms(seeds: &mut Vec<Seed>) {
    let now = Time::ZERO;
    let mut host = LoggedRoom::new(RoomOptions::default());
    let (ada, bob) = (ConnectionId(1), ConnectionId(2));
    for (id, token) in [(ada, 1), (bob, 2)] {
        host.room.connect(id, Rights::ALL);
        let hello = ClientMessage::Hello {
            version: 1,
            resume: None,
            epoch: None,
            fences: Vec::new(),
            locks: None,
            user: User {
                name: "Ada".to_owned(),
                color: String::new(),
                ..User::default()
            },
            user_key: None,
            client: Some(token),
            observer: false,
            encodings: Vec::new(),
        };
        let token = ResumeToken::new([token as u8; 16]);
        host.room
            .receive(id, Incoming::Channel(&hello.encode()), token, now);
        host.settle();
    }
    let token = || ResumeToken::new([9; 16]);
    let acquire = ClientMessage::Acquire {
        nonce: 1,
        paths: vec![vec!["t".to_owned()]],
    };
    host.room
        .receive(ada, Incoming::Channel(&acquire.encode()), token(), now);
    host.settle();
    for update in genuine().into_iter().take(6) {
        for id in [ada, bob] {
            host.room.receive(
                id,
                Incoming::Sync(SyncKind::Update, update.clone()),
                token(),
                now,
            );
            host.settle();
        }
    }
    let snapshot = host.room.state().snapshot().unwrap();
    let mut stored = Vec::new();
    step(&mut stored, 0, &[]);
    for (index, (_, record)) in host.records().iter().enumerate() {
        step(&mut stored, 0, record);
        if index < 12 {
            seeds.push(("record", format!("room-{index:02}.bin"), record.to_vec()));
        }
    }
    seeds.push(("room_stored", "records.bin".to_owned(), stored));
    let mut stored = Vec::new();
    step(&mut stored, 0, &snapshot);
    for (_, record) in host.records().iter().take(3) {
        step(&mut stored, 0, record);
    }
    seeds.push(("room_stored", "snapshot-and-records.bin".to_owned(), stored));
}

/// The rows of a log as it writes them.
fn logs(seeds: &mut Vec<Seed>) {
    let store = MemoryStore::new();
    let log = Log::start(store.clone(), LogOptions::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for round in 0..2_u8 {
        for name in ["notes", "pläne/a"] {
            let (mut document, _) = log.open(name).unwrap();
            for record in [&b"one"[..], b"", &[round; 40]] {
                let record = Bytes::copy_from_slice(record);
                document.append_overdrawn(record, Urgency::Soon).unwrap();
            }
            if round == 1 && name == "notes" {
                let all = Bytes::from_static(b"all of it");
                document.snapshot(Position::new(5), all).unwrap();
            }
        }
        runtime.block_on(log.flush()).unwrap();
    }
    drop(log);
    let view = store.view().unwrap();
    let mut script = Vec::new();
    for (index, table) in StoreTable::ALL.into_iter().enumerate() {
        let number = index as u8;
        view.scan(table, &mut |key, row| {
            let row = [&[key as u8][..], row].concat();
            step(&mut script, number, &row);
        })
        .unwrap();
    }
    seeds.push(("log_rows", "written.bin".to_owned(), script));
    // The same shape with checksums that are made up for it.
    let mut script = Vec::new();
    step(&mut script, 12, &[0, 0, 3]);
    for id in 1..4 {
        step(&mut script, 13, &[id, id - 1, 2, b'a' + id]);
        step(&mut script, 15, &[id, 0, 2, b's']);
        step(
            &mut script,
            10,
            &[id, 0, 1, 1, 0, 1, 0, 2, 1, 3, 2, 0, 0, 0, 1, 3],
        );
    }
    seeds.push(("log_rows", "made-up.bin".to_owned(), script));
    // Numbers that nothing can be counted on from: a journal row's key, a base, a document's id.
    for (name, number, row) in [
        (
            "journal-row-under-the-last-number.bin",
            2,
            &[255, 1, 2, 3][..],
        ),
        (
            "base-is-the-last-number.bin",
            5,
            &[1, 0, 255, 255, 255, 255, 255, 255, 255, 255, b'a'],
        ),
        ("id-reserves-the-memory.bin", 13, &[253, 0, 0, b'a']),
    ] {
        let mut script = Vec::new();
        step(&mut script, 12, &[0, 0, 3]);
        step(&mut script, number, row);
        seeds.push(("log_rows", name.to_owned(), script));
    }
}

fn plain(seeds: &mut Vec<Seed>) {
    for kind in 0..6_u8 {
        let bytes = [kind, 0, 1, 0x7f, 0x80, 1, 0xac, 2, 3, b'a', b'b', b'c'];
        seeds.push(("lib0", format!("kind-{kind}.bin"), bytes.to_vec()));
    }
    let requests: [(&str, &[u8]); 5] = [
        ("get-health.bin", b"\0GET /healthz HTTP/1.1\r\nhost: a\r\n\r\nGET /readyz HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("get-page.bin", b"\0GET /assets/%2e%2e/%2e%2e/x HTTP/1.1\r\nhost: a\r\nrange: bytes=0-\r\nif-none-match: *\r\n\r\n"),
        ("post-with-a-body.bin", b"\0POST /ws/a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("half-a-handshake.bin", b"\0GET /ws/a?b HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-version: 12\r\n\r\n"),
        ("two-heads-in-one.bin", b"\0GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n"),
    ];
    for (name, bytes) in requests {
        seeds.push(("http", name.to_owned(), bytes.to_vec()));
    }
    let names: [(&str, &[u8]); 4] = [
        ("name-is-empty.bin", b""),
        ("name-has-slashes.bin", "a/b//ü/".as_bytes()),
        ("name-is-no-utf8.bin", &[0xff, 0xfe, 0, b'\n']),
        ("name-climbs-out.bin", b"../../etc/passwd"),
    ];
    for (name, document) in names {
        let mut script = vec![1];
        step(&mut script, 0, document);
        for odd in 0..16 {
            step(&mut script, odd, &[0, 2, 2, 0, 0]);
        }
        seeds.push(("http", name.to_owned(), script));
    }
    let table = [0, 1, 2, 12, 15, 18, 21];
    for (index, first) in table.into_iter().enumerate() {
        let mut script = Vec::new();
        for by in 0..6 {
            let payload = [1, 7 + by % 2, by, 2, b'{', b'}'];
            step(&mut script, by, &payload);
            step(&mut script, first + by % 3, &payload);
        }
        seeds.push(("awareness", format!("comings-{index}.bin"), script));
    }
}

/// Structured targets read choices, and any bytes are some.
fn by_chance(seeds: &mut Vec<Seed>) {
    let mut random = Random::from_seed(1);
    for (target, many, long) in [("room", 12, 1500), ("peers", 8, 600), ("scan_yrs", 4, 900)] {
        for number in 0..many {
            seeds.push((
                target,
                format!("chance-{number:02}.bin"),
                random.bytes(long),
            ));
        }
    }
}
