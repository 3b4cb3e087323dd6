//! What keeps a run from happening. Owns the types only; what a run *finds* is a verdict, not an error.

use std::io;
use std::path::PathBuf;

use crate::scenario::ScenarioError;

/// The run could not be made. There is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The scenario is wrong. The caller's fault; nothing was started.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The server's program is not there. Build it, or name it.
    #[error(
        "there is no program at {0}: build it with `cargo build -p baton-server`, or set BATON_BIN"
    )]
    NoProgram(PathBuf),
    /// The server that the lab started ended, or did not say that it listens.
    #[error("the server does not run: {0}")]
    Server(String),
    /// The address cannot be used.
    #[error("the address cannot be used: {0}")]
    Address(String),
    /// A client of the lab ended before its time. The lab's fault.
    #[error("a client of the lab ended before its time: {0}")]
    Client(String),
    /// Only a server that the lab started can be killed.
    #[error(
        "a server that is already there is not killed: leave `kill` and `blackout` out, or `--url`"
    )]
    NotOurs,
    /// This machine's fault: a socket, a folder.
    #[error(transparent)]
    Io(#[from] io::Error),
}
