//! What was measured.
//!
//! Owns the numbers, their ratios to the baseline, and how they are shown.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// The setup that all others are compared with.
pub(super) const BASELINE: &str = "1 node, embedded store";

/// A number.
#[derive(Debug, Clone, PartialEq)]
struct Measured {
    what: String,
    setup: String,
    value: f64,
    unit: &'static str,
}

/// Numbers that were measured in one run, and the versions of what was measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Results {
    versions: Vec<(String, String)>,
    numbers: Vec<Measured>,
    problems: Vec<String>,
}

/// Results that grow while they are told.
pub(super) struct Notes<'a> {
    results: Results,
    told: Box<dyn FnMut(&str) + 'a>,
}

impl<'a> Notes<'a> {
    pub(super) fn new(told: impl FnMut(&str) + 'a) -> Self {
        Self {
            results: Results::default(),
            told: Box::new(told),
        }
    }

    /// Notes the version of a program.
    pub(super) fn version(&mut self, program: &str, version: String) {
        (self.told)(&format!("{program}: {version}"));
        self.results.versions.push((program.to_owned(), version));
    }

    /// Notes a number. The same `what` of [`BASELINE`] is what it is compared with.
    pub(super) fn note(
        &mut self,
        what: impl Into<String>,
        setup: &str,
        value: f64,
        unit: &'static str,
    ) {
        let what = what.into();
        (self.told)(&format!("{setup}: {what}: {} {unit}", short(value)));
        self.results.numbers.push(Measured {
            what,
            setup: setup.to_owned(),
            value,
            unit,
        });
    }

    /// Notes something that must not be, or that could not be measured.
    pub(super) fn problem(&mut self, problem: String) {
        (self.told)(&problem);
        self.results.problems.push(problem);
    }

    pub(super) fn measured(self) -> Results {
        self.results
    }
}

impl Results {
    /// Returns the number of this name in this setup, if it was measured.
    #[must_use]
    pub fn number(&self, what: &str, setup: &str) -> Option<f64> {
        let mut numbers = self.numbers.iter();
        let found = numbers.find(|number| number.what == what && number.setup == setup);
        found.map(|number| number.value)
    }

    /// Returns the names of all numbers with their setups, in the order of measuring.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        let numbers = self.numbers.iter();
        numbers.map(|number| (number.what.as_str(), number.setup.as_str()))
    }

    /// Returns what must not be, and what could not be measured: a sentence each.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    fn ratio(&self, number: &Measured) -> Option<f64> {
        let base = self.number(&number.what, BASELINE)?;
        (base != 0.0).then(|| number.value / base)
    }

    /// Returns a table in Markdown, what is compared with each other in lines after another.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for (program, version) in &self.versions {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "- {program}: {version}");
        }
        text.push_str("\n| what | where | | ratio to one node with the embedded store |\n");
        text.push_str("| --- | --- | --- | --- |\n");
        let mut done: Vec<&str> = Vec::new();
        for (what, _) in self.names() {
            if done.contains(&what) {
                continue;
            }
            done.push(what);
            for number in self.numbers.iter().filter(|number| number.what == what) {
                let (value, unit, setup) = (short(number.value), number.unit, &number.setup);
                let ratio = self.ratio(number);
                let ratio = ratio.map_or_else(String::new, |ratio| format!("{} x", short(ratio)));
                let _ = writeln!(text, "| {what} | {setup} | {value} {unit} | {ratio} |");
            }
        }
        text
    }

    /// Returns the same as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let numbers = self.numbers.iter().map(|number| {
            json!({
                "what": number.what,
                "setup": number.setup,
                "value": number.value,
                "unit": number.unit,
                "ratio": self.ratio(number),
            })
        });
        let versions = self.versions.iter().cloned();
        json!({
            "versions": versions.map(|(program, version)| (program, Value::from(version)))
                .collect::<serde_json::Map<_, _>>(),
            "baseline": BASELINE,
            "problems": self.problems,
            "numbers": numbers.collect::<Vec<_>>(),
        })
    }
}

/// Three digits are all that a measurement has; a count is whole.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_compared_with_the_same_of_the_baseline_and_stands_beside_it() {
        let mut lines = 0;
        let mut notes = Notes::new(|_| lines += 1);
        notes.note("saved, p50", BASELINE, 0.5, "ms");
        notes.note("lost", "3 nodes", 0.0, "edits");
        notes.note("saved, p50", "3 nodes", 12.5, "ms");
        let results = notes.measured();
        assert_eq!(lines, 3);
        let table = results.markdown();
        let rows: Vec<&str> = table.lines().skip(3).collect();
        assert_eq!(
            rows,
            [
                "| saved, p50 | 1 node, embedded store | 0.50 ms | 1 x |",
                "| saved, p50 | 3 nodes | 12.5 ms | 25 x |",
                "| lost | 3 nodes | 0 edits |  |",
            ]
        );
        let json = results.json();
        assert_eq!(json["numbers"][2]["ratio"], 25.0);
        assert!(json["numbers"][1]["ratio"].is_null());
    }
}
