//! The arrows between the crates, and what the pure ones may not name.
//!
//! The cores are worth having because they can be embedded without a runtime, stepped on virtual time and simulated on
//! a seed. One convenient `use` takes that away and everything still compiles; so a machine holds it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const NONE: [&str; 0] = [];

/// Pure crates: no runtime, no socket, no file, no clock.
const CORES: [&str; 4] = ["baton-auth", "baton-sync", "baton-presence", "baton-room"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("crates/xtask lies two folders deep")
        .to_owned()
}

/// Every crate that this one is built with, itself included; its own tests may use more.
fn tree(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--locked", "--quiet", "--prefix=none"])
        .args(["--edges=normal,build", "--format={p}", "--package", package])
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree: {complaint}");
    let names: BTreeSet<_> = said
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    assert!(names.contains(package), "cargo tree was not understood");
    names
}

/// The crates of this workspace among them, without itself.
fn own(package: &str) -> Vec<String> {
    tree(package)
        .into_iter()
        .filter(|name| name.starts_with("baton-") && name != package)
        .collect()
}

/// The lines of code of a crate, with where they are: without comments, and without what stands below the first
/// `#[cfg(test)]` of a file (a test may read a clock).
fn code(package: &str) -> Vec<(String, String)> {
    code_below(&format!("crates/{package}/src"))
}

/// The same of one folder.
fn code_below(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(&root().join(folder), &mut files);
    assert!(!files.is_empty(), "{folder} has no source");
    let mut lines = Vec::new();
    for file in files {
        // A test module in a file of its own is declared under `#[cfg(test)]` by its parent.
        if file.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source file is text");
        let tested = text.find("#[cfg(test)]").unwrap_or(text.len());
        for (number, line) in text[..tested].lines().enumerate() {
            let line = line.split("//").next().unwrap_or(line);
            let at = file.strip_prefix(root()).unwrap_or(&file);
            lines.push((format!("{}:{}", at.display(), number + 1), line.to_owned()));
        }
    }
    lines
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the crate has a src").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn the_cores_never_reach_a_runtime() {
    for core in CORES {
        let tree = tree(core);
        for runtime in ["tokio", "async-std", "smol", "mio", "futures-util", "hyper"] {
            assert!(!tree.contains(runtime), "{core} reaches {runtime}");
        }
    }
}

/// Names that a core may not use.
const BANNED: [&str; 6] = [
    "std::net",
    "std::fs",
    "std::thread",
    "tokio",
    "Instant::now",
    "SystemTime::now",
];

#[test]
fn the_cores_name_no_socket_no_file_and_no_clock() {
    for core in CORES {
        for (at, line) in code(core) {
            for name in BANNED {
                assert!(!line.contains(name), "{at} names {name}: {line}");
            }
        }
    }
}

#[test]
fn the_core_of_the_cluster_is_one_of_them() {
    // Its crate has a shell beside it, which may use everything; the core may not use the shell.
    let shell = [
        "async_nats",
        "async-nats",
        "crate::engine",
        "crate::cluster_log",
        "baton_log",
    ];
    for (at, line) in code_below("crates/baton-cluster/src/core") {
        for name in BANNED.iter().chain(&shell) {
            assert!(!line.contains(name), "{at} names {name}: {line}");
        }
    }
}

#[test]
fn authorization_knows_no_other_crate() {
    assert_eq!(own("baton-auth"), NONE);
}

#[test]
fn documents_and_presence_do_not_know_each_other() {
    assert_eq!(own("baton-sync"), NONE);
    assert_eq!(own("baton-presence"), NONE);
}

#[test]
fn presence_needs_nothing_but_the_standard_library() {
    assert_eq!(tree("baton-presence").len(), 1);
}

#[test]
fn the_room_is_where_they_meet() {
    assert_eq!(own("baton-room"), ["baton-presence", "baton-sync"]);
}

#[test]
fn the_log_knows_no_record() {
    assert_eq!(own("baton-log"), NONE);
}

#[test]
fn the_client_knows_the_wire_and_nothing_of_the_server() {
    assert_eq!(own("baton-client"), ["baton-sync"]);
}

#[test]
fn on_the_server_only_one_file_names_the_crdt_library() {
    // The client does: its users edit a document with it.
    for package in [
        "baton-sync",
        "baton-presence",
        "baton-room",
        "baton-log",
        "baton-server",
    ] {
        for (at, line) in code(package) {
            let names = line
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == "yrs");
            // The front page hands it on to those who embed a document, and a program that embeds the server edits its
            // own copy of one.
            let may = at.starts_with("crates/baton-sync/src/document")
                || at.starts_with("crates/baton-server/src/hosted/hosted_document.rs")
                || line.starts_with("pub use document::");
            assert!(may || !names, "{at} names yrs: {line}");
        }
    }
}
