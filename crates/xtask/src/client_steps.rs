//! The steps that play clients against the real server: under Node and Python, through proxies, in
//! browsers, and from packages. Owns what each needs to be there, and how its stories are run.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::binary;
use crate::debian;
use crate::nats_server;
use crate::node;
use crate::place::{Place, on_path};
use crate::python;
use crate::run;
use crate::tally::{Runner, Tally};
use crate::trouble::Trouble;

pub(crate) fn node_clients(place: &Place) -> Result<Tally, Trouble> {
    node::ensure()?;
    debian::ensure(debian::OPENSSL)?;
    let folder = place.root().join("tests/node");
    node::install(place, &folder)?;
    let binary = binary::debug(place)?;
    stories(place, folder, &[("BATON_BIN", binary.into())])
}

pub(crate) fn python_clients(place: &Place) -> Result<Tally, Trouble> {
    python::ensure()?;
    let binary = binary::debug(place)?;
    let stock = place.root().join("tests/python");
    let packages = python::install(place, &stock)?;
    let mut tally = unittests(place, &stock, ".", &[packages], &binary)?;
    let own = place.root().join("web-demo/python");
    let packages = python::install(place, &own)?;
    tally += unittests(place, &own, "tests", &[own.join("src"), packages], &binary)?;
    Ok(tally)
}

/// Runs the tests in a folder below this one, with these folders of packages.
fn unittests(
    place: &Place,
    folder: &Path,
    tests: &str,
    packages: &[PathBuf],
    binary: &Path,
) -> Result<Tally, Trouble> {
    let packages = env::join_paths(packages)
        .map_err(|error| Trouble::failed(format!("{}: {error}", folder.display())))?;
    let mut command = place.command("python3");
    command
        .current_dir(folder)
        .env("BATON_BIN", binary)
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["-m", "unittest", "discover", "--verbose", "-s", tests]);
    run::count(&mut command, Runner::Unittest)
}

/// A step of its own: where the proxies cannot be installed, the clients under Node still are tested.
pub(crate) fn proxies(place: &Place) -> Result<Tally, Trouble> {
    node::ensure()?;
    for program in [debian::NGINX, debian::HAPROXY, debian::OPENSSL] {
        debian::ensure(program)?;
    }
    node::install(place, &place.root().join("tests/node"))?;
    let binary = binary::debug(place)?;
    let folder = place.root().join("tests/proxies");
    stories(place, folder, &[("BATON_BIN", binary.into())])
}

pub(crate) fn browser(place: &Place) -> Result<Tally, Trouble> {
    node::ensure()?;
    debian::ensure(debian::OPENSSL)?;
    let chromium = chromium()?;
    let folder = place.root().join("tests/browser");
    // The stories drive the page from outside too, with the clients of the other folder.
    node::install(place, &place.root().join("tests/node"))?;
    node::install(place, &folder)?;
    node::build_page(place)?;
    let binary = binary::debug(place)?;
    let settings = [("BATON_BIN", binary.into()), ("CHROMIUM", chromium)];
    stories_beside(place, folder, &settings, 2)
}

/// Packs the browser client, and installs it in projects as a stranger would.
pub(crate) fn packages(place: &Place) -> Result<Tally, Trouble> {
    node::ensure()?;
    let chromium = chromium()?;
    debian::ensure(debian::FIREFOX)?;
    let folder = place.root().join("tests/packages");
    // The package is built with the tools of the page, and one project is a page.
    node::install(place, &place.web())?;
    node::install(place, &place.root().join("tests/browser"))?;
    node::install(place, &folder)?;
    let binary = binary::debug(place)?;
    let settings = [("BATON_BIN", binary.into()), ("CHROMIUM", chromium)];
    stories(place, folder, &settings)
}

/// A step of its own: where there is no engine, the pages of one server still are tested.
pub(crate) fn cluster_pages(place: &Place) -> Result<Tally, Trouble> {
    node::ensure()?;
    let engine = nats_server::ensure(place)?;
    debian::ensure(debian::HAPROXY)?;
    let chromium = chromium()?;
    // The people at the pages are those of the other folder.
    node::install(place, &place.root().join("tests/browser"))?;
    node::build_page(place)?;
    let binary = binary::debug(place)?;
    let settings = [
        ("BATON_BIN", binary.into()),
        (
            "BATON_CLUSTER_LAB",
            place.built("debug", "cluster-lab").into(),
        ),
        ("BATON_NATS_SERVER", engine.into()),
        ("CHROMIUM", chromium),
    ];
    stories(place, place.root().join("tests/cluster/browser"), &settings)
}

/// Returns the browser's program; in CI it is installed where it is missing.
fn chromium() -> Result<OsString, Trouble> {
    if let Some(given) = env::var_os("CHROMIUM") {
        return Ok(given);
    }
    debian::ensure(debian::CHROMIUM)?;
    Ok(on_path(debian::CHROMIUM.program).unwrap_or_default().into())
}

/// A file of stories that has not ended by then never will. Without it, one that hangs would hang the whole run.
const STORIES_LIMIT: &str = "--test-timeout=300000";

/// Runs the stories (`*.test.js`) of a folder, one file after another.
fn stories(
    place: &Place,
    folder: PathBuf,
    settings: &[(&str, OsString)],
) -> Result<Tally, Trouble> {
    stories_beside(place, folder, settings, 1)
}

/// Runs the stories of a folder, so many files at once: where they wait more than they work.
fn stories_beside(
    place: &Place,
    folder: PathBuf,
    settings: &[(&str, OsString)],
    files: usize,
) -> Result<Tally, Trouble> {
    let mut command = place.command("node");
    command
        .current_dir(folder)
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .args(["--test", "--test-reporter=spec", STORIES_LIMIT])
        .arg(format!("--test-concurrency={files}"));
    run::count(&mut command, Runner::Node)
}
