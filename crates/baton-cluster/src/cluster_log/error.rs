//! The errors of a node that does not start.

use crate::engine::EngineError;

/// The reason why a node does not start.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// The engine cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
