//! The programs that tests start: where they are, and what stands before them.

use std::path::PathBuf;

use tokio::process::Command;

/// The program: `BATON_BIN`, else `baton` where this test was built.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn program() -> PathBuf {
    if let Some(given) = std::env::var_os("BATON_BIN") {
        return given.into();
    }
    let found = beside("baton");
    assert!(
        found.is_file(),
        "there is no baton at {}: build it with `cargo build -p baton-server`, or set BATON_BIN",
        found.display()
    );
    found
}

/// A program of this package, built where this test was.
///
/// # Panics
/// When it is not there.
pub(crate) fn built(name: &str) -> PathBuf {
    let found = beside(name);
    assert!(
        found.is_file(),
        "there is no {name} at {}: build it with `cargo build -p baton-tests --bins`",
        found.display()
    );
    found
}

/// Returns a command with these words before it, such as those that let it run in a namespace.
#[must_use]
pub fn command_on(on: &[String], program: PathBuf) -> Command {
    let Some((first, others)) = on.split_first() else {
        return Command::new(program);
    };
    let mut command = Command::new(first);
    command.args(others).arg(program);
    command
}

fn beside(name: &str) -> PathBuf {
    let here = std::env::current_exe().expect("a test knows where it is");
    let mut folders = here.ancestors().skip(1).take(2);
    let found = folders.find_map(|folder| {
        let program = folder.join(name);
        program.is_file().then_some(program)
    });
    found.unwrap_or_else(|| name.into())
}
