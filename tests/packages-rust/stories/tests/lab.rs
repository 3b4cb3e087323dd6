//! The test of the project `lab`.

use std::env;
use std::process::Command;

#[test]
fn the_test_of_the_project_judges_edits_under_chaos() {
    // The file of the manifest, and the cargo that runs this story.
    let manifest = env::var_os("PROJECTS_LAB").expect("`cargo xtask test --only crates` sets it");
    let output = Command::new(env!("CARGO"))
        .args(["test", "--offline", "--test", "bad_day", "--manifest-path"])
        .arg(manifest)
        .args(["--", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains("a bad day, seed 7: sound"), "{said}");
    let counts = said
        .lines()
        .filter_map(|line| line.strip_suffix(" acknowledged, 0 lost"));
    let counts: Vec<usize> = counts
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(counts.len(), 2, "{said}");
    assert!(counts.iter().all(|count| *count > 10), "{said}");
    assert!(said.contains("1 passed; 0 failed"), "{said}");
}
