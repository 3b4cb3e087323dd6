//! Two innocent people in a document that is not attacked, and one who asks whether the server is healthy.
//!
//! Owns their connections, and the time from the moment when an edit was due until its echo was back. Edits are due every
//! 20 ms, however slow the server is; one that could not be sent because a connection was lost goes on counting.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};

use crate::dialect::{Dialect, Incoming};
use crate::edits::{Typed, stretches};
use crate::target::{Client, Target};
use crate::times::{Spread, Times};
use baton_testkit::websocket::Frame;

/// Between two edits.
const EVERY: Duration = Duration::from_millis(20);
/// Between two questions about the server's health.
const ASKS: Duration = Duration::from_millis(250);
/// Longest wait for the answer; it then counts as that and as failed.
const HEALTH: Duration = Duration::from_secs(30);
/// Pause of the two people before they come again after a close.
const AGAIN: Duration = Duration::from_millis(100);

/// Where a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The attack has not begun.
    Idle,
    /// From the first moment of the attack on, also when it is over.
    Attacked,
    /// No more edits; the last echoes are waited for so long.
    Over(Instant),
}

/// Measurements of the innocent people in one phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Suffered {
    /// Milliseconds from when an edit was due until its echo was back.
    pub echo: Spread,
    /// Echoes that came back.
    pub echoes: usize,
    /// Echoes that did not; they count in `echo` with the time that they were waited for.
    pub missing: usize,
    /// Milliseconds until `/healthz` answered.
    pub healthz: Spread,
    /// Questions that were not answered with 200.
    pub unhealthy: usize,
    /// Closes of either of the two, by code; 1006 is none. Both come again.
    pub closed: BTreeMap<u16, usize>,
}

/// One phase while it is counted.
#[derive(Default)]
struct Tally {
    echo: Times,
    healthz: Times,
    seen: Suffered,
}

impl Tally {
    fn suffered(mut self) -> Suffered {
        self.seen.echo = self.echo.spread();
        self.seen.healthz = self.healthz.spread();
        self.seen
    }
}

/// An edit that is not echoed yet: when it was due, and in which phase.
type Due = (Instant, bool);

/// The people, from when they come until the last echo.
///
/// # Errors
/// They could not come in before anybody attacked.
pub(crate) async fn watch(
    address: SocketAddr,
    phases: watch::Receiver<Phase>,
) -> io::Result<[Suffered; 2]> {
    let health = tokio::spawn(health(address, phases.clone()));
    let mut pair = Pair {
        target: Target::new(address, Dialect::YWebsocket),
        phases,
        pending: VecDeque::new(),
        next: Instant::now(),
        tallies: [Tally::default(), Tally::default()],
    };
    let mut generation = 0;
    while !pair.over() {
        // A new name each time: the edits of before are not counted again.
        match pair.types(generation).await {
            Ok(()) => break,
            Err(code) => {
                *pair.tally().seen.closed.entry(code).or_default() += 1;
                sleep(AGAIN).await;
            }
        }
        generation += 1;
    }
    for (due, attacked) in std::mem::take(&mut pair.pending) {
        let tally = &mut pair.tallies[usize::from(attacked)];
        tally.echo.record(due.elapsed());
        tally.seen.missing += 1;
    }
    let answers = health.await.map_err(io::Error::other)?;
    for (attacked, took, good) in answers {
        let tally = &mut pair.tallies[usize::from(attacked)];
        tally.healthz.record(took);
        tally.seen.unhealthy += usize::from(!good);
    }
    Ok(pair.tallies.map(Tally::suffered))
}

struct Pair {
    target: Target,
    phases: watch::Receiver<Phase>,
    pending: VecDeque<Due>,
    next: Instant,
    tallies: [Tally; 2],
}

impl Pair {
    fn attacked(&self) -> bool {
        *self.phases.borrow() != Phase::Idle
    }

    fn tally(&mut self) -> &mut Tally {
        let attacked = self.attacked();
        &mut self.tallies[usize::from(attacked)]
    }

    /// All echoes are here, or are waited for no longer.
    fn over(&self) -> bool {
        match *self.phases.borrow() {
            Phase::Over(end) => self.pending.is_empty() || Instant::now() > end,
            _ => false,
        }
    }

    /// Both come in and type until it is over, or a connection ends with this code.
    async fn types(&mut self, generation: u32) -> Result<(), u16> {
        let name = format!("innocent-{generation}");
        let join = async { tokio::try_join!(self.target.join(&name), self.target.join(&name)) };
        let ((mut one, _), (mut two, _)) = join.await.map_err(|_| 1006_u16)?;
        let typed = |client| Typed { client, length: 1 };
        let (mine, echo) = (typed(1), typed(2));
        let edit = |typed: Typed, number| {
            let update = typed.update(number);
            self.target.dialect.update(&name, &update)
        };
        let (mut sent, mut echoed) = (0, 0);
        // Edits that were due during an outage are typed now.
        for _ in 0..self.pending.len() {
            one.writer.queue(&edit(mine, sent));
            sent += 1;
        }
        one.writer.flush().await.map_err(|_| 1006_u16)?;
        loop {
            if self.over() {
                return Ok(());
            }
            let typing = !matches!(*self.phases.borrow(), Phase::Over(_));
            let wake = if typing {
                self.next
            } else {
                Instant::now() + EVERY
            };
            tokio::select! {
                frame = one.reader.next() => {
                    let clocks = taken(&mut one, frame, 2).await?;
                    let attacked_now = clocks.min(self.pending.len());
                    for (due, attacked) in self.pending.drain(..attacked_now) {
                        let tally = &mut self.tallies[usize::from(attacked)];
                        tally.echo.record(due.elapsed());
                        tally.seen.echoes += 1;
                    }
                }
                frame = two.reader.next() => {
                    for _ in 0..taken(&mut two, frame, 1).await? {
                        two.writer.queue(&self.target.dialect.update(&name, &echo.update(echoed)));
                        echoed += 1;
                    }
                    two.writer.flush().await.map_err(|_| 1006_u16)?;
                }
                () = sleep_until(wake) => {
                    while typing && self.next <= Instant::now() {
                        self.pending.push_back((self.next, self.attacked()));
                        self.next += EVERY;
                        let update = mine.update(sent);
                        one.writer.queue(&self.target.dialect.update(&name, &update));
                        sent += 1;
                    }
                    one.writer.flush().await.map_err(|_| 1006_u16)?;
                }
            }
        }
    }
}

/// Characters of that author in a frame that came in; a ping is answered.
async fn taken(client: &mut Client, frame: io::Result<Frame>, author: u64) -> Result<usize, u16> {
    let mut characters = 0;
    match frame.map_err(|_| 1006_u16)? {
        Frame::Binary(bytes) => {
            if let Incoming::Update(update) | Incoming::Step2(update) =
                Dialect::YWebsocket.read(&bytes)
            {
                stretches(update, |client, clocks| {
                    if client == author {
                        characters += (clocks.end - clocks.start) as usize;
                    }
                });
            }
        }
        Frame::Ping(payload) => client.writer.pong(&payload).await.map_err(|_| 1006_u16)?,
        Frame::Close(code) => return Err(code),
        Frame::Other => {}
    }
    Ok(characters)
}

/// Asks again and again, whether or not the last answer is here: phase, time, and if it was good.
async fn health(
    address: SocketAddr,
    phases: watch::Receiver<Phase>,
) -> Vec<(bool, Duration, bool)> {
    let mut asking = JoinSet::new();
    let mut ticks = interval(ASKS);
    loop {
        ticks.tick().await;
        let phase = *phases.borrow();
        if matches!(phase, Phase::Over(_)) {
            break;
        }
        asking.spawn(async move {
            let start = Instant::now();
            let good = matches!(timeout(HEALTH, asks(address)).await, Ok(Ok(true)));
            (phase == Phase::Attacked, start.elapsed(), good)
        });
    }
    asking.join_all().await
}

async fn asks(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}
