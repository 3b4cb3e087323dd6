//! The numbers that test runners print. Owns reading them out of a line of text; never decides whether a run as a
//! whole was good (a runner's exit code has a say in that).

use std::fmt;
use std::ops::AddAssign;

/// How many checks passed, failed and were skipped.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// One check that is good.
    pub(crate) const PASSED: Self = Self {
        passed: 1,
        failed: 0,
        skipped: 0,
    };
    /// One check that is not.
    pub(crate) const FAILED: Self = Self {
        passed: 0,
        failed: 1,
        skipped: 0,
    };
    /// One check that could not be made.
    pub(crate) const SKIPPED: Self = Self {
        passed: 0,
        failed: 0,
        skipped: 1,
    };

    /// The numbers in a line that this type printed; zeros when it is another line.
    pub(crate) fn said(line: &str) -> Self {
        sum(line.split(','))
    }

    /// Whether there is a number in it at all.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// Whose summary a line may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    /// `cargo test`: `test result: ok. 5 passed; 0 failed; 1 ignored; ...`, one line a test program.
    Libtest,
    /// `cargo nextest run`: `Summary [ 0.1s] 6 tests run: 5 passed, 1 failed, 2 skipped`.
    Nextest,
    /// `node --test` with the spec reporter: `ℹ pass 5`, a line for each number.
    Node,
    /// `vitest run`: `Tests  5 passed | 1 skipped (6)`.
    Vitest,
    /// `python3 -m unittest --verbose`: `test_name (place) ... ok`, a line for each test.
    Unittest,
}

impl Runner {
    /// The numbers in this line; zeros when it is not a summary.
    pub(crate) fn read(self, line: &str) -> Tally {
        let line = without_colour(line);
        let line = line.trim();
        match self {
            Self::Libtest => line
                .strip_prefix("test result:")
                .map_or_else(Tally::default, |rest| sum(rest.split([';', '.']))),
            Self::Nextest => line
                .strip_prefix("Summary")
                .and_then(|rest| rest.split_once("run:"))
                .map_or_else(Tally::default, |(_, rest)| sum(rest.split(','))),
            Self::Node => line
                .strip_prefix("ℹ ")
                .map_or_else(Tally::default, node_line),
            Self::Vitest => line
                .strip_prefix("Tests ")
                .map_or_else(Tally::default, |rest| sum(rest.split('|'))),
            Self::Unittest => match line.rsplit_once(" ... ") {
                Some((_, "ok")) => Tally::PASSED,
                Some((_, "FAIL" | "ERROR")) => Tally::FAILED,
                Some((_, rest)) if rest.starts_with("skipped") => Tally::SKIPPED,
                _ => Tally::default(),
            },
        }
    }
}

/// Adds up phrases like `5 passed (1 slow)`; what is not such a phrase counts nothing.
fn sum<'a>(phrases: impl Iterator<Item = &'a str>) -> Tally {
    let mut total = Tally::default();
    for phrase in phrases {
        let Some((number, word)) = phrase.trim().split_once(' ') else {
            continue;
        };
        if let Ok(number) = number.parse() {
            total += named(word, number);
        }
    }
    total
}

fn node_line(rest: &str) -> Tally {
    match rest.split_once(' ') {
        Some((word, number)) => number
            .parse()
            .map_or_else(|_| Tally::default(), |number| named(word, number)),
        None => Tally::default(),
    }
}

fn named(word: &str, number: u64) -> Tally {
    let mut tally = Tally::default();
    let word = word.split(" (").next().unwrap_or(word);
    match word {
        "passed" | "pass" => tally.passed = number,
        "failed" | "fail" | "cancelled" | "timed out" | "exec failed" => tally.failed = number,
        "skipped" | "ignored" | "todo" => tally.skipped = number,
        _ => {}
    }
    tally
}

/// Takes terminal escapes out: a runner may have been told to colour.
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, escape)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        let end = escape.find(|c: char| c.is_ascii_alphabetic());
        rest = end.map_or("", |end| &escape[end + 1..]);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64, skipped: u64) -> Tally {
        Tally {
            passed,
            failed,
            skipped,
        }
    }

    #[test]
    fn a_line_of_cargo_test_is_read() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 9 filtered out; finished in 0.05s";
        assert_eq!(Runner::Libtest.read(line), tally(5, 2, 1));
    }

    #[test]
    fn a_line_of_nextest_is_read_with_all_its_ways_to_fail() {
        let line = "     Summary [   1.2s] 9/12 tests run: 5 passed (1 slow, 1 leaky), 2 failed, 1 timed out, 1 exec failed, 4 skipped";
        assert_eq!(Runner::Nextest.read(line), tally(5, 4, 4));
    }

    #[test]
    fn each_line_of_unittest_is_a_test() {
        for (line, expected) in [
            ("test_a (test_x.X.test_a) ... ok", tally(1, 0, 0)),
            ("test_b (test_x.X.test_b) ... FAIL", tally(0, 1, 0)),
            ("test_c (test_x.X.test_c) ... ERROR", tally(0, 1, 0)),
            ("test_d (test_x.X.test_d) ... skipped 'why'", tally(0, 0, 1)),
            ("Ran 4 tests in 0.1s", tally(0, 0, 0)),
        ] {
            assert_eq!(Runner::Unittest.read(line), expected, "{line}");
        }
    }

    #[test]
    fn the_lines_of_node_add_up() {
        let mut total = Tally::default();
        for line in [
            "ℹ tests 6",
            "ℹ pass 3",
            "ℹ fail 1",
            "ℹ cancelled 1",
            "ℹ skipped 1",
            "ℹ todo 0",
            "ℹ duration_ms 127.15",
        ] {
            total += Runner::Node.read(line);
        }
        assert_eq!(total, tally(3, 2, 1));
    }

    #[test]
    fn the_tests_of_vitest_count_and_not_its_files() {
        assert!(Runner::Vitest.read(" Test Files  2 passed (2)").is_empty());
        let line = "      Tests  1 failed | 5 passed | 2 skipped | 1 todo (9)";
        assert_eq!(Runner::Vitest.read(line), tally(5, 1, 3));
        assert_eq!(
            Runner::Vitest.read("      Tests  4 passed (4)"),
            tally(4, 0, 0)
        );
    }

    #[test]
    fn colours_do_not_hide_the_numbers() {
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.0s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m \u{1b}[33;1mskipped\u{1b}[0m";
        assert_eq!(Runner::Nextest.read(line), tally(2, 0, 0));
    }

    #[test]
    fn what_a_test_prints_is_not_a_summary() {
        for runner in [
            Runner::Libtest,
            Runner::Nextest,
            Runner::Node,
            Runner::Vitest,
        ] {
            assert!(runner.read("5 passed; 2 failed").is_empty());
            assert!(runner.read("").is_empty());
        }
    }

    #[test]
    fn the_last_line_has_the_form_that_was_promised() {
        let line = "12 passed, 0 failed, 1 skipped";
        assert_eq!(tally(12, 0, 1).to_string(), line);
        assert_eq!(Tally::said(line), tally(12, 0, 1));
    }
}
