//! A chat over plain TCP: it says who is here, and who asks for the floor is the only one to speak.
//!
//! `chat 127.0.0.1:7000`, then `nc 127.0.0.1 7000` twice. `/floor` asks for the floor, `/done` gives
//! it back. Who answers no `ping` with a line, if only an empty one, is sent away, and the floor
//! passes on.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use baton_presence::{
    Change, Driver, DriverOutput, LockSettings, Scope, SessionId, SessionOptions, Time, Timings,
    WriteRight,
};

struct Chat {
    room: Driver,
    lines: BTreeMap<SessionId, TcpStream>,
    start: Instant,
}

impl Chat {
    /// Does something in the room, and all that follows from it.
    fn act<R>(&mut self, act: impl FnOnce(&mut Driver, Time) -> R) -> R {
        let now = Time(self.start.elapsed());
        self.room.handle_timeout(now);
        let result = act(&mut self.room, now);
        while let Some(output) = self.room.next_output() {
            match output {
                DriverOutput::Ping { session } => self.tell(session, "ping"),
                DriverOutput::Changed(Change::Granted { to, .. }) => {
                    self.tell_all(&format!("{} has the floor", to.0));
                }
                DriverOutput::Close { session } => {
                    // Whoever reads the line says that it is over.
                    let line = self.lines.get(&session);
                    let _ = line.map(|line| line.shutdown(Shutdown::Both));
                }
                _ => {}
            }
        }
        result
    }

    fn hear(&mut self, from: SessionId, words: &str) {
        self.act(|room, now| room.heard(from, now));
        let right = self.room.lock_state().may_write(from, ["floor"]);
        match words {
            "" => {}
            "/floor" => self.act(|room, now| room.acquire(from, Scope::WHOLE, now)),
            "/done" => self.act(|room, now| room.release(from, now)),
            _ if matches!(right, WriteRight::Free | WriteRight::Holder(_)) => {
                self.tell_all(&format!("{}: {words}", from.0));
            }
            _ => self.tell(from, "another has the floor: ask for it with /floor"),
        }
    }

    fn tell(&self, session: SessionId, words: &str) {
        if let Some(mut line) = self.lines.get(&session) {
            // Whoever reads a broken line says that it is over.
            let _ = writeln!(line, "{words}");
        }
    }

    fn tell_all(&self, words: &str) {
        self.lines
            .keys()
            .for_each(|session| self.tell(*session, words));
    }
}

/// Reads what one person says, to the end.
fn listen(chat: &Mutex<Chat>, line: TcpStream) -> Result<(), std::io::Error> {
    let copy = line.try_clone()?;
    let session = {
        let mut chat = chat.lock().unwrap();
        let session = chat.act(|room, now| room.join(SessionOptions::plain(), now));
        chat.lines.insert(session, copy);
        chat.tell_all(&format!("{} is here", session.0));
        session
    };
    for words in BufReader::new(line).lines().map_while(Result::ok) {
        chat.lock().unwrap().hear(session, words.trim());
    }
    let mut chat = chat.lock().unwrap();
    chat.lines.remove(&session);
    chat.tell_all(&format!("{} has left", session.0));
    chat.act(|room, now| room.leave(session, now));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: chat ADDRESS")?;
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    let room = Driver::new(LockSettings::default(), Timings::default())?;
    let (lines, start) = (BTreeMap::new(), Instant::now());
    let chat = Arc::new(Mutex::new(Chat { room, lines, start }));
    let clock = chat.clone();
    spawn(move || {
        loop {
            clock.lock().unwrap().act(|_, _| ());
            sleep(Duration::from_millis(100));
        }
    });
    for line in listener.incoming().flatten() {
        let chat = chat.clone();
        spawn(move || listen(&chat, line));
    }
    Ok(())
}
