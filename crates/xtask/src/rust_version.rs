//! The Rust that the project is built with: `msrv`, and what only that release can do. Owns the reading of the promise
//! in the workspace; never installs a toolchain.

use crate::place::Place;
use crate::run;
use crate::tally::Tally;
use crate::trouble::{Done, Trouble};

/// Succeeds with the Rust that is promised, and not with a later one.
pub(crate) fn ensure_promised(place: &Place) -> Done {
    let promised = promised_rust(place)?;
    let version = present_rust(place)?;
    if is_release(&version, &promised) {
        return Ok(());
    }
    Err(Trouble::missing(
        format!("this needs Rust {promised}, and this is {}", version.trim()),
        format!("`rustup toolchain install {promised}`, then `cargo +{promised} xtask ...`"),
    ))
}

/// Returns what the compiler that builds all of this says of itself.
fn present_rust(place: &Place) -> Result<String, Trouble> {
    run::answer(place.command("rustc").arg("--version"))
        .ok_or_else(|| Trouble::failed("rustc does not say its version"))
}

/// The oldest Rust that is promised, as the workspace says.
fn promised_rust(place: &Place) -> Result<String, Trouble> {
    let manifest = std::fs::read_to_string(place.root().join("Cargo.toml"))
        .map_err(|error| Trouble::failed(format!("Cargo.toml: {error}")))?;
    manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .map(|value| value.trim_matches('"').to_owned())
        .ok_or_else(|| Trouble::failed("the workspace names no rust-version"))
}

/// Checks the workspace with the oldest Rust that is promised.
pub(crate) fn msrv(place: &Place) -> Result<Tally, Trouble> {
    let promised = &promised_rust(place)?;
    let version = present_rust(place)?;
    if is_release(&version, promised) {
        println!("Rust {promised} is promised, and is what built all of this");
        return Ok(Tally::PASSED);
    }
    let toolchains = run::answer(place.command("rustup").args(["toolchain", "list"]));
    if !toolchains.is_some_and(|list| list.lines().any(|line| line.starts_with(promised))) {
        return Err(Trouble::missing(
            format!("Rust {promised} is promised, this is {version}"),
            format!("`rustup toolchain install {promised}`"),
        ));
    }
    println!("checking with Rust {promised}");
    // Through rustup's own cargo: the one in CARGO belongs to the other toolchain.
    let mut command = place.command("rustup");
    run::run(
        command
            .args(["run", promised, "cargo"])
            .args(["check", "--workspace", "--locked"]),
    )
    .map(|()| Tally::PASSED)
}

/// Returns true if a version like `rustc 1.95.0 (59807616e 2026-04-14)` is a release of `1.95`.
fn is_release(version: &str, promised: &str) -> bool {
    version
        .strip_prefix("rustc ")
        .and_then(|rest| rest.strip_prefix(promised))
        .is_some_and(|rest| rest.starts_with(['.', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_is_a_release_of_the_promised_version_only_if_the_whole_number_agrees() {
        assert!(is_release("rustc 1.95.0 (59807616e 2026-04-14)", "1.95"));
        assert!(is_release("rustc 1.95.0 (59807616e 2026-04-14)", "1.95.0"));
        assert!(!is_release("rustc 1.96.0 (59807616e 2026-04-14)", "1.95"));
        assert!(!is_release("rustc 1.95.0", "1.9"));
        assert!(!is_release("", "1.95"));
    }
}
