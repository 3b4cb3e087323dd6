//! The keys that verify tokens, from the settings.

use std::path::Path;

use baton_auth::{KeyError, KeySet};
use zeroize::Zeroizing;

use crate::config::{ConfigError, Settings};

/// Reads the keys of all settings that give some.
///
/// # Errors
/// A file cannot be read, or a key cannot be used. Names the setting and never the key.
pub(super) fn read_keys(settings: &Settings) -> Result<KeySet, ConfigError> {
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
fn trimmed(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

fn read(setting: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    match std::fs::read(path) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(source) => Err(ConfigError::KeyFile {
            setting,
            path: path.to_owned(),
            source,
        }),
    }
}
