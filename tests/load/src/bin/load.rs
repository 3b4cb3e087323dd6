//! Puts a load on a server and prints what was seen, as JSON: `load crowd 127.0.0.1:8080 --pid 4711`, or with a server of
//! its own: `load cold --serve 'target/release/baton serve --listen 127.0.0.1:{port} --data {data}' --from-disk 0`.
#![allow(clippy::print_stdout, reason = "the numbers are the program's output")]

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use baton_load::{
    Churn, Climb, Cold, Crowd, Dialect, Grows, Idle, Paper, Served, Stalled, Storm, Target, paper,
    process,
};
use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};

#[derive(Parser)]
#[command(version, about)]
struct Options {
    #[command(subcommand)]
    load: Load,
}

#[derive(Subcommand)]
enum Load {
    /// Rooms full of people, some of whom type
    Crowd(CrowdOptions),
    /// More and more rooms, until edits come late
    Rooms(ClimbOptions),
    /// More and more edits a second, until they come late
    Rate(ClimbOptions),
    /// Connections on which nobody types
    Idle(IdleOptions),
    /// Many open a long document at once
    Cold(ColdOptions),
    /// Everybody connects at once
    Storm(StormOptions),
    /// New documents, each opened, edited and left
    Churn(ChurnOptions),
    /// A busy room in which some stop reading
    Stalled(StalledOptions),
}

/// Which server.
#[derive(Args)]
struct Where {
    /// The server; left out with `--serve`
    address: Option<SocketAddr>,
    /// A command that starts the server, with `{port}` and `{data}`; it is stopped at the end
    #[arg(long, conflicts_with_all = ["address", "pid"])]
    serve: Option<String>,
    /// Where documents are; `{doc}` stands for the name, which else comes last
    #[arg(long, default_value = "/ws")]
    base: String,
    /// What the server speaks; of a forwarder no first sync is expected
    #[arg(long, value_enum, default_value_t)]
    wire: Dialect,
    /// The server's process, to be told what it costs
    #[arg(long)]
    pid: Option<u32>,
    /// Prefix of the documents' names
    #[arg(long, default_value = "load")]
    name: String,
}

#[derive(Args)]
struct CrowdOptions {
    #[command(flatten)]
    server: Where,
    #[arg(long, default_value_t = 20)]
    rooms: usize,
    #[arg(long, default_value_t = 10)]
    clients: usize,
    #[arg(long, default_value_t = 2)]
    writers: usize,
    /// Edits a second of each writer
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// Seconds
    #[arg(long, default_value_t = 10.0)]
    time: f64,
    /// Characters of an edit
    #[arg(long, default_value_t = 1)]
    length: u32,
}

#[derive(Args)]
struct ClimbOptions {
    #[command(flatten)]
    server: Where,
    /// Rooms, while the rate grows
    #[arg(long, default_value_t = 20)]
    rooms: usize,
    #[arg(long, default_value_t = 10)]
    clients: usize,
    #[arg(long, default_value_t = 2)]
    writers: usize,
    /// Edits a second of each writer, while the rooms grow
    #[arg(long, default_value_t = 40.0)]
    rate: f64,
    /// Seconds of a step
    #[arg(long, default_value_t = 2.0)]
    time: f64,
    /// The first step: rooms, or edits a second of each writer [default: 50 rooms, or 200 a second]
    #[arg(long)]
    start: Option<f64>,
    /// How much larger each step is, until one fails
    #[arg(long, default_value_t = 2.0)]
    factor: f64,
    /// How often the distance to the step that failed is halved
    #[arg(long, default_value_t = 3)]
    refine: u32,
    /// Milliseconds that the 99th percentile may be
    #[arg(long, default_value_t = 100.0)]
    most_p99: f64,
    /// Seconds after which no further step is begun
    #[arg(long, default_value_t = 60.0)]
    most_time: f64,
}

#[derive(Args)]
struct IdleOptions {
    #[command(flatten)]
    server: Where,
    #[arg(long, default_value_t = 2000)]
    connections: usize,
    /// In so many documents
    #[arg(long, default_value_t = 1)]
    documents: usize,
    /// So many of them on each connection (hocuspocus)
    #[arg(long, default_value_t = 1)]
    documents_each: usize,
    /// Seconds for which the processor time of their heartbeats is measured
    #[arg(long)]
    heartbeats: Option<f64>,
    /// Seconds after which each renews its awareness (y-websocket's clients: 15)
    #[arg(long)]
    renew: Option<f64>,
}

#[derive(Args)]
struct ColdOptions {
    #[command(flatten)]
    server: Where,
    #[arg(long, default_value_t = 100)]
    joiners: usize,
    /// How often all of them come
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Edits of the document
    #[arg(long, default_value_t = paper::EDITS)]
    edits: u32,
    /// A file in which the document is kept from one time to the next
    #[arg(long)]
    paper: Option<PathBuf>,
    /// Stop the server so many seconds after it was given the document, and start it again, before each round; with `--serve`
    #[arg(long, requires = "serve")]
    from_disk: Option<f64>,
    /// Let the first of them come so many seconds after the last edit, not when the server is idle
    #[arg(long)]
    after: Option<f64>,
}

#[derive(Args)]
struct StormOptions {
    #[command(flatten)]
    server: Where,
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// In so many documents
    #[arg(long, default_value_t = 100)]
    documents: usize,
}

#[derive(Args)]
struct ChurnOptions {
    #[command(flatten)]
    server: Where,
    /// Documents at the same time
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Seconds
    #[arg(long, default_value_t = 4.0)]
    time: f64,
    /// Seconds that memory may take to come back
    #[arg(long, default_value_t = 10.0)]
    settle: f64,
}

#[derive(Args)]
struct StalledOptions {
    #[command(flatten)]
    server: Where,
    /// Who stops reading
    #[arg(long, default_value_t = 5)]
    stalled: usize,
    /// Who reads and types as ever, the writers among them
    #[arg(long, default_value_t = 7)]
    clients: usize,
    #[arg(long, default_value_t = 2)]
    writers: usize,
    /// Edits a second of each writer
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Characters of an edit
    #[arg(long, default_value_t = 16 * 1024)]
    length: u32,
    /// Seconds, without those who stop and again with them
    #[arg(long, default_value_t = 10.0)]
    time: f64,
    /// Seconds in which those who stopped must have everything
    #[arg(long, default_value_t = 30.0)]
    drain: f64,
}

/// The server, and its process if it is ours.
struct Under {
    target: Target,
    served: Option<Served>,
}

impl Where {
    async fn reach(&self) -> io::Result<Under> {
        let served = match &self.serve {
            Some(command) => Some(Served::start(command).await?),
            None => None,
        };
        let address = served.as_ref().map(Served::address).or(self.address);
        let address = address.ok_or_else(|| io::Error::other("give an address, or --serve"))?;
        let mut target = Target::new(address, self.wire);
        target.base.clone_from(&self.base);
        target.pid = served.as_ref().map_or(self.pid, Served::pid);
        Ok(Under { target, served })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    process::many_files()?;
    let seen = match Options::parse().load {
        Load::Crowd(options) => crowd(options).await?,
        Load::Rooms(options) => climb(options, Grows::Rooms, 50.0).await?,
        Load::Rate(options) => climb(options, Grows::Rate, 200.0).await?,
        Load::Idle(options) => idle(options).await?,
        Load::Cold(options) => cold(options).await?,
        Load::Storm(options) => storm(options).await?,
        Load::Churn(options) => churn(options).await?,
        Load::Stalled(options) => stalled(options).await?,
    };
    println!("{seen}");
    Ok(())
}

const fn seconds(seconds: f64) -> Duration {
    Duration::from_millis((seconds * 1000.0) as u64)
}

/// Stops the server, if it is ours, and puts together what is printed.
async fn done(under: Under, load: Value, seen: Value) -> io::Result<Value> {
    if let Some(mut served) = under.served {
        served.stop().await?;
    }
    Ok(json!({ "load": load, "seen": seen }))
}

async fn crowd(options: CrowdOptions) -> io::Result<Value> {
    let under = options.server.reach().await?;
    let load = Crowd {
        rooms: options.rooms,
        clients: options.clients,
        writers: options.writers,
        rate: options.rate,
        length: options.length,
        time: seconds(options.time),
        name: options.server.name,
        ..Crowd::default()
    };
    let seen = load.run(&under.target).await?;
    done(under, json!(load), json!(seen)).await
}

async fn climb(options: ClimbOptions, grows: Grows, start: f64) -> io::Result<Value> {
    let under = options.server.reach().await?;
    let load = Climb {
        crowd: Crowd {
            rooms: options.rooms,
            clients: options.clients,
            writers: options.writers,
            rate: options.rate,
            time: seconds(options.time),
            patience: Duration::from_secs(2),
            name: options.server.name,
            ..Crowd::default()
        },
        grows,
        start: options.start.unwrap_or(start),
        factor: options.factor,
        refine: options.refine,
        most_p99: seconds(options.most_p99 / 1000.0),
        most_time: seconds(options.most_time),
    };
    let seen = load.run(&under.target).await?;
    done(under, json!(load), json!(seen)).await
}

async fn idle(options: IdleOptions) -> io::Result<Value> {
    let under = options.server.reach().await?;
    let load = Idle {
        connections: options.connections,
        documents: options.documents,
        documents_each: options.documents_each,
        heartbeats: options.heartbeats.map(seconds),
        renew: options.renew.map(seconds),
        name: options.server.name,
    };
    let seen = load.run(&under.target).await?;
    done(under, json!(load), json!(seen)).await
}

async fn cold(options: ColdOptions) -> io::Result<Value> {
    let paper = match &options.paper {
        Some(file) => Paper::kept(file, options.edits)?,
        None => Paper::write(options.edits),
    };
    let mut under = options.server.reach().await?;
    let load = Cold {
        joiners: options.joiners,
        rounds: options.rounds,
        after: options.after.map(seconds),
        name: options.server.name,
    };
    load.prepare(&under.target, &paper).await?;
    let mut seen = Vec::new();
    match (&mut under.served, options.from_disk) {
        (Some(served), Some(after)) => {
            let one = Cold {
                rounds: 1,
                ..load.clone()
            };
            tokio::time::sleep(seconds(after)).await;
            for _ in 0..load.rounds {
                served.restart().await?;
                under.target.pid = served.pid();
                seen.push(one.run(&under.target, &paper).await?);
            }
        }
        _ => seen.push(load.run(&under.target, &paper).await?),
    }
    done(under, json!(load), json!(seen)).await
}

async fn storm(options: StormOptions) -> io::Result<Value> {
    let under = options.server.reach().await?;
    let load = Storm {
        clients: options.clients,
        documents: options.documents,
        name: options.server.name,
    };
    let seen = load.run(&under.target).await?;
    done(under, json!(load), json!(seen)).await
}

async fn churn(options: ChurnOptions) -> io::Result<Value> {
    let under = options.server.reach().await?;
    let load = Churn {
        in_flight: options.in_flight,
        time: seconds(options.time),
        settle: seconds(options.settle),
        name: options.server.name,
    };
    let seen = load.run(&under.target).await?;
    done(under, json!(load), json!(seen)).await
}

async fn stalled(options: StalledOptions) -> io::Result<Value> {
    let under = options.server.reach().await?;
    let load = Stalled {
        crowd: Crowd {
            rooms: 1,
            clients: options.clients,
            writers: options.writers,
            rate: options.rate,
            length: options.length,
            time: seconds(options.time),
            name: options.server.name,
            ..Crowd::default()
        },
        stalled: options.stalled,
        drain: seconds(options.drain),
    };
    let seen = load.run(&under.target).await?;
    done(under, json!(load), json!(seen)).await
}
