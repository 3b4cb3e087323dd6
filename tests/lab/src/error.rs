//! What keeps a run from happening. Owns the types only; what a run *finds* is a verdict, not an error.

use std::io;
use std::path::{Path, PathBuf};

use crate::scenario::ScenarioError;

/// The run could not be made. There is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The scenario is wrong. The caller's fault; nothing was started.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The server's program is not there. Build it, or name it.
    #[error(
        "there is no program at {path}: build it with `{build}`, or set BATON_BIN",
        path = .0.display(),
        build = build_of(.0)
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

/// The command that builds `baton` beside this program, which has a profile of its own.
fn build_of(program: &Path) -> String {
    let profile = program.parent().and_then(Path::file_name);
    let profile = profile.and_then(std::ffi::OsStr::to_str);
    match profile {
        Some(profile) if profile != "debug" && profile != "deps" => {
            format!("cargo build --profile {profile} --bin baton")
        }
        _ => "cargo build --bin baton".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_names_the_profile_of_the_lab_itself() {
        let hint = |path: &str| LabError::NoProgram(path.into()).to_string();
        assert!(hint("/t/release/baton").contains("cargo build --profile release --bin baton"));
        assert!(hint("/t/debug/baton").contains("`cargo build --bin baton`"));
    }
}
