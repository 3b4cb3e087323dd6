//! The options of a client. Owns the settings and their defaults; decides nothing.

use std::time::Duration;

use baton_sync::control_channel::{FencingToken, User};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderName, HeaderValue};

use crate::backoff::Backoff;
use crate::error::HeaderError;
#[cfg(feature = "rustls")]
use crate::tls::TlsConfig;
use crate::token::{ClientToken, TokenPlacement, TokenSource};

/// Headers that the handshake itself sets.
const OWN_HEADERS: [&str; 5] = [
    "connection",
    "content-length",
    "host",
    "transfer-encoding",
    "upgrade",
];

/// The reaction to an offer of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
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
#[non_exhaustive]
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
#[non_exhaustive]
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

/// Resumes a session that another client had before ([`Client::ticket`](crate::Client::ticket)).
///
/// It holds a secret that works once: the first client that shows it has the session.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResumeTicket {
    /// The session.
    pub session: u64,
    /// The secret of the last welcome.
    pub token: String,
    /// The grants that the session held.
    pub fences: Vec<FencingToken>,
}

impl ResumeTicket {
    /// Returns the ticket of these parts, which another process kept.
    #[must_use]
    pub fn new(session: u64, token: impl Into<String>, fences: Vec<FencingToken>) -> Self {
        Self {
            session,
            token: token.into(),
            fences,
        }
    }
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
///
/// ```
/// use baton_client::{ClientOptions, ClientRole, ClientToken, User};
///
/// let options = ClientOptions::new("ws://localhost:8080/ws", "letter")
///     .with_user(User { name: "Ann".to_owned(), ..User::default() })
///     .with_token(ClientToken::new("eyJhbGciOi...")?)
///     .with_role(ClientRole::Observer)
///     .with_header("x-region", "north")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientOptions {
    /// The base URL of the documents: `ws://host:port/ws`, or `wss://` with the feature `rustls`.
    /// A query stays in the address of each document.
    pub url: String,
    /// The name of the document: 1 to 1024 bytes, no control characters; slashes are allowed.
    pub document: String,
    /// The token that the server asks for; [`Client::refresh_token`](crate::Client::refresh_token)
    /// replaces it.
    pub token: Option<ClientToken>,
    /// Gets a token when there is none, when the one at hand expires, and once after a refused one.
    pub token_source: Option<TokenSource>,
    /// The part of the handshake that carries the token.
    pub token_placement: TokenPlacement,
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
    /// Root types whose texts are watched: the changes that others make to them, and to texts
    /// inside of them, come with [`ClientEvent::Changed`](crate::ClientEvent::Changed). A watched
    /// root type without a known type becomes a text.
    pub watched_texts: Vec<String>,
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
    /// The certificates to believe in; `None` for those of the platform.
    #[cfg(feature = "rustls")]
    pub tls: Option<TlsConfig>,
    pub(crate) headers: HeaderMap,
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
            token_source: None,
            token_placement: TokenPlacement::default(),
            user: User::default(),
            user_key: None,
            role: ClientRole::default(),
            claim: ClaimPolicy::default(),
            divergence: DivergencePolicy::default(),
            resume: None,
            copy: Vec::new(),
            watched_texts: Vec::new(),
            epoch: None,
            backoff: Backoff::default(),
            silent_after: Duration::from_secs(10),
            max_message: 64 * 1024 * 1024,
            max_queued: 8 * 1024 * 1024,
            event_capacity: 1024,
            #[cfg(feature = "rustls")]
            tls: None,
            headers: HeaderMap::new(),
        }
    }

    /// Sets [`ClientOptions::user`].
    #[must_use]
    pub fn with_user(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    /// Sets [`ClientOptions::user_key`].
    #[must_use]
    pub fn with_user_key(mut self, key: UserSecret) -> Self {
        self.user_key = Some(key);
        self
    }

    /// Sets [`ClientOptions::token`].
    #[must_use]
    pub fn with_token(mut self, token: ClientToken) -> Self {
        self.token = Some(token);
        self
    }

    /// Sets [`ClientOptions::token_source`].
    #[must_use]
    pub fn with_token_source(mut self, source: TokenSource) -> Self {
        self.token_source = Some(source);
        self
    }

    /// Sets [`ClientOptions::token_placement`].
    #[must_use]
    pub const fn with_token_placement(mut self, placement: TokenPlacement) -> Self {
        self.token_placement = placement;
        self
    }

    /// Sets [`ClientOptions::role`].
    #[must_use]
    pub const fn with_role(mut self, role: ClientRole) -> Self {
        self.role = role;
        self
    }

    /// Sets [`ClientOptions::claim`].
    #[must_use]
    pub const fn with_claim(mut self, claim: ClaimPolicy) -> Self {
        self.claim = claim;
        self
    }

    /// Sets [`ClientOptions::divergence`].
    #[must_use]
    pub const fn with_divergence(mut self, divergence: DivergencePolicy) -> Self {
        self.divergence = divergence;
        self
    }

    /// Sets [`ClientOptions::resume`].
    #[must_use]
    pub fn with_resume(mut self, ticket: ResumeTicket) -> Self {
        self.resume = Some(ticket);
        self
    }

    /// Sets [`ClientOptions::copy`] and [`ClientOptions::epoch`].
    #[must_use]
    pub fn with_copy(mut self, copy: impl Into<Vec<u8>>, epoch: Option<u32>) -> Self {
        self.copy = copy.into();
        self.epoch = epoch;
        self
    }

    /// Adds a root type to [`ClientOptions::watched_texts`].
    #[must_use]
    pub fn with_watched_text(mut self, root: impl Into<String>) -> Self {
        self.watched_texts.push(root.into());
        self
    }

    /// Sets [`ClientOptions::backoff`].
    #[must_use]
    pub const fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets [`ClientOptions::tls`].
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn with_tls(mut self, tls: impl Into<TlsConfig>) -> Self {
        self.tls = Some(tls.into());
        self
    }

    /// Adds a header to each request for a WebSocket, in place of one with the same name. Its
    /// value is never shown in debug output. A token in [`TokenPlacement::Header`] takes the place
    /// of `Authorization`.
    ///
    /// # Errors
    /// [`HeaderError`]: the name or the value is none, or the handshake sets this header itself.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, HeaderError> {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| HeaderError::Name(name.to_owned()))?;
        if OWN_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("sec-websocket-") {
            return Err(HeaderError::Reserved(name.to_string()));
        }
        let mut value =
            HeaderValue::from_str(value).map_err(|_| HeaderError::Value(name.to_string()))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
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
    fn a_header_is_checked_and_its_value_never_shown() {
        let options = ClientOptions::new("ws://a/ws", "d");
        let options = options.with_header("X-Key", "a secret").unwrap();
        assert_eq!(options.headers["x-key"], "a secret");
        assert!(!format!("{options:?}").contains("a secret"));
        for own in ["Host", "upgrade", "Sec-WebSocket-Protocol"] {
            let refused = options.clone().with_header(own, "x").unwrap_err();
            assert_eq!(refused, HeaderError::Reserved(own.to_ascii_lowercase()));
        }
        let name = options.clone().with_header("a b", "x").unwrap_err();
        assert_eq!(name, HeaderError::Name("a b".to_owned()));
        let value = options.with_header("a", "x\r\ny: z").unwrap_err();
        assert_eq!(value, HeaderError::Value("a".to_owned()));
    }
}
