//! The program `baton`: reads its settings, serves, and stops in order.

mod commands;
mod log_output;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use baton_log::Log;
use baton_server::{AdminSocket, PartialSettings, Server, Settings};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use rustix::fs::Mode;
use rustix::process::umask;
use tokio::signal::unix::{SignalKind, signal};

/// Gives memory back that documents and connections needed which are gone; the system's allocator
/// keeps the most it ever had. How soon, and that a thread of its own sees to it, is set in
/// `.cargo/config.toml`.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A file grows beyond the process's limit. The same number on all systems that Baton runs on.
const SIGXFSZ: i32 = 25;

#[derive(Parser)]
#[command(
    name = "baton",
    version,
    about = "A collaborative-editing server: Yjs documents, presence, and an edit lock that passes on"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves documents, the demo page and health checks
    Serve(Box<Serve>),
    /// Takes a backup of a data folder, from its running server or, if there is none, from the
    /// folder itself
    Backup(commands::Backup),
    /// Makes a data folder of a backup, with a new epoch
    Restore(commands::Restore),
    /// Reads everything in the data folder of a server that does not run, and says what is damaged
    Check(commands::Check),
    /// Lists the stored documents with their sizes
    List(commands::List),
    /// Erases a document for good, also while people are in it
    Erase(commands::Erase),
}

#[derive(clap::Args)]
struct Serve {
    /// A TOML file with settings, named as the flags with `_` for `-`
    #[arg(long, env = "BATON_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    given: PartialSettings,
}

fn main() -> ExitCode {
    keep_files_private();
    log_output::start();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whatever this program makes, its user alone may read: documents, backups, the admin socket from
/// its first moment on.
fn keep_files_private() {
    let others = Mode::RWXG | Mode::RWXO;
    let before = umask(others);
    umask(before | others);
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    // Each flag's environment variable is its own name behind BATON_.
    let command = Cli::command().mut_subcommand("serve", |serve| {
        serve.mut_args(|arg| {
            let name = format!("BATON_{}", arg.get_id().as_str().to_uppercase());
            if arg.get_id() == "help" {
                arg
            } else {
                arg.env(name)
            }
        })
    });
    let cli = Cli::from_arg_matches(&command.get_matches())?;
    let serve = match cli.command {
        Command::Serve(serve) => serve,
        Command::Backup(backup) => return backup.run(),
        Command::Restore(restore) => return restore.run(),
        Command::Check(check) => return check.run(),
        Command::List(list) => return list.run(),
        Command::Erase(erase) => return erase.run(),
    };
    let settings = Settings::resolve(serve.given, serve.config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(serve_until_told(settings));
    // Long work that is under way is not waited for: what was acknowledged is stored.
    runtime.shutdown_background();
    outcome
}

async fn serve_until_told(settings: Settings) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // The terminal is gone, or the runtime of a container, whose first process this is, says so.
    // Ignored by that process unless it is handled.
    let mut hangup = signal(SignalKind::hangup())?;
    // Over a limit on the size of files (`ulimit -f`) a write is an error, and not the end of the
    // process.
    let _kept = signal(SignalKind::from_raw(SIGXFSZ))?;
    let log = Log::open_embedded(&settings.data, Server::log_options(&settings))?;
    baton_server::raise_open_files(&settings);
    let listener = baton_server::bind(&settings.listen).map_err(|error| {
        format!("{} cannot be listened on: {error}; stop what uses it, or choose another address with --listen", settings.listen)
    })?;
    let address = listener.local_addr()?;
    let deadline = settings.shutdown_deadline.0;
    let data = settings.data.clone();
    let server = Server::new(settings, log)?;
    let admin = admin(&data, &server);
    announce(address);
    let accepting = tokio::spawn({
        let server = server.clone();
        async move { server.listen(listener).await }
    });
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hangup.recv() => {}
    }
    if let Some(admin) = admin {
        admin.abort();
    }
    tracing::info!("stopping: telling the clients to come again");
    let until = tokio::time::Instant::now() + deadline;
    let told_again = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let stopping = async {
        tokio::select! {
            stopped = server.shutdown() => stopped,
            () = told_again => {
                tracing::info!("told to stop again: storing what was accepted, waiting for nothing else");
                server.shutdown_at_once().await
            }
        }
    };
    let stopped = tokio::time::timeout_at(until, stopping).await;
    accepting.abort();
    match stopped {
        Ok(stopped) => Ok(stopped?),
        Err(_) => {
            // Its log waits for the disk when the last of it is dropped.
            std::mem::forget(server);
            Err(format!("not everything was stored within {deadline:?} (shutdown_deadline); what was reported saved is").into())
        }
    }
}

/// Opens the admin socket. Without it there is no backup while the server runs, and nothing else is
/// missing.
fn admin(data: &std::path::Path, server: &Server) -> Option<tokio::task::JoinHandle<()>> {
    match AdminSocket::open(data) {
        Ok(socket) => Some(tokio::spawn(socket.serve(server.clone()))),
        Err(error) => {
            tracing::warn!(%error, "no admin socket in the data folder: `baton backup`, `list` and `erase` work only while the server is stopped");
            None
        }
    }
}

/// One line on standard output, for a program that starts the server and waits for it. A closed
/// output is that program's own choice, and no reason not to serve.
fn announce(address: std::net::SocketAddr) {
    let said = writeln!(std::io::stdout(), "listening on http://{address}");
    if let Err(error) = said {
        tracing::warn!(%error, "standard output is closed");
    }
    tracing::info!(%address, "listening");
}
