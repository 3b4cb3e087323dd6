//! The step `crates` of `test`: the crates as a registry would have them, in empty projects.
//!
//! Owns the packing, and the folder outside of the checkout in which the projects of
//! `tests/packages-rust` are built from the unpacked crates. The stories there run the projects.
//! With `BATON_WHOLE=1` each crate is also built by itself, the projects take the newest versions of
//! their dependencies, and the server in the stories is the packed one, too.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binary;
use crate::place::Place;
use crate::run;
use crate::tally::{Runner, Tally};
use crate::trouble::{Done, Trouble};

/// Version of all crates: the workspace has one.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The package that runs the programs of the projects.
const STORIES: &str = "stories";

/// Packs these crates, builds the projects from the packages, and runs the stories about them.
pub(crate) fn test(place: &Place, published: &[&str]) -> Result<Tally, Trouble> {
    let is_whole = env::var_os("BATON_WHOLE").is_some_and(|value| value == "1");
    pack(place, published, is_whole)?;
    let mut total = Tally::PASSED;
    let ground = Ground::prepare(place, published)?;
    if is_whole {
        let lock = ground.folder.join("Cargo.lock");
        fs::remove_file(&lock).map_err(|error| trouble(&lock, &error))?;
    }
    run::run(&mut ground.cargo(place, ["fmt", "--all", "--check"]))?;
    for project in &ground.projects {
        println!("building {project} from packed crates");
        let flags = ["build", "--all-targets", "--package"];
        run::run(ground.cargo(place, flags).arg(project))?;
        total += Tally::PASSED;
    }
    let server = if is_whole {
        let flags = ["build", "--package=baton-server", "--bin=baton"];
        run::run(&mut ground.cargo(place, flags))?;
        ground.target.join("debug/baton")
    } else {
        ground.has_versions_of(place)?;
        binary::debug(place)?
    };
    let mut stories = ground.cargo(place, ["test", "--no-fail-fast", "--package", STORIES]);
    stories
        .env("BATON_BIN", server)
        .env("PROJECTS_BIN", ground.target.join("debug"))
        .env("PROJECTS_LAB", ground.folder.join("lab/Cargo.toml"));
    total += run::count(&mut stories, Runner::Libtest)?;
    // A person looks into the folder of a run that failed.
    if total.failed == 0 {
        fs::remove_dir_all(&ground.folder).map_err(|error| trouble(&ground.folder, &error))?;
    }
    Ok(total)
}

/// Packs the crates as for a registry. The whole of it builds each from its package.
fn pack(place: &Place, published: &[&str], is_whole: bool) -> Done {
    let mut command = place.cargo(["package", "--locked", "--allow-dirty"]);
    if !is_whole {
        command.arg("--no-verify");
    }
    run::run(command.args(published.iter().flat_map(|name| ["--package", name])))
}

/// A folder outside of the checkout, with unpacked crates and the projects that use them.
struct Ground {
    folder: PathBuf,
    target: PathBuf,
    /// The projects and the stories, in alphabetical order.
    projects: Vec<String>,
}

impl Ground {
    fn prepare(place: &Place, published: &[&str]) -> Result<Self, Trouble> {
        let folder = outside(place.root());
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|error| trouble(&folder, &error))?;
        }
        let packages = folder.join("packages");
        fs::create_dir_all(&packages).map_err(|error| trouble(&packages, &error))?;
        for name in published {
            let packed = place.packed(&format!("{name}-{VERSION}.crate"));
            // With the present time on each file: by that, cargo sees that a crate has changed.
            let mut unpack = place.command("tar");
            unpack.arg("-xzmf").arg(&packed).arg("-C").arg(&packages);
            run::run(&mut unpack)?;
        }
        let sources = place.root().join("tests/packages-rust");
        let mut projects = folders(&sources.join("projects"))?;
        projects.push(sources.join(STORIES));
        let copy_all =
            |command: &mut Command| run::run(command.arg("-R").args(&projects).arg(&folder));
        copy_all(&mut place.command("cp"))?;
        let lock = folder.join("Cargo.lock");
        fs::copy(place.root().join("Cargo.lock"), &lock).map_err(|error| trouble(&lock, &error))?;
        let names = projects.iter().filter_map(|path| path.file_name());
        let projects: Vec<_> = names
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        let manifest = folder.join("Cargo.toml");
        fs::write(&manifest, workspace(&projects, published))
            .map_err(|error| trouble(&manifest, &error))?;
        let target = place.findings("crates");
        Ok(Self {
            folder,
            target,
            projects,
        })
    }

    /// Returns a cargo command in the folder. A warning in a packed crate or a project is an error.
    fn cargo<const N: usize>(&self, place: &Place, arguments: [&str; N]) -> Command {
        let mut command = place.cargo(arguments);
        command
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("RUSTFLAGS", "-D warnings");
        command
    }

    /// Checks that the projects were built with the versions that all other tests have.
    fn has_versions_of(&self, place: &Place) -> Done {
        let read =
            |path: PathBuf| fs::read_to_string(&path).map_err(|error| trouble(&path, &error));
        let ours = read(place.root().join("Cargo.lock"))?;
        let theirs = read(self.folder.join("Cargo.lock"))?;
        let ours = locked(&ours);
        let others: Vec<_> = locked(&theirs).difference(&ours).cloned().collect();
        if others.is_empty() {
            return Ok(());
        }
        Err(Trouble::failed(format!(
            "the projects use what the workspace's Cargo.lock does not have: {}; \
             name features and versions in tests/packages-rust/projects that it has",
            others.join(", ")
        )))
    }
}

/// Returns the folder for a checkout. It is always the same one, since cargo builds again what has
/// moved, and keeps what it built before.
fn outside(root: &Path) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    root.hash(&mut hasher);
    env::temp_dir().join(format!("baton-crates-{:016x}", hasher.finish()))
}

/// Returns the manifest of a workspace of these projects in which each published crate is the
/// unpacked one. The server is a member, so that its program can be built.
fn workspace(projects: &[String], published: &[&str]) -> String {
    let members: String = projects.iter().map(|name| format!("{name:?}, ")).collect();
    let unpacked = |name: &&str| format!("{name} = {{ path = \"packages/{name}-{VERSION}\" }}\n");
    let patches: String = published.iter().map(unpacked).collect();
    format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{members}\"packages/baton-server-{VERSION}\"]\n\n\
         [patch.crates-io]\n{patches}\n\
         [profile.dev]\ndebug = false\nincremental = false\n"
    )
}

/// Returns the packages of a registry in a lock file, as `name version`.
fn locked(lock: &str) -> BTreeSet<String> {
    let packages = lock.split("[[package]]\n").skip(1);
    let foreign = packages.filter(|package| package.contains("\nsource = "));
    foreign
        .filter_map(|package| {
            let value = |key: &str| {
                let line = package.lines().find_map(|line| line.strip_prefix(key))?;
                Some(line.trim_matches('"').to_owned())
            };
            Some(format!("{} {}", value("name = ")?, value("version = ")?))
        })
        .collect()
}

/// Returns the folders in a folder, in alphabetical order.
fn folders(path: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let entries = fs::read_dir(path).map_err(|error| trouble(path, &error))?;
    let mut found: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    Ok(found)
}

fn trouble(path: &Path, error: &std::io::Error) -> Trouble {
    Trouble::failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_of_the_projects_has_every_crate_from_its_package() {
        let manifest = workspace(&["chat".to_owned()], &["baton-sync", "baton-server"]);
        for line in [
            format!("members = [\"chat\", \"packages/baton-server-{VERSION}\"]"),
            format!("baton-sync = {{ path = \"packages/baton-sync-{VERSION}\" }}"),
        ] {
            assert!(manifest.contains(&line), "{manifest}");
        }
    }

    #[test]
    fn packages_of_a_registry_are_read_from_a_lock_file() {
        let lock = "version = 4\n\n\
            [[package]]\nname = \"host\"\nversion = \"0.1.0\"\ndependencies = [\n \"axum\",\n]\n\n\
            [[package]]\nname = \"axum\"\nversion = \"0.8.9\"\nsource = \"registry+x\"\n";
        assert_eq!(locked(lock), BTreeSet::from(["axum 0.8.9".to_owned()]));
    }
}
