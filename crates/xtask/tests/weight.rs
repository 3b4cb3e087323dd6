//! What an embedding program builds: the number of crates behind the server's library and the client.
//!
//! A dependency is added in a line, and every program that embeds Baton then builds all that is behind it. A bar that
//! somebody has to raise by hand makes that a decision.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The crates that this one is built with, itself and macros included, each version counted once.
fn crates_of(package: &str, more: &[&str]) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let output = Command::new(env!("CARGO"))
        .current_dir(root.expect("crates/xtask lies two folders deep"))
        .args([
            "tree",
            "--locked",
            "--quiet",
            "--prefix=none",
            "--edges=normal",
        ])
        .args(["--format={p}", "--package", package])
        .args(more)
        .output()
        .expect("cargo runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree: {complaint}");
    let crates: BTreeSet<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| {
            line.split_whitespace()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .filter(|name| !name.is_empty())
        .collect();
    let has_itself = crates.iter().any(|name| name.starts_with(package));
    assert!(has_itself, "cargo tree was not understood");
    crates
}

fn is_within(bar: usize, package: &str, more: &[&str]) {
    let crates = crates_of(package, more);
    let count = crates.len();
    assert!(
        count <= bar,
        "{package} is built with {count} crates, more than {bar}: {crates:?}"
    );
}

#[test]
fn the_server_as_a_library_stays_light() {
    is_within(110, "baton-server", &["--no-default-features"]);
}

#[test]
fn the_client_stays_light() {
    is_within(70, "baton-client", &[]);
}

/// What only the program `baton` needs is behind a feature.
#[test]
fn the_library_has_no_command_line_no_page_and_no_allocator() {
    let crates = crates_of("baton-server", &["--no-default-features"]);
    for program in [
        "clap",
        "toml",
        "humantime",
        "tracing-subscriber",
        "rust-embed",
        "tikv-jemallocator",
        "async-nats",
        "object_store",
        "jsonwebtoken",
        "rustls",
    ] {
        let is_program = |name: &&String| name.split(' ').next() == Some(program);
        assert_eq!(crates.iter().find(is_program), None);
    }
}

/// The lab is a library, too: whoever tests with it builds no program and no cluster.
#[test]
fn the_lab_switches_no_program_on() {
    let crates = crates_of("baton-lab", &[]);
    for program in [
        "tikv-jemallocator",
        "rust-embed",
        "async-nats",
        "tracing-subscriber",
    ] {
        let is_program = |name: &&String| name.split(' ').next() == Some(program);
        assert_eq!(crates.iter().find(is_program), None);
    }
}
