//! One nats-server as a child.
//!
//! Owns its configuration, which is the one of the operator's page with ports and folders of its
//! own, its process and its log. Knows no other engine.

use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use baton_tests::command_on;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

/// The configuration that operators are given.
const CONFIGURATION: &str = include_str!("../../../docs/operations/cluster/nats.conf");

/// The user and the password of the nodes.
pub(crate) const LOGIN: (&str, &str) = ("baton", "known-to-tests-only");

/// Returns the nats-server: `BATON_NATS_SERVER`, else the one that `cargo xtask` unpacked, else
/// the one on the `PATH`.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn engine_program() -> PathBuf {
    if let Some(given) = std::env::var_os("BATON_NATS_SERVER") {
        return given.into();
    }
    unpacked().or_else(on_path).unwrap_or_else(|| {
        panic!(
            "there is no nats-server: call `cargo xtask test --only cluster`, which fetches one, \
             or set BATON_NATS_SERVER"
        )
    })
}

fn unpacked() -> Option<PathBuf> {
    let here = std::env::current_exe().ok()?;
    // Above `debug/deps` is the target folder, which may be another one than the checkout's.
    let tools = here.ancestors().skip(1).take(3);
    let entries = tools.filter_map(|folder| fs::read_dir(folder.join("tools")).ok());
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("nats-server-"))
    };
    let programs = entries
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(named)
        .map(|folder| folder.join("nats-server"));
    programs.filter(|program| program.is_file()).max()
}

fn on_path() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let mut programs = std::env::split_paths(&folders).map(|folder| folder.join("nats-server"));
    programs.find(|program| program.is_file())
}

/// Ports of an engine; kept over restarts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) clients: SocketAddr,
    pub(crate) routes: SocketAddr,
    pub(crate) monitor: SocketAddr,
}

impl Ports {
    /// Returns ports that are free now.
    pub(crate) fn free() -> io::Result<Self> {
        // All three are open at once, so that they differ.
        let open = || std::net::TcpListener::bind(("127.0.0.1", 0));
        let (clients, routes, monitor) = (open()?, open()?, open()?);
        Ok(Self {
            clients: clients.local_addr()?,
            routes: routes.local_addr()?,
            monitor: monitor.local_addr()?,
        })
    }

    /// Returns the usual ports at an address where nothing else is.
    pub(crate) fn usual(address: IpAddr) -> Self {
        let at = |port| SocketAddr::new(address, port);
        Self {
            clients: at(4222),
            routes: at(6222),
            monitor: at(8222),
        }
    }
}

/// A running nats-server, or one that was killed.
#[derive(Debug)]
pub(crate) struct Engine {
    name: String,
    ports: Ports,
    folder: PathBuf,
    /// Words before its command.
    on: Vec<String>,
    child: Option<Child>,
}

impl Engine {
    /// Starts it in this folder, with these words before its command. It reaches the others by these addresses of routes.
    ///
    /// # Errors
    /// The folder cannot be written, or the program cannot be started.
    ///
    /// # Panics
    /// When there is no program, or the operator's configuration has lost a line that is replaced.
    pub(crate) fn start(
        name: &str,
        folder: &Path,
        ports: Ports,
        routes: &[SocketAddr],
        on: Vec<String>,
    ) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        fs::write(
            folder.join("nats.conf"),
            configuration(name, folder, ports, routes),
        )?;
        let mut engine = Self {
            name: name.to_owned(),
            ports,
            folder: folder.to_owned(),
            on,
            child: None,
        };
        engine.start_again()?;
        Ok(engine)
    }

    /// Starts it again with what it had, after [`Engine::kill`].
    pub(crate) fn start_again(&mut self) -> io::Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))?;
        let child = command_on(&self.on, engine_program())
            .arg("-c")
            .arg(self.folder.join("nats.conf"))
            .env("BATON_NATS_PASSWORD", LOGIN.1)
            .env("OPERATOR_NATS_PASSWORD", LOGIN.1)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        self.child = Some(child);
        Ok(())
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn ports(&self) -> Ports {
        self.ports
    }

    /// Returns the process id while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub(crate) async fn kill(&mut self) -> io::Result<()> {
        match self.child.take() {
            Some(mut child) => child.kill().await,
            None => Ok(()),
        }
    }

    /// Tells it to end, and waits until it has.
    pub(crate) async fn stop(&mut self) -> io::Result<()> {
        self.signal(Signal::TERM)?;
        if let Some(mut child) = self.child.take() {
            child.wait().await?;
        }
        Ok(())
    }

    /// Sends a signal to it.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = self.pid().and_then(|id| i32::try_from(id).ok());
        let pid = pid.and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other(format!("{} does not run", self.name)))?;
        Ok(kill_process(pid, signal)?)
    }

    /// Returns its log since its first start.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

/// Returns the operator's configuration with what belongs to this engine.
fn configuration(name: &str, folder: &Path, ports: Ports, routes: &[SocketAddr]) -> String {
    let list: Vec<_> = routes.iter().map(|to| format!("\"nats://{to}\"")).collect();
    let own = [
        ("server_name: nats-1 ", format!("server_name: {name} ")),
        ("\"0.0.0.0:4222\"", format!("\"{}\"", ports.clients)),
        ("\"127.0.0.1:8222\"", format!("\"{}\"", ports.monitor)),
        (
            "\"/var/lib/nats\"",
            format!("\"{}\"", folder.join("data").display()),
        ),
        ("50GB", "2GB".to_owned()),
        (
            "\"0.0.0.0:6222\"",
            // Servers that learn of each other must not go around the relays between them: where
            // they say that they are, nobody listens. Clients are told of no other server.
            format!(
                "\"{}\"\n  advertise: \"127.0.0.1:9\"\n  no_advertise: true",
                ports.routes
            ),
        ),
        (
            "\"nats://nats-1:6222\", \"nats://nats-2:6222\", \"nats://nats-3:6222\"",
            list.join(", "),
        ),
    ];
    own.into_iter()
        .fold(CONFIGURATION.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "nats.conf has {from}");
            text.replacen(from, &to, 1)
        })
}
