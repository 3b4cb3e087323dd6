//! One key and the one algorithm that it is for.

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde::Deserialize;
use serde_json::Value;
use spki::der::Decode;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use thiserror::Error;

use crate::crypto_provider::PROVIDER;

/// Shortest secret for HS256, in bytes: as long as its hash (RFC 7518, section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// Shortest modulus of an RSA key, in bits (RFC 7518, section 3.3).
pub const MIN_RSA_BITS: usize = 2048;

/// Longest modulus of an RSA key, in bits; longer ones cost too much for each token.
const MAX_RSA_BITS: usize = 4096;

/// Length of an uncompressed point on P-256, in bytes.
const P256_POINT_BYTES: usize = 65;

/// Length of an Ed25519 key, in bytes.
const ED25519_KEY_BYTES: usize = 32;

/// Kind of a key: RSA (RFC 8017).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Kind of a key: elliptic curve (RFC 5480).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// Elliptic curve P-256 (RFC 5480).
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// Kind of a key: Ed25519 (RFC 8410).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Algorithms by which tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// HMAC with SHA-256 and a shared secret.
    Hs256,
    /// RSA with SHA-256, PKCS #1 version 1.5.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl KeyAlgorithm {
    /// Returns the algorithm of a token's header, or `None` for every other one and for `none`.
    pub(crate) fn from_header(name: &str) -> Option<Self> {
        match name {
            "HS256" => Some(Self::Hs256),
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            // RFC 9864 calls it by the name of its curve.
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }

    pub(crate) fn library_name(self) -> Algorithm {
        match self {
            Self::Hs256 => Algorithm::HS256,
            Self::Rs256 => Algorithm::RS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        })
    }
}

/// Reason for which keys cannot be used. The operator of the server, or the publisher of the keys,
/// has to act; keys that were loaded before stay as they were.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The secret can be guessed.
    #[error(
        "the secret has {length} bytes; HS256 needs at least 32 random ones: make one with `baton keys new`"
    )]
    WeakSecret {
        /// Length of the secret, in bytes.
        length: usize,
    },
    /// A key in PEM was given as a secret: its public half would let everybody sign tokens.
    #[error("a key in PEM is no secret; give it as a key file")]
    PemAsSecret,
    /// The text holds no key in PEM, or a broken one.
    #[error("no public key in PEM was found; expected `-----BEGIN PUBLIC KEY-----` and its end")]
    NotPem,
    /// The PEM holds a private key, which a server that verifies does not need.
    #[error("the PEM holds a private key; give the server the public key alone")]
    PrivateKey,
    /// The key is of a kind that no supported algorithm uses.
    #[error("the key is of an unsupported kind; use RSA, EC on P-256, or Ed25519")]
    UnsupportedKey,
    /// The RSA key is too short to be safe, or too long to be checked for each token.
    #[error("the RSA key has {bits} bits; use 2048 to 4096")]
    RsaSize {
        /// Length of the modulus, in bits.
        bits: usize,
    },
    /// The document is longer than the limit.
    #[error("the document of keys is longer than {limit} bytes")]
    TooLarge {
        /// Longest accepted document, in bytes.
        limit: usize,
    },
    /// The document is no JSON Web Key Set.
    #[error("the document is no JSON Web Key Set; expected {{\"keys\":[...]}}")]
    NotJwks,
    /// None of the keys can verify tokens.
    #[error("no key can verify tokens; expected a public key for RS256, ES256 or EdDSA")]
    NoUsableKey,
    /// There are more keys than the limit.
    #[error("there are more than {limit} keys; remove those that no longer sign")]
    TooManyKeys {
        /// Largest number of keys in one set.
        limit: usize,
    },
    /// Random bytes or a key could not be used for signing.
    #[error("the key cannot sign; give a private Ed25519 key in PKCS #8 PEM, or a secret")]
    CannotSign,
}

/// Key with its algorithm, which no token can change.
#[derive(Clone)]
pub(crate) struct VerificationKey {
    id: Option<Box<str>>,
    algorithm: KeyAlgorithm,
    key: DecodingKey,
}

/// Refuses secrets that can be guessed, and public keys in their place.
pub(crate) fn check_secret(secret: &[u8]) -> Result<(), KeyError> {
    let length = secret.len();
    if secret.windows(10).any(|part| part == b"-----BEGIN") {
        return Err(KeyError::PemAsSecret);
    }
    if length < MIN_SECRET_BYTES {
        return Err(KeyError::WeakSecret { length });
    }
    Ok(())
}

impl VerificationKey {
    /// Makes a key for HS256.
    pub(crate) fn from_secret(secret: &[u8], id: Option<&str>) -> Result<Self, KeyError> {
        check_secret(secret)?;
        let key = DecodingKey::from_secret(secret).map_err(|_| KeyError::UnsupportedKey)?;
        Ok(Self {
            id: id.map(Into::into),
            algorithm: KeyAlgorithm::Hs256,
            key,
        })
    }

    /// Makes a key of a PKCS #1 document, the older form of RSA keys.
    pub(crate) fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        Self::checked(KeyAlgorithm::Rs256, DecodingKey::from_rsa_der(der), None)
    }

    /// Makes a key of a `SubjectPublicKeyInfo`, which names the kind of its key.
    pub(crate) fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::UnsupportedKey)?;
        let bytes = info.subject_public_key.as_bytes();
        let bytes = bytes.ok_or(KeyError::UnsupportedKey)?;
        let (algorithm, key) = match info.algorithm.oid {
            RSA => (KeyAlgorithm::Rs256, DecodingKey::from_rsa_der(bytes)),
            EC if info.algorithm.parameters_oid() == Ok(P256) => {
                (KeyAlgorithm::Es256, DecodingKey::from_ec_der(bytes))
            }
            ED25519 => (KeyAlgorithm::EdDsa, DecodingKey::from_ed_der(bytes)),
            _ => return Err(KeyError::UnsupportedKey),
        };
        Self::checked(algorithm, key, None)
    }

    /// Makes a key of a member of a JSON Web Key Set.
    ///
    /// A shared secret in a set is refused: sets are published.
    pub(crate) fn from_jwk(member: &Value) -> Result<Self, KeyError> {
        let jwk = Jwk::deserialize(member).map_err(|_| KeyError::UnsupportedKey)?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => KeyAlgorithm::Rs256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                KeyAlgorithm::Es256
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                KeyAlgorithm::EdDsa
            }
            _ => return Err(KeyError::UnsupportedKey),
        };
        let stated = member
            .get("alg")
            .map(|name| name.as_str().unwrap_or_default());
        if stated.is_some_and(|name| KeyAlgorithm::from_header(name) != Some(algorithm)) {
            return Err(KeyError::UnsupportedKey);
        }
        let common = &jwk.common;
        let is_for_signatures =
            matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
        let may_verify = common
            .key_operations
            .as_ref()
            .is_none_or(|all| all.contains(&KeyOperations::Verify));
        if !is_for_signatures || !may_verify {
            return Err(KeyError::UnsupportedKey);
        }
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| KeyError::UnsupportedKey)?;
        Self::checked(algorithm, key, common.key_id.as_deref().map(Into::into))
    }

    /// Checks what the library takes for granted: it would panic for a short Ed25519 key.
    fn checked(
        algorithm: KeyAlgorithm,
        key: DecodingKey,
        id: Option<Box<str>>,
    ) -> Result<Self, KeyError> {
        match (algorithm, key.kind()) {
            (KeyAlgorithm::Rs256, kind) => check_rsa(kind)?,
            (KeyAlgorithm::Es256, DecodingKeyKind::SecretOrDer(point))
                if point.len() == P256_POINT_BYTES => {}
            (KeyAlgorithm::EdDsa, DecodingKeyKind::SecretOrDer(bytes))
                if bytes.len() == ED25519_KEY_BYTES => {}
            _ => return Err(KeyError::UnsupportedKey),
        }
        let made = Self { id, algorithm, key };
        let library_name = algorithm.library_name();
        // Fails for bytes that are no point of the curve.
        (PROVIDER.verifier_factory)(&library_name, &made.key)
            .map_err(|_| KeyError::UnsupportedKey)?;
        Ok(made)
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(crate) fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Returns true if the signature of the message was made with this key.
    pub(crate) fn verifies(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        let library_name = self.algorithm.library_name();
        (PROVIDER.verifier_factory)(&library_name, &self.key)
            .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }
}

/// Checks the length of an RSA modulus.
fn check_rsa(kind: &DecodingKeyKind) -> Result<(), KeyError> {
    let modulus = match kind {
        DecodingKeyKind::RsaModulusExponent { n, .. } => n.clone(),
        DecodingKeyKind::SecretOrDer(der) => {
            let parts = (PROVIDER.key_utils.rsa_pub_components_from_public_key)(der);
            parts.map_err(|_| KeyError::UnsupportedKey)?.0
        }
    };
    let mut digits = modulus.iter().skip_while(|byte| **byte == 0);
    let first = digits.next().copied().unwrap_or(0);
    let bits = digits.count() * 8 + (8 - first.leading_zeros() as usize);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(KeyError::RsaSize { bits });
    }
    Ok(())
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (algorithm, id) = (self.algorithm, &self.id);
        write!(f, "VerificationKey({algorithm}, {id:?})")
    }
}
