//! A server that is Baton with one bug in it, for the lab to find; without `--flaw` it is Baton as it is.
//!
//! Takes the arguments of `baton serve` and prints what `baton` prints, so that `baton-lab run --program` can start it:
//!
//! | `--flaw` | the bug |
//! | --- | --- |
//! | `dropped-update` | one deletion is left out when it is passed on to one client |
//! | `unchecked-fence` | the lock is kept beside the document, and nothing checks it when an edit is taken in |
//! | `forgotten-record` | what the store calls durable is on the disk only after the next commit |
//!
//! Owns the bugs. The product knows nothing of them: they sit before its sockets (`front`) and below its log (`store`).

mod front;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;

use baton_log::{Log, RedbStore};
use baton_server::{PartialSettings, Server, Settings};
use clap::{Parser, Subcommand, ValueEnum};
use tokio::net::TcpListener;

/// Baton with a bug of your choice
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// As `baton serve`
    Serve(Box<Serve>),
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// A TOML file with settings
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(flatten)]
    given: PartialSettings,
    /// The bug
    #[arg(long)]
    flaw: Option<Flaw>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Flaw {
    DroppedUpdate,
    UncheckedFence,
    ForgottenRecord,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Command::Serve(serve) = Arguments::parse().command;
    let settings = Settings::resolve(serve.given, serve.config.as_deref())?;
    let options = Server::log_options(&settings);
    let disk = RedbStore::open(&settings.data, options.cache_bytes)?;
    let log = match serve.flaw {
        Some(Flaw::ForgottenRecord) => Log::start(store::Forgetful::new(disk), options)?,
        _ => Log::start(disk, options)?,
    };
    let addresses: Vec<_> = settings.listen.addresses().collect();
    let listener = TcpListener::bind(&*addresses).await?;
    let server = Server::new(settings, log)?;
    announce(listener.local_addr()?);
    let front = match serve.flaw {
        Some(Flaw::DroppedUpdate) => front::Flaw::DroppedUpdate,
        Some(Flaw::UncheckedFence) => front::Flaw::UncheckedFence,
        Some(Flaw::ForgottenRecord) | None => {
            server.listen(listener).await?;
            return Ok(());
        }
    };
    let behind = TcpListener::bind("127.0.0.1:0").await?;
    let inner = behind.local_addr()?;
    tokio::spawn(async move { server.listen(behind).await });
    front::serve(listener, inner, front).await;
    Ok(())
}

#[allow(clippy::print_stdout, reason = "whoever starts it waits for this line")]
fn announce(address: SocketAddr) {
    println!("listening on http://{address}");
}
