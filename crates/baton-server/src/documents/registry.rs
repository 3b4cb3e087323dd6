//! From a name to its one open document.
//!
//! Owns the loading: once, by one loader, however many ask, and so many at a time; a failed load is
//! an error to who asked and can be tried again, never an empty document.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};

use baton_log::{DocumentLog, LoadedDocument, Log, LogError};
use baton_presence::{AutoPass, LockSettings};
use baton_room::{LoadError, LockLimits, ParkLimits, Room, RoomOptions};
use baton_sync::awareness::AwarenessLimits;
use baton_sync::handshake::HandshakeLimits;
use baton_sync::{History, ScanLimits};
use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::{Settings, Switch};
use crate::connection::close_codes;
use crate::documents::document_task;
use crate::documents::open_document::Hosted;
use crate::documents::open_documents::{NotOpened, OpenDocuments};
use crate::documents::work_cost::{self, Work};
use crate::documents::work_pool::WorkPool;
use crate::limits::inbound_memory_limit::InboundMemoryLimit;
use crate::limits::load_limit::{Busy, LoadLimit, LoadTurn};
use crate::limits::storage_quota::{NoNewDocument, StorageQuota};
use crate::net::source_key::SourceKeys;
use crate::ops::rejection_counters::{Rejection, RejectionCounters};
use crate::ops::store_failure;

/// Why a document cannot be served. It stays stored as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Full(#[from] NotOpened),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error("the document could not be read: {0}; nothing was changed; come again later")]
    Log(#[from] LogError),
    #[error("the document could not be opened: {0}; nothing was changed")]
    Load(#[from] LoadError),
    #[error(transparent)]
    Quota(#[from] NoNewDocument),
}

impl OpenError {
    /// Returns the reason that it counts as, if a limit was met.
    pub(crate) fn refusal(&self) -> Option<Rejection> {
        match self {
            Self::Full(NotOpened::TooMany(_)) => Some(Rejection::Documents),
            Self::Busy(_) => Some(Rejection::Loads),
            Self::Quota(NoNewDocument::Documents(_)) => Some(Rejection::DocumentsStored),
            Self::Quota(NoNewDocument::Store(_)) => Some(Rejection::Store),
            Self::Full(NotOpened::Closing) | Self::Log(_) | Self::Load(_) => None,
        }
    }

    /// Returns the code with which a connection that wanted the document is closed.
    pub(crate) fn close_code(&self) -> u16 {
        match self {
            Self::Full(NotOpened::TooMany(_)) | Self::Busy(_) | Self::Quota(_) => {
                close_codes::OVERLOADED
            }
            Self::Full(NotOpened::Closing) => close_codes::GOING_AWAY,
            Self::Log(LogError::Failed { .. }) => close_codes::STORE_FAILED,
            Self::Log(_) | Self::Load(_) => close_codes::UNAVAILABLE,
        }
    }
}

/// The documents in memory; see the module.
pub(crate) struct Registry {
    settings: Arc<Settings>,
    log: Log,
    clock: Clock,
    slots: Arc<OpenDocuments>,
    loads: LoadLimit,
    pool: Arc<WorkPool>,
    receiving: Arc<InboundMemoryLimit>,
    sources: SourceKeys,
    refusals: Arc<RejectionCounters>,
    quota: Arc<StorageQuota>,
    /// Set by the first document, for all of them.
    watching_store: Once,
}

impl Registry {
    pub(crate) fn new(settings: Arc<Settings>, log: Log) -> Self {
        let refusals = Arc::new(RejectionCounters::default());
        let quota = StorageQuota::new(&settings, log.clone(), Arc::clone(&refusals));
        Self {
            loads: LoadLimit::new(&settings),
            pool: Arc::new(WorkPool::new(&settings)),
            receiving: Arc::new(InboundMemoryLimit::new(bytes(settings.max_receiving))),
            sources: SourceKeys::default(),
            refusals,
            quota: Arc::new(quota),
            slots: Arc::new(OpenDocuments::new(settings.max_documents)),
            settings,
            log,
            clock: Clock::start(),
            watching_store: Once::new(),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) fn loads(&self) -> &LoadLimit {
        &self.loads
    }

    pub(crate) fn sources(&self) -> &SourceKeys {
        &self.sources
    }

    pub(crate) fn receiving(&self) -> &Arc<InboundMemoryLimit> {
        &self.receiving
    }

    pub(crate) fn refusals(&self) -> &RejectionCounters {
        &self.refusals
    }

    pub(crate) fn quota(&self) -> &StorageQuota {
        &self.quota
    }

    /// Returns true if something is stored under this name, or if it is open.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.slots.has(name) || self.log.holds(name)
    }

    /// The document of this name, from memory or from the log.
    pub(crate) async fn open(&self, name: &str) -> Result<Arc<Hosted>, OpenError> {
        let deadline = self.loads.deadline();
        let slot = self.slots.slot(name)?;
        let load = || self.load(name, deadline);
        let opened = slot.get_or_try_init(load).await.cloned();
        if opened.is_err() {
            self.slots.forget_failed(name, &slot);
        }
        opened
    }

    async fn load(&self, name: &str, deadline: Instant) -> Result<Arc<Hosted>, OpenError> {
        // Nothing of a new document needs the disk, and no other thread: that would cost more than
        // all the rest.
        if let Some(log) = self.log.open_new(name)? {
            self.quota.admit_new()?;
            let room = Room::open(self.room_options(name), None, &[], self.clock.now())?;
            return self.host(name, room, log).await;
        }
        let turn = self.loads.turn(deadline).await?;
        let (log, document, clock) = (self.log.clone(), name.to_owned(), self.clock);
        let options = self.room_options(name);
        let quota = Arc::clone(&self.quota);
        let stored = self.log.clone();
        let loading = tokio::task::spawn_blocking(move || {
            let (log, loaded) = log.open(&document)?;
            // An erased document is there, and has to be admitted again before an edit.
            if loaded.tail.is_empty() && !stored.holds(&document) {
                quota.admit_new()?;
            }
            let loaded = Read::new(log, loaded, turn);
            Ok::<_, OpenError>(match loaded.work() {
                Work::Short => Opening::Done(loaded.open(options, clock)?),
                work => Opening::Long(Box::new((loaded, options)), work),
            })
        });
        let panicked = |error: String| OpenError::from(LoadError::Panicked(error));
        let opening = loading
            .await
            .map_err(|error| panicked(error.to_string()))??;
        let (log, room) = match opening {
            Opening::Done(opened) => *opened,
            Opening::Long(read, work) => {
                let turn = self.pool.turn(work).await;
                let opening = turn.run(move || {
                    let (read, options) = *read;
                    let opening = AssertUnwindSafe(|| read.open(options, clock));
                    catch_unwind(opening).map_err(|_| "opening it panicked".to_owned())
                });
                let opened = opening
                    .await
                    .map_err(|stopped| panicked(stopped.to_string()))?;
                *opened.map_err(panicked)??
            }
        };
        self.host(name, room, log).await
    }

    /// Lets the document in, and starts its driver.
    async fn host(
        &self,
        name: &str,
        room: Room,
        log: DocumentLog,
    ) -> Result<Arc<Hosted>, OpenError> {
        let (clock, durability) = (self.clock, log.watch());
        let (pool, account) = (Arc::clone(&self.pool), self.quota.account());
        let hosted = Arc::new(Hosted::new(
            Arc::from(name),
            clock,
            room,
            log,
            pool,
            account,
        ));
        if hosted.begin().is_err() {
            return Err(LogError::Closed.into());
        }
        self.watching_store
            .call_once(|| store_failure::start(&self.log, &self.slots));
        tokio::spawn(document_task::drive(
            Arc::clone(&hosted),
            Arc::clone(&self.slots),
            Arc::clone(&self.settings),
            durability,
        ));
        Ok(hosted)
    }

    fn room_options(&self, document: &str) -> RoomOptions {
        let settings = &self.settings;
        RoomOptions {
            timings: settings.timings(),
            lock_settings: LockSettings {
                epoch: self.log.epoch(),
                auto_pass: match settings.auto_pass {
                    Switch::On => AutoPass::On,
                    Switch::Off => AutoPass::Off,
                },
                mode: settings.mode.into(),
            },
            locks: LockLimits {
                per_session: settings.max_locks_per_session,
                in_document: settings.max_locks,
                bytes: bytes(settings.max_lock_bytes),
            },
            unix_at_zero_ms: self.clock.unix_at_zero_ms(),
            awareness: AwarenessLimits {
                entry_bytes: bytes(settings.max_awareness_entry),
                entries_per_owner: settings.max_awareness_entries,
                ..AwarenessLimits::default()
            },
            handshake: HandshakeLimits {
                aside_bytes: bytes(settings.max_aside),
                update: ScanLimits {
                    blocks: settings.max_update_blocks,
                    clients: settings.max_update_clients,
                    ranges: settings.max_update_ranges,
                },
            },
            parks: ParkLimits {
                bytes_per_session: bytes(settings.max_parked_per_session),
                parks: settings.max_parks,
                bytes: bytes(settings.max_parked),
                discarded_bytes: bytes(settings.max_discarded_parks),
            },
            history: if settings.keep_history.cover(document) {
                History::Keep
            } else {
                History::Drop
            },
            rest_after: settings.rest_after.0,
            ..RoomOptions::default()
        }
    }

    /// Forgets a document that is out of memory already.
    pub(crate) fn forget(&self, hosted: &Arc<Hosted>) {
        self.slots.forget(hosted);
    }

    /// Admits no client any more, and tells all clients to come again, spread over `drain_over`. A
    /// document that is at long work is waited for until the deadline, and keeps no other from
    /// being told. Returns how many were not told.
    pub(crate) async fn drain(&self, deadline: Instant) -> usize {
        let open = self.slots.close();
        let count = u32::try_from(open.len()).unwrap_or(u32::MAX).max(1);
        let pause = self.settings.drain_over.0 / count;
        let mut retiring = JoinSet::new();
        for hosted in open {
            if hosted.connections() > 0 && Instant::now() + pause < deadline {
                tokio::time::sleep(pause).await;
            }
            retiring.spawn(async move { hosted.retire().await });
        }
        let all = async { while retiring.join_next().await.is_some() {} };
        let _busy = tokio::time::timeout_at(deadline, all).await;
        retiring.len()
    }

    /// Returns how many documents are in memory.
    pub(crate) fn documents(&self) -> usize {
        self.slots.len()
    }
}

/// The stored parts of a document, to be made a room of.
struct Read {
    log: DocumentLog,
    snapshot: Option<(u64, Bytes)>,
    tail: Vec<(u64, Bytes)>,
    /// Its turn goes with the work.
    _turn: LoadTurn,
}

/// The progress of an opening on the thread that reads.
enum Opening {
    Done(Box<(DocumentLog, Room)>),
    /// It goes on on the pool.
    Long(Box<(Read, RoomOptions)>, Work),
}

impl Read {
    fn new(log: DocumentLog, loaded: LoadedDocument, turn: LoadTurn) -> Self {
        let tail = loaded.tail.into_iter();
        Self {
            log,
            snapshot: loaded.snapshot.map(|(at, bytes)| (at.get(), bytes)),
            tail: tail.map(|(at, bytes)| (at.get(), bytes)).collect(),
            _turn: turn,
        }
    }

    fn work(&self) -> Work {
        let snapshot = self.snapshot.as_ref().map_or(0, |(_, bytes)| bytes.len());
        work_cost::load(
            snapshot,
            self.tail.iter().map(|(_, bytes)| bytes.len()).sum(),
        )
    }

    fn open(
        self,
        options: RoomOptions,
        clock: Clock,
    ) -> Result<Box<(DocumentLog, Room)>, OpenError> {
        let room = Room::open(options, self.snapshot.as_ref(), &self.tail, clock.now())?;
        Ok(Box::new((self.log, room)))
    }
}

fn bytes(size: bytesize::ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}
