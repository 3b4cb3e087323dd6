//! The server's program: `build` makes the release with the page inside, tests take the debug
//! build. Owns the flags of both; never installs anything.

use std::fs;
use std::path::PathBuf;

use crate::node;
use crate::place::Place;
use crate::run;
use crate::trouble::{Done, Trouble};

/// Builds the page and the release binary, and says where it is.
pub(crate) fn release(place: &Place) -> Done {
    node::build_page(place)?;
    run::run(&mut place.cargo([
        "build",
        "--locked",
        "--release",
        "--package",
        "baton-server",
        "--bin",
        "baton",
    ]))?;
    let binary = place.built("release", "baton");
    let size = fs::metadata(&binary)
        .map_err(|error| Trouble::failed(format!("{}: {error}", binary.display())))?
        .len();
    let mebibytes = size / (1024 * 1024);
    let tenths = size % (1024 * 1024) * 10 / (1024 * 1024);
    println!("{} ({mebibytes}.{tenths} MiB)", binary.display());
    Ok(())
}

/// Builds the debug server, out of the very build that the Rust tests made (`--examples` selects
/// the same features as they), and returns where it is.
pub(crate) fn debug(place: &Place) -> Result<PathBuf, Trouble> {
    let flags = ["build", "--workspace", "--bins", "--examples", "--locked"];
    run::run(&mut place.cargo(flags))?;
    Ok(place.built("debug", "baton"))
}
