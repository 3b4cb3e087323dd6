//! `test`: everything that must hold before a change goes in. Owns the order of the steps and what a missing program
//! means; never looks at the network for an opinion (advisories against dependencies change without a commit, so they
//! are asked for with `cargo deny check advisories`, not here).
//!
//! The page is built first because the server's build embeds it: the other way round, cargo would compile the server
//! twice. All cargo steps select the whole workspace, so that features, and with them the compiled dependencies, are
//! shared between them.

use std::num::NonZero;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use crate::binary;
use crate::client_steps;
use crate::cluster;
use crate::node;
use crate::packed_crates;
use crate::place::{Mode, Place, on_path};
use crate::public_api;
use crate::run;
use crate::rust_version;
use crate::second_lane::SecondLane;
use crate::tally::{Runner, Tally};
use crate::three_nodes;
use crate::trouble::{Done, Trouble};

/// Installed in CI when it is not there; elsewhere any version will do.
const CARGO_DENY: &str = "0.20.2";

/// The crates of the tests that `baton-lab` needs, which are published with the libraries.
const OF_THE_LAB: [&str; 2] = ["baton-sim", "baton-testkit"];

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&Place) -> Result<Tally, Trouble>,
}

const STEPS: [Step; 19] = [
    Step {
        name: "fmt",
        what: "the code is formatted",
        run: fmt,
    },
    Step {
        name: "web",
        what: "the page: types, tests and build",
        run: web,
    },
    Step {
        name: "clippy",
        what: "no lint speaks",
        run: clippy,
    },
    Step {
        name: "doc",
        what: "the documentation builds without warnings",
        run: doc,
    },
    Step {
        name: "api",
        what: "docs/api shows the public items of the libraries",
        run: public_api::check,
    },
    Step {
        name: "semver",
        what: "the libraries keep what the newest release promised",
        run: public_api::semver,
    },
    Step {
        name: "deny",
        what: "licences, sources and bans of the dependencies",
        run: deny,
    },
    Step {
        name: "test",
        what: "the Rust tests",
        run: rust_tests,
    },
    Step {
        name: "three-nodes",
        what: "the stories of the Rust tests once more, each on three nodes",
        run: three_nodes::test,
    },
    Step {
        name: "doctest",
        what: "the examples in the documentation",
        run: doctests,
    },
    Step {
        name: "node",
        what: "stock Yjs clients under Node against the real server",
        run: client_steps::node_clients,
    },
    Step {
        name: "python",
        what: "clients under Python against the real server: a stock one, and Baton's own",
        run: client_steps::python_clients,
    },
    Step {
        name: "proxies",
        what: "stock Yjs clients through nginx and HAProxy, as docs/proxies.md says",
        run: client_steps::proxies,
    },
    Step {
        name: "browser",
        what: "pages in Chromium against the real server",
        run: client_steps::browser,
    },
    Step {
        name: "packages",
        what: "baton-client from its tarball, in empty projects",
        run: client_steps::packages,
    },
    Step {
        name: "crates",
        what: "the published crates from their packages, in empty projects",
        run: crates,
    },
    Step {
        name: "cluster",
        what: "three nodes over three engines, which are killed, frozen and cut off",
        run: cluster::test,
    },
    Step {
        name: "cluster-pages",
        what: "pages in Chromium on three nodes over three engines, one of which is killed",
        run: client_steps::cluster_pages,
    },
    Step {
        name: "msrv",
        what: "the oldest Rust that is promised",
        run: rust_version::msrv,
    },
];

/// Steps that mostly wait, and need no processor for themselves: a whole run makes them beside the
/// others, from the step `BESIDE_FROM` on, before which everything was built.
const BESIDE: [&str; 3] = ["python", "proxies", "cluster"];

/// The first step that other steps run beside.
const BESIDE_FROM: &str = "node";

/// Runs all steps, or those named, and ends with a line of numbers.
pub(crate) fn test(place: &Place, only: Option<&str>) -> Done {
    let steps = chosen(only)?;
    let started = Instant::now();
    let mut total = Tally::default();
    let mut notes = Vec::new();
    let mut beside = None;
    for step in steps {
        if only.is_none() && step.name == BESIDE_FROM {
            beside = Some(SecondLane::start(place, &BESIDE)?);
        }
        println!("\n== {}: {}", step.name, step.what);
        let began = Instant::now();
        let (tally, why) = verdict((step.run)(place), place.mode());
        let seconds = began.elapsed().as_secs_f64();
        println!("-- {}: {tally} in {seconds:.1} s", step.name);
        let why = why.or_else(|| (tally.failed > 0).then(|| tally.to_string()));
        notes.extend(why.map(|why| format!("{}: {why}", step.name)));
        total += tally;
    }
    if let Some(beside) = beside {
        let (tally, troubles) = beside.finish()?;
        notes.extend(troubles);
        total += tally;
    }
    println!("\nIn {:.0} s:", started.elapsed().as_secs_f64());
    for note in notes {
        println!("  {note}");
    }
    println!("{total}");
    if total.failed == 0 {
        Ok(())
    } else {
        Err(Trouble::Said)
    }
}

/// Returns the steps of this process: those named, in their order, or all that do not run beside.
fn chosen(only: Option<&str>) -> Result<Vec<&'static Step>, Trouble> {
    let Some(only) = only else {
        let own = STEPS.iter().filter(|step| !BESIDE.contains(&step.name));
        return Ok(own.collect());
    };
    let names: Vec<_> = only.split(',').collect();
    if let Some(unknown) = names
        .iter()
        .find(|name| STEPS.iter().all(|step| step.name != **name))
    {
        let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        return Err(Trouble::usage(format!(
            "no step is called {unknown:?}; there are: {}",
            known.join(", ")
        )));
    }
    Ok(STEPS
        .iter()
        .filter(|step| names.contains(&step.name))
        .collect())
}

/// The numbers of a step, and why they are not all good.
fn verdict(outcome: Result<Tally, Trouble>, mode: Mode) -> (Tally, Option<String>) {
    match outcome {
        Ok(tally) => (tally, None),
        Err(missing @ Trouble::Missing { .. }) => match mode {
            Mode::Developer => (Tally::SKIPPED, Some(format!("skipped: {missing}"))),
            Mode::Ci => (Tally::FAILED, Some(format!("missing in CI: {missing}"))),
        },
        Err(trouble) => (Tally::FAILED, Some(trouble.to_string())),
    }
}

fn passed(_: ()) -> Tally {
    Tally::PASSED
}

fn fmt(place: &Place) -> Result<Tally, Trouble> {
    component(place, "fmt", "rustfmt")?;
    run::run(&mut place.cargo(["fmt", "--all", "--", "--check"])).map(passed)
}

fn web(place: &Place) -> Result<Tally, Trouble> {
    let web = place.web();
    node::ensure()?;
    node::install(place, &web)?;
    let mut total = run::count(&mut node::script(place, &web, "check"), Runner::Vitest)?;
    node::build_page(place)?;
    total += Tally::PASSED;
    Ok(total)
}

fn clippy(place: &Place) -> Result<Tally, Trouble> {
    component(place, "clippy", "clippy")?;
    let flags = ["--workspace", "--all-targets", "--locked"];
    run::run(
        place
            .cargo(["clippy"])
            .args(flags)
            .args(["--", "-D", "warnings"]),
    )
    .map(passed)
}

fn doc(place: &Place) -> Result<Tally, Trouble> {
    let mut command = place.cargo(["doc", "--workspace", "--no-deps", "--locked"]);
    run::run(command.env("RUSTDOCFLAGS", "-D warnings")).map(passed)
}

fn deny(place: &Place) -> Result<Tally, Trouble> {
    let deny = tool(place, "cargo-deny", CARGO_DENY)?;
    let mut command = place.command(deny);
    let check = [
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ];
    run::run(command.arg("--locked").args(check)).map(passed)
}

fn crates(place: &Place) -> Result<Tally, Trouble> {
    packed_crates::test(place, &[&public_api::LIBRARIES[..], &OF_THE_LAB].concat())
}

fn rust_tests(place: &Place) -> Result<Tally, Trouble> {
    // The differential tests ask stock Yjs.
    node::ensure()?;
    node::install(place, &place.root().join("tests/node"))?;
    // Some of them start the program itself, which a test run alone does not build.
    let binary = binary::debug(place)?;
    let (mut command, runner) = if on_path("cargo-nextest").is_some() {
        // The whole workspace is built, as for the step of the cluster: with a package less, others
        // would be built with other features there.
        let mut command = place.cargo(["nextest", "run", "--workspace"]);
        command.args(["-E", &format!("not ({})", cluster::TESTS)]);
        // Most tests wait most of their time; .config/nextest.toml names those that do not.
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        command.arg(format!("--test-threads={}", 2 * cores));
        (command, Runner::Nextest)
    } else {
        let mut command = place.cargo(["test", "--lib", "--bins", "--tests", "--examples"]);
        command.args(["--workspace", "--exclude", cluster::PACKAGE]);
        (command, Runner::Libtest)
    };
    command.args(["--locked", "--no-fail-fast"]);
    run::count(command.env("BATON_BIN", binary), runner)
}

fn doctests(place: &Place) -> Result<Tally, Trouble> {
    let mut command = place.cargo(["test", "--doc", "--workspace", "--locked", "--no-fail-fast"]);
    run::count(&mut command, Runner::Libtest)
}

/// Makes sure of a part of the Rust toolchain; in CI it is added.
fn component(place: &Place, subcommand: &str, component: &str) -> Done {
    let works = || run::answer(&mut place.cargo([subcommand, "--version"])).is_some();
    if works() {
        return Ok(());
    }
    if place.mode() == Mode::Ci && on_path("rustup").is_some() {
        run::run(
            place
                .command("rustup")
                .args(["component", "add", component]),
        )?;
        if works() {
            return Ok(());
        }
    }
    Err(Trouble::missing(
        format!("{component} is not installed"),
        format!("`rustup component add {component}`"),
    ))
}

/// Returns the program of a tool of cargo. In CI it is built when it is not there, which takes about
/// three minutes on two cores for cargo-deny, and lands in the target folder.
pub(crate) fn tool(place: &Place, name: &str, version: &str) -> Result<PathBuf, Trouble> {
    let own = place.tools().join("bin").join(name);
    if let Some(found) = on_path(name).or_else(|| own.is_file().then(|| own.clone())) {
        return Ok(found);
    }
    if place.mode() == Mode::Developer {
        return Err(Trouble::missing(
            format!("{name} is not installed"),
            format!("`cargo install --locked {name}` (some minutes)"),
        ));
    }
    println!("{name} is not there: building it, some minutes");
    let mut command = place.cargo(["install", "--locked", "--version", version, "--root"]);
    run::run(command.arg(place.tools()).arg(name))?;
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_a_skip_for_a_person_and_a_failure_in_ci() {
        let missing = || Err(Trouble::missing("x is not installed", "install it"));
        let (tally, why) = verdict(missing(), Mode::Developer);
        assert_eq!(tally, Tally::SKIPPED);
        assert!(why.unwrap().contains("install it"));
        assert_eq!(verdict(missing(), Mode::Ci).0, Tally::FAILED);
    }

    #[test]
    fn every_step_runs_once_in_one_of_the_two_lanes() {
        let names = |steps: Vec<&Step>| steps.iter().map(|step| step.name).collect::<Vec<_>>();
        let named = BESIDE.join(",");
        let beside = names(chosen(Some(&named)).unwrap());
        let first = names(chosen(None).unwrap());
        let mut all = [&first[..], &beside].concat();
        all.sort_unstable();
        let mut steps = STEPS.map(|step| step.name);
        steps.sort_unstable();
        assert_eq!(all, steps);
        assert_eq!(beside, BESIDE);
        assert!(first.contains(&BESIDE_FROM));
    }

    #[test]
    fn a_step_that_there_is_not_is_told_with_those_that_there_are() {
        for only in ["nodes", "node,nodes", ""] {
            let trouble = chosen(Some(only)).err().unwrap().to_string();
            assert!(trouble.contains("cluster-pages"), "{only}: {trouble}");
        }
    }

    #[test]
    fn what_went_wrong_is_a_failure_everywhere() {
        for mode in [Mode::Developer, Mode::Ci] {
            assert_eq!(verdict(Err(Trouble::failed("x")), mode).0, Tally::FAILED);
        }
    }
}
