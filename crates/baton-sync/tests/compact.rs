//! A compacted document is the document: whoever has the one and hears of the other, and whatever
//! was made against the one and comes late to the other, all end with the same.
//!
//! `BATON_FUZZ_ROUNDS` makes the run longer:
//! `BATON_FUZZ_ROUNDS=20000 cargo test -p baton-sync --release --test compact histories`.
#![allow(clippy::unwrap_used, reason = "a failure is to stop the test")]

mod common;

use baton_sync::yrs::{
    self, Doc, OffsetKind, Options, ReadTxn, Transact, updates::decoder::Decode,
};
use baton_sync::{
    ClientId, CompactError, Document, DocumentOptions, Id, Judgement, State, StateVector, compact,
    scan, state::Refusal,
};
use common::{Dice, contents, session};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const OWN: DocumentOptions = DocumentOptions {
    client: ClientId::MAX,
};

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

fn state_of(encoded: &[u8]) -> State {
    let mut state = State::new();
    let scan = scan(encoded).unwrap();
    assert!(matches!(
        state.judge(&scan),
        Judgement::Fits | Judgement::Known
    ));
    state.absorb(&scan);
    state
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
    let compacted = compact(&snapshot).unwrap();

    assert!(compacted.len() <= snapshot.len());
    assert_eq!(compact(&compacted).unwrap(), compacted, "again");
    let state = state_of(&compacted);
    assert_eq!(state.vector(), full.state().vector());
    assert_eq!(state.deletes(), full.state().deletes());

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
    let again = compact(&after.snapshot().unwrap()).unwrap();
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
    let rounds = std::env::var("BATON_FUZZ_ROUNDS").map_or(200, |rounds| rounds.parse().unwrap());
    let config = Config {
        cases: rounds,
        failure_persistence: None,
        ..Config::default()
    };
    let histories = (any::<u64>(), 1..5_u32, 1..60_u32, 0.0..1.0_f64);
    TestRunner::new(config)
        .run(&histories, |(seed, peers, steps, cut)| {
            history(seed, peers, steps, cut);
            Ok(())
        })
        .unwrap();
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
fn a_text_that_is_deleted_in_part_is_cut() {
    let state = encoded(&[TEXT], &[(1, 4)]);
    let expected = encoded(
        &[
            &[4, 1, 1, b't', 1, b'a'],
            &[0x81, 1, 0, 4],
            &[0x84, 1, 4, 1, b'f'],
        ],
        &[(1, 4)],
    );
    // The parts are longer than the whole here; nothing grows.
    assert_eq!(compact(&state).unwrap(), state);
    assert!(expected.len() > state.len());
    let mut long = vec![4, 1, 1, b't', 40];
    long.extend([b'x'; 40]);
    let long = encoded(&[&long], &[(1, 39)]);
    let small = encoded(&[&[4, 1, 1, b't', 1, b'x'], &[0x81, 1, 0, 39]], &[(1, 39)]);
    assert_eq!(compact(&long).unwrap(), small);
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
    assert_eq!(compact(&encoded(&[first, same], all)).unwrap(), one);
    let two = encoded(&[&[1, 1, 1, b't', 2], &[0x81, 1, 0, 2]], all);
    assert_eq!(compact(&encoded(&[first, elsewhere], all)).unwrap(), two);
    let two = encoded(&[&[1, 1, 1, b't', 2], &[0xc1, 1, 1, 1, 0, 2]], all);
    assert_eq!(compact(&encoded(&[first, before], all)).unwrap(), two);
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
    assert_eq!(compact(&encoded(blocks, &[(0, 5)])).unwrap(), gone);
    // Inside a deleted type all is deleted, whether an update says so or not.
    assert_eq!(compact(&encoded(blocks, &[(0, 1)])).unwrap(), gone);
}

#[test]
fn what_is_no_whole_state_is_an_error() {
    assert!(matches!(compact(&[1, 2, 3]), Err(CompactError::Unsound(_))));
    let part = [1, 1, 1, 5, 0x84, 1, 4, 1, b'x', 0];
    assert!(matches!(
        compact(&part),
        Err(CompactError::NotWhole(Judgement::Gap { .. }))
    ));
    assert_eq!(compact(&[0, 0]).unwrap(), [0, 0][..]);
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
    let error = compact(&encoded(blocks, &[(0, 1)])).unwrap_err();
    let torn = Judgement::Refused(Refusal::Torn {
        at: Id {
            client: ClientId::from(1),
            clock: 4,
        },
    });
    assert_eq!(error, CompactError::NotWhole(torn));
}
