//! TLS of the client's connections: the certificates it believes in.
//!
//! Owns the configuration that is shared by all attempts. The handshake itself is of the WebSocket
//! library and rustls.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::Connector;

/// TLS cannot be configured. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The platform has no certificates of authorities, or they cannot be read. The platform is at
    /// fault.
    #[error("the platform has no certificates to believe in ({0}); install some, or pass your own")]
    Platform(String),
    /// The text has no certificate of an authority, or a damaged one. The caller's fault.
    #[error("no certificates can be read from the PEM text: {0}; correct it")]
    Pem(String),
    /// The library lacks what TLS needs.
    #[error("TLS cannot be configured: {0}")]
    Library(String),
}

/// The configuration of TLS. Cheap to clone; clients that share one resume each other's TLS
/// sessions.
///
/// A program with needs of its own, such as a client certificate, makes a [`ClientConfig`] and
/// passes that.
#[derive(Clone)]
pub struct TlsConfig(Arc<ClientConfig>);

impl TlsConfig {
    /// Believes in the authorities of the platform. Reads files.
    ///
    /// # Errors
    /// [`TlsError::Platform`].
    pub fn platform() -> Result<Self, TlsError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let faults: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
            return Err(TlsError::Platform(faults.join("; ")));
        }
        Self::with_roots(roots)
    }

    /// Believes in the authorities of this PEM text, and in no others.
    ///
    /// # Errors
    /// [`TlsError::Pem`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| TlsError::Pem(error.to_string()))?;
            let added = roots.add(certificate);
            added.map_err(|error| TlsError::Pem(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(TlsError::Pem("there is none in it".to_owned()));
        }
        Self::with_roots(roots)
    }

    fn with_roots(roots: RootCertStore) -> Result<Self, TlsError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Library(error.to_string()))?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        // A WebSocket is opened over HTTP/1.1; a proxy may otherwise choose HTTP/2.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn connector(&self) -> Connector {
        Connector::Rustls(Arc::clone(&self.0))
    }
}

impl From<Arc<ClientConfig>> for TlsConfig {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self(config)
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConfig(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_certificates_is_refused() {
        assert!(matches!(TlsConfig::from_pem(b""), Err(TlsError::Pem(_))));
        let damaged = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            TlsConfig::from_pem(damaged),
            Err(TlsError::Pem(_))
        ));
    }
}
