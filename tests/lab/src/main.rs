//! The program `baton-lab`: a run from the command line, its progress, its verdict and its report.
//!
//! Owns the command line and what is printed. Exit code 0: all is well; 1: the verdict is bad; 2: there was no run.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use baton_lab::{Chaos, Pace, Progress, Run, Scenario, Target};
use clap::{Parser, Subcommand};

/// Conflict tests for Baton and other y-websocket servers
///
/// Every decision (who does what, what goes wrong and when) comes from the seed. Sockets, scheduling and time are real:
/// a seed repeats the play, not the performance, so a failure may need several runs to come again.
///
/// Exit code: 0 all is well, 1 something is wrong with a document or a lock, 2 there was no run.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lets clients edit under chaos, and judges the outcome
    Run(Box<RunArguments>),
    /// Judges a record again that `run --record` wrote
    Judge {
        /// The record
        record: PathBuf,
        /// Print the verdict as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct RunArguments {
    /// A scenario in TOML; flags go before it
    scenario: Option<PathBuf>,
    /// A y-websocket server that is there already, as ws://host:port/path; without it a `baton` is started
    #[arg(long)]
    url: Option<String>,
    /// Clients in all
    #[arg(long)]
    clients: Option<usize>,
    /// Documents
    #[arg(long)]
    docs: Option<usize>,
    /// Where every decision comes from
    #[arg(long)]
    seed: Option<u64>,
    /// How long there are edits and chaos, in minutes
    #[arg(long)]
    minutes: Option<f64>,
    /// What goes wrong: drop, delay, partition, freeze, kill
    #[arg(long, value_delimiter = ',', value_parser = chaos)]
    chaos: Option<Vec<Chaos>>,
    /// Clocks of the started server at a fifth of the product's, for short runs
    #[arg(long)]
    brisk: bool,
    /// Where the report goes
    #[arg(long, default_value = "baton-lab.html")]
    html: PathBuf,
    /// Where all that was observed goes, as JSON, for `judge`
    #[arg(long)]
    record: Option<PathBuf>,
    /// Print the verdict as JSON on standard output
    #[arg(long)]
    json: bool,
}

fn chaos(word: &str) -> Result<Chaos, String> {
    match word {
        "drop" => Ok(Chaos::Drop),
        "delay" => Ok(Chaos::Delay),
        "partition" => Ok(Chaos::Partition),
        "freeze" => Ok(Chaos::Freeze),
        "kill" => Ok(Chaos::Kill),
        _ => Err("drop, delay, partition, freeze or kill".to_owned()),
    }
}

impl RunArguments {
    fn scenario(&self) -> Result<Scenario, Box<dyn std::error::Error>> {
        let mut scenario = match &self.scenario {
            Some(path) => Scenario::parse(&std::fs::read_to_string(path)?)?,
            None => Scenario::default(),
        };
        scenario.clients = self.clients.unwrap_or(scenario.clients);
        scenario.docs = self.docs.unwrap_or(scenario.docs);
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        if let Some(minutes) = self.minutes {
            scenario.lasts = Duration::try_from_secs_f64(minutes * 60.0)?;
        }
        if let Some(chaos) = &self.chaos {
            scenario.chaos.clone_from(chaos);
        }
        if self.brisk {
            scenario.pace = Pace::Brisk;
        }
        Ok(scenario)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => go(&arguments).await,
        Command::Judge { record, json } => judge(&record, json),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("no run: {error}");
            ExitCode::from(2)
        }
    }
}

async fn go(arguments: &RunArguments) -> Result<bool, Box<dyn std::error::Error>> {
    let scenario = arguments.scenario()?;
    let target = arguments.url.clone().map_or(Target::Started, Target::Url);
    eprintln!(
        "seed {}: {} clients, {} documents, {}",
        scenario.seed,
        scenario.clients,
        scenario.docs,
        humantime::format_duration(scenario.lasts)
    );
    let mut told = Duration::ZERO;
    let run = baton_lab::run(&scenario, &target, |progress| show(progress, &mut told)).await?;
    eprintln!();
    std::fs::write(&arguments.html, run.html())?;
    if let Some(path) = &arguments.record {
        std::fs::write(path, serde_json::to_vec(&run.record)?)?;
    }
    tell(&run, arguments.json)?;
    eprintln!("report: {}", arguments.html.display());
    Ok(run.verdict.is_good())
}

/// One line that is written over on a terminal, and one every ten seconds elsewhere.
fn show(progress: Progress, told: &mut Duration) {
    let terminal = std::io::stderr().is_terminal();
    if !terminal && progress.elapsed < *told + Duration::from_secs(10) {
        return;
    }
    *told = progress.elapsed;
    let phase = if progress.settling {
        "settling"
    } else {
        "chaos   "
    };
    let line = format!(
        "{:6.1} s  {phase}  {} edits, {} saved, {} grants, {} parked, {} disturbances",
        progress.elapsed.as_secs_f64(),
        progress.edits,
        progress.saved,
        progress.grants,
        progress.parked,
        progress.disturbances
    );
    if terminal {
        eprint!("\r{line}   ");
        // A terminal that does not show it is no reason to stop.
        let _ = std::io::stderr().flush();
    } else {
        eprintln!("{line}");
    }
}

fn judge(path: &Path, json: bool) -> Result<bool, Box<dyn std::error::Error>> {
    let record = serde_json::from_slice(&std::fs::read(path)?)?;
    let verdict = baton_lab::judge(&record);
    let run = Run { record, verdict };
    tell(&run, json)?;
    Ok(run.verdict.is_good())
}

#[allow(clippy::print_stdout, reason = "the verdict is the program's output")]
fn tell(run: &Run, json: bool) -> Result<(), serde_json::Error> {
    let verdict = &run.verdict;
    if json {
        println!("{}", serde_json::to_string_pretty(verdict)?);
        return Ok(());
    }
    for document in &verdict.documents {
        let lock = &document.lock;
        println!(
            "{}  {}: {} put in, {} there, {} taken out, {} parked, {} drafts, {} lost, {} duplicated; lock: {} offers, {} grants, {} losses, {} violations",
            if document.is_good() { "ok " } else { "BAD" },
            document.name,
            document.inserted,
            document.present,
            document.deleted,
            document.parked,
            document.drafts,
            document.lost.len(),
            document.duplicated.len(),
            lock.offers,
            lock.grants,
            lock.losses,
            lock.violations.len()
        );
    }
    for problem in verdict.problems() {
        println!("     {problem}");
    }
    println!(
        "{}, seed {}",
        if verdict.is_good() {
            "all is well"
        } else {
            "something is wrong"
        },
        verdict.seed
    );
    Ok(())
}
