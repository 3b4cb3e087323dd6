//! Finds or loads the one open document of a name.
//!
//! Owns the loading: a document is loaded once, by one loader, however many clients ask, and only
//! so many at a time. A failed load is an error to the clients that asked, who can try again; it is
//! never an empty document.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};

use baton_log::{DocumentJournal, Journals, LoadedDocument, LogError, NodeNews};
use baton_room::{HostId, LoadError, Room, RoomOptions};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::access::Authorizer;
use crate::clock::ServerClock;
use crate::cluster::node_news::{self, ClusterChanges};
use crate::config::Settings;
use crate::connection::close_codes;
use crate::connection::hocuspocus::HocuspocusLoad;
use crate::documents::compression_savings::CompressionSavings;
use crate::documents::document_task;
use crate::documents::open_document::OpenDocument;
use crate::documents::open_documents::{NotOpened, OpenDocuments};
use crate::documents::room_options::{bytes, room_options};
use crate::documents::tenant_storage;
use crate::documents::work_cost::{self, WorkClass};
use crate::documents::work_pool::WorkPool;
use crate::limits::inbound_memory_limit::InboundMemoryLimit;
use crate::limits::load_limit::{LoadLimit, LoadRefused, LoadTurn};
use crate::limits::storage_quota::{NewDocumentRefused, StorageAccount, StorageQuota};
use crate::net::source_key::SourceKeys;
use crate::ops::rejection_counters::{Rejection, RejectionCounters};
use crate::ops::store_failure;
use crate::sessions::open_sessions::OpenSessions;

/// The reason for which a document cannot be served. What is stored of it is unchanged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Full(#[from] NotOpened),
    #[error(transparent)]
    Busy(#[from] LoadRefused),
    #[error("the document could not be read: {0}; nothing was changed; reconnect later")]
    Log(#[from] LogError),
    #[error(
        "the document could not be opened: {0}; nothing was changed; its operator may restore a backup"
    )]
    Load(#[from] LoadError),
    #[error(transparent)]
    Quota(#[from] NewDocumentRefused),
}

impl OpenError {
    /// Returns the reason under which it is counted, if a limit was reached.
    pub(crate) fn refusal(&self) -> Option<Rejection> {
        match self {
            Self::Full(NotOpened::TooMany(_)) => Some(Rejection::Documents),
            Self::Busy(_) => Some(Rejection::Loads),
            Self::Quota(NewDocumentRefused::Documents(_)) => Some(Rejection::DocumentsStored),
            Self::Quota(NewDocumentRefused::Store(_)) => Some(Rejection::Store),
            Self::Quota(NewDocumentRefused::Tenant(full)) => Some(full.rejection()),
            Self::Full(NotOpened::Closing) | Self::Log(_) | Self::Load(_) => None,
        }
    }

    /// Returns the close code for the connection that asked for the document.
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

/// Documents in memory, and what all of them share; see the module.
pub(crate) struct Registry {
    settings: Arc<Settings>,
    log: Arc<dyn Journals>,
    clock: ServerClock,
    open_documents: Arc<OpenDocuments>,
    loads: LoadLimit,
    pool: Arc<WorkPool>,
    compression: Arc<CompressionSavings>,
    receiving: Arc<InboundMemoryLimit>,
    sources: SourceKeys,
    refusals: Arc<RejectionCounters>,
    quota: Arc<StorageQuota>,
    hocuspocus: HocuspocusLoad,
    sessions: Arc<OpenSessions>,
    cluster_changes: Arc<ClusterChanges>,
    /// Started by the first document, for all of them.
    watching_store: Once,
    /// Started by the first document, if tenants have limits on what they store.
    counting_store: Once,
}

impl Registry {
    pub(crate) fn new(
        settings: Arc<Settings>,
        log: Arc<dyn Journals>,
        authorizer: Arc<Authorizer>,
    ) -> Self {
        let refusals = Arc::new(RejectionCounters::default());
        let quota = StorageQuota::new(&settings, log.clone(), Arc::clone(&refusals));
        let sessions = OpenSessions::new(&settings, authorizer, Arc::clone(&refusals));
        Self {
            loads: LoadLimit::new(&settings),
            pool: Arc::new(WorkPool::new(&settings)),
            compression: Arc::default(),
            receiving: Arc::new(InboundMemoryLimit::new(bytes(settings.max_receiving))),
            sources: SourceKeys::default(),
            refusals,
            quota: Arc::new(quota),
            hocuspocus: HocuspocusLoad::default(),
            sessions: Arc::new(sessions),
            cluster_changes: Arc::default(),
            open_documents: Arc::new(OpenDocuments::new(settings.max_documents)),
            settings,
            log,
            clock: ServerClock::start(),
            watching_store: Once::new(),
            counting_store: Once::new(),
        }
    }

    /// Starts to pass news of the cluster on to the open documents. Returns the documents that are
    /// to get a snapshot, whether they are open or not.
    pub(crate) fn follow_cluster(
        &self,
        news: BoxStream<'static, NodeNews>,
    ) -> mpsc::Receiver<Arc<str>> {
        node_news::start(news, &self.log, &self.open_documents, &self.cluster_changes)
    }

    pub(crate) const fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    pub(crate) const fn log(&self) -> &Arc<dyn Journals> {
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

    pub(crate) fn compression(&self) -> &CompressionSavings {
        &self.compression
    }

    pub(crate) fn refusals(&self) -> &RejectionCounters {
        &self.refusals
    }

    pub(crate) fn hocuspocus(&self) -> &HocuspocusLoad {
        &self.hocuspocus
    }

    pub(crate) fn quota(&self) -> &StorageQuota {
        &self.quota
    }

    pub(crate) fn sessions(&self) -> &Arc<OpenSessions> {
        &self.sessions
    }

    /// Returns true if something is stored under this name, or if it is open.
    ///
    /// # Errors
    /// The log cannot be read at the moment.
    pub(crate) async fn holds(&self, name: &str) -> Result<bool, LogError> {
        if self.open_documents.has(name) {
            return Ok(true);
        }
        let (log, name) = (Arc::clone(&self.log), name.to_owned());
        let looking = tokio::task::spawn_blocking(move || log.holds(&name));
        // The runtime ends.
        looking.await.unwrap_or(Err(LogError::Closed))
    }

    /// Returns the document of this name, from memory or from the log.
    ///
    /// # Errors
    /// A limit was reached, or the document cannot be loaded. The next call tries again.
    pub(crate) async fn open(&self, name: &str) -> Result<Arc<OpenDocument>, OpenError> {
        let deadline = self.loads.deadline();
        let slot = self.open_documents.slot(name)?;
        // Boxed: every open connection would keep the memory that loading its document took.
        let load = || Box::pin(self.load(name, deadline));
        let opened = slot.get_or_try_init(load).await.cloned();
        match &opened {
            Ok(document) if document.misses_changes(self.cluster_changes.count()) => {
                Box::pin(document.follow_cluster(&self.log)).await;
            }
            Ok(_) => {}
            Err(_) => self.open_documents.forget_failed(name, &slot),
        }
        opened
    }

    async fn load(&self, name: &str, deadline: Instant) -> Result<Arc<OpenDocument>, OpenError> {
        self.counting_store
            .call_once(|| tenant_storage::count(&self.log, self.quota.tenants()));
        let mut account = self.quota.account(name).map_err(NewDocumentRefused::from)?;
        // A new document needs no disk and no other thread, which would cost more than the rest.
        if let Some(log) = self.log.open_new(name)? {
            account.admit_new()?;
            account.opened(name, 0);
            let room = Room::open(self.room_options(name), None, &[], self.clock.now())?;
            return self.start(name, OpenedParts { log, room, account }).await;
        }
        let turn = self.loads.turn(deadline).await?;
        let (log, document, clock) = (self.log.clone(), name.to_owned(), self.clock);
        let options = self.room_options(name);
        let loading = tokio::task::spawn_blocking(move || {
            let (log, loaded) = log.open(&document)?;
            // An erased document exists, but has to be admitted again like a new one.
            let has_content = loaded.has_content();
            if !has_content {
                account.admit_new()?;
            }
            account.opened(&document, if has_content { log.stored_bytes() } else { 0 });
            let loaded = StoredParts::new(log, loaded, account, turn);
            Ok::<_, OpenError>(match loaded.class() {
                WorkClass::Short => Opening::Done(loaded.open(options, clock)?),
                class => Opening::Long(Box::new((loaded, options)), class),
            })
        });
        let panicked = |error: String| OpenError::from(LoadError::Panicked(error));
        let opening = loading
            .await
            .map_err(|error| panicked(error.to_string()))??;
        let opened = match opening {
            Opening::Done(opened) => *opened,
            Opening::Long(stored, class) => {
                let turn = self.pool.turn(class).await;
                let opening = turn.run(move || {
                    let (stored, options) = *stored;
                    let opening = AssertUnwindSafe(|| stored.open(options, clock));
                    catch_unwind(opening).map_err(|_| "opening it panicked".to_owned())
                });
                let opened = opening
                    .await
                    .map_err(|stopped| panicked(stopped.to_string()))?;
                *opened.map_err(panicked)??
            }
        };
        self.start(name, opened).await
    }

    /// Appends what the opening itself proposed, and starts the document's task.
    async fn start(&self, name: &str, opened: OpenedParts) -> Result<Arc<OpenDocument>, OpenError> {
        let OpenedParts { log, room, account } = opened;
        let (clock, durability) = (self.clock, log.watch());
        let (pool, compression) = (Arc::clone(&self.pool), Arc::clone(&self.compression));
        let document = Arc::new(OpenDocument::new(
            Arc::from(name),
            clock,
            room,
            log,
            &self.log,
            (pool, compression),
            account,
        ));
        if document
            .begin(&*self.log, self.cluster_changes.count())
            .is_err()
        {
            return Err(LogError::Closed.into());
        }
        self.watching_store
            .call_once(|| store_failure::start(&*self.log, &self.open_documents));
        tokio::spawn(document_task::drive(
            Arc::clone(&document),
            Arc::clone(&self.open_documents),
            Arc::clone(&self.settings),
            durability,
        ));
        Ok(document)
    }

    fn room_options(&self, document: &str) -> RoomOptions {
        RoomOptions {
            host: self.log.node().map(|node| HostId(node.boot())),
            ..room_options(&self.settings, self.log.epoch(), self.clock, document)
        }
    }

    /// Removes a document that has left memory already.
    pub(crate) fn forget(&self, document: &Arc<OpenDocument>) {
        self.open_documents.forget(document);
    }

    /// Stops opening documents, and tells all clients to reconnect later, spread over `drain_over`.
    /// Waits until the deadline for documents that are at long work; the others do not wait for
    /// them. Returns how many documents could not tell their clients.
    pub(crate) async fn drain(&self, deadline: Instant) -> usize {
        let open = self.open_documents.close();
        let count = u32::try_from(open.len()).unwrap_or(u32::MAX).max(1);
        let pause = self.settings.drain_over.0 / count;
        let mut retiring = JoinSet::new();
        for document in open {
            if document.connections() > 0 && Instant::now() + pause < deadline {
                tokio::time::sleep(pause).await;
            }
            retiring.spawn(async move { document.retire().await });
        }
        let all = async { while retiring.join_next().await.is_some() {} };
        let _busy = tokio::time::timeout_at(deadline, all).await;
        retiring.len()
    }

    /// Returns how many documents are in memory.
    pub(crate) fn documents(&self) -> usize {
        self.open_documents.len()
    }
}

/// The parts of a document that is to be started.
struct OpenedParts {
    log: Box<dyn DocumentJournal>,
    room: Room,
    account: StorageAccount,
}

/// The stored parts of a document, from which a room is made.
struct StoredParts {
    log: Box<dyn DocumentJournal>,
    account: StorageAccount,
    snapshot: Option<(u64, Bytes)>,
    tail: Vec<(u64, Bytes)>,
    /// Held until the work is done.
    _turn: LoadTurn,
}

/// The progress of an opening on the thread that reads.
enum Opening {
    Done(Box<OpenedParts>),
    /// The pool does the rest.
    Long(Box<(StoredParts, RoomOptions)>, WorkClass),
}

impl StoredParts {
    fn new(
        log: Box<dyn DocumentJournal>,
        loaded: LoadedDocument,
        account: StorageAccount,
        turn: LoadTurn,
    ) -> Self {
        let tail = loaded.tail.into_iter();
        Self {
            log,
            account,
            snapshot: loaded.snapshot.map(|(at, bytes)| (at.get(), bytes)),
            tail: tail.map(|(at, bytes)| (at.get(), bytes)).collect(),
            _turn: turn,
        }
    }

    fn class(&self) -> WorkClass {
        let snapshot = self.snapshot.as_ref().map_or(0, |(_, bytes)| bytes.len());
        work_cost::load(
            snapshot,
            self.tail.iter().map(|(_, bytes)| bytes.len()).sum(),
        )
    }

    fn open(self, options: RoomOptions, clock: ServerClock) -> Result<Box<OpenedParts>, OpenError> {
        let room = Room::open(options, self.snapshot.as_ref(), &self.tail, clock.now())?;
        let (log, account) = (self.log, self.account);
        Ok(Box::new(OpenedParts { log, room, account }))
    }
}

#[cfg(test)]
mod tests;
