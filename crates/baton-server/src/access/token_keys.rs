//! The keys that verify tokens, from the settings.

use std::path::Path;

use baton_auth::{Access, ClaimRules, KeyError, KeySet, Token, TokenError, verify};
use zeroize::Zeroizing;

use super::key_fetcher::KeyFetcher;
use crate::clock::unix_ms;
use crate::config::{ConfigError, Settings};

/// The keys that verify tokens.
pub(super) enum TokenKeys {
    /// Keys of secrets and files, read at the start.
    Read(KeySet),
    /// Keys from an address.
    Fetched(KeyFetcher),
}

impl TokenKeys {
    /// Returns the keys that the settings name.
    ///
    /// # Errors
    /// A key cannot be read or used.
    pub(super) fn new(settings: &Settings) -> Result<Self, ConfigError> {
        if settings.auth_jwks_url.is_set() {
            return KeyFetcher::new(settings).map(Self::Fetched);
        }
        read_keys(settings).map(Self::Read)
    }

    /// Waits for the first fetch of keys from an address.
    pub(super) async fn ready(&self) {
        if let Self::Fetched(fetcher) = self {
            fetcher.ready().await;
        }
    }

    /// Returns the access that a token gives now.
    ///
    /// # Errors
    /// The token gives none.
    pub(super) async fn verify(
        &self,
        token: &Token,
        rules: &ClaimRules,
    ) -> Result<Access, TokenError> {
        match self {
            Self::Read(keys) => verify(token, keys, rules, unix_ms()),
            Self::Fetched(fetcher) => fetcher.verify(token, rules).await,
        }
    }

    /// Returns the number of fetches, and of those that failed.
    pub(super) fn fetches(&self) -> (u64, u64) {
        match self {
            Self::Read(_) => (0, 0),
            Self::Fetched(fetcher) => fetcher.counts(),
        }
    }
}

/// Reads the keys of all settings that give some.
///
/// # Errors
/// A file cannot be read, or a key cannot be used. Names the setting and never the key.
fn read_keys(settings: &Settings) -> Result<KeySet, ConfigError> {
    let mut all = Vec::new();
    if let Some(secret) = settings.auth_secret.secret_text() {
        all.push(("auth_secret", KeySet::from_secret(secret.as_bytes(), None)));
    }
    if let Some(path) = &settings.auth_secret_file.0 {
        let setting = "auth_secret_file";
        let text = read(setting, Path::new(path))?;
        let secret = trimmed(&text);
        all.push((setting, KeySet::from_secret(secret, None)));
    }
    if let Some(path) = &settings.auth_key_file.0 {
        let setting = "auth_key_file";
        let text = read(setting, Path::new(path))?;
        all.push((setting, public_keys(&text)));
    }
    let setting = all.last().map_or("auth", |(setting, _)| setting);
    let mut keys: Option<KeySet> = None;
    for (setting, read) in all {
        let more = read.and_then(|more| match keys.take() {
            Some(keys) => keys.merge(more),
            None => Ok(more),
        });
        keys = Some(more.map_err(|source| ConfigError::Keys { setting, source })?);
    }
    let source = KeyError::NoUsableKey;
    keys.ok_or(ConfigError::Keys { setting, source })
}

/// Reads public keys in either of the forms in which they are published.
fn public_keys(text: &[u8]) -> Result<KeySet, KeyError> {
    if text.trim_ascii_start().starts_with(b"{") {
        return KeySet::from_jwks(text);
    }
    KeySet::from_pem(std::str::from_utf8(text).map_err(|_| KeyError::NotPem)?)
}

/// Returns a secret without the line end that editors add.
pub(super) fn trimmed(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

pub(super) fn read(setting: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    match std::fs::read(path) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(source) => Err(ConfigError::KeyFile {
            setting,
            path: path.to_owned(),
            source,
        }),
    }
}
