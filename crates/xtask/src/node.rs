//! npm and node. Owns when `npm ci` and `npm run build` have to run again: both leave a stamp that says what they
//! were run for, so that a second call costs nothing. Never edits a file that is under version control.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

use crate::debian;
use crate::place::Place;
use crate::run;
use crate::trouble::{Done, Trouble};

/// The oldest Node that the page's build tool and the tests run on: major and minor.
const OLDEST_NODE: (u32, u32) = (20, 19);

/// In `node_modules`, a copy of the lock file that was installed. `npm ci` removes the folder, and so the stamp.
const INSTALLED: &str = ".baton-installed";

/// In `node_modules`, a hash over the sources that the last build of the page saw.
const BUILT: &str = ".baton-built";

/// Makes sure of node and npm, in a version that will do.
///
/// # Errors
/// [`Trouble::Missing`] when they are not there or too old.
pub(crate) fn ensure() -> Done {
    debian::ensure(debian::NODE)?;
    let version = run::answer(Command::new("node").arg("--version")).unwrap_or_default();
    let (major, minor) = OLDEST_NODE;
    if parse(&version).is_some_and(|found| found >= OLDEST_NODE) {
        Ok(())
    } else {
        Err(Trouble::missing(
            format!("Node {major}.{minor} or newer is needed, this is `{version}`"),
            "nodejs.org says how to get one",
        ))
    }
}

/// Installs what the lock file of this folder names, if that has not been done.
pub(crate) fn install(place: &Place, folder: &Path) -> Done {
    let lock = read(&folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules").join(INSTALLED);
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    run::run(
        npm(place, folder)
            .arg("ci")
            .args(["--no-fund", "--no-audit"]),
    )?;
    write(&stamp, &lock)
}

/// Builds the page, if its sources are not those of the last build.
pub(crate) fn build_page(place: &Place) -> Done {
    let web = place.web();
    ensure()?;
    install(place, &web)?;
    let sources = fingerprint(&web)?;
    let stamp = web.join("node_modules").join(BUILT);
    let built = fs::read(&stamp).is_ok_and(|last| last == sources.as_bytes());
    if built && web.join("dist").join("index.html").is_file() {
        return Ok(());
    }
    run::run(&mut script(place, &web, "build"))?;
    write(&stamp, sources.as_bytes())
}

/// One script of the folder's `package.json`, to be run.
pub(crate) fn script(place: &Place, folder: &Path, name: &str) -> Command {
    let mut command = npm(place, folder);
    command.args(["run", "--silent", name]);
    command
}

fn npm(place: &Place, folder: &Path) -> Command {
    let mut command = place.command("npm");
    command.current_dir(folder);
    command
}

/// A hash over the names, sizes and times of all that the build may read.
fn fingerprint(web: &Path) -> Result<String, Trouble> {
    let mut files = Vec::new();
    collect(web, &mut files)?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        let about = fs::metadata(&file).map_err(|error| unreadable(&file, &error))?;
        let changed = about
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        (file, about.len(), changed).hash(&mut hasher);
    }
    Ok(format!("{:016x}\n", hasher.finish()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Done {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        let path = entry.path();
        let made = ["node_modules", "dist"]
            .iter()
            .any(|made| entry.file_name() == *made);
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !made => collect(&path, files)?,
            Ok(kind) if kind.is_file() => files.push(path),
            _ => {}
        }
    }
    Ok(())
}

/// `v20.19.2` is `(20, 19)`.
fn parse(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    fs::read(path).map_err(|error| unreadable(path, &error))
}

fn write(path: &Path, bytes: &[u8]) -> Done {
    // A folder without dependencies has no node_modules, and still gets its stamp.
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, bytes))
        .map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Trouble {
    Trouble::failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_node_is_compared_as_numbers() {
        assert_eq!(parse("v20.19.2"), Some((20, 19)));
        assert!(parse("v9.100.0").unwrap() < OLDEST_NODE);
        assert!(parse("v22.4.0").unwrap() > OLDEST_NODE);
        assert_eq!(parse("20.1"), None);
    }

    #[test]
    fn the_page_is_built_again_for_a_source_that_changed_came_or_went_and_for_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let web = folder.path();
        fs::create_dir_all(web.join("src")).unwrap();
        fs::create_dir_all(web.join("dist")).unwrap();
        fs::create_dir_all(web.join("node_modules/x")).unwrap();
        fs::write(web.join("src/main.ts"), "1").unwrap();
        let before = fingerprint(web).unwrap();

        fs::write(web.join("dist/index.html"), "made").unwrap();
        fs::write(web.join("node_modules/x/index.js"), "made").unwrap();
        assert_eq!(fingerprint(web).unwrap(), before);

        fs::write(web.join("src/main.ts"), "1 and more").unwrap();
        let changed = fingerprint(web).unwrap();
        assert_ne!(changed, before);

        fs::write(web.join("src/new.ts"), "").unwrap();
        let came = fingerprint(web).unwrap();
        assert_ne!(came, changed);

        fs::remove_file(web.join("src/new.ts")).unwrap();
        assert_eq!(fingerprint(web).unwrap(), changed);
    }
}
