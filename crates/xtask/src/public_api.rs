//! `api`: the public items of the published libraries, as files in `docs/api`; and the step of `test` that compares
//! them with the code. Owns the list of these libraries. The listing itself is made by `tests/public-api`, from
//! rustdoc's JSON.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::place::Place;
use crate::run;
use crate::rust_version;
use crate::steps::tool;
use crate::tally::Tally;
use crate::trouble::{Done, Trouble};

/// The libraries that other programs are built with.
pub(crate) const LIBRARIES: [&str; 9] = [
    "baton-auth",
    "baton-client",
    "baton-cluster",
    "baton-lab",
    "baton-log",
    "baton-presence",
    "baton-room",
    "baton-server",
    "baton-sync",
];

/// Lines of a difference that are printed.
const SHOWN: usize = 20;

/// The release of cargo-semver-checks that CI installs.
const SEMVER_CHECKS: &str = "0.51.0";

/// Writes the files anew.
pub(crate) fn write(place: &Place) -> Done {
    for (name, listing) in listings(place)? {
        let file = file_of(place, name);
        let failed = |error| Trouble::failed(format!("{}: {error}", file.display()));
        fs::write(&file, listing).map_err(failed)?;
        println!("{}", file.display());
    }
    Ok(())
}

/// Compares the files with the code.
pub(crate) fn check(place: &Place) -> Result<Tally, Trouble> {
    let mut tally = Tally::default();
    for (name, listing) in listings(place)? {
        // Of a library without a file all items are new.
        let written = fs::read_to_string(file_of(place, name)).unwrap_or_default();
        if written == listing {
            tally += Tally::PASSED;
            continue;
        }
        println!("docs/api/{name}.txt does not show the code (- file, + code):");
        for line in difference(&written, &listing).iter().take(SHOWN) {
            println!("  {line}");
        }
        println!("If that change is meant, `cargo xtask api` writes it down");
        tally += Tally::FAILED;
    }
    Ok(tally)
}

/// Compares the libraries with those of the newest release, by the rules of Cargo for versions. Before the first
/// release there is nothing to compare with: docs/decisions/0078.
pub(crate) fn semver(place: &Place) -> Result<Tally, Trouble> {
    let mut describe = place.command("git");
    describe.args(["describe", "--tags", "--abbrev=0", "--match", "v*"]);
    let Some(tag) = run::answer(&mut describe) else {
        println!("No release yet (no tag `v*`): the step `api` shows each change instead");
        return Ok(Tally::PASSED);
    };
    let program = tool(place, "cargo-semver-checks", SEMVER_CHECKS)?;
    let mut command = place.command(program);
    command.args(["semver-checks", "--baseline-rev", tag.trim()]);
    let libraries = LIBRARIES.iter().flat_map(|name| ["--package", name]);
    run::run(command.args(libraries)).map(|()| Tally::PASSED)
}

fn file_of(place: &Place, name: &str) -> PathBuf {
    place.root().join("docs/api").join(format!("{name}.txt"))
}

/// Returns each library with its public items, one a line.
fn listings(place: &Place) -> Result<Vec<(&'static str, String)>, Trouble> {
    // The format of the JSON is another one for almost each release of Rust.
    rust_version::ensure_promised(place)?;
    let folder = place.built("doc", "");
    for name in LIBRARIES {
        // A file of an earlier run must not pass for one of this run.
        if let Err(error) = fs::remove_file(json_of(&folder, name))
            && error.kind() != ErrorKind::NotFound
        {
            return Err(Trouble::failed(format!("{name}: {error}")));
        }
    }
    let mut rustdoc = place.cargo(["doc", "--workspace", "--lib", "--no-deps", "--locked"]);
    rustdoc.env("RUSTDOC", place.root().join("crates/xtask/rustdoc-json.sh"));
    rustdoc.env(
        "RUSTDOCFLAGS",
        "-Zunstable-options --output-format json --cap-lints warn",
    );
    run::run(rustdoc.arg("--quiet"))?;

    let built = place.tools().join("public-api");
    let mut build = place.cargo(["build", "--quiet", "--locked", "--manifest-path"]);
    build.arg(place.root().join("tests/public-api/Cargo.toml"));
    run::run(build.arg("--target-dir").arg(&built))?;
    let lister = built.join("debug").join("baton-public-api");
    LIBRARIES
        .map(|name| listing(place, &lister, &folder, name))
        .into_iter()
        .collect()
}

fn json_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{}.json", name.replace('-', "_")))
}

fn listing(
    place: &Place,
    lister: &Path,
    folder: &Path,
    name: &'static str,
) -> Result<(&'static str, String), Trouble> {
    let json = json_of(folder, name);
    let listed = run::answer(place.command(lister).arg(&json));
    let listed = listed.filter(|text| !text.trim().is_empty());
    listed
        .map(|text| (name, text))
        .ok_or_else(|| Trouble::failed(format!("{} could not be listed", json.display())))
}

/// The lines of only one of two texts, those of the first with `-`, those of the second with `+`.
fn difference(one: &str, other: &str) -> Vec<String> {
    let [ones, others] = [one, other].map(|text| text.lines().collect::<BTreeSet<_>>());
    let gone = ones.difference(&others).map(|line| format!("- {line}"));
    let new = others.difference(&ones).map(|line| format!("+ {line}"));
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_has_the_lines_of_one_side_only() {
        let (old, new) = ("pub fn a()\npub fn b()\n", "pub fn a()\npub fn c()\n");
        assert_eq!(difference(old, new), ["- pub fn b()", "+ pub fn c()"]);
        assert!(difference(old, old).is_empty());
    }
}
