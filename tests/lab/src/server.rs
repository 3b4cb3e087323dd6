//! The real program as a child: started, killed without a warning, started again on the same data and port.
//!
//! Owns the child and its folder, and looks at what it left on the disk. Ends only what it started.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use baton_log::{Log, LogOptions};
use baton_presence::{LockSettings, Time};
use baton_room::{Room, RoomOptions};
use baton_server::Settings;
use baton_sync::ClientId;
use baton_sync::document::{Document, DocumentOptions};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::content;
use crate::error::LabError;
use crate::record::Stored;
use crate::scenario::{Pace, Scenario};

/// What the program prints when it takes connections.
const READY: &str = "listening on http://";

/// How long it may take until then.
const START: Duration = Duration::from_secs(20);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    program: PathBuf,
    folder: TempDir,
    arguments: Vec<String>,
    address: SocketAddr,
    child: Child,
}

/// Where the program is: `BATON_BIN`, else beside this program, else beside its folder (tests and examples).
pub(crate) fn program() -> Result<PathBuf, LabError> {
    if let Some(given) = std::env::var_os("BATON_BIN") {
        return there(given.into());
    }
    let here = std::env::current_exe()?;
    let mut folders = here.ancestors().skip(1).take(2);
    let found = folders
        .clone()
        .map(|folder| folder.join("baton"))
        .find(|candidate| candidate.is_file());
    let first = folders.next().unwrap_or(Path::new(".")).join("baton");
    found.ok_or(LabError::NoProgram(first))
}

/// The program, if it is there.
pub(crate) fn there(program: PathBuf) -> Result<PathBuf, LabError> {
    if program.is_file() {
        Ok(program)
    } else {
        Err(LabError::NoProgram(program))
    }
}

/// The clocks at a fifth of the product's; they still fit each other.
fn brisk() -> Vec<String> {
    let clocks = [
        ("ping-every", 1000),
        ("shaky-after", 1200),
        ("offline-after", 2000),
        ("beat-every", 400),
        ("beat-every-idle", 1000),
        ("answer-within", 1000),
        ("offer", 400),
        ("grace", 1000),
        ("ticket-life", 6000),
        ("recovery", 2000),
        ("client-stop", 1300),
        ("drain", 600),
        // What is there for people is shorter still: a run has none.
        ("request", 2000),
        ("idle-yield", 6000),
        ("idle-warning", 1000),
        ("take-over-cooldown", 3000),
    ];
    let pair = |(name, millis)| [format!("--{name}"), format!("{millis}ms")];
    clocks.into_iter().flat_map(pair).collect()
}

impl Server {
    /// On a new folder and a free port.
    pub(crate) async fn start(program: PathBuf, scenario: &Scenario) -> Result<Self, LabError> {
        let folder = TempDir::new()?;
        let mut arguments = match scenario.pace {
            Pace::Product => Vec::new(),
            Pace::Brisk => brisk(),
        };
        arguments.extend(scenario.server.iter().cloned());
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let (child, address) = launch(&program, folder.path(), &arguments, free).await?;
        Ok(Self {
            program,
            folder,
            arguments,
            address,
            child,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// As kill -9 does.
    pub(crate) async fn kill(&mut self) -> Result<(), LabError> {
        if let Some(status) = self.child.try_wait()? {
            let said = std::fs::read_to_string(self.folder.path().join("stderr"));
            return Err(LabError::Server(format!(
                "it ended by itself ({status}): {}",
                said.unwrap_or_default()
            )));
        }
        self.child.kill().await?;
        Ok(())
    }

    /// On the same data and port, after [`Server::kill`].
    pub(crate) async fn start_again(&mut self) -> Result<(), LabError> {
        let folder = self.folder.path();
        let launched = launch(&self.program, folder, &self.arguments, self.address).await?;
        self.child = launched.0;
        Ok(())
    }

    /// Ends it, and reads what it has on its disk of these documents.
    pub(crate) async fn end(mut self, documents: &[String]) -> Result<Vec<Stored>, LabError> {
        self.kill().await?;
        let data = self.folder.path().join("data");
        let log = Log::open_embedded(&data, LogOptions::default())
            .map_err(|error| LabError::Server(format!("its data cannot be opened: {error}")))?;
        let read = documents.iter().map(|name| stored(&log, name));
        read.collect::<Result<_, _>>().map_err(LabError::Server)
    }
}

async fn launch(
    program: &Path,
    folder: &Path,
    arguments: &[String],
    listen: SocketAddr,
) -> Result<(Child, SocketAddr), LabError> {
    let said = folder.join("stderr");
    let mut command = Command::new(program);
    // What the environment sets for other servers is not meant for this one.
    for name in Settings::NAMES {
        command.env_remove(format!("BATON_{}", name.to_uppercase()));
    }
    let mut child = command
        .args(["serve", "--listen", &listen.to_string(), "--data"])
        .arg(folder.join("data"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(&said)?)
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take();
    let ready = async {
        let mut lines = BufReader::new(output?).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(address) = line.strip_prefix(READY) {
                return address.parse().ok();
            }
        }
        None
    };
    match timeout(START, ready).await {
        Ok(Some(address)) => Ok((child, address)),
        _ => Err(LabError::Server(
            std::fs::read_to_string(&said).unwrap_or_default(),
        )),
    }
}

/// What a log holds of one document: the same machine that the server runs, replayed.
fn stored(log: &Log, name: &str) -> Result<Stored, String> {
    let said = |what: &str, error: &dyn std::fmt::Display| format!("{name}: {what}: {error}");
    let (_open, loaded) = log
        .open(name)
        .map_err(|error| said("it cannot be loaded", &error))?;
    let options = RoomOptions {
        timings: Settings::default().timings(),
        lock_settings: LockSettings {
            epoch: log.epoch(),
            ..LockSettings::default()
        },
        ..RoomOptions::default()
    };
    let snapshot = loaded.snapshot.map(|(at, bytes)| (at.get(), bytes));
    let tail: Vec<_> = loaded
        .tail
        .into_iter()
        .map(|(at, bytes)| (at.get(), bytes))
        .collect();
    let room = Room::open(options, snapshot.as_ref(), &tail, Time::ZERO)
        .map_err(|error| said("what is stored is no room", &error))?;
    let document = Document::to_read(room.state().document());
    let whole = document
        .snapshot()
        .map_err(|error| said("the stored document is broken", &error))?;
    let contents = document
        .read(content::read)
        .map_err(|error| said("the stored document is broken", &error))?;
    let here: BTreeSet<_> = contents.elements().map(|(_, id)| id.to_owned()).collect();
    let (mut parked, mut discarded) = (Vec::new(), Vec::new());
    let mut unreadable = 0;
    for park in room.state().parks() {
        match in_park(&whole, &park.updates) {
            Some(with) => {
                let ids = with.elements().map(|(_, id)| id.to_owned());
                let kept = if park.is_open() {
                    &mut parked
                } else {
                    &mut discarded
                };
                kept.extend(ids.filter(|id| !here.contains(id)));
            }
            None => unreadable += 1,
        }
    }
    Ok(Stored {
        contents,
        parked,
        discarded,
        unreadable,
    })
}

/// The document as it would be with these updates.
fn in_park<B: AsRef<[u8]>>(whole: &[u8], updates: &[B]) -> Option<content::Contents> {
    let client = ClientId::from(u32::MAX);
    let mut document = Document::load(whole, &DocumentOptions::new(client)).ok()?;
    for update in updates {
        document.apply(update.as_ref()).ok()?;
    }
    document.read(content::read).ok()
}
