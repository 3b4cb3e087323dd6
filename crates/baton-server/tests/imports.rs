//! Imports of the server's files run one way: no file imports a file that imports it, directly or
//! through others. A file and the files in its own folder count as one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Returns all source files below a folder, without tests and the files of the program.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .expect("a folder of sources")
        .map(|entry| entry.expect("it can be read").path());
    let files = entries.flat_map(|path| {
        if path.is_dir() {
            return sources(&path);
        }
        vec![path]
    });
    let program = [
        "main.rs",
        "commands.rs",
        "log_output.rs",
        "lib.rs",
        "tests.rs",
    ];
    let is_source = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.ends_with(".rs") && !program.contains(&name))
    };
    files.filter(is_source).collect()
}

/// Returns the unit of a path of modules: a file in a folder, or a file beside the folders.
fn unit<'a>(mut path: impl Iterator<Item = &'a str>) -> Option<String> {
    let first = path.next()?;
    if !["net", "connection", "documents", "limits", "ops"].contains(&first) {
        return Some(first.to_owned());
    }
    Some(format!("{first}::{}", path.next()?))
}

/// Returns the units that a source imports. Imports are written with one path each.
fn imports(source: &str) -> BTreeSet<String> {
    let product = source.split("#[cfg(test)]").next().unwrap_or_default();
    let paths = product.match_indices("crate::").map(|(at, word)| {
        let path = &product[at + word.len()..];
        let end = path.find(|c: char| !(c.is_ascii_lowercase() || c == '_' || c == ':'));
        &path[..end.unwrap_or(path.len())]
    });
    paths
        .filter_map(|path| unit(path.split("::").filter(|part| !part.is_empty())))
        .collect()
}

/// Returns units in a ring: those that are left when all that import nothing of the rest are removed.
fn ring(mut graph: BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    loop {
        let done: Vec<_> = graph
            .iter()
            .filter(|(_, to)| !to.iter().any(|to| graph.contains_key(to)))
            .map(|(unit, _)| unit.clone())
            .collect();
        if done.is_empty() {
            return graph.into_keys().collect();
        }
        for unit in done {
            graph.remove(&unit);
        }
    }
}

#[test]
fn no_two_files_of_the_server_import_each_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in sources(&root) {
        let inside = path.strip_prefix(&root).unwrap().with_extension("");
        let Some(from) = unit(inside.iter().filter_map(|part| part.to_str())) else {
            continue;
        };
        let mut to = imports(&fs::read_to_string(&path).unwrap());
        to.remove(&from);
        graph.entry(from).or_default().extend(to);
    }
    assert!(graph.len() > 30, "the sources were found: {graph:?}");
    assert!(graph["net::routes"].contains("connection::socket"));
    assert_eq!(ring(graph), Vec::<String>::new(), "these import each other");
}

#[test]
fn a_ring_is_found() {
    let graph = |pairs: &[(&str, &str)]| {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            let to = (*to).to_owned();
            graph.entry((*from).to_owned()).or_default().insert(to);
        }
        graph
    };
    assert!(ring(graph(&[("a", "b"), ("b", "c")])).is_empty());
    assert_eq!(
        ring(graph(&[("a", "b"), ("b", "c"), ("c", "b")])),
        ["a", "b", "c"]
    );
    let source =
        "use crate::net::routes;\nuse crate::app::{App, Stage};\nfn f() { crate::clock::now() }";
    let expected = ["app", "clock", "net::routes"].map(str::to_owned);
    assert_eq!(imports(source), BTreeSet::from(expected));
}
