//! The certificate with which the server answers, replaced while connections live.
//!
//! Owns the pair in use and the account of its files. The files are read again on a signal, and
//! every [`LOOK_AGAIN`] in case they changed: their content is compared, so that links which are
//! moved (as in Kubernetes), network file systems and restored times are seen as well. A pair that
//! cannot be used replaces nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::net::tls::certificate_files::{CertificateError, CertificatePair};

/// Time after which the files are read again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct CertificateStore {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    current: Arc<CertifiedKey>,
    not_after: u64,
    digest: [u8; 32],
    /// Error of the last reading; `None` if the files hold the pair in use.
    fault: Option<String>,
    replaced: u64,
}

/// The account of a certificate and its files at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CertificateStatus {
    /// End of the validity of the certificate in use, in seconds since 1970.
    pub(crate) not_after: u64,
    /// True while the files hold a pair that cannot be used.
    pub(crate) stale: bool,
    /// Number of times that the pair was replaced.
    pub(crate) replaced: u64,
}

/// The result of reading the files again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reloaded {
    /// The files hold the pair in use.
    Same,
    /// New connections get another certificate.
    Replaced,
    /// The files cannot be used, and the pair in use stays.
    Kept,
}

impl CertificateStore {
    /// Reads the files for the first time. Blocks.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub(crate) fn open(
        cert: PathBuf,
        key: PathBuf,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, CertificateError> {
        let pair = CertificatePair::read(&cert, &key, &provider)?;
        log_use(&pair);
        let state = State {
            current: Arc::new(pair.key),
            not_after: pair.not_after,
            digest: pair.digest,
            fault: None,
            replaced: 0,
        };
        Ok(Self {
            cert,
            key,
            provider,
            state: Mutex::new(state),
        })
    }

    /// Reads the files again, and uses what they hold if it can be used. Blocks.
    pub(crate) fn reload(&self) -> Reloaded {
        let read = CertificatePair::read(&self.cert, &self.key, &self.provider);
        let mut state = self.state.lock();
        match read {
            Ok(pair) if pair.digest == state.digest => {
                state.fault = None;
                Reloaded::Same
            }
            Ok(pair) => {
                log_use(&pair);
                state.current = Arc::new(pair.key);
                state.not_after = pair.not_after;
                state.digest = pair.digest;
                state.fault = None;
                state.replaced += 1;
                Reloaded::Replaced
            }
            Err(error) => {
                let fault = error.to_string();
                // Said once, and not at every look.
                if state.fault.as_ref() != Some(&fault) {
                    tracing::warn!(
                        "the certificate stays as it is, because its files cannot be used: {fault}"
                    );
                }
                state.fault = Some(fault);
                Reloaded::Kept
            }
        }
    }

    /// Reads the files again and again, for as long as it is polled.
    pub(crate) async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let store = Arc::clone(&self);
            let _reloaded = tokio::task::spawn_blocking(move || store.reload()).await;
        }
    }

    /// Returns the account of the certificate.
    pub(crate) fn status(&self) -> CertificateStatus {
        let state = self.state.lock();
        CertificateStatus {
            not_after: state.not_after,
            stale: state.fault.is_some(),
            replaced: state.replaced,
        }
    }
}

impl ResolvesServerCert for CertificateStore {
    /// Returns the one certificate, whatever name the client asks for, or none.
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.state.lock().current))
    }
}

fn log_use(pair: &CertificatePair) {
    let not_after = pair.not_after;
    if pair.has_expired() {
        tracing::warn!(
            not_after,
            "the certificate has expired: clients will refuse it"
        );
    } else {
        tracing::info!(not_after, "the certificate is in use");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rcgen::{CertificateParams, KeyPair};
    use rustls::crypto::ring;

    use super::*;

    fn write(place: &Path, year: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let pem = params.self_signed(&key).unwrap().pem();
        std::fs::write(place.join("cert"), &pem).unwrap();
        std::fs::write(place.join("key"), key.serialize_pem()).unwrap();
        (pem, key.serialize_pem())
    }

    fn status(store: &CertificateStore) -> (u64, bool, u64) {
        let status = store.status();
        (status.not_after, status.stale, status.replaced)
    }

    #[test]
    fn a_half_written_pair_replaces_nothing_until_it_is_whole() {
        let place = tempfile::tempdir().unwrap();
        let at = |name| place.path().join(name);
        let (old_cert, _) = write(place.path(), 2035);
        let provider = Arc::new(ring::default_provider());
        let store = CertificateStore::open(at("cert"), at("key"), provider).unwrap();
        let first = store.status().not_after;
        assert_eq!(store.reload(), Reloaded::Same);
        let (_, new_key) = write(place.path(), 2036);
        // The old certificate with the new key, half a key, no key.
        std::fs::write(at("cert"), &old_cert).unwrap();
        assert_eq!(store.reload(), Reloaded::Kept);
        std::fs::write(at("key"), &new_key[..new_key.len() / 2]).unwrap();
        assert_eq!(store.reload(), Reloaded::Kept);
        std::fs::remove_file(at("key")).unwrap();
        assert_eq!(store.reload(), Reloaded::Kept);
        assert_eq!(status(&store), (first, true, 0));
        write(place.path(), 2037);
        assert_eq!(store.reload(), Reloaded::Replaced);
        let (second, stale, replaced) = status(&store);
        assert!(second > first && !stale && replaced == 1);
        assert_eq!(store.reload(), Reloaded::Same);
    }

    #[tokio::test(start_paused = true)]
    async fn files_that_change_are_seen_without_a_signal() {
        let place = tempfile::tempdir().unwrap();
        let at = |name| place.path().join(name);
        write(place.path(), 2035);
        let provider = Arc::new(ring::default_provider());
        let store = CertificateStore::open(at("cert"), at("key"), provider).unwrap();
        let store = Arc::new(store);
        let watching = tokio::spawn(Arc::clone(&store).watch());
        write(place.path(), 2036);
        while store.status().replaced == 0 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        assert!(!store.status().stale);
        watching.abort();
    }
}
