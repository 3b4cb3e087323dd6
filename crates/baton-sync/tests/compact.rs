//! A compacted document is the document: whoever has the one and hears of the other, and whatever
//! was made against the one and comes late to the other, all end with the same.
//!
//! `BATON_FUZZ_ROUNDS` makes the run longer:
//! `BATON_FUZZ_ROUNDS=20000 cargo test -p baton-sync --release --test compact histories`.
#![allow(clippy::unwrap_used, reason = "a failure is to stop the test")]

mod common;

use baton_sync::lib0::{write_var_string, write_var_uint};
use baton_sync::yrs::{self, Doc, OffsetKind, Options, ReadTxn, Transact, updates::decoder::Decode};
use baton_sync::{
    ClientId, CompactError, Document, DocumentOptions, Judgement, State, StateVector, compact, scan,
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

        let author = peer(garbage);
        tell(&author, &log);
        let mine = {
            let since = yrs::StateVector::default();
            author.transact().encode_diff_v1(&since)
        };
        let mut server = Document::load(&compacted, &OWN).unwrap();
        let part = server.state().closed_part(&scan(&mine).unwrap());
        if let Some(part) = part {
            server.apply(&part).unwrap();
        }
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
