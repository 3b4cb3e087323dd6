//! nats-servers of a test: real processes on free loopback ports, with folders of their own.

use std::fmt::Write;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use baton_cluster::engine::{Engine, EngineOptions};
use tempfile::TempDir;

/// Returns the program, or `None` where a test may be skipped.
pub(crate) fn program() -> Option<PathBuf> {
    let named = std::env::var_os("BATON_NATS_SERVER").map(PathBuf::from);
    let found = named.or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|folder| folder.join("nats-server"))
            .find(|program| program.is_file())
    });
    if found.is_none() {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "there is no nats-server: set BATON_NATS_SERVER");
        eprintln!("skipped: there is no nats-server (set BATON_NATS_SERVER)");
    }
    found
}

/// Settings of a test's servers.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) servers: usize,
    pub(crate) sync_always: bool,
    pub(crate) jetstream: bool,
    /// Shares the question for the servers' state with the account of the nodes.
    pub(crate) shares_state: bool,
    /// Most bytes of all streams on disk.
    pub(crate) file_store: &'static str,
    /// Further lines of the configuration.
    pub(crate) lines: String,
}

impl Setup {
    pub(crate) fn of(servers: usize) -> Setup {
        Setup {
            servers,
            sync_always: true,
            jetstream: true,
            shares_state: true,
            file_store: "2GB",
            lines: String::new(),
        }
    }
}

/// Running servers; they are killed when this is dropped.
pub(crate) struct Servers {
    program: PathBuf,
    folder: TempDir,
    servers: Vec<Server>,
}

struct Server {
    client: SocketAddr,
    monitor: SocketAddr,
    child: Option<Child>,
}

impl Drop for Servers {
    fn drop(&mut self) {
        for index in 0..self.servers.len() {
            self.kill(index);
        }
    }
}

impl Servers {
    /// Starts servers; `None` if there is no program.
    pub(crate) fn start(setup: &Setup) -> Option<Servers> {
        let program = program()?;
        let free = || {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let address = listener.local_addr().expect("its address");
            (listener, address)
        };
        let ports: Vec<_> = (0..setup.servers)
            .map(|_| [free(), free(), free()])
            .collect();
        let routes: Vec<_> = ports.iter().map(|[.., (_, route)]| *route).collect();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut servers = Vec::new();
        for (index, [(_, client), (_, monitor), (_, route)]) in ports.iter().enumerate() {
            let store = folder.path().join(format!("store-{index}"));
            let mut text = format!(
                "server_name: nats-{index}\nlisten: \"{client}\"\nhttp: \"{monitor}\"\n\
                 ping_interval: \"1s\"\nping_max: 2\n"
            );
            if setup.jetstream {
                let sync = if setup.sync_always {
                    "always"
                } else {
                    "\"2m\""
                };
                let (store, most) = (store.display(), setup.file_store);
                let _ = writeln!(
                    text,
                    "jetstream {{ store_dir: \"{store}\", sync_interval: {sync}, \
                     max_file_store: {most}, max_memory_store: 64MB }}"
                );
            }
            if setup.servers > 1 {
                let routes: Vec<_> = routes.iter().map(|to| format!("\"nats://{to}\"")).collect();
                let routes = routes.join(", ");
                let _ = writeln!(
                    text,
                    "cluster {{ name: test, listen: \"{route}\", routes: [{routes}] }}"
                );
            }
            let shared = if setup.shares_state {
                (
                    "exports: [{service: \"$SYS.REQ.SERVER.PING.JSZ\", response_type: stream}]",
                    "imports: [{service: {account: SYS, subject: \"$SYS.REQ.SERVER.PING.JSZ\"}}]",
                )
            } else {
                ("", "")
            };
            let jetstream = if setup.jetstream {
                "jetstream: enabled"
            } else {
                ""
            };
            let _ = writeln!(
                text,
                "system_account: SYS\naccounts {{\n\
                 SYS {{\nusers: [{{user: sys, password: sys}}]\n{}\n}}\n\
                 NODES {{\n{jetstream}\nusers: [{{user: node, password: s3cr3t}}]\n{}\n}}\n\
                 }}\n{}",
                shared.0, shared.1, setup.lines
            );
            fs::write(folder.path().join(format!("{index}.conf")), text).expect("a configuration");
            servers.push(Server {
                client: *client,
                monitor: *monitor,
                child: None,
            });
        }
        drop(ports);
        let mut servers = Servers {
            program,
            folder,
            servers,
        };
        for index in 0..setup.servers {
            servers.restart(index);
        }
        Some(servers)
    }

    /// Starts a server again with what it had.
    pub(crate) fn restart(&mut self, index: usize) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join(format!("{index}.log")))
            .expect("a log");
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(self.folder.path().join(format!("{index}.conf")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        self.servers[index].child = Some(child);
    }

    /// Starts a server again with a larger store.
    pub(crate) fn restart_with_room(&mut self, index: usize, before: &str) {
        self.kill(index);
        let file = self.folder.path().join(format!("{index}.conf"));
        let text = fs::read_to_string(&file).expect("a configuration");
        let (before, after) = (format!("store: {before},"), "store: 2GB,");
        assert!(text.contains(&before), "{text}");
        fs::write(&file, text.replace(&before, after)).expect("a configuration");
        self.restart(index);
    }

    /// Kills a server as `kill -9` does.
    pub(crate) fn kill(&mut self, index: usize) {
        if let Some(mut child) = self.servers[index].child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn monitors(&self) -> Vec<String> {
        let monitors = self.servers.iter();
        monitors
            .map(|server| format!("http://{}", server.monitor))
            .collect()
    }

    /// Returns the address that nodes are given.
    pub(crate) fn url(&self, credentials: &str) -> String {
        let addresses: Vec<_> = self
            .servers
            .iter()
            .map(|server| server.client.to_string())
            .collect();
        format!("nats://{credentials}@{}", addresses.join(","))
    }

    /// Returns settings for a node: as many copies as there are servers, two streams.
    pub(crate) fn options(&self) -> EngineOptions {
        let urls = self.url("node:s3cr3t").parse().expect("valid addresses");
        let mut options = EngineOptions::new(urls);
        options.replicas = self.servers.len();
        options.streams = 2;
        options.answer_timeout = Duration::from_secs(3);
        options
    }

    /// Starts an engine.
    pub(crate) async fn engine(&self) -> Engine {
        match Engine::start(self.options()).await {
            Ok(engine) => engine,
            Err(error) => panic!("{error}\n{}", self.logs()),
        }
    }

    /// Returns the ends of the servers' logs.
    pub(crate) fn logs(&self) -> String {
        let mut logs = String::new();
        for index in 0..self.servers.len() {
            let log = fs::read_to_string(self.folder.path().join(format!("{index}.log")));
            let log = log.unwrap_or_default();
            let lines: Vec<_> = log.lines().rev().take(15).collect();
            for line in lines.into_iter().rev() {
                let _ = writeln!(logs, "{index}: {line}");
            }
        }
        logs
    }
}
