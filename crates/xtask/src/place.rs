//! The surroundings: the checkout, the folders that cargo builds into, and CI or not. Owns how a
//! child process of the project is set up; never starts one.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::trouble::Trouble;

/// Variables that `cargo run` sets for the program it starts, and that a cargo below it must not
/// inherit: a build script that watches one of them would otherwise run again each time a command
/// goes through xtask.
const SET_BY_CARGO_RUN: [&str; 6] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_PRIMARY_PACKAGE",
    "OUT_DIR",
];

/// The checkout and its surroundings.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    root: PathBuf,
    /// The folder above `debug` and `release`.
    target: PathBuf,
    mode: Mode,
}

/// The meaning of a missing program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A person's machine: a missing program is a skip that is printed and counted.
    Developer,
    /// `CI=true`: what is missing is installed, or else it is a failure.
    Ci,
}

impl Place {
    /// Looks around. The checkout is the one that `cargo xtask` was called in.
    ///
    /// # Errors
    /// The program was moved away from the folder in which cargo had built it.
    pub(crate) fn find() -> Result<Self, Trouble> {
        let manifest =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest)
            .ancestors()
            .nth(2)
            .filter(|root| root.join("Cargo.lock").is_file())
            .ok_or_else(|| Trouble::failed("the checkout was not found; call `cargo xtask` in it"))?
            .to_owned();
        // Not asked of `cargo metadata`: this program stands in the folder that we look for.
        let target = env::current_exe()
            .ok()
            .and_then(|exe| exe.ancestors().nth(2).map(Path::to_owned))
            .ok_or_else(|| Trouble::failed("this program does not know where it is"))?;
        let mode = match env::var("CI").as_deref() {
            Ok("true" | "1") => Mode::Ci,
            _ => Mode::Developer,
        };
        Ok(Self { root, target, mode })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// The page's folder.
    pub(crate) fn web(&self) -> PathBuf {
        self.root.join("web-demo")
    }

    /// Returns the folder of programs that this one installs for itself; cleaned with everything
    /// else by `cargo clean`.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// Returns the folder in which a long command leaves what it found.
    pub(crate) fn findings(&self, command: &str) -> PathBuf {
        self.target.join(command)
    }

    /// Returns the path of a crate that `cargo package` has packed.
    pub(crate) fn packed(&self, file: &str) -> PathBuf {
        self.target.join("package").join(file)
    }

    /// A program built by cargo, `profile` being `debug` or `release`.
    pub(crate) fn built(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(profile).join(name)
    }

    /// A command that runs in the checkout.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// A cargo command in the checkout, with the same toolchain that started this program.
    pub(crate) fn cargo<I>(&self, arguments: I) -> Command
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = self.command(cargo);
        for (name, _) in env::vars_os() {
            let named = name.to_str();
            if named.is_some_and(|n| n.starts_with("CARGO_PKG_") || SET_BY_CARGO_RUN.contains(&n)) {
                command.env_remove(&name);
            }
        }
        // A relative target folder was relative to where the person stands, not to the checkout.
        if let Some(target) = env::var_os("CARGO_TARGET_DIR")
            && let Ok(target) = std::path::absolute(target)
        {
            command.env("CARGO_TARGET_DIR", target);
        }
        command.args(arguments);
        command
    }
}

/// Returns the path of a program on the `PATH`.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
