//! A document at rest is the same document: the same answers, the same judgements, the same updates. And a
//! document in pieces is the whole, whoever puts it together.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::collections::BTreeMap;

use baton_sync::yrs::updates::decoder::Decode;
use baton_sync::yrs::{self, GetString, ReadTxn, Text, Transact, WriteTxn};
use baton_sync::{
    Applied, ApplyError, ClientId, Document, DocumentOptions, IdRange, Judgement, ReplaceError,
    StateVector, scan,
};
use bytes::Bytes;
use common::{Dice, contents, session};
use proptest::prelude::*;

const OWN: DocumentOptions = DocumentOptions {
    client: ClientId::MAX,
};

fn document() -> Document {
    Document::new(&OWN)
}

/// What an update says, however it is written: blocks with their contents' clocks, and what is deleted.
fn said(update: &[u8]) -> (Vec<IdRange>, Vec<IdRange>) {
    let scan = scan(update).unwrap();
    let mut deletes = baton_sync::DeleteSet::new();
    for range in scan.deletes() {
        deletes.insert(range.client, range.start, range.end - range.start);
    }
    (scan.inserts().collect(), deletes.iter().collect())
}

/// What bare yrs shows that is told these updates, one after the other, and holds nothing back.
fn shown<U: AsRef<[u8]>>(updates: impl IntoIterator<Item = U>) -> BTreeMap<String, String> {
    let doc = yrs::Doc::with_options(yrs::Options {
        offset_kind: yrs::OffsetKind::Utf16,
        ..yrs::Options::with_guid_and_client_id("bare".into(), yrs::ClientID::new(1))
    });
    for update in updates {
        let update = yrs::Update::decode_v1(update.as_ref()).unwrap();
        let mut txn = doc.transact_mut();
        txn.apply_update(update).unwrap();
        txn.commit();
        assert!(!txn.has_missing_updates());
    }
    contents(&doc)
}

/// A vector that somebody really has: that of the first updates of a log.
fn early(dice: &mut Dice, log: &[Vec<u8>]) -> Document {
    let mut early = document();
    for update in &log[..dice.below(log.len() as u32 + 1) as usize] {
        early.apply(update).unwrap();
    }
    early
}

fn anywhere(dice: &mut Dice, document: &Document) -> StateVector {
    let clocks = document.state().vector().iter();
    clocks
        .map(|(client, clock)| (client, dice.below(clock + 2)))
        .collect()
}

fn assert_same(live: &Document, other: &Document) {
    assert_eq!(live.state().vector(), other.state().vector());
    assert_eq!(live.state().deletes(), other.state().deletes());
    assert_eq!(live.encoded_vector(), other.encoded_vector());
}

/// All pieces fit, one after the other, for somebody who has what `has` has.
fn put_together(mut has: Document, pieces: &[Bytes]) -> Document {
    for piece in pieces {
        let judgement = has.state().judge(&scan(piece).unwrap());
        assert!(
            matches!(judgement, Judgement::Fits | Judgement::Known),
            "{judgement:?}"
        );
        has.apply(piece).unwrap();
    }
    has
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_document_that_rests_answers_like_one_that_does_not(seed: u64) {
        let mut dice = Dice::new(seed);
        dice.through_pairs = dice.one_in(4);
        let (peers, steps) = (1 + dice.below(5), 5 + dice.below(60));
        let log = session(&mut dice, peers, steps).log;
        let (mut live, mut rests) = (document(), document());
        for _ in 0..log.len() + 10 {
            // Mostly in order; what was heard already, or comes too early, is judged alike.
            let next = log.iter().find(|update| live.state().judge(&scan(update).unwrap()) != Judgement::Known);
            let update = match next {
                Some(next) if !dice.one_in(4) => next,
                _ => dice.pick(&log),
            };
            let scanned = scan(update).unwrap();
            prop_assert_eq!(live.state().judge(&scanned), rests.state().judge(&scanned));
            prop_assert_eq!(live.state().touched_roots(&scanned), rests.state().touched_roots(&scanned));
            prop_assert_eq!(live.apply(update), rests.apply(update));
            match dice.below(6) {
                0 => rests.rest().unwrap(),
                1 => rests = Document::load_shared(rests.snapshot().unwrap(), &OWN).unwrap(),
                _ => continue,
            }
            prop_assert!(rests.is_resting());
            assert_same(&live, &rests);
            // Not the bytes: yrs writes the options of a subdocument in any order.
            prop_assert_eq!(said(&live.snapshot().unwrap()), said(&rests.snapshot().unwrap()));
            let vectors = [anywhere(&mut dice, &live), early(&mut dice, &log).state().vector().clone()];
            for since in vectors {
                let (a, b) = (live.diff(&since).unwrap(), rests.diff(&since).unwrap());
                prop_assert_eq!(said(&a), said(&b), "{:?}", since);
            }
            let own = live.state().vector().clone();
            prop_assert_eq!(live.diff(&own).unwrap(), rests.diff(&own).unwrap());
        }
        let read = |document: &Document| shown([document.snapshot().unwrap()]);
        prop_assert_eq!(read(&live), read(&rests));
    }

    #[test]
    fn a_difference_from_the_encoding_brings_the_same_content(seed: u64) {
        let mut dice = Dice::new(seed);
        let (peers, steps) = (1 + dice.below(5), 5 + dice.below(60));
        let log = session(&mut dice, peers, steps).log;
        let mut whole = document();
        for update in &log {
            whole.apply(update).unwrap();
        }
        whole.rest().unwrap();
        let mut has = early(&mut dice, &log);
        let difference = whole.diff(has.state().vector()).unwrap();
        prop_assert!(whole.is_resting() || has.state().vector() == whole.state().vector());
        has.apply(&difference).unwrap();
        assert_same(&whole, &has);
        prop_assert_eq!(shown([has.snapshot().unwrap()]), shown(&log));
    }

    #[test]
    fn the_pieces_of_a_document_are_the_document(seed: u64) {
        let mut dice = Dice::new(seed);
        let (peers, steps) = (1 + dice.below(5), 5 + dice.below(60));
        let log = session(&mut dice, peers, steps).log;
        let mut whole = document();
        for update in &log {
            whole.apply(update).unwrap();
        }
        if dice.one_in(2) {
            whole.rest().unwrap();
        }
        let most = 1 + dice.below(300) as usize;
        let pieces = whole.pieces(&StateVector::new(), most).unwrap();
        let put = put_together(document(), &pieces);
        assert_same(&whole, &put);
        // Bare yrs, which knows nothing of us, holds nothing back and shows the same.
        prop_assert_eq!(shown(&pieces), shown(&log));

        let has = early(&mut dice, &log);
        let rest = whole.pieces(has.state().vector(), most).unwrap();
        assert_same(&whole, &put_together(has, &rest));
        // Also from where nobody is: then only the bytes are sound.
        for piece in whole.pieces(&anywhere(&mut dice, &whole), most).unwrap() {
            scan(&piece).unwrap();
        }
    }

    #[test]
    fn pieces_stay_true_while_people_type(seed: u64) {
        let mut dice = Dice::new(seed);
        let log = session(&mut dice, 3, 60).log;
        let (most, mut typed) = (1 + dice.below(400) as usize, document());
        for update in &log {
            typed.apply(update).unwrap();
            if dice.one_in(5) {
                let pieces = typed.pieces(&StateVector::new(), most).unwrap();
                assert_same(&typed, &put_together(document(), &pieces));
            }
            if dice.one_in(20) {
                typed.rest().unwrap();
            }
        }
    }
}

/// A document in which one person wrote this.
fn written(text: &str) -> Document {
    let mut document = document();
    document
        .transact(|txn| txn.get_or_insert_text("t").insert(txn, 0, text))
        .unwrap();
    document
}

#[test]
fn a_long_text_is_cut_between_characters_into_pieces_of_the_size_that_was_asked_for() {
    let whole = written(&"a😀ß".repeat(10_000));
    let pieces = whole.pieces(&StateVector::new(), 1000).unwrap();
    let sizes: Vec<usize> = pieces.iter().map(Bytes::len).collect();
    assert!(sizes.iter().all(|size| *size <= 1100), "{sizes:?}");
    assert!(sizes.len() < 75, "{sizes:?}");
    assert!(
        !pieces
            .iter()
            .any(|piece| piece.windows(3).any(|at| at == "\u{fffd}".as_bytes()))
    );
    assert_eq!(shown(&pieces), shown([whole.snapshot().unwrap()]));
}

#[test]
fn what_was_deleted_comes_as_deleted_with_its_own_piece() {
    let mut whole = written(&"x".repeat(1000));
    whole
        .transact(|txn| {
            let text = txn.get_or_insert_text("t");
            text.remove_range(txn, 100, 800);
        })
        .unwrap();
    let pieces = whole.pieces(&StateVector::new(), 100).unwrap();
    assert!(pieces.len() > 5);
    for until in 1..=pieces.len() {
        let shown = &shown(&pieces[..until])["text"];
        assert!(shown.is_empty());
        let document = put_together(document(), &pieces[..until]);
        let text = document.read(|txn| txn.get_text("t").unwrap().get_string(txn));
        assert!(text.unwrap().len() <= 200);
    }
}

#[test]
fn a_small_document_is_one_shared_piece() {
    let whole = written("small");
    let nothing = StateVector::new();
    let pieces = whole.pieces(&nothing, 1000).unwrap();
    assert_eq!(pieces.len(), 1);
    assert_eq!(pieces[0].as_ptr(), whole.snapshot().unwrap().as_ptr());
}

#[test]
fn pieces_are_made_once_for_all_who_join_also_while_somebody_types() {
    let mut whole = written(&"x".repeat(1000));
    let nothing = StateVector::new();
    let before = whole.pieces(&nothing, 100).unwrap();
    let (_, update) = whole
        .transact(|txn| txn.get_or_insert_text("t").insert(txn, 0, "more"))
        .unwrap();
    let after = whole.pieces(&nothing, 100).unwrap();
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after.last(), update.as_ref());
    assert_eq!(after[0].as_ptr(), before[0].as_ptr());
    // Another size is another cut, and at rest nothing is kept but the whole.
    assert!(whole.pieces(&nothing, 500).unwrap().len() < before.len());
    whole.rest().unwrap();
    assert!(whole.is_resting());
}

#[test]
fn somebody_who_lacks_nothing_is_told_so_from_shared_bytes() {
    let mut whole = written("some text");
    let edit = |txn: &mut yrs::TransactionMut<'_>| {
        let text = txn.get_or_insert_text("t");
        text.remove_range(txn, 2, 3);
    };
    whole.transact(edit).unwrap();
    let own = whole.state().vector().clone();
    let (one, two) = (whole.diff(&own).unwrap(), whole.diff(&own).unwrap());
    assert_eq!(one.as_ptr(), two.as_ptr());
    let (inserts, deletes) = said(&one);
    assert!(inserts.is_empty());
    assert_eq!(deletes, whole.state().deletes().iter().collect::<Vec<_>>());
    // It is the next answer that says what was deleted since.
    whole.transact(edit).unwrap();
    assert_ne!(whole.diff(&own).unwrap(), one);
}

#[test]
fn a_document_that_was_loaded_rests_until_something_is_applied_or_read() {
    let stored = written("text").snapshot().unwrap();
    let mut loaded = Document::load_shared(stored.clone(), &OWN).unwrap();
    assert_eq!(loaded.snapshot().unwrap().as_ptr(), stored.as_ptr());
    assert_eq!(loaded.apply(&stored), Ok(Applied::Known));
    assert!(loaded.is_resting());
    assert!(matches!(
        loaded.apply(b"\x01\x01\x07\x09\x04\x01\x01t\x01x\x00"),
        Err(ApplyError::NotAdmitted(Judgement::Gap { .. }))
    ));
    assert!(loaded.is_resting());
    loaded.read(|_| ()).unwrap();
    assert!(!loaded.is_resting());
    loaded.rest().unwrap();
    assert!(loaded.is_resting());
    assert_eq!(
        loaded.apply(b"\x01\x01\x07\x00\x04\x01\x01t\x01x\x00"),
        Ok(Applied::Added)
    );
    assert!(!loaded.is_resting());
}

#[test]
fn another_encoding_is_taken_only_if_it_is_the_same_document() {
    let mut document = written("text");
    let own = document.snapshot().unwrap();
    let again = Bytes::from(own.to_vec());
    document.replace_encoding(again.clone()).unwrap();
    assert!(document.is_resting());
    assert_eq!(document.snapshot().unwrap().as_ptr(), again.as_ptr());
    let other = written("texts").snapshot().unwrap();
    assert_eq!(document.replace_encoding(other), Err(ReplaceError::Other));
    assert!(matches!(
        document.replace_encoding(own.slice(..own.len() - 1)),
        Err(ReplaceError::Unsound(_))
    ));
    let part = Bytes::from_static(b"\x01\x01\x07\x09\x04\x01\x01t\x01x\x00");
    assert!(matches!(
        document.replace_encoding(part),
        Err(ReplaceError::NotWhole(Judgement::Gap { .. }))
    ));
    assert_eq!(document.snapshot().unwrap().as_ptr(), again.as_ptr());
    // It goes on from there.
    let edit = |txn: &mut yrs::TransactionMut<'_>| txn.get_or_insert_text("t").push(txn, "!");
    assert!(document.transact(edit).unwrap().1.is_some());
}
