//! A replica says of a document what yrs says that runs it: the same vector, the same deletions, the same
//! differences. And a document in pieces is the whole, in whatever replica it is put together.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::collections::BTreeMap;

use baton_sync::compressed_update::{Compression, decompress};
use baton_sync::lib0::write_var_uint;
use baton_sync::replica::SyncPiece;
use baton_sync::yrs::updates::decoder::Decode;
use baton_sync::yrs::{self, GetString, Map, ReadTxn, Text, Transact, WriteTxn};
use baton_sync::{
    ApplyOutcome, ClientId, Document, DocumentOptions, History, IdRange, Judgement, Outdated,
    Rejected, Replica, StateVector, compact, scan,
};
use bytes::Bytes;
use common::{Dice, contents, session};
use proptest::prelude::*;

const OWN: DocumentOptions = DocumentOptions::new(ClientId::MAX);

fn heard(log: &[Vec<u8>]) -> Replica {
    let mut replica = Replica::new();
    for update in log {
        replica.apply(update).unwrap();
    }
    replica
}

/// A peer on bare yrs.
fn bare() -> yrs::Doc {
    yrs::Doc::with_options(yrs::Options {
        offset_kind: yrs::OffsetKind::Utf16,
        skip_gc: true,
        cleanup_formatting: false,
        ..yrs::Options::with_guid_and_client_id("bare".into(), yrs::ClientID::new(1))
    })
}

fn tell(doc: &yrs::Doc, update: &[u8]) {
    let update = yrs::Update::decode_v1(update).unwrap();
    let mut txn = doc.transact_mut();
    txn.apply_update(update).unwrap();
    txn.commit();
    assert!(!txn.has_missing_updates());
}

fn encoded(doc: &yrs::Doc, since: &StateVector) -> Vec<u8> {
    let vector: yrs::StateVector = since
        .iter()
        .map(|(client, clock)| (yrs::ClientID::new(client.get()), clock))
        .collect();
    doc.transact().encode_diff_v1(&vector)
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
    let doc = bare();
    for update in updates {
        tell(&doc, update.as_ref());
    }
    contents(&doc)
}

/// A vector that somebody really has: that of the first updates of a log.
fn early(dice: &mut Dice, log: &[Vec<u8>]) -> Replica {
    heard(&log[..dice.below(log.len() as u32 + 1) as usize])
}

fn anywhere(dice: &mut Dice, document: &Replica) -> StateVector {
    let clocks = document.state().clocks();
    clocks
        .map(|(client, clock)| (client, dice.below(clock + 2)))
        .collect()
}

fn assert_same(live: &Replica, other: &Replica) {
    assert_eq!(live.state().vector(), other.state().vector());
    assert_eq!(live.state().deletes(), other.state().deletes());
    assert_eq!(live.encoded_vector(), other.encoded_vector());
}

fn pieces(document: &mut Replica, since: &StateVector, most: usize) -> Vec<Bytes> {
    plain(document.pieces(since, most, None))
}

fn plain(pieces: impl Iterator<Item = SyncPiece>) -> Vec<Bytes> {
    pieces.map(|piece| piece.into_plain().unwrap()).collect()
}

/// All pieces fit, one after the other, for somebody who has what `has` has.
fn put_together(mut has: Replica, pieces: &[Bytes]) -> Replica {
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
    fn a_replica_says_what_yrs_says(seed: u64) {
        let mut dice = Dice::new(seed);
        dice.through_pairs = dice.one_in(4);
        let (peers, steps) = (1 + dice.below(5), 5 + dice.below(60));
        let log = session(&mut dice, peers, steps).log;
        let (live, mut replica) = (bare(), Replica::new());
        for _ in 0..log.len() + 10 {
            // Mostly in order; what was heard already, or comes too early, is judged.
            let next = log.iter().find(|update| replica.state().judge(&scan(update).unwrap()) != Judgement::Known);
            let update = match next {
                Some(next) if !dice.one_in(4) => next,
                _ => dice.pick(&log),
            };
            if replica.apply(update) == Ok(ApplyOutcome::Added) {
                tell(&live, update);
            }
            match dice.below(8) {
                0 => drop(replica.everything()),
                1 => replica = Replica::load(replica.everything()).unwrap(),
                2 => {
                    let compacted = compact::rewrite(&replica.everything(), History::Drop).unwrap();
                    drop(replica.adopt(compacted).unwrap());
                }
                3 => {}
                _ => continue,
            }
            let (ours, theirs) = (replica.difference(&StateVector::new()), encoded(&live, &StateVector::new()));
            prop_assert_eq!(said(&ours), said(&theirs));
            prop_assert_eq!(said(&ours).1, replica.state().deletes().iter().collect::<Vec<_>>());
            let vectors = [anywhere(&mut dice, &replica), early(&mut dice, &log).state().vector()];
            for since in vectors {
                let (a, b) = (replica.difference(&since), encoded(&live, &since));
                prop_assert_eq!(said(&a), said(&b), "{:?}", since);
            }
        }
        prop_assert_eq!(shown([replica.everything()]), contents(&live));
    }

    #[test]
    fn a_difference_brings_what_is_lacking(seed: u64) {
        let mut dice = Dice::new(seed);
        let (peers, steps) = (1 + dice.below(5), 5 + dice.below(60));
        let log = session(&mut dice, peers, steps).log;
        let whole = heard(&log);
        let mut has = early(&mut dice, &log);
        let difference = whole.difference(&has.state().vector());
        has.apply(&difference).unwrap();
        assert_same(&whole, &has);
        prop_assert_eq!(shown([has.everything()]), shown(&log));
    }

    #[test]
    fn the_pieces_of_a_document_are_the_document(seed: u64) {
        let mut dice = Dice::new(seed);
        let (peers, steps) = (1 + dice.below(5), 5 + dice.below(60));
        let log = session(&mut dice, peers, steps).log;
        let mut whole = heard(&log);
        if dice.one_in(2) {
            whole = Replica::load(whole.everything()).unwrap();
        }
        let most = 1 + dice.below(300) as usize;
        let cut = pieces(&mut whole, &StateVector::new(), most);
        let put = put_together(Replica::new(), &cut);
        assert_same(&whole, &put);
        // Bare yrs, which knows nothing of us, holds nothing back and shows the same.
        prop_assert_eq!(shown(&cut), shown(&log));

        let has = early(&mut dice, &log);
        let rest = pieces(&mut whole, &has.state().vector(), most);
        assert_same(&whole, &put_together(has, &rest));
        // Also from where nobody is: then only the bytes are sound.
        let since = anywhere(&mut dice, &whole);
        for piece in pieces(&mut whole, &since, most) {
            scan(&piece).unwrap();
        }
    }

    #[test]
    fn pieces_stay_true_while_people_type(seed: u64) {
        let mut dice = Dice::new(seed);
        let log = session(&mut dice, 3, 60).log;
        let (most, mut typed) = (1 + dice.below(400) as usize, Replica::new());
        for update in &log {
            typed.apply(update).unwrap();
            if dice.one_in(5) {
                let cut = pieces(&mut typed, &StateVector::new(), most);
                assert_same(&typed, &put_together(Replica::new(), &cut));
            }
            if dice.one_in(20) {
                drop(typed.everything());
            }
        }
    }
}

/// What one person wrote, and a document that heard it.
fn written(text: &str) -> (Document, Replica) {
    let mut author = Document::new(&OWN);
    let edit = |txn: &mut yrs::TransactionMut<'_>| txn.get_or_insert_text("t").insert(txn, 0, text);
    let (_, update) = author.transact(edit).unwrap();
    (author, heard(&[update.unwrap().to_vec()]))
}

fn typed(author: &mut Document, edit: impl FnOnce(&mut yrs::TransactionMut<'_>)) -> Bytes {
    author.transact(edit).unwrap().1.unwrap()
}

#[test]
fn a_long_text_is_cut_between_characters_into_pieces_of_the_size_that_was_asked_for() {
    let (_, mut whole) = written(&"a😀ß".repeat(10_000));
    let cut = pieces(&mut whole, &StateVector::new(), 1000);
    let sizes: Vec<usize> = cut.iter().map(Bytes::len).collect();
    assert!(sizes.iter().all(|size| *size <= 1100), "{sizes:?}");
    assert!(sizes.len() < 75, "{sizes:?}");
    assert!(
        !cut.iter()
            .any(|piece| piece.windows(3).any(|at| at == "\u{fffd}".as_bytes()))
    );
    assert_eq!(shown(&cut), shown([whole.everything()]));
}

#[test]
fn what_was_deleted_comes_as_deleted_with_its_own_piece() {
    let (mut author, mut whole) = written(&"x".repeat(1000));
    let deletion = typed(&mut author, |txn| {
        let text = txn.get_or_insert_text("t");
        text.remove_range(txn, 100, 800);
    });
    whole.apply(&deletion).unwrap();
    let cut = pieces(&mut whole, &StateVector::new(), 100);
    assert!(cut.len() > 5);
    for until in 1..=cut.len() {
        let replica = put_together(Replica::new(), &cut[..until]);
        let document = Document::from_replica(replica, &OWN);
        let text = document.read(|txn| txn.get_text("t").unwrap().get_string(txn));
        assert!(text.unwrap().len() <= 200);
    }
}

#[test]
fn a_small_document_is_one_shared_piece() {
    let (_, mut whole) = written("small");
    let cut = pieces(&mut whole, &StateVector::new(), 1000);
    assert_eq!(cut.len(), 1);
    assert_eq!(cut[0].as_ptr(), whole.everything().as_ptr());
}

#[test]
fn pieces_are_made_once_for_all_who_join_also_while_somebody_types() {
    let (mut author, mut whole) = written(&"x".repeat(1000));
    let nothing = StateVector::new();
    let before = pieces(&mut whole, &nothing, 100);
    let update = typed(&mut author, |txn| {
        txn.get_or_insert_text("t").insert(txn, 0, "more");
    });
    whole.apply(&update).unwrap();
    let after = pieces(&mut whole, &nothing, 100);
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after.last(), Some(&update));
    assert_eq!(after[0].as_ptr(), before[0].as_ptr());
    // Another size is another cut.
    assert!(pieces(&mut whole, &nothing, 500).len() < before.len());
    assert!(whole.has_pieces(100));
    whole.drop_answers();
    assert!(!whole.has_pieces(100));
}

#[test]
fn a_client_that_lacks_nothing_is_told_so_from_shared_bytes() {
    let (mut author, mut whole) = written("some text");
    let edit = |txn: &mut yrs::TransactionMut<'_>| {
        let text = txn.get_or_insert_text("t");
        text.remove_range(txn, 2, 3);
    };
    whole.apply(&typed(&mut author, edit)).unwrap();
    let own = whole.state().vector();
    let (one, two) = (whole.difference(&own), whole.difference(&own));
    assert_eq!(one.as_ptr(), two.as_ptr());
    let (inserts, deletes) = said(&one);
    assert!(inserts.is_empty());
    assert_eq!(deletes, whole.state().deletes().iter().collect::<Vec<_>>());
    // It is the next answer that says what was deleted since.
    whole.apply(&typed(&mut author, edit)).unwrap();
    assert_ne!(whole.difference(&own), one);
}

#[test]
fn a_document_that_was_loaded_shares_the_bytes_and_takes_damaged_ones_for_an_error() {
    let stored = written("text").1.everything();
    let mut loaded = Replica::load(stored.clone()).unwrap();
    assert_eq!(loaded.everything().as_ptr(), stored.as_ptr());
    assert_eq!(loaded.apply(&stored), Ok(ApplyOutcome::Known));
    let part = b"\x01\x01\x07\x09\x04\x01\x01t\x01x\x00";
    let gap = |result| matches!(result, Err(Rejected::NotAdmitted(Judgement::Gap { .. })));
    assert!(gap(loaded.apply(part)));
    assert!(gap(
        Replica::load(Bytes::from_static(part)).map(|_| ApplyOutcome::Added)
    ));
    assert!(matches!(
        Replica::load(stored.slice(..stored.len() - 1)),
        Err(Rejected::Unsound(_))
    ));
}

#[test]
fn a_compacted_form_is_taken_only_if_it_is_the_same_document() {
    let (mut author, mut document) = written("a longer text");
    document
        .apply(&typed(&mut author, |txn| {
            txn.get_or_insert_text("t").remove_range(txn, 0, 2);
        }))
        .unwrap();
    let compacted =
        || compact::rewrite(&document.difference(&StateVector::new()), History::Drop).unwrap();
    let (one, two) = (compacted(), compacted());
    let (len, encoding) = (document.everything().len(), one.encoding().clone());
    drop(document.adopt(one).unwrap());
    assert_eq!(document.everything().as_ptr(), encoding.as_ptr());
    assert!(encoding.len() <= len);
    // Two letters are too few for a cut, so they are blank.
    assert!(encoding.windows(2).any(|two| two == b"  "));
    // It goes on from there, and the form of before is none of it any more.
    document
        .apply(&typed(&mut author, |txn| {
            txn.get_or_insert_text("t").push(txn, "!");
        }))
        .unwrap();
    assert_eq!(document.adopt(two).unwrap_err(), Outdated);
    let read = Document::from_replica(document, &OWN);
    let text = read.read(|txn| txn.get_text("t").unwrap().get_string(txn));
    assert_eq!(text.unwrap(), "longer text!");
}

/// Typed letter by letter, a text costs its letters; the letters of another one in between end a
/// block, and a newcomer in between does not.
#[test]
fn what_is_typed_letter_by_letter_is_stored_as_one_block() {
    let mut author = Document::new(&OWN);
    let mut replica = Replica::new();
    for (at, letter) in "a😀 text that is typed letter by letter"
        .repeat(100)
        .chars()
        .enumerate()
    {
        let push = |txn: &mut yrs::TransactionMut<'_>| {
            txn.get_or_insert_text("t")
                .push(txn, letter.encode_utf8(&mut [0; 4]));
        };
        replica.apply(&typed(&mut author, push)).unwrap();
        if at % 50 == 0 && at < 1000 {
            drop(replica.everything());
        }
    }
    let everything = replica.everything();
    let blocks = scan(&everything).unwrap().blocks().count();
    // A block of more than a kilobyte is not copied to be joined.
    assert!(blocks < 15, "{blocks}");
    let text = Document::from_replica(replica, &OWN)
        .read(|txn| txn.get_text("t").unwrap().get_string(txn));
    assert_eq!(
        text.unwrap(),
        "a😀 text that is typed letter by letter".repeat(100)
    );
}

/// Content that yrs cannot read is stored, cut and joined like any other.
#[test]
fn legacy_json_and_hooks_come_back_as_they_came() {
    let first: &[u8] = b"\x01\x01\x01\x00\x02\x01\x01t\x03\x011\x09undefined\x02-0\x00";
    let second: &[u8] = b"\x01\x01\x01\x03\x82\x01\x02\x01\x02{}\x00";
    let hook: &[u8] = b"\x01\x01\x01\x04\x87\x01\x03\x05\x04hook\x00";
    let text: &[u8] = b"\x01\x01\x01\x05\x84\x01\x04\x01x\x00";
    let mut replica = Replica::new();
    for update in [first, second, hook, text] {
        assert_eq!(replica.apply(update), Ok(ApplyOutcome::Added));
    }
    let all: &[u8] = b"\x01\x03\x01\x00\x02\x01\x01t\x04\x011\x09undefined\x02-0\x02{}\
        \x87\x01\x03\x05\x04hook\x84\x01\x04\x01x\x00";
    assert_eq!(replica.everything(), all);
    let since: StateVector = [(ClientId::from(1), 2)].into_iter().collect();
    let rest: &[u8] = b"\x01\x03\x01\x02\x82\x01\x01\x02\x02-0\x02{}\
        \x87\x01\x03\x05\x04hook\x84\x01\x04\x01x\x00";
    assert_eq!(replica.difference(&since), rest);
    let mut loaded = Replica::load(Bytes::copy_from_slice(all)).unwrap();
    assert_eq!(loaded.apply(first), Ok(ApplyOutcome::Known));
    assert_eq!(loaded.everything(), all);
}

/// `Y.mergeUpdates` does not write that a value has a key where it is inherited.
#[test]
fn values_of_a_key_are_not_joined_whether_their_flag_is_set_or_not() {
    for flag in [0x20, 0] {
        let mut update = vec![1, 4, 1, 0, 0x28, 1, 1, b'm', 1, b'k', 1, 120];
        for clock in 0..3 {
            update.extend([0x88 | flag, 1, clock, 1, 121]);
        }
        update.push(0);
        let mut replica = Replica::new();
        assert_eq!(replica.apply(&update), Ok(ApplyOutcome::Added));
        let mut loaded = Replica::load(replica.everything()).unwrap();
        assert_eq!(loaded.everything(), replica.everything());
        let compacted = compact::rewrite(&replica.everything(), History::Drop).unwrap();
        Replica::load(compacted.encoding().clone()).unwrap();
    }
}

/// A word of one author at the start of the text "t".
fn word(client: u64) -> Bytes {
    let mut update = vec![1, 1];
    write_var_uint(&mut update, client);
    update.extend_from_slice(b"\x00\x04\x01\x01t\x05word \x00");
    update.into()
}

#[test]
fn many_authors_of_a_word_are_encoded_now_and_then_and_write_again() {
    let mut replica = Replica::new();
    let mut encoded = 0;
    for author in 1..=2_000 {
        replica.apply(&word(author)).unwrap();
        encoded += usize::from(replica.is_encoded());
    }
    assert!((5..60).contains(&encoded), "{encoded}");
    // Authors whose records are packed go on, and others refer to their words.
    for author in [3_u64, 1_999, 17] {
        let mut update = vec![1, 1];
        write_var_uint(&mut update, author);
        update.extend_from_slice(b"\x05\x84");
        write_var_uint(&mut update, author);
        update.extend_from_slice(b"\x04\x01!\x00");
        assert_eq!(replica.apply(&update), Ok(ApplyOutcome::Added));
        assert_eq!(replica.state().clock(ClientId::new(author).unwrap()), 6);
    }
    let (everything, loaded) = (replica.everything(), Replica::load(replica.everything()));
    assert_same(&replica, &loaded.unwrap());
    let mut all = Replica::new();
    all.apply(&everything).unwrap();
    assert_same(&replica, &all);
}

#[test]
fn newcomers_who_take_their_pieces_in_turns_share_them() {
    let (_, mut whole) = written(&"x".repeat(1000));
    let nothing = StateVector::new();
    let mut ask = || whole.pieces(&nothing, 100, None);
    let (mut one, mut other) = (ask(), ask());
    let mut taken = plain(one.by_ref().take(1));
    let all = plain(other.by_ref());
    assert!(other.is_done() && !one.is_done());
    taken.extend(plain(one));
    let places = |pieces: &[Bytes]| {
        pieces
            .iter()
            .map(|piece| piece.as_ptr())
            .collect::<Vec<_>>()
    };
    assert_eq!(places(&taken), places(&all));
    assert_same(&whole, &put_together(Replica::new(), &taken));
}

fn payloads(pieces: impl Iterator<Item = SyncPiece>) -> Vec<Bytes> {
    let payload = |piece| match piece {
        SyncPiece::Plain(_) => None,
        SyncPiece::Compressed(update) => Some(update.payload().clone()),
    };
    pieces.map(|piece| payload(piece).unwrap()).collect()
}

#[test]
fn compressed_pieces_are_made_once_beside_the_plain_ones() {
    let (_, mut whole) = written(&"some words and more. ".repeat(500));
    let nothing = StateVector::new();
    let compression = Some(Compression::default());
    assert!(!whole.has_compressed_pieces(3000));
    let bare = pieces(&mut whole, &nothing, 3000);
    assert!(!whole.has_compressed_pieces(3000));
    let mut first = whole.pieces(&nothing, 3000, compression);
    let mut taken = payloads(first.by_ref().take(1));
    assert!(!whole.has_compressed_pieces(3000));
    taken.extend(payloads(first));
    assert!(whole.has_compressed_pieces(3000));
    assert!(!whole.has_compressed_pieces(4000));
    let again = payloads(whole.pieces(&nothing, 3000, compression));
    assert_eq!(taken.len(), bare.len());
    for ((one, other), plain) in taken.iter().zip(&again).zip(&bare) {
        assert_eq!(one.as_ptr(), other.as_ptr());
        assert_eq!(decompress(one, plain.len()).unwrap()[..], plain[..]);
    }
    whole.drop_answers();
    assert!(!whole.has_compressed_pieces(3000));
}

/// Nothing of it repeats, so that each newcomer would have it compressed again in vain.
#[test]
fn what_gets_no_smaller_is_known_until_the_next_change() {
    let mut dice = Dice::new(7);
    let noise: Vec<u8> = (0..3000).map(|_| dice.below(256) as u8).collect();
    let (mut author, mut whole) = written("a picture");
    let picture = |txn: &mut yrs::TransactionMut<'_>| {
        txn.get_or_insert_map("m").insert(txn, "picture", noise);
    };
    whole.apply(&typed(&mut author, picture)).unwrap();
    let nothing = StateVector::new();
    let compression = Some(Compression { level: 1, least: 1 });
    let sent = plain(whole.pieces(&nothing, 1 << 20, compression));
    assert_eq!(sent.len(), 1);
    assert!(whole.has_compressed_pieces(1 << 20));
    let insert = |txn: &mut yrs::TransactionMut<'_>| {
        txn.get_or_insert_text("t").insert(txn, 0, "x");
    };
    whole.apply(&typed(&mut author, insert)).unwrap();
    assert!(!whole.has_compressed_pieces(1 << 20));
}
