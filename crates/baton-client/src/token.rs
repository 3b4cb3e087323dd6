//! Tokens for a server that asks for them: one at hand, and a source of others.
//!
//! Owns the checks of a token and the call of the program's source; decides nothing about when a
//! token is asked for, or shown.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;

/// Longest token, in bytes. A server takes no longer one.
const MAX_TOKEN: usize = 8 * 1024;

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
impl fmt::Debug for ClientToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientToken(..)")
    }
}

/// A token source has no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenSourceError {
    /// The source may have a token later: the client asks again after a delay. The text is for
    /// people.
    #[error("no token can be had now: {0}")]
    Unavailable(String),
    /// There will be no token for this client: it ends. The text is for people.
    #[error("there is no token to be had: {0}")]
    Denied(String),
}

/// The part of the handshake that carries the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TokenPlacement {
    /// The header `Authorization: Bearer`, which no log shows.
    #[default]
    Header,
    /// A sub-protocol, for a proxy that drops the header.
    SubProtocol,
    /// The query (`?token=`), which logs of proxies show.
    Query,
}

/// The future of one token.
type TokenFuture = Pin<Box<dyn Future<Output = Result<ClientToken, TokenSourceError>> + Send>>;

/// A function of the program that gets a token for each time one is needed: before the first
/// connection, shortly before the one at hand expires, and after one was refused.
///
/// ```
/// use baton_client::{ClientOptions, ClientToken, TokenSource, TokenSourceError};
///
/// async fn from_your_service() -> Result<String, std::io::Error> {
///     Ok("eyJhbGciOi...".to_owned())
/// }
///
/// let source = TokenSource::new(|| async {
///     let token = from_your_service().await;
///     let token = token.map_err(|error| TokenSourceError::Unavailable(error.to_string()))?;
///     ClientToken::new(token).map_err(|error| TokenSourceError::Denied(error.to_string()))
/// });
/// let options = ClientOptions::new("ws://localhost:8080/ws", "letter").with_token_source(source);
/// ```
#[derive(Clone)]
pub struct TokenSource(Arc<dyn Fn() -> TokenFuture + Send + Sync>);

impl TokenSource {
    /// Makes a source of a function. Its future runs in the client's task and must not block; it
    /// is dropped after 30 s, which counts as [`TokenSourceError::Unavailable`].
    pub fn new<F, T>(source: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<ClientToken, TokenSourceError>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(source())))
    }

    /// Asks for a token. A panic of the function is an error here.
    ///
    /// # Errors
    /// [`TokenSourceError`]: the function has none.
    pub async fn ask(&self) -> Result<ClientToken, TokenSourceError> {
        let asking = AssertUnwindSafe(async { (self.0)().await });
        let panicked = |_| Err(TokenSourceError::Unavailable("it panicked".to_owned()));
        asking.catch_unwind().await.unwrap_or_else(panicked)
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSource(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_can_stand_in_a_header() {
        for wrong in ["", "a b", "a\r\nx: y", "\u{e9}", &"x".repeat(8193)] {
            assert_eq!(ClientToken::new(wrong), Err(ClientTokenError), "{wrong}");
        }
        assert!(ClientToken::new("x".repeat(8192)).is_ok());
    }

    #[tokio::test]
    async fn a_source_that_panics_has_no_token() {
        let source = TokenSource::new(|| async { panic!("in the source") });
        let asked = source.ask().await;
        assert!(matches!(asked, Err(TokenSourceError::Unavailable(_))));
    }
}
