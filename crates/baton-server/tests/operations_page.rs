//! docs/operations.md lists every setting with its default, every metric and every reason for a
//! rejection. Operators rely on that page, and nothing else would keep it right.

use std::collections::BTreeMap;

use baton_server::{PartialSettings, Settings, TimingProfile};

const PAGE: &str = include_str!("../../../docs/operations.md");
const SERIES: &str = include_str!("../src/ops/metrics/series.txt");

/// A row of a table, by the names of its columns.
type Row = BTreeMap<&'static str, &'static str>;

/// Returns the rows of all tables of the page.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut columns: Vec<&str> = Vec::new();
    for line in PAGE.lines() {
        let Some(cells) = line.strip_prefix('|') else {
            columns.clear();
            continue;
        };
        let cells = cells.trim_end().trim_end_matches('|').split('|');
        let cells: Vec<_> = cells.map(|cell| cell.trim().trim_matches('`')).collect();
        if columns.is_empty() {
            columns = cells;
        } else if !cells.iter().all(|cell| *cell == "---") {
            rows.push(columns.iter().copied().zip(cells).collect());
        }
    }
    rows
}

/// Returns the one row of a table with this first column that has this name in it.
fn row<'a>(rows: &'a [Row], column: &str, name: &str) -> &'a Row {
    let mut named = rows.iter().filter(|row| row.get(column) == Some(&name));
    let row = named.next();
    let row = row.unwrap_or_else(|| panic!("{name} is not in docs/operations.md"));
    assert!(
        named.next().is_none(),
        "{name} is twice in docs/operations.md"
    );
    row
}

/// Returns the settings in force when a file gives these lines.
fn settings(file: &str) -> Settings {
    let given: PartialSettings = toml::from_str(file).unwrap_or_else(|e| panic!("{file}: {e}"));
    Settings::resolve(given, None).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Returns the line of a configuration file that sets a value as the page writes it.
fn line(name: &str, value: &str) -> String {
    match value.replace(',', "").parse::<u64>() {
        Ok(number) => format!("{name} = {number}\n"),
        Err(_) => format!("{name} = \"{value}\"\n"),
    }
}

#[test]
fn every_setting_is_on_the_page_once_with_its_default() {
    let rows = rows();
    for name in Settings::NAMES {
        let row = row(&rows, "setting", name);
        assert_eq!(
            settings(&line(name, row["default"])),
            Settings::default(),
            "{name}"
        );
        assert!(row["meaning"].len() > 10, "{name} has a meaning");
    }
    let named = rows.iter().filter_map(|row| row.get("setting"));
    let unknown: Vec<_> = named
        .filter(|name| !Settings::NAMES.contains(name))
        .collect();
    assert!(unknown.is_empty(), "no such settings: {unknown:?}");
}

#[test]
fn every_timing_is_on_the_page_with_its_value_in_each_profile() {
    let rows = rows();
    let mut timings = 0;
    for (column, profile) in [
        ("strict", TimingProfile::Strict),
        ("fast", TimingProfile::Fast),
    ] {
        let mut expected = Settings::default();
        expected.set_timings(&profile.timings());
        expected.profile = profile;
        let profile = format!("profile = \"{column}\"\n");
        for row in rows
            .iter()
            .filter(|row| row.get(column).is_some_and(|v| !v.is_empty()))
        {
            let name = row["setting"];
            let given = format!("{profile}{}", line(name, row[column]));
            assert_eq!(settings(&given), expected, "{name}, {column}");
            timings += 1;
        }
    }
    assert_eq!(timings, 2 * 19, "all timings of both profiles");
}

#[test]
fn every_metric_and_every_reason_for_a_rejection_is_on_the_page() {
    let rows = rows();
    for series in SERIES.lines() {
        if let Some(declared) = series.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').expect("a name and a type");
            let row = row(&rows, "metric", name);
            assert_eq!(row["type"], kind, "{name}");
        } else if let Some((_, why)) = series.split_once("{why=\"") {
            row(&rows, "why", why.trim_end_matches("\"}"));
        }
    }
}
