//! Updates in the V2 encoding of Yjs are refused with a hint, and other unsound bytes without it.
#![allow(clippy::unwrap_used, reason = "a failure is to stop the run")]

use baton_sync::handshake::HandshakeError;
use baton_sync::yrs::updates::decoder::Decode;
use baton_sync::yrs::{
    Any, Array, Doc, Map, ReadTxn, StateVector, Text, Transact, Update, WriteTxn, XmlElementPrelim,
    XmlFragment,
};
use baton_sync::{ScanError, scan};
use proptest::prelude::*;

/// `Y.encodeStateAsUpdateV2` of Yjs 13: an empty document; one with text, map, array and XML; an
/// update that only deletes.
const OF_YJS: [&str; 3] = [
    "00000000000001000000000000",
    "00010002410203000804000b010084002100a8000700880f0a7469f09f98806d6b61700\
     1034102010101030241020106007d027d0301010200000300",
    "0000000000000100000000000101010100",
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex
        .bytes()
        .map(|digit| (digit as char).to_digit(16))
        .collect();
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| (pair[0].unwrap() * 16 + pair[1].unwrap()) as u8)
        .collect()
}

fn is_hinted(update: &[u8]) -> bool {
    scan(update).err() == Some(ScanError::UpdateV2)
}

/// A document with each kind of shared type and content, edited by two clients.
fn rich() -> Doc {
    let doc = Doc::with_client_id(3);
    {
        let mut txn = doc.transact_mut();
        let text = txn.get_or_insert_text("text");
        text.insert(&mut txn, 0, "héllo 🎈 wörld");
        text.insert_embed(&mut txn, 1, Any::from(7));
        text.remove_range(&mut txn, 0, 1);
        let map = txn.get_or_insert_map("map");
        for (key, value) in [("a", 1), ("b", 2), ("a", 3)] {
            map.insert(&mut txn, key, value);
        }
        let list = txn.get_or_insert_array("list");
        list.push_back(&mut txn, vec![0_u8, 255]);
        list.push_back(&mut txn, 2.5);
        txn.get_or_insert_xml_fragment("xml")
            .push_back(&mut txn, XmlElementPrelim::empty("p"));
    }
    let other = Doc::with_client_id(u64::from(u32::MAX));
    let mut txn = other.transact_mut();
    txn.get_or_insert_text("text").push(&mut txn, "and more");
    drop(txn);
    let update = other
        .transact()
        .encode_state_as_update_v1(&StateVector::default());
    let update = Update::decode_v1(&update).unwrap();
    doc.transact_mut().apply_update(update).unwrap();
    doc
}

#[test]
fn updates_of_yjs_in_v2_are_refused_with_a_hint() {
    for hex in OF_YJS {
        assert!(is_hinted(&bytes(hex)), "{hex}");
    }
}

#[test]
fn updates_of_yrs_in_v2_are_refused_with_a_hint() {
    for doc in [Doc::new(), rich()] {
        let txn = doc.transact();
        let all = StateVector::default();
        assert!(is_hinted(&txn.encode_state_as_update_v2(&all)));
        assert!(scan(&txn.encode_state_as_update_v1(&all)).is_ok());
    }
}

#[test]
fn the_hint_fits_the_reason_of_a_close_frame() {
    let refused = scan(&bytes(OF_YJS[0])).unwrap_err();
    let reason = HandshakeError::from(refused).to_string();
    assert!(reason.len() <= 123, "{} bytes: {reason}", reason.len());
    assert!(reason.contains("convertUpdateFormatV2ToV1"), "{reason}");
}

#[test]
fn a_cut_or_lengthened_update_in_v2_is_only_refused() {
    let doc = rich();
    let v2 = doc
        .transact()
        .encode_state_as_update_v2(&StateVector::default());
    let columns = v2.len() / 2;
    for end in 0..columns {
        assert!(scan(&v2[..end]).is_err());
    }
    let empty = bytes(OF_YJS[0]);
    assert!(!is_hinted(&empty[..12]));
    assert!(!is_hinted(&[&empty[..], &[0]].concat()));
}

/// Each column may claim a gigabyte: the check reads what is there, and reserves nothing.
#[test]
fn a_claim_that_the_bytes_do_not_pay_for_is_not_believed() {
    let gigabyte = [0x80, 0x80, 0x80, 0x80, 0x04];
    for at in 1..13 {
        let mut update = bytes(OF_YJS[0]);
        update.splice(at..=at, gigabyte);
        assert!(!is_hinted(&update), "claimed at byte {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn random_bytes_are_not_called_v2(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(!is_hinted(&tail));
        prop_assert!(!is_hinted(&[&[0], &tail[..]].concat()));
    }
}
