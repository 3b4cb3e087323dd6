//! The tables of files in `docs/architecture.md`: complete, and without names of files that are
//! gone.
//!
//! A map that is not checked is wrong within a week.

mod packages;
mod sources;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sources::{Source, product_code};

/// Longest file, in lines, that only lists the modules of a folder and needs no place on the map.
const LIST_OF_MODULES: usize = 40;

/// Returns the name of a source file on the map: its path without the ending. `None` for the front
/// of a crate or of a folder.
fn mapped_name(source: &Source) -> Option<String> {
    let name = source.path.strip_suffix(".rs")?;
    let lists_modules = source.text.lines().any(|line| {
        let line = line
            .trim_start_matches("pub(crate) ")
            .trim_start_matches("pub ");
        line.starts_with("mod ") && line.ends_with(';')
    });
    let front = lists_modules && source.text.lines().count() <= LIST_OF_MODULES;
    (name != "lib" && !front).then(|| name.trim_end_matches("/mod").to_owned())
}

/// Returns the first cells of the tables in the section of a crate.
fn rows<'a>(page: &'a str, package: &str) -> Vec<&'a str> {
    let heading = format!("\n### {package}\n");
    let start = page.find(&heading).map(|at| at + heading.len());
    let section = start.map_or("", |start| &page[start..]);
    let end = section.find("\n#").unwrap_or(section.len());
    let lines = section[..end].lines();
    lines
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next())
        .collect()
}

/// Returns the names in backticks of a cell whose first one has lost its first backtick.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`')
        .step_by(2)
        .filter(|name| !name.is_empty())
        .collect()
}

/// Expands `a/{b,c}` to `a/b` and `a/c`.
fn expand(name: &str) -> Vec<String> {
    let Some((before, rest)) = name.split_once('{') else {
        return vec![name.to_owned()];
    };
    let (list, after) = rest.split_once('}').unwrap_or((rest, ""));
    let parts = list.split(',').map(str::trim);
    parts.map(|part| format!("{before}{part}{after}")).collect()
}

/// Returns the files that a name means: `a/b` is a file, `a/` all files below, `a*` all files that
/// begin so. A name without a folder may lie in the folder of the name before it.
fn meant<'a>(name: &str, folder: &str, files: &'a BTreeSet<String>) -> Vec<&'a String> {
    let matches = |name: &str| -> Vec<&'a String> {
        files
            .iter()
            .filter(|file| match (name.strip_suffix('*'), name.ends_with('/')) {
                (Some(prefix), _) => file.starts_with(prefix),
                (None, true) => file.starts_with(name) || **file == name[..name.len() - 1],
                (None, false) => *file == name,
            })
            .collect()
    };
    let in_folder = matches(&format!("{folder}{name}"));
    if in_folder.is_empty() {
        matches(name)
    } else {
        in_folder
    }
}

/// Returns what is wrong with the table of a crate, one line of text for each fault.
fn faults(page: &str, package: &str, files: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut mapped = BTreeSet::new();
    for row in rows(page, package) {
        let mut folder = String::new();
        for name in names(row).into_iter().flat_map(expand) {
            let found = meant(&name, &folder, files);
            if found.is_empty() {
                faults.push(format!("{package}: no file `{name}`"));
            }
            if let Some(file) = found.first() {
                let end = file.rfind('/').map_or(0, |at| at + 1);
                folder = file[..end].to_owned();
            }
            mapped.extend(found);
        }
    }
    let missing = files.iter().filter(|file| !mapped.contains(*file));
    faults.extend(missing.map(|file| format!("{package}: `{file}` is in no table")));
    faults
}

#[test]
fn the_map_names_every_file_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/architecture.md");
    let page = fs::read_to_string(page).expect("the page is text");
    let mut found = Vec::new();
    for package in packages::product() {
        let sources = product_code(&package);
        let files: BTreeSet<String> = sources.iter().filter_map(mapped_name).collect();
        found.extend(faults(&page, &package, &files));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_file_that_is_gone_and_one_that_is_in_no_table_are_seen() {
    let page = "\n### baton-x\n\n| file | purpose |\n| --- | --- |\n| `a/{b,c}`, `d` | |\n\
                | `e/` | |\n| `f*` | |\n| `gone` | |\n\n### baton-y\n| `z` | |\n";
    let files = ["a/b", "a/c", "a/d", "e", "e/x", "f1", "f/2", "z"];
    let files = files.map(str::to_owned).into();
    assert_eq!(
        faults(page, "baton-x", &files),
        ["baton-x: no file `gone`", "baton-x: `z` is in no table"]
    );
}
