//! The real program as a child process.
//!
//! Owns the child and, unless it was given one, the folder. It can be killed without a warning, told to end, and started
//! again on the same data and port. Ends only what it started, by its own handle.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use baton_room::Room;
use baton_server::Settings;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::client::RawClient;
use crate::join::Join;
use crate::programs::{command_on, program};
use crate::story_nodes::is_for_one_machine;
use crate::within;

/// What the program prints when it takes connections.
const READY: &str = "listening on ";

/// A running program; see the module.
#[derive(Debug)]
pub struct ServerProcess {
    plan: Plan,
    address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

/// How to start it.
#[derive(Debug)]
struct Plan {
    data: PathBuf,
    said: PathBuf,
    /// Words before the command.
    on: Vec<String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

/// How a program ended that was to fail.
#[derive(Debug)]
pub struct Failure {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote on its standard error.
    pub said: String,
}

/// Longest time until a server listens: a node waits 30 s for its engines, and then ends.
const STARTS_WITHIN: Duration = Duration::from_secs(45);

impl ServerProcess {
    /// On a new folder and a free port, with these further arguments of `baton serve`.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[]).await
    }

    /// The same with these environment variables.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_as(&[], arguments, environment).await
    }

    /// On a new folder, with these words before the command, such as those of a namespace.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_on(on: &[String], arguments: &[&str]) -> Self {
        Self::start_as(on, arguments, &[]).await
    }

    async fn start_as(on: &[String], arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        is_for_one_machine("a process");
        let folder = TempDir::new().expect("a folder for the data and the log");
        let data = folder.path().join("data");
        let mut plan = Plan::new(&data, folder.path(), arguments, environment);
        on.clone_into(&mut plan.on);
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let (child, address) = plan.launch(free).await;
        Self {
            plan,
            address,
            child,
            _folder: folder,
        }
    }

    /// Starts the program on this data so that it fails.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn fails(data: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Failure {
        is_for_one_machine("a process");
        let folder = TempDir::new().expect("a folder for the log");
        let plan = Plan::new(data, folder.path(), arguments, environment);
        let mut child = plan.spawn(&[]);
        let status = within("the program to fail", child.wait()).await;
        Failure {
            status: status.expect("its end is seen"),
            said: plan.said(),
        }
    }

    /// From now on no file of the program grows beyond so many bytes; `None` lifts that.
    ///
    /// # Panics
    /// When the system does not let us.
    pub fn limits_files(&self, bytes: Option<u64>) {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        let pid = self.own();
        assert!(pid.is_some(), "it runs");
        prlimit(pid, Resource::Fsize, limit).expect("our own child can be limited");
    }

    /// Where it listens; kept over restarts.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder with its data.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.plan.data
    }

    /// Lets a client in.
    pub async fn connect(&self, join: Join) -> RawClient {
        RawClient::connect(self.address, join).await
    }

    /// Kills it without a warning, as kill -9 does.
    ///
    /// # Panics
    /// When it ended before.
    pub async fn kill(&mut self) {
        assert!(
            self.child.try_wait().expect("a child of ours").is_none(),
            "it had ended by itself: {}",
            self.said()
        );
        self.child.start_kill().expect("it can be killed");
        let _status = within("the killed process to be gone", self.child.wait()).await;
    }

    /// Tells it to end (SIGTERM), and lets the story go on meanwhile.
    ///
    /// # Panics
    /// When it ended before.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Tells it that its terminal is gone (SIGHUP).
    ///
    /// # Panics
    /// When it ended before.
    pub fn hangs_up(&self) {
        self.signal(Signal::HUP);
    }

    fn own(&self) -> Option<Pid> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        id.and_then(Pid::from_raw)
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn ends(&mut self) -> ExitStatus {
        within("the process to end", self.child.wait())
            .await
            .expect("its end is seen")
    }

    /// Starts it again on the same data and port, after it ended.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_again(&mut self) {
        let (child, address) = self.plan.launch(self.address).await;
        self.child = child;
        self.address = address;
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn id(&self) -> i32 {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        id.expect("it runs")
    }

    /// What it wrote on its standard error since its last start.
    #[must_use]
    pub fn said(&self) -> String {
        self.plan.said()
    }

    /// What is stored of a document, after it ended.
    #[must_use]
    pub fn room(&self, document: &str) -> Room {
        crate::server::stored_room(&self.plan.data, document)
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Stops it where it stands (SIGSTOP), without its noticing.
    ///
    /// # Panics
    /// When it ended before.
    pub fn freezes(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it ended before.
    pub fn thaws(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.own().expect("it runs");
        kill_process(pid, signal).expect("a child of ours takes a signal");
    }

    /// Resident memory, in bytes.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn resident(&self) -> u64 {
        let id = self.pid();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| {
            line.trim()
                .trim_end_matches("kB")
                .trim()
                .parse::<u64>()
                .ok()
        });
        kib.expect("a line VmRSS") * 1024
    }
}

impl Plan {
    fn new(data: &Path, log: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let own = |text: &str| text.to_owned();
        let pairs = environment.iter();
        Self {
            data: data.to_owned(),
            said: log.join("stderr"),
            on: Vec::new(),
            arguments: arguments.iter().copied().map(own).collect(),
            environment: pairs.map(|(name, value)| (own(name), own(value))).collect(),
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap_or_default()
    }

    fn spawn(&self, more: &[String]) -> Child {
        let mut command = command_on(&self.on, program());
        // What the environment of the tests sets is not meant for the server.
        for name in Settings::NAMES {
            command.env_remove(format!("BATON_{}", name.to_uppercase()));
        }
        command
            .arg("serve")
            .arg("--data")
            .arg(&self.data)
            .args(&self.arguments)
            .args(more)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&self.said).expect("a file for the log"))
            .kill_on_drop(true)
            .spawn()
            .expect("the program can be started")
    }

    async fn launch(&self, listen: SocketAddr) -> (Child, SocketAddr) {
        let listens = |argument: &String| argument == "--listen";
        let mut child = if self.arguments.iter().any(listens) {
            self.spawn(&[])
        } else {
            self.spawn(&["--listen".to_owned(), listen.to_string()])
        };
        let output = child.stdout.take().expect("its output is a pipe");
        let mut lines = BufReader::new(output).lines();
        let ready = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(url) = line.strip_prefix(READY) {
                    return Some(address_of(url));
                }
            }
            None
        };
        let Ok(address) = tokio::time::timeout(STARTS_WITHIN, ready).await else {
            panic!(
                "it does not listen after {STARTS_WITHIN:?}: {}",
                self.said()
            )
        };
        let Some(address) = address else {
            panic!("the server ended instead of listening: {}", self.said())
        };
        (child, address)
    }
}

/// Returns the address in the URL of a server; of a Unix socket one that stands for none.
fn address_of(url: &str) -> SocketAddr {
    let rest = url.split_once("://").map(|(_, rest)| rest);
    let host = rest.and_then(|rest| rest.split('/').next());
    let address = host.and_then(|host| host.parse().ok());
    address.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))
}
