//! The report: one HTML page that holds all it needs, to be looked at, mailed, kept as a build's artefact.
//!
//! Owns the page's data and its escaping; the page itself is `report.html`. Judges nothing.

use serde::Serialize;

use crate::history::{self, Hold};
use crate::oracle::Verdict;
use crate::record::{Moment, Person};
use crate::run::Run;
use crate::scenario::Scenario;

/// The page, with two places for data.
const PAGE: &str = include_str!("report.html");

#[derive(Serialize)]
struct Data<'a> {
    good: bool,
    scenario: &'a Scenario,
    millis: u64,
    quiet_from: u64,
    locks: bool,
    people: &'a [Person],
    holds: Vec<Hold>,
    problems: Vec<Vec<String>>,
    verdict: &'a Verdict,
    moments: Vec<&'a Moment>,
}

impl Run {
    /// The report as a page of HTML.
    ///
    /// # Panics
    /// Never: what was observed is plain data.
    #[must_use]
    pub fn html(&self) -> String {
        let record = &self.record;
        let documents = 0..record.documents.len();
        // What only the oracle needs would make the page three times as large.
        let shown = |moment: &&Moment| !matches!(moment.what, crate::record::What::View { .. });
        let data = Data {
            good: self.verdict.is_good(),
            scenario: &record.scenario,
            millis: record.millis,
            quiet_from: record.quiet_from,
            locks: record.locks,
            people: &record.people,
            holds: documents
                .flat_map(|document| history::check(record, document).1)
                .collect(),
            problems: self
                .verdict
                .documents
                .iter()
                .map(crate::oracle::DocumentVerdict::problems)
                .collect(),
            verdict: &self.verdict,
            moments: record.moments.iter().filter(shown).collect(),
        };
        let json = serde_json::to_string(&data).unwrap_or_else(|_| "null".to_owned());
        // Nothing in the data may end the script that holds it.
        PAGE.replacen("/*DATA*/null", &json.replace('<', "\\u003c"), 1)
    }
}
