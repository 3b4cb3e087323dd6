//! A model of a log, beside a log that is driven at random.
//!
//! The driver asks for each commit, so that a run is the same for the same seed. The model knows
//! all records that were appended and those that were *reported* durable, and checks the content of
//! a log that was opened again.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_log::{DocumentLog, LoadedDocument, Log, LogError, LogOptions, Position, Urgency};
use baton_testkit::Random;
use bytes::Bytes;

/// Options under which commits happen only on request, and rows are moved early.
pub(crate) fn options() -> LogOptions {
    let mut options = LogOptions::default();
    options.commit_delay = Duration::from_secs(3600);
    options.commit_bytes = usize::MAX;
    options.relocate_bytes = 2000;
    options.cache_bytes = 1 << 20;
    options
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

/// The required content of one document.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// Every record that has a position.
    records: BTreeMap<u64, Bytes>,
    last: u64,
    /// The position reported as durable.
    durable: u64,
    /// Requested bases in order, each with its snapshot (none: erased), from the one that is
    /// certainly durable on.
    bases: Vec<(u64, Option<Bytes>)>,
    /// True if none of them is certainly durable.
    fresh: bool,
}

/// The required content of all documents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) documents: BTreeMap<String, Document>,
}

impl Default for Document {
    fn default() -> Document {
        let (records, bases) = (BTreeMap::new(), Vec::new());
        Document {
            records,
            last: 0,
            durable: 0,
            bases,
            fresh: true,
        }
    }
}

impl Document {
    fn flushed(&mut self) {
        self.durable = self.last;
        self.fresh &= self.bases.is_empty();
        self.bases.drain(..self.bases.len().saturating_sub(1));
    }

    /// Checks a loaded document, and takes it for the required content from now on.
    fn judge(&mut self, name: &str, loaded: &LoadedDocument, last: u64) {
        let base = loaded.snapshot.as_ref().map_or_else(
            || {
                loaded
                    .tail
                    .first()
                    .map_or(last, |(position, _)| position.get() - 1)
            },
            |(position, _)| position.get(),
        );
        let stored = (
            base,
            loaded.snapshot.as_ref().map(|(_, bytes)| bytes.clone()),
        );
        let possible = self.bases.contains(&stored) || self.fresh && stored == (0, None);
        assert!(possible, "{name}: base {base} is none of those asked for");
        assert!(
            last >= self.durable,
            "{name}: at {last}, but {} was durable",
            self.durable
        );
        assert!(
            last <= self.last,
            "{name}: at {last}, but only {} were appended",
            self.last
        );
        assert_eq!(
            last - base,
            loaded.tail.len() as u64,
            "{name}: records are missing"
        );
        for (expected, (position, record)) in (base + 1..).zip(&loaded.tail) {
            assert_eq!(position.get(), expected, "{name}: positions have a gap");
            assert_eq!(
                Some(record),
                self.records.get(&expected),
                "{name}: {expected} differs"
            );
        }
        self.records.split_off(&(last + 1));
        (self.last, self.durable) = (last, last);
        // If anything is there now, it was durable.
        self.fresh &= stored == (0, None);
        self.bases = if self.fresh { Vec::new() } else { vec![stored] };
    }
}

impl Model {
    /// Opens every document of a reopened log, and checks it.
    pub(crate) fn judge(&mut self, log: &Log) {
        for (name, document) in &mut self.documents {
            let (opened, loaded) = log.open(name).unwrap();
            document.judge(name, &loaded, opened.last().get());
        }
        let listed = log.documents();
        for info in &listed {
            let document = &self.documents[&*info.name];
            assert_eq!(info.last.get(), document.last, "{} in the list", info.name);
        }
        // A document that was erased before it had a record may be stored or not; both look the
        // same.
        for (name, document) in &self.documents {
            let found = listed.iter().any(|info| *info.name == **name);
            assert!(found || document.last == 0, "{name} is not in the list");
        }
    }
}

/// Drives a log at random, with its documents open.
pub(crate) struct Driver<'a> {
    pub(crate) log: &'a Log,
    pub(crate) model: &'a mut Model,
    pub(crate) open: BTreeMap<String, DocumentLog>,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(log: &'a Log, model: &'a mut Model) -> Driver<'a> {
        Driver {
            log,
            model,
            open: BTreeMap::new(),
        }
    }

    /// Takes this many random steps; returns the error at which the log ended, if it did.
    pub(crate) fn run(&mut self, random: &mut Random, steps: usize) -> Result<(), LogError> {
        for _ in 0..steps {
            let outcome = self.step(random);
            self.note_durable();
            outcome?;
        }
        Ok(())
    }

    fn step(&mut self, random: &mut Random) -> Result<(), LogError> {
        // Chosen unevenly, so that some documents are quiet and keep old rows alive.
        let number = (random.fraction().powi(3) * 8.0) as usize;
        let name = format!("document {number}");
        match random.within(0..100) {
            0..60 => self.append(&name, random),
            60..72 => self.snapshot(&name, random),
            72..74 => self.erase(&name),
            74..80 => {
                self.open.remove(&name);
                Ok(())
            }
            _ => self.flush(),
        }
    }

    fn opened(&mut self, name: &str) -> Result<(&mut DocumentLog, &mut Document), LogError> {
        let model = self.model.documents.entry(name.to_owned()).or_default();
        if !self.open.contains_key(name) {
            let (document, loaded) = self.log.open(name)?;
            let mut now = model.clone();
            now.judge(name, &loaded, document.last().get());
            assert_eq!(now.last, model.last, "{name}: an open log loses nothing");
            *model = now;
            self.open.insert(name.to_owned(), document);
        }
        Ok((self.open.get_mut(name).unwrap(), model))
    }

    fn append(&mut self, name: &str, random: &mut Random) -> Result<(), LogError> {
        let len = match random.within(0..20) {
            0 => 0,
            1 => random.within(1000..20_000),
            _ => random.within(1..100),
        };
        let record = Bytes::from(random.bytes(len));
        let reservation = block_on(self.log.reserve(len))?;
        let (document, model) = self.opened(name)?;
        let position = document
            .append(reservation, record.clone(), Urgency::Soon)?
            .get();
        assert_eq!(position, model.last + 1);
        model.last = position;
        model.records.insert(position, record);
        Ok(())
    }

    fn snapshot(&mut self, name: &str, random: &mut Random) -> Result<(), LogError> {
        let len = random.within(0..3000);
        let bytes = Bytes::from(random.bytes(len));
        let back = random.within(0..4);
        let (document, model) = self.opened(name)?;
        let base = model.bases.last().map_or(0, |base| base.0);
        let at = model.last.saturating_sub(back).max(base);
        model.bases.push((at, Some(bytes.clone())));
        document.snapshot(Position::new(at), bytes)?;
        assert_eq!(document.tail_records(), model.last - at);
        let after = model
            .records
            .range(at + 1..)
            .map(|(_, record)| record.len() as u64);
        assert_eq!(document.tail_bytes(), after.sum::<u64>());
        Ok(())
    }

    fn erase(&mut self, name: &str) -> Result<(), LogError> {
        let (document, model) = self.opened(name)?;
        // A document that never had a record has nothing to erase, and leaves no trace.
        if model.last > 0 || !model.bases.is_empty() {
            model.bases.push((model.last, None));
        }
        document.erase()
    }

    fn flush(&mut self) -> Result<(), LogError> {
        block_on(self.log.flush())?;
        self.model
            .documents
            .values_mut()
            .for_each(Document::flushed);
        Ok(())
    }

    /// Notes the position that a document reports as durable, which must be there for ever.
    fn note_durable(&mut self) {
        for (name, document) in &self.open {
            let model = self.model.documents.get_mut(name).unwrap();
            model.durable = model.durable.max(document.durable().get());
        }
    }
}
