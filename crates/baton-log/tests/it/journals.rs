//! The embedded store behind the traits that it shares with a cluster.

use std::sync::Arc;

use baton_log::{
    Journals, Log, LogError, LogOptions, MovedContent, Placement, Position, Urgency, open_backup,
};
use bytes::Bytes;

fn log() -> Arc<dyn Journals> {
    Arc::new(Log::in_memory(LogOptions::default()).unwrap())
}

#[tokio::test]
async fn the_embedded_store_places_at_once_and_delivers_nothing() {
    let log = log();
    assert!(log.node().is_none());
    let mut notes = log.open_new("notes").unwrap().expect("nothing is stored");
    for number in 1..=3 {
        let room = notes.share().reserve(5).await.unwrap();
        let placed = notes.propose(room, number, "hello".into(), Urgency::Soon);
        assert_eq!(placed.unwrap(), Placement::At(Position::new(number)));
        assert_eq!(notes.next_committed(), None);
    }
    assert!(!notes.is_settled());
    log.flush().await.unwrap();
    assert!(notes.is_settled());
    drop(notes);
    assert!(log.holds("notes").unwrap());
    let (notes, loaded) = log.open("notes").unwrap();
    assert_eq!((loaded.tail.len(), notes.tail_records()), (3, 3));
    assert!(loaded.has_content());
    log.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_erased_document_has_no_content_until_something_is_appended() {
    let log = log();
    for (remains, name) in [(None, "gone"), (Some(Bytes::from("remains")), "remembered")] {
        let (mut document, loaded) = log.open(name).unwrap();
        assert!(!loaded.has_content());
        let nothing = document.share().nothing(1);
        document
            .propose(nothing, 1, "text".into(), Urgency::Soon)
            .unwrap();
        match remains {
            Some(remains) => document.erase_leaving(remains).unwrap(),
            None => document.erase().unwrap(),
        }
        drop(document);
        let (mut document, loaded) = log.open(name).unwrap();
        assert!(loaded.erased && !loaded.has_content());
        let nothing = document.share().nothing(1);
        document
            .propose(nothing, 1, "again".into(), Urgency::Soon)
            .unwrap();
        drop(document);
        assert!(log.open(name).unwrap().1.has_content());
    }
}

#[tokio::test]
async fn room_is_spent_in_its_own_log_only() {
    let (log, other) = (log(), log());
    let (mut notes, _) = log.open("notes").unwrap();
    let (stranger, _) = other.open("notes").unwrap();
    let foreign = stranger.share().reserve(5).await.unwrap();
    let refused = notes.propose(foreign, 1, "hello".into(), Urgency::Soon);
    assert!(matches!(refused, Err(LogError::ForeignReservation)));
    log.shutdown().await.unwrap();
    let closed = notes.share().reserve(5).await;
    assert!(matches!(closed, Err(LogError::Closed)));
    let foreign = stranger.share().nothing(5);
    let refused = notes.propose(foreign, 1, "hello".into(), Urgency::Soon);
    assert!(matches!(refused, Err(LogError::Closed)));
}

#[tokio::test]
async fn content_of_another_log_replaces_all_and_later_positions_are_higher_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Log::open_embedded(folder.path(), LogOptions::default()).unwrap();
    let above = |number: u64| Position::new((1 << 44) + number);
    let append = |log: &Log, name| {
        let (mut document, _) = log.open(name).unwrap();
        document.append_overdrawn("more".into(), Urgency::Soon)
    };
    let log = open();
    append(&log, "old").unwrap();
    for (name, content) in [
        ("old", MovedContent::Document("text".into())),
        ("new", MovedContent::Document("text".into())),
        ("kept", MovedContent::Remains("remains".into())),
        ("gone", MovedContent::Erased),
    ] {
        let (mut document, _) = log.open(name).unwrap();
        document.replace(above(7), content).unwrap();
        log.flush().await.unwrap();
        assert_eq!((document.last(), document.durable()), (above(7), above(7)));
    }
    let high = log
        .open("high")
        .unwrap()
        .0
        .replace(Position::new(1 << 53), MovedContent::Erased);
    assert!(matches!(high, Err(LogError::PositionTooHigh { .. })));
    log.shutdown().await.unwrap();

    let log = open();
    assert_eq!((log.document_count(), log.documents_held()), (4, 2));
    for name in ["old", "new"] {
        let (_, loaded) = log.open(name).unwrap();
        assert_eq!(loaded.snapshot, Some((above(7), "text".into())));
        assert!(loaded.tail.is_empty() && !loaded.erased);
        assert_eq!(append(&log, name).unwrap(), above(8));
    }
    let (_, loaded) = log.open("kept").unwrap();
    assert_eq!(loaded.snapshot, Some((above(7), "remains".into())));
    assert!(loaded.erased && log.open("gone").unwrap().1.erased);
    // A lower position does not move back what is there.
    let (mut document, _) = log.open("new").unwrap();
    document
        .replace(Position::new(3), MovedContent::Document("other".into()))
        .unwrap();
    drop(document);
    assert_eq!(append(&log, "new").unwrap(), above(9));
    log.shutdown().await.unwrap();

    let log = open();
    let file = folder.path().join("backup");
    log.backup(&mut std::fs::File::create(&file).unwrap())
        .unwrap();
    let copy = open_backup(&file, &folder.path().join("copy")).unwrap();
    assert_eq!(
        copy.epoch(),
        log.epoch(),
        "a copy to be read is of the same epoch"
    );
    for name in ["old", "new", "kept", "gone"] {
        assert_eq!(log.open(name).unwrap().1, copy.open(name).unwrap().1);
    }
}
