//! docs/embedding.md shows the program that the example is.

use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_page_shows_the_program_that_is_compiled_and_run() {
    let example = read("examples/embedding.rs");
    let (program, _tests) = example.split_once("\n#[cfg(test)]").expect("it has tests");
    let page = read("../../docs/embedding.md");
    let shown = page
        .split_once("```rust\n")
        .and_then(|(_, rest)| rest.split_once("```"));
    let (shown, _) = shown.expect("the page has a program");
    assert!(
        shown == program,
        "docs/embedding.md has another program than examples/embedding.rs"
    );
}

#[test]
fn the_page_names_every_feature() {
    let manifest = read("Cargo.toml");
    let (_, features) = manifest
        .split_once("[features]\n")
        .expect("it has features");
    let (features, _) = features.split_once("\n\n").expect("the features end");
    let page = read("../../docs/embedding.md");
    let names = features.lines().filter_map(|line| line.split_once(" = "));
    for (name, _) in names.filter(|(name, _)| *name != "default") {
        assert!(
            page.contains(&format!("| `{name}` |")),
            "docs/embedding.md does not name {name}"
        );
    }
}
