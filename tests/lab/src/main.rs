//! The program `baton-lab`: runs from the command line, their progress, verdicts and reports.
//!
//! Owns the command line, the exit code and where the report goes. Exit code 0: sound; 1: a finding; 2: wrong usage, or
//! there was no run that could be judged. What is printed is `terminal`'s.

mod simulate;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use baton_lab::{Chaos, ClientWire, Locks, Outcome, Pace, Run, Scenario, Target};
use clap::{Parser, Subcommand};

use crate::terminal::{Screen, Style};

/// What keeps a command from having a result.
type Failure = Box<dyn std::error::Error>;

/// Conflict tests for Baton and other y-websocket and Hocuspocus servers
///
/// Every decision (who does what, what goes wrong and when) comes from the seed. Sockets, scheduling and time are real:
/// a seed repeats the play, not the performance, so a failure may need several runs to come again.
///
/// Exit code: 0 sound, 1 something is wrong with a document or a lock, 2 wrong usage or no run that could be judged.
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
    /// Runs seeds of the simulation: servers and clients on virtual time and a simulated network
    Sim(simulate::SimArguments),
    /// Judges a record again that `run --record` wrote, and makes its report
    Judge {
        /// The record
        record: PathBuf,
        /// Where the report goes
        #[arg(long)]
        html: Option<PathBuf>,
        /// Print the verdict as JSON on standard output
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct RunArguments {
    /// A scenario in TOML; flags go before what it says
    scenario: Option<PathBuf>,
    /// A server that is there already, as ws://host:port/path; without it a `baton` is started
    #[arg(long, conflicts_with = "program")]
    url: Option<String>,
    /// The server to start: a program with the arguments of `baton` [default: BATON_BIN, else the `baton` beside this]
    #[arg(long)]
    program: Option<PathBuf>,
    /// How clients speak to the server: y-websocket, hocuspocus or y-sweet
    #[arg(long, value_parser = wire)]
    wire: Option<ClientWire>,
    /// Where every decision comes from
    #[arg(long)]
    seed: Option<u64>,
    /// Clients in all
    #[arg(long)]
    clients: Option<usize>,
    /// Documents
    #[arg(long)]
    docs: Option<usize>,
    /// How long there are edits and chaos, in minutes
    #[arg(long, conflicts_with = "lasts")]
    minutes: Option<f64>,
    /// The same as a span of time: 30s, 2m
    #[arg(long, value_parser = humantime::parse_duration)]
    lasts: Option<Duration>,
    /// What goes wrong, with commas between: drop, delay, partition, freeze, kill, blackout
    #[arg(long, value_delimiter = ',', value_parser = chaos)]
    chaos: Option<Vec<Chaos>>,
    /// Disturbances of each client in a minute, on average
    #[arg(long)]
    disturbances: Option<f64>,
    /// Kills of the server in a minute, and as many blackouts
    #[arg(long)]
    kills: Option<f64>,
    /// Between two acts of one client, on average
    #[arg(long, value_parser = humantime::parse_duration)]
    pause: Option<Duration>,
    /// How long everybody may take to come back and agree
    #[arg(long, value_parser = humantime::parse_duration)]
    settle: Option<Duration>,
    /// Per cent of the edits that do not ask the lock
    #[arg(long)]
    stubborn: Option<u32>,
    /// Per cent of what all clients of a document do that is asking for the lock
    #[arg(long)]
    acquire: Option<u32>,
    /// What they want locks of: document, parts or mixed
    #[arg(long, value_parser = locks)]
    locks: Option<Locks>,
    /// Per cent of the wishes for a lock that are requests
    #[arg(long)]
    request: Option<u32>,
    /// Per cent of the wishes for a lock that are take-overs
    #[arg(long)]
    take_over: Option<u32>,
    /// Per cent of the locks given back that are handed to somebody
    #[arg(long)]
    transfer: Option<u32>,
    /// Per cent of what a holder does that is merging, discarding or recovering a park
    #[arg(long)]
    decide: Option<u32>,
    /// Per cent of what a client does that is leaving or coming back
    #[arg(long)]
    leave: Option<u32>,
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
    /// Further arguments of the started server's `serve`
    #[arg(last = true)]
    server: Vec<String>,
}

fn chaos(word: &str) -> Result<Chaos, String> {
    let mut kinds = Chaos::ALL.into_iter();
    let names = || Chaos::ALL.map(Chaos::name).join(", ");
    kinds.find(|kind| kind.name() == word).ok_or_else(names)
}

fn wire(word: &str) -> Result<ClientWire, String> {
    let mut kinds = ClientWire::ALL.into_iter();
    let names = || ClientWire::ALL.map(ClientWire::name).join(", ");
    kinds.find(|kind| kind.name() == word).ok_or_else(names)
}

fn locks(word: &str) -> Result<Locks, String> {
    let mut kinds = Locks::ALL.into_iter();
    let names = || Locks::ALL.map(Locks::name).join(", ");
    kinds.find(|kind| kind.name() == word).ok_or_else(names)
}

impl RunArguments {
    fn scenario(&self) -> Result<Scenario, Failure> {
        let mut scenario = match &self.scenario {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                Scenario::parse(&text)?
            }
            None => Scenario::default(),
        };
        if let Some(minutes) = self.minutes {
            scenario.lasts = Duration::try_from_secs_f64(minutes * 60.0)?;
        }
        if self.brisk {
            scenario.pace = Pace::Brisk;
        }
        if !self.server.is_empty() {
            scenario.server.clone_from(&self.server);
        }
        Ok(Scenario {
            seed: self.seed.unwrap_or(scenario.seed),
            wire: self.wire.unwrap_or(scenario.wire),
            clients: self.clients.unwrap_or(scenario.clients),
            docs: self.docs.unwrap_or(scenario.docs),
            lasts: self.lasts.unwrap_or(scenario.lasts),
            chaos: self.chaos.clone().unwrap_or(scenario.chaos),
            disturbances: self.disturbances.unwrap_or(scenario.disturbances),
            kills: self.kills.unwrap_or(scenario.kills),
            pause: self.pause.unwrap_or(scenario.pause),
            settle: self.settle.unwrap_or(scenario.settle),
            stubborn: self.stubborn.unwrap_or(scenario.stubborn),
            acquire: self.acquire.unwrap_or(scenario.acquire),
            locks: self.locks.unwrap_or(scenario.locks),
            request: self.request.unwrap_or(scenario.request),
            take_over: self.take_over.unwrap_or(scenario.take_over),
            transfer: self.transfer.unwrap_or(scenario.transfer),
            decide: self.decide.unwrap_or(scenario.decide),
            leave: self.leave.unwrap_or(scenario.leave),
            ..scenario
        })
    }

    fn target(&self) -> Target {
        match (&self.url, &self.program) {
            (Some(url), _) => Target::Url(url.clone()),
            (None, Some(program)) => Target::Program(program.clone()),
            (None, None) => Target::Started,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => go(&arguments).await,
        Command::Sim(arguments) => simulate::simulate(&arguments),
        Command::Judge { record, html, json } => judge(&record, html.as_deref(), json),
    };
    match done {
        Ok(Outcome::Sound) => ExitCode::SUCCESS,
        Ok(Outcome::Finding) => ExitCode::from(1),
        Ok(Outcome::Unjudged) => ExitCode::from(2),
        Err(error) => {
            eprintln!("no run: {error}");
            ExitCode::from(2)
        }
    }
}

async fn go(arguments: &RunArguments) -> Result<Outcome, Failure> {
    let scenario = arguments.scenario()?;
    let target = arguments.target();
    let mut screen = Screen::new(&scenario);
    let run = baton_lab::run(&scenario, &target, |progress| screen.shows(progress)).await;
    screen.ends();
    let run = run?;
    std::fs::write(&arguments.html, run.html())?;
    if let Some(path) = &arguments.record {
        std::fs::write(path, serde_json::to_vec(&run.record)?)?;
    }
    tell(&run, arguments.json)?;
    eprintln!("report: {}", arguments.html.display());
    Ok(run.verdict.outcome())
}

fn judge(path: &Path, html: Option<&Path>, json: bool) -> Result<Outcome, Failure> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let record = serde_json::from_slice(&bytes)
        .map_err(|error| format!("{} is no record: {error}", path.display()))?;
    let verdict = baton_lab::judge(&record);
    let run = Run { record, verdict };
    if let Some(html) = html {
        std::fs::write(html, run.html())?;
    }
    tell(&run, json)?;
    Ok(run.verdict.outcome())
}

fn tell(run: &Run, json: bool) -> Result<(), serde_json::Error> {
    if json {
        terminal::json(&run.verdict)
    } else {
        terminal::table(&run.verdict, Style::of_output());
        Ok(())
    }
}
