//! First syncs that come compressed, to those who asked for that in their hello.

use baton_room::{ConnectionId, Incoming, Outgoing, RoomOptions};
use baton_sync::StateVector;
use baton_sync::compressed_update::{Compression, decompress};
use baton_sync::control_channel::{ClientMessage, ServerMessage, User};
use bytes::Bytes;

use crate::seconds;
use crate::table::{Coming, Peer, Seen, Table, text};

const RAW: &[&str] = &["deflate-raw"];

fn comes(table: &mut Table, name: &str, client: u64, encodings: &[&str]) -> Peer {
    let coming = Coming {
        name,
        client,
        encodings,
        ..Coming::default()
    };
    Peer::come(table, coming)
}

/// What the welcome of a connection says of compression.
fn encoding(table: &Table, who: ConnectionId) -> Option<String> {
    let welcome = table.seen(who).into_iter().find_map(|seen| match seen {
        Seen::Message(Outgoing::Channel(message)) => match (*message).clone() {
            ServerMessage::Welcome { encoding, .. } => Some(encoding),
            _ => None,
        },
        _ => None,
    });
    welcome.unwrap()
}

/// The messages that brought a connection the document: how many came plain, and those that did not.
fn parts(table: &Table, who: ConnectionId) -> (usize, Vec<Bytes>) {
    let (mut plain, mut compressed) = (0, Vec::new());
    for seen in table.seen(who) {
        match seen {
            Seen::Message(Outgoing::Update(_) | Outgoing::Step2(_)) => plain += 1,
            Seen::Message(
                Outgoing::CompressedUpdate(update) | Outgoing::CompressedStep2(update),
            ) => compressed.push(update.payload().clone()),
            _ => {}
        }
    }
    (plain, compressed)
}

fn places(parts: &[Bytes]) -> Vec<*const u8> {
    parts.iter().map(|part| part.as_ptr()).collect()
}

fn lines(count: u32) -> String {
    (0..count).map(|line| format!("line {line} ")).collect()
}

#[test]
fn of_two_newcomers_the_one_who_asked_has_the_pieces_compressed_and_both_have_the_same() {
    let mut table = Table::with(RoomOptions {
        piece_bytes: 3000,
        compression: Some(Compression {
            level: 6,
            least: 200,
        }),
        ..RoomOptions::default()
    });
    let mut ada = Peer::join(&mut table, "Ada", 1);
    ada.types(&mut table, &lines(1000));

    let mut bob = comes(&mut table, "Bob", 2, &["snappy", "deflate-raw"]);
    assert_eq!(encoding(&table, bob.id).as_deref(), Some("deflate-raw"));
    let (plain, compressed) = parts(&table, bob.id);
    assert_eq!(plain, 0);
    assert!(compressed.len() > 2);
    let bytes: usize = compressed.iter().map(Bytes::len).sum();
    assert!(bytes * 2 < lines(1000).len(), "{bytes}");
    bob.take(&mut table);

    let mut cleo = comes(&mut table, "Cleo", 3, &[]);
    assert_eq!(encoding(&table, cleo.id), None);
    assert_eq!(parts(&table, cleo.id), (compressed.len(), Vec::new()));
    cleo.take(&mut table);

    // The next one who asks is sent the very bytes; what was typed meanwhile stands behind them.
    ada.types(&mut table, "the end");
    let mut dora = comes(&mut table, "Dora", 4, RAW);
    let (plain, again) = parts(&table, dora.id);
    assert_eq!((plain, places(&again)), (1, places(&compressed)));
    dora.take(&mut table);
    for peer in [&mut bob, &mut cleo] {
        peer.take(&mut table);
    }
    for peer in [&bob, &cleo, &dora] {
        assert_eq!(text(&peer.document), format!("{}the end", lines(1000)));
    }
}

#[test]
fn a_document_of_one_piece_is_compressed_once_while_people_type() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    ada.types(&mut table, &lines(1000));
    let bob = comes(&mut table, "Bob", 2, RAW);
    let (plain, first) = parts(&table, bob.id);
    assert_eq!((plain, first.len()), (0, 1));
    ada.types(&mut table, "a");
    ada.types(&mut table, "b");
    assert!(table.room.load().first_sync_is_compressed);
    let mut cleo = comes(&mut table, "Cleo", 3, RAW);
    let (plain, again) = parts(&table, cleo.id);
    assert_eq!((plain, places(&again)), (2, places(&first)));
    cleo.take(&mut table);
    assert_eq!(text(&cleo.document), lines(1000) + "ab");

    // Who did not ask has it as ever: in one message.
    let mut dora = comes(&mut table, "Dora", 4, &[]);
    assert_eq!(parts(&table, dora.id), (1, Vec::new()));
    dora.take(&mut table);
    assert_eq!(text(&dora.document), lines(1000) + "ab");

    // Behind much that was typed since, it would be of little use.
    ada.types(&mut table, &lines(300));
    let evan = comes(&mut table, "Evan", 5, RAW);
    let (plain, anew) = parts(&table, evan.id);
    assert_eq!((plain, anew.len()), (0, 1));
    assert_ne!(places(&anew), places(&first));

    // After a minute it is dropped with all that was kept for newcomers.
    assert!(table.room.state().document().has_answers());
    let all = [ada.id, bob.id, cleo.id, dora.id, evan.id];
    table.pass(seconds(61), &all);
    assert!(!table.room.state().document().has_answers());
}

#[test]
fn what_a_client_lacks_that_has_a_part_is_compressed_for_it_alone() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    ada.types(&mut table, "first ");
    let mut bob = comes(&mut table, "Bob", 2, RAW);
    bob.take(&mut table);
    table.look(bob.id);
    ada.types(&mut table, &lines(1000));
    table.look(bob.id);
    bob.sync(&mut table);
    let (plain, compressed) = parts(&table, bob.id);
    assert_eq!((plain, compressed.len()), (0, 1));
    bob.take(&mut table);
    assert_eq!(text(&bob.document), format!("first {}", lines(1000)));
    // Now it lacks nothing, and that is short.
    table.look(bob.id);
    bob.sync(&mut table);
    assert_eq!(parts(&table, bob.id), (1, Vec::new()));
}

#[test]
fn nothing_is_compressed_where_it_is_not_wanted_or_of_no_use() {
    let with = |compression, frames, encodings: &[&str], count| {
        let mut table = Table::with(RoomOptions {
            compression,
            ..RoomOptions::default()
        });
        let mut ada = Peer::join(&mut table, "Ada", 1);
        ada.types(&mut table, &lines(count));
        table.compressed_frames = frames;
        let bob = comes(&mut table, "Bob", 2, encodings);
        let compressed = !parts(&table, bob.id).1.is_empty();
        (encoding(&table, bob.id).is_some(), compressed)
    };
    let on = Some(Compression::default());
    assert_eq!(with(on, true, RAW, 1000), (true, true));
    // Too short.
    assert_eq!(with(on, true, RAW, 10), (true, false));
    // The server does not want to.
    assert_eq!(with(None, true, RAW, 1000), (false, false));
    // The wire has no frames for it.
    assert_eq!(with(on, false, RAW, 1000), (false, false));
    // The client reads nothing that the server writes.
    assert_eq!(with(on, true, &["zstd", "gzip"], 1000), (false, false));
}

/// The estimate of a step's time rests on this.
#[test]
fn a_room_knows_what_it_has_yet_to_compress() {
    let mut table = Table::with(RoomOptions {
        piece_bytes: 3000,
        ..RoomOptions::default()
    });
    let mut ada = Peer::join(&mut table, "Ada", 1);
    ada.types(&mut table, &lines(1000));
    let [ask, stock] = [RAW, &[]].map(|encodings| {
        let id = table.connect();
        let hello = ClientMessage::Hello {
            version: 1,
            resume: None,
            epoch: None,
            fences: Vec::new(),
            locks: None,
            user: User::default(),
            user_key: None,
            client: None,
            observer: false,
            encodings: encodings.iter().map(|&name| name.to_owned()).collect(),
        };
        table.say(id, &hello);
        id
    });
    assert!(table.room.compresses_for(ask) && !table.room.compresses_for(stock));
    let is_ready = |table: &Table| table.room.load().first_sync_is_compressed;
    assert!(!is_ready(&table));
    let nothing = StateVector::new().encode();
    table.receive(stock, Incoming::Step1(&nothing));
    assert!(!is_ready(&table));
    table.receive(ask, Incoming::Step1(&nothing));
    assert!(is_ready(&table));
}

/// Its Step1 is answered in a step of another connection, which is estimated to be short: a client
/// could let its hello wait on purpose, and have the thread of another one compress.
#[test]
fn a_hello_that_waited_for_another_connection_is_answered_without_compression() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    ada.types(&mut table, &lines(1000));
    let hello = ClientMessage::Hello {
        version: 1,
        resume: None,
        epoch: None,
        fences: Vec::new(),
        locks: None,
        user: User::default(),
        user_key: None,
        client: Some(7),
        observer: false,
        encodings: vec!["deflate-raw".to_owned()],
    };
    let first = table.connect();
    table.say(first, &hello);
    assert!(encoding(&table, first).is_some());
    let second = table.connect();
    table.say(second, &hello);
    table.receive(second, Incoming::Step1(&StateVector::new().encode()));
    table.pass(seconds(3), &[ada.id]);
    assert_eq!(encoding(&table, second), None);
    assert_eq!(parts(&table, second), (1, Vec::new()));
}

#[test]
fn a_compressed_part_is_the_update_that_others_are_sent() {
    let mut table = Table::new();
    let mut ada = Peer::join(&mut table, "Ada", 1);
    ada.types(&mut table, &lines(1000));
    let bob = comes(&mut table, "Bob", 2, RAW);
    let (_, compressed) = parts(&table, bob.id);
    let everything = table
        .room
        .state()
        .document()
        .difference(&StateVector::new());
    assert_eq!(decompress(&compressed[0], 1 << 20).unwrap(), everything);
}
