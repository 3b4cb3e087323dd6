//! `bench servers`: the same loads on a bare forwarder, Baton and its peers, one after another inside each repetition.
//! Owns the order of the runs and where the numbers go; never what a load does (`tests/load`), and never a judgement.
//!
//! | file | what it owns |
//! | --- | --- |
//! | `contestants` | the servers: how each is installed and started |
//! | `loads` | the loads, and which numbers are read out of what they print |
//! | `results` | medians, ratios, the file with all of it |
//! | `table`, `plot` | how they are shown |

mod contestants;
mod loads;
mod plot;
mod results;
mod table;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use serde_json::Value;

use self::contestants::Contestant;
use self::loads::{LOADS, Load};
use self::results::Results;
use crate::place::Place;
use crate::run;
use crate::trouble::{Done, Trouble};

/// How thorough a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// For the record: docs/benchmarks.
    Full,
    /// To see that everything works: seconds a load. Its numbers go to the target folder only.
    Quick,
}

/// The options of `cargo xtask bench servers`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    depth: Depth,
    only: Option<&'static Load>,
    repetitions: usize,
}

impl Options {
    /// Reads `--quick`, `--only LOAD` and `--repetitions N`.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Trouble> {
        let mut options = Self {
            depth: Depth::Full,
            only: None,
            repetitions: 0,
        };
        let mut rest = arguments.iter();
        while let Some(flag) = rest.next() {
            let mut value = || {
                rest.next()
                    .ok_or_else(|| Trouble::usage(format!("`{flag}` needs a value")))
            };
            match flag.as_str() {
                "--quick" => options.depth = Depth::Quick,
                "--only" => options.only = Some(Load::named(value()?)?),
                "--repetitions" => {
                    options.repetitions = value()?
                        .parse()
                        .map_err(|_| Trouble::usage("`--repetitions` needs a number"))?;
                }
                _ => return Err(Trouble::usage(format!("bench servers knows no `{flag}`"))),
            }
        }
        if options.repetitions == 0 {
            options.repetitions = match options.depth {
                Depth::Full => 3,
                Depth::Quick => 1,
            };
        }
        Ok(options)
    }
}

/// Builds, installs, measures, and writes what was measured.
pub(crate) fn servers(place: &Place, options: &Options) -> Done {
    build(place)?;
    let contestants = contestants::prepare(place);
    let out = folder(place, options.depth);
    fs::create_dir_all(&out).map_err(|error| Trouble::failed(format!("{error}")))?;
    let file = out.join("servers.json");
    let mut results = Results::begin(&file, &contestants);
    let loads: Vec<&Load> = LOADS
        .iter()
        .filter(|load| options.only.is_none_or(|only| only.name == load.name))
        .collect();
    let began = Instant::now();
    for repetition in 0..options.repetitions {
        for load in &loads {
            for contestant in contestants.iter().filter(|one| load.is_for(one)) {
                let at = began.elapsed().as_secs();
                println!(
                    "[{at:4} s] repetition {} of {}: {} on {}",
                    repetition + 1,
                    options.repetitions,
                    load.name,
                    contestant.label
                );
                let last = results.last(load, contestant);
                let measure = || measure(place, options.depth, load, contestant, last);
                // Once more: y-sweet, for one, answers 500 now and then when many documents are opened at once.
                let again = |trouble: Trouble| {
                    println!("         {trouble}; once more");
                    measure()
                };
                match measure().or_else(again) {
                    Ok(seen) => results.note(load, contestant, &seen),
                    // One server that fails under one load is a hole in the table, not the end of the others.
                    Err(trouble) => println!("         {trouble}"),
                }
            }
        }
    }
    results.write(&file, options.depth)?;
    plot::write_all(&results, &out)?;
    println!("\n{}", table::markdown(&results));
    if options.depth == Depth::Full {
        table::replace(&place.root().join("docs/benchmarks.md"), &results)?;
    }
    println!("{} and the plots beside it", file.display());
    Ok(())
}

fn folder(place: &Place, depth: Depth) -> PathBuf {
    match depth {
        Depth::Full => place.root().join("docs/benchmarks"),
        Depth::Quick => place.tools().join("benchmarks"),
    }
}

fn build(place: &Place) -> Done {
    run::run(&mut place.cargo([
        "build",
        "--locked",
        "--release",
        "--package=baton-server",
        "--package=baton-load",
        "--bins",
    ]))
}

/// Runs one load on one server; both are over when this returns.
fn measure(
    place: &Place,
    depth: Depth,
    load: &Load,
    contestant: &Contestant,
    last: Option<f64>,
) -> Result<Value, Trouble> {
    let mut command = place.command(place.built("release", "load"));
    command
        .arg(load.subcommand)
        .args(["--wire", contestant.wire, "--base", contestant.base])
        .args(["--serve", &contestant.command])
        .args(load.arguments(depth, contestant, last))
        .envs(contestants::SETTINGS);
    if load.subcommand == "cold" {
        command.arg("--paper").arg(place.tools().join("paper"));
    }
    // What it complains about goes where ours goes.
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Trouble::failed(format!("the load generator: {error}")))?;
    if !output.status.success() {
        let label = contestant.label;
        return Err(Trouble::failed(format!("{} failed on {label}", load.name)));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Trouble::failed(format!("{}: {error}", load.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_run_is_chosen_by_its_options() {
        let options = Options::parse(&words("--quick --only storm")).unwrap();
        assert_eq!((options.depth, options.repetitions), (Depth::Quick, 1));
        assert_eq!(options.only.unwrap().name, "storm");
        assert_eq!(Options::parse(&[]).unwrap().repetitions, 3);
        assert!(Options::parse(&words("--only nothing")).is_err());
        assert!(Options::parse(&words("--repetitions x")).is_err());
        assert!(Options::parse(&words("--slow")).is_err());
    }
}
