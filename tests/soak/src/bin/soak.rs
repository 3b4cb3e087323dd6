//! Puts a server through rounds of churn, storms, handoffs, stalled readers and black holes, and exits with 1 if it does not
//! come back to what it held before.
//!
//! ```sh
//! cargo build --release -p baton-server -p baton-soak
//! target/release/soak --minutes 10 --csv soak.csv
//! ```
#![allow(clippy::print_stdout, reason = "the numbers are the program's output")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use baton_soak::run::{Plan, run};
use baton_soak::scenes::Size;
use clap::Parser;

#[derive(Parser)]
#[command(version, about)]
struct Options {
    /// How long.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Where the samples go, as lines of numbers.
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Prints everything as JSON instead of a table.
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
    let report = run(plan).await?;
    if let Some(path) = options.csv {
        std::fs::write(path, report.csv())?;
    }
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{} rounds\n{}", report.rounds, report.table());
    }
    if report.grown.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for what in &report.grown {
        println!("GROWN: {what}");
    }
    println!("{}", report.csv());
    Ok(ExitCode::FAILURE)
}
