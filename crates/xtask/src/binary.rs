//! `build`: the one program with the page inside. Owns which flags the release is built with; never installs it.

use std::fs;

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
