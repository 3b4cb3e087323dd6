//! `fuzz`: libFuzzer with AddressSanitizer over the targets of `tests/fuzz`, one after another.
//!
//! Owns how cargo-fuzz is found, built and called. Never judges an input: the targets do. The
//! inputs of findings lie in `tests/fuzz/fuzz/artifacts`; the README there says which to keep for
//! good.
//!
//! cargo-fuzz wants a nightly compiler only for `-Z sanitizer`: `RUSTC_BOOTSTRAP` lets the stable
//! one take it.

mod session;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::session::Session;
use crate::place::{Place, on_path};
use crate::run;
use crate::trouble::{Done, Trouble};

/// Built when it is not there; elsewhere any version will do.
const CARGO_FUZZ: &str = "0.13.2";

/// An input that runs longer than this is a finding, in seconds.
const LONGEST_RUN: u32 = 10;

/// More than this in use is a finding, in MB: the targets' own bounds are far below it.
const MOST_MEMORY: u32 = 2048;

/// The options of the command line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    target: Option<String>,
    minutes: f64,
}

impl Options {
    /// Reads `--target NAME` and `--minutes N`.
    ///
    /// # Errors
    /// Anything else.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Trouble> {
        let mut options = Self {
            target: None,
            minutes: 60.0,
        };
        for pair in arguments.chunks(2) {
            match pair {
                [flag, name] if flag == "--target" => options.target = Some(name.clone()),
                [flag, minutes] if flag == "--minutes" => {
                    let minutes = minutes.parse().ok().filter(|minutes| *minutes > 0.0);
                    options.minutes =
                        minutes.ok_or_else(|| Trouble::usage("--minutes takes a number"))?;
                }
                _ => {
                    let usage = "fuzz takes `--target NAME` and `--minutes N`, or nothing";
                    return Err(Trouble::usage(usage));
                }
            }
        }
        Ok(options)
    }
}

/// Runs every target, or the one named, for its share of the time. Goes on after a finding; ends
/// badly if there was one.
pub(crate) fn fuzz(place: &Place, options: &Options) -> Done {
    let folder = place.root().join("tests/fuzz");
    let all = targets(&fs::read_to_string(folder.join("fuzz/Cargo.toml")).unwrap_or_default());
    let chosen: Vec<_> = all
        .iter()
        .filter(|name| options.target.as_ref().is_none_or(|only| only == *name))
        .collect();
    if chosen.is_empty() {
        return Err(Trouble::usage(format!(
            "no such target; there are: {}",
            all.join(", ")
        )));
    }
    let tool = cargo_fuzz(place)?;
    let seconds = (options.minutes * 60.0 / chosen.len() as f64)
        .ceil()
        .max(1.0) as u64;
    let kept = place.findings("fuzz");
    fs::create_dir_all(&kept).map_err(|error| not_written(&kept, &error))?;
    let mut found = BTreeSet::new();
    for target in chosen {
        println!("== {target}: {seconds} s");
        // The inputs of a run are kept apart from the project's: the first folder is written to.
        let own = folder.join("fuzz/corpus").join(target);
        let seeds = folder.join("corpus").join(target);
        fs::create_dir_all(&own).map_err(|error| not_written(&own, &error))?;
        let session = Session {
            target,
            lasts: Duration::from_secs(seconds),
            artifacts: folder.join("fuzz/artifacts").join(target),
            log: kept.join(format!("{target}.log")),
        };
        found.extend(session.run(|seconds| {
            let mut command = place.command(&tool);
            command
                .current_dir(&folder)
                .env("RUSTC_BOOTSTRAP", "1")
                // A reservation that is too large fails, as it does without the sanitizer, and is
                // measured by the targets.
                .env("ASAN_OPTIONS", "allocator_may_return_null=1")
                .args(["fuzz", "run", "-O", "--fuzz-dir", "fuzz", target])
                .args([&own, &seeds])
                .arg("--")
                .arg(format!("-max_total_time={seconds}"))
                .arg(format!("-timeout={LONGEST_RUN}"))
                .arg(format!("-rss_limit_mb={MOST_MEMORY}"))
                .args(["-max_len=4096", "-print_final_stats=1"]);
            command
        })?);
    }
    if found.is_empty() {
        return Ok(());
    }
    for input in &found {
        println!("finding: {}", input.display());
    }
    Err(Trouble::failed(format!(
        "{} findings, listed above; the logs are in {}; tests/fuzz/README.md says what to do with them",
        found.len(),
        kept.display()
    )))
}

fn not_written(path: &Path, error: &io::Error) -> Trouble {
    Trouble::failed(format!("{}: {error}", path.display()))
}

/// The names of the binaries in the manifest, in its order.
fn targets(manifest: &str) -> Vec<String> {
    manifest
        .split("[[bin]]")
        .skip(1)
        .filter_map(|bin| {
            let name = bin.lines().find_map(|line| line.strip_prefix("name = "))?;
            Some(name.trim_matches('"').to_owned())
        })
        .collect()
}

/// Returns the path of cargo-fuzz. It is built when it is not there, which takes about a minute and
/// lands in the target folder.
fn cargo_fuzz(place: &Place) -> Result<PathBuf, Trouble> {
    let own = place.tools().join("bin").join("cargo-fuzz");
    if let Some(found) = on_path("cargo-fuzz").or_else(|| own.is_file().then(|| own.clone())) {
        return Ok(found);
    }
    println!("cargo-fuzz is not there: building it, about a minute");
    let mut install = place.cargo(["install", "--locked", "cargo-fuzz", "--version", CARGO_FUZZ]);
    run::run(install.arg("--root").arg(place.tools()))?;
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, Trouble> {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn an_hour_over_all_unless_told_otherwise() {
        let all = parse("").unwrap();
        assert_eq!((all.target, all.minutes), (None, 60.0));
        let one = parse("--minutes 1.5 --target room").unwrap();
        assert_eq!((one.target.as_deref(), one.minutes), (Some("room"), 1.5));
        for wrong in [
            "room",
            "--minutes",
            "--minutes 0",
            "--minutes soon",
            "--hours 1",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn targets_are_what_the_manifest_names() {
        let manifest =
            "[package]\nname = \"x\"\n[[bin]]\nname = \"a\"\n\n[[bin]]\nname = \"b_c\"\n";
        assert_eq!(targets(manifest), ["a", "b_c"]);
    }
}
