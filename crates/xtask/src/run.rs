//! Starting a child and waiting for it. Owns the echo of what it says and the numbers read out of it; never decides
//! what is run.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use crate::tally::{Runner, Tally};
use crate::trouble::{Done, Trouble};

/// Runs it with its output going where ours goes.
///
/// # Errors
/// [`Trouble::Missing`] when there is no such program, [`Trouble::Failed`] when it ended badly.
pub(crate) fn run(command: &mut Command) -> Done {
    let status = command
        .status()
        .map_err(|error| could_not_start(command, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Trouble::failed(format!("{} ({status})", shown(command))))
    }
}

/// Runs a test runner, echoing all that it says, and returns the numbers that it printed.
///
/// A run that ended badly counts at least one failure (a crate that does not compile has no failed test), and one
/// that ended well without any number is a failure too: then the numbers were not understood.
pub(crate) fn count(command: &mut Command, runner: Runner) -> Result<Tally, Trouble> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| could_not_start(command, &error))?;
    let total = Mutex::new(Tally::default());
    let streams = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        if let Some(stdout) = streams.0 {
            scope.spawn(|| echo(stdout, runner, &total));
        }
        if let Some(stderr) = streams.1 {
            scope.spawn(|| echo(stderr, runner, &total));
        }
    });
    let status = child
        .wait()
        .map_err(|error| Trouble::failed(format!("{}: {error}", shown(command))))?;
    let mut total = total
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if status.success() && total.is_empty() {
        return Err(Trouble::failed(format!(
            "{}: it said no numbers",
            shown(command)
        )));
    }
    if !status.success() && total.failed == 0 {
        total.failed = 1;
    }
    Ok(total)
}

/// What a short command prints; `None` when it is not there or fails.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn echo(stream: impl Read, runner: Runner, total: &Mutex<Tally>) {
    let mut lines = BufReader::new(stream);
    let mut line = Vec::new();
    // A read error is the end of the stream: the child's exit code tells the rest.
    while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let mut out = std::io::stdout().lock();
        // Nobody left to read the echo is no reason to stop counting.
        let _ = out.write_all(&line).and_then(|()| out.flush());
        let found = runner.read(&String::from_utf8_lossy(&line));
        *total
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) += found;
        line.clear();
    }
}

fn could_not_start(command: &Command, error: &std::io::Error) -> Trouble {
    let program = command.get_program().to_string_lossy().into_owned();
    if error.kind() == std::io::ErrorKind::NotFound {
        Trouble::missing(format!("{program} is not installed"), "install it")
    } else {
        Trouble::failed(format!("{program} could not be started: {error}"))
    }
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn numbers_are_read_from_both_streams() {
        // In node's form: what is echoed here must not look like a summary of the runner of this very test.
        let script = "echo 'ℹ pass 2'; echo 'ℹ skipped 1'; echo 'ℹ pass 3' >&2";
        let total = count(&mut shell(script), Runner::Node).unwrap();
        assert_eq!((total.passed, total.failed, total.skipped), (5, 0, 1));
    }

    #[test]
    fn a_runner_that_does_not_compile_is_one_failure() {
        let total = count(&mut shell("exit 101"), Runner::Libtest).unwrap();
        assert_eq!(total, Tally::FAILED);
    }

    #[test]
    fn a_good_run_without_numbers_is_not_believed() {
        assert!(count(&mut shell("echo all well"), Runner::Node).is_err());
    }

    #[test]
    fn a_program_that_is_not_there_is_missing_and_not_a_failure() {
        let trouble = run(&mut Command::new("baton-no-such-program")).unwrap_err();
        assert!(matches!(trouble, Trouble::Missing { .. }), "{trouble}");
    }
}
