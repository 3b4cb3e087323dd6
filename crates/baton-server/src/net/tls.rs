//! TLS on accepted connections: who speaks it, with which versions, and how a handshake fails.
//!
//! Owns the configuration of TLS. Certificates are in [`CertificateStore`].

pub(crate) mod certificate_files;
pub(crate) mod certificate_store;

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::{ConfigError, Settings};
use crate::net::tls::certificate_store::CertificateStore;

/// The one application protocol (ALPN): a WebSocket is an upgrade of HTTP/1.1.
const HTTP: &[u8] = b"http/1.1";

/// First byte of every TLS connection: a record of the handshake.
const HANDSHAKE: u8 = 22;

/// TLS as a server speaks it; see the module.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    certificates: Arc<CertificateStore>,
}

/// The reason for which a connection has no TLS. It is over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFailure {
    /// The client left, or its connection broke.
    #[error("the connection ended during the handshake")]
    Gone,
    /// The client sent a request without TLS.
    #[error("the client speaks plain HTTP")]
    PlainHttp(TcpStream),
    /// The client speaks another protocol, or no version or cipher is shared, or it refused the
    /// certificate.
    #[error("{0}")]
    Refused(String),
}

impl Tls {
    /// Reads the certificate of these settings; `None` if they have none. Blocks.
    ///
    /// # Errors
    /// The files cannot be used.
    pub(crate) fn open(settings: &Settings) -> Result<Option<Self>, ConfigError> {
        let (Some(cert), Some(key)) = (&settings.tls_cert.0, &settings.tls_key.0) else {
            return Ok(None);
        };
        let provider = Arc::new(ring::default_provider());
        let unusable = |error: &dyn Display| ConfigError::Tls(error.to_string());
        let store = CertificateStore::open(cert.into(), key.into(), Arc::clone(&provider))
            .map_err(|error| unusable(&error))?;
        let certificates = Arc::new(store);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| unusable(&error))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificates) as _);
        config.alpn_protocols = vec![HTTP.to_vec()];
        // A client that reconnects need not be proven the certificate again, which is most of the
        // cost of a storm of reconnects. The tickets' key changes by itself.
        config.ticketer = ring::Ticketer::new().map_err(|error| unusable(&error))?;
        Ok(Some(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificates,
        }))
    }

    /// Returns the certificate in use, with its files.
    pub(crate) const fn certificates(&self) -> &Arc<CertificateStore> {
        &self.certificates
    }

    /// Shakes hands with a client. Has no time limit of its own.
    ///
    /// # Errors
    /// See [`TlsFailure`].
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> Result<Box<TlsStream<TcpStream>>, TlsFailure> {
        let mut first = [0; 1];
        match stream.peek(&mut first).await {
            Ok(0) | Err(_) => return Err(TlsFailure::Gone),
            Ok(_) => {}
        }
        let [first] = first;
        if first.is_ascii_uppercase() {
            return Err(TlsFailure::PlainHttp(stream));
        }
        if first != HANDSHAKE {
            let what = "the client speaks neither TLS nor HTTP";
            return Err(TlsFailure::Refused(what.to_owned()));
        }
        match Box::pin(self.acceptor.accept(stream)).await {
            Ok(stream) => Ok(Box::new(stream)),
            // Errors of TLS; everything else is of the connection.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(TlsFailure::Refused(error.to_string()))
            }
            Err(_) => Err(TlsFailure::Gone),
        }
    }
}
