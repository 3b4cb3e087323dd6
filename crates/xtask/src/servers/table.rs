//! The table of the comparison, as Markdown. Owns what lies between its two markers in docs/benchmarks.md, and nothing
//! else there.

use std::fs;
use std::path::Path;

use super::loads::Better;
use super::results::{Results, shown};
use crate::trouble::{Done, Trouble};

const BEGIN: &str = "<!-- servers:begin -->";
const END: &str = "<!-- servers:end -->";

/// A row for each number, a column for each server: the median, and what that is to the forwarder's.
pub(super) fn markdown(results: &Results) -> String {
    let labels: Vec<&str> = results.servers().iter().map(|s| s.label.as_str()).collect();
    let mut lines = vec![
        format!("| | {} |", labels.join(" | ")),
        format!("| --- |{}", " --- |".repeat(labels.len())),
    ];
    for metric in results.metrics() {
        let better = match metric.better {
            Better::Less => "less is better",
            Better::More => "more is better",
        };
        let cells = results.servers().iter().map(|server| {
            let median = results.median(metric.key, &server.name);
            median.map_or_else(
                || "-".to_owned(),
                |median| match median.ratio {
                    Some(ratio) if server.name != "forwarder" => {
                        format!("{} ({} ×)", shown(median.value), shown(ratio))
                    }
                    _ => shown(median.value),
                },
            )
        });
        let cells: Vec<String> = cells.collect();
        lines.push(format!(
            "| {}, {} ({better}) | {} |",
            metric.title,
            metric.unit,
            cells.join(" | ")
        ));
    }
    lines.push(String::new());
    for metric in results.metrics() {
        lines.push(format!(
            "![{0}](benchmarks/{1}.svg)",
            metric.title, metric.key
        ));
    }
    lines.join("\n")
}

/// Puts the table between the markers of that page.
pub(super) fn replace(page: &Path, results: &Results) -> Done {
    let failed = |error: String| Trouble::failed(format!("{}: {error}", page.display()));
    let text = fs::read_to_string(page).map_err(|error| failed(error.to_string()))?;
    let new = between(&text, &markdown(results))
        .ok_or_else(|| failed(format!("no `{BEGIN}` with `{END}` after it")))?;
    fs::write(page, new).map_err(|error| failed(error.to_string()))
}

fn between(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{table}\n\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::contestants::{Contestant, Keeps};
    use super::super::loads::Load;
    use super::*;

    #[test]
    fn a_table_shows_medians_and_ratios_and_a_dash_for_what_was_not_measured() {
        let contestant = |name| Contestant {
            name,
            label: name,
            wire: "forward",
            base: "/ws",
            command: String::new(),
            keeps: Keeps::Nothing,
        };
        let all = ["forwarder", "baton", "other"].map(contestant);
        let mut results = Results::begin(Path::new("/nowhere/servers.json"), &all);
        let storm = Load::named("storm").unwrap();
        results.note(storm, &all[0], &json!({ "seen": { "seconds": 0.5 } }));
        results.note(storm, &all[1], &json!({ "seen": { "seconds": 0.6 } }));
        let table = markdown(&results);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "| | forwarder | baton | other |");
        assert!(
            lines[2].ends_with("| 0.50 | 0.60 (1.20 ×) | - |"),
            "{}",
            lines[2]
        );
        assert!(table.contains("(benchmarks/storm.svg)"));
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = between(&page, "new").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"));
        assert_eq!(between(&new, "new").unwrap(), new, "twice is the same");
        assert_eq!(between("no markers", "new"), None);
    }
}
