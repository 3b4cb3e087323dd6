//! `cluster`, and the step of `test` of the same name: three nodes over three engines.
//!
//! Owns which programs these need. All that is started, disturbed and judged is in
//! `tests/cluster`.

use crate::binary;
use crate::child::{Process, signals, until_ended};
use crate::debian;
use crate::nats_server;
use crate::node;
use crate::place::{Place, on_path};
use crate::run;
use crate::s3_server;
use crate::tally::{Runner, Tally};
use crate::trouble::{Done, Trouble};

/// The package whose tests need a `nats-server`; they are a step of their own.
pub(crate) const PACKAGE: &str = "baton-cluster-tests";

/// All tests that need a `nats-server`, as nextest selects them.
pub(crate) const TESTS: &str = "package(baton-cluster-tests) | binary_id(baton-cluster::it)";

/// Runs the tests of the cluster. A step of its own: where there is no engine, all else still is
/// tested. The tests that need one are ignored unless asked for, so that a plain test run of the
/// workspace passes without.
pub(crate) fn test(place: &Place) -> Result<Tally, Trouble> {
    let engine = nats_server::ensure(place)?;
    debian::ensure(debian::HAPROXY)?;
    let binary = binary::debug(place)?;
    // The whole workspace is selected, so that the build is the one of the other tests.
    let (mut command, runner) = if on_path("cargo-nextest").is_some() {
        let mut command = place.cargo(["nextest", "run", "--workspace", "--locked"]);
        // Two at a time: each takes three engines and three nodes, and mostly waits.
        command.args(["--no-fail-fast", "--test-threads=2", "--run-ignored=all"]);
        command.args(["-E", TESTS]);
        (command, Runner::Nextest)
    } else {
        let mut command = place.cargo(["test", "--package", PACKAGE, "--locked"]);
        command.args(["--package", "baton-cluster", "--no-fail-fast", "--"]);
        command.args(["--include-ignored", "--test-threads=2"]);
        (command, Runner::Libtest)
    };
    let settings = [
        ("BATON_NATS_SERVER", engine),
        ("BATON_S3_SERVER", s3_server::ensure(place)?),
        ("BATON_BIN", binary),
    ];
    let mut total = run::count(command.envs(settings), runner)?;
    // The runner counts the tests of all other packages, which this step is not about.
    total.skipped = 0;
    Ok(total)
}

/// Builds the nodes with the page, and calls the program that owns everything else. These words
/// are its own; without any it brings up a cluster to try. What is measured is a release build.
pub(crate) fn cluster(place: &Place, words: &[String]) -> Done {
    let engine = nats_server::ensure(place)?;
    node::build_page(place)?;
    let measures = words.first().is_some_and(|word| word == "measure");
    if measures && words.iter().any(|word| word.contains("hocuspocus")) {
        debian::ensure(debian::REDIS)?;
        node::install(place, &place.root().join("tests/load/peers"))?;
    }
    let profile = if measures { "release" } else { "debug" };
    let mut build = place.cargo([
        "build",
        "--locked",
        "--package=baton-server",
        "--bin=baton",
        "--package=baton-cluster-tests",
        "--bin=cluster-lab",
    ]);
    if measures {
        build.arg("--release");
    }
    run::run(&mut build)?;
    let stop = signals()?;
    let mut command = place.command(place.built(profile, "cluster-lab"));
    if words.first().is_none_or(|word| word.starts_with('-')) {
        command.arg("demo");
    }
    command
        .args(words)
        .env("BATON_NATS_SERVER", engine)
        .env("BATON_BIN", place.built(profile, "baton"));
    let mut lab = Process::start("the cluster", &mut command)?;
    until_ended(&stop, &mut lab)
}
