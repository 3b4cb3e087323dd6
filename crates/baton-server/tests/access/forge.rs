//! An issuer that signs anything for anyone.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use baton_auth::SigningKey;
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "a secret of 36 bytes, only for tests";

// Made with OpenSSL for the tests of baton-auth, and used for nothing else.
const RSA_PRIVATE: &str = include_str!("../../../baton-auth/tests/auth/keys/rsa-private.pem");
pub(crate) const RSA_PUBLIC: &str =
    include_str!("../../../baton-auth/tests/auth/keys/rsa-public.pem");

/// Returns the present in Unix seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// Returns claims of an honest issuer for these documents.
pub(crate) fn claims(documents: &[&str]) -> Value {
    json!({"exp": now() + 3600, "documents": documents, "permissions": ["write"]})
}

/// Returns the same with one claim changed.
pub(crate) fn claims_with(name: &str, value: &Value) -> Value {
    let mut claims = claims(&["**"]);
    claims[name] = value.clone();
    claims
}

pub(crate) fn ed25519(seed: u8) -> SigningKey {
    SigningKey::from_ed25519_seed([seed; 32])
        .unwrap()
        .with_id(&format!("key-{seed}"))
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Joins header, claims and signature.
pub(crate) fn token(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let (header, claims) = (header.to_string(), claims.to_string());
    format!(
        "{}.{}.{}",
        base64(header),
        base64(claims),
        base64(signature)
    )
}

fn signed(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let (head, body) = (header.to_string(), claims.to_string());
    let message = format!("{}.{}", base64(head), base64(body));
    let signer = (DEFAULT_PROVIDER.signer_factory)(&algorithm, key).unwrap();
    let signature = signer.try_sign(message.as_bytes()).unwrap();
    token(header, claims, &signature)
}

/// Signs with any bytes as the secret.
pub(crate) fn hs256_with(secret: &[u8], header: &Value, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret).unwrap();
    signed(header, claims, &key, Algorithm::HS256)
}

/// Signs with the secret of these tests.
pub(crate) fn hs256(claims: &Value) -> String {
    hs256_with(SECRET.as_bytes(), &json!({"alg": "HS256"}), claims)
}

/// Signs with the RSA key of these tests.
pub(crate) fn rs256(claims: &Value) -> String {
    let key = EncodingKey::from_rsa_der(pem::parse(RSA_PRIVATE).unwrap().contents());
    signed(&json!({"alg": "RS256"}), claims, &key, Algorithm::RS256)
}

/// Signs with an Ed25519 key, and any header.
pub(crate) fn eddsa_with(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let private = key.private_pem().unwrap();
    let key = EncodingKey::from_ed_der(pem::parse(&*private).unwrap().contents());
    signed(header, claims, &key, Algorithm::EdDSA)
}

/// Signs with the Ed25519 key of this seed.
pub(crate) fn eddsa(seed: u8, claims: &Value) -> String {
    let header = json!({"alg": "EdDSA", "kid": format!("key-{seed}")});
    eddsa_with(&ed25519(seed), &header, claims)
}
