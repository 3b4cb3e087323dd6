//! Certificates for the stories, made when they are needed, and clients that believe in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};

/// An authority that signs for the names of this machine, and a folder with one pair of files.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// A new one, whose folder holds a pair that it signed.
    ///
    /// # Panics
    /// When the system has no room for it.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = Self {
            issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate"),
            folder: TempDir::new().expect("a folder"),
        };
        authority.write(&authority.signs(2040));
        std::fs::write(authority.root(), authority.issuer.pem()).expect("a file");
        authority
    }

    /// Signs a certificate that is valid until this year.
    ///
    /// # Panics
    /// When rcgen cannot.
    #[must_use]
    pub fn signs(&self, until: i32) -> Pair {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }

    /// Writes a pair where the server reads it.
    ///
    /// # Panics
    /// When the files cannot be written.
    pub fn write(&self, pair: &Pair) {
        std::fs::write(self.cert(), &pair.cert).expect("a file");
        std::fs::write(self.key(), &pair.key).expect("a file");
    }

    /// The file of the certificate.
    #[must_use]
    pub fn cert(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// The file of the key.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// The file of the authority's own certificate.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// The arguments with which the program serves the pair.
    #[must_use]
    pub fn arguments(&self) -> [String; 4] {
        let text = |path: &Path| path.display().to_string();
        [
            "--tls-cert".to_owned(),
            text(&self.cert()),
            "--tls-key".to_owned(),
            text(&self.key()),
        ]
    }

    /// A client that believes in this authority and speaks this version.
    ///
    /// # Panics
    /// When the library has no such version.
    #[must_use]
    pub fn client_of(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let root: CertificateDer<'static> = self.issuer.der().clone();
        roots.add(root).expect("a certificate of ours");
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version of the provider")
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// A client that believes in this authority.
    #[must_use]
    pub fn client(&self) -> Arc<ClientConfig> {
        Arc::new(self.client_of(&version::TLS13))
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
