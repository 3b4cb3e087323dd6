//! A server that the load starts itself, stops, and starts again on the same data.
//!
//! Owns its process, from the start to the end of this value, its folder and its port. It stops no process but its own.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(30);
/// How long it may take to end after it was asked to; then it is killed.
const STOP: Duration = Duration::from_secs(20);

/// A running server.
#[derive(Debug)]
pub struct Served {
    command: Vec<String>,
    folder: TempDir,
    address: SocketAddr,
    child: Child,
}

impl Served {
    /// Starts `command`, words with blanks between, in which `{port}` is a free port and `{data}` a new folder, and
    /// waits until it answers.
    ///
    /// # Errors
    /// It cannot be started, or ends, or does not answer within half a minute; with the end of what it said.
    pub async fn start(command: &str) -> io::Result<Self> {
        let folder = TempDir::new()?;
        let data = folder.path().join("data");
        fs::create_dir(&data)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let words = command.split_whitespace().map(|word| {
            word.replace("{port}", &address.port().to_string())
                .replace("{data}", &data.to_string_lossy())
        });
        let command: Vec<String> = words.collect();
        let child = spawn(&command, folder.path())?;
        let mut served = Self {
            command,
            folder,
            address,
            child,
        };
        served.answers().await?;
        Ok(served)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Stops it in order and starts it again, with the same port and data.
    ///
    /// # Errors
    /// As for starting.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.stop().await?;
        self.start_again().await
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    ///
    /// # Errors
    /// It could not be waited for.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// Starts it again, with the same port and data, after it ended.
    ///
    /// # Errors
    /// As for starting.
    pub async fn start_again(&mut self) -> io::Result<()> {
        self.child = spawn(&self.command, self.folder.path())?;
        self.answers().await
    }

    /// Asks it to end and waits for that; kills it when it takes too long, which is `false`.
    ///
    /// # Errors
    /// It could not be waited for.
    pub async fn stop(&mut self) -> io::Result<bool> {
        if let Some(pid) = self.pid().and_then(|pid| i32::try_from(pid).ok()) {
            // It may have ended by itself; it is not waited for yet, so its id is nobody else's.
            let _ended = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let ended = timeout(STOP, self.child.wait()).await.is_ok();
        if !ended {
            self.child.kill().await?;
        }
        Ok(ended)
    }

    async fn answers(&mut self) -> io::Result<()> {
        let end = Instant::now() + START;
        while TcpStream::connect(self.address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(self.failed(&format!("ended: {status}")));
            }
            if Instant::now() > end {
                return Err(self.failed("does not answer"));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn failed(&self, what: &str) -> io::Error {
        let said = fs::read_to_string(self.folder.path().join(OUTPUT)).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        let last = lines[lines.len().saturating_sub(10)..].join("\n");
        io::Error::other(format!("{} {what}\n{last}", self.command.join(" ")))
    }
}

const OUTPUT: &str = "output";

fn spawn(command: &[String], folder: &Path) -> io::Result<Child> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| io::Error::other("--serve names no program"))?;
    let output = File::options()
        .create(true)
        .append(true)
        .open(folder.join(OUTPUT))?;
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        // A panic here must not leave it running.
        .kill_on_drop(true)
        .spawn()
}
