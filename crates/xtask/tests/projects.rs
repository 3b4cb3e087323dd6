//! The table of projects in `docs/embedding.md`: each project with its lines of code.
//!
//! A number of lines is a promise about how little an embedder writes.

#[expect(dead_code, reason = "only the walk over files is needed here")]
mod sources;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sources::rust_files;

/// Folder of the projects, from the root of the workspace.
const PROJECTS: &str = "tests/packages-rust/projects";

/// Crates that a project may name from the checkout: none.
const PATH_KEYS: [&str; 3] = ["path =", "git =", "workspace ="];

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("crates/xtask lies two folders deep").to_owned()
}

/// Returns the names of the projects.
fn projects() -> Vec<String> {
    let entries = fs::read_dir(root().join(PROJECTS)).expect("the folder of the projects");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.collect()
}

/// Counts the lines of Rust that are neither empty nor comments.
fn lines_of_code(text: &str) -> usize {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

/// Returns the numbers in the table of a page, by project. A row is `| [name](...) | number | ...`.
fn table(page: &str) -> BTreeMap<String, usize> {
    let rows = page.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| [")?.split_once("](")?;
        let (link, rest) = rest.split_once(") | ")?;
        link.contains("packages-rust").then_some(())?;
        let number = rest.split(" |").next()?.parse().ok()?;
        Some((name.to_owned(), number))
    });
    rows.collect()
}

#[test]
fn the_page_on_embedding_says_how_many_lines_each_project_has() {
    let counted: BTreeMap<_, _> = projects()
        .into_iter()
        .map(|name| {
            let files = rust_files(&format!("{PROJECTS}/{name}"));
            let lines = files.iter().map(|file| lines_of_code(&file.text)).sum();
            (name, lines)
        })
        .collect();
    assert!(counted.len() >= 5, "projects are missing: {counted:?}");
    let page = fs::read_to_string(root().join("docs/embedding.md")).expect("the page is text");
    assert_eq!(table(&page), counted, "docs/embedding.md, and the projects");
}

#[test]
fn the_projects_name_crates_by_version_only() {
    for name in projects() {
        let manifest = root().join(PROJECTS).join(&name).join("Cargo.toml");
        let manifest = fs::read_to_string(manifest).expect("a project has a manifest");
        assert!(manifest.contains("\nbaton-"), "{name} uses no crate");
        for key in PATH_KEYS {
            assert!(!manifest.contains(key), "{name} has a dependency by {key}");
        }
    }
}

#[test]
fn comments_and_empty_lines_are_no_code_and_other_tables_have_no_projects() {
    assert_eq!(lines_of_code("//! A\n\nfn a() { // b\n    // c\n}\n"), 2);
    let page = "| [chat](../tests/packages-rust/projects/chat) | 12 | talk |\n\
                | [other](elsewhere) | 3 | x |\n| `tls` | adds |";
    assert_eq!(table(page), BTreeMap::from([("chat".to_owned(), 12)]));
}
