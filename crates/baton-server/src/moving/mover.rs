//! All documents of a log on their way to another, several at a time.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use baton_log::{DocumentInfo, Journals, LoadedDocument, LogError};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::carried_document::{CarriedDocument, is_general};
use super::ledger::{Ledger, Side};
use super::move_summary::{Carried, MoveSummary, NotCarried};

/// Documents that are on their way at the same time. Each waits for the engine most of its time.
const AT_ONCE: usize = 32;

/// Documents that were read and wait, in memory.
const WAITING: usize = 4;

/// Longest wait for a document to be stored. The engine may have to elect its leaders meanwhile.
const STORED: Duration = Duration::from_mins(1);

/// Progress, as it is reported after each document: how many are done, of how many.
pub(super) type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// A move; see the module.
pub(super) struct Mover<'a> {
    pub(super) source: &'a dyn Journals,
    pub(super) target: &'a dyn Journals,
    pub(super) to: Side,
    pub(super) ledger: Ledger,
    /// Documents of the target are replaced whatever they hold.
    pub(super) replace: bool,
    /// Nothing is written.
    pub(super) dry_run: bool,
    /// Runs the waits for the target.
    pub(super) runtime: Handle,
}

/// A document of the source, as the list of all gave it.
type Listed = (DocumentInfo, Result<LoadedDocument, LogError>);

impl Mover<'_> {
    /// Moves all documents. Blocks; not to be called on a thread of a runtime.
    ///
    /// # Errors
    /// The source cannot be listed, the target cannot be listed for a dry run. Errors of one
    /// document are in the summary.
    pub(super) fn run(&self, progress: Progress<'_>) -> Result<MoveSummary, NotCarried> {
        let began = Instant::now();
        let there = self.dry_run.then(|| self.list_target()).transpose()?;
        let summary = Mutex::new(MoveSummary {
            dry_run: self.dry_run,
            ..MoveSummary::default()
        });
        let gave_up = AtomicBool::new(false);
        let (listed, receiver) = sync_channel::<Listed>(WAITING);
        let receiver = Mutex::new(receiver);
        let of = self.source.document_count();
        let read = std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while let Some((info, loaded)) = next(&receiver) {
                        if gave_up.load(Ordering::Relaxed) {
                            continue;
                        }
                        let carried = self.carry(&info, loaded, there.as_ref());
                        let mut summary = summary.lock();
                        match carried {
                            Ok((carried, document)) => {
                                let (erased, bytes) = (document.is_erased(), document.bytes());
                                summary.count(carried, erased, bytes);
                            }
                            Err(error) => {
                                gave_up.fetch_or(is_general(&error), Ordering::Relaxed);
                                summary.failed.push((info.name.to_string(), error));
                            }
                        }
                        let failed = summary.failed.len();
                        let done = summary.copied + summary.replaced + summary.unchanged + failed;
                        drop(summary);
                        progress(done, of.max(done));
                    }
                });
            }
            let read = self.list(&mut |document| {
                // The workers end after the sender.
                let _sent = listed.send(document);
            });
            drop(listed);
            read
        });
        read.map_err(NotCarried::Source)?;
        let mut summary = summary.into_inner();
        summary.gave_up = gave_up.into_inner();
        summary.failed.sort_by(|one, next| one.0.cmp(&next.0));
        summary.took = began.elapsed();
        Ok(summary)
    }

    /// Passes each document of the source on. Of a cluster the names count only: what a server of
    /// the engine has of a document may be old.
    fn list(&self, each: &mut dyn FnMut(Listed)) -> Result<(), LogError> {
        if self.source.node().is_none() {
            return self
                .source
                .read_all(&mut |info, loaded| each((info, loaded)));
        }
        let mut all = Vec::new();
        self.source.read_all(&mut |info, loaded| {
            all.push((info, loaded.map(|_| LoadedDocument::default())));
        })?;
        all.into_iter().for_each(each);
        Ok(())
    }

    fn list_target(&self) -> Result<HashMap<String, CarriedDocument>, NotCarried> {
        let mut there = HashMap::new();
        let mut unread = Ok(());
        let read = self.target.read_all(&mut |info, loaded| {
            let read = loaded.map_err(NotCarried::Target).and_then(|loaded| {
                CarriedDocument::read(&loaded, info.last, 0).map_err(NotCarried::TargetState)
            });
            match read {
                Ok(document) => {
                    there.insert(info.name.to_string(), document);
                }
                Err(error) => unread = Err(error),
            }
        });
        read.map_err(NotCarried::Target)?;
        unread.map(|()| there)
    }

    fn carry(
        &self,
        info: &DocumentInfo,
        listed: Result<LoadedDocument, LogError>,
        there: Option<&HashMap<String, CarriedDocument>>,
    ) -> Result<(Carried, CarriedDocument), NotCarried> {
        let document = self.read(info, listed)?;
        let name = &*info.name;
        if !document.is_stored() {
            return Ok((Carried::Unchanged, document));
        }
        if let Some(there) = there {
            let stored = there.get(name);
            return Ok((self.verdict(name, &document, stored)?, document));
        }
        let (mut journal, loaded) = self.target.open(name).map_err(NotCarried::Target)?;
        let stored = CarriedDocument::read(&loaded, journal.last(), 0);
        let stored = match stored {
            Ok(stored) => Some(stored),
            Err(_) if self.replace => None,
            Err(error) => return Err(NotCarried::TargetState(error)),
        };
        let verdict = self.verdict(name, &document, stored.as_ref())?;
        if verdict == Carried::Unchanged {
            return Ok((verdict, document));
        }
        let (above, state) = (document.last(), document.digest());
        let failed = |error: io::Error| {
            NotCarried::Target(LogError::Failed {
                reason: format!("the ledger in the data folder cannot be written: {error}").into(),
            })
        };
        self.ledger
            .note(name, &state, self.to, false)
            .map_err(failed)?;
        let replaced = journal.replace(above, document.content());
        replaced.map_err(NotCarried::Target)?;
        drop(journal);
        let flush = async { timeout(STORED, self.target.flush()).await };
        let stored = self.runtime.block_on(flush).unwrap_or_else(|_| {
            let reason = format!("it did not store a document within {STORED:?}");
            Err(LogError::Failed {
                reason: reason.into(),
            })
        });
        stored.map_err(NotCarried::Target)?;
        document.verify(self.target, name)?;
        self.ledger
            .note(name, &state, self.to, true)
            .map_err(failed)?;
        Ok((verdict, document))
    }

    fn read(
        &self,
        info: &DocumentInfo,
        listed: Result<LoadedDocument, LogError>,
    ) -> Result<CarriedDocument, NotCarried> {
        let (mut loaded, mut last) = (listed.map_err(NotCarried::Source)?, info.last);
        if self.source.node().is_some() {
            let (journal, opened) = self.source.open(&info.name).map_err(NotCarried::Source)?;
            (loaded, last) = (opened, journal.last());
        }
        CarriedDocument::read(&loaded, last, self.source.epoch()).map_err(NotCarried::SourceState)
    }

    /// Decides what is done with a document of which the target has `stored`.
    fn verdict(
        &self,
        name: &str,
        document: &CarriedDocument,
        stored: Option<&CarriedDocument>,
    ) -> Result<Carried, NotCarried> {
        let Some(stored) = stored.filter(|stored| stored.is_stored()) else {
            return Ok(Carried::Copied);
        };
        if document.is_same(stored) {
            return Ok(Carried::Unchanged);
        }
        match document.difference(stored) {
            Some(part) if !self.replace && !self.ledger.knows(name, &stored.digest(), self.to) => {
                Err(NotCarried::Other(part))
            }
            _ => Ok(Carried::Replaced),
        }
    }
}

fn next(receiver: &Mutex<Receiver<Listed>>) -> Option<Listed> {
    receiver.lock().recv().ok()
}
