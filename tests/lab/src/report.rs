//! The report: one HTML page that holds all it needs, to be looked at, mailed, kept as a build's artefact.
//!
//! Owns the page's data and its escaping; the page itself is in the folder `report`. Judges nothing.

use serde::Serialize;

use crate::history::{self, Handoff, Hold};
use crate::record::{Moment, Person};
use crate::run::Run;
use crate::scenario::Scenario;
use crate::verdict::{DocumentVerdict, Outcome, Verdict};

/// The page, with three places.
const PAGE: &str = include_str!("report/page.html");
const STYLE: &str = include_str!("report/style.css");
const SCRIPT: &str = include_str!("report/page.js");

#[derive(Serialize)]
struct Data<'a> {
    outcome: Outcome,
    scenario: &'a Scenario,
    millis: u64,
    quiet_from: u64,
    locks: bool,
    people: &'a [Person],
    holds: Vec<Hold>,
    handoffs: Vec<Handoff>,
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
        let (mut holds, mut handoffs) = (Vec::new(), Vec::new());
        for document in 0..record.documents.len() {
            let history = history::check(record, document);
            holds.extend(history.holds);
            handoffs.extend(history.handoffs);
        }
        // What only the oracle needs would make the page three times as large.
        let shown = |moment: &&Moment| !matches!(moment.what, crate::record::What::View { .. });
        let data = Data {
            outcome: self.verdict.outcome(),
            scenario: &record.scenario,
            millis: record.millis,
            quiet_from: record.quiet_from,
            locks: record.locks,
            people: &record.people,
            holds,
            handoffs,
            problems: self
                .verdict
                .documents
                .iter()
                .map(DocumentVerdict::problems)
                .collect(),
            verdict: &self.verdict,
            moments: record.moments.iter().filter(shown).collect(),
        };
        let json = serde_json::to_string(&data).unwrap_or_else(|_| "null".to_owned());
        // Nothing in the data may end the script that holds it. It comes last: nothing in it is a place.
        PAGE.replacen("/*STYLE*/", STYLE, 1)
            .replacen("/*SCRIPT*/", SCRIPT, 1)
            .replacen("/*DATA*/null", &json.replace('<', "\\u003c"), 1)
    }
}
