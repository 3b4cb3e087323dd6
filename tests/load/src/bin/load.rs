//! Puts a load on a server and prints what was seen, as JSON: `load 127.0.0.1:8080 --pid 4711`.
#![allow(clippy::print_stdout, reason = "the numbers are the program's output")]

use std::net::SocketAddr;
use std::time::Duration;

use baton_load::Crowd;
use clap::Parser;
use serde_json::json;

#[derive(Parser)]
#[command(version, about)]
struct Options {
    /// The server.
    address: SocketAddr,
    /// Where documents are.
    #[arg(long, default_value = "/ws")]
    base: String,
    /// The server's process, to be told what it costs.
    #[arg(long)]
    pid: Option<u32>,
    #[arg(long, default_value_t = 20)]
    rooms: usize,
    #[arg(long, default_value_t = 10)]
    clients: usize,
    #[arg(long, default_value_t = 2)]
    writers: usize,
    /// Edits a second of each writer.
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// Seconds.
    #[arg(long, default_value_t = 10.0)]
    time: f64,
    /// Characters of an edit.
    #[arg(long, default_value_t = 1)]
    length: usize,
    /// Prefix of the documents' names.
    #[arg(long, default_value = "load")]
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let crowd = Crowd {
        rooms: options.rooms,
        clients: options.clients,
        writers: options.writers,
        rate: options.rate,
        length: options.length,
        time: Duration::from_secs_f64(options.time),
        name: options.name,
        pid: options.pid,
        ..Crowd::default()
    };
    let seen = crowd.run(options.address, &options.base).await?;
    println!("{}", json!({ "load": crowd, "seen": seen }));
    Ok(())
}
