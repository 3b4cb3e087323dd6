//! Reads a certificate with its chain and its key from PEM files, and checks that they fit.
//!
//! No error repeats a byte of the files, because a key may be among them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::InconsistentKeys;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// The files cannot be used as they are. What was used before stays in use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    /// A file could not be read.
    #[error("{path} cannot be read: {source}; check the path and its permissions")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file of the certificate has none, or half of one.
    #[error(
        "{0} has no complete certificate in PEM; write the server's certificate and behind it those that signed it"
    )]
    NoCertificate(PathBuf),
    /// The file of the key has none, or half of one, or an encrypted one.
    #[error("{0} has no complete private key in PEM without a passphrase")]
    NoKey(PathBuf),
    /// The kind of the key is not known.
    #[error(
        "the private key in {0} is not of a kind that can be used: write an ECDSA (P-256, P-384), Ed25519 or RSA key"
    )]
    UnknownKey(PathBuf),
    /// The certificate was made for another key.
    #[error("the private key in {key} does not belong to the first certificate in {cert}")]
    Mismatch {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The certificate is damaged.
    #[error("the first certificate in {0} is damaged")]
    Damaged(PathBuf),
}

/// A certificate with its key, as it was read.
#[derive(Debug)]
pub(crate) struct CertificatePair {
    pub(crate) key: CertifiedKey,
    /// End of the certificate's validity, in seconds since 1970.
    pub(crate) not_after: u64,
    /// Digest of both files.
    pub(crate) digest: [u8; 32],
}

impl CertificatePair {
    /// Reads both files. Blocks.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub(crate) fn read(
        cert: &Path,
        key: &Path,
        provider: &CryptoProvider,
    ) -> Result<Self, CertificateError> {
        let (cert_text, key_text) = (content(cert)?, content(key)?);
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&cert_text).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| CertificateError::NoCertificate(cert.to_owned()))?;
        let private = PrivateKeyDer::from_pem_slice(&key_text)
            .map_err(|_| CertificateError::NoKey(key.to_owned()))?;
        let damaged = || CertificateError::Damaged(cert.to_owned());
        let read = Certificate::from_der(&chain[0]).map_err(|_| damaged())?;
        let validity = read.tbs_certificate().validity();
        let not_after = validity.not_after.to_unix_duration().as_secs();
        let pair = CertifiedKey::from_der(chain, private, provider);
        let pair = pair.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let (cert, key) = (cert.to_owned(), key.to_owned());
                CertificateError::Mismatch { cert, key }
            }
            rustls::Error::InvalidCertificate(_) => damaged(),
            _ => CertificateError::UnknownKey(key.to_owned()),
        })?;
        let digest = Sha256::new().chain_update(Sha256::digest(&cert_text));
        Ok(Self {
            key: pair,
            not_after,
            digest: digest.chain_update(&key_text).finalize().into(),
        })
    }

    /// Returns true if the certificate's time is over.
    pub(crate) fn has_expired(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.is_ok_and(|now| now.as_secs() > self.not_after)
    }
}

fn content(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(source) => Err(CertificateError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
    use rustls::crypto::ring;

    use super::*;

    fn made(key: &KeyPair) -> String {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.self_signed(key).unwrap().pem()
    }

    /// Reads a pair with these contents.
    fn pair(cert: &str, key: &str) -> Result<CertificatePair, CertificateError> {
        let place = tempfile::tempdir().unwrap();
        let (cert_file, key_file) = (place.path().join("cert"), place.path().join("key"));
        std::fs::write(&cert_file, cert).unwrap();
        std::fs::write(&key_file, key).unwrap();
        CertificatePair::read(&cert_file, &key_file, &ring::default_provider())
    }

    #[test]
    fn a_pair_that_fits_is_read_with_its_time() {
        for kind in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
            let key = KeyPair::generate_for(kind).unwrap();
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(2035, 1, 1);
            let cert = params.self_signed(&key).unwrap().pem();
            let read = pair(&cert, &key.serialize_pem()).unwrap();
            assert_eq!(read.not_after, 2_051_222_400);
            assert!(!read.has_expired());
            // The chain is everything behind it.
            let chain = pair(&format!("{cert}{cert}"), &key.serialize_pem()).unwrap();
            assert_eq!(chain.key.cert.len(), 2);
            assert_ne!(chain.digest, read.digest);
        }
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let cert = params.self_signed(&key).unwrap().pem();
        assert!(pair(&cert, &key.serialize_pem()).unwrap().has_expired());
    }

    #[test]
    fn a_pair_that_cannot_be_used_is_named_without_its_content() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let (cert, key_text) = (made(&key), key.serialize_pem());
        let half = |text: &str| text[..text.len() / 2].to_owned();
        let encrypted = key_text.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let middle = cert.len() / 2;
        let damaged = format!("{}{}", &cert[..middle], cert[middle..].replace('A', "B"));
        let cases = [
            (cert.clone(), other.serialize_pem(), "does not belong"),
            (half(&cert), key_text.clone(), "no complete certificate"),
            (cert.clone(), half(&key_text), "no complete private key"),
            (cert.clone(), encrypted, "without a passphrase"),
            (
                key_text.clone(),
                key_text.clone(),
                "no complete certificate",
            ),
            (cert.clone(), cert.clone(), "no complete private key"),
            (String::new(), key_text.clone(), "no complete certificate"),
            (cert.clone(), String::new(), "no complete private key"),
        ];
        for (cert, key, part) in &cases {
            let said = pair(cert, key).unwrap_err().to_string();
            assert!(said.contains(part), "{said}");
            let secret = key_text.lines().nth(1).unwrap();
            assert!(!said.contains(&secret[..16]), "{said}");
        }
        assert!(pair(&damaged, &key_text).is_err());
        let nowhere = Path::new("/nowhere/cert.pem");
        let missing = CertificatePair::read(nowhere, nowhere, &ring::default_provider());
        assert!(
            missing
                .unwrap_err()
                .to_string()
                .contains("/nowhere/cert.pem")
        );
    }
}
