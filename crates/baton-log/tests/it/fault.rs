//! Faults other than crashes: a disk whose syncs fail, a store that cannot be read for a while or
//! panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::disk::{Disk, Fate};
use crate::model::{block_on, options};
use baton_log::{
    Batch, Durability, Log, LogError, LogHealth, MemoryStore, Position, RedbStore, Store,
    StoreError, StoreTable, StoreView, Urgency,
};
use bytes::Bytes;

fn record(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn at(number: u64) -> Position {
    Position::new(number)
}

#[test]
fn after_a_failed_sync_nothing_more_is_ever_called_durable() {
    let disk = Disk::default();
    let store = RedbStore::with_backend(disk.clone(), 1 << 20).unwrap();
    let log = Log::start(store, options()).unwrap();
    let (mut document, _) = log.open("d").unwrap();
    let (bystander, _) = log.open("bystander").unwrap();
    document
        .append_overdrawn(record("safe"), Urgency::Soon)
        .unwrap();
    block_on(log.flush()).unwrap();

    disk.fail_syncs_from(1);
    let mut watch = document.watch();
    let reservation = block_on(log.reserve(10)).unwrap();
    document
        .append_overdrawn(record("lost"), Urgency::Now)
        .unwrap();
    let told = block_on(watch.wait_for(|told| matches!(told, Durability::Failed(_))));
    let Durability::Failed(error) = told.unwrap().clone() else {
        unreachable!()
    };
    assert!(matches!(*error, LogError::Failed { .. }));
    assert!(
        error.to_string().contains("the disk could not write"),
        "{error}"
    );
    // Every watch is notified, one after the other.
    let mut other = bystander.watch();
    block_on(other.wait_for(|told| matches!(told, Durability::Failed(_)))).unwrap();
    assert_eq!(document.durable(), at(1), "what failed was never durable");

    let refused = |outcome: Result<(), LogError>| {
        assert!(
            matches!(outcome, Err(LogError::Failed { .. })),
            "{outcome:?}"
        );
    };
    refused(
        document
            .append(reservation, record("x"), Urgency::Now)
            .map(drop),
    );
    refused(
        document
            .append_overdrawn(record("x"), Urgency::Now)
            .map(drop),
    );
    refused(document.snapshot(at(1), record("S")));
    refused(block_on(log.reserve(1)).map(drop));
    refused(log.open("another").map(drop));
    refused(block_on(log.flush()));
    assert!(matches!(log.health(), LogHealth::Failed(_)));
    assert_eq!(document.last(), at(2), "refused records take no position");
    drop(document);
    refused(log.open("d").map(drop));
    drop(bystander);
    refused(block_on(log.shutdown()));

    // In either case the safe record is there, and the lost one is whole or missing.
    for fate in [Fate::Kept, Fate::Lost, Fate::Mixed(1), Fate::Mixed(2)] {
        let store = RedbStore::with_backend(Disk::with(disk.survivor(fate)), 1 << 20).unwrap();
        let log = Log::start(store, options()).unwrap();
        let (_document, loaded) = log.open("d").unwrap();
        assert_eq!(loaded.tail[0], (at(1), record("safe")));
        assert!(loaded.tail.len() == 1 || loaded.tail[1..] == [(at(2), record("lost"))]);
    }
}

#[test]
fn callers_that_wait_for_room_or_for_a_flush_learn_of_the_failure() {
    let disk = Disk::default();
    let mut options = options();
    (options.queue_bytes, options.max_record_bytes) = (1000, 1000);
    options.small_queue_bytes = 0;
    let store = RedbStore::with_backend(disk.clone(), 1 << 20).unwrap();
    let log = Log::start(store, options).unwrap();
    let (mut document, _) = log.open("d").unwrap();
    let whole = block_on(log.reserve(1000)).unwrap();
    document
        .append(whole, Bytes::from(vec![1; 1000]), Urgency::Soon)
        .unwrap();
    disk.fail_syncs_from(1);
    let (flushed, reserved) =
        block_on(async { tokio::join!(biased; log.flush(), log.reserve(500)) });
    assert!(matches!(flushed, Err(LogError::Failed { .. })));
    assert!(matches!(reserved, Err(LogError::Failed { .. })));
}

/// A store in memory whose reads can be switched off.
#[derive(Clone, Default)]
struct FaultyStore {
    inner: MemoryStore,
    mood: Arc<AtomicU8>,
}

const GOOD: u8 = 0;
const NO_VIEW: u8 = 1;
const NO_READ: u8 = 2;
const PANIC: u8 = 3;

struct FaultyView(Box<dyn StoreView>, Arc<AtomicU8>);

impl FaultyStore {
    fn feel(&self, mood: u8) {
        self.mood.store(mood, Ordering::SeqCst);
    }
}

impl Store for FaultyStore {
    fn view(&self) -> Result<Box<dyn StoreView>, StoreError> {
        if self.mood.load(Ordering::SeqCst) == NO_VIEW {
            return Err(StoreError::failed("beginning to read", "no mood"));
        }
        Ok(Box::new(FaultyView(self.inner.view()?, self.mood.clone())))
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        assert!(
            self.mood.load(Ordering::SeqCst) != PANIC,
            "a bug in the store"
        );
        self.inner.commit(batch)
    }
}

impl StoreView for FaultyView {
    fn get(&self, table: StoreTable, key: u64) -> Result<Option<Bytes>, StoreError> {
        if self.1.load(Ordering::SeqCst) == NO_READ {
            return Err(StoreError::failed("reading a row", "no mood"));
        }
        self.0.get(table, key)
    }

    fn scan(&self, table: StoreTable, each: &mut dyn FnMut(u64, &[u8])) -> Result<(), StoreError> {
        self.0.scan(table, each)
    }
}

/// In other products a failed load became an empty document, which was then saved over the good
/// one.
#[test]
fn a_load_that_fails_is_an_error_and_can_be_tried_again() {
    let store = FaultyStore::default();
    let log = Log::start(store.clone(), options()).unwrap();
    let (mut document, _) = log.open("d").unwrap();
    document
        .append_overdrawn(record("kept"), Urgency::Soon)
        .unwrap();
    drop(document);
    block_on(log.flush()).unwrap();
    for mood in [NO_VIEW, NO_READ] {
        store.feel(mood);
        let failed = log.open("d").map(drop);
        assert!(matches!(failed, Err(LogError::Load { .. })), "{failed:?}");
        assert!(matches!(log.health(), LogHealth::Good));
        store.feel(GOOD);
        let (document, loaded) = log.open("d").unwrap();
        assert_eq!(loaded.tail, [(at(1), record("kept"))]);
        assert_eq!(document.last(), at(1));
    }
}

#[test]
fn a_store_that_panics_fails_the_log_and_no_one_waits_for_ever() {
    let store = FaultyStore::default();
    let log = Log::start(store.clone(), options()).unwrap();
    let (mut document, _) = log.open("d").unwrap();
    document
        .append_overdrawn(record("lost"), Urgency::Soon)
        .unwrap();
    store.feel(PANIC);
    assert!(matches!(
        block_on(log.flush()),
        Err(LogError::Failed { .. })
    ));
    assert!(matches!(*document.watch().borrow(), Durability::Failed(_)));
    assert!(matches!(
        block_on(log.shutdown()),
        Err(LogError::Failed { .. })
    ));
}
