//! Programs that may have to be installed. Owns the one way in which this program changes a machine: Debian's package
//! client, as root, and only for a program that is not there. Never asks for a password and never adds a source.

use std::process::Command;

use crate::place::on_path;
use crate::run;
use crate::trouble::{Done, Trouble};

/// A program and the packages of Debian that bring it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) program: &'static str,
    pub(crate) packages: &'static [&'static str],
}

/// Node with npm, for the page and the clients under Node.
pub(crate) const NODE: Wanted = Wanted {
    program: "npm",
    packages: &["nodejs", "npm"],
};

/// Python's package client, for the clients under Python.
pub(crate) const PIP: Wanted = Wanted {
    program: "pip3",
    packages: &["python3", "python3-pip"],
};

/// The browser of the browser tests.
pub(crate) const CHROMIUM: Wanted = Wanted {
    program: "chromium",
    packages: &["chromium"],
};

/// The other browser, which plays a few stories.
pub(crate) const FIREFOX: Wanted = Wanted {
    program: "firefox-esr",
    packages: &["firefox-esr"],
};

/// The proxies of docs/proxies.md that its tests run.
pub(crate) const NGINX: Wanted = Wanted {
    program: "nginx",
    packages: &["nginx"],
};

/// As [`NGINX`].
pub(crate) const HAPROXY: Wanted = Wanted {
    program: "haproxy",
    packages: &["haproxy"],
};

/// Connects several servers of a rival, in `cluster measure --hocuspocus`.
pub(crate) const REDIS: Wanted = Wanted {
    program: "redis-server",
    packages: &["redis-server"],
};

/// Makes the certificates of the stories under Node.
pub(crate) const OPENSSL: Wanted = Wanted {
    program: "openssl",
    packages: &["openssl"],
};

/// Makes sure that the program is there.
///
/// # Errors
/// [`Trouble::Missing`] with the command to type when this may not, or cannot, install it.
pub(crate) fn ensure(wanted: Wanted) -> Done {
    if on_path(wanted.program).is_some() {
        return Ok(());
    }
    let packages = wanted.packages.join(" ");
    let missing = || {
        Trouble::missing(
            format!("{} is not installed", wanted.program),
            format!("on Debian: `sudo apt-get install {packages}`"),
        )
    };
    if on_path("apt-get").is_none() || !rustix::process::geteuid().is_root() {
        return Err(missing());
    }
    println!("{} is not there: installing {packages}", wanted.program);
    run::run(apt().args(["-q", "update"]))?;
    run::run(
        apt()
            .args(["-q", "-y", "--no-install-recommends", "install"])
            .args(wanted.packages),
    )?;
    on_path(wanted.program).map(|_| ()).ok_or_else(missing)
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
