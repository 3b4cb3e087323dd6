//! Verification of a token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::access::Access;
use crate::claim_rules::ClaimRules;
use crate::error::TokenError;
use crate::keys::{KeyAlgorithm, KeySet};
use crate::strict_json::parse_object;
use crate::token::Token;

/// Longest id of a key in a token's header, in bytes.
const MAX_KEY_ID_BYTES: usize = 256;

/// Verifies a JWT and returns the access that it gives at this time, in Unix milliseconds.
///
/// The algorithm is that of the key. Keys inside of the token, and addresses of keys (`jwk`,
/// `jku`, `x5u`, `x5c`), are not looked at. Claims are read only after the signature was verified.
///
/// # Errors
///
/// [`TokenError`], which holds no part of the token. With [`TokenError::KeyUnknown`] and keys from
/// an address, [`KeyCache::unknown_key`](crate::KeyCache::unknown_key) asks for newer keys.
pub fn verify(
    token: &Token,
    keys: &KeySet,
    rules: &ClaimRules,
    now: u64,
) -> Result<Access, TokenError> {
    let text = token.secret_text();
    let not_three = TokenError::Malformed {
        problem: "it has not three parts with dots between them",
    };
    let (message, signature) = text.rsplit_once('.').ok_or(not_three.clone())?;
    let (header, claims) = message.split_once('.').ok_or(not_three.clone())?;
    if claims.contains('.') {
        return Err(not_three);
    }
    let header = object(header, "its header is no JSON with each key once")?;
    if header.contains_key("crit") {
        return Err(TokenError::CriticalHeader);
    }
    let algorithm = match header.get("alg") {
        Some(Value::String(name)) => KeyAlgorithm::from_header(name),
        _ => None,
    };
    let algorithm = algorithm.ok_or(TokenError::AlgorithmRefused)?;
    let candidates = keys.candidates(algorithm, key_id(&header)?)?;
    let signature = decode(signature, "its signature is no base64url")?;
    let is_verified = candidates
        .iter()
        .any(|key| key.verifies(message.as_bytes(), &signature));
    if !is_verified {
        return Err(TokenError::SignatureInvalid);
    }
    let claims = object(claims, "its claims are no JSON with each key once")?;
    rules.access(&claims, now)
}

fn key_id(header: &Map<String, Value>) -> Result<Option<&str>, TokenError> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(id)) if id.len() <= MAX_KEY_ID_BYTES => Ok(Some(id)),
        Some(_) => Err(TokenError::Malformed {
            problem: "its `kid` is no string, or too long",
        }),
    }
}

fn object(part: &str, problem: &'static str) -> Result<Map<String, Value>, TokenError> {
    parse_object(&decode(part, problem)?).ok_or(TokenError::Malformed { problem })
}

fn decode(part: &str, problem: &'static str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Malformed { problem })
}
