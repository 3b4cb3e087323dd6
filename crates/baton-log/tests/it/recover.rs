//! A log whose disk fails and recovers: everything that was reported durable is there, nothing else
//! is trusted, and the log goes on by itself.
//!
//! `BATON_LOG_SEED` repeats a run, `BATON_LOG_SEEDS` says how many of them; a failing one prints
//! its seed.

use std::time::Duration;

use baton_log::{Durability, Log, LogError, LogHealth, LogOptions, Position, RedbStore, Urgency};
use baton_testkit::Random;
use bytes::Bytes;

use crate::disk::{Disk, Fate};
use crate::model::{Driver, Model, block_on, options};

/// A time far longer than a recovery takes here.
const PATIENCE: Duration = Duration::from_secs(20);

fn quick() -> LogOptions {
    let mut options = options();
    options.reopen_after = Duration::from_millis(1);
    options.reopen_at_most = Duration::from_millis(4);
    options
}

fn start(disk: &Disk, options: LogOptions) -> Log {
    let store = RedbStore::with_backend(disk.clone(), 1 << 20).unwrap();
    Log::start(store, options).unwrap()
}

fn is_good_again(log: &Log) {
    let mut health = log.watch_health();
    // The failure is reported a moment after the first refusal.
    while matches!(log.health(), LogHealth::Failed(_)) {
        let good = health.wait_for(|health| matches!(health, LogHealth::Good));
        let waited = block_on(async { tokio::time::timeout(PATIENCE, good).await.map(drop) });
        assert!(waited.is_ok(), "it does not come back: {:?}", log.health());
    }
}

fn has_failed(log: &Log) -> String {
    let mut health = log.watch_health();
    let failed = block_on(health.wait_for(|health| matches!(health, LogHealth::Failed(_))));
    match &*failed.unwrap() {
        LogHealth::Failed(error) => error.to_string(),
        LogHealth::Good => unreachable!(),
    }
}

fn record(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn tail(log: &Log, name: &str) -> Vec<String> {
    let (_open, loaded) = log.open(name).unwrap();
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    loaded.tail.iter().map(|(_, bytes)| text(bytes)).collect()
}

#[test]
fn a_log_whose_disk_comes_back_goes_on_by_itself_with_all_that_was_durable() {
    let disk = Disk::default();
    let log = start(&disk, quick());
    let (mut document, _) = log.open("d").unwrap();
    document
        .append_overdrawn(record("safe"), Urgency::Now)
        .unwrap();
    block_on(log.flush()).unwrap();

    disk.fail_syncs_from(1);
    let watch = document.watch();
    let early = block_on(log.reserve(10)).unwrap();
    document
        .append_overdrawn(record("lost"), Urgency::Now)
        .unwrap();
    assert!(block_on(log.flush()).is_err());
    assert!(matches!(*watch.borrow(), Durability::Failed(_)));
    assert!(has_failed(&log).contains("the disk could not write"));
    for refused in [
        log.open("another").map(drop),
        block_on(log.reserve(1)).map(drop),
        block_on(log.flush()),
        document
            .append_overdrawn(record("x"), Urgency::Soon)
            .map(drop),
    ] {
        assert!(
            matches!(refused, Err(LogError::Failed { .. })),
            "{refused:?}"
        );
    }

    disk.heals();
    is_good_again(&log);
    // The old handle does not know the present content of the store.
    assert!(document.failure().is_some());
    let late = document.append(early, record("x"), Urgency::Soon);
    assert!(matches!(late, Err(LogError::Failed { .. })), "{late:?}");
    assert!(matches!(
        document.snapshot(Position::new(1), record("S")),
        Err(LogError::Failed { .. })
    ));
    assert!(matches!(
        log.open("d").map(drop),
        Err(LogError::AlreadyOpen { .. })
    ));
    drop(document);
    let (mut document, loaded) = log.open("d").unwrap();
    assert_eq!(loaded.tail[0].1, record("safe"));
    let last = document.last();
    let room = block_on(log.reserve(4)).unwrap();
    let position = document
        .append(room, record("more"), Urgency::Soon)
        .unwrap();
    assert_eq!(position, last.next());
    block_on(log.flush()).unwrap();
    assert_eq!(document.durable(), position);
    drop(document);
    assert_eq!(log.stats().recoveries, 1);
    block_on(log.shutdown()).unwrap();
}

/// The system takes pages whose sync failed for written: a reader sees them, and later they are
/// gone. A store that is opened again on what it reads, and not on what is on the disk, reports as
/// durable what rests on them.
#[test]
fn what_a_failed_sync_left_in_memory_is_never_built_upon() {
    let disk = Disk::default();
    let log = start(&disk, quick());
    let (mut document, _) = log.open("d").unwrap();
    document
        .append_overdrawn(record("safe"), Urgency::Now)
        .unwrap();
    block_on(log.flush()).unwrap();
    disk.fail_syncs(1, 1, 7);
    document
        .append_overdrawn(record("lost?"), Urgency::Now)
        .unwrap();
    assert!(block_on(log.flush()).is_err());
    drop(document);
    is_good_again(&log);
    let found = tail(&log, "d");
    let (mut document, _) = log.open("d").unwrap();
    document
        .append_overdrawn(record("after"), Urgency::Now)
        .unwrap();
    block_on(log.flush()).unwrap();
    drop(document);
    // The cache drops the pages, and then the power fails.
    disk.evicts();
    for image in [disk.survivor(Fate::Lost), disk.image()] {
        let log = start(&Disk::with(image), quick());
        let now = tail(&log, "d");
        assert_eq!(now[..found.len()], found);
        assert_eq!(now[found.len()..], ["after"]);
    }
}

#[test]
fn a_full_disk_is_waited_for_and_the_store_stays_whole() {
    let disk = Disk::default();
    let log = start(&disk, quick());
    let (mut document, _) = log.open("d").unwrap();
    document
        .append_overdrawn(record("safe"), Urgency::Now)
        .unwrap();
    block_on(log.flush()).unwrap();
    for room in [0, 100, 4096, 10_000] {
        let before = tail_of(&log, document);
        disk.full_after(room);
        let (mut open, _) = log.open("d").unwrap();
        let large = Bytes::from(vec![b'x'; 60_000]);
        let reservation = block_on(log.reserve(large.len())).unwrap();
        open.append(reservation, large, Urgency::Now).unwrap();
        assert!(block_on(log.flush()).is_err());
        drop(open);
        has_failed(&log);
        disk.heals();
        is_good_again(&log);
        let (mut open, loaded) = log.open("d").unwrap();
        let now: Vec<_> = loaded.tail.iter().map(|(_, bytes)| bytes.len()).collect();
        assert_eq!(now[..before.len()], before);
        open.append_overdrawn(record("more"), Urgency::Now).unwrap();
        block_on(log.flush()).unwrap();
        document = open;
    }
    drop(document);
    block_on(log.shutdown()).unwrap();
}

fn tail_of(log: &Log, document: baton_log::DocumentLog) -> Vec<usize> {
    drop(document);
    let (_open, loaded) = log.open("d").unwrap();
    loaded.tail.iter().map(|(_, bytes)| bytes.len()).collect()
}

/// Only a caller that waits for durability is held up by a slow disk.
#[test]
fn while_a_sync_takes_long_records_are_taken_and_documents_opened() {
    let disk = Disk::default();
    let log = start(&disk, quick());
    for name in ["old", "busy"] {
        let (mut document, _) = log.open(name).unwrap();
        document
            .append_overdrawn(record(name), Urgency::Now)
            .unwrap();
        block_on(log.flush()).unwrap();
    }
    let (mut busy, _) = log.open("busy").unwrap();
    let durable = busy.durable();
    disk.holds_syncs();
    busy.append_overdrawn(record("one"), Urgency::Now).unwrap();
    disk.is_syncing();
    busy.append_overdrawn(record("two"), Urgency::Now).unwrap();
    assert_eq!(busy.durable(), durable, "not yet saved");
    assert_eq!(tail(&log, "old"), ["old"]);
    let (new, loaded) = log.open("new").unwrap();
    assert!(loaded.tail.is_empty());
    assert_eq!(log.document_count(), 2);
    assert!(matches!(log.health(), LogHealth::Good));
    drop(new);
    disk.lets_syncs_go();
    block_on(log.flush()).unwrap();
    assert_eq!(busy.durable(), busy.last());
}

/// One bad sector made the whole file unusable, since redb refuses everything after any error.
#[test]
fn a_sector_that_cannot_be_read_costs_its_document_and_no_other() {
    let disk = Disk::default();
    let log = start(&disk, quick());
    for name in ["bad", "good"] {
        let large = Bytes::from(vec![name.as_bytes()[0]; 100_000]);
        let (mut document, _) = log.open(name).unwrap();
        document
            .append_overdrawn(record(name), Urgency::Soon)
            .unwrap();
        document.snapshot(document.last(), large).unwrap();
        block_on(log.flush()).unwrap();
    }
    block_on(log.shutdown()).unwrap();
    let image = disk.image();
    let sectors = (0..image.len() as u64 / 512).map(|sector| sector * 512..sector * 512 + 512);
    let bad = |sector: &std::ops::Range<u64>| {
        image[sector.start as usize..sector.end as usize] == [b'b'; 512]
    };
    // Nothing is cached, where redb's own checks would have put it.
    let store = RedbStore::with_backend(disk.clone(), 0).unwrap();
    let log = Log::start(store, quick()).unwrap();
    disk.unreadable(sectors.filter(bad).collect());
    for _ in 0..3 {
        let refused = log.open("bad").map(drop);
        assert!(matches!(refused, Err(LogError::Load { .. })), "{refused:?}");
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("a sector cannot be read")
        );
        log.open("good").unwrap();
        let (mut other, _) = log.open("other").unwrap();
        other
            .append_overdrawn(record("fine"), Urgency::Now)
            .unwrap();
        block_on(log.flush()).unwrap();
        assert!(matches!(log.health(), LogHealth::Good));
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// One run of a disk that fails, recovers, fails again, and loses its power in the end.
fn live(seed: u64) -> u64 {
    let mut random = Random::from_seed(seed);
    let (disk, mut model) = (Disk::default(), Model::default());
    let log = start(&disk, quick());
    for _ in 0..random.within(1..4) {
        match random.within(0..3) {
            0 => disk.full_after(random.within(0..60_000)),
            _ => disk.fail_syncs(random.within(1..6), random.within(1..4), random.bits()),
        }
        let _ = Driver::new(&log, &mut model).run(&mut random, 40);
        // The failure may not have come, or may come only now.
        let _ = block_on(log.flush());
        if random.chance(30) {
            disk.evicts();
        }
        disk.heals();
        is_good_again(&log);
        assert!(log.damaged().is_empty(), "{:?}", log.damaged());
        model.judge(&log);
    }
    let recoveries = log.stats().recoveries;
    let _ = Driver::new(&log, &mut model).run(&mut random, 20);
    let fate = match random.within(0..3) {
        0 => Fate::Lost,
        1 => Fate::Kept,
        _ => Fate::Mixed(random.bits()),
    };
    if random.chance(50) {
        disk.evicts();
    }
    let survivor = disk.survivor(fate);
    let log = start(&Disk::with(survivor), quick());
    assert!(log.damaged().is_empty(), "{:?}", log.damaged());
    model.judge(&log);
    recoveries
}

#[test]
fn whatever_fails_and_whenever_what_was_reported_durable_is_there_and_in_order() {
    let first = Random::seed("BATON_LOG_SEED");
    let count = number("BATON_LOG_SEEDS").unwrap_or(300);
    eprintln!("BATON_LOG_SEED={first} and {count} from it");
    let mut recoveries = 0;
    for seed in (0..count).map(|number| first.wrapping_add(number)) {
        eprintln!("BATON_LOG_SEED={seed}");
        recoveries += live(seed);
    }
    assert!(
        recoveries > count / 3 || count < 20,
        "{recoveries} recoveries: the test has lost its point"
    );
}
