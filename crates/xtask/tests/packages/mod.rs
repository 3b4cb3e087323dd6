//! The crates whose product code is checked: all under `crates/` whose names begin with `baton-`,
//! so that a new one is checked without a list that names it.

use std::fs;
use std::path::Path;

/// Returns the names of the crates in alphabetical order.
pub(crate) fn product() -> Vec<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let entries = fs::read_dir(crates).expect("xtask lies beside the other crates");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<_> = names.filter(|name| name.starts_with("baton-")).collect();
    found.sort();
    assert!(found.len() >= 7, "crates are missing: {found:?}");
    found
}
