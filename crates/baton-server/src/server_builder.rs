//! Makes a server from settings, a store, and what else an embedding program decides about it.

use std::path::PathBuf;
use std::sync::Arc;

use baton_log::{Log, LogError};

use crate::access::{Authorize, Authorizer};
use crate::app::App;
use crate::config::{ConfigError, Settings};
use crate::server::Server;

/// A server in the making; see [`Server::builder`].
#[must_use]
pub struct ServerBuilder {
    settings: Settings,
    decider: Option<Arc<dyn Authorize>>,
}

/// The server could not be made. Nothing was started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenServerError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] LogError),
}

impl ServerBuilder {
    pub(crate) fn new(settings: Settings) -> Self {
        let decider = None;
        Self { settings, decider }
    }

    /// Lets the program decide who may do what, in place of the setting `auth`.
    pub fn authorize(mut self, decider: impl Authorize) -> Self {
        self.decider = Some(Arc::new(decider));
        self
    }

    /// Opens the store in this folder, and returns a server over it; see [`Server::open`]. Blocks.
    ///
    /// # Errors
    /// Those of [`Server::open`].
    pub fn open(mut self, folder: impl Into<PathBuf>) -> Result<Server, OpenServerError> {
        self.settings.data = folder.into();
        self.settings.check()?;
        let log = Log::open_embedded(&self.settings.data, Server::log_options(&self.settings))?;
        Ok(self.over(log)?)
    }

    /// Returns a server over this log; see [`Server::new`].
    ///
    /// # Errors
    /// Those of [`Server::new`].
    pub fn over(self, log: Log) -> Result<Server, ConfigError> {
        let Self { settings, decider } = self;
        settings.check()?;
        let authorizer = match decider {
            Some(decider) => Authorizer::by(&settings, decider)?,
            None => Authorizer::new(&settings)?,
        };
        let app = App::new(Arc::new(settings), Arc::new(log.clone()), authorizer)?;
        Ok(Server {
            app: Arc::new(app),
            embedded: Some(log),
        })
    }
}

/// Leaves out the settings, some of which are secret.
impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("has_authorizer", &self.decider.is_some())
            .finish_non_exhaustive()
    }
}
