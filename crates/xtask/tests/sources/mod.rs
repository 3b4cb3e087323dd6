//! The source files of a crate's product code, for the tests that read them.

use std::fs;
use std::path::{Path, PathBuf};

/// One source file.
pub(crate) struct Source {
    /// Path below the folder that was read, with `/` between folders.
    pub(crate) path: String,
    /// Content of the file.
    pub(crate) text: String,
}

/// Reads the files under `src` of a crate, except test modules: `tests.rs` and folders `tests`.
pub(crate) fn product_code(package: &str) -> Vec<Source> {
    let mut files = rust_files(&format!("crates/{package}/src"));
    let is_test = |path: &str| {
        path.split('/')
            .any(|part| matches!(part, "tests" | "tests.rs"))
    };
    files.retain(|file| !is_test(&file.path));
    assert!(!files.is_empty(), "{package} has no source");
    files
}

/// Reads all files of Rust code under a folder of the workspace.
pub(crate) fn rust_files(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("crates/xtask lies two folders deep");
    let folder = root.join(folder);
    let mut paths = Vec::new();
    collect(&folder, &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source file is text");
            let path = path.strip_prefix(&folder).expect("a path below the folder");
            let path = path.to_string_lossy().replace('\\', "/");
            Source { path, text }
        })
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            paths.push(path);
        }
    }
}
