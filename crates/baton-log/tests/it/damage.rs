//! Damage: rows that change or vanish on the disk concern only the documents in them.

use crate::disk::Disk;
use crate::model::{block_on, options};
use baton_log::{
    Batch, Log, LogError, LogOptions, MemoryStore, Position, RedbStore, Store, StoreTable, Urgency,
};
use bytes::Bytes;

fn record(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn at(number: u64) -> Position {
    Position::new(number)
}

/// Three documents in three commits: `both` in the first and the last, `first` only in the first,
/// `compacted` with a snapshot over all that it has.
fn three_documents() -> MemoryStore {
    let store = MemoryStore::new();
    let log = Log::start(store.clone(), options()).unwrap();
    let (mut both, _) = log.open("both").unwrap();
    let (mut first, _) = log.open("first").unwrap();
    let (mut compacted, _) = log.open("compacted").unwrap();
    both.append_overdrawn(record("both one"), Urgency::Soon)
        .unwrap();
    first
        .append_overdrawn(record("first one"), Urgency::Soon)
        .unwrap();
    compacted
        .append_overdrawn(record("compacted one"), Urgency::Soon)
        .unwrap();
    block_on(log.flush()).unwrap();
    compacted.snapshot(at(1), record("a snapshot")).unwrap();
    block_on(log.flush()).unwrap();
    both.append_overdrawn(record("both two"), Urgency::Soon)
        .unwrap();
    block_on(log.flush()).unwrap();
    store
}

fn rows(store: &MemoryStore, table: StoreTable) -> Vec<(u64, Vec<u8>)> {
    let mut rows = Vec::new();
    store
        .view()
        .unwrap()
        .scan(table, &mut |key, row| rows.push((key, row.to_vec())))
        .unwrap();
    rows
}

/// Copies the store, with one row replaced.
fn with_row(store: &MemoryStore, table: StoreTable, key: u64, row: Vec<u8>) -> MemoryStore {
    let copy = MemoryStore::new();
    let mut batch = Batch::default();
    for table in StoreTable::ALL {
        let kept = rows(store, table).into_iter();
        batch
            .puts
            .extend(kept.map(|(key, row)| (table, key, Bytes::from(row))));
    }
    batch.puts.push((table, key, row.into()));
    copy.commit(batch).unwrap();
    copy
}

/// Returns which of the three documents open; each that does is checked to be whole.
fn opening(store: MemoryStore) -> ([Result<(), String>; 3], Log) {
    let log = Log::start(store, LogOptions::default()).unwrap();
    let open = |name: &str, snapshot: Option<&str>, tail: &[&str]| match log.open(name) {
        Ok((_, loaded)) => {
            assert_eq!(loaded.snapshot, snapshot.map(|text| (at(1), record(text))));
            let expected = (1..)
                .zip(tail)
                .map(|(position, text)| (at(position), record(text)));
            assert!(
                loaded.tail.iter().cloned().eq(expected),
                "{name} is not whole: {loaded:?}"
            );
            Ok(())
        }
        Err(LogError::Damaged { document, what }) => {
            assert_eq!(&*document, name);
            Err(what.to_string())
        }
        Err(other) => panic!("{other}"),
    };
    let outcome = [
        open("both", None, &["both one", "both two"]),
        open("first", None, &["first one"]),
        open("compacted", Some("a snapshot"), &[]),
    ];
    (outcome, log)
}

#[test]
fn any_wrong_bit_in_a_journal_row_is_an_error_of_the_documents_in_it_and_of_no_other() {
    let store = three_documents();
    assert_eq!(opening(store.clone()).0, [Ok(()), Ok(()), Ok(())]);
    for (commit, row) in rows(&store, StoreTable::Journal) {
        let holds = |text: &str| {
            row.windows(text.len())
                .any(|bytes| bytes == text.as_bytes())
        };
        let mut refused = 0;
        for bit in 0..row.len() * 8 {
            let mut bad = row.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let (outcome, _) = opening(with_row(&store, StoreTable::Journal, commit, bad));
            for (outcome, own) in outcome.iter().zip(["both", "first", "compacted one"]) {
                if let Err(what) = outcome {
                    assert!(holds(own), "{own} has nothing in commit {commit}");
                    assert!(what.contains(&format!("journal commit {commit}")), "{what}");
                    refused += 1;
                }
            }
            assert_eq!(outcome[2], Ok(()), "a snapshot needs no journal");
        }
        assert!(refused > 100, "hardly any damage was seen");
    }
}

#[test]
fn a_journal_row_that_is_gone_altogether_is_an_error_of_all_that_cannot_do_without() {
    let store = three_documents();
    let (commit, row) = rows(&store, StoreTable::Journal)[0].clone();
    let (outcome, log) = opening(with_row(
        &store,
        StoreTable::Journal,
        commit,
        vec![0; row.len()],
    ));
    assert!(outcome[0].is_err() && outcome[1].is_err());
    // Nothing shows that this document had no later record in that row.
    assert!(
        outcome[2]
            .as_ref()
            .is_err_and(|what| what.contains("may hold records of it"))
    );
    assert_eq!(log.damaged().len(), 3);
    // With the last row damaged, only documents with later records are whole, and there is none.
    let (commit, _) = *rows(&store, StoreTable::Journal).last().unwrap();
    let (outcome, _) = opening(with_row(&store, StoreTable::Journal, commit, Vec::new()));
    assert!(outcome.iter().all(Result::is_err));
}

/// Tidying must not take a damaged row for one without live records, and delete it.
#[test]
fn a_damaged_row_is_never_tidied_away() {
    let store = MemoryStore::new();
    let log = Log::start(store.clone(), options()).unwrap();
    let (mut busy, _) = log.open("busy").unwrap();
    for number in 0..20 {
        let (mut quiet, _) = log.open(&format!("quiet {number}")).unwrap();
        quiet
            .append_overdrawn(record("a quiet record"), Urgency::Soon)
            .unwrap();
        busy.append_overdrawn(Bytes::from(vec![7; 4000]), Urgency::Soon)
            .unwrap();
        block_on(log.flush()).unwrap();
    }
    drop(busy);
    block_on(log.shutdown()).unwrap();
    let (damaged, mut row) = rows(&store, StoreTable::Journal)[4].clone();
    let at_fault = row.windows(5).position(|bytes| bytes == b"quiet").unwrap();
    row[at_fault] = b'Q';
    let store = with_row(&store, StoreTable::Journal, damaged, row.clone());

    let log = Log::start(store.clone(), options()).unwrap();
    let (mut busy, _) = log.open("busy").unwrap();
    for _ in 0..5 {
        busy.append_overdrawn(record("busy"), Urgency::Soon)
            .unwrap();
        busy.snapshot(busy.last(), record("S")).unwrap();
        block_on(log.flush()).unwrap();
    }
    let left = rows(&store, StoreTable::Journal);
    assert!(
        left.len() < 10,
        "{} rows are left: nothing was tidied",
        left.len()
    );
    assert!(
        left.contains(&(damaged, row)),
        "the damaged row is as it was"
    );
    drop(busy);
    block_on(log.shutdown()).unwrap();
    let log = Log::start(store, options()).unwrap();
    for number in 0..20 {
        match log.open(&format!("quiet {number}")) {
            Ok((_, loaded)) => assert_eq!(loaded.tail, [(at(1), record("a quiet record"))]),
            Err(error) => assert!(
                number == 4 && error.to_string().contains("commit 5"),
                "{error}"
            ),
        }
    }
}

#[test]
fn any_wrong_bit_in_a_snapshot_is_an_error_of_that_document_alone() {
    let store = three_documents();
    let (id, row) = rows(&store, StoreTable::Snapshots)[0].clone();
    for bit in 0..row.len() * 8 {
        let mut bad = row.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let (outcome, _) = opening(with_row(&store, StoreTable::Snapshots, id, bad));
        assert_eq!((&outcome[0], &outcome[1]), (&Ok(()), &Ok(())));
        assert!(
            outcome[2]
                .as_ref()
                .is_err_and(|what| what.contains("snapshot of document #3"))
        );
    }
}

/// A name that was lost must not come back as a new, empty document.
#[test]
fn with_a_name_lost_no_unknown_name_is_taken_for_new() {
    let store = three_documents();
    for (id, row) in rows(&store, StoreTable::Documents) {
        for byte in 0..row.len() {
            let mut bad = row.clone();
            bad[byte] ^= 0x10;
            let (outcome, log) = opening(with_row(&store, StoreTable::Documents, id, bad));
            for (number, outcome) in (1..).zip(outcome) {
                assert_eq!(outcome.is_err(), number == id);
            }
            assert!(matches!(log.open("new"), Err(LogError::Damaged { .. })));
            assert!(matches!(log.open_new("new"), Ok(None)));
            assert_eq!(log.damaged().len(), 1);
        }
    }
}

#[test]
fn a_store_that_is_not_ours_is_refused_and_left_as_it_is() {
    let store = three_documents();
    let (_, meta) = rows(&store, StoreTable::Meta)[0].clone();
    for byte in 0..meta.len() {
        let mut bad = meta.clone();
        bad[byte] ^= 1;
        let bad = with_row(&store, StoreTable::Meta, 0, bad);
        let before = rows(&bad, StoreTable::Meta);
        let refused = Log::start(bad.clone(), options()).map(drop);
        assert!(matches!(
            refused,
            Err(LogError::DamagedStore { .. } | LogError::NewerFormat { known: 1, .. })
        ));
        assert_eq!(rows(&bad, StoreTable::Meta), before);
    }
    let gone = with_row(&store, StoreTable::Meta, 0, Vec::new());
    gone.commit(Batch {
        puts: Vec::new(),
        deletes: vec![(StoreTable::Meta, 0)],
    })
    .unwrap();
    let refused = Log::start(gone, options()).map(drop);
    assert!(matches!(refused, Err(LogError::DamagedStore { .. })));
}

/// Bits change in the file itself, under redb. redb notices some, and the log's checksums the rest:
/// each is an error, never a panic and never a document with other content.
#[test]
fn wrong_bits_in_the_file_are_errors_or_harm_nothing() {
    let disk = Disk::default();
    let store = RedbStore::with_backend(disk.clone(), 1 << 20).unwrap();
    let log = Log::start(store, options()).unwrap();
    let text = |document: usize, position: usize| record(&format!("{document} {position} text"));
    for document in 0..5 {
        let (mut open, _) = log.open(&format!("document {document}")).unwrap();
        for position in 1..=20 {
            open.append_overdrawn(text(document, position), Urgency::Soon)
                .unwrap();
            block_on(log.flush()).unwrap();
        }
        open.snapshot(at(10), record("snapshot")).unwrap();
    }
    block_on(log.shutdown()).unwrap();
    let image = disk.image();
    let (mut refused, mut whole) = (0, 0);
    for number in 0..600 {
        let byte = number * (image.len() / 600) + number % 512;
        let mut bad = image.clone();
        bad[byte] ^= 0x44;
        let Ok(store) = RedbStore::with_backend(Disk::with(bad), 1 << 20) else {
            refused += 1;
            continue;
        };
        let Ok(log) = Log::start(store, options()) else {
            refused += 1;
            continue;
        };
        for document in 0..5 {
            let Ok((open, loaded)) = log.open(&format!("document {document}")) else {
                refused += 1;
                continue;
            };
            whole += 1;
            assert_eq!(open.last(), at(20), "byte {byte}");
            assert_eq!(
                loaded.snapshot,
                Some((at(10), record("snapshot"))),
                "byte {byte}"
            );
            let expected =
                (11..=20).map(|position| (at(position as u64), text(document, position)));
            assert!(loaded.tail.iter().cloned().eq(expected), "byte {byte}");
        }
    }
    assert!(refused > 0 && whole > 0, "{refused} refused, {whole} whole");
    eprintln!("{refused} refused, {whole} whole");
}
