//! What a client is started with. Owns the settings and their defaults; decides nothing.

use std::time::Duration;

use baton_sync::channel::{Fence, User};

use crate::backoff::Backoff;

/// What to do with an offer of the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Claim {
    /// Take it at once.
    #[default]
    Auto,
    /// Leave it to whoever reads [`Event::Offer`](crate::Event::Offer):
    /// [`Client::claim`](crate::Client::claim) or [`Client::decline`](crate::Client::decline), in time.
    Ask,
}

/// Part in the passing on of the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// May hold the lock, and may be offered it when a holder goes offline, without having asked.
    #[default]
    Editor,
    /// Only watches: never offered the lock.
    Observer,
}

/// What goes on with a session that a client had before ([`Client::ticket`](crate::Client::ticket)).
///
/// It holds a secret that works once: whoever shows it first has the session.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The session.
    pub session: u64,
    /// The secret of its last welcome.
    pub token: String,
    /// The lock that it held.
    pub fence: Option<Fence>,
}

/// Without the secret: this may be logged.
impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket")
            .field("session", &self.session)
            .field("fence", &self.fence)
            .finish_non_exhaustive()
    }
}

/// What a client is started with; see [`ClientOptions::new`] for the defaults.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Where documents are served: `ws://host:port/ws`.
    pub url: String,
    /// The document: 1 to 1024 bytes, no control characters; may have slashes.
    pub document: String,
    /// Who is editing.
    pub user: User,
    /// Part in the passing on of the lock.
    pub role: Role,
    /// What to do with an offer of the lock.
    pub claim: Claim,
    /// Goes on with an earlier session instead of starting one.
    pub resume: Option<Ticket>,
    /// A copy of the document from earlier ([`Client::snapshot`](crate::Client::snapshot)); empty for none.
    pub copy: Vec<u8>,
    /// The epoch that `copy` belongs to ([`Client::epoch`](crate::Client::epoch)). A copy from before the document was
    /// restored from a backup is turned away (close code 4410) rather than merged.
    pub epoch: Option<u32>,
    /// Delays between attempts.
    pub backoff: Backoff,
    /// Silence after which an attempt, or a connection that was not welcomed yet, is given up. From the welcome on the
    /// server's own `server_silent_after` counts.
    pub silent_after: Duration,
    /// Largest message taken, in bytes.
    pub max_message: usize,
    /// Bytes that may wait to be sent; edits beyond it are sent later as one.
    pub max_queued: usize,
    /// Events kept for a receiver that has not read them yet; a slower one misses the oldest.
    pub event_capacity: usize,
}

impl ClientOptions {
    /// A nameless editor who claims what is offered; 200 ms to 2.5 s between attempts, 10 s of silence, messages of up
    /// to 64 MiB, 8 MiB to be sent, 1024 events.
    #[must_use]
    pub fn new(url: impl Into<String>, document: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            document: document.into(),
            user: User::default(),
            role: Role::default(),
            claim: Claim::default(),
            resume: None,
            copy: Vec::new(),
            epoch: None,
            backoff: Backoff::default(),
            silent_after: Duration::from_secs(10),
            max_message: 64 * 1024 * 1024,
            max_queued: 8 * 1024 * 1024,
            event_capacity: 1024,
        }
    }
}
