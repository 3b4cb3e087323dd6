//! Text diffs, compared with the documents before and after the updates.

#![allow(clippy::unwrap_used, reason = "a story ends where it goes wrong")]

#[allow(clippy::all, reason = "shared with the other test files")]
mod common;

use std::collections::BTreeMap;

use baton_sync::text_diff::{DiffKind, TEXT_DIFF_BYTES, TextDiff, TextDiffError, text_diff};
use baton_sync::yrs::{
    self, Any, Array, ArrayPrelim, GetString, Map, MapPrelim, ReadTxn, Text, TextPrelim,
    TransactionMut, WriteTxn, XmlElementPrelim, XmlFragment, XmlTextPrelim,
};
use baton_sync::{ClientId, Document, DocumentOptions, ReplicaIndex, StateVector, scan};
use bytes::Bytes;
use common::{Dice, session};
use proptest::prelude::*;

fn document(client: u64) -> Document {
    let client = ClientId::new(client).unwrap();
    Document::new(&DocumentOptions::new(client))
}

/// Another copy of a document, under another id.
fn copy(of: &Document, client: u64) -> Document {
    let mut copy = document(client);
    copy.apply(&of.snapshot().unwrap()).unwrap();
    copy
}

fn edit(document: &mut Document, edit: impl FnOnce(&mut TransactionMut<'_>)) -> Bytes {
    document.transact(edit).unwrap().1.unwrap()
}

/// Returns the text of one side of a root type, if nothing was left out.
fn side(difference: &TextDiff, root: &str, without: DiffKind) -> String {
    let parts = difference.parts.iter();
    let there = parts.filter(|part| part.root == root && part.kind != without);
    there.map(|part| part.text.as_str()).collect()
}

fn said(difference: &TextDiff) -> Vec<(&str, DiffKind, &str)> {
    let parts = difference.parts.iter();
    parts
        .map(|part| (part.root.as_str(), part.kind, part.text.as_str()))
        .collect()
}

#[test]
fn a_changed_text_is_read_word_by_word() {
    let mut ann = document(1);
    edit(&mut ann, |txn| {
        txn.get_or_insert_text("t").insert(txn, 0, "the old hat");
    });
    let mut ben = copy(&ann, 2);
    let edit = edit(&mut ben, |txn| {
        let text = txn.get_or_insert_text("t");
        text.remove_range(txn, 4, 3);
        text.insert(txn, 4, "new");
    });
    let before = ann.snapshot().unwrap();
    let difference = text_diff(&ann, [&edit]).unwrap();
    let expected = [
        ("t", DiffKind::Equal, "the "),
        ("t", DiffKind::Delete, "old"),
        ("t", DiffKind::Insert, "new"),
        ("t", DiffKind::Equal, " hat"),
    ];
    assert_eq!(said(&difference), expected);
    assert_eq!((difference.inserted, difference.deleted), (3, 3));
    // A text diff changes nothing.
    assert_eq!(ann.snapshot().unwrap(), before);
}

#[test]
fn a_format_is_read_too() {
    let mut ann = document(1);
    edit(&mut ann, |txn| {
        txn.get_or_insert_text("t").insert(txn, 0, "plain and bold");
    });
    let edit = edit(&mut copy(&ann, 2), |txn| {
        let text = txn.get_or_insert_text("t");
        let bold = [("bold".into(), Any::from(true))];
        text.format(txn, 10, 4, bold.into_iter().collect());
    });
    let difference = text_diff(&ann, [&edit]).unwrap();
    let after = side(&difference, "t", DiffKind::Delete);
    assert_eq!(after, "plain and ⟦bold: true⟧bold⟦⟧");
}

#[test]
fn maps_arrays_and_xml_are_read_line_by_line() {
    let mut ann = document(1);
    edit(&mut ann, |txn| {
        let map = txn.get_or_insert_map("map");
        map.insert(txn, "colour", "red");
        map.insert(txn, "at", MapPrelim::from([("x", 1), ("y", 2)]));
        map.insert(txn, "list", ArrayPrelim::from([1, 2]));
        map.insert(txn, "title", TextPrelim::new("a title"));
        txn.get_or_insert_array("array").insert(txn, 0, "one");
        let xml = txn.get_or_insert_xml_fragment("xml");
        let p = xml.push_back(txn, XmlElementPrelim::empty("p"));
        p.push_back(txn, XmlTextPrelim::new("some words"));
    });
    let edit = edit(&mut copy(&ann, 2), |txn| {
        let map = txn.get_or_insert_map("map");
        map.insert(txn, "at", MapPrelim::from([("x", 7), ("y", 2)]));
        txn.get_or_insert_array("array").insert(txn, 1, vec![2_u8]);
        let xml = txn.get_or_insert_xml_fragment("xml");
        xml.push_back(txn, XmlElementPrelim::empty("hr"));
    });
    let difference = text_diff(&ann, [&edit]).unwrap();
    assert_eq!(
        side(&difference, "map", DiffKind::Insert),
        "at:\n  x: 1\n  y: 2\ncolour: \"red\"\nlist:\n  - 1\n  - 2\ntitle: a title\n"
    );
    let changed = said(&difference);
    assert!(changed.contains(&("map", DiffKind::Delete, "  x: 1\n")));
    assert!(changed.contains(&("map", DiffKind::Insert, "  x: 7\n")));
    assert!(side(&difference, "array", DiffKind::Delete).starts_with("- \"one\"\n- ⟨1 bytes, "));
    assert_eq!(
        side(&difference, "xml", DiffKind::Delete),
        "<p>some words</p>\n<hr></hr>\n"
    );
}

#[test]
fn values_hidden_between_characters_are_told() {
    // Client 1: "ab" in the text t, and behind it the value 7, which no editor of a text shows.
    let text = Bytes::from_static(b"\x01\x01\x01\x00\x04\x01\x01t\x02ab\x00");
    let value = Bytes::from_static(b"\x01\x01\x01\x02\x88\x01\x01\x01\x7d\x07\x00");
    let mut document = document(9);
    document.apply(&text).unwrap();
    let difference = text_diff(&document, [&value]).unwrap();
    assert!(difference.truncated);
    let expected = ("t", DiffKind::Insert, "⟨1 elements that are no text⟩");
    assert!(said(&difference).contains(&expected));
}

#[test]
fn what_does_not_fit_is_no_difference() {
    let mut ann = document(1);
    let mut edits = ["a", "b"].map(|what| {
        edit(&mut ann, |txn| {
            txn.get_or_insert_text("t").insert(txn, 0, what);
        })
    });
    let nobody = document(9);
    assert!(text_diff(&nobody, &edits).is_ok());
    edits.reverse();
    let unfit = text_diff(&nobody, &edits);
    assert!(matches!(unfit, Err(TextDiffError::Unfit(_))));
    let unsound = text_diff(&nobody, [&[1, 1, 77, 0, 4, 1]]);
    assert!(matches!(unsound, Err(TextDiffError::Unfit(_))));
}

#[test]
fn a_gain_counts_what_the_base_lacks() {
    let mut ann = document(1);
    edit(&mut ann, |txn| {
        txn.get_or_insert_text("t").insert(txn, 0, "0123456789");
    });
    let mut ben = copy(&ann, 2);
    let base = ann.state().clone();
    let mut park = ReplicaIndex::new();
    let mut total = (0, 0);
    let mut add = |update: &[u8]| {
        let scanned = scan(update).unwrap();
        let gain = base.gain_over(&park, &scanned);
        park.absorb_over(&base, &scanned);
        total = (total.0 + gain.inserted, total.1 + gain.deleted);
        total
    };
    let inserted = edit(&mut ben, |txn| {
        txn.get_or_insert_text("t").insert(txn, 5, "ab😀");
    });
    assert_eq!(add(&inserted), (4, 0));
    let deleted = edit(&mut ben, |txn| {
        txn.get_or_insert_text("t").remove_range(txn, 3, 3);
    });
    assert_eq!(add(&deleted), (3, 2));
    // The same again is no gain.
    assert_eq!(add(&inserted), (3, 2));
    assert_eq!(add(&deleted), (3, 2));
}

/// One random edit of the text, the map and the array.
#[derive(Debug, Clone)]
enum Edit {
    Insert(u32, &'static str),
    Remove(u32, u32),
    Set(&'static str, i32),
    Unset(&'static str),
    Push(u32, i32),
    Pull(u32),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let words = prop::sample::select(vec!["a", "word ", "日本", "é", "two\nlines "]);
    let keys = prop::sample::select(vec!["k", "key", "other"]);
    let one = prop_oneof![
        (any::<u32>(), words).prop_map(|(at, word)| Edit::Insert(at, word)),
        (any::<u32>(), 1..6_u32).prop_map(|(at, len)| Edit::Remove(at, len)),
        (keys.clone(), any::<i32>()).prop_map(|(key, to)| Edit::Set(key, to)),
        keys.prop_map(Edit::Unset),
        (any::<u32>(), any::<i32>()).prop_map(|(at, what)| Edit::Push(at, what)),
        any::<u32>().prop_map(Edit::Pull),
    ];
    prop::collection::vec(one, 0..12)
}

fn carry_out(document: &mut Document, edits: &[Edit]) -> Vec<Bytes> {
    let one = |edit: &Edit| {
        let (_, update) = document.transact(|txn| make(txn, edit)).unwrap();
        update
    };
    edits.iter().filter_map(one).collect()
}

fn make(txn: &mut TransactionMut<'_>, edit: &Edit) {
    let (text, array) = (
        txn.get_or_insert_text("text"),
        txn.get_or_insert_array("array"),
    );
    let map = txn.get_or_insert_map("map");
    let (long, many) = (text.len(txn), array.len(txn));
    match *edit {
        Edit::Insert(at, word) => text.insert(txn, at % (long + 1), word),
        Edit::Remove(at, len) if long > 0 => {
            let at = at % long;
            text.remove_range(txn, at, len.min(long - at));
        }
        Edit::Set(key, to) => {
            map.insert(txn, key, to);
        }
        Edit::Unset(key) => {
            map.remove(txn, key);
        }
        Edit::Push(at, what) => {
            array.insert(txn, at % (many + 1), what);
        }
        Edit::Pull(at) if many > 0 => array.remove_range(txn, at % many, 1),
        Edit::Remove(..) | Edit::Pull(_) => {}
    }
}

/// Returns each root type in the form in which it is to be written.
fn written(document: &Document) -> BTreeMap<&'static str, String> {
    let read = |txn: &yrs::Transaction<'_>| {
        let text = txn.get_text("text").map(|text| text.get_string(txn));
        let entries: BTreeMap<String, String> =
            txn.get_map("map").map_or_else(BTreeMap::new, |map| {
                let entries = map.iter(txn);
                entries
                    .map(|(key, value)| (key.to_owned(), value.to_string(txn)))
                    .collect()
            });
        let entries = entries
            .iter()
            .map(|(key, value)| format!("{key}: {value}\n"));
        let elements = txn.get_array("array").map_or_else(String::new, |array| {
            let elements = array.iter(txn).map(|value| value.to_string(txn));
            elements.map(|value| format!("- {value}\n")).collect()
        });
        BTreeMap::from([
            ("text", text.unwrap_or_default()),
            ("map", entries.collect()),
            ("array", elements),
        ])
    };
    document.read(read).unwrap()
}

proptest! {
    #[test]
    fn applying_does_what_the_difference_says(
        shared in edits(),
        parked in edits(),
        meanwhile in edits(),
    ) {
        let mut ann = document(1);
        carry_out(&mut ann, &shared);
        let mut ben = copy(&ann, 2);
        let updates = carry_out(&mut ben, &parked);
        carry_out(&mut ann, &meanwhile);
        let difference = text_diff(&ann, &updates).unwrap();
        let before = written(&ann);
        for update in &updates {
            ann.apply(update).unwrap();
        }
        let after = written(&ann);
        prop_assert!(!difference.truncated);
        let shortened = difference.parts.iter().any(|part| part.text.contains('…'));
        for root in ["text", "map", "array"] {
            if before[root] == after[root] {
                prop_assert!(difference.parts.iter().all(|part| part.root != root));
            } else if !shortened {
                prop_assert_eq!(&side(&difference, root, DiffKind::Insert), &before[root]);
                prop_assert_eq!(&side(&difference, root, DiffKind::Delete), &after[root]);
            }
        }
    }
}

/// Each update that the scanner admits has a text diff, within the bound.
fn look(document: &Document, update: &[u8]) -> bool {
    match text_diff(document, [update]) {
        Ok(difference) => {
            let cost = |part: &baton_sync::text_diff::DiffPart| part.root.len() + part.text.len();
            assert!(difference.parts.iter().map(cost).sum::<usize>() <= TEXT_DIFF_BYTES);
            true
        }
        Err(TextDiffError::Unfit(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn random_documents_of_every_kind_can_be_looked_at() {
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        dice.through_pairs = dice.one_in(3);
        let log = session(&mut dice, 3, 40).log;
        let mut document = document(9_000_000);
        for update in &log {
            assert!(look(&document, update), "seed {seed}");
            document.apply(update).unwrap();
        }
        assert_eq!(text_diff(&document, &log).unwrap(), TextDiff::default());
    }
}

#[test]
fn damaged_updates_that_the_scanner_admits_can_be_looked_at() {
    let mut looked = 0;
    for seed in 0..40 {
        let mut dice = Dice::new(1000 + seed);
        let log = session(&mut dice, 2, 20).log;
        let mut document = document(9_000_000);
        for update in &log {
            for _ in 0..20 {
                let mut damaged = update.clone();
                for _ in 0..=dice.below(3) {
                    let at = dice.below(damaged.len() as u32) as usize;
                    damaged[at] = match dice.below(3) {
                        0 => damaged[at] ^ (1 << dice.below(8)),
                        1 => *dice.pick(&[0, 1, 2, 4, 7, 127]),
                        _ => (dice.bits() & 0xff) as u8,
                    };
                }
                looked += u32::from(look(&document, &damaged));
            }
            document.apply(update).unwrap();
        }
    }
    assert!(looked > 500, "{looked} could be looked at");
}

#[test]
fn hostile_bytes_can_be_looked_at() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile");
    let Ok(files) = std::fs::read_dir(folder) else {
        return;
    };
    for file in files {
        look(&document(9), &std::fs::read(file.unwrap().path()).unwrap());
    }
}

#[test]
fn a_type_nested_to_the_limit_is_cut_and_not_followed() {
    let mut ann = document(1);
    let deep = edit(&mut ann, |txn| {
        let root = txn.get_or_insert_map("map");
        let mut inner = root.insert(txn, "in", MapPrelim::default());
        for _ in 0..200 {
            inner = inner.insert(txn, "in", MapPrelim::default());
        }
        inner.insert(txn, "bottom", 1);
    });
    let difference = text_diff(&document(9), [&deep]).unwrap();
    assert!(difference.truncated);
    assert!(side(&difference, "map", DiffKind::Delete).contains('…'));
    // And the document that has it is not harmed.
    assert!(ann.diff(&StateVector::new()).is_ok());
}
