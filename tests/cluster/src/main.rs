//! The program `cluster-lab`: a cluster on this machine for a person to try, long runs of the
//! proof, what a cluster costs, and the arithmetic of large clusters.
//!
//! Owns the command line and what is printed. `cargo xtask cluster` builds it and calls it.

#![allow(
    clippy::print_stdout,
    reason = "a command-line program: its output is what it is for"
)]

mod demo;
mod ending;
mod for_nodes;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use baton_cluster_tests::{Measure, MeasuredRow, Proof, prove, scale};
use clap::{Parser, Subcommand};

/// A cluster of Baton on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Three engines and three nodes with the demo page, until Ctrl-C
    Demo(demo::Options),
    /// Three engines for nodes that another program starts, until the standard input ends
    Engines(for_nodes::Options),
    /// The conflict lab on three nodes, while engines and nodes are killed, frozen and cut off
    Prove {
        /// Length of the run, without the quiet afterwards
        #[arg(long, default_value = "30m", value_parser = humantime::parse_duration)]
        lasts: Duration,
        /// Seed of all decisions
        #[arg(long, default_value_t = 7)]
        seed: u64,
        /// Clients, dealt to documents and nodes in turn
        #[arg(long, default_value_t = 9)]
        clients: usize,
        /// Documents
        #[arg(long, default_value_t = 3)]
        documents: usize,
        /// Where the report of the run goes
        #[arg(long, default_value = "cluster-report.html")]
        html: std::path::PathBuf,
    },
    /// What a cluster costs and how long its failures last, each beside one node with its own store
    Measure {
        /// Only these rows; without it all but the last
        #[arg(long, value_enum, value_delimiter = ',')]
        only: Vec<MeasuredRow>,
        /// Two Hocuspocus servers over Redis as well, and what they lose
        #[arg(long)]
        hocuspocus: bool,
        /// In small, to see that everything works; its numbers mean nothing
        #[arg(long)]
        quick: bool,
        /// Readers of one document
        #[arg(long)]
        readers: Option<usize>,
        /// Where the numbers go as JSON
        #[arg(long, default_value = "cluster-measured.json")]
        json: std::path::PathBuf,
    },
    /// Placement and storms of a cluster that is too large for this machine, simulated
    Scale {
        /// Seed of all decisions
        #[arg(long, default_value_t = 7)]
        seed: u64,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo(options) => demo::demo(&options).await,
        Command::Engines(options) => for_nodes::run(&options).await,
        Command::Prove {
            lasts,
            seed,
            clients,
            documents,
            html,
        } => {
            let proof = Proof {
                clients,
                documents,
                ..Proof::new(seed, lasts)
            };
            long_run(&proof, &html).await
        }
        Command::Measure {
            only,
            hocuspocus,
            quick,
            readers,
            json,
        } => {
            let mut measure = if quick {
                Measure::tiny()
            } else {
                Measure::full()
            };
            measure.readers = readers.unwrap_or(measure.readers);
            if !only.is_empty() {
                measure.rows = only;
            }
            if hocuspocus && !measure.rows.contains(&MeasuredRow::Hocuspocus) {
                measure.rows.push(MeasuredRow::Hocuspocus);
            }
            measured(&measure, &json).await
        }
        Command::Scale { seed } => {
            print!("{}", scale::table(seed));
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cluster-lab: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, and shows what was measured.
async fn measured(measure: &Measure, json: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let results = measure.run(|line| println!("{line}")).await;
    std::fs::write(json, format!("{:#}\n", results.json()))?;
    println!("\n{}\n{}", results.markdown(), json.display());
    match results.problems() {
        [] => Ok(()),
        problems => Err(problems.join("\n").into()),
    }
}

/// Plays one run, and says what it shows.
async fn long_run(proof: &Proof, html: &std::path::Path) -> Result<(), Box<dyn Error>> {
    println!("{}", proof.schedule());
    let run = prove(proof, |line| println!("{line}")).await?;
    std::fs::write(html, run.html())?;
    for document in &run.verdict.documents {
        println!(
            "{}: {} elements, {} edits acknowledged, {} lost, {} grants",
            document.name,
            document.inserted,
            document.acknowledged,
            document.lost.len(),
            document.lock.grants
        );
    }
    println!("report: {}", html.display());
    let problems: Vec<String> = run.verdict.problems().collect();
    if problems.is_empty() {
        println!("nothing is wrong");
        Ok(())
    } else {
        Err(problems.join("\n").into())
    }
}
