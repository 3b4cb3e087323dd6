//! A compacted document is the document: a client that has the one and hears of the other, and what
//! was made against the one and comes late to the other, all end with the same.
//!
//! `BATON_FUZZ_ROUNDS` makes the run longer:
//! `BATON_FUZZ_ROUNDS=20000 cargo test -p baton-sync --release --test compact histories`.
#![allow(clippy::unwrap_used, reason = "a failure is to stop the test")]

mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use baton_sync::yrs::{
    self, Any, Array, Doc, Map, MapPrelim, OffsetKind, Options, Out, ReadTxn, Text, Transact,
    TransactionMut, WriteTxn, updates::decoder::Decode,
};
use baton_sync::{
    ClientId, CompactError, Document, DocumentOptions, History, Id, Judgement, ReplicaIndex,
    StateVector, compact, replica_index::Refusal, scan,
};
use common::invented::invented;
use common::{Dice, contents, gathered, session, units};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const OWN: DocumentOptions = DocumentOptions::new(ClientId::MAX);

/// A document as a server holds it that heard these.
fn hearing(updates: &[Vec<u8>]) -> Document {
    let mut document = Document::new(&OWN);
    for update in updates {
        document.apply(update).unwrap();
    }
    document
}

/// A peer on bare yrs.
fn peer(garbage: Garbage) -> Doc {
    Doc::with_options(Options {
        offset_kind: OffsetKind::Utf16,
        skip_gc: garbage == Garbage::Stays,
        cleanup_formatting: false,
        ..Options::with_guid_and_client_id("peer".into(), yrs::ClientID::new(7))
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Garbage {
    Stays,
    Goes,
}

fn tell<U: AsRef<[u8]>>(peer: &Doc, updates: impl IntoIterator<Item = U>) {
    for update in updates {
        let update = yrs::Update::decode_v1(update.as_ref()).unwrap();
        peer.transact_mut().apply_update(update).unwrap();
    }
}

fn knows(peer: &Doc) -> StateVector {
    let vector = peer.transact().state_vector();
    let clocks = vector.iter().map(|(client, clock)| {
        let client = ClientId::new(client.get()).unwrap();
        (client, *clock)
    });
    clocks.collect()
}

fn state_of(encoded: &[u8]) -> ReplicaIndex {
    let mut state = ReplicaIndex::new();
    let scan = scan(encoded).unwrap();
    assert!(matches!(
        state.judge(&scan),
        Judgement::Fits | Judgement::Known
    ));
    state.absorb(&scan);
    state
}

/// Forms of a deleted unit without content: none, a place, a blank character, value or JSON text.
const GONE: [&str; 5] = ["gone", "deleted", "20", "[7e]", "0"];

/// Rewritten in both ways, a state has all its units in their places, and a second time changes
/// nothing.
fn assert_rewritten(encoded: &[u8], knows: &ReplicaIndex) {
    let before = units(encoded);
    for history in [History::Drop, History::Keep] {
        let after = compact(encoded, history).unwrap();
        assert_eq!(compact(&after, history).unwrap(), after, "again");
        let state = state_of(&after);
        assert_eq!(state.vector(), knows.vector());
        assert_eq!(state.deletes(), knows.deletes());
        let after = units(&after);
        assert_eq!(before.len(), after.len());
        for (before, after) in before.iter().zip(&after) {
            let Id { client, clock } = before.id;
            if history == History::Drop && knows.deletes().contains(client, clock, 1) {
                assert!(before.place == after.place || after.content == "gone");
                // A type stays while something in it lives.
                let left = GONE.contains(&&*after.content) || after.content.starts_with("Type");
                assert!(left, "{after:?}");
            } else {
                let other = match before.content.as_str() {
                    half if half.starts_with("d8") && half.len() == 4 => clock + 1,
                    half if half.starts_with("de") && half.len() == 4 => clock - 1,
                    _ => clock,
                };
                // Of a character of two units one is deleted.
                let torn = history == History::Drop && knows.deletes().contains(client, other, 1);
                if torn && after.content == "fffd" {
                    assert_eq!(before.place, after.place);
                } else {
                    assert_eq!(before, after);
                }
            }
        }
    }
}

/// Everything about one history that was cut at `cut`: what is before it is compacted, the rest is
/// what comes late.
fn history(seed: u64, peers: u32, steps: u32, cut: f64) {
    let mut dice = Dice::new(seed);
    let log = session(&mut dice, peers, steps).log;
    let cut = (log.len() as f64 * cut) as usize;
    let (early, late) = log.split_at(cut);
    let full = hearing(early);
    let snapshot = full.snapshot().unwrap();
    let compacted = compact(&snapshot, History::Drop).unwrap();

    assert!(compacted.len() <= snapshot.len());
    let raw = gathered(early, full.state().deletes());
    assert_rewritten(&snapshot, full.state());
    assert_rewritten(&raw, full.state());
    // The blocks as they came, joined here, are the document as well as those that yrs joined.
    let joined = compact(&raw, History::Drop).unwrap();
    let kept = compact(&raw, History::Keep).unwrap();
    let outcome = show(&full);
    for encoded in [&joined, &kept] {
        assert_eq!(show(&Document::load(encoded, &OWN).unwrap()), outcome);
    }
    let compacted = dice.pick(&[compacted, joined, kept]).clone();

    // The server, after a restart from the compact form: every late update is judged the same.
    let mut before = full;
    let mut after = Document::load(&compacted, &OWN).unwrap();
    for update in late {
        let scan = scan(update).unwrap();
        assert_eq!(before.state().judge(&scan), after.state().judge(&scan));
        assert_eq!(
            before.state().touched_roots(&scan),
            after.state().touched_roots(&scan)
        );
        assert_eq!(before.apply(update), after.apply(update));
        assert_eq!(before.state().deletes(), after.state().deletes());
    }
    assert_eq!(before.state().vector(), after.state().vector());
    let outcome = show(&before);
    assert_eq!(show(&after), outcome);
    let again = compact(&after.snapshot().unwrap(), History::Drop).unwrap();
    assert_eq!(show(&Document::load(&again, &OWN).unwrap()), outcome);

    // Newcomers, and those who were here before: they hear everything late, or a difference, or
    // come back with what they made meanwhile.
    let known = dice.below(cut as u32 + 1) as usize;
    let gathers = if dice.subdocuments {
        &[Garbage::Stays][..]
    } else {
        &[Garbage::Stays, Garbage::Goes]
    };
    for &garbage in gathers {
        let newcomer = peer(garbage);
        tell(&newcomer, [&compacted]);
        tell(&newcomer, late);
        assert_eq!(contents(&newcomer), outcome, "newcomer");

        let returning = peer(garbage);
        tell(&returning, &early[..known]);
        let server = Document::load(&compacted, &OWN).unwrap();
        tell(&returning, [server.diff(&knows(&returning)).unwrap()]);
        tell(&returning, late);
        assert_eq!(contents(&returning), outcome, "returning");

        let last = peer(garbage);
        tell(&last, &early[..known]);
        tell(&last, [after.diff(&knows(&last)).unwrap()]);
        assert_eq!(contents(&last), outcome, "last");
    }
}

fn show(document: &Document) -> std::collections::BTreeMap<String, String> {
    let peer = peer(Garbage::Stays);
    tell(&peer, [document.snapshot().unwrap()]);
    contents(&peer)
}

#[test]
fn histories_go_on_from_the_compact_form_as_if_nothing_had_happened() {
    let histories = (any::<u64>(), 1..5_u32, 1..60_u32, 0.0..1.0_f64);
    for_each_round(200, &histories, |(seed, peers, steps, cut)| {
        history(seed, peers, steps, cut);
    });
}

fn for_each_round<S: Strategy>(rounds: u32, cases: &S, test: impl Fn(S::Value)) {
    let rounds = std::env::var("BATON_FUZZ_ROUNDS").map_or(rounds, |given| given.parse().unwrap());
    let config = Config {
        cases: rounds,
        failure_persistence: None,
        ..Config::default()
    };
    let run = |case| {
        test(case);
        Ok(())
    };
    TestRunner::new(config).run(cases, run).unwrap();
}

/// Updates as odd as can be, of every kind of content, with no library to say what they mean.
fn oddities(seed: u64) {
    let mut dice = Dice::new(seed);
    dice.beyond_yrs = true;
    let mut state = ReplicaIndex::new();
    let mut log = Vec::new();
    for _ in 0..60 {
        let update = invented(&mut dice, &state);
        let fits = scan(&update).is_ok_and(|scan| {
            let fits = state.judge(&scan) == Judgement::Fits;
            if fits {
                state.absorb(&scan);
            }
            fits
        });
        if fits {
            log.push(update);
        }
    }
    assert_rewritten(&gathered(&log, state.deletes()), &state);
}

#[test]
fn whatever_is_admitted_is_rewritten_unit_by_unit() {
    for_each_round(300, &any::<u64>(), oddities);
}

/// An update of one client, and nothing deleted but what is said.
fn encoded(blocks: &[&[u8]], deletes: &[(u8, u8)]) -> Vec<u8> {
    let mut out = vec![1, blocks.len() as u8, 1, 0];
    blocks.iter().for_each(|block| out.extend_from_slice(block));
    out.extend([u8::from(!deletes.is_empty())]);
    if !deletes.is_empty() {
        out.extend([1, deletes.len() as u8]);
        deletes
            .iter()
            .for_each(|(start, len)| out.extend([*start, *len]));
    }
    out
}

/// A text at the beginning of the root type `t`.
const TEXT: &[u8] = &[4, 1, 1, b't', 6, b'a', b'b', b'c', b'd', b'e', b'f'];

#[test]
fn a_text_that_is_deleted_in_part_is_cut_or_blanked() {
    let mut long = vec![4, 1, 1, b't', 40];
    long.extend([b'x'; 40]);
    let long = encoded(&[&long], &[(1, 39)]);
    let small = encoded(&[&[4, 1, 1, b't', 1, b'x'], &[0x81, 1, 0, 39]], &[(1, 39)]);
    assert_eq!(compact(&long, History::Drop).unwrap(), small);

    // The heads of blocks would be longer than what goes.
    let state = encoded(&[TEXT], &[(1, 4)]);
    let blank = encoded(
        &[&[4, 1, 1, b't', 6, b'a', b' ', b' ', b' ', b' ', b'f']],
        &[(1, 4)],
    );
    assert_eq!(compact(&state, History::Drop).unwrap(), blank);
    // Of a character of two units one is deleted, and the other alive.
    let pair = encoded(
        &[&[4, 1, 1, b't', 5, b'a', 0xf0, 0x9f, 0x98, 0x80]],
        &[(1, 1)],
    );
    let half = encoded(
        &[&[4, 1, 1, b't', 5, b'a', b' ', 0xef, 0xbf, 0xbd]],
        &[(1, 1)],
    );
    assert_eq!(compact(&pair, History::Drop).unwrap(), half);
    let values = encoded(&[&[8, 1, 1, b't', 3, 120, 119, 1, b's', 120]], &[(1, 1)]);
    let blank = encoded(&[&[8, 1, 1, b't', 3, 120, 126, 120]], &[(1, 1)]);
    assert_eq!(compact(&values, History::Drop).unwrap(), blank);
    let json = encoded(&[b"\x02\x01\x01t\x02\x08\"secret\"\x011"], &[(0, 1)]);
    let blank = encoded(&[b"\x02\x01\x01t\x02\x010\x011"], &[(0, 1)]);
    assert_eq!(compact(&json, History::Drop).unwrap(), blank);
    for state in [long, state, pair, values, json] {
        assert_eq!(compact(&state, History::Keep).unwrap(), state);
    }
}

#[test]
fn neighbours_become_one_only_where_that_says_the_same() {
    let first: &[u8] = &[4, 1, 1, b't', 2, b'a', b'b'];
    // Goes on behind the first, and with the same right origin: none.
    let same: &[u8] = &[0x84, 1, 1, 2, b'c', b'd'];
    // Behind its first unit only.
    let elsewhere: &[u8] = &[0x84, 1, 0, 2, b'c', b'd'];
    // Before its first unit as well.
    let before: &[u8] = &[0xc4, 1, 1, 1, 0, 2, b'c', b'd'];
    let all = &[(0, 4)];
    let one = encoded(&[&[1, 1, 1, b't', 4]], all);
    assert_eq!(
        compact(&encoded(&[first, same], all), History::Drop).unwrap(),
        one
    );
    let two = encoded(&[&[1, 1, 1, b't', 2], &[0x81, 1, 0, 2]], all);
    assert_eq!(
        compact(&encoded(&[first, elsewhere], all), History::Drop).unwrap(),
        two
    );
    let two = encoded(&[&[1, 1, 1, b't', 2], &[0xc1, 1, 1, 1, 0, 2]], all);
    assert_eq!(
        compact(&encoded(&[first, before], all), History::Drop).unwrap(),
        two
    );
}

#[test]
fn living_neighbours_become_one_as_in_yjs() {
    let joins = |blocks: &[&[u8]], deletes: &[(u8, u8)], joined: &[&[u8]]| {
        let (state, joined) = (encoded(blocks, deletes), encoded(joined, deletes));
        for history in [History::Drop, History::Keep] {
            assert_eq!(compact(&state, history).unwrap(), joined, "{history:?}");
        }
    };
    let first: &[u8] = &[4, 1, 1, b't', 1, b'a'];
    let second: &[u8] = &[0x84, 1, 0, 1, b'b'];
    let third: &[u8] = &[0x84, 1, 1, 1, b'c'];
    joins(&[first, second, third], &[], &[b"\x04\x01\x01t\x03abc"]);
    // Another kind, one that cannot be cut, or another neighbour is another block.
    for other in [
        &[0x88, 1, 0, 1, 120][..],
        &[0x83, 1, 0, 1, b'b'],
        &[0x86, 1, 0, 1, b'b', 1, b'1'],
        &[0xc4, 1, 0, 1, 0, 1, b'b'],
        b"\x04\x01\x01t\x01b",
        b"\x04\x01\x01u\x01b",
    ] {
        joins(&[first, other], &[], &[first, other]);
    }
    // Halves of a character stay replaced, and do not become one.
    let half: &[u8] = b"\x04\x01\x01t\x03\xef\xbf\xbd";
    let other: &[u8] = b"\x84\x01\x00\x03\xef\xbf\xbd";
    let halves = b"\x04\x01\x01t\x06\xef\xbf\xbd\xef\xbf\xbd";
    joins(&[half, other], &[], &[halves]);
    // Values in every spelling, and legacy JSON.
    let zero: &[u8] = &[8, 1, 1, b't', 1, 125, 0x40];
    let large: &[u8] = &[
        0x88, 1, 0, 1, 122, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ];
    let both = [&[8, 1, 1, b't', 2, 125, 0x40][..], &large[4..]].concat();
    joins(&[zero, large], &[], &[&both]);
    let json: &[u8] = b"\x02\x01\x01t\x01\x011";
    let undefined: &[u8] = b"\x82\x01\x00\x01\x09undefined";
    let both = b"\x02\x01\x01t\x02\x011\x09undefined";
    joins(&[json, undefined], &[], &[both]);
    // A length of two bytes before the row, instead of one.
    let mut state = [&[1, 0x80, 1, 1, 0], first].concat();
    for clock in 0..127 {
        state.extend([0x84, 1, clock, 1, b'x']);
    }
    let one = [
        &b"\x01\x01\x01\x00\x04\x01\x01t\x80\x01a"[..],
        &[b'x'; 127],
        &[0],
    ]
    .concat();
    state.push(0);
    assert_eq!(compact(&state, History::Drop).unwrap(), one);
}

#[test]
fn deleted_neighbours_become_one_with_deleted_ones_only() {
    let first: &[u8] = &[4, 1, 1, b't', 1, b'a'];
    let second: &[u8] = &[0x84, 1, 0, 1, b'b'];
    let third: &[u8] = &[0x84, 1, 1, 1, b'c'];
    let all = [first, second, third];
    let drop = encoded(&[&[1, 1, 1, b't', 2], third], &[(0, 2)]);
    let keep = encoded(&[b"\x04\x01\x01t\x02ab", third], &[(0, 2)]);
    let state = encoded(&all, &[(0, 2)]);
    assert_eq!(compact(&state, History::Drop).unwrap(), drop);
    assert_eq!(compact(&state, History::Keep).unwrap(), keep);
    // A block that is deleted in part is neither cut nor joined where that would mix them.
    let long: &[u8] = b"\x04\x01\x01t\x02ab";
    let state = encoded(&[long, third], &[(1, 1)]);
    assert_eq!(compact(&state, History::Keep).unwrap(), state);
    let joined = encoded(&[b"\x04\x01\x01t\x03abc"], &[(1, 2)]);
    let state = encoded(&[long, third], &[(1, 2)]);
    assert_eq!(compact(&state, History::Keep).unwrap(), joined);
}

/// A block that goes on where another ends has its key as well. Only the last of a key's values
/// lives, and a state need not say so: joined, both would live.
#[test]
fn living_values_of_one_key_are_never_joined() {
    let keyed: &[u8] = &[0x28, 1, 1, b'm', 1, b'k', 1, 120];
    let again: &[u8] = &[0xa8, 1, 0, 1, 121];
    // Without the flag, which no reader needs: the key is inherited all the same.
    let silent: &[u8] = &[0x88, 1, 0, 1, 121];
    let third: &[u8] = &[0x88, 1, 1, 1, 126];
    for second in [again, silent] {
        let drop = encoded(&[&[0x21, 1, 1, b'm', 1, b'k', 2], third], &[(0, 2)]);
        let keep = [&keyed[..6], &[2, 120, 121]].concat();
        let keep = encoded(&[&keep, third], &[(0, 2)]);
        // Those that were replaced are deleted, whether the state says so or not, and become one.
        for deletes in [&[][..], &[(0, 2)]] {
            let state = encoded(&[keyed, second, third], deletes);
            assert_eq!(compact(&state, History::Drop).unwrap(), drop);
            assert_eq!(compact(&state, History::Keep).unwrap(), keep);
        }
    }
}

#[test]
fn of_what_is_in_a_deleted_type_only_the_clocks_remain() {
    let map: &[u8] = &[7, 1, 1, b't', 1];
    let key: &[u8] = &[
        0x28, 0, 1, 0, 1, b'k', 1, 119, 5, b'v', b'a', b'l', b'u', b'e',
    ];
    let text: &[u8] = &[0x27, 0, 1, 0, 1, b'l', 2];
    let inner: &[u8] = &[4, 0, 1, 2, 2, b'x', b'y'];
    let blocks = &[map, key, text, inner];
    let gone = encoded(&[&[1, 1, 1, b't', 1], &[0, 4]], &[(0, 5)]);
    for deleted in [(0, 5), (0, 1)] {
        // Inside a deleted type all is deleted, whether an update says so or not.
        let state = encoded(blocks, &[deleted]);
        assert_eq!(compact(&state, History::Drop).unwrap(), gone);
    }
    let kept = encoded(blocks, &[(0, 5)]);
    assert_eq!(compact(&kept, History::Keep).unwrap(), kept);
}

/// Edits as one person makes them, each an update of its own.
fn edits(edit: impl Fn(&mut TransactionMut<'_>, u32)) -> (Vec<Vec<u8>>, Vec<u8>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let doc = Doc::with_options(Options {
        offset_kind: OffsetKind::Utf16,
        skip_gc: false,
        ..Options::with_guid_and_client_id("one".into(), yrs::ClientID::new(0x1234_5678))
    });
    let outbox = Arc::clone(&log);
    let sent = move |_: &TransactionMut<'_>, event: &yrs::UpdateEvent| {
        outbox.lock().unwrap().push(event.update.clone());
    };
    doc.observe_update_v1("log", sent).unwrap();
    for step in 0..2_000 {
        edit(&mut doc.transact_mut(), step);
    }
    let all = doc.transact().encode_diff_v1(&yrs::StateVector::default());
    let log = log.lock().unwrap().clone();
    (log, all)
}

/// A letter, a key or a value at a time, as people and programs write: the blocks as they came are
/// larger than what yrs and Yjs make of them.
#[test]
fn what_came_in_small_updates_is_no_larger_than_by_yjs() {
    let typed = edits(|txn, step| {
        let text = txn.get_or_insert_text("text");
        let end = text.len(txn);
        match step % 40 {
            // A correction, now and then in the midst.
            17..20 => text.remove_range(txn, end - 1, 1),
            33 => text.insert(txn, end / 2, "and here, "),
            34 => text.remove_range(txn, end / 3, 4),
            _ => text.push(txn, "e"),
        }
    });
    let set = edits(|txn, step| {
        let map = txn.get_or_insert_map("map");
        map.insert(txn, format!("key {}", step % 3), step);
    });
    let pushed = edits(|txn, step| {
        let array = txn.get_or_insert_array("array");
        array.push_back(txn, step);
        if step % 10 == 9 {
            array.remove(txn, step / 2);
        }
    });
    let dragged = edits(|txn, step| {
        let map = txn.get_or_insert_map("shapes");
        let shape = step / 100;
        if step % 100 == 0 {
            map.insert(txn, format!("shape {shape}"), MapPrelim::from([("x", 0)]));
        } else if step % 100 == 99 && shape % 3 != 0 {
            map.remove(txn, &format!("shape {shape}"));
        } else if let Some(Out::YMap(shape)) = map.get(txn, &format!("shape {shape}")) {
            shape.insert(txn, "x", step);
            shape.insert(txn, "y", step);
        }
    });
    let formatted = edits(|txn, step| {
        let text = txn.get_or_insert_text("text");
        let end = text.len(txn);
        match step % 25 {
            24 => {
                let bold = HashMap::from([(Arc::from("bold"), Any::Bool(step % 2 == 0))]);
                text.format(txn, end / 2, 5, bold);
            }
            _ => text.push(txn, "wörd "),
        }
    });
    for (name, (log, by_yjs)) in [
        ("typed", typed),
        ("set", set),
        ("pushed", pushed),
        ("dragged", dragged),
        ("formatted", formatted),
    ] {
        let full = hearing(&log);
        let raw = gathered(&log, full.state().deletes());
        assert_rewritten(&raw, full.state());
        let compacted = compact(&raw, History::Drop).unwrap();
        let (ours, theirs) = (compacted.len(), by_yjs.len());
        assert!(
            ours * 100 <= theirs * 102,
            "{name}: {ours} bytes, by Yjs {theirs}"
        );
        assert!(
            raw.len() * 100 > theirs * 102,
            "{name}: {} bytes as they came",
            raw.len()
        );
    }
}

#[test]
fn what_is_no_whole_state_is_an_error() {
    assert!(matches!(
        compact(&[1, 2, 3], History::Drop),
        Err(CompactError::Unsound(_))
    ));
    let part = [1, 1, 1, 5, 0x84, 1, 4, 1, b'x', 0];
    assert!(matches!(
        compact(&part, History::Drop),
        Err(CompactError::NotWhole(Judgement::Gap { .. }))
    ));
    assert_eq!(compact(&[0, 0], History::Drop).unwrap(), [0, 0][..]);
}

#[test]
fn a_forged_neighbour_in_another_type_is_no_part_of_a_state() {
    // A unit of one text says that a unit of another one was to its right.
    let blocks: &[&[u8]] = &[
        &[7, 1, 1, b't', 2],
        &[0x87, 1, 0, 2],
        &[4, 0, 1, 0, 1, b'd'],
        &[4, 0, 1, 1, 1, b'k'],
        &[0xc4, 1, 3, 1, 2, 1, b'l'],
    ];
    let error = compact(&encoded(blocks, &[(0, 1)]), History::Drop).unwrap_err();
    let torn = Judgement::Refused(Refusal::Torn {
        at: Id {
            client: ClientId::from(1),
            clock: 4,
        },
    });
    assert_eq!(error, CompactError::NotWhole(torn));
}
