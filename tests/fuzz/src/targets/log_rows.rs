//! A store whose rows are anything: as they come, with the right checksums over nonsense, or with a journal whose
//! directory lies. A log starts on it or says why not; each document loads whole or says that it is damaged; what is
//! then appended is there after the next start.
//!
//! The layout is written here once more, from docs/storage-format.md.

use arbitrary::{Arbitrary, Result, Unstructured};
use baton_log::{
    Batch, Durability, LoadedDocument, Log, LogError, LogHealth, LogOptions, MemoryStore, Store,
    StoreTable, Urgency,
};
use bytes::Bytes;

use super::script::Script;

/// A document of ours, beside what is there.
const OURS: &str = "ours";

pub(crate) fn log_rows(input: &[u8]) {
    let store = MemoryStore::new();
    let mut batch = Batch::default();
    for (step, body) in Script::new(input).take(32) {
        let table = StoreTable::ALL[usize::from(step) % 4];
        let Some((&key, body)) = body.split_first() else {
            continue;
        };
        // Seldom one that no log has given out.
        let key = match key {
            255 => u64::MAX,
            254 => 1 << 61,
            253 => (1 << 32) - 1,
            252 => 60_000,
            key => u64::from(key),
        };
        let row = match step / 4 % 4 {
            0 => body.to_vec(),
            1 => sealed(table, key, body),
            _ if table == StoreTable::Journal => {
                lying(key, &mut Unstructured::new(body)).unwrap_or_default()
            }
            2 => sealed(table, key, body),
            _ => reasonable(table, key, body),
        };
        batch.puts.push((table, key, row.into()));
    }
    store.commit(batch).unwrap();
    let Ok(log) = Log::start(store.clone(), options()) else {
        return;
    };
    let before = look(&log);
    let (appended, erased) = append(&log);
    drop(log);
    let log = Log::start(store, options()).unwrap();
    for (name, loaded) in look(&log) {
        if name == OURS || Some(&name) == erased.as_ref() {
            continue;
        }
        let was = before.iter().find(|(other, _)| *other == name);
        let was = was.map(|(_, loaded)| loaded);
        // What could be read stays as it was; nothing is repaired by guessing.
        if let Some(Some(was)) = was {
            assert_eq!(loaded.as_ref(), Some(was), "{name}");
        }
    }
    if let Some(record) = appended {
        let (_, loaded) = log.open(OURS).unwrap();
        assert_eq!(
            loaded.tail.last().map(|(_, bytes)| bytes.clone()),
            Some(record)
        );
    }
}

fn options() -> LogOptions {
    let mut options = LogOptions::default();
    options.queue_bytes = 1 << 20;
    options.max_record_bytes = 1 << 19;
    options.relocate_bytes = 512;
    options
}

/// Opens every document that the log names.
fn look(log: &Log) -> Vec<(String, Option<LoadedDocument>)> {
    let mut found = Vec::new();
    for info in log.documents() {
        let loaded = match log.open(&info.name) {
            Ok((document, loaded)) => {
                let base = loaded.snapshot.as_ref().map(|(at, _)| *at);
                let mut next = base.or(loaded.tail.first().map(|(at, _)| *at));
                if base.is_some() {
                    next = next.map(baton_log::Position::next);
                }
                for (position, _) in &loaded.tail {
                    assert_eq!(Some(*position), next, "{}", info.name);
                    next = next.map(baton_log::Position::next);
                }
                assert_eq!(document.last(), info.last);
                assert_eq!(document.tail_records(), loaded.tail.len() as u64);
                Some(loaded)
            }
            Err(LogError::Damaged { document, .. }) => {
                assert_eq!(document, info.name);
                None
            }
            Err(LogError::InvalidName { .. }) => None,
            Err(other) => panic!("{other}"),
        };
        found.push((info.name.to_string(), loaded));
    }
    found
}

/// Appends to a document of ours, and erases the first that can be read: what then stands there, and which that was.
fn append(log: &Log) -> (Option<Bytes>, Option<String>) {
    let record = Bytes::from_static(b"appended");
    let Ok((mut ours, _)) = log.open(OURS) else {
        return (None, None);
    };
    let Ok(position) = ours.append_overdrawn(record.clone(), Urgency::Now) else {
        return (None, None);
    };
    let readable = log.documents().into_iter().find_map(|info| {
        let (document, _) = log.open(&info.name).ok()?;
        Some(document)
    });
    let mut erased = None;
    if let Some(mut other) = readable {
        erased = Some(other.name().to_owned());
        let at = other.append_overdrawn(record.clone(), Urgency::Now);
        if let Ok(at) = at
            && other.snapshot(at, Bytes::from_static(b"all of it")).is_ok()
        {
            other.erase().unwrap();
        }
    }
    let mut watch = ours.watch();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let told = runtime.block_on(async {
        let told = watch
            .wait_for(|told| !matches!(told, Durability::UpTo(at) if *at < position))
            .await;
        told.map(|told| matches!(*told, Durability::UpTo(_)))
    });
    assert!(
        matches!(log.health(), LogHealth::Good),
        "{:?}",
        log.health()
    );
    assert!(told.unwrap());
    (Some(record), erased)
}

fn checksum(key: u64, parts: &[&[u8]]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&key.to_be_bytes());
    parts.iter().for_each(|part| crc.update(part));
    crc.finalize().to_le_bytes()
}

/// The bytes with the checksum that belongs to them.
fn sealed(table: StoreTable, key: u64, body: &[u8]) -> Vec<u8> {
    match table {
        StoreTable::Meta => {
            let row = [b"BatonLog", body].concat();
            let crc = checksum(key, &[&row]);
            [&row[..], &crc].concat()
        }
        StoreTable::Documents | StoreTable::Snapshots => {
            [&checksum(key, &[body])[..], body].concat()
        }
        StoreTable::Journal => {
            let directory = [&[0][..], &(body.len() as u32).to_le_bytes(), body].concat();
            let roll = [body, &(body.len() as u32).to_le_bytes()].concat();
            let (head, foot) = (checksum(key, &[&directory]), checksum(key, &[&roll]));
            [&head[..], &directory, &roll, &foot].concat()
        }
    }
}

/// A row whose numbers are small, so that rows fit one another more often.
fn reasonable(table: StoreTable, key: u64, body: &[u8]) -> Vec<u8> {
    let number = |at: usize| u64::from(body.get(at).copied().unwrap_or(0));
    let rest = body.get(2..).unwrap_or(&[]);
    let body = match table {
        StoreTable::Meta => {
            let next = number(1).to_le_bytes();
            [&1_u32.to_le_bytes()[..], &1_u32.to_le_bytes(), &next].concat()
        }
        StoreTable::Documents => {
            let state = (number(0) % 3) as u8;
            let base = if state == 0 { 0 } else { number(1) };
            [&[state][..], &base.to_le_bytes(), rest].concat()
        }
        StoreTable::Snapshots | StoreTable::Journal => {
            [&number(1).to_le_bytes()[..], rest].concat()
        }
    };
    sealed(table, key, &body)
}

/// One run of a journal's directory.
#[derive(Debug, Arbitrary)]
struct Run {
    id: Number,
    first: Number,
    records: Vec<u8>,
    /// How many the directory says there are, if not as many as there are.
    claimed: Option<Number>,
    /// A length that it says instead of the first one.
    length: Option<Number>,
    crc: Option<u32>,
}

#[derive(Debug, Arbitrary)]
enum Number {
    Small(u8),
    Any(u64),
}

impl Number {
    fn get(&self) -> u64 {
        match self {
            Self::Small(number) => u64::from(*number % 8),
            Self::Any(number) => *number,
        }
    }
}

/// A journal row with right checksums, and runs that need not make sense.
fn lying(key: u64, u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let kind: u8 = u.int_in_range(0..=2)?;
    let runs: Vec<Run> = u.arbitrary()?;
    let (mut directory, mut body, mut roll) = (Vec::new(), Vec::new(), Vec::new());
    for run in &runs {
        let (id, first) = (run.id.get(), run.first.get());
        // Each byte is a record of so many bytes.
        let count = run
            .claimed
            .as_ref()
            .map_or(run.records.len() as u64, Number::get);
        varint(&mut directory, id);
        varint(&mut directory, first);
        varint(&mut directory, count);
        let mut bytes = Vec::new();
        for (index, length) in run.records.iter().enumerate() {
            let length = u64::from(*length % 5);
            bytes.resize(bytes.len() + length as usize, b'r');
            let said = run.length.as_ref().filter(|_| index == 0);
            varint(&mut directory, said.map_or(length, Number::get));
        }
        let crc = run.crc.unwrap_or_else(|| crc32fast::hash(&bytes));
        directory.extend(crc.to_le_bytes());
        body.extend(bytes);
        varint(&mut roll, id);
        varint(&mut roll, first.wrapping_add(count).wrapping_sub(1));
    }
    let length = (directory.len() as u32).to_le_bytes();
    let head = [&[kind][..], &length, &directory].concat();
    let foot = [&roll[..], &(roll.len() as u32).to_le_bytes()].concat();
    let crcs = (checksum(key, &[&head]), checksum(key, &[&foot]));
    Ok([&crcs.0[..], &head, &body, &foot, &crcs.1].concat())
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
