//! An issuer that signs whatever a test wants, also what no honest issuer would.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use baton_auth::{Access, ClaimRules, KeySet, SigningKey, Token, TokenError, verify};
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// Present, in Unix milliseconds.
pub(crate) const NOW: u64 = 1_800_000_000_000;

/// Present, in Unix seconds, as claims have it.
pub(crate) const NOW_SECONDS: u64 = NOW / 1000;

pub(crate) const SECRET: &[u8] = b"a secret of 36 bytes, only for tests";

// Keys that were made with OpenSSL for these tests and are used for nothing else.
pub(crate) const RSA_PRIVATE: &str = include_str!("keys/rsa-private.pem");
pub(crate) const RSA_PUBLIC: &str = include_str!("keys/rsa-public.pem");
pub(crate) const P256_PRIVATE: &str = include_str!("keys/p256-private.pem");
pub(crate) const P256_PUBLIC: &str = include_str!("keys/p256-public.pem");
pub(crate) const ED25519_PRIVATE: &str = include_str!("keys/ed25519-private.pem");
pub(crate) const ED25519_PUBLIC: &str = include_str!("keys/ed25519-public.pem");

pub(crate) fn secret_keys() -> KeySet {
    KeySet::from_secret(SECRET, None).unwrap()
}

pub(crate) fn ed25519(seed: u8) -> SigningKey {
    SigningKey::from_ed25519_seed([seed; 32]).unwrap()
}

/// Claims that an honest issuer writes.
pub(crate) fn honest() -> Value {
    json!({
        "exp": NOW_SECONDS + 3600,
        "documents": ["team/*"],
        "permissions": ["write"],
    })
}

/// Honest claims with some more or others; `null` takes one away.
pub(crate) fn honest_but(changes: &Value) -> Value {
    let mut claims = honest();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// Returns the key of a PEM text, without its frame.
fn der(pem: &str) -> Vec<u8> {
    pem::parse(pem).unwrap().into_contents()
}

/// Returns the key that signs by this algorithm: RSA in PKCS #1, the others in PKCS #8.
pub(crate) fn private_key(pem: &str, algorithm: Algorithm) -> EncodingKey {
    match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_der(&der(pem)),
        Algorithm::ES256 => EncodingKey::from_ec_der(&der(pem)),
        _ => EncodingKey::from_ed_der(&der(pem)),
    }
}

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs any header and claims with any key and algorithm, whatever the header says.
pub(crate) fn forge(
    header: impl AsRef<[u8]>,
    claims: impl AsRef<[u8]>,
    key: &EncodingKey,
    algorithm: Algorithm,
) -> Token {
    let message = format!("{}.{}", base64(header), base64(claims));
    let signer = (DEFAULT_PROVIDER.signer_factory)(&algorithm, key).unwrap();
    let signature = signer.try_sign(message.as_bytes()).unwrap();
    let text = format!("{message}.{}", base64(signature));
    Token::with_limit(text, 4 << 20).unwrap()
}

/// Signs any header and claims with the secret.
pub(crate) fn forge_hs256(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> Token {
    let key = EncodingKey::from_secret(SECRET).unwrap();
    forge(header, claims, &key, Algorithm::HS256)
}

/// Makes a token of these claims that is right in everything else.
pub(crate) fn token(claims: &Value) -> Token {
    forge_hs256(r#"{"alg":"HS256","typ":"JWT"}"#, claims.to_string())
}

/// Verifies a token of these claims by these rules, now.
pub(crate) fn access(claims: &Value, rules: &ClaimRules) -> Result<Access, TokenError> {
    verify(&token(claims), &secret_keys(), rules, NOW)
}

/// Verifies a token with these keys by the default rules, now.
pub(crate) fn verify_with(token: &Token, keys: &KeySet) -> Result<Access, TokenError> {
    verify(token, keys, &ClaimRules::default(), NOW)
}

/// Returns the reason of a refusal, or `"passed"`.
pub(crate) fn reason<T>(result: &Result<T, TokenError>) -> &'static str {
    match result {
        Ok(_) => "passed",
        Err(error) => error.reason(),
    }
}
