//! `demo`: the server with the page inside and a live feed, on this machine. Owns the two processes from their start
//! to their end: whatever happens here, both are told to stop, by their process id, and waited for. Never touches a
//! process that it did not start.

use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{ChildStdout, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::child::{LOOK, Process, signals, until_stopped};
use crate::node;
use crate::place::Place;
use crate::run;
use crate::trouble::{Done, Trouble};

/// What the server says on its standard output once it answers.
const READY: &str = "listening on http://";

/// How long the server may take from its start to [`READY`]; reading a large store back takes seconds.
const START: Duration = Duration::from_secs(60);

/// The options of `cargo xtask demo`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    listen: String,
    data: PathBuf,
    /// Lets a server without authentication listen where other machines reach it.
    open: bool,
}

impl Options {
    /// Reads `--listen ADDRESS`, `--data FOLDER` and `--open`.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Trouble> {
        let mut options = Self {
            listen: "127.0.0.1:8080".to_owned(),
            data: "data".into(),
            open: false,
        };
        let mut rest = arguments.iter();
        while let Some(flag) = rest.next() {
            if flag == "--open" {
                options.open = true;
                continue;
            }
            let value = rest
                .next()
                .ok_or_else(|| Trouble::usage(format!("`{flag}` needs a value")));
            match flag.as_str() {
                "--listen" => options.listen = value?.clone(),
                "--data" => options.data = value?.into(),
                _ => return Err(Trouble::usage(format!("demo knows no `{flag}`"))),
            }
        }
        Ok(options)
    }
}

/// Builds, starts, and stays until Ctrl-C or until one of the two ends.
pub(crate) fn demo(place: &Place, options: &Options) -> Done {
    // Before minutes of building, not after.
    port_is_free(&options.listen)?;
    node::build_page(place)?;
    // A debug build: it is there in half the time, and one person does not notice the difference.
    run::run(&mut place.cargo([
        "build",
        "--locked",
        "--package=baton-server",
        "--bin=baton",
        "--package=baton-client",
        "--example=feed",
    ]))?;
    let stop = signals()?;

    let data = std::path::absolute(&options.data)
        .map_err(|error| Trouble::failed(format!("{}: {error}", options.data.display())))?;
    let mut command = place.command(place.built("debug", "baton"));
    command
        .args(["serve", "--listen", &options.listen, "--data"])
        .arg(data)
        .args(options.open.then_some("--open"))
        .stdout(Stdio::piped());
    let mut server = Process::start("the server", &mut command)?;
    let address = address(&mut server, &stop)?;

    let mut command = place.command(place.built("debug", "examples/feed"));
    command.args([&format!("ws://{address}/ws"), "feed"]);
    let mut feed = Process::start("the feed", &mut command)?;

    println!("\nBaton is at http://{address}/ (open it in two windows; Ctrl-C ends it)\n");
    until_stopped(&stop, &mut [&mut server, &mut feed])?;
    // The feed first: it would only see its server go.
    feed.stop();
    server.stop();
    Ok(())
}

fn port_is_free(listen: &str) -> Done {
    match TcpListener::bind(listen) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(Trouble::failed(format!(
            "{listen} is taken by another program; stop that, or choose another port: \
             cargo xtask demo --listen 127.0.0.1:8081"
        ))),
        Err(error) => Err(Trouble::failed(format!("{listen}: {error}"))),
    }
}

/// Waits for the line in which the server says where it listens, and goes on echoing what follows.
fn address(server: &mut Process, stop: &Receiver<()>) -> Result<String, Trouble> {
    let (heard, ready) = mpsc::channel();
    if let Some(stdout) = server.output() {
        thread::spawn(move || echo(stdout, &heard));
    }
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        match ready.recv_timeout(LOOK) {
            Ok(address) => return Ok(address),
            Err(RecvTimeoutError::Timeout) => server.must_run()?,
            // Its output ended: it is going, and the next look will say how.
            Err(RecvTimeoutError::Disconnected) => {
                thread::sleep(LOOK);
                server.must_run()?;
            }
        }
        if stop.try_recv().is_ok() {
            return Err(Trouble::failed("stopped before the server answered"));
        }
    }
    Err(Trouble::failed(format!(
        "the server did not answer within {} s",
        START.as_secs()
    )))
}

fn echo(stdout: ChildStdout, heard: &mpsc::Sender<String>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        println!("{line}");
        if let Some((_, rest)) = line.split_once(READY) {
            let address = rest.split(['/', ' ']).next().unwrap_or(rest);
            // Nobody waits any more: the demo is ending.
            let _ = heard.send(address.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_address_and_the_folder_can_be_chosen() {
        let options = Options::parse(&words("--data elsewhere --listen 127.0.0.1:9")).unwrap();
        assert_eq!(options.listen, "127.0.0.1:9");
        assert_eq!(options.data, PathBuf::from("elsewhere"));
        assert!(!options.open);
        let options = Options::parse(&words("--open --listen 0.0.0.0:9")).unwrap();
        assert!(options.open && options.listen == "0.0.0.0:9");
        assert!(Options::parse(&words("--data")).is_err());
        assert!(Options::parse(&words("--port 1")).is_err());
    }

    #[test]
    fn a_taken_port_is_said_in_words() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = other.local_addr().unwrap().to_string();
        let said = port_is_free(&listen).unwrap_err().to_string();
        assert!(said.contains("is taken by another program"), "{said}");
        drop(other);
        port_is_free(&listen).unwrap();
    }
}
