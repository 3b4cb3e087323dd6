//! A chat over plain TCP in which one speaks at a time.
//!
//! `cargo run -p baton-presence --example chat`, then `nc 127.0.0.1 7000` twice. `/floor` asks for
//! the floor, `/done` gives it back. A user who answers no `ping` with a line, if only an empty one,
//! goes offline, and the floor passes to the next user who waits.

#![allow(
    clippy::disallowed_methods,
    reason = "a program has the clock and the tasks that the crate does without"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread::spawn;
use std::time::{Duration, Instant};

use baton_presence::{
    Change, Driver, DriverOutput, LockSettings, Mode, Scope, SessionId, SessionOptions, Time,
    Timings, WriteRight,
};

enum News {
    Came(TcpStream),
    Said(SessionId, String),
    Went(SessionId),
}

/// Serves all who come, for ever.
pub(crate) fn serve(listener: TcpListener, timings: Timings) -> Result<(), Box<dyn Error>> {
    let mode = Mode::Required;
    let mut room = Driver::new(
        LockSettings {
            mode,
            ..LockSettings::default()
        },
        timings,
    )?;
    let mut lines = BTreeMap::new();
    let (tell, told) = channel();
    let door = tell.clone();
    spawn(move || {
        listener
            .incoming()
            .flatten()
            .try_for_each(|line| door.send(News::Came(line)))
    });
    let start = Instant::now();
    loop {
        let now = Time(start.elapsed());
        let wait = room
            .poll_timeout()
            .map_or(Duration::MAX, |due| due.since(now));
        let news = told.recv_timeout(wait);
        let now = Time(start.elapsed());
        match news {
            Ok(News::Came(line)) => {
                let session = room.join(SessionOptions::plain(), now);
                listen(line.try_clone()?, session, tell.clone());
                lines.insert(session, line);
            }
            Ok(News::Said(session, words)) => {
                room.heard(session, now);
                let right = room.lock_state().may_write(session, ["talk"]);
                match words.as_str() {
                    "" => {}
                    "/floor" => room.acquire(session, Scope::WHOLE, now),
                    "/done" => room.release(session, now),
                    words if matches!(right, WriteRight::Holder(_)) => {
                        write(lines.values(), &format!("{}: {words}", session.0));
                    }
                    _ => write(lines.get(&session), "ask for the floor: /floor"),
                }
            }
            Ok(News::Went(session)) => {
                lines.remove(&session);
                room.leave(session, now);
            }
            Err(_) => {}
        }
        room.handle_timeout(now);
        while let Some(output) = room.next_output() {
            match output {
                DriverOutput::Ping { session } => write(lines.get(&session), "ping"),
                DriverOutput::Changed(Change::Joined { session }) => {
                    write(lines.values(), &format!("{} is here", session.0));
                }
                DriverOutput::Changed(Change::Granted { to, .. }) => {
                    write(lines.values(), &format!("{} has the floor", to.0));
                }
                DriverOutput::Changed(Change::Lost { session }) => {
                    write(lines.values(), &format!("{} is offline", session.0));
                }
                DriverOutput::Close { session } => {
                    if let Some(line) = lines.get(&session) {
                        // The thread that reads the line says that it is over.
                        let _ = line.shutdown(Shutdown::Both);
                    }
                }
                _ => {}
            }
        }
    }
}

fn listen(line: TcpStream, session: SessionId, tell: Sender<News>) {
    spawn(move || {
        let mut said = BufReader::new(line).lines().map_while(Result::ok);
        said.try_for_each(|words| tell.send(News::Said(session, words.trim().to_owned())))?;
        tell.send(News::Went(session))
    });
}

fn write<'a>(lines: impl IntoIterator<Item = &'a TcpStream>, words: &str) {
    for mut line in lines {
        // The thread that reads a broken line says so.
        let _ = writeln!(line, "{words}");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    serve(TcpListener::bind("127.0.0.1:7000")?, Timings::default())
}
