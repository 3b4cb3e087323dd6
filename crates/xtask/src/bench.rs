//! `bench`: the benchmarks of the workspace. Owns finding them (`crates/*/benches/*.rs`, so that a new one needs no
//! entry here); never judges what they measure.

use std::fs;
use std::path::Path;

use crate::place::Place;
use crate::run;
use crate::trouble::{Done, Trouble};

/// Runs all benchmarks one after another, or only the one named.
pub(crate) fn bench(place: &Place, only: Option<&str>) -> Done {
    let found = find(&place.root().join("crates"));
    let chosen: Vec<_> = found
        .iter()
        .filter(|(_, name)| only.is_none_or(|only| only == name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<_> = found.iter().map(|(_, name)| name.as_str()).collect();
        return Err(Trouble::usage(format!(
            "no such benchmark; there are: {}",
            names.join(", ")
        )));
    }
    for (package, name) in chosen {
        println!("== {package}: {name}");
        run::run(&mut place.cargo(["bench", "--locked", "--package", package, "--bench", name]))?;
    }
    Ok(())
}

/// Package and benchmark, in the order of their names.
fn find(crates: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for package in names(crates, "") {
        for bench in names(&crates.join(&package).join("benches"), ".rs") {
            found.push((package.clone(), bench));
        }
    }
    found.sort();
    found
}

/// What is in a folder and ends so, without that ending; nothing when there is no such folder.
fn names(folder: &Path, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(ending).map(str::to_owned)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn benchmarks_are_found_by_where_they_lie() {
        let folder = tempfile::tempdir().unwrap();
        let benches = folder.path().join("baton-x/benches");
        fs::create_dir_all(&benches).unwrap();
        fs::create_dir_all(folder.path().join("baton-y/src")).unwrap();
        fs::write(benches.join("scan.rs"), "").unwrap();
        fs::write(benches.join("apply.rs"), "").unwrap();
        fs::write(benches.join("notes.md"), "").unwrap();
        let pair = |bench: &str| ("baton-x".to_owned(), bench.to_owned());
        assert_eq!(find(folder.path()), [pair("apply"), pair("scan")]);
    }
}
