//! One attacker: what it sends in each row, and what it counts.

use std::net::SocketAddr;
use std::time::Duration;

use baton_sync::lib0::{write_var_string, write_var_uint};
use bytes::Bytes;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::attack::{Assault, Attack, Delivered};
use super::frames;
use super::line::{Gone, Line};
use crate::edits::Typed;
use baton_testkit::websocket;

/// Time between the questions of a `show-park` attacker and its leaving.
const GLANCE: Duration = Duration::from_millis(10);
/// Time between two edits of an attacker on the busy document.
const TYPES: Duration = Duration::from_millis(10);
/// Longest wait for the answer to a `hello`.
const POLITE: Duration = Duration::from_secs(1);
/// Time between two messages, of at most about 1 MiB, that a slow joiner takes.
const SLOWLY: Duration = Duration::from_millis(500);
/// Receive buffer of a slow joiner, in bytes.
const SLOW_BUFFER: u32 = 64 * 1024;
/// Times the time of an attack that what has a number, not a time, may take.
const AT_MOST: u32 = 6;
/// Connections that say `hello`, of all attackers.
const HELLOS: usize = 8_000;
/// Questions that one who repeats Step1 has open beside the newest.
const UNANSWERED: usize = 3;
/// Frames of text that each of the senders of large ones sends.
const TEXTS: usize = 2;

/// An attacker, with its counts so far.
#[derive(Debug)]
pub(crate) struct Attacker {
    attack: Attack,
    address: SocketAddr,
    number: usize,
    of: usize,
    /// Hellos of all attackers.
    hellos: usize,
    time: Duration,
    until: Instant,
    frame: Bytes,
    seen: Delivered,
}

impl Attacker {
    /// Attacker `number` of `of`, with the frame that was prepared for it.
    pub(crate) fn new(
        assault: &Assault,
        (number, of): (usize, usize),
        until: Instant,
        frame: Option<Bytes>,
    ) -> Self {
        Self {
            attack: assault.attack,
            address: assault.address,
            number,
            of,
            hellos: assault.scaled(HELLOS),
            time: assault.time,
            until,
            frame: frame.unwrap_or_default(),
            seen: Delivered::default(),
        }
    }

    /// Attacks until it is done, or the time is over, or the server closes the connection.
    pub(crate) async fn attack(mut self) -> Delivered {
        let ended = match self.attack {
            Attack::Hello => self.hellos().await,
            _ => match self.opens(None).await {
                Some(line) => self.on(line).await,
                None => Ok(()),
            },
        };
        self.note(ended);
        self.seen
    }

    async fn on(&mut self, line: Line) -> Result<(), Gone> {
        match self.attack {
            Attack::Parks => self.parks(line).await,
            Attack::Step1 => self.asks(line).await,
            Attack::Busy => self.busy(line).await,
            Attack::Text => self.text(line).await,
            Attack::Blocks | Attack::Front | Attack::Ranges => self.once(line).await,
            Attack::Tiny => self.tiny(line).await,
            Attack::Joiners => self.joins(line).await,
            Attack::Hello => Ok(()),
        }
    }

    async fn opens(&mut self, number: Option<usize>) -> Option<Line> {
        let buffer = (self.attack == Attack::Joiners).then_some(SLOW_BUFFER);
        let number = number.unwrap_or(self.number);
        let line = Line::open(self.address, number, buffer).await;
        match line {
            Ok(line) => {
                self.seen.connections += 1;
                Some(line)
            }
            Err(_) => {
                self.seen.refused += 1;
                None
            }
        }
    }

    fn note(&mut self, ended: Result<(), Gone>) {
        if let Err(Gone::Closed(code)) = ended {
            *self.seen.closed.entry(code).or_default() += 1;
        }
    }

    /// Time until the end of the attack.
    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    async fn sends(&mut self, line: &mut Line, frame: &[u8], count: usize) -> Result<(), Gone> {
        self.sends_within(line, frame, count, self.left()).await
    }

    async fn sends_within(
        &mut self,
        line: &mut Line,
        frame: &[u8],
        count: usize,
        within: Duration,
    ) -> Result<(), Gone> {
        line.sends(frame, within).await?;
        self.seen.frames += count;
        self.seen.bytes += frame.len() as u64;
        Ok(())
    }

    async fn hello(&mut self, line: &mut Line) -> Result<(), Gone> {
        let hello = frames::channel(&json!({"type": "hello", "version": 1}));
        self.sends_within(line, &hello, 1, POLITE).await
    }

    async fn parks(&mut self, mut line: Line) -> Result<(), Gone> {
        self.hello(&mut line).await?;
        line.hears("welcome", self.left()).await?;
        self.seen.answers += 1;
        let (frame, within) = (self.frame.clone(), self.time * AT_MOST);
        let asks = frame.windows(9).filter(|nine| nine == b"show-park");
        self.sends_within(&mut line, &frame, asks.count(), within)
            .await?;
        sleep(GLANCE).await;
        Ok(())
    }

    async fn asks(&mut self, mut line: Line) -> Result<(), Gone> {
        let step1 = frames::step1();
        for _ in 0..UNANSWERED {
            self.sends(&mut line, &step1, 1).await?;
        }
        while !self.left().is_zero() {
            self.sends(&mut line, &step1, 1).await?;
            line.step2(self.left()).await?;
            self.seen.answers += 1;
        }
        Ok(())
    }

    async fn busy(&mut self, mut line: Line) -> Result<(), Gone> {
        if self.number < 2 {
            let frame = self.frame.clone();
            self.sends(&mut line, &frame, 1).await?;
        }
        let typed = Typed {
            client: 1000 + self.number as u64,
            length: 1,
        };
        let step1 = frames::step1();
        let mut edit = 0;
        while !self.left().is_zero() {
            self.sends(&mut line, &frames::update(&typed.update(edit)), 1)
                .await?;
            if edit % 10 == 9 {
                self.sends(&mut line, &step1, 1).await?;
            }
            edit += 1;
            // The answers that are there already; the next is sent in any case.
            let end = Instant::now() + TYPES;
            while line.message(end).await.map_or_else(late, |_| Ok(true))? {}
        }
        Ok(())
    }

    async fn text(&mut self, mut line: Line) -> Result<(), Gone> {
        let (body, client) = (self.frame.clone(), 100 + self.number as u64);
        for number in 0..TEXTS {
            let (head, tail) = around(client, number, body.len());
            let within = self.time * AT_MOST;
            self.sends_within(&mut line, &head, 0, within).await?;
            self.sends_within(&mut line, &body, 0, within).await?;
            self.sends_within(&mut line, &tail, 1, within).await?;
        }
        // A client that left at once would take with it what the server has not read.
        self.sends_within(&mut line, &frames::step1(), 0, POLITE)
            .await?;
        line.step2(self.time * AT_MOST).await?;
        self.seen.answers += 1;
        Ok(())
    }

    /// One frame, and a question whose answer says that the server is through with it.
    async fn once(&mut self, mut line: Line) -> Result<(), Gone> {
        let frame = self.frame.clone();
        self.sends_within(&mut line, &frame, 1, self.time * AT_MOST)
            .await?;
        self.sends_within(&mut line, &frames::step1(), 0, POLITE)
            .await?;
        line.step2(self.left()).await?;
        self.seen.answers += 1;
        Ok(())
    }

    async fn tiny(&mut self, mut line: Line) -> Result<(), Gone> {
        let (run, count) = frames::tiny(self.number);
        while !self.left().is_zero() {
            self.sends(&mut line, &run, count).await?;
        }
        Ok(())
    }

    async fn joins(&mut self, mut line: Line) -> Result<(), Gone> {
        self.sends(&mut line, &frames::step1(), 1).await?;
        while !self.left().is_zero() {
            let message = line.message(self.until).await?;
            self.seen.read += message.len() as u64;
            self.seen.answers += 1;
            sleep(SLOWLY.min(self.left())).await;
        }
        Ok(())
    }

    async fn hellos(&mut self) -> Result<(), Gone> {
        let end = self.until + self.time * (AT_MOST - 1);
        let mine = (self.number..self.hellos).step_by(self.of);
        for number in mine.take_while(|_| Instant::now() < end) {
            let Some(mut line) = self.opens(Some(number)).await else {
                continue;
            };
            let said = self.hello(&mut line).await;
            match said {
                Ok(()) => match line.hears("welcome", POLITE).await {
                    Ok(_) => self.seen.answers += 1,
                    gone => self.note(gone.map(|_| ())),
                },
                gone => self.note(gone),
            }
        }
        Ok(())
    }
}

/// Nothing more is there for now.
fn late(gone: Gone) -> Result<bool, Gone> {
    if gone == Gone::Late {
        Ok(false)
    } else {
        Err(gone)
    }
}

/// The bytes before and behind the text of edit `number` of a client, of which each has `length` characters.
fn around(client: u64, number: usize, length: usize) -> (Bytes, Bytes) {
    let clock = (number * length) as u64;
    let mut update = vec![1, 1];
    write_var_uint(&mut update, client);
    write_var_uint(&mut update, clock);
    if let Some(before) = clock.checked_sub(1) {
        update.push(0x84);
        write_var_uint(&mut update, client);
        write_var_uint(&mut update, before);
    } else {
        update.extend_from_slice(&[4, 1]);
        write_var_string(&mut update, "content");
    }
    write_var_uint(&mut update, length as u64);
    // No deletions.
    let tail: &[u8] = &[0];
    let mut message = vec![0, 2];
    write_var_uint(&mut message, (update.len() + length + tail.len()) as u64);
    message.extend_from_slice(&update);
    let mut head = websocket::beginning(message.len() + length + tail.len());
    head.extend_from_slice(&message);
    (head.freeze(), Bytes::from_static(tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_between_its_head_and_tail_is_what_a_person_types() {
        let typed = Typed {
            client: 104,
            length: 70_000,
        };
        for number in 0..2 {
            let (head, tail) = around(104, number, 70_000);
            let whole = [&head[..], &[b'x'; 70_000], &tail].concat();
            let same = frames::update(&typed.update(u32::try_from(number).unwrap()));
            assert_eq!(whole, same);
        }
    }
}
