//! The attacks on one document: what is prepared, how many attack, what was delivered.
//!
//! Owns the rows of the table and their sizes. What was delivered is counted, so that no row measures an attack that did
//! not happen.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::attacker::Attacker;
use super::frames;
use super::line::Line;
use crate::dialect::Dialect;
use crate::edits::stretches;
use crate::target::Target;

/// The document that is attacked.
pub(crate) const ATTACKED: &str = "attacked";
/// Longest wait for a single answer while an attack is prepared, or looked at afterwards.
const PATIENCE: Duration = Duration::from_secs(60);

/// A row of the table: what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// Two clients send 1,000 `show-park` each for a document of 1.3 MB, and leave after 10 ms
    Parks,
    /// 20 clients repeat Step1 on a document of 2 MB
    Step1,
    /// 20 connections on one busy document, 16 workers
    Busy,
    /// 8 clients send two frames of 30 MiB of text each
    Text,
    /// One frame of 60 MiB made of two-byte blocks
    Blocks,
    /// Two clients' 10,000 letters each, all at the front
    Front,
    /// 600,000 deleted ranges in one frame
    Ranges,
    /// 20 connections flood with tiny frames
    Tiny,
    /// 8,000 clients say `hello` and leave
    Hello,
    /// 200 slow joiners of a document of 30 MB
    Joiners,
}

/// Counts of one attack, as the attackers saw it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    /// Connections that were opened.
    pub connections: usize,
    /// Connections that were refused before they were open.
    pub refused: usize,
    /// Frames that the kernel took.
    pub frames: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// Answers: a Step2 or a `welcome`.
    pub answers: usize,
    /// Bytes that were read by slow joiners.
    pub read: u64,
    /// Connections that the server closed, by code; 1006 is none.
    pub closed: BTreeMap<u16, usize>,
    /// Seconds from the first to the last of it.
    pub seconds: f64,
}

/// The attacked document as a newcomer found it afterwards.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Left {
    /// Clocks of all clients that the document knows.
    pub clocks: u64,
    /// Bytes of the first sync.
    pub bytes: u64,
    /// Seconds that it took.
    pub seconds: f64,
}

/// One attack on one server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Assault {
    /// The row.
    pub attack: Attack,
    /// The server.
    pub address: SocketAddr,
    /// Duration of an attack that repeats something.
    pub time: Duration,
    /// 1 for the sizes and numbers of the row, less for a trial.
    pub scale: f64,
}

/// The frames of each attacker, encoded before the attack.
#[derive(Debug, Default)]
pub struct Prepared {
    frames: Vec<Bytes>,
}

impl Attack {
    /// The description in the table.
    #[must_use]
    pub fn describe(self) -> String {
        let value = self.to_possible_value();
        let help = value.as_ref().and_then(|value| value.get_help());
        help.map(ToString::to_string).unwrap_or_default()
    }

    /// The worker threads of the server, if not as many as there are processors.
    #[must_use]
    pub const fn workers(self) -> Option<u32> {
        match self {
            Self::Busy => Some(16),
            _ => None,
        }
    }
}

impl Assault {
    /// At least one of `full`, at this scale.
    pub(crate) fn scaled(&self, full: usize) -> usize {
        ((full as f64 * self.scale) as usize).max(1)
    }

    /// At most `full`, at least four: connections.
    fn people(&self, full: usize) -> usize {
        self.scaled(full).max(full.min(4))
    }

    /// Puts the document there and encodes the frames.
    ///
    /// # Errors
    /// The server does not take the document, or no park came about.
    pub async fn prepare(&self) -> io::Result<Prepared> {
        let mut frames = Vec::new();
        match self.attack {
            Attack::Parks => {
                self.fill(frames::long_text(self.scaled(1_300_000), frames::TYPED))
                    .await?;
                let park = self.park().await?;
                let ask = |nonce| json!({"type": "show-park", "nonce": nonce, "id": park});
                let all: Vec<u8> = (1..=self.scaled(1000))
                    .flat_map(|nonce| frames::channel(&ask(nonce)))
                    .collect();
                frames.push(all.into());
            }
            Attack::Step1 => {
                self.fill(frames::long_text(self.scaled(2_000_000), frames::TYPED))
                    .await?;
            }
            Attack::Busy | Attack::Front => {
                for client in [21, 22] {
                    let letters = frames::at_the_front(client, self.scaled(10_000));
                    frames.push(frames::update(&letters));
                }
            }
            // Made while it is sent: 16 times 30 MiB would not be small.
            Attack::Text => frames.push(vec![b'x'; self.scaled(30 << 20)].into()),
            Attack::Blocks => {
                let blocks = frames::two_byte_blocks(31, self.scaled(30 << 20));
                frames.push(frames::update(&blocks));
            }
            Attack::Ranges => {
                let ranges = self.scaled(600_000);
                self.fill(vec![frames::one_block(41, ranges * 2)]).await?;
                frames.push(frames::update(&frames::every_other(41, ranges)));
            }
            Attack::Tiny | Attack::Hello => {}
            Attack::Joiners => {
                self.fill(frames::long_text(self.scaled(30_000_000), frames::PASTED))
                    .await?;
            }
        }
        Ok(Prepared { frames })
    }

    /// Attacks. Returns when all was sent, or the time is over.
    ///
    /// # Errors
    /// An attacker's task failed; closed connections are counted instead.
    pub async fn run(&self, prepared: Prepared) -> io::Result<Delivered> {
        let start = Instant::now();
        let mut attackers = JoinSet::new();
        let count = match self.attack {
            Attack::Parks | Attack::Front => 2,
            Attack::Step1 | Attack::Busy | Attack::Tiny => 20,
            Attack::Text => 8,
            Attack::Blocks | Attack::Ranges => 1,
            Attack::Hello => self.people(64),
            Attack::Joiners => self.people(200),
        };
        for number in 0..count {
            let which = number % prepared.frames.len().max(1);
            let frame = prepared.frames.get(which).cloned();
            let one = Attacker::new(self, (number, count), start + self.time, frame);
            attackers.spawn(one.attack());
        }
        let mut all = Delivered::default();
        while let Some(seen) = attackers.join_next().await {
            all.add(&seen.map_err(io::Error::other)?);
        }
        all.seconds = start.elapsed().as_secs_f64();
        Ok(all)
    }

    /// Joins the attacked document as a newcomer.
    ///
    /// # Errors
    /// The server does not let it in, or not in time.
    pub async fn look(&self) -> io::Result<Left> {
        let start = Instant::now();
        let target = Target::new(self.address, Dialect::YWebsocket);
        let (client, synced) = timeout(PATIENCE, target.join(ATTACKED)).await??;
        drop(client);
        let mut left = Left {
            seconds: start.elapsed().as_secs_f64(),
            ..Left::default()
        };
        for update in &synced.updates {
            left.bytes += update.len() as u64;
            stretches(update, |_, clocks| {
                left.clocks += u64::from(clocks.end - clocks.start);
            });
        }
        Ok(left)
    }

    /// Gives the server a document, and waits until it has all of it.
    async fn fill(&self, updates: Vec<Vec<u8>>) -> io::Result<()> {
        let mut line = Line::open(self.address, 0, None).await?;
        for update in updates {
            line.sends(&frames::update(&update), PATIENCE).await?;
        }
        // The answer comes behind all that was sent before the question.
        line.sends(&frames::step1(), PATIENCE).await?;
        line.step2(PATIENCE).await?;
        line.leave().await
    }

    /// Makes a park: the edit of a stock client under a lock. Returns its id.
    async fn park(&self) -> io::Result<u64> {
        let mut holder = Line::open(self.address, 0, None).await?;
        holder.says(&json!({"type": "hello", "version": 1})).await?;
        holder.hears("welcome", PATIENCE).await?;
        holder.says(&json!({"type": "acquire", "nonce": 1})).await?;
        let offer = holder.hears("offer", PATIENCE).await?;
        let claim = json!({"type": "claim", "fence": offer["fence"]});
        holder.says(&claim).await?;
        holder.hears("granted", PATIENCE).await?;
        let mut late = Line::open(self.address, 1, None).await?;
        let edit = frames::update(&frames::one_block(12_345, 1000));
        late.sends(&edit, PATIENCE).await?;
        let park = holder.hears("park", PATIENCE).await?;
        let id = park["park"]["id"].as_u64();
        holder.leave().await?;
        id.ok_or_else(|| io::Error::other("a park without an id"))
    }
}

impl Delivered {
    fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.refused += other.refused;
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.answers += other.answers;
        self.read += other.read;
        for (code, count) in &other.closed {
            *self.closed.entry(*code).or_default() += count;
        }
    }
}
