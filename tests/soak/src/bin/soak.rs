//! Puts a server through rounds of churn, storms, handoffs, stalled readers and black holes, and
//! exits with 1 if it does not come back to what it held before.
//!
//! ```sh
//! cargo build --release -p baton-server -p baton-soak
//! target/release/soak --minutes 10 --findings target/soak
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the numbers and the progress are the program's output"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use baton_soak::findings::Findings;
use baton_soak::run::{Plan, run};
use baton_soak::scenes::Size;
use clap::Parser;

#[derive(Parser)]
#[command(version, about)]
struct Options {
    /// Minutes from the baseline on.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Folder for the samples, the progress and the server's log, written while the run goes on.
    #[arg(long, default_value = "target/soak")]
    findings: PathBuf,
    /// Prints the result as JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Rounds of three seconds instead of twenty.
    #[arg(long)]
    short: bool,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let options = Options::parse();
    let plan = Plan {
        lasts: Duration::from_secs_f64(options.minutes * 60.0),
        size: if options.short {
            Size::SHORT
        } else {
            Size::WHOLE
        },
        every: Duration::from_secs(2),
    };
    let findings = Arc::new(Findings::open(&options.findings, |line| {
        eprintln!("{line}");
    })?);
    let place = findings.folder().display().to_string();
    let report = run(plan, &findings)
        .await
        .inspect_err(|_| eprintln!("everything until then is in {place}"))?;
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{} rounds\n{}", report.rounds, report.table());
    }
    if report.grown.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for what in &report.grown {
        findings.progress(&format!("GROWN: {what}"))?;
    }
    println!("the samples, the progress and the server's log are in {place}");
    Ok(ExitCode::FAILURE)
}
