//! The state that all requests share.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::Request;
use baton_log::Journals;
use tokio::sync::watch;

use crate::access::Authorizer;
use crate::config::{ConfigError, Settings};
use crate::documents::registry::Registry;
use crate::limits::connection_limit::ConnectionLimit;
use crate::limits::pre_upgrade_limit::PreUpgradeLimit;
#[cfg(feature = "tokens")]
use crate::limits::return_pause::ReturnPause;
use crate::net::client_addr::{Peer, ProxyTrust};
#[cfg(feature = "tls")]
use crate::net::tls::Tls;
use crate::net::web_origin::OriginPolicy;
use crate::sessions::recheck::{RecheckReport, Rechecks};

/// The shared state of all requests, each part with its own owner, and the stage of the server's
/// life.
pub(crate) struct App {
    registry: Arc<Registry>,
    authorizer: Arc<Authorizer>,
    limits: Arc<ConnectionLimit>,
    places: Arc<PreUpgradeLimit>,
    #[cfg(feature = "tokens")]
    return_pause: Arc<ReturnPause>,
    trust: ProxyTrust,
    origins: OriginPolicy,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    rechecks: Rechecks,
    /// True once a request came whose peer the embedding program did not tell.
    has_unknown_peers: AtomicBool,
    stage: watch::Sender<Stage>,
}

/// The stage of the server's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Serving,
    Stopping,
}

impl App {
    /// Returns the state of a server over this log, on which `authorizer` decides.
    ///
    /// # Errors
    /// The certificate for TLS cannot be used.
    pub(crate) fn new(
        settings: Arc<Settings>,
        log: Arc<dyn Journals>,
        authorizer: Authorizer,
    ) -> Result<Self, ConfigError> {
        let (stage, _) = watch::channel(Stage::Serving);
        let authorizer = Arc::new(authorizer);
        Ok(Self {
            #[cfg(feature = "tls")]
            tls: Tls::open(&settings)?,
            limits: Arc::new(ConnectionLimit::new(&settings)),
            places: Arc::new(PreUpgradeLimit::new(&settings)),
            #[cfg(feature = "tokens")]
            return_pause: Arc::default(),
            trust: ProxyTrust::new(&settings),
            origins: OriginPolicy::new(&settings),
            registry: Arc::new(Registry::new(settings, log, Arc::clone(&authorizer))),
            authorizer,
            rechecks: Rechecks::default(),
            has_unknown_peers: AtomicBool::new(false),
            stage,
        })
    }

    /// Returns the documents, with the settings and the log.
    pub(crate) const fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Returns the place that decides who may do what.
    pub(crate) const fn authorizer(&self) -> &Arc<Authorizer> {
        &self.authorizer
    }

    /// Returns the limits on WebSockets.
    pub(crate) const fn limits(&self) -> &Arc<ConnectionLimit> {
        &self.limits
    }

    /// Returns the places of TCP connections that are not a WebSocket.
    pub(crate) const fn places(&self) -> &Arc<PreUpgradeLimit> {
        &self.places
    }

    /// Returns the pause of clients that come again after a final close.
    #[cfg(feature = "tokens")]
    pub(crate) const fn return_pause(&self) -> &Arc<ReturnPause> {
        &self.return_pause
    }

    /// Returns the trust in proxies.
    pub(crate) const fn trust(&self) -> &ProxyTrust {
        &self.trust
    }

    /// Returns the address of the client of a request, and warns once if it is not known.
    pub(crate) fn client_of(&self, request: &Request) -> IpAddr {
        if Peer::of(request.extensions()) == Peer::Unknown
            && !self.has_unknown_peers.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                "the addresses of clients are unknown, so that all of them share the limits of one address: serve the router with into_make_service_with_connect_info::<SocketAddr>()"
            );
        }
        self.trust.client_of(request)
    }

    /// Returns true once a request came whose peer was not known.
    pub(crate) fn has_unknown_peers(&self) -> bool {
        self.has_unknown_peers.load(Ordering::Relaxed)
    }

    /// Returns the rules for web pages and host names.
    pub(crate) const fn origins(&self) -> &OriginPolicy {
        &self.origins
    }

    /// Returns TLS, if the server speaks it.
    #[cfg(feature = "tls")]
    pub(crate) const fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Returns true if the server itself speaks TLS.
    pub(crate) const fn speaks_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        let speaks = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let speaks = false;
        speaks
    }

    /// Looks at the access of every open session anew; see [`Rechecks`].
    pub(crate) async fn recheck(&self) -> RecheckReport {
        self.rechecks
            .run(self.registry.sessions(), &self.authorizer)
            .await
    }

    /// Ends the serving stage: no connection is accepted any more.
    pub(crate) fn begin_stopping(&self) {
        self.stage.send_replace(Stage::Stopping);
    }

    /// Returns true once the server stops.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stage.borrow() == Stage::Stopping
    }

    /// Waits until the server stops.
    pub(crate) async fn stopping(&self) {
        self.stop_signal().wait().await;
    }

    /// Returns a signal that keeps nothing else of the server alive.
    pub(crate) fn stop_signal(&self) -> StopSignal {
        StopSignal(self.stage.subscribe())
    }
}

/// Tells that the server stops.
pub(crate) struct StopSignal(watch::Receiver<Stage>);

impl StopSignal {
    /// Waits until the server stops.
    pub(crate) async fn wait(&mut self) {
        // A server that is gone has stopped.
        let _stage = self.0.wait_for(|stage| *stage == Stage::Stopping).await;
    }
}
