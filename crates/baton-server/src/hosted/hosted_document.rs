//! The handle of a hosted document.
//!
//! Owns the copy that the program reads and edits. It is brought up to date before each use, and
//! thrown away with an edit that did not get in.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use baton_room::{Receipts, Room};
use baton_sync::control_channel::{LockView, PeerView};
use baton_sync::{Document, DocumentOptions, Judgement, scan, yrs};
use bytes::Bytes;
use parking_lot::Mutex as SyncMutex;
use tokio::sync::{Mutex, broadcast, mpsc, oneshot};

use super::author::HostedAuthor;
use super::error::{HostedDocumentEnded, HostedEditError};
use super::event::HostedEvent;
use super::session_task::{HostedEdit, SessionTask, Views};
use crate::access::AccessGrant;
use crate::connection::close_codes;
use crate::connection::document_name;
use crate::connection::session::Session;
use crate::connection::socket_writer::{SlowReaderLimits, SocketWriter};
use crate::documents::open_document::OpenDocument;
use crate::documents::questions::ask;
use crate::documents::registry::Registry;
use crate::documents::room_options::bytes;
use crate::documents::work_cost::StepKind;
use crate::limits::message_rate_limit::MessageRateLimit;

/// Most events kept for a receiver that has not read them.
const EVENTS: usize = 1024;

/// Most edits on their way to the session.
const EDITS: usize = 16;

/// A document of the server, in this process: a session of its own, which ends when this is
/// dropped. It keeps the document in memory, and counts as one of its connections.
pub struct HostedDocument {
    document: Arc<OpenDocument>,
    /// Most bytes of an edit.
    most: usize,
    /// `None` while it is not known what is in it.
    copy: Mutex<Option<Document>>,
    edits: mpsc::Sender<HostedEdit>,
    events: broadcast::Sender<HostedEvent>,
    views: Arc<SyncMutex<Views>>,
}

impl HostedDocument {
    /// Opens the document, and joins it as this author.
    pub(crate) async fn open(
        registry: &Arc<Registry>,
        name: &str,
        author: &HostedAuthor,
    ) -> Result<Self, HostedDocumentEnded> {
        let settings = registry.settings();
        document_name::check(name, settings).map_err(|reason| HostedDocumentEnded {
            code: close_codes::BAD_NAME,
            reason,
        })?;
        let limits = SlowReaderLimits::new(settings);
        let source = registry.sources().of_this_process();
        let writer = SocketWriter::indirect(limits).comes_from(source, Receipts::None);
        let writer = Arc::new(writer);
        let grant = AccessGrant::of_program(name, author.access());
        let session = Session::join(
            Arc::clone(registry),
            name,
            &grant,
            Arc::clone(&writer),
            Arc::new(MessageRateLimit::new(settings)),
        );
        let session = session.await?;
        let (edits, orders) = mpsc::channel(EDITS);
        let (events, _) = broadcast::channel(EVENTS);
        let (welcome, welcomed) = oneshot::channel();
        let hosted = Self {
            document: Arc::clone(session.document()),
            most: bytes(settings.max_frame),
            copy: Mutex::new(None),
            edits,
            events: events.clone(),
            views: Arc::default(),
        };
        let task = SessionTask {
            session,
            writer,
            edits: orders,
            events,
            views: Arc::clone(&hosted.views),
            welcome: Some(welcome),
            undecided: VecDeque::new(),
            barriers: 0,
        };
        tokio::spawn(task.run());
        match welcomed.await {
            Ok(()) => Ok(hosted),
            Err(_) => Err(hosted.ended()),
        }
    }

    /// Reads the document as it is now, with all edits that have a position.
    ///
    /// # Errors
    /// The session is over, or the document cannot be read by the CRDT library.
    pub async fn read<R>(
        &self,
        read: impl FnOnce(&yrs::Transaction<'_>) -> R,
    ) -> Result<R, HostedEditError> {
        let mut kept = self.copy.lock().await;
        let copy = self.up_to_date(kept.take()).await?;
        let result = copy.read(read);
        *kept = Some(copy);
        Ok(result?)
    }

    /// Edits the document. On return the edit is durable: it is in the document and in the log, and
    /// those who are connected were sent it.
    ///
    /// `edit` must keep nothing of the transaction. It runs once, and before the locks are asked;
    /// what it did to the copy is thrown away with an error. A future that is dropped early leaves
    /// open if the edit gets in.
    ///
    /// # Errors
    /// See [`HostedEditError`].
    pub async fn edit<R>(
        &self,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Result<R, HostedEditError> {
        let mut kept = self.copy.lock().await;
        let mut copy = self.up_to_date(kept.take()).await?;
        let (result, update) = copy.transact(edit)?;
        if let Some(update) = update {
            self.bring_in(update).await?;
        }
        *kept = Some(copy);
        Ok(result)
    }

    async fn bring_in(&self, update: Bytes) -> Result<(), HostedEditError> {
        if update.len() > self.most {
            let (bytes, most) = (update.len(), self.most);
            return Err(HostedEditError::TooLarge { bytes, most });
        }
        let (done, told) = oneshot::channel();
        let edit = HostedEdit {
            update: update.clone(),
            done,
        };
        if self.edits.send(edit).await.is_err() {
            return Err(self.ended().into());
        }
        told.await.map_err(|_| self.ended())??;
        let kind = StepKind::Update(update.len());
        let is_kept = ask(&self.document, kind, move |room: &Room| {
            let state = room.state().document().state();
            scan(&update).is_ok_and(|scan| state.judge(&scan) == Judgement::Known)
        });
        match is_kept.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(HostedEditError::NotKept),
            Err(_) => Err(self.ended().into()),
        }
    }

    /// Brings a copy up to date, or makes one.
    async fn up_to_date(&self, copy: Option<Document>) -> Result<Document, HostedEditError> {
        let mut copy = copy.unwrap_or_else(|| Document::new(&DocumentOptions::default()));
        let since = copy.state().vector();
        let asking = ask(&self.document, StepKind::Difference, move |room: &Room| {
            room.state().document().difference(&since)
        });
        let difference = asking.await.map_err(|_| self.ended())?;
        match copy.apply(&difference) {
            Ok(_) => Ok(copy),
            Err(error) => Err(HostedDocumentEnded {
                code: close_codes::UNAVAILABLE,
                reason: format!("a copy of the document could not be made: {error}"),
            }
            .into()),
        }
    }

    /// Subscribes to what happens from now on. The queue is bounded: a receiver that lags is told
    /// how many of the oldest events it missed.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<HostedEvent> {
        self.events.subscribe()
    }

    /// Returns the locks and the queue for them, as the room last showed them.
    #[must_use]
    pub fn locks(&self) -> Option<LockView> {
        self.views.lock().locks.clone()
    }

    /// Returns all sessions in the document by number, this one included.
    #[must_use]
    pub fn people(&self) -> BTreeMap<u64, PeerView> {
        self.views.lock().people.clone()
    }

    /// Returns the number of this session.
    #[must_use]
    pub fn session(&self) -> Option<u64> {
        self.views.lock().session
    }

    fn ended(&self) -> HostedDocumentEnded {
        let ended = self.views.lock().ended.clone();
        ended.unwrap_or_else(|| HostedDocumentEnded {
            code: close_codes::UNAVAILABLE,
            reason: "the document was closed".to_owned(),
        })
    }
}

/// Shows the document's name, and not its content.
impl std::fmt::Debug for HostedDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostedDocument")
            .field("name", self.document.name())
            .field("session", &self.session())
            .finish_non_exhaustive()
    }
}
