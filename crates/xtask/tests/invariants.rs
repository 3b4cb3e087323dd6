//! The invariants of the lock: the list in `docs/locks.md` and the citations in code agree.

mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use sources::{product_code, rust_files};

/// Crates whose product code keeps the invariants.
const KEEPERS: [&str; 2] = ["baton-presence", "baton-room"];

/// Folders of code that cites invariants, beside the product code.
const CITING: [&str; 5] = [
    "crates/baton-presence/tests",
    "crates/baton-room/tests",
    "tests/lab/src",
    "tests/model",
    "tests/sim",
];

/// Files of product code that keep each invariant, as a table row `| name | text | files |` says.
type Invariants = BTreeMap<String, Vec<String>>;

/// Returns true for the name of an invariant: `S` or `L`, and a number.
fn is_name(word: &str) -> bool {
    let number = word.strip_prefix(['S', 'L']).unwrap_or_default();
    matches!(number.len(), 1 | 2) && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the names of invariants that stand in a text.
fn cited(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| is_name(word))
        .collect()
}

/// Reads the tables of invariants.
fn listed(docs: &str) -> Invariants {
    let mut found = Invariants::new();
    for line in docs.lines() {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _, files] = cells[..] else {
            continue;
        };
        if is_name(name) {
            let files = files
                .split(", ")
                .map(|file| file.trim_matches('`').to_owned());
            let before = found.insert(name.to_owned(), files.collect());
            assert!(before.is_none(), "{name} stands twice in the list");
        }
    }
    found
}

/// Compares the list with code files, each a path and a text. Returns what does not agree.
fn faults(
    invariants: &Invariants,
    product: &[(String, String)],
    others: &[(String, String)],
) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in product.iter().chain(others) {
        let unknown = cited(text)
            .into_iter()
            .filter(|name| !invariants.contains_key(*name));
        faults.extend(unknown.map(|name| format!("{path} cites {name}, which is not in the list")));
    }
    for (name, files) in invariants {
        for file in files {
            let cites =
                |(path, text): &(String, String)| path == file && cited(text).contains(&**name);
            if !product.iter().any(cites) {
                faults.push(format!("{name} is kept in {file}, which does not cite it"));
            }
        }
        if !others.iter().any(|(_, text)| cited(text).contains(&**name)) {
            faults.push(format!("no test cites {name}"));
        }
    }
    faults
}

#[test]
fn each_invariant_is_cited_where_it_is_kept_and_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let docs = root
        .expect("crates/xtask lies two folders deep")
        .join("docs/locks.md");
    let invariants = listed(&fs::read_to_string(docs).expect("the page on locks"));
    assert_eq!(invariants.len(), 17, "S1 to S11 and L1 to L6");
    let product: Vec<_> = KEEPERS
        .into_iter()
        .flat_map(|package| {
            let files = product_code(package).into_iter();
            files.map(move |file| (format!("{package}/src/{}", file.path), file.text))
        })
        .collect();
    let others: Vec<_> = CITING
        .into_iter()
        .flat_map(|folder| {
            let files = rust_files(folder).into_iter();
            files.map(move |file| (format!("{folder}/{}", file.path), file.text))
        })
        .collect();
    let faults = faults(&invariants, &product, &others);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_missing_an_unknown_and_an_untested_invariant_are_seen() {
    let invariants = listed("| name | invariant | kept in |\n| S1 | One. | `lock.rs`, `room.rs` |");
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let product = [
        file("lock.rs", "// One holder (S1)."),
        file("room.rs", "// (S1)"),
    ];
    let tests = [
        file("test.rs", "check(\"S1\")"),
        file("wrong.rs", "// L7, but neither S100 nor TLS1 nor S1_000"),
    ];
    let found = |product, tests| faults(&invariants, product, tests);
    assert_eq!(found(&product, &tests[..1]), Vec::<String>::new());
    assert_eq!(found(&product, &[]), ["no test cites S1"]);
    assert_eq!(
        found(&product[..1], &tests[..1]),
        ["S1 is kept in room.rs, which does not cite it"]
    );
    assert_eq!(
        found(&product, &tests),
        ["wrong.rs cites L7, which is not in the list"]
    );
}
