//! A move between two stores of this process: what arrives, what is left alone, what is refused.

use std::path::Path;

use baton_log::{Journals, Log, LogOptions, MovedContent, Position, Urgency};
use baton_presence::{Event, Mode, Rights, Time};
use baton_room::{ConnectionId, Incoming, Record, RecordError, ResumeToken, Room, RoomOptions};
use baton_room::{SyncKind, remnant};
use bytes::Bytes;
use tokio::runtime::Runtime;

use super::carried_document::CarriedDocument;
use super::ledger::{Ledger, Side};
use super::move_summary::{MoveSummary, NotCarried};
use super::mover::Mover;

struct Table {
    runtime: Runtime,
    folder: tempfile::TempDir,
    source: Log,
    target: Log,
}

fn log() -> Log {
    Log::in_memory(LogOptions::default()).unwrap()
}

/// An update in which a new client types a letter into the text "t".
fn letter(client: u8) -> Bytes {
    Bytes::from(vec![1, 1, client, 0, 4, 1, 1, b't', 1, b'a' + client, 0])
}

fn room(log: &Log, name: &str) -> Room {
    let (_, loaded) = log.open(name).unwrap();
    let numbered = |(at, bytes): (Position, Bytes)| (at.get(), bytes);
    let snapshot = loaded.snapshot.map(numbered);
    let tail: Vec<_> = loaded.tail.into_iter().map(numbered).collect();
    Room::open(RoomOptions::default(), snapshot.as_ref(), &tail, Time::ZERO).unwrap()
}

/// Lets a stock client type into a document of this log.
fn types(log: &Log, name: &str, client: u8) {
    let mut room = room(log, name);
    room.connect(ConnectionId(1), Rights::ALL);
    let token = ResumeToken::new([client; 16]);
    let update = Incoming::Sync(SyncKind::Update, letter(client));
    room.receive(ConnectionId(1), update, token, Time::ZERO);
    let (mut journal, _) = log.open(name).unwrap();
    let append = |record: &Record, _| {
        let placed = journal.append_overdrawn(record.encode()?, Urgency::Soon);
        Ok::<_, RecordError>(placed.unwrap().get())
    };
    room.settle(Time::ZERO, append).unwrap();
}

impl Table {
    fn new() -> Self {
        Self {
            runtime: Runtime::new().unwrap(),
            folder: tempfile::tempdir().unwrap(),
            source: log(),
            target: log(),
        }
    }

    fn moves(&self, replace: bool) -> MoveSummary {
        self.moves_in(self.folder.path(), replace, false)
    }

    fn moves_in(&self, folder: &Path, replace: bool, dry_run: bool) -> MoveSummary {
        self.runtime.block_on(self.source.flush()).unwrap();
        let mover = Mover {
            source: &self.source,
            target: &self.target,
            to: Side::Cluster,
            ledger: Ledger::open(folder, !dry_run).unwrap(),
            replace,
            dry_run,
            runtime: self.runtime.handle().clone(),
        };
        mover.run(&|_, _| ()).unwrap()
    }

    fn erases(&self, name: &str, remains: Option<Bytes>) {
        let (mut journal, _) = self.source.open(name).unwrap();
        match remains {
            Some(remains) => journal.erase_leaving(remains).unwrap(),
            None => journal.erase().unwrap(),
        }
    }

    fn is_in_both(&self, name: &str) {
        let read = |log: &Log| {
            let (journal, loaded) = log.open(name).unwrap();
            CarriedDocument::read(&loaded, journal.last(), 1).unwrap()
        };
        let (here, there) = (read(&self.source), read(&self.target));
        assert_eq!(here.difference(&there), None);
        assert!(here.is_same(&there), "{:?} {:?}", here.last(), there.last());
    }
}

fn counts(summary: &MoveSummary) -> [usize; 4] {
    let failed = summary.failed.len();
    [summary.copied, summary.replaced, summary.unchanged, failed]
}

#[test]
fn everything_arrives_and_a_further_move_copies_only_what_has_changed() {
    let table = Table::new();
    for name in ["one", "two", "gone", "forgotten"] {
        types(&table.source, name, 1);
    }
    table.erases("gone", Some(remnant(7).unwrap()));
    table.erases("forgotten", None);
    let dry = table.moves_in(table.folder.path(), false, true);
    assert_eq!(
        (counts(&dry), table.target.document_count()),
        ([4, 0, 0, 0], 0)
    );
    let moved = table.moves(false);
    assert_eq!((counts(&moved), moved.erased), ([4, 0, 0, 0], 2));
    for name in ["one", "two", "gone", "forgotten"] {
        table.is_in_both(name);
    }
    assert!(!table.target.holds("gone") && !table.target.holds("forgotten"));
    // The next record is above all before, as in the source.
    let last = |log: &Log| Journals::open(log, "one").unwrap().0.last();
    types(&table.target, "two", 9);
    assert!(last(&table.target) >= last(&table.source));

    assert_eq!(
        counts(&table.moves(false)),
        [0, 0, 3, 1],
        "two was edited in the target"
    );
    types(&table.source, "one", 2);
    table.erases("two", None);
    let moved = table.moves(false);
    assert_eq!(counts(&moved), [0, 1, 2, 1]);
    assert!(moved.failed[0].0 == "two" && matches!(moved.failed[0].1, NotCarried::Other(_)));
    table.is_in_both("one");
    assert!(table.target.holds("two"));
    assert_eq!(counts(&table.moves(true)), [0, 1, 3, 0]);
    table.is_in_both("two");
}

#[test]
fn other_content_under_the_same_name_is_refused_and_left_as_it_is() {
    let table = Table::new();
    types(&table.source, "notes", 1);
    types(&table.target, "notes", 2);
    let before = table.target.open("notes").unwrap().1;
    let moved = table.moves(false);
    assert!(!moved.is_complete());
    let [(name, error)] = &moved.failed[..] else {
        panic!("{moved}");
    };
    assert_eq!(name, "notes");
    let said = error.to_string();
    assert!(
        said.contains("its content differs") && said.contains("--replace"),
        "{said}"
    );
    assert_eq!(table.target.open("notes").unwrap().1, before);
    // The former content of the target is in no ledger, so a ledger of another folder changes nothing.
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(
        counts(&table.moves_in(elsewhere.path(), false, false)),
        [0, 0, 0, 1]
    );
    assert_eq!(counts(&table.moves(true)), [0, 1, 0, 0]);
    table.is_in_both("notes");
}

/// A store that was restored has a later epoch than its documents, until they are opened.
#[test]
fn the_epoch_of_a_restored_store_goes_along() {
    let table = Table::new();
    types(&table.source, "notes", 1);
    let (journal, loaded) = table.source.open("notes").unwrap();
    let as_it_is = CarriedDocument::read(&loaded, journal.last(), 1).unwrap();
    let restored = CarriedDocument::read(&loaded, journal.last(), 1_700_000_000).unwrap();
    assert!(as_it_is.difference(&restored).is_some());
    let Some(bytes) = restored.content().bytes().cloned() else {
        panic!("a document");
    };
    let snapshot = (restored.last().get(), bytes);
    let room = Room::open(RoomOptions::default(), Some(&snapshot), &[], Time::ZERO).unwrap();
    assert_eq!(room.state().epoch(), 1_700_000_000);
}

#[test]
fn a_target_that_gives_back_something_else_is_found() {
    let table = Table::new();
    types(&table.source, "notes", 1);
    let (journal, loaded) = table.source.open("notes").unwrap();
    let document = CarriedDocument::read(&loaded, journal.last(), 1).unwrap();
    let verified = || document.verify(&table.target, "notes");
    let differs = |part: &str| match verified() {
        Err(NotCarried::Differs(found)) => assert_eq!(found, part),
        other => panic!("{other:?} is not about {part}"),
    };
    differs("that it exists");
    let store = |content, above| {
        let (mut journal, _) = table.target.open("notes").unwrap();
        journal.replace(above, content).unwrap();
    };
    let start = Position::START;
    store(document.content(), start);
    differs("its position");
    let other = {
        types(&table.source, "other", 2);
        let (journal, loaded) = table.source.open("other").unwrap();
        CarriedDocument::read(&loaded, journal.last(), 1).unwrap()
    };
    store(other.content(), document.last());
    differs("its content");
    store(MovedContent::Erased, start);
    differs("its erasure");
    store(document.content(), start);
    verified().unwrap();
    // A record more, that only changes the mode.
    let (mut journal, _) = table.target.open("notes").unwrap();
    let mode = Record::Presence(Event::ModeSet(Mode::Required));
    journal
        .append_overdrawn(mode.encode().unwrap(), Urgency::Soon)
        .unwrap();
    drop(journal);
    differs("its locks");
}
