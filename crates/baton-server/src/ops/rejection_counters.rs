//! Counts rejections by reason for the metrics, and logs some of them.
//!
//! Owns the list of reasons. A flood of rejections costs an increment each, and one log line in
//! [`QUIET`] for each reason, so that it cannot fill a disk.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Time after a log line during which the same reason is not logged again.
const QUIET: Duration = Duration::from_secs(10);

/// The reason for a rejection; most are named after a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// `max_connections`.
    Connections,
    /// `max_connections_per_address`.
    ConnectionsOfAddress,
    /// `new_connections_per_second`.
    PaceOfAddress,
    /// `max_handshakes`: the oldest connection was closed.
    Handshakes,
    /// `max_handshakes_per_address`.
    HandshakesOfAddress,
    /// `handshake_timeout`, of a request's head or of the first message.
    HandshakeTime,
    /// `http_timeout`.
    HttpTime,
    /// A request that is not valid: a damaged head, or an incorrect handshake.
    Request,
    /// `max_connections_per_document`.
    ConnectionsOfDocument,
    /// `max_documents`.
    Documents,
    /// `max_waiting_loads` or `load_wait`.
    Loads,
    /// `max_frame`.
    Frame,
    /// `max_receiving`.
    Receiving,
    /// `max_outbox` or `max_behind`: the client reads too slowly.
    SlowReader,
    /// Frames that violate RFC 6455.
    WebSocket,
    /// The system has no file descriptors, or no memory for sockets.
    Accept,
    /// `allowed_origins`.
    Origin,
    /// `allowed_hosts`.
    Host,
    /// `max_document`: an edit.
    Document,
    /// `max_documents_stored`: a new document.
    DocumentsStored,
    /// `max_store`: an edit or a new document.
    Store,
    /// `max_awareness`, or a limit of one document's awareness.
    Awareness,
    /// `max_backlog` or `max_backlog_messages`.
    Backlog,
    /// `max_documents_per_connection`.
    DocumentsOfConnection,
    /// A Stateless message of the Hocuspocus wire that is not of Baton's channel.
    Stateless,
    /// A handshake of TLS that failed, or plain HTTP where TLS is spoken.
    Tls,
    /// An open session whose token has expired.
    SessionExpired,
    /// A session whose token was revoked.
    SessionRevoked,
    /// An open session that a look at its access ended.
    SessionDenied,
    /// `max_connections_per_tenant`.
    ConnectionsOfTenant,
    /// `max_documents_per_tenant`.
    DocumentsOfTenant,
    /// `max_documents_stored_per_tenant`: a new document.
    DocumentsStoredOfTenant,
    /// `max_store_per_tenant`: an edit or a new document.
    StoreOfTenant,
}

/// All reasons, with their names in metrics and logs.
const REASONS: [(Rejection, &str); 33] = [
    (Rejection::Connections, "connections"),
    (Rejection::ConnectionsOfAddress, "connections_of_address"),
    (Rejection::PaceOfAddress, "pace_of_address"),
    (Rejection::Handshakes, "handshakes"),
    (Rejection::HandshakesOfAddress, "handshakes_of_address"),
    (Rejection::HandshakeTime, "handshake_time"),
    (Rejection::HttpTime, "http_time"),
    (Rejection::Request, "request"),
    (Rejection::ConnectionsOfDocument, "connections_of_document"),
    (Rejection::Documents, "documents"),
    (Rejection::Loads, "loads"),
    (Rejection::Frame, "frame"),
    (Rejection::Receiving, "receiving"),
    (Rejection::SlowReader, "slow_reader"),
    (Rejection::WebSocket, "websocket"),
    (Rejection::Accept, "accept"),
    (Rejection::Origin, "origin"),
    (Rejection::Host, "host"),
    (Rejection::Document, "document"),
    (Rejection::DocumentsStored, "documents_stored"),
    (Rejection::Store, "store"),
    (Rejection::Awareness, "awareness"),
    (Rejection::Backlog, "backlog"),
    (Rejection::DocumentsOfConnection, "documents_of_connection"),
    (Rejection::Stateless, "stateless"),
    (Rejection::Tls, "tls"),
    (Rejection::SessionExpired, "session_expired"),
    (Rejection::SessionRevoked, "session_revoked"),
    (Rejection::SessionDenied, "session_denied"),
    (Rejection::ConnectionsOfTenant, "connections_of_tenant"),
    (Rejection::DocumentsOfTenant, "documents_of_tenant"),
    (
        Rejection::DocumentsStoredOfTenant,
        "documents_stored_of_tenant",
    ),
    (Rejection::StoreOfTenant, "store_of_tenant"),
];

/// See the module.
#[derive(Debug)]
pub(crate) struct RejectionCounters {
    counters: [ReasonCounter; REASONS.len()],
}

impl Default for RejectionCounters {
    fn default() -> Self {
        Self {
            counters: std::array::from_fn(|_| ReasonCounter::default()),
        }
    }
}

/// The count of one reason for rejections.
#[derive(Debug, Default)]
pub(crate) struct ReasonCounter {
    count: AtomicU64,
    logged: Mutex<LastLogged>,
}

#[derive(Debug, Default)]
struct LastLogged {
    at: Option<Instant>,
    count: u64,
}

impl ReasonCounter {
    /// Counts one rejection for the reason `why`. Logs `what`, unless this reason was logged within
    /// [`QUIET`].
    pub(crate) fn note(&self, why: &'static str, what: impl Display) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(mut logged) = self.logged.try_lock() else {
            return;
        };
        let now = Instant::now();
        if logged.at.is_some_and(|at| now.duration_since(at) < QUIET) {
            return;
        }
        let since = count.saturating_sub(logged.count);
        *logged = LastLogged {
            at: Some(now),
            count,
        };
        drop(logged);
        tracing::warn!(why, since, in_all = count, "refused: {what}");
    }

    /// Returns the number of rejections since the start.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl RejectionCounters {
    /// Counts one rejection. Logs `what`, unless this reason was logged within [`QUIET`].
    pub(crate) fn note(&self, refusal: Rejection, what: impl Display) {
        let (_, why) = REASONS[refusal as usize];
        self.counters[refusal as usize].note(why, what);
    }

    /// Returns each reason with the number of its rejections since the start.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.counters.iter().map(ReasonCounter::count);
        REASONS.iter().map(|(_, why)| *why).zip(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_place_and_word() {
        for (place, (refusal, why)) in REASONS.iter().enumerate() {
            assert_eq!(*refusal as usize, place, "{why}");
            let same = REASONS.iter().filter(|(_, word)| word == why).count();
            assert_eq!(same, 1, "{why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_counted_and_said_once_in_a_while() {
        let refusals = RejectionCounters::default();
        for _ in 0..1000 {
            refusals.note(Rejection::Loads, "too many");
        }
        let count = |refusals: &RejectionCounters| refusals.each().find(|(why, _)| *why == "loads");
        assert_eq!(count(&refusals), Some(("loads", 1000)));
        let logged = |refusals: &RejectionCounters| {
            let logged = refusals.counters[Rejection::Loads as usize].logged.lock();
            logged.count
        };
        assert_eq!(logged(&refusals), 1);
        tokio::time::advance(QUIET).await;
        refusals.note(Rejection::Loads, "too many");
        assert_eq!(logged(&refusals), 1001);
    }
}
