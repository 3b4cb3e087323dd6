//! A holder of the lock in a process of its own, which can die, and freeze.
//!
//! Owns the child (`src/bin/baton-holder.rs` says what it does), and signals it by its own process id only. A frozen process
//! is not a dead one: the kernel goes on acknowledging what comes for it, and it may go on any time later.

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::programs::built;
use crate::within;

/// A process that holds the lock of a document and types under it; see the module.
#[derive(Debug)]
pub struct HolderProcess {
    child: Child,
    orders: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
    fence: String,
}

impl HolderProcess {
    /// Starts it, and waits until it holds the lock.
    ///
    /// # Panics
    /// When that fails.
    pub async fn start(server: SocketAddr, document: &str, name: &str) -> Self {
        let mut child = Command::new(built("baton-holder"))
            .args([&format!("ws://{server}/ws"), document, name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the holder can be started");
        let orders = child.stdin.take().expect("its input is a pipe");
        let output = child.stdout.take().expect("its output is a pipe");
        let mut holder = Self {
            child,
            orders,
            said: BufReader::new(output).lines(),
            fence: String::new(),
        };
        holder.fence = holder.is_granted("new").await;
        holder
    }

    /// Waits until it says that its grant went on under the same fence.
    ///
    /// # Panics
    /// When the fence is another one.
    pub async fn keeps_its_grant(&mut self) {
        assert_eq!(self.is_granted("kept").await, self.fence);
    }

    async fn is_granted(&mut self, how: &str) -> String {
        let said = self.says("granted ").await;
        let (fence, said_how) = said.split_once(' ').expect("a fence, and how");
        assert_eq!(said_how, how, "the grant {fence}");
        fence.to_owned()
    }

    /// Waits until it says that it lost the lock.
    pub async fn says_that_it_lost(&mut self) {
        self.says("lost").await;
    }

    /// Waits until it says that an edit of it was parked. Returns the park.
    ///
    /// # Panics
    /// When it says something else.
    pub async fn says_that_it_was_parked(&mut self) -> u64 {
        let said = self.says("parked ").await;
        said.parse().expect("the number of a park")
    }

    /// Lets it type no more, and waits until what it typed is saved.
    pub async fn rests(&mut self) {
        self.order("rest").await;
        self.says("resting").await;
    }

    /// The words that its client took from it so far.
    ///
    /// # Panics
    /// When it says something else.
    pub async fn words(&mut self, name: &str) -> Vec<String> {
        self.order("count").await;
        let said = self.says("typed ").await;
        let count: usize = said.parse().expect("a number of words");
        (0..count).map(|word| format!("<{name} {word}>")).collect()
    }

    /// Waits for a line that begins so, and returns the rest; passes over others.
    async fn says(&mut self, beginning: &str) -> String {
        let saying = async {
            while let Ok(Some(line)) = self.said.next_line().await {
                if let Some(rest) = line.strip_prefix(beginning) {
                    return rest.to_owned();
                }
            }
            panic!("the holder ended before it said {beginning:?}");
        };
        within(&format!("the holder to say {beginning:?}"), saying).await
    }

    async fn order(&mut self, order: &str) {
        let line = format!("{order}\n");
        let given = self.orders.write_all(line.as_bytes()).await;
        given.expect("the holder takes orders");
    }

    /// Freezes it (SIGSTOP), wherever it is.
    pub async fn freezes(&self) {
        self.signal(Signal::STOP);
        self.is_frozen().await;
    }

    /// Freezes it when it has made an edit and not sent it yet.
    pub async fn freezes_in_an_edit(&mut self) {
        self.order("freeze").await;
        self.is_frozen().await;
    }

    /// Lets it go on (SIGCONT).
    pub fn thaws(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it (SIGKILL).
    ///
    /// # Panics
    /// When it ended before.
    pub fn kill(&mut self) {
        self.child.start_kill().expect("it can be killed");
    }

    /// Tells it to end its process without a word to the server.
    pub async fn exits(&mut self) {
        self.order("exit").await;
    }

    fn pid(&self) -> Pid {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        id.and_then(Pid::from_raw).expect("it runs")
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a child of ours takes a signal");
    }

    async fn is_frozen(&self) {
        let looking = async {
            // Nobody announces it; it is looked at every few milliseconds.
            while self.state().expect("Linux tells the state of a process") != 'T' {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        within("the holder's process to be stopped", looking).await;
    }

    /// As the kernel names it: T is stopped.
    fn state(&self) -> io::Result<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        // The name of the program may hold anything, but stands in parentheses.
        let state = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        state.ok_or_else(|| io::Error::other("no state in it"))
    }
}
