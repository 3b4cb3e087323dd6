//! The options of a client. Owns the settings and their defaults; decides nothing.

use std::time::Duration;

use baton_sync::control_channel::{FencingToken, User};

use crate::backoff::Backoff;

/// Longest token, in bytes. A server takes no longer one.
const MAX_TOKEN: usize = 8 * 1024;

/// The reaction to an offer of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClaimPolicy {
    /// The client claims it at once.
    #[default]
    Auto,
    /// The program decides on [`ClientEvent::Offer`](crate::ClientEvent::Offer): it calls
    /// [`Client::claim`](crate::Client::claim) or [`Client::decline`](crate::Client::decline)
    /// before the offer expires.
    Ask,
}

/// The part that a session has when locks pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientRole {
    /// The session may hold locks. It may be offered the lock of a holder that goes offline,
    /// without having asked.
    #[default]
    Editor,
    /// The session only reads: it is never offered a lock.
    Observer,
}

/// The reaction to a parked edit. Later edits of the same copy build on it, so the server cannot
/// take them either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DivergencePolicy {
    /// The client keeps the copy as a [`Draft`](crate::Draft), and continues with a fresh one in
    /// the same session ([`ClientEvent::Diverged`](crate::ClientEvent::Diverged)).
    #[default]
    Afresh,
    /// The client keeps the copy, and sends nothing more of it
    /// ([`EditPermission::Diverged`](crate::EditPermission::Diverged)).
    Stop,
}

/// A secret that all clients of one user share. With it a lock can be moved from one to another
/// ([`Lock::move_here`](crate::Lock::move_here)), and parks find their author again.
#[derive(Clone, PartialEq, Eq)]
pub struct UserSecret(String);

/// A secret of the wrong length: 16 to 256 bytes are allowed. The caller's fault; nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user key has 16 to 256 bytes, but this one has {0}; choose another secret")]
pub struct UserSecretError(usize);

impl UserSecret {
    /// Makes a key of a secret, which others must not be able to guess.
    ///
    /// # Errors
    /// [`UserSecretError`]: the secret is too short or too long.
    pub fn new(secret: impl Into<String>) -> Result<Self, UserSecretError> {
        let secret = secret.into();
        match secret.len() {
            16..=256 => Ok(Self(secret)),
            bytes => Err(UserSecretError(bytes)),
        }
    }

    pub(crate) fn secret(&self) -> String {
        self.0.clone()
    }
}

/// Leaves out the secret, so that the output may be logged.
impl std::fmt::Debug for UserSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserSecret(..)")
    }
}

/// A token that a server with authentication asks for.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientToken(String);

/// A text that no server takes as a token. The caller's fault; nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token has 1 to 8192 visible ASCII characters, and this text has others; pass it exactly as its issuer made it"
)]
pub struct ClientTokenError;

impl ClientToken {
    /// Takes a token as its issuer made it.
    ///
    /// # Errors
    /// [`ClientTokenError`]: the text is empty or too long, or cannot stand in a header of HTTP.
    pub fn new(token: impl Into<String>) -> Result<Self, ClientTokenError> {
        let token = token.into();
        let is_usable = token.bytes().all(|byte| byte.is_ascii_graphic());
        if is_usable && (1..=MAX_TOKEN).contains(&token.len()) {
            Ok(Self(token))
        } else {
            Err(ClientTokenError)
        }
    }

    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

/// Leaves out the secret, so that the output may be logged.
impl std::fmt::Debug for ClientToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientToken(..)")
    }
}

/// Resumes a session that another client had before ([`Client::ticket`](crate::Client::ticket)).
///
/// It holds a secret that works once: the first client that shows it has the session.
#[derive(Clone, PartialEq, Eq)]
pub struct ResumeTicket {
    /// The session.
    pub session: u64,
    /// The secret of the last welcome.
    pub token: String,
    /// The grants that the session held.
    pub fences: Vec<FencingToken>,
}

/// Leaves out the secret, so that the output may be logged.
impl std::fmt::Debug for ResumeTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResumeTicket")
            .field("session", &self.session)
            .field("fences", &self.fences)
            .finish_non_exhaustive()
    }
}

/// The options of a client; see [`ClientOptions::new`] for the defaults.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The base URL of the documents: `ws://host:port/ws`.
    pub url: String,
    /// The name of the document: 1 to 1024 bytes, no control characters; slashes are allowed.
    pub document: String,
    /// The token that the server asks for. It is sent in a header, which no log shows;
    /// [`Client::refresh_token`](crate::Client::refresh_token) replaces it.
    pub token: Option<ClientToken>,
    /// The name and colour that others see.
    pub user: User,
    /// The secret shared by the clients of one user. `None`: this client is a user of its own.
    pub user_key: Option<UserSecret>,
    /// The part that this session has when locks pass on.
    pub role: ClientRole,
    /// The reaction to an offer of a lock.
    pub claim: ClaimPolicy,
    /// The reaction to a parked edit.
    pub divergence: DivergencePolicy,
    /// Resumes an earlier session instead of starting one.
    pub resume: Option<ResumeTicket>,
    /// An earlier copy of the document ([`Client::snapshot`](crate::Client::snapshot)); empty for
    /// none.
    pub copy: Vec<u8>,
    /// The epoch that `copy` belongs to ([`Client::epoch`](crate::Client::epoch)). The server turns
    /// away a copy from before it was restored from a backup (close code 4410).
    pub epoch: Option<u32>,
    /// Delays between attempts.
    pub backoff: Backoff,
    /// Longest silence of the server in an attempt, or on a connection that was not welcomed yet.
    /// From the welcome on, the server's own `server_silent_after` counts.
    pub silent_after: Duration,
    /// Largest message that is received, in bytes, and largest update that a compressed one may
    /// stand for.
    pub max_message: usize,
    /// Most bytes that wait to be sent. Further edits are sent later, as one update.
    pub max_queued: usize,
    /// Most events kept for a receiver that has not read them; a slower one misses the oldest.
    pub event_capacity: usize,
}

impl ClientOptions {
    /// Returns the options of a nameless editor that claims offers and continues with a fresh copy
    /// after a park. Defaults: 200 ms to 2.5 s between attempts, 10 s of silence, messages of up to
    /// 64 MiB, 8 MiB to be sent, 1024 events.
    #[must_use]
    pub fn new(url: impl Into<String>, document: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            document: document.into(),
            token: None,
            user: User::default(),
            user_key: None,
            role: ClientRole::default(),
            claim: ClaimPolicy::default(),
            divergence: DivergencePolicy::default(),
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
        assert_eq!(UserSecret::new("short"), Err(UserSecretError(5)));
        assert_eq!(UserSecret::new("x".repeat(257)), Err(UserSecretError(257)));
        let mut options = ClientOptions::new("ws://a/ws", "d");
        options.user_key = Some(UserSecret::new("a secret of thirty-one characters").unwrap());
        options.token = Some(ClientToken::new("a.secret.token").unwrap());
        assert!(!format!("{options:?}").contains("secret"));
    }

    #[test]
    fn a_token_can_stand_in_a_header() {
        for wrong in ["", "a b", "a\r\nx: y", "\u{e9}", &"x".repeat(8193)] {
            assert_eq!(ClientToken::new(wrong), Err(ClientTokenError), "{wrong}");
        }
        assert!(ClientToken::new("x".repeat(8192)).is_ok());
    }
}
