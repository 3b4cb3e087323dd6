//! Which documents are in memory.
//!
//! Owns the map from a name to its one open document: loaded once, by one loader, however many ask; a failed load is an
//! error to who asked and can be tried again, never an empty document. The map's lock is held for moments, never over
//! an await; limits on documents and on loads under way are here.

use std::collections::HashMap;
use std::sync::Arc;

use baton_log::{Log, LogError};
use baton_presence::{AutoPass, FoldSettings};
use baton_room::{LoadError, ParkLimits, Room, RoomOptions};
use baton_sync::awareness::AwarenessLimits;
use baton_sync::handshake::HandshakeLimits;
use parking_lot::Mutex;
use tokio::sync::{OnceCell, Semaphore};

use crate::clock::Clock;
use crate::config::{Settings, Switch};
use crate::driver;
use crate::hosted::Hosted;

/// Why a document cannot be served. It stays stored as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(
        "the server has {0} documents in memory, which is all it may (max_documents); come again later"
    )]
    TooMany(usize),
    #[error("the document could not be read: {0}; nothing was changed; come again later")]
    Log(#[from] LogError),
    #[error("the document could not be opened: {0}; nothing was changed")]
    Load(#[from] LoadError),
    #[error("the server is going away; come again")]
    Closing,
}

type Slot = Arc<OnceCell<Arc<Hosted>>>;

/// The documents in memory; see the module.
pub(crate) struct Registry {
    settings: Arc<Settings>,
    log: Log,
    clock: Clock,
    slots: Mutex<Slots>,
    loads: Semaphore,
}

#[derive(Default)]
struct Slots {
    by_name: HashMap<Arc<str>, Slot>,
    closing: bool,
}

impl Registry {
    pub(crate) fn new(settings: Arc<Settings>, log: Log) -> Self {
        Self {
            loads: Semaphore::new(settings.max_loads),
            settings,
            log,
            clock: Clock::start(),
            slots: Mutex::default(),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// The document of this name, from memory or from the log.
    pub(crate) async fn open(self: &Arc<Self>, name: &str) -> Result<Arc<Hosted>, OpenError> {
        let slot = self.slot(name)?;
        let opened = slot.get_or_try_init(|| self.load(name)).await.cloned();
        if opened.is_err() {
            self.forget_failed(name, &slot);
        }
        opened
    }

    fn slot(&self, name: &str) -> Result<Slot, OpenError> {
        let mut slots = self.slots.lock();
        if slots.closing {
            return Err(OpenError::Closing);
        }
        if let Some(slot) = slots.by_name.get(name) {
            return Ok(Arc::clone(slot));
        }
        if slots.by_name.len() >= self.settings.max_documents {
            return Err(OpenError::TooMany(self.settings.max_documents));
        }
        let slot = Slot::default();
        slots.by_name.insert(Arc::from(name), Arc::clone(&slot));
        Ok(slot)
    }

    async fn load(self: &Arc<Self>, name: &str) -> Result<Arc<Hosted>, OpenError> {
        // The semaphore is never closed; were it, loading without a permit would be no harm.
        let _permit = self.loads.acquire().await;
        let (log, document, clock) = (self.log.clone(), name.to_owned(), self.clock);
        let options = self.room_options();
        let loading = tokio::task::spawn_blocking(move || {
            let (log, loaded) = log.open(&document)?;
            let snapshot = loaded.snapshot.map(|(at, bytes)| (at.get(), bytes));
            let tail: Vec<_> = loaded
                .tail
                .into_iter()
                .map(|(at, bytes)| (at.get(), bytes))
                .collect();
            let room = Room::open(options, snapshot.as_ref(), &tail, clock.now())?;
            Ok::<_, OpenError>((log, room))
        });
        let (log, room) = match loading.await {
            Ok(loaded) => loaded?,
            Err(error) => return Err(LoadError::Panicked(error.to_string()).into()),
        };
        let durability = log.watch();
        let hosted = Arc::new(Hosted::new(Arc::from(name), clock, room, log));
        // What the opening itself proposed (after a restart) gets its position before anybody comes in.
        if hosted.step(None, |_, _| ()).is_err() {
            return Err(LogError::Closed.into());
        }
        hosted.store_quarantine();
        tokio::spawn(driver::drive(
            Arc::clone(&hosted),
            Arc::clone(self),
            durability,
        ));
        Ok(hosted)
    }

    fn room_options(&self) -> RoomOptions {
        let settings = &self.settings;
        RoomOptions {
            timings: settings.timings(),
            fold: FoldSettings {
                epoch: self.log.epoch(),
                auto_pass: match settings.auto_pass {
                    Switch::On => AutoPass::On,
                    Switch::Off => AutoPass::Off,
                },
            },
            awareness: AwarenessLimits {
                entry_bytes: bytes(settings.max_awareness_entry),
                entries_per_owner: settings.max_awareness_entries,
                ..AwarenessLimits::default()
            },
            handshake: HandshakeLimits {
                aside_bytes: bytes(settings.max_aside),
            },
            parks: ParkLimits {
                bytes_per_session: bytes(settings.max_parked_per_session),
                parks: settings.max_parks,
            },
        }
    }

    /// Takes a document out of memory if it is idle. The map's lock is held while its log is given back, so that
    /// nobody opens it a second time before.
    pub(crate) fn unload_if_idle(&self, hosted: &Arc<Hosted>) -> bool {
        let mut slots = self.slots.lock();
        if !hosted.unload_if_idle(&self.settings) {
            return false;
        }
        Self::remove(&mut slots, hosted);
        true
    }

    /// Forgets a document that is out of memory already.
    pub(crate) fn forget(&self, hosted: &Arc<Hosted>) {
        Self::remove(&mut self.slots.lock(), hosted);
    }

    fn remove(slots: &mut Slots, hosted: &Arc<Hosted>) {
        let same = slots
            .by_name
            .get(&hosted.name)
            .and_then(|slot| slot.get())
            .is_some_and(|here| Arc::ptr_eq(here, hosted));
        if same {
            slots.by_name.remove(&hosted.name);
        }
    }

    fn forget_failed(&self, name: &str, slot: &Slot) {
        let mut slots = self.slots.lock();
        // Whoever waited for the same load may be trying again with this very slot; then it is theirs.
        let alone = Arc::strong_count(slot) <= 2 && !slot.initialized();
        if alone
            && slots
                .by_name
                .get(name)
                .is_some_and(|here| Arc::ptr_eq(here, slot))
        {
            slots.by_name.remove(name);
        }
    }

    /// Lets nobody in any more, and tells everybody to come again, spread over `drain_over`.
    pub(crate) async fn drain(&self) {
        let open: Vec<Arc<Hosted>> = {
            let mut slots = self.slots.lock();
            slots.closing = true;
            slots
                .by_name
                .values()
                .filter_map(|slot| slot.get().cloned())
                .collect()
        };
        let count = u32::try_from(open.len()).unwrap_or(u32::MAX).max(1);
        let pause = self.settings.drain_over.0 / count;
        for hosted in open {
            if hosted.connections() > 0 {
                tokio::time::sleep(pause).await;
            }
            hosted.retire();
        }
    }

    /// How many documents are in memory.
    pub(crate) fn documents(&self) -> usize {
        self.slots.lock().by_name.len()
    }
}

fn bytes(size: bytesize::ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}
