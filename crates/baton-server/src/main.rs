//! The program `baton`: reads its settings, serves, and stops in order.

mod commands;
mod log_output;
#[cfg(feature = "cluster")]
mod move_command;
mod session_commands;
mod token_commands;

use std::io::{IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;

use baton_log::Log;
use baton_server::{AdminSocket, Listener, PartialSettings, Server, Settings};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use rustix::fs::Mode;
use rustix::process::umask;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// An allocator that gives memory back after documents and connections are gone; the system's
/// allocator keeps the most that it ever had. `.cargo/config.toml` sets the delay, and that a
/// thread of its own does it.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The signal for a file that exceeds the process's size limit. The same number on all systems on
/// which Baton runs.
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
    /// Makes a data folder from a backup, with a new epoch
    Restore(commands::Restore),
    /// Reads everything in the data folder of a stopped server, and reports damaged documents
    Check(commands::Check),
    /// Lists the stored documents with their sizes
    List(commands::List),
    /// Erases a document for good, even while clients are connected to it
    Erase(commands::Erase),
    /// Moves all documents from a data folder to a cluster, or back
    #[cfg(feature = "cluster")]
    Move(Box<move_command::Move>),
    /// Makes a token, and prints it
    Token(Box<token_commands::NewTokenArgs>),
    /// Makes keys that sign and verify tokens
    Keys(token_commands::Keys),
    /// Lists the open sessions of a running server
    Sessions(session_commands::Sessions),
    /// Revokes tokens, and ends the sessions that were opened with them
    Revoke(session_commands::Revoke),
    /// Looks at the access of every open session anew
    Recheck(session_commands::Recheck),
}

#[derive(clap::Args)]
struct Serve {
    /// A TOML file with settings, whose names are the flags with `_` for `-`
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

/// Restricts all files that this program creates to its own user: documents, backups, and the admin
/// socket from its first moment.
fn keep_files_private() {
    let others = Mode::RWXG | Mode::RWXO;
    let before = umask(others);
    umask(before | others);
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    // The environment variable of a flag is BATON_ with the flag's name.
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
        #[cfg(feature = "cluster")]
        Command::Move(moving) => return moving.run(),
        Command::Token(token) => return token.run(),
        Command::Keys(keys) => return keys.run(),
        Command::Sessions(sessions) => return sessions.run(),
        Command::Revoke(revoke) => return revoke.run(),
        Command::Recheck(recheck) => return recheck.run(),
    };
    let settings = Settings::resolve(serve.given, serve.config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(serve_until_told(settings));
    // Work that is under way is not waited for, because everything acknowledged is stored.
    runtime.shutdown_background();
    outcome
}

/// Opens the log that the settings name, and returns a server over it.
async fn start(settings: &Settings) -> Result<Server, Box<dyn std::error::Error>> {
    #[cfg(feature = "cluster")]
    if settings.cluster.is_set() {
        // For the admin socket.
        std::fs::create_dir_all(&settings.data)?;
        return Ok(Server::join_cluster(settings.clone()).await?);
    }
    let log = Log::open_embedded(&settings.data, Server::log_options(settings))?;
    Ok(Server::new(settings.clone(), log)?)
}

async fn serve_until_told(settings: Settings) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let terminal = Terminal::of_this_process();
    // With a handler, a write over the limit on file sizes (`ulimit -f`) is an error and does not
    // end the process.
    let _handled = signal(SignalKind::from_raw(SIGXFSZ))?;
    let server = start(&settings).await?;
    baton_server::raise_open_files(&settings);
    let listener = Listener::bind(&settings).map_err(|error| {
        format!(
            "the server cannot listen on {}: {error}; nothing was started; stop the program that uses it, or set another address with --listen",
            settings.listen
        )
    })?;
    if let Some(address) = listener.address() {
        settings.check_reach(address)?;
    }
    let deadline = settings.shutdown_deadline.0;
    let data = settings.data.clone();
    let (address, url) = (listener.to_string(), url(&listener, &settings));
    let admin = serve_admin_socket(&data, &server);
    announce(&url);
    tracing::info!(%address, %url, "listening");
    let accepting = tokio::spawn({
        let server = server.clone();
        async move { server.listen(listener).await }
    });
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = hung_up(&mut hangup, &server, &terminal) => {}
    }
    if let Some(admin) = admin {
        admin.abort();
    }
    tracing::info!("stopping: telling all clients to reconnect later");
    let until = tokio::time::Instant::now() + deadline;
    let second_signal = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let stopping = async {
        tokio::select! {
            stopped = server.shutdown() => stopped,
            () = second_signal => {
                tracing::info!("stopping at once after a second signal: storing what was accepted, and waiting for nothing else");
                server.shutdown_at_once().await
            }
        }
    };
    let stopped = tokio::time::timeout_at(until, stopping).await;
    accepting.abort();
    match stopped {
        Ok(stopped) => Ok(stopped?),
        Err(_) => {
            // Dropping the log would wait for the disk.
            std::mem::forget(server);
            Err(format!(
                "not everything was stored within {deadline:?} (shutdown_deadline); everything that was reported as saved is stored; check the disk"
            )
            .into())
        }
    }
}

/// Opens the admin socket and serves it. A server without one cannot be backed up while it runs,
/// and works otherwise.
fn serve_admin_socket(
    data: &std::path::Path,
    server: &Server,
) -> Option<tokio::task::JoinHandle<()>> {
    match AdminSocket::open(data) {
        Ok(socket) => Some(tokio::spawn(socket.serve(server.clone()))),
        Err(error) => {
            tracing::warn!(%error, "the admin socket could not be created in the data folder: `baton backup`, `list` and `erase` work only while the server is stopped");
            None
        }
    }
}

/// Waits for a SIGHUP that ends the server. With TLS the signal means that the certificate is read
/// again, as operators expect of a server with files that are renewed. It still ends the server if
/// it comes because the terminal was closed. Without TLS it always ends the server: the first
/// process of a container would ignore it unless it is handled.
async fn hung_up(hangup: &mut Signal, server: &Server, terminal: &Terminal) {
    while hangup.recv().await.is_some() {
        if terminal.is_closed() || !server.reload_certificate().await {
            return;
        }
    }
}

/// The terminal in which the program was started, if it was.
struct Terminal {
    streams: Vec<OwnedFd>,
}

impl Terminal {
    /// Finds it among the standard streams.
    fn of_this_process() -> Self {
        let (input, output, error) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let streams = [input.as_fd(), output.as_fd(), error.as_fd()];
        let terminals = streams.into_iter().filter(BorrowedFd::is_terminal);
        Self {
            streams: terminals
                .filter_map(|stream| stream.try_clone_to_owned().ok())
                .collect(),
        }
    }

    /// Returns true once it is gone. The system then no longer takes the streams for a terminal.
    fn is_closed(&self) -> bool {
        self.streams.iter().any(|stream| !stream.is_terminal())
    }
}

/// Returns the URL of the server; of a Unix socket its path.
fn url(listener: &Listener, settings: &Settings) -> String {
    let scheme = match listener.address() {
        None => "",
        Some(_) if settings.tls_cert.0.is_some() => "https://",
        Some(_) => "http://",
    };
    format!("{scheme}{listener}{}", settings.base.prefix())
}

/// Writes one line to standard output, for a program that starts the server and waits for it. The
/// server works without it if the output is closed.
fn announce(url: &str) {
    let said = writeln!(std::io::stdout(), "listening on {url}");
    if let Err(error) = said {
        tracing::warn!(%error, "standard output is closed");
    }
}
