//! The second lane of `test`: steps that mostly wait, in a process of their own beside the others.
//!
//! Owns what they say until it is printed in one piece, and the numbers in its last lines.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, ExitStatus};

use crate::place::Place;
use crate::tally::Tally;
use crate::trouble::Trouble;

/// Line after which a run tells what was not good, each in a line that begins with two spaces.
const NUMBERS: &str = "In ";

/// Steps that run beside this process.
pub(crate) struct SecondLane {
    child: Child,
    said: PathBuf,
}

impl SecondLane {
    /// Starts these steps. What they say goes into a file until they are over.
    ///
    /// # Errors
    /// The file or the process cannot be made.
    pub(crate) fn start(place: &Place, steps: &[&str]) -> Result<Self, Trouble> {
        let steps = steps.join(",");
        let said = place.findings("second-lane.log");
        let trouble = |error| Trouble::failed(format!("{}: {error}", said.display()));
        let file = File::create(&said).map_err(trouble)?;
        // The steps before may have built this program anew: the file that it was started from is
        // gone then.
        let own = place.built("debug", "xtask");
        let mut command = place.command(&own);
        command.args(["test", "--only", &steps]);
        command.stdout(file.try_clone().map_err(trouble)?);
        let child = command.stderr(file).spawn();
        let child =
            child.map_err(|error| Trouble::failed(format!("{}: {error}", own.display())))?;
        println!("\n== beside the others from here, told at the end: {steps}");
        Ok(Self { child, said })
    }

    /// Waits for their end and prints what they said. Returns their numbers, and what was not good.
    ///
    /// # Errors
    /// They cannot be waited for, or their file cannot be read.
    pub(crate) fn finish(mut self) -> Result<(Tally, Vec<String>), Trouble> {
        let trouble = |error| Trouble::failed(format!("{}: {error}", self.said.display()));
        let status = self.child.wait().map_err(trouble)?;
        let said = fs::read(&self.said).map_err(trouble)?;
        let said = String::from_utf8_lossy(&said);
        println!("{said}");
        Ok(summary(&said, status))
    }
}

/// Reads the last lines of a run. One that ended badly counts at least one failure.
fn summary(said: &str, status: ExitStatus) -> (Tally, Vec<String>) {
    let lines: Vec<_> = said.lines().collect();
    let mut total = lines.last().map_or_else(Tally::default, |l| Tally::said(l));
    let end = lines.iter().rposition(|line| line.starts_with(NUMBERS));
    let notes = end.map_or(&[][..], |end| &lines[end + 1..]);
    let notes = notes.iter().filter_map(|line| line.strip_prefix("  "));
    let mut notes: Vec<_> = notes.map(str::to_owned).collect();
    if total.failed == 0 && (!status.success() || total.is_empty()) {
        total.failed += 1;
        notes.push(format!(
            "the second lane ended without its numbers ({status})"
        ));
    }
    (total, notes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn the_last_lines_of_a_lane_are_its_numbers_and_what_was_not_good() {
        let said = "-- x: 9 passed, 9 failed, 9 skipped in 1.0 s\n\nIn 12 s:\n  x: bad\n\
                    3 passed, 1 failed, 2 skipped\n";
        let (total, notes) = summary(said, ExitStatus::from_raw(1 << 8));
        assert_eq!((total.passed, total.failed, total.skipped), (3, 1, 2));
        assert_eq!(notes, ["x: bad"]);
    }

    #[test]
    fn a_lane_that_was_killed_or_says_nothing_has_failed() {
        for (said, status) in [("", 0), ("In 1 s:\n3 passed, 0 failed, 0 skipped\n", 9)] {
            let (total, notes) = summary(said, ExitStatus::from_raw(status));
            assert_eq!((total.failed, notes.len()), (1, 1), "{said}");
        }
    }
}
