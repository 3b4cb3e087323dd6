//! Children that run beside this program until it is told to end.
//!
//! Owns each from its start to its end: whatever happens here, it is told to stop, by its process
//! id, and waited for. Never touches a process that it did not start.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::trouble::{Done, Trouble};

/// Time that a process has to end after a request to, before xtask kills it.
const STOP: Duration = Duration::from_secs(10);

/// Pause between two looks at the child processes.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// Speaks once for each Ctrl-C or request to end.
pub(crate) fn signals() -> Result<Receiver<()>, Trouble> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| Trouble::failed(format!("no signal handler: {error}")))?;
    let (heard, stop) = mpsc::channel();
    thread::spawn(move || {
        for _ in signals.forever() {
            if heard.send(()).is_err() {
                return;
            }
        }
    });
    Ok(stop)
}

/// Waits until Ctrl-C.
///
/// # Errors
/// One of these ended before.
pub(crate) fn until_stopped(stop: &Receiver<()>, children: &mut [&mut Process]) -> Done {
    loop {
        match stop.recv_timeout(LOOK) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                for child in &mut *children {
                    child.must_run()?;
                }
            }
        }
    }
}

/// Waits until this child has ended by itself, or Ctrl-C.
///
/// # Errors
/// It ended badly.
pub(crate) fn until_ended(stop: &Receiver<()>, child: &mut Process) -> Done {
    loop {
        match stop.recv_timeout(LOOK) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        match child.child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(_)) | Err(_) => return child.must_run(),
        }
    }
}

/// A child that is stopped when this goes out of scope.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// Starts it in a process group of its own, so that a Ctrl-C reaches it through us only, once.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Result<Self, Trouble> {
        let child = command
            .process_group(0)
            .spawn()
            .map_err(|error| Trouble::failed(format!("{name} could not be started: {error}")))?;
        Ok(Self { name, child })
    }

    /// Returns its standard output, if that is a pipe, once.
    pub(crate) fn output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    pub(crate) fn must_run(&mut self) -> Done {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Trouble::failed(format!("{} ended: {status}", self.name))),
            Err(error) => Err(Trouble::failed(format!("{}: {error}", self.name))),
        }
    }

    /// Passes the Ctrl-C on and waits; kills what does not end in time. Does nothing for one that has ended.
    pub(crate) fn stop(&mut self) {
        if self.must_run().is_err() {
            return;
        }
        if let Ok(id) = i32::try_from(self.child.id())
            && let Some(pid) = Pid::from_raw(id)
        {
            // It may end between the look and the signal; it is not waited for yet, so its id cannot be another's.
            let _ = kill_process(pid, Signal::INT);
        }
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if self.must_run().is_err() {
                return;
            }
            thread::sleep(LOOK / 10);
        }
        eprintln!(
            "{} did not end within {} s and is killed",
            self.name,
            STOP.as_secs()
        );
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_process_is_asked_to_stop_and_waited_for() {
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                "trap 'echo ended; exit 3' INT; echo up; while :; do sleep 0.05; done",
            ])
            .stdout(Stdio::piped());
        let mut process = Process::start("the test", &mut command).unwrap();
        let stdout = process.child.stdout.take().unwrap();
        let mut lines = BufReader::new(stdout).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "up");
        process.stop();
        assert_eq!(lines.next().unwrap().unwrap(), "ended");
        assert_eq!(process.child.wait().unwrap().code(), Some(3));
    }
}
