//! Keys that sign tokens, and how they are written down.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::jwk::EllipticCurve;
use pem::Pem;
use serde_json::json;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::crypto_provider::PROVIDER;
use crate::keys::{KeyAlgorithm, KeyError, KeySet, check_secret};

/// Beginning of a private Ed25519 key in PKCS #8 (RFC 8410); the 32 bytes of the key follow.
const PRIVATE_KEY_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Beginning of a public Ed25519 key (RFC 8410); the 32 bytes of the key follow.
const PUBLIC_KEY_HEAD: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Kinds of keys that sign.
#[derive(Clone)]
enum Signing {
    Secret(Zeroizing<Vec<u8>>),
    Ed25519 {
        seed: Zeroizing<[u8; 32]>,
        public: [u8; 32],
    },
}

/// Private key or secret that signs tokens. `Debug` does not show it.
#[derive(Clone)]
pub struct SigningKey {
    signing: Signing,
    key: EncodingKey,
    id: Option<Box<str>>,
}

impl SigningKey {
    /// Takes a secret for HS256, of at least 32 bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::WeakSecret`] and [`KeyError::PemAsSecret`].
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        check_secret(secret)?;
        let key = EncodingKey::from_secret(secret).map_err(|_| KeyError::CannotSign)?;
        let signing = Signing::Secret(Zeroizing::new(secret.to_vec()));
        let id = None;
        Ok(Self { signing, key, id })
    }

    /// Makes an Ed25519 key of 32 random bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::CannotSign`] if the library cannot derive the public key.
    pub fn from_ed25519_seed(seed: [u8; 32]) -> Result<Self, KeyError> {
        let seed = Zeroizing::new(seed);
        let der = Zeroizing::new([&PRIVATE_KEY_HEAD[..], &seed[..]].concat());
        let public = PROVIDER.key_utils.ed_pub_components_from_private_key;
        let public = public(&der, &EllipticCurve::Ed25519).map_err(|_| KeyError::CannotSign)?;
        let public = public.try_into().map_err(|_| KeyError::CannotSign)?;
        let key = EncodingKey::from_ed_der(&der);
        let signing = Signing::Ed25519 { seed, public };
        let id = None;
        Ok(Self { signing, key, id })
    }

    /// Reads a private Ed25519 key in PKCS #8 PEM, as [`SigningKey::private_pem`] writes it.
    ///
    /// # Errors
    ///
    /// [`KeyError::CannotSign`] if the text is none.
    pub fn from_ed25519_pem(text: &str) -> Result<Self, KeyError> {
        let section = pem::parse(text).map_err(|_| KeyError::CannotSign)?;
        let der = section.contents();
        // OpenSSL writes this form; the newer one with the public key at the end begins likewise.
        let head = PRIVATE_KEY_HEAD.len();
        let has_form = section.tag() == "PRIVATE KEY"
            && der.len() >= head + 32
            && der[4..head] == PRIVATE_KEY_HEAD[4..];
        if !has_form {
            return Err(KeyError::CannotSign);
        }
        let seed = der[head..head + 32].try_into();
        Self::from_ed25519_seed(seed.map_err(|_| KeyError::CannotSign)?)
    }

    /// Sets the id that tokens give the key.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the thumbprint of the public key as the id (RFC 7638), so that it need not be written
    /// down beside the key. A secret is left without an id.
    #[must_use]
    pub fn with_thumbprint(mut self) -> Self {
        if let Signing::Ed25519 { public, .. } = &self.signing {
            let x = URL_SAFE_NO_PAD.encode(public);
            let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
            let id = URL_SAFE_NO_PAD.encode(Sha256::digest(members));
            self.id = Some(id.into());
        }
        self
    }

    /// Returns the private key in PKCS #8 PEM, or `None` for a secret.
    #[must_use]
    pub fn private_pem(&self) -> Option<Zeroizing<String>> {
        let Signing::Ed25519 { seed, .. } = &self.signing else {
            return None;
        };
        let der = [&PRIVATE_KEY_HEAD[..], &seed[..]].concat();
        Some(Zeroizing::new(pem::encode(&Pem::new("PRIVATE KEY", der))))
    }

    /// Returns the public key in PEM, or `None` for a secret.
    #[must_use]
    pub fn public_pem(&self) -> Option<String> {
        let Signing::Ed25519 { public, .. } = &self.signing else {
            return None;
        };
        let der = [&PUBLIC_KEY_HEAD[..], public].concat();
        Some(pem::encode(&Pem::new("PUBLIC KEY", der)))
    }

    /// Returns the JSON Web Key Set of the public key, or `None` for a secret.
    #[must_use]
    pub fn public_jwks(&self) -> Option<String> {
        let Signing::Ed25519 { public, .. } = &self.signing else {
            return None;
        };
        let x = URL_SAFE_NO_PAD.encode(public);
        let mut key = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": x});
        if let Some(id) = &self.id {
            key["kid"] = json!(id);
        }
        Some(json!({"keys": [key]}).to_string())
    }

    /// Returns the keys that verify what this key signs.
    ///
    /// # Errors
    ///
    /// [`KeyError`], which no key that was made here causes.
    pub fn key_set(&self) -> Result<KeySet, KeyError> {
        match &self.signing {
            Signing::Secret(secret) => KeySet::from_secret(secret, self.id.as_deref()),
            Signing::Ed25519 { .. } => {
                KeySet::from_jwks(self.public_jwks().unwrap_or_default().as_bytes())
            }
        }
    }

    /// Returns the algorithm by which the key signs.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        match self.signing {
            Signing::Secret(_) => KeyAlgorithm::Hs256,
            Signing::Ed25519 { .. } => KeyAlgorithm::EdDsa,
        }
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let algorithm = self.algorithm().library_name();
        let signer = (PROVIDER.signer_factory)(&algorithm, &self.key);
        let signer = signer.map_err(|_| KeyError::CannotSign)?;
        signer.try_sign(message).map_err(|_| KeyError::CannotSign)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (algorithm, id) = (self.algorithm(), &self.id);
        write!(f, "SigningKey({algorithm}, {id:?}, redacted)")
    }
}

/// Returns a secret for HS256 of 32 random bytes, as text that fits files and environments.
#[must_use]
pub fn secret_from_random(random: &[u8; 32]) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(random))
}
