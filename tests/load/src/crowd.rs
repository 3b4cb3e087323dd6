//! Rooms full of people, some of whom type: how long an edit takes from the moment it was due to each of the others.
//!
//! Owns the schedule (open loop: an edit is due when it is due, however slow the server is) and the counting. A writer
//! that is behind sends all that is due in one write, as a browser would.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::dialect::{Dialect, Incoming};
use crate::edits::{Typed, stretches, writer_id};
use crate::process;
use crate::target::{Client, Target, join_each};
use crate::times::{Spread, Times};
use baton_testkit::websocket::{Frame, Reader, Writer};

/// A load of rooms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Crowd {
    /// Documents.
    pub rooms: usize,
    /// People in each.
    pub clients: usize,
    /// Of whom so many type.
    pub writers: usize,
    /// Edits a second of each writer.
    pub rate: f64,
    /// Characters of an edit.
    pub length: u32,
    /// How long they type.
    pub time: Duration,
    /// How long the last edits may take to arrive.
    pub patience: Duration,
    /// Prefix of the documents' names, so that two runs against one server do not meet.
    pub name: String,
}

impl Default for Crowd {
    fn default() -> Self {
        Self {
            rooms: 20,
            clients: 10,
            writers: 2,
            rate: 20.0,
            length: 1,
            time: Duration::from_secs(10),
            patience: Duration::from_secs(5),
            name: "load".to_owned(),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seen {
    /// Edits that were due to arrive somewhere.
    pub due: u64,
    /// Edits that arrived.
    pub delivered: u64,
    /// Deliveries a second, over the time from the first edit to the last delivery.
    pub per_second: f64,
    /// Milliseconds from due to delivered, of those that arrived.
    #[serde(flatten)]
    pub spread: Spread,
    /// Connections that the server ended.
    pub closed: u64,
    /// Processor time of the server in seconds for a million deliveries, if its process is known.
    pub cpu_per_million: Option<f64>,
}

/// What all connections of a run share.
#[derive(Debug)]
pub(crate) struct Run {
    start: Instant,
    /// Time between two edits of a writer.
    every: Duration,
    length: u32,
    /// In one room, and in all.
    room_writers: usize,
    writers: usize,
    dialect: Dialect,
    end: Instant,
    delivered: AtomicU64,
    closed: AtomicU64,
    last: Mutex<Instant>,
}

impl Run {
    /// The schedule of a crowd that begins at `start`.
    pub(crate) fn new(crowd: &Crowd, dialect: Dialect, start: Instant) -> Self {
        Self {
            start,
            every: Duration::from_secs_f64(1.0 / crowd.rate),
            length: crowd.length,
            room_writers: crowd.writers,
            writers: crowd.rooms * crowd.writers,
            dialect,
            end: start + crowd.time + crowd.patience,
            delivered: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            last: Mutex::new(start),
        }
    }

    /// When a writer's edit is due; writers are spread over the first interval.
    fn due(&self, writer: usize, edit: u32) -> Instant {
        let share = self.every.mul_f64(writer as f64 / self.writers as f64);
        self.start + share + self.every * edit
    }

    /// Counts what one listener got, the last of it at this moment.
    fn heard(&self, deliveries: u64, at: Instant) {
        self.delivered.fetch_add(deliveries, Ordering::Relaxed);
        let mut last = self.last.lock();
        *last = at.max(*last);
    }

    /// What came of it, given the times and the processor time that it cost.
    pub(crate) fn seen(&self, times: &Times, due: u64, cost: Option<Duration>) -> Seen {
        let delivered = self.delivered.load(Ordering::Relaxed);
        let took = self.last.lock().saturating_duration_since(self.start);
        Seen {
            due,
            delivered,
            per_second: delivered as f64 / took.as_secs_f64().max(1e-9),
            spread: times.spread(),
            closed: self.closed.load(Ordering::Relaxed),
            cpu_per_million: cost.map(|cost| cost.as_secs_f64() * 1e6 / delivered.max(1) as f64),
        }
    }
}

impl Crowd {
    /// The document of a room.
    #[must_use]
    pub fn document(&self, room: usize) -> String {
        format!("{}-{room}", self.name)
    }

    /// Connects everybody, lets them type, and waits until all has arrived or patience is over.
    ///
    /// # Errors
    /// Somebody could not connect.
    pub async fn run(&self, target: &Target) -> io::Result<Seen> {
        self.run_over(std::slice::from_ref(target)).await
    }

    /// The same over several servers of the same documents and one wire: the people of each room are dealt to them in
    /// turn, so that the first writer is at the first server. The processor time is that of all of them.
    ///
    /// # Errors
    /// Somebody could not connect, or there is no server.
    pub async fn run_over(&self, targets: &[Target]) -> io::Result<Seen> {
        let first = targets.first();
        let first = first.ok_or_else(|| io::Error::other("a crowd needs a server"))?;
        let people = self.gather(targets).await?;
        let start = Instant::now() + Duration::from_millis(100);
        let run = Arc::new(Run::new(self, first.dialect, start));
        let (mut listeners, mut typists) = (JoinSet::new(), JoinSet::new());
        for (number, client) in people.into_iter().enumerate() {
            let place = (number / self.clients, number % self.clients);
            self.seat(place, client, &run, (&mut listeners, &mut typists));
        }
        let pids: Option<Vec<u32>> = targets.iter().map(|target| target.pid).collect();
        let used = || pids.as_deref().map(process::processor_times).transpose();
        sleep_until(start).await;
        let before = used()?;
        let times = heard(&mut listeners).await?;
        typists.shutdown().await;
        let cost = before
            .zip(used()?)
            .map(|(before, after)| after.saturating_sub(before));
        Ok(run.seen(&times, self.due(), cost))
    }

    /// Connects everybody, in the order of the rooms: first one in each, for there are servers that make two documents of
    /// one which two open at the same moment, and that is not what is measured here.
    pub(crate) async fn gather(&self, targets: &[Target]) -> io::Result<Vec<Client>> {
        let places = |clients: std::ops::Range<usize>| {
            let rooms = (0..self.rooms).map(|room| self.document(room));
            rooms.flat_map(move |document| {
                let targets = clients
                    .clone()
                    .map(|client| &targets[client % targets.len()]);
                targets.map(move |target| (target, document.clone()))
            })
        };
        let first = join_each(places(0..1)).await?;
        let others = self.clients.saturating_sub(1);
        let mut rest = join_each(places(1..self.clients.max(1))).await?.into_iter();
        let mut people = Vec::with_capacity(self.rooms * self.clients);
        for client in first {
            people.push(client);
            people.extend(rest.by_ref().take(others));
        }
        Ok(people)
    }

    /// Lets one of them type, if that is a writer, and listen.
    pub(crate) fn seat(
        &self,
        (room, client): (usize, usize),
        Client { reader, writer }: Client,
        run: &Arc<Run>,
        (listeners, typists): (&mut JoinSet<Heard>, &mut JoinSet<()>),
    ) {
        let types = client < self.writers;
        let others = self.writers - usize::from(types);
        let writer = Arc::new(tokio::sync::Mutex::new(writer));
        if types {
            let edits = self.frames(run.dialect, room, client);
            let number = room * self.writers + client;
            typists.spawn(type_on_time(
                edits,
                number,
                Arc::clone(&writer),
                Arc::clone(run),
            ));
        }
        let expected = others as u64 * u64::from(self.edits());
        let own = types.then_some(client);
        let count = Count::new(room, own, Arc::clone(run));
        listeners.spawn(listen(reader, writer, expected, count));
    }

    fn frames(&self, dialect: Dialect, room: usize, writer: usize) -> Vec<Bytes> {
        let typed = Typed {
            client: writer_id(room, writer),
            length: self.length,
        };
        let document = self.document(room);
        let frames = (0..self.edits()).map(|edit| dialect.update(&document, &typed.update(edit)));
        frames.collect()
    }

    /// How many edits each writer makes.
    #[must_use]
    pub fn edits(&self) -> u32 {
        (self.rate * self.time.as_secs_f64()).ceil() as u32
    }

    /// How many deliveries that is to come to.
    #[must_use]
    pub fn due(&self) -> u64 {
        let readers = self.clients.saturating_sub(1) as u64;
        (self.rooms * self.writers) as u64 * u64::from(self.edits()) * readers
    }
}

async fn type_on_time(
    frames: Vec<Bytes>,
    number: usize,
    writer: Arc<tokio::sync::Mutex<Writer>>,
    run: Arc<Run>,
) {
    let mut frames = (0..).zip(frames).peekable();
    while let Some((next, _)) = frames.peek() {
        sleep_until(run.due(number, *next)).await;
        let now = Instant::now();
        let mut writer = writer.lock().await;
        while let Some((_, frame)) = frames.next_if(|(edit, _)| run.due(number, *edit) <= now) {
            writer.queue(&frame);
        }
        if writer.flush().await.is_err() {
            return;
        }
    }
}

async fn listen(
    mut reader: Reader,
    writer: Arc<tokio::sync::Mutex<Writer>>,
    expected: u64,
    mut count: Count,
) -> Heard {
    let run = Arc::clone(&count.run);
    let mut last = run.start;
    while count.got < expected {
        let Ok(frame) = timeout_at(run.end, reader.next()).await else {
            break;
        };
        let (now, before) = (Instant::now(), count.got);
        let mut frame = frame.ok();
        loop {
            match frame {
                Some(Frame::Binary(bytes)) => {
                    if let Some(answer) = count.frame(&bytes, now) {
                        let mut writer = writer.lock().await;
                        writer.queue(answer);
                        let _gone = writer.flush().await;
                    }
                }
                Some(Frame::Ping(payload)) => {
                    let _gone = writer.lock().await.pong(&payload).await;
                }
                Some(Frame::Other) => {}
                Some(Frame::Close(_)) | None => {
                    run.closed.fetch_add(1, Ordering::Relaxed);
                    run.heard(count.got, last);
                    return Heard {
                        times: count.times,
                        _connection: (reader, writer),
                    };
                }
            }
            match reader.buffered() {
                Some(next) => frame = Some(next),
                None => break,
            }
        }
        if count.got > before {
            last = now;
        }
    }
    run.heard(count.got, last);
    Heard {
        times: count.times,
        _connection: (reader, writer),
    }
}

/// What one listener heard. Its connection stays open until all have heard everything: a connection that is closed with
/// something unread is reset, and then the server loses what its writer had just sent.
pub(crate) struct Heard {
    times: Times,
    _connection: (Reader, Arc<tokio::sync::Mutex<Writer>>),
}

/// Waits for all listeners.
pub(crate) async fn heard(listeners: &mut JoinSet<Heard>) -> io::Result<Times> {
    let (mut times, mut all) = (Times::default(), Vec::new());
    while let Some(heard) = listeners.join_next().await {
        let heard = heard.map_err(io::Error::other)?;
        times.add(&heard.times);
        all.push(heard);
    }
    Ok(times)
}

/// What one listener has seen.
struct Count {
    run: Arc<Run>,
    room: usize,
    /// Which of the writers it is itself: some servers send everybody their own edits back, which is no delivery.
    own: Option<usize>,
    /// The clock up to which each writer's edits are here: what comes twice counts once, what is left out never.
    clocks: Vec<u32>,
    got: u64,
    times: Times,
}

impl Count {
    fn new(room: usize, own: Option<usize>, run: Arc<Run>) -> Self {
        Self {
            room,
            own,
            clocks: vec![0; run.room_writers],
            run,
            got: 0,
            times: Times::default(),
        }
    }

    /// Counts the edits in a frame; returns what is to be answered.
    fn frame(&mut self, bytes: &[u8], now: Instant) -> Option<&'static [u8]> {
        let update = match self.run.dialect.read(bytes) {
            Incoming::Update(update) | Incoming::Step2(update) => update,
            Incoming::Ping(answer) => return Some(answer),
            Incoming::Saved(_) | Incoming::Status(_) | Incoming::Denied | Incoming::Other => {
                return None;
            }
        };
        stretches(update, |client, clocks| {
            let writer = client.checked_sub(writer_id(self.room, 0));
            let writer = writer.and_then(|writer| usize::try_from(writer).ok());
            let writer = writer.filter(|writer| Some(*writer) != self.own);
            let Some((writer, known)) =
                writer.and_then(|writer| Some((writer, self.clocks.get_mut(writer)?)))
            else {
                return;
            };
            let new = clocks.start.max(*known)..clocks.end;
            *known = clocks.end.max(*known);
            let number = self.room * self.run.room_writers + writer;
            for edit in new.start / self.run.length..new.end / self.run.length {
                let late = now.saturating_duration_since(self.run.due(number, edit));
                self.times.record(late);
                self.got += 1;
            }
        });
        None
    }
}
