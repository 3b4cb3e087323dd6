//! The project's own commands: `cargo xtask demo`, `test`, `build` and `bench`.
//!
//! This program owns the order in which other programs run (cargo, npm, node, Debian's package client) and what is
//! printed about them. It never contains a check of its own: everything that can be wrong with Baton is found by a
//! test, a lint or a type, and can be run without it.
//!
//! | file | what it owns |
//! | --- | --- |
//! | `place` | where things are: the checkout, the target folder, whether this is CI |
//! | `trouble` | why a command stopped, and what to do about it |
//! | `run` | starting a child, echoing what it says, reading the numbers in it |
//! | `child` | children that run until Ctrl-C |
//! | `tally` | the numbers: passed, failed, skipped |
//! | `debian` | programs that may have to be installed |
//! | `nats_server`, `s3_server` | the engine of the cluster tests, and their S3 server |
//! | `pinned_wheel` | programs in packages of PyPI, pinned by their hashes |
//! | `node` | npm and node: what they must do, only when they must |
//! | `python` | packages for Python, in a folder of the checkout |
//! | `steps`, `second_lane` | `test`, and its steps that run beside the others |
//! | `public_api` | `api`, and that step of `test` |
//! | `rust_version` | the Rust that is promised, and the step of `test` that checks with it |
//! | `packed_crates` | the step of `test` that builds empty projects from packed crates |
//! | `three_nodes` | the step of `test` that runs the stories on three nodes |
//! | `demo` | `demo` |
//! | `binary` | `build` |
//! | `cluster` | `cluster`, and that step of `test` |
//! | `bench` | `bench` |
//! | `servers` | `bench servers` |
//! | `fuzz` | `fuzz` |

#![allow(
    clippy::print_stdout,
    reason = "a command-line program: its output is what it is for"
)]

mod bench;
mod binary;
mod child;
mod client_steps;
mod cluster;
mod debian;
mod demo;
mod fuzz;
mod nats_server;
mod node;
mod packed_crates;
mod pinned_wheel;
mod place;
mod public_api;
mod python;
mod run;
mod rust_version;
mod s3_server;
mod second_lane;
mod servers;
mod soak;
mod steps;
mod tally;
mod three_nodes;
mod trouble;

use std::process::ExitCode;

use crate::place::Place;
use crate::trouble::{Done, Trouble};

const HELP: &str = "\
The project's own commands:

  cargo xtask demo [--listen 127.0.0.1:8080] [--data ./data] [--open]
      Builds the page and the server, starts both with a live feed, and prints the address.
      Ctrl-C ends it.

  cargo xtask cluster [--port 8080]
      Three nats-servers and three nodes with the page on this machine, with HAProxy in front if it
      is installed. Prints the addresses, and what to try. Ctrl-C ends it.

  cargo xtask cluster prove [--lasts 30m] [--seed 7]
      The conflict lab on three nodes, while engines and nodes are killed, frozen and cut off.

  cargo xtask cluster measure [--hocuspocus] [--only ROW,ROW] [--quick] [--json FILE]
      Latency, throughput, memory and failover on one, two and three nodes, beside one node with its
      own store, in a release build. Prints a table; with --hocuspocus also two Hocuspocus servers
      over Redis, and the edits that are lost when processes are killed.

  cargo xtask cluster scale [--seed 7]
      The arithmetic of docs/scale.md.

  cargo xtask test [--only NAME,NAME]
      Everything that must hold before a change goes in. NAME is one of:
      fmt, web, clippy, doc, api, semver, deny, test, three-nodes, doctest, node, python, proxies,
      browser, packages, crates, cluster, cluster-pages, msrv.
      Without a name python, proxies and cluster run beside the last ones, and are told at the end.
      With BATON_WHOLE=1, packages and crates also try the newest versions of what they depend on.
      The last line says `N passed, N failed, N skipped`. A missing program is a skip;
      with CI=true it is installed, or else a failure.

  cargo xtask api
      Writes the public items of the published libraries into docs/api.

  cargo xtask build
      The page, then the one release binary `baton` with the page inside.

  cargo xtask bench [NAME]
      The benchmarks of the workspace, or the one of that name.

  cargo xtask bench servers [--quick] [--only LOAD] [--repetitions N]
      The same loads on a bare forwarder, Baton, and the peers that can be installed here. Writes
      docs/benchmarks/, and the table in docs/benchmarks.md; with --quick into the target folder only.

  cargo xtask fuzz [--target NAME] [--minutes N]
      libFuzzer with AddressSanitizer over all targets of tests/fuzz, an hour together, or over
      the one of that name. Builds cargo-fuzz when it is not there. Prints its progress, and goes
      on after a finding until its time is over; inputs of findings and logs are files.

  cargo xtask soak [--minutes 10] [--findings FOLDER]
      A long run of churn, storms and failures, after which the server must hold what it held before.
      Prints its progress, and writes samples and the server's log while it runs.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match command(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble::Said) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("xtask: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn command(arguments: &[String]) -> Done {
    let Some((name, rest)) = arguments.split_first() else {
        print!("{HELP}");
        return Ok(());
    };
    let asks = |argument: &String| argument == "--help" || argument == "-h";
    if rest.iter().any(asks)
        && let Some(help) = help_of(name)
    {
        print!("{help}");
        return Ok(());
    }
    match name.as_str() {
        "demo" => demo::demo(&Place::find()?, &demo::Options::parse(rest)?),
        "cluster" => cluster::cluster(&Place::find()?, rest),
        "test" => steps::test(&Place::find()?, only(rest)?),
        "api" => {
            nothing_more(rest)?;
            public_api::write(&Place::find()?)
        }
        "build" => {
            nothing_more(rest)?;
            binary::release(&Place::find()?)
        }
        "bench" if rest.first().is_some_and(|first| first == "servers") => {
            let options = servers::Options::parse(&rest[1..])?;
            servers::servers(&Place::find()?, &options)
        }
        "bench" => bench::bench(&Place::find()?, at_most_one(rest)?),
        "fuzz" => fuzz::fuzz(&Place::find()?, &fuzz::Options::parse(rest)?),
        "soak" => soak::soak(&Place::find()?, rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(Trouble::usage(format!(
            "no command `{other}`; `cargo xtask` lists them"
        ))),
    }
}

/// The part of the help that is about one command; `None` if there is no such command.
fn help_of(name: &str) -> Option<String> {
    let about = |part: &&str| {
        let usage = part.trim_start().strip_prefix("cargo xtask ");
        usage.and_then(|usage| usage.split_whitespace().next()) == Some(name)
    };
    let parts: Vec<_> = HELP.split("\n\n").filter(about).collect();
    (!parts.is_empty()).then(|| format!("{}\n", parts.join("\n\n").trim_end()))
}

fn only(rest: &[String]) -> Result<Option<&str>, Trouble> {
    match rest {
        [] => Ok(None),
        [flag, name] if flag == "--only" => Ok(Some(name)),
        _ => Err(Trouble::usage("test takes nothing, or `--only NAME,NAME`")),
    }
}

fn at_most_one(rest: &[String]) -> Result<Option<&str>, Trouble> {
    match rest {
        [] => Ok(None),
        [name] => Ok(Some(name)),
        _ => Err(Trouble::usage(
            "bench takes nothing, or the name of one benchmark",
        )),
    }
}

fn nothing_more(rest: &[String]) -> Done {
    match rest {
        [] => Ok(()),
        [first, ..] => Err(Trouble::usage(format!("no argument `{first}` here"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_says_what_it_takes_when_it_is_asked() {
        for name in [
            "demo", "cluster", "test", "api", "build", "bench", "fuzz", "soak",
        ] {
            let help = help_of(name).unwrap();
            assert!(help.contains(&format!("cargo xtask {name}")), "{help}");
            for flag in ["--help", "-h"] {
                // Nothing is built, and nothing is started.
                command(&[name.to_owned(), flag.to_owned()]).unwrap();
            }
        }
        let both = help_of("bench").unwrap();
        assert!(
            both.contains("[NAME]") && both.contains("bench servers"),
            "{both}"
        );
        assert!(!both.contains("xtask demo"), "{both}");
        assert!(command(&["no-such".to_owned(), "--help".to_owned()]).is_err());
    }
}
