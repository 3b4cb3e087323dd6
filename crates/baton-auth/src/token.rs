//! The token as the client sent it.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::TokenError;

/// Longest token that [`Token::new`] accepts, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Secret text that a client shows to get access.
///
/// Neither `Debug` nor `Display` shows it, and its memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Takes a token of at most [`MAX_TOKEN_BYTES`].
    ///
    /// # Errors
    ///
    /// [`TokenError::Missing`] if it is empty, [`TokenError::TooLarge`] if it is longer.
    pub fn new(text: impl Into<String>) -> Result<Self, TokenError> {
        Self::with_limit(text, MAX_TOKEN_BYTES)
    }

    /// Takes a token of at most this many bytes.
    ///
    /// # Errors
    ///
    /// As [`Token::new`].
    pub fn with_limit(text: impl Into<String>, limit: usize) -> Result<Self, TokenError> {
        let text = Zeroizing::new(text.into());
        if text.len() > limit {
            return Err(TokenError::TooLarge { limit });
        }
        if text.is_empty() {
            return Err(TokenError::Missing);
        }
        Ok(Self(text))
    }

    /// Computes what identifies this token without being a secret: a list of revoked tokens holds
    /// it.
    #[must_use]
    pub fn fingerprint(&self) -> TokenFingerprint {
        TokenFingerprint(Sha256::digest(self.0.as_bytes()).into())
    }

    /// Returns the secret text, to hand it to a webhook or a client. Never log it.
    #[must_use]
    pub fn secret_text(&self) -> &str {
        &self.0
    }
}

/// SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenFingerprint([u8; 32]);

impl fmt::Debug for TokenFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenFingerprint(redacted)")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted token]")
    }
}
