//! The session of one connection in a document: handles its frames, and leaves by `Drop`.
//!
//! Owns the order of a frame's way in: rate, decoding, room in the log's queue, then the room. All
//! waiting is done here, one frame after the other, so that it makes this one client wait. Knows no
//! socket: frames come as bytes, what goes out is queued on its [`SocketWriter`].

mod not_joined;
mod session_access;

use std::num::NonZeroU64;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use baton_room::{
    Arrival, ConnectionId, Departure, Ending, Incoming, OVERHEAD, ParkPreview, ResumeToken, Room,
    SyncKind, protocol_fault, would_take,
};
use bytes::Bytes;

use crate::access::{AccessDenied, AccessGrant, ShownToken};
use crate::config::Settings;
use crate::connection::close_codes;
use crate::connection::pending_flushes::{PendingFlushes, patiently};
use crate::connection::socket_writer::SocketWriter;
use crate::connection::wire_codec;
use crate::documents::open_document::{JoinError, OpenDocument, Step};
use crate::documents::registry::Registry;
use crate::documents::work_cost::StepKind;
use crate::limits::message_rate_limit::MessageRateLimit;
use crate::ops::rejection_counters::Rejection;
use crate::sessions::open_sessions::Renewal;

pub(crate) use self::not_joined::NotJoined;
use self::session_access::{SessionAccess, channel_token};

/// Most attempts to open a document that leaves memory in the very moment of joining.
const JOIN_TRIES: usize = 8;

static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// Most connections whose updates, kept aside, one frame may set free. With more, the document is
/// opened anew, and every client sends again what is not in it.
const ASIDES: usize = 8;

/// Time for which frames of one connection are handled before others have their turn.
const BUSY: Duration = Duration::from_millis(1);

/// Period in which a connection counts as heard while the server itself does not read from it.
const HEARD_EVERY: Duration = Duration::from_secs(2);

/// Most that one frame asks of the log's queue, in bytes.
pub(crate) fn largest_reservation(settings: &Settings) -> usize {
    let bytes = |size: bytesize::ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
    OVERHEAD + bytes(settings.max_frame) + ASIDES * bytes(settings.max_aside)
}

/// A connection in its document; see the module.
pub(crate) struct Session {
    pub(crate) id: ConnectionId,
    registry: Arc<Registry>,
    document: Arc<OpenDocument>,
    writer: Arc<SocketWriter>,
    token: ResumeToken,
    departure: Departure,
    rate: Arc<MessageRateLimit>,
    access: SessionAccess,
    /// Connections for which its frames queued something that is not flushed yet.
    due: PendingFlushes,
    /// Time that its frames took since others had their turn.
    busy: Duration,
}

/// The connection is over; its writer has the ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionOver;

impl Session {
    /// Opens the document and joins it. The rates are those of the socket.
    ///
    /// # Errors
    /// The document cannot be opened or joined at the moment. Nothing was queued.
    pub(crate) async fn join(
        registry: Arc<Registry>,
        document: &str,
        grant: &AccessGrant,
        writer: Arc<SocketWriter>,
        rate: Arc<MessageRateLimit>,
    ) -> Result<Self, NotJoined> {
        let mut random = [0; 16];
        if let Err(error) = getrandom::fill(&mut random) {
            tracing::error!(%error, "the system gives no random numbers");
            return Err(NotJoined::unavailable(
                "the server cannot draw a resume token; reconnect later",
            ));
        }
        let id = ConnectionId(CONNECTIONS.fetch_add(1, Ordering::Relaxed));
        let access = SessionAccess::enter(&registry, id, grant, writer.wire())?;
        let arrival = Arrival::new(grant.rights())
            .with_identity(grant.identity())
            .with_source(writer.source())
            .with_receipts(writer.receipts())
            .with_compression(writer.wire().has_compressed_frames());
        for _ in 0..JOIN_TRIES {
            let opened = match registry.open(document).await {
                Ok(opened) => opened,
                Err(error) => {
                    match error.refusal() {
                        Some(refusal) => registry.refusals().note(refusal, &error),
                        None => tracing::warn!(document, %error, "a document could not be opened"),
                    }
                    return Err(NotJoined {
                        code: error.close_code(),
                        reason: error.to_string(),
                    });
                }
            };
            match opened
                .join(id, &writer, arrival.clone(), registry.settings())
                .await
            {
                Ok(()) => {
                    let session = Self {
                        id,
                        registry,
                        document: opened,
                        writer,
                        due: PendingFlushes::default(),
                        busy: Duration::ZERO,
                        token: ResumeToken::new(random),
                        departure: Departure::Dropped,
                        rate,
                        access,
                    };
                    let Self {
                        access, document, ..
                    } = &session;
                    access.take_seat(id, document, grant.rights()).await?;
                    return Ok(session);
                }
                Err(JoinError::Gone(_)) => registry.forget(&opened),
                Err(full @ JoinError::Full(_)) => {
                    let refusals = registry.refusals();
                    refusals.note(Rejection::ConnectionsOfDocument, &full);
                    return Err(NotJoined {
                        code: close_codes::OVERLOADED,
                        reason: full.to_string(),
                    });
                }
            }
        }
        Err(NotJoined::unavailable(
            "the document is being closed; reconnect later",
        ))
    }

    /// A binary frame came. Waits while the log's queue is full, the connection is over its rate,
    /// or the document is at long work, which in turn makes its client wait.
    pub(crate) async fn frame(&mut self, frame: &Bytes) -> Result<(), ConnectionOver> {
        patiently(&mut self.due, self.rate.take(frame.len())).await;
        let decode = wire_codec::decoder(self.writer.wire());
        let kind = match decode(frame) {
            Ok(Incoming::Channel(payload)) if let Some(token) = channel_token(payload) => {
                let (document, due) = (&self.document, &mut self.due);
                let answered = self.access.answer_token(self.id, token, document, due);
                Box::pin(answered).await;
                return Ok(());
            }
            Ok(message) => StepKind::of(&message, self.id),
            Err(error) => return self.malformed(&error.to_string()).await,
        };
        let most = largest_reservation(self.registry.settings());
        let reserving = self.document.reserve(OVERHEAD + frame.len(), most);
        let reservation = match patiently(&mut self.due, reserving).await {
            Ok(reservation) => reservation,
            Err(error) => {
                self.writer
                    .end(close_codes::STORE_FAILED, error.to_string());
                return Err(ConnectionOver);
            }
        };
        let (id, token, frame) = (self.id, self.token, frame.clone());
        let step = Step {
            from: NonZeroU64::new(id.0),
            reservation,
            kind,
            wanted: || !self.writer.is_gone(),
            input: move |room: &mut Room, now| {
                // It could be decoded before.
                if let Ok(message) = decode(&frame) {
                    room.receive(id, message, token, now);
                }
            },
        };
        let stepped = self.document.step(step, &mut self.due).await;
        let stepped = stepped.map_err(|_| self.gone())?;
        self.spent(stepped.took).await;
        for (writer, preview) in stepped.previews {
            Box::pin(self.show(&writer, preview)).await;
        }
        if stepped.awaits_placement {
            Box::pin(self.placed()).await;
        }
        Ok(())
    }

    /// Brings in an edit of the program's own, unless a lock or a missing right would keep it out
    /// of the document: then nothing changes. Returns true if it was brought in.
    pub(crate) async fn edit(&mut self, update: Bytes) -> Result<bool, ConnectionOver> {
        let most = largest_reservation(self.registry.settings());
        let reserving = self.document.reserve(OVERHEAD + update.len(), most);
        let reserved = patiently(&mut self.due, reserving).await;
        let reservation = reserved.map_err(|error| {
            let reason = error.to_string();
            self.writer.end(close_codes::STORE_FAILED, reason);
            ConnectionOver
        })?;
        let (id, token, is_taken) = (self.id, self.token, Arc::new(AtomicBool::new(false)));
        let taken = Arc::clone(&is_taken);
        let step = Step {
            from: NonZeroU64::new(id.0),
            reservation,
            kind: StepKind::Update(update.len()),
            wanted: || true,
            input: move |room: &mut Room, now| {
                if would_take(room, id, &update) {
                    taken.store(true, Ordering::Relaxed);
                    room.receive(id, Incoming::Sync(SyncKind::Update, update), token, now);
                }
            },
        };
        let stepped = self.document.step(step, &mut self.due).await;
        if stepped.map_err(|_| self.gone())?.awaits_placement {
            Box::pin(self.placed()).await;
        }
        Ok(is_taken.load(Ordering::Relaxed))
    }

    /// Returns the document.
    pub(crate) const fn document(&self) -> &Arc<OpenDocument> {
        &self.document
    }

    /// Looks at another token of the client, and lets it take the place of the one before. Returns
    /// the access of the new one.
    ///
    /// # Errors
    /// The token gives no access, or is another user's. The session has its token of before.
    pub(crate) async fn show_token(
        &mut self,
        shown: &ShownToken,
    ) -> Result<(Renewal, Arc<AccessGrant>), AccessDenied> {
        self.access.show_token(self.id, shown, &mut self.due).await
    }

    /// Charges the time that a frame took. Others have their turn after a while, also if more of it
    /// is here.
    async fn spent(&mut self, took: Duration) {
        self.rate.spent(took);
        self.busy += took;
        if self.busy > BUSY {
            self.flush();
            tokio::task::yield_now().await;
        }
    }

    /// Works out what a park would change, and waits for it: a connection has one at a time.
    async fn show(&mut self, writer: &Arc<SocketWriter>, preview: ParkPreview) {
        self.flush();
        let previews = self.document.previews();
        let showing = previews.answer(writer, preview, || !self.writer.is_gone());
        let took = self.while_unread(showing).await;
        self.rate.spent(took);
    }

    /// Waits until the log has placed enough of what the connection sent.
    async fn placed(&mut self) {
        self.flush();
        self.while_unread(self.document.placed(self.id)).await;
    }

    /// Waits for something, in which no frames of the connection are read: its silence is the
    /// server's.
    async fn while_unread<T>(&self, waiting: impl Future<Output = T>) -> T {
        let mut waiting = pin!(waiting);
        loop {
            tokio::select! {
                biased;
                done = &mut waiting => return done,
                () = tokio::time::sleep(HEARD_EVERY) => self.document.heard(self.id).await,
            }
        }
    }

    /// No more frames are here for the moment: what they brought to others is sent off.
    pub(crate) fn flush(&mut self) {
        self.busy = Duration::ZERO;
        self.due.flush();
    }

    /// A ping or pong with so many bytes came. Counts for the rate as everything does.
    pub(crate) async fn control(&mut self, bytes: usize) {
        patiently(&mut self.due, self.rate.take(bytes)).await;
        patiently(&mut self.due, self.document.heard(self.id)).await;
    }

    /// A pong came. One that answers a probe tells the room so.
    pub(crate) async fn pong(&mut self, payload: &[u8]) {
        self.control(payload.len()).await;
        if let Ok(mark) = payload.try_into() {
            let (id, mark) = (self.id, u64::from_be_bytes(mark));
            let probed = move |room: &mut Room, now| room.heard(id, Some(mark), now);
            // A document that is gone has told this connection so already.
            let _ended = Box::pin(self.document.own_step(StepKind::Light, probed)).await;
        }
    }

    /// The connection gave a sign of life.
    pub(crate) async fn heard(&self) {
        self.document.heard(self.id).await;
    }

    /// Queues the difference for what was dropped while the client read too slowly.
    pub(crate) async fn catch_up(&mut self) {
        let took = Box::pin(self.document.catch_up(self.id, &mut self.due)).await;
        self.rate.spent(took);
        self.due.flush();
    }

    /// Something came that no client of this wire sends.
    pub(crate) async fn malformed(&mut self, fault: &str) -> Result<(), ConnectionOver> {
        let (id, fault) = (self.id, fault.to_owned());
        let malformed = move |room: &mut Room, now| {
            room.close(id, Ending::Protocol, protocol_fault(&fault), now);
        };
        let _ended = Box::pin(self.document.own_step(StepKind::Light, malformed)).await;
        Err(ConnectionOver)
    }

    /// Notes how the client leaves.
    pub(crate) fn leaves(&mut self, departure: Departure) {
        self.departure = departure;
    }

    fn gone(&self) -> ConnectionOver {
        self.writer.end(
            close_codes::UNAVAILABLE,
            "the document was closed; reconnect later",
        );
        ConnectionOver
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.document.leave(self.id, self.departure);
    }
}
