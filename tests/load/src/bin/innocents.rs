//! Attacks one document of a server and prints what innocent people in another one noticed, as a table in Markdown:
//! `innocents --server before=OLD/baton --server after=target/release/baton --json all.json --into docs/benchmarks.md`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is the program's output"
)]

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use baton_load::innocents::{Assault, Attack, Innocents, Row, attackers, table};
use baton_load::process;
use clap::{Parser, Subcommand, ValueEnum};
use serde_json::json;

/// Niceness of the attackers' process.
const NICE: i32 = 10;

#[derive(Parser)]
#[command(version, about, args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    attackers: Option<Attackers>,
    /// A server's program, with or without a name for the table: `before=target/old/baton`; one after another
    #[arg(long)]
    server: Vec<String>,
    /// The rows to run, with commas [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Attack>,
    /// Print an empty table: no server is started
    #[arg(long, conflicts_with = "only")]
    empty: bool,
    /// Seconds before an attack
    #[arg(long, default_value_t = 3.0)]
    idle: f64,
    /// Seconds of an attack that repeats something
    #[arg(long, default_value_t = 5.0)]
    time: f64,
    /// Seconds after its end in which people are watched
    #[arg(long, default_value_t = 10.0)]
    after: f64,
    /// Seconds that the last echoes are waited for beyond that
    #[arg(long, default_value_t = 90.0)]
    patience: f64,
    /// Part of the sizes and numbers of the rows
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// A file for all values, as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// A document in whose marks the table is put
    #[arg(long)]
    into: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Attackers {
    /// The attackers' own process; told what to do on its standard input
    #[command(hide = true)]
    Attack {
        row: Attack,
        address: SocketAddr,
        seconds: f64,
        scale: f64,
    },
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    process::many_files()?;
    let options = Options::parse();
    if let Some(Attackers::Attack {
        row,
        address,
        seconds,
        scale,
    }) = options.attackers
    {
        // Before the runtime starts its threads: each thread has a priority of its own.
        rustix::process::nice(NICE)?;
        let assault = Assault {
            attack: row,
            address,
            time: Duration::from_secs_f64(seconds),
            scale,
        };
        return Ok(runtime()?.block_on(attackers(assault))?);
    }
    if options.server.is_empty() {
        return Err("name a server: --server PATH, or --server NAME=PATH".into());
    }
    Ok(runtime()?.block_on(measure(options))?)
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

async fn measure(options: Options) -> io::Result<()> {
    let load = Innocents {
        attackers: std::env::current_exe()?,
        idle: Duration::from_secs_f64(options.idle),
        time: Duration::from_secs_f64(options.time),
        after: Duration::from_secs_f64(options.after),
        patience: Duration::from_secs_f64(options.patience),
        scale: options.scale,
    };
    let named = |server: &String| match server.split_once('=') {
        Some((name, path)) => (name.to_owned(), path.to_owned()),
        None => (server.clone(), server.clone()),
    };
    let servers: Vec<(String, String)> = options.server.iter().map(named).collect();
    let attacks = match (options.empty, options.only.is_empty()) {
        (true, _) => Vec::new(),
        (false, true) => Attack::value_variants().to_vec(),
        (false, false) => options.only,
    };
    let mut rows: Vec<Row> = Vec::new();
    for attack in attacks {
        for (name, path) in &servers {
            eprintln!("{name}: {}", attack.describe());
            match load.run(name, path, attack).await {
                Ok(row) => rows.push(row),
                // The other rows are worth having all the same.
                Err(error) => eprintln!("{name}: no row: {error}"),
            }
        }
    }
    let names: Vec<String> = servers.into_iter().map(|(name, _)| name).collect();
    let table = table::markdown(&names, &rows);
    println!("{table}");
    if let Some(file) = options.json {
        let all = json!({ "load": load, "rows": rows });
        fs::write(file, serde_json::to_string_pretty(&all)?)?;
    }
    if let Some(document) = options.into {
        table::into(&document, &table)?;
    }
    Ok(())
}
