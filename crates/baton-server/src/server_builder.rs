//! Makes a server from settings, a store, and what else an embedding program decides about it.

use std::path::PathBuf;
use std::sync::Arc;

use baton_log::Log;

use crate::access::Authorize;
use crate::config::{ConfigError, Settings};
use crate::open_error::OpenServerError;
use crate::server::Server;

/// A server in the making, for a program that decides more than the settings say.
#[must_use]
pub struct ServerBuilder {
    settings: Settings,
    decider: Option<Arc<dyn Authorize>>,
}

impl ServerBuilder {
    /// Begins with these settings.
    pub fn new(settings: Settings) -> Self {
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
    pub fn open(self, folder: impl Into<PathBuf>) -> Result<Server, OpenServerError> {
        Server::in_folder(folder.into(), self.settings, self.decider)
    }

    /// Returns a server over this log; see [`Server::new`].
    ///
    /// # Errors
    /// Those of [`Server::new`].
    pub fn over(self, log: Log) -> Result<Server, ConfigError> {
        Server::over(self.settings, log, self.decider)
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
