//! The programs of the projects as child processes, for the stories about them.
//!
//! Knows no crate of Baton: what a story sees is what a person at a terminal sees.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longest wait for a line of a program or of a connection: a silent person is away after 10 s.
const WAIT: Duration = Duration::from_secs(60);

/// Returns the command of a project's program, built in the folder that `PROJECTS_BIN` names.
///
/// # Panics
/// The variable is not set.
pub fn project(name: &str) -> Command {
    let folder = env::var_os("PROJECTS_BIN").expect("`cargo xtask test --only crates` sets it");
    Command::new(Path::new(&folder).join(name))
}

/// Returns the command of a Baton server with its data in this folder, on a free port.
///
/// # Panics
/// `BATON_BIN` is not set.
pub fn baton(data: &Path) -> Command {
    let program = env::var_os("BATON_BIN").expect("`cargo xtask test --only crates` sets it");
    let mut command = Command::new(program);
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data"];
    command.args(arguments).arg(data);
    command
}

/// A program that runs until it ends by itself or the story ends.
pub struct Program {
    child: Child,
    lines: Lines,
}

/// Lines that somebody else writes.
struct Lines {
    from: Receiver<String>,
    /// All that came, for the message of a story that fails.
    seen: Vec<String>,
}

impl Lines {
    fn new(streams: impl IntoIterator<Item = Box<dyn Read + Send>>) -> Self {
        let (tell, from) = channel();
        for stream in streams {
            let tell: Sender<String> = tell.clone();
            thread::spawn(move || {
                let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
                lines.try_for_each(|line| tell.send(line))
            });
        }
        let seen = Vec::new();
        Self { from, seen }
    }

    /// Returns the next line; `None` at the end.
    fn next(&mut self) -> Option<String> {
        match self.from.recv_timeout(WAIT) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("silent for {} s after {:#?}", WAIT.as_secs(), self.seen)
            }
        }
    }

    /// Waits for a line that begins so, and returns the rest of it.
    fn wait_for(&mut self, start: &str) -> String {
        while let Some(line) = self.next() {
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
        }
        panic!("it ended without \"{start}\": {:#?}", self.seen)
    }
}

impl Program {
    /// Starts it.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let stdout = stdout.map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        let stderr = stderr.map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        let lines = Lines::new(stdout.into_iter().chain(stderr));
        Self { child, lines }
    }

    /// Waits for a line that begins so, and returns the rest of it.
    ///
    /// # Panics
    /// It ends or is silent for a minute before.
    pub fn prints(&mut self, start: &str) -> String {
        self.lines.wait_for(start)
    }

    /// Waits until it says where it listens.
    ///
    /// # Panics
    /// As [`Program::prints`], and if that is no address.
    pub fn address(&mut self) -> SocketAddr {
        let said = self.prints("listening on ");
        let said = said.rsplit("//").next().unwrap_or_default();
        let address = said.split('/').next().unwrap_or_default();
        address.parse().expect("an address")
    }

    /// Types a line.
    ///
    /// # Panics
    /// It has ended.
    pub fn types(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("its input is a pipe");
        writeln!(input, "{line}").expect("it runs");
    }

    /// Kills it without a warning.
    ///
    /// # Panics
    /// It ended before.
    pub fn kill(mut self) {
        let ended = self.child.try_wait().expect("a child of ours");
        assert_eq!(ended, None, "it ended by itself: {:#?}", self.lines.seen);
    }

    /// Presses Ctrl-C.
    ///
    /// # Panics
    /// There is no program `kill`.
    pub fn interrupts(&self) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-INT", &id]).status();
        assert!(status.expect("`kill` can be started").success());
    }

    /// Waits for its end, and returns how it ended and all lines that it printed since the last
    /// wait.
    ///
    /// # Panics
    /// It does not end.
    pub fn ends(mut self) -> (ExitStatus, Vec<String>) {
        let already_read = self.lines.seen.len();
        while self.lines.next().is_some() {}
        let status = self.child.wait().expect("a child of ours");
        (status, self.lines.seen.split_off(already_read))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody at `nc`.
pub struct Line {
    stream: TcpStream,
    lines: Lines,
}

impl Line {
    /// Connects.
    ///
    /// # Panics
    /// Nobody listens.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        let copy = stream.try_clone().expect("a copy of a socket");
        let lines = Lines::new([Box::new(copy) as Box<dyn Read + Send>]);
        Self { stream, lines }
    }

    /// Sends a line.
    ///
    /// # Panics
    /// The connection is closed.
    pub fn says(&mut self, words: &str) {
        writeln!(self.stream, "{words}").expect("the connection is open");
    }

    /// Waits for a line that begins so.
    ///
    /// # Panics
    /// The connection ends, or is silent for a minute, before.
    pub fn hears(&mut self, start: &str) {
        self.lines.wait_for(start);
    }

    /// Answers each `ping` until a line begins so.
    ///
    /// # Panics
    /// The connection ends before, or it takes more than a minute.
    pub fn answers_until(&mut self, start: &str) {
        let until = Instant::now() + WAIT;
        while Instant::now() < until {
            let line = self.lines.next().expect("the connection is open");
            if line.starts_with(start) {
                return;
            }
            if line == "ping" {
                self.says("");
            }
        }
        panic!("no \"{start}\" for a minute: {:#?}", self.lines.seen);
    }

    /// Waits until the other side has closed it.
    ///
    /// # Panics
    /// It is open and silent for a minute.
    pub fn is_cut_off(mut self) {
        while self.lines.next().is_some() {}
    }

    /// Closes it.
    ///
    /// # Panics
    /// The system does not let us.
    pub fn hangs_up(self) {
        let both = std::net::Shutdown::Both;
        self.stream.shutdown(both).expect("an open connection");
    }
}

/// Sends a request, and returns the answer with its head.
///
/// # Panics
/// There is no answer.
pub fn ask(address: SocketAddr, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(WAIT)).expect("a time");
    let head = "host: localhost\r\ncontent-type: text/plain\r\nconnection: close";
    let length = body.len();
    let request = format!("{request} HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}
