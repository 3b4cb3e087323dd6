//! Python and its packages. Owns when pip has to run again: a stamp holds the list that was installed. Installs into a
//! folder of the checkout, never into the machine's Python.

use std::fs;
use std::path::{Path, PathBuf};

use crate::debian;
use crate::place::Place;
use crate::run;
use crate::trouble::{Done, Trouble};

/// The list of packages in a folder, each with its exact version.
const LIST: &str = "requirements.txt";

/// In the folder of the packages, a copy of the list that was installed.
const INSTALLED: &str = ".baton-installed";

/// Makes sure of Python with pip.
///
/// # Errors
/// [`Trouble::Missing`] when it is not there.
pub(crate) fn ensure() -> Done {
    debian::ensure(debian::PIP)
}

/// Installs the packages on the list of this folder, if that has not been done. Returns where they are.
pub(crate) fn install(place: &Place, folder: &Path) -> Result<PathBuf, Trouble> {
    let list = folder.join(LIST);
    let packages = folder.join("site-packages");
    let stamp = packages.join(INSTALLED);
    let unreadable = |path: &Path, error: &std::io::Error| {
        Trouble::failed(format!("{}: {error}", path.display()))
    };
    let wanted = fs::read(&list).map_err(|error| unreadable(&list, &error))?;
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(packages);
    }
    if packages.exists() {
        fs::remove_dir_all(&packages).map_err(|error| unreadable(&packages, &error))?;
    }
    let mut pip = place.command("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ])
    // Everything is on the list, and nothing of it is built here.
    .args(["--no-deps", "--only-binary", ":all:", "--target"])
    .arg(&packages)
    .arg("--requirement")
    .arg(&list);
    run::run(&mut pip)?;
    fs::write(&stamp, wanted).map_err(|error| unreadable(&stamp, &error))?;
    Ok(packages)
}
