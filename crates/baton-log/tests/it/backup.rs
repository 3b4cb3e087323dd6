//! Backups: everything durable at the time of a backup is in it, also while the log goes on. A file
//! that is damaged or cut short is refused, and nothing is changed.

use std::io::Write;
use std::path::Path;

use baton_log::{
    Batch, Log, LogError, LogOptions, MemoryStore, Store, StoreTable, Urgency, check,
    restore_backup, verify_backup,
};
use bytes::Bytes;

use crate::model::block_on;

fn record(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn filled(store: MemoryStore) -> Log {
    let log = Log::start(store, LogOptions::default()).unwrap();
    for number in 0..20 {
        let (mut document, _) = log.open(&format!("document {number}")).unwrap();
        for text in ["one", "two", "three"] {
            document
                .append_overdrawn(record(text), Urgency::Soon)
                .unwrap();
        }
        if number % 3 == 0 {
            document
                .snapshot(baton_log::Position::new(2), record("one two"))
                .unwrap();
        }
    }
    block_on(log.flush()).unwrap();
    log
}

fn taken(log: &Log) -> Vec<u8> {
    let mut file = Vec::new();
    log.backup(&mut file).unwrap();
    file
}

fn written(folder: &Path, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join("backup");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn content(log: &Log) -> Vec<(String, baton_log::LoadedDocument)> {
    let mut names: Vec<_> = log
        .documents()
        .iter()
        .map(|info| info.name.to_string())
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let loaded = log.open(&name).unwrap().1;
            (name, loaded)
        })
        .collect()
}

#[test]
fn a_restored_store_has_everything_and_a_new_epoch() {
    let log = filled(MemoryStore::new());
    let place = tempfile::tempdir().unwrap();
    let file = written(place.path(), &taken(&log));
    let summary = verify_backup(&file).unwrap();
    assert_eq!(
        (summary.documents, summary.epoch, summary.damaged),
        (20, 1, 0)
    );
    assert_eq!(summary.bytes, std::fs::metadata(&file).unwrap().len());
    for (least, expected) in [(0, 2), (77, 77)] {
        let folder = place.path().join(format!("restored {least}"));
        let restored = restore_backup(&file, &folder, least).unwrap();
        assert_eq!(restored.epoch, expected);
        let again = Log::open_embedded(&folder, LogOptions::default()).unwrap();
        assert_eq!(again.epoch(), expected);
        assert_eq!(content(&again), content(&log));
        assert!(check(&again).is_empty());
        // The log continues after its last position.
        let (mut document, _) = again.open("document 1").unwrap();
        let position = document
            .append_overdrawn(record("four"), Urgency::Now)
            .unwrap();
        assert_eq!(position.get(), 4);
        block_on(again.flush()).unwrap();
    }
}

/// A reader of the backup that writes to the log between its pieces.
struct Meddling<'a>(&'a Log, Vec<u8>, usize);

impl Write for Meddling<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.2 += 1;
        if self.2 % 16 == 1 {
            let (mut document, _) = self.0.open("document 3").unwrap();
            document
                .append_overdrawn(record("later"), Urgency::Now)
                .unwrap();
            document
                .snapshot(document.last(), record("all of it"))
                .unwrap();
            block_on(self.0.flush()).unwrap();
            let (mut new, _) = self.0.open(&format!("new {}", self.2)).unwrap();
            new.append_overdrawn(record("new"), Urgency::Now).unwrap();
            block_on(self.0.flush()).unwrap();
        }
        self.1.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_written_while_a_backup_is_taken_is_not_in_it_and_harms_it_not() {
    let log = filled(MemoryStore::new());
    let before = content(&log);
    let mut out = Meddling(&log, Vec::new(), 0);
    log.backup(&mut out).unwrap();
    assert!(out.2 > 100, "it was written in pieces");
    let place = tempfile::tempdir().unwrap();
    let file = written(place.path(), &out.1);
    let folder = place.path().join("restored");
    restore_backup(&file, &folder, 0).unwrap();
    let again = Log::open_embedded(&folder, LogOptions::default()).unwrap();
    assert_eq!(content(&again), before);
}

#[test]
fn a_backup_with_a_wrong_bit_or_without_its_end_is_refused_and_nothing_is_made() {
    let whole = taken(&filled(MemoryStore::new()));
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("restored");
    let refused = |bytes: &[u8], what: &str| {
        let file = written(place.path(), bytes);
        let refused = restore_backup(&file, &folder, 0);
        assert!(refused.is_err(), "{what}");
        assert!(!folder.exists(), "{what}");
    };
    for byte in 0..whole.len() {
        let mut bad = whole.clone();
        bad[byte] ^= 1 << (byte % 8);
        refused(&bad, &format!("byte {byte}"));
    }
    for len in 0..whole.len() {
        refused(&whole[..len], &format!("cut to {len}"));
    }
    refused(&[&whole[..], b"x"].concat(), "something behind the end");
    refused(b"a text that is no backup at all", "a text");
}

#[test]
fn a_folder_with_anything_in_it_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let file = written(place.path(), &taken(&filled(MemoryStore::new())));
    let folder = place.path().join("used");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("letter"), "dear").unwrap();
    let refused = restore_backup(&file, &folder, 0);
    assert!(refused.unwrap_err().to_string().contains("not empty"));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    // The remains of an interrupted restore are not a store, and do not stop the next restore.
    std::fs::remove_file(folder.join("letter")).unwrap();
    std::fs::create_dir(folder.join("restoring")).unwrap();
    let half = Log::open_embedded(&folder, LogOptions::default()).map(drop);
    assert!(half.unwrap_err().to_string().contains("restore"));
    restore_backup(&file, &folder, 0).unwrap();
    let log = Log::open_embedded(&folder, LogOptions::default()).unwrap();
    assert_eq!(log.document_count(), 20);
}

/// A damaged document does not prevent a backup of the others.
#[test]
fn what_is_damaged_in_the_store_is_damaged_in_the_backup_and_told() {
    let store = MemoryStore::new();
    drop(filled(store.clone()));
    let mut row = store
        .view()
        .unwrap()
        .get(StoreTable::Snapshots, 1)
        .unwrap()
        .unwrap()
        .to_vec();
    *row.last_mut().unwrap() ^= 1;
    let puts = vec![(StoreTable::Snapshots, 1, Bytes::from(row))];
    let deletes = Vec::new();
    store.commit(Batch { puts, deletes }).unwrap();
    let log = Log::start(store, LogOptions::default()).unwrap();
    assert_eq!(check(&log).len(), 1);
    let place = tempfile::tempdir().unwrap();
    let file = written(place.path(), &taken(&log));
    let folder = place.path().join("restored");
    let restored = restore_backup(&file, &folder, 0).unwrap();
    assert_eq!((restored.backup.damaged, restored.damaged.len()), (1, 1));
    assert!(
        restored.damaged[0].contains("document 0"),
        "{:?}",
        restored.damaged
    );
    let log = Log::open_embedded(&folder, LogOptions::default()).unwrap();
    assert!(matches!(
        log.open("document 0").map(drop),
        Err(LogError::Damaged { .. })
    ));
    log.open("document 1").unwrap();
}
