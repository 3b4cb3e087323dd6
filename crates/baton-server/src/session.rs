//! One connection's seat in a document: what its frames mean, and leaving by `Drop`.
//!
//! Owns the order of a frame's way in: rate, decoding, room in the log's queue, then the room. Knows no socket: frames
//! come as bytes, what goes out is queued on its [`Line`].

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use baton_room::{ConnectionId, Departure, OVERHEAD, ResumeToken};
use bytes::Bytes;
use futures_util::future::poll_immediate;

use crate::config::Settings;
use crate::hosted::{Hosted, JoinError};
use crate::line::{Due, Line};
use crate::rate::Rate;
use crate::refusals::Refusal;
use crate::registry::Registry;
use crate::{close, wire};

/// How often a document that left memory in the very moment of joining is opened again.
const JOIN_TRIES: usize = 8;

static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// How many connections' updates, kept aside, a frame may set free at once. With more, the document is opened anew, and
/// everybody brings what is not in it.
const ASIDES: usize = 8;

/// Most that one frame asks of the log's queue, in bytes.
pub(crate) fn largest_reservation(settings: &Settings) -> usize {
    let bytes = |size: bytesize::ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
    OVERHEAD + bytes(settings.max_frame) + ASIDES * bytes(settings.max_aside)
}

/// A connection in its document; see the module.
pub(crate) struct Session {
    pub(crate) id: ConnectionId,
    registry: Arc<Registry>,
    hosted: Arc<Hosted>,
    line: Arc<Line>,
    token: ResumeToken,
    departure: Departure,
    rate: Rate,
    /// What its frames brought to others and is not sent off yet.
    due: Due,
}

/// The connection is over; its ending is on its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Over;

impl Session {
    /// Opens the document and takes a seat in it. When that fails, the line has the ending.
    pub(crate) async fn join(
        registry: Arc<Registry>,
        document: &str,
        line: Arc<Line>,
    ) -> Result<Self, Over> {
        let mut random = [0; 16];
        if let Err(error) = getrandom::fill(&mut random) {
            tracing::error!(%error, "the system gives no random numbers");
            line.end(
                close::UNAVAILABLE,
                "the server cannot draw a resume token; come again",
            );
            return Err(Over);
        }
        let id = ConnectionId(CONNECTIONS.fetch_add(1, Ordering::Relaxed));
        for _ in 0..JOIN_TRIES {
            let hosted = match registry.open(document).await {
                Ok(hosted) => hosted,
                Err(error) => {
                    match error.refusal() {
                        Some(refusal) => registry.refusals().note(refusal, &error),
                        None => tracing::warn!(document, %error, "a document could not be opened"),
                    }
                    line.end(error.close_code(), error.to_string());
                    return Err(Over);
                }
            };
            match hosted.join(id, &line, registry.settings()) {
                Ok(()) => {
                    let rate = Rate::new(registry.settings());
                    return Ok(Self {
                        id,
                        registry,
                        hosted,
                        line,
                        due: Due::default(),
                        token: ResumeToken::new(random),
                        departure: Departure::Dropped,
                        rate,
                    });
                }
                Err(JoinError::Gone(_)) => registry.forget(&hosted),
                Err(full @ JoinError::Full(_)) => {
                    let refusals = registry.refusals();
                    refusals.note(Refusal::ConnectionsOfDocument, &full);
                    line.end(close::OVERLOADED, full.to_string());
                    return Err(Over);
                }
            }
        }
        line.end(
            close::UNAVAILABLE,
            "the document is being closed; come again",
        );
        Err(Over)
    }

    /// A binary frame came. Waits while the log's queue is full or the connection is over its rate, which in turn makes
    /// its client wait.
    pub(crate) async fn frame(&mut self, frame: &Bytes) -> Result<(), Over> {
        patiently(&mut self.due, self.rate.take(frame.len())).await;
        let message = match wire::decode(frame) {
            Ok(message) => message,
            Err(error) => return self.malformed(&error.to_string()),
        };
        let most = largest_reservation(self.registry.settings());
        let bytes = (OVERHEAD + frame.len() + self.hosted.aside_bytes()).min(most);
        let reservation = match patiently(&mut self.due, self.hosted.share.reserve(bytes)).await {
            Ok(reservation) => reservation,
            Err(error) => {
                self.line.end(close::STORE_FAILED, error.to_string());
                return Err(Over);
            }
        };
        let (id, token) = (self.id, self.token);
        self.hosted
            .step_with(Some(reservation), &mut self.due, |room, now| {
                room.receive(id, message, token, now);
            })
            .map_err(|_| self.gone())
    }

    /// No more frames are here for the moment: what they brought to others is sent off.
    pub(crate) fn flush(&mut self) {
        self.due.flush();
    }

    /// A ping or pong with so many bytes came. Counts for the rate as everything does.
    pub(crate) async fn control(&mut self, bytes: usize) {
        patiently(&mut self.due, self.rate.take(bytes)).await;
        self.heard();
    }

    /// The connection gave a sign of life.
    pub(crate) fn heard(&self) {
        let id = self.id;
        // A document that is gone has told this connection so already.
        let _ended = self.hosted.step(None, |room, now| room.heard(id, now));
    }

    /// What it was not sent for want of reading is made up for.
    pub(crate) fn catch_up(&mut self) {
        // A document that is gone has told this connection so already.
        let _ended = self.hosted.catch_up(self.id, &mut self.due);
        self.due.flush();
    }

    /// Something came that no client of this wire sends.
    pub(crate) fn malformed(&self, fault: &str) -> Result<(), Over> {
        let id = self.id;
        let _ended = self
            .hosted
            .step(None, |room, now| room.malformed(id, fault, now));
        Err(Over)
    }

    /// The client said that it is done.
    pub(crate) fn done(&mut self) {
        self.departure = Departure::Done;
    }

    fn gone(&self) -> Over {
        self.line
            .end(close::UNAVAILABLE, "the document was closed; come again");
        Over
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.hosted.leave(self.id, self.departure);
    }
}

/// Awaits something that is mostly there already. If it is not, nobody waits for what is due in the meantime.
async fn patiently<F: Future>(due: &mut Due, future: F) -> F::Output {
    let mut future = pin!(future);
    match poll_immediate(&mut future).await {
        Some(ready) => ready,
        None => {
            due.flush();
            future.await
        }
    }
}
