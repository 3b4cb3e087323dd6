//! Documents with one writer each: how long an edit takes until the server says that it is saved, and how many a second.
//!
//! Owns the account of what was sent and not answered yet. Made for the wires that say it: Baton's channel (`saved`) and
//! Hocuspocus (SyncStatus). What a server means by it is its own affair: Baton's is on its disks, Hocuspocus's is in memory.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use baton_testkit::websocket::Frame;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::dialect::{Dialect, Incoming};
use crate::edits::{Typed, writer_id};
use crate::target::{Client, Target, join_each};
use crate::times::{Spread, Times};

/// When a writer makes its edits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// So many a second, however slow the server is.
    Rate(f64),
    /// The next one as soon as fewer than so many wait for their answer.
    InFlight(usize),
}

/// A load of writers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Saves {
    /// Documents, with one writer each.
    pub documents: usize,
    /// When each makes its edits.
    pub pace: Pace,
    /// Characters of an edit.
    pub length: u32,
    /// How long they type.
    pub time: Duration,
    /// How long the last answers may take.
    pub patience: Duration,
    /// Prefix of the documents' names.
    pub name: String,
}

impl Default for Saves {
    fn default() -> Self {
        Self {
            documents: 50,
            pace: Pace::Rate(4.0),
            length: 1,
            time: Duration::from_secs(4),
            patience: Duration::from_secs(5),
            name: "saves".to_owned(),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SavesSeen {
    /// Edits that were sent.
    pub sent: u64,
    /// Edits that were called saved.
    pub saved: u64,
    /// Edits that were refused.
    pub refused: u64,
    /// Saved edits a second, over the time from the first edit to the last answer.
    pub per_second: f64,
    /// Milliseconds from due to saved.
    #[serde(flatten)]
    pub spread: Spread,
    /// The longest time in milliseconds for which a document's edits waited and none was called saved.
    pub longest_pause: f64,
    /// Connections that the server ended.
    pub closed: u64,
}

impl Saves {
    /// The document of a writer.
    #[must_use]
    pub fn document(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }

    /// Connects all writers, dealt to the servers in turn, lets them type, and waits for the answers.
    ///
    /// # Errors
    /// Somebody could not connect, or there is no server.
    pub async fn run(&self, targets: &[Target]) -> io::Result<SavesSeen> {
        let first = targets.first();
        let dialect = first.ok_or_else(|| io::Error::other("a load needs a server"))?;
        let dialect = dialect.dialect;
        let numbers = 0..self.documents;
        let places =
            numbers.map(|number| (&targets[number % targets.len()], self.document(number)));
        let clients = join_each(places).await?;
        let start = Instant::now() + Duration::from_millis(50);
        let mut writers = JoinSet::new();
        for (number, client) in clients.into_iter().enumerate() {
            let writer = SavesWriter {
                load: self.clone(),
                dialect,
                document: self.document(number),
                typed: Typed {
                    client: writer_id(number, 0),
                    length: self.length,
                },
                begin: self.begin(start, number),
                waiting: VecDeque::new(),
                account: Account::new(start),
            };
            writers.spawn(writer.run(client));
        }
        let mut all = Account::new(start);
        while let Some(account) = writers.join_next().await {
            all.add(&account.map_err(io::Error::other)?);
        }
        Ok(all.seen(start))
    }

    /// Writers with a rate are spread over the first interval.
    fn begin(&self, start: Instant, number: usize) -> Instant {
        match self.pace {
            Pace::Rate(rate) => {
                let share = number as f64 / self.documents as f64;
                start + Duration::from_secs_f64(share / rate)
            }
            Pace::InFlight(_) => start,
        }
    }
}

/// What was counted, of one writer or of all.
#[derive(Debug)]
struct Account {
    sent: u64,
    saved: u64,
    refused: u64,
    closed: u64,
    last: Instant,
    longest_pause: Duration,
    times: Times,
}

impl Account {
    fn new(start: Instant) -> Self {
        Self {
            sent: 0,
            saved: 0,
            refused: 0,
            closed: 0,
            last: start,
            longest_pause: Duration::ZERO,
            times: Times::default(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.saved += other.saved;
        self.refused += other.refused;
        self.closed += other.closed;
        self.last = self.last.max(other.last);
        self.longest_pause = self.longest_pause.max(other.longest_pause);
        self.times.add(&other.times);
    }

    fn seen(&self, start: Instant) -> SavesSeen {
        let took = self.last.saturating_duration_since(start);
        SavesSeen {
            sent: self.sent,
            saved: self.saved,
            refused: self.refused,
            per_second: self.saved as f64 / took.as_secs_f64().max(1e-9),
            spread: self.times.spread(),
            longest_pause: self.longest_pause.as_secs_f64() * 1000.0,
            closed: self.closed,
        }
    }
}

/// One writer with its connection.
struct SavesWriter {
    load: Saves,
    dialect: Dialect,
    document: String,
    typed: Typed,
    begin: Instant,
    /// Times at which the edits were due that wait for their answer, oldest first.
    waiting: VecDeque<Instant>,
    account: Account,
}

impl SavesWriter {
    async fn run(mut self, mut client: Client) -> Account {
        tokio::time::sleep_until(self.begin).await;
        let typing_ends = self.begin + self.load.time;
        let end = typing_ends + self.load.patience;
        loop {
            let now = Instant::now();
            let next = self.next_due(now).filter(|due| *due < typing_ends);
            if next.is_some_and(|due| due <= now) {
                self.type_all_due(&mut client, now, typing_ends);
                if client.writer.flush().await.is_err() {
                    self.account.closed += 1;
                    break;
                }
                continue;
            }
            if (now >= typing_ends && self.waiting.is_empty()) || now >= end {
                break;
            }
            let until = next.unwrap_or(if now < typing_ends { typing_ends } else { end });
            let Ok(frame) = timeout_at(until, client.reader.next()).await else {
                continue;
            };
            let now = Instant::now();
            let mut frame = frame.ok();
            loop {
                match frame {
                    Some(Frame::Binary(bytes)) => self.hears(&bytes, now, &mut client),
                    Some(Frame::Ping(payload)) => {
                        let _gone = client.writer.pong(&payload).await;
                    }
                    Some(Frame::Other) => {}
                    Some(Frame::Close(_)) | None => {
                        self.account.closed += 1;
                        self.pauses(now);
                        return self.account;
                    }
                }
                match client.reader.buffered() {
                    Some(next) => frame = Some(next),
                    None => break,
                }
            }
            // An answer to a ping; a broken connection shows at the next reading.
            let _gone = client.writer.flush().await;
        }
        self.pauses(Instant::now());
        self.account
    }

    /// When the next edit is due; nothing while as many wait as may.
    fn next_due(&self, now: Instant) -> Option<Instant> {
        match self.load.pace {
            Pace::Rate(rate) => {
                let since = Duration::from_secs_f64(self.account.sent as f64 / rate);
                Some(self.begin + since)
            }
            Pace::InFlight(most) => (self.waiting.len() < most).then_some(now),
        }
    }

    fn type_all_due(&mut self, client: &mut Client, now: Instant, typing_ends: Instant) {
        while let Some(due) = self.next_due(now)
            && due <= now
            && due < typing_ends
        {
            let Ok(edit) = u32::try_from(self.account.sent) else {
                return;
            };
            let update = self.typed.update(edit);
            client
                .writer
                .queue(&self.dialect.update(&self.document, &update));
            self.account.sent += 1;
            self.waiting.push_back(due);
        }
    }

    fn hears(&mut self, frame: &[u8], now: Instant, client: &mut Client) {
        match self.dialect.read(frame) {
            Incoming::Saved(updates) => {
                let answered = self.account.sent - self.waiting.len() as u64;
                self.answered(updates.saturating_sub(answered), true, now);
            }
            Incoming::Status(saved) => self.answered(1, saved, now),
            Incoming::Ping(answer) => client.writer.queue(answer),
            Incoming::Update(_) | Incoming::Step2(_) | Incoming::Denied | Incoming::Other => {}
        }
    }

    /// The oldest so many are answered.
    fn answered(&mut self, edits: u64, saved: bool, now: Instant) {
        if edits > 0 {
            self.pauses(now);
        }
        for _ in 0..edits {
            let Some(due) = self.waiting.pop_front() else {
                return;
            };
            if saved {
                self.account.saved += 1;
                self.account.times.record(now - due);
            } else {
                self.account.refused += 1;
            }
            self.account.last = now;
        }
    }

    /// Notes for how long edits have waited without any answer until now.
    fn pauses(&mut self, now: Instant) {
        if let Some(oldest) = self.waiting.front() {
            let since = self.account.last.max(*oldest);
            let pause = now.saturating_duration_since(since);
            self.account.longest_pause = self.account.longest_pause.max(pause);
        }
    }
}
