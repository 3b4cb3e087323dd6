//! The state that all requests share.

use std::sync::Arc;

use baton_log::Log;
use tokio::sync::watch;

use crate::config::Settings;
use crate::documents::registry::Registry;
use crate::limits::connection_limit::ConnectionLimit;
use crate::limits::pre_upgrade_limit::PreUpgradeLimit;
use crate::net::client_addr::ProxyTrust;
use crate::net::web_origin::OriginPolicy;

/// Shared state of all requests.
pub(crate) struct App {
    pub(crate) registry: Arc<Registry>,
    pub(crate) limits: Arc<ConnectionLimit>,
    pub(crate) places: Arc<PreUpgradeLimit>,
    pub(crate) trust: ProxyTrust,
    pub(crate) origins: OriginPolicy,
    pub(crate) stopping: watch::Sender<Stage>,
}

/// The stage of the server's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Serving,
    Stopping,
}

impl App {
    /// Returns the state of a server over this log.
    pub(crate) fn new(settings: Arc<Settings>, log: Log) -> Self {
        let (stopping, _) = watch::channel(Stage::Serving);
        Self {
            limits: Arc::new(ConnectionLimit::new(&settings)),
            places: Arc::new(PreUpgradeLimit::new(&settings)),
            trust: ProxyTrust::new(&settings),
            origins: OriginPolicy::new(&settings),
            registry: Arc::new(Registry::new(settings, log)),
            stopping,
        }
    }
}
