//! A model beside the log under any sequence of calls, on both stores, with the clock running. Rows
//! are tidied up when the commit thread gets to it.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_log::{
    DocumentLog, LoadedDocument, Log, LogOptions, MemoryStore, Position, RedbStore, Urgency,
};
use bytes::Bytes;
use proptest::prelude::*;

use crate::disk::Disk;
use crate::model::block_on;

#[derive(Clone, Debug)]
enum Call {
    Append {
        document: u8,
        record: Vec<u8>,
        now: bool,
    },
    Small {
        document: u8,
        record: Vec<u8>,
        now: bool,
    },
    Snapshot {
        document: u8,
        back: u64,
        bytes: Vec<u8>,
    },
    Erase {
        document: u8,
    },
    Close {
        document: u8,
    },
    Flush,
    Shutdown,
    Drop,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let document = || 0u8..4;
    let record = || {
        prop_oneof![
            9 => prop::collection::vec(any::<u8>(), 0..80),
            1 => prop::collection::vec(any::<u8>(), 2000..4000),
        ]
    };
    let call = prop_oneof![
        12 => (document(), record(), any::<bool>())
            .prop_map(|(document, record, now)| Call::Append { document, record, now }),
        4 => (document(), record(), any::<bool>())
            .prop_map(|(document, record, now)| Call::Small { document, record, now }),
        5 => (document(), 0u64..5, record())
            .prop_map(|(document, back, bytes)| Call::Snapshot { document, back, bytes }),
        1 => document().prop_map(|document| Call::Erase { document }),
        3 => document().prop_map(|document| Call::Close { document }),
        3 => Just(Call::Flush),
        1 => Just(Call::Shutdown),
        1 => Just(Call::Drop),
    ];
    prop::collection::vec(call, 1..80)
}

/// The required content of one document.
#[derive(Clone, Debug, Default)]
struct Expected {
    base: u64,
    snapshot: Option<(Position, Bytes)>,
    tail: BTreeMap<Position, Bytes>,
    last: u64,
    /// True once something was stored under its name.
    known: bool,
}

impl Expected {
    fn rebase(&mut self, base: u64, snapshot: Option<Bytes>) {
        self.base = base;
        self.snapshot = snapshot.map(|bytes| (Position::new(base), bytes));
        self.tail = self.tail.split_off(&Position::new(base + 1));
    }

    fn loaded(&self) -> LoadedDocument {
        let tail = self
            .tail
            .iter()
            .map(|(position, record)| (*position, record.clone()));
        LoadedDocument {
            snapshot: self.snapshot.clone(),
            tail: tail.collect(),
            erased: self.known && self.snapshot.is_none() && self.tail.is_empty(),
        }
    }
}

#[derive(Clone)]
enum Backend {
    Memory(MemoryStore),
    Redb(Disk),
}

impl Backend {
    fn start(&self) -> Log {
        let mut options = LogOptions::default();
        options.commit_delay = Duration::from_micros(200);
        options.relocate_bytes = 1000;
        match self {
            Backend::Memory(store) => Log::start(store.clone(), options).unwrap(),
            Backend::Redb(disk) => {
                let store = RedbStore::with_backend(disk.clone(), 1 << 20).unwrap();
                Log::start(store, options).unwrap()
            }
        }
    }
}

struct World {
    backend: Backend,
    log: Log,
    open: BTreeMap<u8, DocumentLog>,
    expected: BTreeMap<u8, Expected>,
}

impl World {
    fn new(backend: Backend) -> World {
        let log = backend.start();
        World {
            backend,
            log,
            open: BTreeMap::new(),
            expected: BTreeMap::new(),
        }
    }

    fn document(&mut self, number: u8) -> (&mut DocumentLog, &mut Expected) {
        let expected = self.expected.entry(number).or_default();
        let open = self.open.entry(number).or_insert_with(|| {
            let (document, loaded) = self.log.open(&format!("document {number}")).unwrap();
            assert_eq!(loaded, expected.loaded());
            assert_eq!(document.last().get(), expected.last);
            assert_eq!(document.durable(), document.last());
            document
        });
        (open, expected)
    }

    fn call(&mut self, call: Call) {
        let urgency = |now| if now { Urgency::Now } else { Urgency::Soon };
        match call {
            Call::Append {
                document,
                record,
                now,
            } => {
                let reservation = block_on(self.log.reserve(record.len())).unwrap();
                let record = Bytes::from(record);
                let (open, expected) = self.document(document);
                let position = open
                    .append(reservation, record.clone(), urgency(now))
                    .unwrap();
                expected.last += 1;
                assert_eq!(position.get(), expected.last);
                expected.tail.insert(position, record);
                expected.known = true;
            }
            Call::Small {
                document,
                record,
                now,
            } => {
                let record = Bytes::from(record);
                let (open, expected) = self.document(document);
                let position = open.append_overdrawn(record.clone(), urgency(now)).unwrap();
                expected.last += 1;
                assert_eq!(position.get(), expected.last);
                expected.tail.insert(position, record);
                expected.known = true;
            }
            Call::Snapshot {
                document,
                back,
                bytes,
            } => {
                let (open, expected) = self.document(document);
                let base = expected.last.saturating_sub(back).max(expected.base);
                open.snapshot(Position::new(base), bytes.clone().into())
                    .unwrap();
                expected.rebase(base, Some(bytes.into()));
                expected.known = true;
            }
            Call::Erase { document } => {
                let (open, expected) = self.document(document);
                open.erase().unwrap();
                expected.rebase(expected.last, None);
            }
            Call::Close { document } => drop(self.open.remove(&document)),
            Call::Flush => {
                block_on(self.log.flush()).unwrap();
                for open in self.open.values() {
                    assert_eq!(open.durable(), open.last());
                }
            }
            Call::Shutdown => {
                block_on(self.log.clone().shutdown()).unwrap();
                self.restart();
            }
            Call::Drop => self.restart(),
        }
        for (number, open) in &self.open {
            let expected = &self.expected[number];
            let bytes: usize = expected.tail.values().map(Bytes::len).sum();
            assert_eq!(open.tail_records(), expected.tail.len() as u64);
            assert_eq!(open.tail_bytes(), bytes as u64);
        }
    }

    fn restart(&mut self) {
        self.open.clear();
        let before = std::mem::replace(
            &mut self.log,
            Log::in_memory(LogOptions::default()).unwrap(),
        );
        drop(before);
        self.log = self.backend.start();
        assert!(self.log.damaged().is_empty());
        for number in self.expected.keys().copied().collect::<Vec<_>>() {
            self.document(number);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn either_store_holds_exactly_what_the_model_does(calls in calls()) {
        for backend in [Backend::Memory(MemoryStore::new()), Backend::Redb(Disk::default())] {
            let mut world = World::new(backend);
            for call in calls.clone() {
                world.call(call);
            }
            world.restart();
        }
    }
}
