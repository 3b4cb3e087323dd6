//! Two clients under one id: what is known by its clocks is compared with what is stored. A genuine
//! update is never taken for another, in whatever form it comes again; a different one always is.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use baton_sync::compact::{History, rewrite};
use baton_sync::document::{Document, DocumentOptions};
use baton_sync::handshake::{Handshake, HandshakeError, HandshakeLimits, SyncKind, Verdict};
use baton_sync::known_blocks::Clash;
use baton_sync::replica_index::Judgement;
use baton_sync::scan::scan;
use baton_sync::yrs::updates::decoder::Decode;
use baton_sync::yrs::{self, Doc, OffsetKind, Options, ReadTxn, Text, Transact, WriteTxn};
use baton_sync::{ClientId, StateVector};
use bytes::Bytes;
use common::{Dice, session};

fn document(id: u32) -> Document {
    Document::new(&DocumentOptions::new(ClientId::from(id)))
}

fn types(document: &mut Document, at: u32, text: &str) -> Bytes {
    let edit = document.transact(|txn| {
        let target = txn.get_or_insert_text("t");
        target.insert(txn, at, text);
    });
    edit.unwrap().1.unwrap()
}

/// What a connection says to an update.
fn clash(document: &Document, update: &[u8]) -> Option<Clash> {
    let mut handshake = Handshake::new(HandshakeLimits::default());
    handshake.open();
    let update = Bytes::copy_from_slice(update);
    match handshake.incoming(update, SyncKind::Update, document) {
        Verdict::Refuse(HandshakeError::Clash(clash)) => Some(clash),
        Verdict::Refuse(error) => panic!("{error}"),
        _ => None,
    }
}

fn taken_again(document: &Document, update: &[u8], what: &str) {
    let clash = clash(document, update);
    assert_eq!(clash, None, "{what}: {update:?}");
}

/// A copy that hears everything, with its own garbage collection.
fn copy(log: &[Vec<u8>], skip_gc: bool) -> Doc {
    let doc = Doc::with_options(Options {
        offset_kind: OffsetKind::Utf16,
        skip_gc,
        ..Options::with_guid_and_client_id("copy".into(), yrs::ClientID::new(7))
    });
    for update in log {
        let update = yrs::Update::decode_v1(update).unwrap();
        doc.transact_mut().apply_update(update).unwrap();
    }
    doc
}

#[test]
fn a_genuine_update_is_never_taken_for_another() {
    let sessions = if cfg!(debug_assertions) { 60 } else { 600 };
    for seed in 0..sessions {
        let mut dice = Dice::new(seed);
        dice.through_pairs = seed % 3 == 0;
        let session = session(&mut dice, 3, 60);
        let mut document = document(1_000_000);
        // Half of the way, so that some are compared with blocks that came after the index was made.
        let half = session.log.len() / 2;
        for (index, update) in session.log.iter().enumerate() {
            assert!(document.apply(update).is_ok());
            if index > half {
                taken_again(&document, &session.log[index / 3], "while it grows");
            }
        }
        let mut forms: Vec<Vec<u8>> = session.log.clone();
        for skip_gc in [true, false] {
            // Garbage collection and subdocuments do not go together; see `Dice`.
            if !skip_gc && dice.subdocuments {
                continue;
            }
            let copy = copy(&session.log, skip_gc);
            let nothing = yrs::StateVector::default();
            forms.push(copy.transact().encode_diff_v1(&nothing));
        }
        forms.push(yrs::merge_updates_v1(&session.log[half / 2..]).unwrap());
        forms.push(document.snapshot().unwrap().to_vec());
        // Cut at any places.
        for _ in 0..10 {
            let clocks = document.state().clocks();
            let since: StateVector = clocks
                .map(|(client, clock)| (client, dice.below(clock + 1)))
                .collect();
            forms.push(document.diff(&since).unwrap().to_vec());
        }
        for form in &forms {
            taken_again(&document, form, "in another form");
        }
        let everything = document.snapshot().unwrap();
        let own = DocumentOptions::new(ClientId::MAX);
        let document = Document::load_shared(everything.clone(), &own).unwrap();
        for form in &forms {
            taken_again(&document, form, "loaded");
        }
        let compacted = rewrite(&everything, History::Drop).unwrap();
        let compacted = compacted.encoding().clone();
        let document = Document::load_shared(compacted, &own).unwrap();
        for form in &forms {
            taken_again(&document, form, "compacted");
        }
    }
}

/// Each letter of a text, and each value of a list, counts.
#[test]
fn a_different_letter_is_found_wherever_it_stands() {
    let text: String = (0..5000)
        .map(|at| char::from(b'a' + (at % 26) as u8))
        .collect();
    let mut ada = document(1);
    let all = types(&mut ada, 0, &text);
    let mut stored = document(2);
    stored.apply(&all).unwrap();
    for at in (0..5000).step_by(97).chain([4999]) {
        let mut letters = text.clone().into_bytes();
        letters[at] = b'*';
        let other = types(&mut document(1), 0, &String::from_utf8(letters).unwrap());
        let found = clash(&stored, &other).unwrap();
        assert_eq!(found.at.clock as usize, at);
    }
    // Astride: its first half is known, and differs.
    let mut other = document(1);
    let longer = types(&mut other, 0, &format!("*{}", &text.repeat(2)));
    assert_eq!(clash(&stored, &longer).unwrap().at.clock, 0);
}

#[test]
fn another_place_or_kind_is_another_block() {
    let mut ada = document(1);
    let ab = types(&mut ada, 0, "ab");
    let cd = types(&mut ada, 2, "cd");
    let mut stored = document(2);
    stored.apply(&ab).unwrap();
    stored.apply(&cd).unwrap();

    let mut other = document(1);
    other.apply(&ab).unwrap();
    let elsewhere = types(&mut other, 0, "cd");
    assert_eq!(clash(&stored, &elsewhere).unwrap().at.clock, 2);

    let mut other = document(1);
    let edit = other.transact(|txn| txn.get_or_insert_text("u").insert(txn, 0, "ab"));
    let in_another_root = edit.unwrap().1.unwrap();
    assert_eq!(clash(&stored, &in_another_root).unwrap().at.clock, 0);

    let mut other = document(1);
    let edit = other.transact(|txn| {
        use yrs::Array;
        txn.get_or_insert_array("t")
            .insert_range(txn, 0, ["a", "b"]);
    });
    let values = edit.unwrap().1.unwrap();
    assert_eq!(clash(&stored, &values).unwrap().at.clock, 0);
}

#[test]
fn what_is_deleted_is_the_same_as_anything() {
    let mut ada = document(1);
    let first = types(&mut ada, 0, "abc");
    let deletion = ada.transact(|txn| {
        let text = txn.get_or_insert_text("t");
        text.remove_range(txn, 1, 1);
    });
    let mut stored = document(2);
    stored.apply(&first).unwrap();
    stored.apply(&deletion.unwrap().1.unwrap()).unwrap();
    let other = |text| types(&mut document(1), 0, text);
    assert_eq!(clash(&stored, &other("a?c")), None);
    assert_eq!(clash(&stored, &other("ab?")).unwrap().at.clock, 2);
    // A collected block says nothing of what it was.
    let collected = [1, 1, 1, 0, 0, 3, 0];
    assert_eq!(clash(&stored, &collected), None);
}

#[test]
fn after_a_clash_nothing_more_of_the_connection_is_taken() {
    let mut ada = document(1);
    let mut eve = document(1);
    let mut stored = document(2);
    stored.apply(&types(&mut ada, 0, "Ada")).unwrap();
    let mut handshake = Handshake::new(HandshakeLimits::default());
    handshake.open();
    let is_clash = |verdict: Verdict| matches!(verdict, Verdict::Refuse(HandshakeError::Clash(_)));
    let first = types(&mut eve, 0, "Eve");
    let longer = types(&mut eve, 3, " and more");
    assert!(is_clash(handshake.incoming(
        first,
        SyncKind::Update,
        &stored
    )));
    // By its clocks alone this one would fit behind Ada's letters.
    let fits = stored.state().judge(&scan(&longer).unwrap());
    assert_eq!(fits, Judgement::Fits);
    assert!(is_clash(handshake.incoming(
        longer,
        SyncKind::Update,
        &stored
    )));
    handshake.settled(1);
    assert_eq!(handshake.ledger().durable(u64::MAX), None);
}

/// The index of the stored blocks follows a document that changes between two looks at it.
#[test]
fn letters_that_are_known_are_found_while_the_document_grows() {
    let mut ada = document(1);
    let letters: Vec<Bytes> = (0..2000).map(|at| types(&mut ada, at, "x")).collect();
    let mut stored = document(2);
    for letter in &letters {
        stored.apply(letter).unwrap();
    }
    let mut eve = document(3);
    let large = types(&mut eve, 0, &"large ".repeat(1 << 20));
    stored.apply(&large).unwrap();
    // Makes the index.
    assert_eq!(clash(&stored, &letters[0]), None);
    for (at, letter) in letters.iter().enumerate() {
        assert_eq!(clash(&stored, letter), None);
        // The document changes all the time.
        stored.apply(&types(&mut eve, at as u32, "y")).unwrap();
    }
}
