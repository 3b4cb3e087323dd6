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

/// What to do when an edit of this copy was parked, so that its later ones cannot be taken either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Divergence {
    /// Keep the copy as a [`Draft`](crate::Draft), and go on with a fresh one in the same session
    /// ([`Event::Diverged`](crate::Event::Diverged)).
    #[default]
    Afresh,
    /// Keep the copy, and send nothing of it any more ([`EditRight::Diverged`](crate::EditRight::Diverged)).
    Stop,
}

/// The secret that all clients of one user have in common, so that a lock can be moved from one to another
/// ([`Lock::move_here`](crate::Lock::move_here)), and parks find their author again.
#[derive(Clone, PartialEq, Eq)]
pub struct UserKey(String);

/// Not a key: a secret has 16 to 256 bytes. The caller's fault; nothing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user key has 16 to 256 bytes, and this one has {0}")]
pub struct UserKeyError(usize);

impl UserKey {
    /// A key from a secret that nobody else can guess.
    ///
    /// # Errors
    /// It is too short, or too long.
    pub fn new(secret: impl Into<String>) -> Result<Self, UserKeyError> {
        let secret = secret.into();
        match secret.len() {
            16..=256 => Ok(Self(secret)),
            bytes => Err(UserKeyError(bytes)),
        }
    }

    pub(crate) fn secret(&self) -> String {
        self.0.clone()
    }
}

/// Without the secret: this may be logged.
impl std::fmt::Debug for UserKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserKey(..)")
    }
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
    /// The grants that it held.
    pub fences: Vec<Fence>,
}

/// Without the secret: this may be logged.
impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket")
            .field("session", &self.session)
            .field("fences", &self.fences)
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
    /// What makes this client one of the same user as others; `None`: a user of its own.
    pub user_key: Option<UserKey>,
    /// Part in the passing on of the lock.
    pub role: Role,
    /// What to do with an offer of the lock.
    pub claim: Claim,
    /// What to do when an edit was parked.
    pub divergence: Divergence,
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
    /// A nameless editor who claims what is offered and goes on afresh after a park; 200 ms to 2.5 s between attempts, 10 s of silence, messages of up
    /// to 64 MiB, 8 MiB to be sent, 1024 events.
    #[must_use]
    pub fn new(url: impl Into<String>, document: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            document: document.into(),
            user: User::default(),
            user_key: None,
            role: Role::default(),
            claim: Claim::default(),
            divergence: Divergence::default(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_long_enough_and_never_shown() {
        assert_eq!(UserKey::new("short"), Err(UserKeyError(5)));
        assert_eq!(UserKey::new("x".repeat(257)), Err(UserKeyError(257)));
        let mut options = ClientOptions::new("ws://a/ws", "d");
        options.user_key = Some(UserKey::new("a secret of thirty-one characters").unwrap());
        assert!(!format!("{options:?}").contains("secret"));
    }
}
