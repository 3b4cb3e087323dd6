//! Stories of one log on one store: appending, waiting, snapshots, reopening, refusals.

use std::time::Duration;

use baton_log::{
    DocumentLog, Durability, LoadedDocument, Log, LogError, LogHealth, LogOptions, MemoryStore,
    Position, Urgency,
};
use bytes::Bytes;

fn options() -> LogOptions {
    LogOptions::default()
}

/// Options under which nothing is committed unless a test asks for it.
fn patient() -> LogOptions {
    let mut options = options();
    options.commit_delay = Duration::from_secs(3600);
    options.commit_bytes = usize::MAX;
    options
}

fn at(number: u64) -> Position {
    Position::new(number)
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn tail(loaded: &LoadedDocument) -> Vec<(u64, String)> {
    let text = |record: &Bytes| String::from_utf8(record.to_vec()).unwrap();
    loaded
        .tail
        .iter()
        .map(|(position, record)| (position.get(), text(record)))
        .collect()
}

async fn append(log: &Log, document: &mut DocumentLog, text: &str, urgency: Urgency) -> Position {
    let reservation = log.reserve(text.len()).await.unwrap();
    document.append(reservation, bytes(text), urgency).unwrap()
}

async fn durable(document: &DocumentLog, position: Position) {
    let reached = |told: &Durability| matches!(told, Durability::UpTo(at) if *at >= position);
    document.watch().wait_for(reached).await.unwrap();
}

#[tokio::test]
async fn only_a_document_of_which_nothing_is_stored_is_opened_as_a_new_one() {
    let log = Log::in_memory(options()).unwrap();
    let document = log.open_new("a").unwrap().unwrap();
    assert!(log.open_new("a").unwrap().is_none(), "it is open");
    drop(document);
    let mut document = log.open_new("a").unwrap().unwrap();
    let first = append(&log, &mut document, "one", Urgency::Now).await;
    drop(document);
    // Not even during the commit.
    assert!(log.open_new("a").unwrap().is_none());
    let (document, loaded) = log.open("a").unwrap();
    assert_eq!(tail(&loaded), [(1, "one".into())]);
    assert_eq!(document.last(), first);
    drop(document);
    assert!(log.open_new("a").unwrap().is_none());
    assert!(matches!(
        log.open_new(""),
        Err(LogError::InvalidName { .. })
    ));
    log.clone().shutdown().await.unwrap();
    assert!(matches!(log.open_new("b"), Err(LogError::Closed)));
}

#[tokio::test]
async fn what_was_durable_is_there_after_a_restart_on_either_store() {
    let folder = tempfile::tempdir().unwrap();
    let memory = MemoryStore::new();
    let start = |embedded: bool| {
        if embedded {
            Log::open_embedded(folder.path(), options()).unwrap()
        } else {
            Log::start(memory.clone(), options()).unwrap()
        }
    };
    for embedded in [false, true] {
        let log = start(embedded);
        let (mut document, loaded) = log.open("a/ä b").unwrap();
        assert_eq!(loaded, LoadedDocument::default());
        assert_eq!(
            append(&log, &mut document, "one", Urgency::Soon).await,
            at(1)
        );
        assert_eq!(
            append(&log, &mut document, "two", Urgency::Now).await,
            at(2)
        );
        durable(&document, at(2)).await;
        assert_eq!(document.durable(), at(2));
        log.shutdown().await.unwrap();
        drop(document);

        let log = start(embedded);
        let (mut document, loaded) = log.open("a/ä b").unwrap();
        assert_eq!(tail(&loaded), [(1, "one".into()), (2, "two".into())]);
        assert_eq!((document.tail_records(), document.tail_bytes()), (2, 6));
        document.snapshot(at(1), bytes("S1")).unwrap();
        assert_eq!((document.tail_records(), document.tail_bytes()), (1, 3));
        assert_eq!(
            append(&log, &mut document, "three", Urgency::Soon).await,
            at(3)
        );
        log.shutdown().await.unwrap();
        drop(document);

        let log = start(embedded);
        let (mut document, loaded) = log.open("a/ä b").unwrap();
        assert_eq!(loaded.snapshot, Some((at(1), bytes("S1"))));
        assert_eq!(tail(&loaded), [(2, "two".into()), (3, "three".into())]);
        assert_eq!((document.last(), document.durable()), (at(3), at(3)));
        document.erase().unwrap();
        log.flush().await.unwrap();
        drop(document);
        log.shutdown().await.unwrap();

        let log = start(embedded);
        let (mut document, loaded) = log.open("a/ä b").unwrap();
        let erased = LoadedDocument {
            erased: true,
            ..LoadedDocument::default()
        };
        assert_eq!(loaded, erased);
        assert_eq!(
            document.last(),
            at(3),
            "an erased document goes on after what it was"
        );
        assert_eq!(
            append(&log, &mut document, "four", Urgency::Now).await,
            at(4)
        );
        assert_eq!((log.epoch(), log.document_count()), (1, 1));
        drop(document);
        log.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn soon_waits_for_company_and_now_takes_it_along() {
    let log = Log::in_memory(patient()).unwrap();
    let (mut one, _) = log.open("one").unwrap();
    let (mut two, _) = log.open("two").unwrap();
    append(&log, &mut one, "patient", Urgency::Soon).await;
    assert_eq!(one.durable(), Position::START);
    append(&log, &mut two, "urgent", Urgency::Now).await;
    durable(&two, at(1)).await;
    durable(&one, at(1)).await;
}

/// Records that no caller waits for wait longest, and leave with the first that is awaited.
#[tokio::test]
async fn unawaited_records_leave_with_the_first_that_is_awaited() {
    let mut options = patient();
    options.commit_delay = Duration::from_millis(1);
    options.unawaited_delay = Duration::from_secs(3600);
    let log = Log::in_memory(options).unwrap();
    let (mut one, _) = log.open("one").unwrap();
    let (mut two, _) = log.open("two").unwrap();
    append(&log, &mut one, "unawaited", Urgency::Unawaited).await;
    append(&log, &mut two, "awaited", Urgency::Soon).await;
    durable(&two, at(1)).await;
    durable(&one, at(1)).await;
}

#[tokio::test]
async fn enough_bytes_or_enough_time_start_a_commit() {
    let mut options = patient();
    options.commit_bytes = 10;
    let log = Log::in_memory(options).unwrap();
    let (mut document, _) = log.open("d").unwrap();
    append(&log, &mut document, "12345", Urgency::Soon).await;
    append(&log, &mut document, "67890", Urgency::Soon).await;
    durable(&document, at(2)).await;

    let mut options = patient();
    options.commit_delay = Duration::from_millis(1);
    let log = Log::in_memory(options).unwrap();
    let (mut document, _) = log.open("d").unwrap();
    append(&log, &mut document, "x", Urgency::Soon).await;
    durable(&document, at(1)).await;
}

#[tokio::test]
async fn a_full_queue_makes_reserve_wait_until_something_is_durable() {
    let mut options = patient();
    options.queue_bytes = 1000;
    options.max_record_bytes = 1000;
    options.small_queue_bytes = 0;
    let log = Log::in_memory(options).unwrap();
    let (mut document, _) = log.open("d").unwrap();
    let half = log.reserve(600).await.unwrap();
    document
        .append(half, Bytes::from(vec![1; 600]), Urgency::Soon)
        .unwrap();
    {
        let mut full = std::pin::pin!(log.reserve(600));
        let nothing = std::future::poll_fn(|context| {
            std::task::Poll::Ready(full.as_mut().poll(context).is_pending())
        });
        assert!(nothing.await, "there was no room for both");
        log.flush().await.unwrap();
        assert_eq!(full.await.unwrap().bytes(), 600);
    }
    // A surplus, or an unused reservation, is returned at once.
    let whole = log.reserve(1000).await.unwrap();
    document
        .append(whole, bytes("little"), Urgency::Soon)
        .unwrap();
    log.reserve(900).await.unwrap();
    let mut parts = log.reserve(900).await.unwrap();
    let part = parts.take(300);
    assert_eq!((parts.bytes(), part.bytes()), (600, 300));
    assert_eq!(parts.take(601).bytes(), 600);
}

/// An append without a reservation never fails for its size.
#[tokio::test]
async fn what_was_not_reserved_is_appended_all_the_same_and_later_reservations_wait() {
    let mut options = patient();
    options.max_record_bytes = 1 << 20;
    options.queue_bytes = 2 << 20;
    options.document_queue_bytes = 1 << 20;
    let log = Log::in_memory(options).unwrap();
    let (mut document, _) = log.open("d").unwrap();
    let (mut other, _) = log.open("other").unwrap();
    let large = Bytes::from(vec![1; 5 << 20]);
    let covered = document.share().reserve(100_000).await.unwrap();
    assert_eq!(
        document
            .append(covered, large.clone(), Urgency::Soon)
            .unwrap(),
        at(1)
    );
    assert_eq!(
        document
            .append_overdrawn(large.clone(), Urgency::Soon)
            .unwrap(),
        at(2)
    );
    assert_eq!(log.stats().queued_bytes, 10 << 20);
    let share = other.share();
    {
        let mut waiting = std::pin::pin!(share.reserve(100_000));
        let nothing = std::future::poll_fn(|context| {
            std::task::Poll::Ready(waiting.as_mut().poll(context).is_pending())
        });
        assert!(nothing.await, "what is overdrawn is paid back first");
        let small = share.reserve(1000).await.unwrap();
        other
            .append(small, bytes("not delayed"), Urgency::Soon)
            .unwrap();
        log.flush().await.unwrap();
        waiting.await.unwrap();
    }
    assert_eq!(log.stats().queued_bytes, 0);
    drop(document);
    let (document, loaded) = log.open("d").unwrap();
    assert_eq!(document.durable(), at(2));
    assert!(loaded.tail.iter().all(|(_, record)| *record == large));
}

#[tokio::test]
async fn the_callers_mistakes_are_told_and_change_nothing() {
    let log = Log::in_memory(options()).unwrap();
    let other = Log::in_memory(options()).unwrap();
    let (mut document, _) = log.open("d").unwrap();
    assert!(matches!(log.open("d"), Err(LogError::AlreadyOpen { .. })));
    assert!(matches!(
        log.open(""),
        Err(LogError::InvalidName { len: 0, .. })
    ));
    assert!(matches!(
        log.open(&"n".repeat(1025)),
        Err(LogError::InvalidName { len: 1025, .. })
    ));
    let foreign = other.reserve(2).await.unwrap();
    let refused = document.append(foreign, bytes("22"), Urgency::Now);
    assert!(matches!(refused, Err(LogError::ForeignReservation)));
    let refused = log.reserve(usize::MAX).await;
    assert!(matches!(refused, Err(LogError::RecordTooLarge { .. })));
    let refused = document.snapshot(at(1), bytes("S"));
    assert!(matches!(refused, Err(LogError::SnapshotOutOfRange { .. })));
    assert_eq!(document.last(), Position::START);
    append(&log, &mut document, "1", Urgency::Now).await;
    append(&log, &mut document, "2", Urgency::Now).await;
    document.snapshot(at(2), bytes("S")).unwrap();
    assert!(
        document.snapshot(at(1), bytes("S")).is_err(),
        "snapshots do not go back"
    );
    document.snapshot(at(2), bytes("smaller")).unwrap();
    drop(document);
    let (_document, loaded) = log.open("d").unwrap();
    assert_eq!(loaded.snapshot, Some((at(2), bytes("smaller"))));
    let mut wrong = options();
    wrong.max_record_bytes = wrong.queue_bytes + 1;
    assert!(matches!(
        Log::in_memory(wrong),
        Err(LogError::InvalidOptions { .. })
    ));
}

#[tokio::test]
async fn a_document_that_is_opened_again_has_what_its_last_handle_left_in_the_queue() {
    let log = Log::in_memory(patient()).unwrap();
    let (mut document, _) = log.open("d").unwrap();
    append(&log, &mut document, "one", Urgency::Soon).await;
    document.snapshot(at(1), bytes("S")).unwrap();
    append(&log, &mut document, "two", Urgency::Soon).await;
    drop(document);
    let (document, loaded) = log.open("d").unwrap();
    assert_eq!(loaded.snapshot, Some((at(1), bytes("S"))));
    assert_eq!(tail(&loaded), [(2, "two".into())]);
    assert_eq!(document.durable(), at(2));
}

#[tokio::test]
async fn a_name_that_was_only_looked_at_leaves_no_trace() {
    let log = Log::in_memory(options()).unwrap();
    for number in 0..100 {
        log.open(&format!("looked-at-{number}")).unwrap();
    }
    assert_eq!((log.document_count(), log.documents().len()), (0, 0));
    let (mut document, _) = log.open("kept").unwrap();
    append(&log, &mut document, "x", Urgency::Now).await;
    log.flush().await.unwrap();
    let listed = log.documents();
    assert_eq!(
        (&*listed[0].name, listed[0].last, listed[0].snapshot),
        ("kept", at(1), None)
    );
}

#[tokio::test]
async fn two_logs_never_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open_embedded(folder.path(), options()).unwrap();
    let second = Log::open_embedded(folder.path(), options()).unwrap_err();
    assert!(matches!(&second, LogError::InUse { path } if path == folder.path()));
    assert!(second.to_string().contains("in use by another process"));
    log.shutdown().await.unwrap();
    Log::open_embedded(folder.path(), options()).unwrap();
}

#[tokio::test]
async fn after_a_shutdown_everything_is_refused_and_nothing_is_lost() {
    let memory = MemoryStore::new();
    let log = Log::start(memory.clone(), patient()).unwrap();
    let (mut document, _) = log.open("d").unwrap();
    append(&log, &mut document, "kept", Urgency::Soon).await;
    let reservation = log.reserve(1).await.unwrap();
    log.clone().shutdown().await.unwrap();
    assert_eq!(document.durable(), at(1));
    let refused = document.append(reservation, bytes("x"), Urgency::Now);
    assert!(matches!(refused, Err(LogError::Closed)));
    assert!(matches!(document.erase(), Err(LogError::Closed)));
    assert!(matches!(log.reserve(1).await, Err(LogError::Closed)));
    assert!(matches!(log.open("e"), Err(LogError::Closed)));
    assert!(matches!(log.health(), LogHealth::Good));
    log.flush().await.unwrap();
    let again = Log::start(memory, options()).unwrap();
    assert_eq!(tail(&again.open("d").unwrap().1), [(1, "kept".into())]);
}

#[tokio::test]
async fn dropping_the_last_handle_makes_everything_durable() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open_embedded(folder.path(), patient()).unwrap();
    let (mut document, _) = log.open("d").unwrap();
    append(&log, &mut document, "kept", Urgency::Soon).await;
    drop(log);
    drop(document);
    let log = Log::open_embedded(folder.path(), options()).unwrap();
    assert_eq!(tail(&log.open("d").unwrap().1), [(1, "kept".into())]);
}

/// A path to the wrong thing failed with "File exists" and the advice to check the disk.
#[test]
fn a_file_in_place_of_the_folder_is_named_and_kept() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("notes.txt");
    std::fs::write(&file, "mine").unwrap();
    let refused = Log::open_embedded(&file, options())
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("notes.txt: this is a file; name a folder"),
        "{refused}"
    );
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");

    let folder = place.path().join("data");
    drop(Log::open_embedded(&folder, options()).unwrap());
    let database = folder.join("log.redb");
    std::fs::remove_file(&database).unwrap();
    std::fs::create_dir(&database).unwrap();
    let refused = Log::open_embedded(&folder, options())
        .unwrap_err()
        .to_string();
    assert!(refused.contains("a folder has its name"), "{refused}");
}
