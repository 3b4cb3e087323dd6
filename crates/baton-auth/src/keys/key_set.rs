//! The keys of one server.

use serde::Deserialize;
use serde_json::Value;

use super::verification_key::{KeyAlgorithm, KeyError, VerificationKey};
use crate::error::TokenError;

/// Most keys in one set.
pub const MAX_KEYS: usize = 64;

/// Longest JSON Web Key Set or PEM file, in bytes.
pub const MAX_JWKS_BYTES: usize = 256 * 1024;

/// Most keys that are tried for one token.
const MAX_CANDIDATES: usize = 8;

/// Keys that verify tokens, each for one algorithm.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
}

/// JSON Web Key Set, with members as they come: one broken key must not take the others away.
#[derive(Deserialize)]
struct JwksDocument {
    keys: Vec<Value>,
}

impl KeySet {
    /// Makes a set of one secret for HS256, of at least 32 bytes, with the id that tokens give it.
    ///
    /// # Errors
    ///
    /// [`KeyError::WeakSecret`] and [`KeyError::PemAsSecret`].
    pub fn from_secret(secret: &[u8], key_id: Option<&str>) -> Result<Self, KeyError> {
        let keys = vec![VerificationKey::from_secret(secret, key_id)?];
        Ok(Self { keys })
    }

    /// Reads one or more public keys in PEM (RSA, EC on P-256, Ed25519). They have no ids, so that
    /// each is tried for every token of its algorithm.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if there is no key, or one that cannot be used.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        check_length(text.len())?;
        let sections = pem::parse_many(text).map_err(|_| KeyError::NotPem)?;
        if sections.is_empty() {
            return Err(KeyError::NotPem);
        }
        if sections
            .iter()
            .any(|section| section.tag().contains("PRIVATE"))
        {
            return Err(KeyError::PrivateKey);
        }
        let keys: Result<Vec<_>, _> = sections
            .iter()
            .map(|section| match section.tag() {
                "PUBLIC KEY" => VerificationKey::from_spki(section.contents()),
                "RSA PUBLIC KEY" => VerificationKey::from_pkcs1(section.contents()),
                _ => Err(KeyError::UnsupportedKey),
            })
            .collect();
        Self::bounded(keys?)
    }

    /// Reads a JSON Web Key Set. Members that cannot verify are left out: those for encryption, of
    /// other algorithms, of other kinds, broken ones, and shared secrets.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the document is too long, no key set, or has no key that can be used.
    pub fn from_jwks(document: &[u8]) -> Result<Self, KeyError> {
        check_length(document.len())?;
        let document: JwksDocument =
            serde_json::from_slice(document).map_err(|_| KeyError::NotJwks)?;
        let keys = document.keys.iter();
        let keys = keys.filter_map(|member| VerificationKey::from_jwk(member).ok());
        Self::bounded(keys.collect())
    }

    /// Combines two sets, such as an old and a new secret while tokens of both are in use.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooManyKeys`] if there are more than [`MAX_KEYS`].
    pub fn merge(mut self, other: Self) -> Result<Self, KeyError> {
        self.keys.extend(other.keys);
        Self::bounded(self.keys)
    }

    fn bounded(keys: Vec<VerificationKey>) -> Result<Self, KeyError> {
        match keys.len() {
            0 => Err(KeyError::NoUsableKey),
            1..=MAX_KEYS => Ok(Self { keys }),
            _ => Err(KeyError::TooManyKeys { limit: MAX_KEYS }),
        }
    }

    /// Lists the algorithms and ids of the keys, for the log at the start of a server.
    pub fn keys(&self) -> impl Iterator<Item = (KeyAlgorithm, Option<&str>)> {
        self.keys.iter().map(|key| (key.algorithm(), key.id()))
    }

    /// Returns the keys to try for a token whose header says this.
    ///
    /// A key without an id fits every token. The header chooses among keys and never changes the
    /// algorithm of one.
    pub(crate) fn candidates(
        &self,
        algorithm: KeyAlgorithm,
        key_id: Option<&str>,
    ) -> Result<Vec<&VerificationKey>, TokenError> {
        let is_named = |key: &VerificationKey| key_id.is_some() && key.id() == key_id;
        let named = self.keys.iter().any(is_named);
        let fits_id = |key: &VerificationKey| match key_id {
            Some(_) if named => is_named(key),
            Some(_) => key.id().is_none(),
            None => true,
        };
        let by_id: Vec<_> = self.keys.iter().filter(|key| fits_id(key)).collect();
        if by_id.is_empty() {
            return Err(TokenError::KeyUnknown);
        }
        let is_right = |key: &&VerificationKey| key.algorithm() == algorithm;
        let fitting: Vec<_> = by_id.into_iter().filter(is_right).collect();
        match fitting.len() {
            // Keys without ids say nothing about the token's key: a new one may have its id.
            0 if key_id.is_some() && !named => Err(TokenError::KeyUnknown),
            0 => Err(TokenError::AlgorithmRefused),
            1..=MAX_CANDIDATES => Ok(fitting),
            _ => Err(TokenError::KeyAmbiguous {
                limit: MAX_CANDIDATES,
            }),
        }
    }
}

fn check_length(length: usize) -> Result<(), KeyError> {
    if length > MAX_JWKS_BYTES {
        let limit = MAX_JWKS_BYTES;
        return Err(KeyError::TooLarge { limit });
    }
    Ok(())
}
