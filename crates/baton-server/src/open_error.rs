//! The reason for which a server cannot be made.

use baton_log::LogError;

use crate::config::ConfigError;

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
