//! Resume tokens: the secret that a client shows to go on with its session. The log keeps only its
//! hash.

use baton_presence::UserKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A secret of 128 random bits, which the caller draws. It works once: a resume brings the next one
/// (S8). The client sees it as 32 hex digits; it is never stored or logged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ResumeToken([u8; 16]);

impl ResumeToken {
    /// A token of these random bytes.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// As the client sees it.
    #[must_use]
    pub fn to_hex(self) -> String {
        use std::fmt::Write;
        self.0
            .iter()
            .fold(String::with_capacity(32), |mut hex, byte| {
                // Writing to a String does not fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            })
    }

    /// Its hash, as the log keeps it.
    #[must_use]
    pub fn hash(self) -> TokenHash {
        TokenHash::of_text(&self.to_hex())
    }
}

impl std::fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResumeToken(secret)")
    }
}

/// SHA-256 of a token's hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Returns the hash of the token that a client showed. Comparing hashes of random secrets leaks
    /// nothing useful by its timing.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

/// The source of a connection, as an opaque key that the caller draws: equal for connections from
/// one address. It is stored with the parks of stock clients, so it must not reveal the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source([u8; 16]);

impl Source {
    /// The source of this key: 16 bytes of a keyed hash of the address, or the like.
    #[must_use]
    pub const fn new(key: [u8; 16]) -> Self {
        Self(key)
    }

    /// As the log keeps it. No secret of a user has this hash.
    pub(crate) const fn key(self) -> UserKey {
        UserKey(self.0)
    }
}

/// Returns the key of the user whose sessions all show this secret: the first half of its SHA-256,
/// which does not reveal the secret.
pub(crate) fn user_key(secret: &str) -> UserKey {
    half(&Sha256::digest(secret.as_bytes()))
}

/// Returns the key of the user of a token. No secret has it, since the byte in front is in no text.
pub(crate) fn identity_key(user_id: &str) -> UserKey {
    const IN_NO_TEXT: [u8; 1] = [0xff];
    half(
        &Sha256::new()
            .chain_update(IN_NO_TEXT)
            .chain_update(user_id)
            .finalize(),
    )
}

fn half(digest: &[u8]) -> UserKey {
    let mut key = [0; 16];
    for (to, from) in key.iter_mut().zip(digest) {
        *to = *from;
    }
    UserKey(key)
}
