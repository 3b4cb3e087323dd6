//! The time of one fuzz target: runs of libFuzzer, one after another, until the time is over.
//!
//! Owns the progress that is printed, the log of everything that libFuzzer says, and the list of
//! findings. libFuzzer ends at a finding; the next run goes on from the same corpus. Never judges
//! an input.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::trouble::Trouble;

/// Time between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(20);

/// Time between two looks at the child.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A target with so many findings is left: a fault that every input meets would fill the disk with
/// inputs.
const MOST_FINDINGS: usize = 20;

/// First letters of the files that libFuzzer writes for a finding. A `slow-unit-` is none: the run
/// goes on.
const FINDINGS: [&str; 4] = ["crash-", "leak-", "oom-", "timeout-"];

/// One target and the folders of its session.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) target: &'a str,
    /// Time of all runs together, without the build.
    pub(crate) lasts: Duration,
    /// The folder in which libFuzzer leaves the inputs of its findings.
    pub(crate) artifacts: PathBuf,
    /// The file to which everything is added that libFuzzer says.
    pub(crate) log: PathBuf,
}

/// The last words of a run that is under way.
#[derive(Debug, Default)]
struct Said {
    /// The last line of libFuzzer's own progress. `None` before its first: the target is still
    /// built.
    status: Option<String>,
    /// Time of the first such line.
    began: Option<Instant>,
    /// The last summary of a sanitizer, or message of a panic.
    summary: Option<String>,
}

impl Session<'_> {
    /// Runs `command(seconds)` until the time is over. Returns the inputs of the findings.
    ///
    /// # Errors
    /// The program cannot be started, ends badly without a finding, or its files cannot be written.
    pub(crate) fn run(
        &self,
        command: impl Fn(u64) -> Command,
    ) -> Result<BTreeSet<PathBuf>, Trouble> {
        let trouble =
            |error: io::Error| Trouble::failed(format!("{}: {error}", self.log.display()));
        let mut log = File::create(&self.log).map_err(trouble)?;
        let before = findings(&self.artifacts);
        let mut found = BTreeSet::new();
        let mut spent = Duration::ZERO;
        while spent < self.lasts && found.len() < MOST_FINDINGS {
            let seconds = (self.lasts - spent).as_secs_f64().ceil().max(1.0) as u64;
            let (status, said) = self
                .once(command(seconds), spent, found.len(), &mut log)
                .map_err(trouble)?;
            // A run that ends at its first input has taken time as well, so that the loop ends.
            let took = said.began.map_or(Duration::ZERO, |began| began.elapsed());
            spent += took.max(Duration::from_secs(1));
            let new: BTreeSet<_> = findings(&self.artifacts)
                .difference(&before)
                .filter(|input| !found.contains(*input))
                .cloned()
                .collect();
            for input in &new {
                let what = said.summary.as_deref().unwrap_or("no summary");
                println!("FOUND {}: {what}", input.display());
            }
            let known = new.is_empty();
            found.extend(new);
            if !status.success() && known {
                // The same input again, or no libFuzzer at all, as when the target does not
                // compile.
                if found.is_empty() {
                    return Err(Trouble::failed(format!(
                        "{} ended with {status} and left no input; see {}",
                        self.target,
                        self.log.display()
                    )));
                }
                println!("-- {}: a finding that is known already", self.target);
            }
        }
        Ok(found)
    }

    /// One run of libFuzzer, to its end.
    fn once(
        &self,
        mut command: Command,
        spent: Duration,
        found: usize,
        log: &mut File,
    ) -> io::Result<(ExitStatus, Said)> {
        let mut child = command
            .stdout(Stdio::inherit())
            .stderr(Stdio::piped())
            .spawn()?;
        let said = Mutex::new(Said::default());
        let status = thread::scope(|scope| {
            if let Some(stderr) = child.stderr.take() {
                scope.spawn(|| listen(BufReader::new(stderr), log, &said));
            }
            let mut told = Instant::now();
            loop {
                if let Some(status) = child.try_wait()? {
                    return io::Result::Ok(status);
                }
                if told.elapsed() >= PROGRESS_EVERY {
                    told = Instant::now();
                    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    println!("{}", self.progress(&said, spent, found));
                }
                thread::sleep(LOOK_EVERY);
            }
        })?;
        let said = said.into_inner().unwrap_or_else(PoisonError::into_inner);
        println!("{}", self.progress(&said, spent, found));
        Ok((status, said))
    }

    /// A line of progress.
    fn progress(&self, said: &Said, spent: Duration, found: usize) -> String {
        let Some(status) = &said.status else {
            return format!("{}: building", self.target);
        };
        let spent = spent + said.began.map_or(Duration::ZERO, |began| began.elapsed());
        let mut line = format!(
            "{}: {} of {} s, {status}",
            self.target,
            spent.as_secs(),
            self.lasts.as_secs()
        );
        if found > 0 {
            let _infallible = write!(line, "; {found} findings");
        }
        line
    }
}

/// Adds everything to the log, and keeps the last words.
fn listen(from: impl io::BufRead, log: &mut File, said: &Mutex<Said>) {
    // Bytes that are no UTF-8 are a printed input. The end of the stream is the end of the run.
    for line in from.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        // Of a disk that is full the final status tells.
        let _full = log.write_all(format!("{line}\n").as_bytes());
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = status(&line) {
            said.began.get_or_insert_with(Instant::now);
            said.status = Some(status.to_owned());
        }
        if line.starts_with("SUMMARY:") || line.contains("panicked at") {
            said.summary = Some(line.trim().to_owned());
        }
    }
}

/// Returns a line of libFuzzer's progress, such as `#2048 pulse cov: 31 ft: 64 ... exec/s: 682 rss:
/// 45Mb`.
fn status(line: &str) -> Option<&str> {
    let line = line.trim();
    let number = line.strip_prefix('#')?.split_whitespace().next()?;
    let counts = number.bytes().all(|byte| byte.is_ascii_digit()) && line.contains("cov:");
    counts.then_some(line)
}

/// Returns the inputs of all findings in the folder. A folder that is not there has none.
fn findings(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let inputs = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| FINDINGS.iter().any(|kind| name.starts_with(kind)))
    });
    inputs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(folder: &Path) -> Session<'static> {
        Session {
            target: "example",
            lasts: Duration::from_secs(3),
            artifacts: folder.to_owned(),
            log: folder.join("example.log"),
        }
    }

    /// A program that behaves as libFuzzer does; `$1` is its time in seconds.
    fn fuzzer(folder: &Path, script: &str) -> impl Fn(u64) -> Command {
        let (folder, script) = (folder.to_owned(), script.to_owned());
        move |seconds| {
            let mut command = Command::new("sh");
            let seconds = seconds.to_string();
            command
                .current_dir(&folder)
                .args(["-c", &script, "sh", &seconds]);
            command
        }
    }

    /// A leak in the first minute ended a run that was to last an hour.
    #[test]
    fn a_run_goes_on_after_a_finding_until_its_time_is_over_and_names_each_input() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo '#1 INITED cov: 3 ft: 3' >&2
            n=$(ls | grep -c leak-)
            if [ $n -lt 2 ]; then
                touch leak-$n
                echo 'SUMMARY: AddressSanitizer: 24 byte(s) leaked' >&2
                exit 77
            fi
            sleep $1";
        let began = Instant::now();
        let found = session(folder.path()).run(fuzzer(folder.path(), script));
        let names: Vec<_> = found.unwrap().into_iter().collect();
        assert_eq!(
            names,
            [folder.path().join("leak-0"), folder.path().join("leak-1")]
        );
        assert!(began.elapsed() >= Duration::from_secs(1));
        let log = fs::read_to_string(folder.path().join("example.log")).unwrap();
        assert_eq!(log.matches("INITED").count(), 3, "{log}");
    }

    #[test]
    fn a_target_that_does_not_run_is_no_finding_and_no_success() {
        let folder = tempfile::tempdir().unwrap();
        let trouble = session(folder.path()).run(fuzzer(folder.path(), "exit 1"));
        assert!(matches!(trouble, Err(Trouble::Failed(_))), "{trouble:?}");
    }

    #[test]
    fn of_what_libfuzzer_says_its_counts_are_progress() {
        let pulse = "#2048\tpulse  cov: 31 ft: 64 corp: 9/40b exec/s: 682 rss: 45Mb";
        assert_eq!(status(pulse), Some(pulse));
        assert_eq!(status("#0 0x55 in main"), None, "a line of a stack");
        assert_eq!(status("INFO: Seed: 1"), None);
    }
}
