//! The table: a row for each attack, the columns of each server side by side, as Markdown.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use clap::ValueEnum;

use super::{Attack, Row};

const BEGIN: &str = "<!-- innocents:begin -->";
const END: &str = "<!-- innocents:end -->";

/// All attacks in the order of the table; without a row of a server a cell is empty.
#[must_use]
pub fn markdown(servers: &[String], rows: &[Row]) -> String {
    let mut out = String::new();
    let head = [
        "what was sent",
        "server",
        "echo p50, ms",
        "p99",
        "worst",
        "`/healthz` worst, ms",
        "closed, missing",
        "CPU, s",
        "peak, MB",
        "stop, s",
    ];
    line(&mut out, &head.map(ToOwned::to_owned));
    line(&mut out, &head.map(|_| "---".to_owned()));
    for server in servers {
        let of = rows.iter().filter(|row| row.server == *server);
        let mut cells = vec!["(idle)".to_owned(), server.clone()];
        let worst = of.max_by(|a, b| a.idle.echo.p99.total_cmp(&b.idle.echo.p99));
        cells.extend(worst.map_or_else(empty, |row| {
            let mut cells = suffered(&row.idle);
            cells.extend(["", "", ""].map(ToOwned::to_owned));
            cells
        }));
        line(&mut out, &cells);
    }
    for &attack in Attack::value_variants() {
        for (number, server) in servers.iter().enumerate() {
            let row = rows
                .iter()
                .find(|row| row.server == *server && row.attack == attack);
            let what = if number == 0 {
                attack.describe()
            } else {
                String::new()
            };
            let mut cells = vec![what, server.clone()];
            cells.extend(row.map_or_else(empty, filled));
            line(&mut out, &cells);
        }
    }
    out
}

fn empty() -> Vec<String> {
    vec![String::new(); 8]
}

fn filled(row: &Row) -> Vec<String> {
    let mut cells = suffered(&row.attacked);
    cells.push(format!("{:.1}", row.processor_seconds));
    cells.push(format!("{:.0}", row.peak_mb));
    cells.push(match row.stop_seconds {
        Some(seconds) => format!("{seconds:.1}"),
        None => "**killed**".to_owned(),
    });
    cells
}

fn suffered(seen: &super::Suffered) -> Vec<String> {
    let ms = |value: f64| {
        if value < 10.0 {
            format!("{value:.2}")
        } else {
            format!("{value:.0}")
        }
    };
    let closed: usize = seen.closed.values().sum();
    let health = match seen.unhealthy {
        0 => ms(seen.healthz.max),
        failed => format!("{} ({failed} failed)", ms(seen.healthz.max)),
    };
    vec![
        ms(seen.echo.p50),
        ms(seen.echo.p99),
        ms(seen.echo.max),
        health,
        format!("{closed}, {}", seen.missing),
    ]
}

fn line(out: &mut String, cells: &[String]) {
    // Writing to a string does not fail.
    let _always = writeln!(out, "| {} |", cells.join(" | "));
}

/// Puts the table between the marks of a document.
///
/// # Errors
/// The document cannot be read or written, or has no marks.
pub fn into(document: &Path, table: &str) -> io::Result<()> {
    let text = fs::read_to_string(document)?;
    let marks = text.find(BEGIN).zip(text.find(END));
    let (begin, end) = marks
        .filter(|(begin, end)| begin < end)
        .ok_or_else(|| io::Error::other(format!("no {BEGIN} ... {END} in the document")))?;
    let (before, after) = (&text[..begin + BEGIN.len()], &text[end..]);
    fs::write(document, format!("{before}\n\n{table}\n{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_attack_and_replaces_the_one_before() {
        let servers = ["before".to_owned(), "after".to_owned()];
        let table = markdown(&servers, &[]);
        assert_eq!(
            table.lines().count(),
            2 + 2 + 2 * Attack::value_variants().len()
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("b.md");
        fs::write(&file, format!("a\n{BEGIN}\nold\n{END}\nz\n")).unwrap();
        into(&file, &table).unwrap();
        into(&file, &table).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text, format!("a\n{BEGIN}\n\n{table}\n{END}\nz\n"));
        fs::write(&file, "no marks").unwrap();
        into(&file, &table).unwrap_err();
    }
}
