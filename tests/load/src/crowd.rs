//! Rooms full of people, some of whom type: how long an edit takes from the moment it was due to each of the others.
//!
//! Owns the schedule (open loop: an edit is due when it is due, however slow the server is) and the counting. A writer
//! that is behind sends all that is due in one write, as a browser would.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use baton_sync::StateVector;
use baton_sync::y_websocket::{self, Message};
use bytes::Bytes;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::edits::{Edits, stretches, writer_id};
use crate::process;
use crate::wire::{self, Frame, Reader, Writer};

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
    pub length: usize,
    /// How long they type.
    pub time: Duration,
    /// How long the last edits may take to arrive.
    pub patience: Duration,
    /// The server's process, whose processor time is read from the first edit to the last delivery.
    pub pid: Option<u32>,
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
            pid: None,
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
    /// Milliseconds from due to delivered: the median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
    /// Connections that the server ended.
    pub closed: u64,
    /// Processor time of the server in seconds for a million deliveries, if its process is known.
    pub cpu_per_million: Option<f64>,
}

/// What all connections of a run share.
struct Run {
    start: Instant,
    /// Time between two edits of a writer.
    every: Duration,
    length: u32,
    writers: usize,
    end: Instant,
    delivered: AtomicU64,
    closed: AtomicU64,
    last: Mutex<Instant>,
}

impl Run {
    /// When a writer's edit is due; writers are spread over the first interval.
    fn due(&self, writer: usize, edit: u32) -> Instant {
        let share = self.every.mul_f64(writer as f64 / self.writers as f64);
        self.start + share + self.every * edit
    }
}

impl Crowd {
    /// Connects everybody, lets them type, and waits until all has arrived or patience is over.
    ///
    /// # Errors
    /// Somebody could not connect.
    pub async fn run(&self, address: SocketAddr, base: &str) -> io::Result<Seen> {
        let mut people = Vec::new();
        for room in 0..self.rooms {
            for client in 0..self.clients {
                let path = format!("{base}/{}-{room}", self.name);
                let mut halves = wire::connect(address, &path).await?;
                greet(&mut halves).await?;
                people.push((room, client, halves));
            }
        }
        let edits = self.edits();
        let used = || self.pid.map(process::processor_time).transpose();
        let start = Instant::now() + Duration::from_millis(100);
        let run = Arc::new(Run {
            start,
            every: Duration::from_secs_f64(1.0 / self.rate),
            length: u32::try_from(self.length).unwrap_or(u32::MAX),
            writers: self.rooms * self.writers,
            end: start + self.time + self.patience,
            delivered: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            last: Mutex::new(start),
        });
        let mut tasks = JoinSet::new();
        let mut typists = JoinSet::new();
        for (room, client, (reader, writer)) in people {
            let number = room * self.writers + client;
            let others = if client < self.writers {
                self.writers - 1
            } else {
                self.writers
            };
            let expected = others as u64 * u64::from(edits);
            let writer = Arc::new(tokio::sync::Mutex::new(writer));
            if client < self.writers {
                let edits = Edits::typed(writer_id(room, client), edits as usize, self.length);
                typists.spawn(type_on_time(
                    edits,
                    number,
                    Arc::clone(&writer),
                    Arc::clone(&run),
                ));
            }
            tasks.spawn(listen(
                reader,
                writer,
                expected,
                (room, self.writers),
                Arc::clone(&run),
            ));
        }
        let due = self.due(edits);
        sleep_until(start).await;
        let before = used()?;
        let mut times = histogram();
        while let Some(seen) = tasks.join_next().await {
            if let Ok(seen) = seen {
                let _same_bounds = times.add(seen);
            }
        }
        typists.shutdown().await;
        let cost = before
            .zip(used()?)
            .map(|(before, after)| after.saturating_sub(before));
        Ok(seen(&run, &times, due, cost))
    }

    /// How many edits each writer makes.
    fn edits(&self) -> u32 {
        (self.rate * self.time.as_secs_f64()).ceil() as u32
    }

    fn due(&self, edits: u32) -> u64 {
        let readers = self.clients.saturating_sub(1) as u64;
        (self.rooms * self.writers) as u64 * u64::from(edits) * readers
    }
}

fn seen(run: &Run, times: &Histogram<u64>, due: u64, cost: Option<Duration>) -> Seen {
    let delivered = run.delivered.load(Ordering::Relaxed);
    let took = run.last.lock().saturating_duration_since(run.start);
    let millis = |micros: u64| micros as f64 / 1000.0;
    Seen {
        due,
        delivered,
        per_second: delivered as f64 / took.as_secs_f64().max(1e-9),
        p50: millis(times.value_at_quantile(0.5)),
        p99: millis(times.value_at_quantile(0.99)),
        max: millis(times.max()),
        closed: run.closed.load(Ordering::Relaxed),
        cpu_per_million: cost.map(|cost| cost.as_secs_f64() * 1e6 / delivered.max(1) as f64),
    }
}

/// Microseconds, up to two minutes, to one part in a hundred.
fn histogram() -> Histogram<u64> {
    let exact = Histogram::new_with_bounds(1, 120_000_000, 2);
    exact.unwrap_or_else(|_| {
        Histogram::new(2).unwrap_or_else(|_| unreachable!("2 digits are allowed"))
    })
}

/// Does the first sync, and is then in the room: what comes after it is an edit.
async fn greet((reader, writer): &mut (Reader, Writer)) -> io::Result<()> {
    writer.queue(&y_websocket::step1(&StateVector::new()));
    writer.flush().await?;
    let within = Instant::now() + Duration::from_millis(200);
    // A forwarder answers nothing: then the time is over.
    while let Ok(frame) = timeout_at(within, reader.next()).await {
        if let Frame::Binary(bytes) = frame?
            && matches!(y_websocket::decode(&bytes), Ok(Message::Step2(_)))
        {
            break;
        }
    }
    Ok(())
}

async fn type_on_time(
    edits: Edits,
    number: usize,
    writer: Arc<tokio::sync::Mutex<Writer>>,
    run: Arc<Run>,
) {
    let mut frames = (0..).zip(edits.frames).peekable();
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
    (room, writers): (usize, usize),
    run: Arc<Run>,
) -> Histogram<u64> {
    let mut times = histogram();
    let mut got = 0;
    while got < expected {
        let Ok(frame) = timeout_at(run.end, reader.next()).await else {
            break;
        };
        let now = Instant::now();
        let mut frame = frame.ok();
        loop {
            match frame {
                Some(Frame::Binary(bytes)) => {
                    got += count(&bytes, (room, writers), now, &run, &mut times);
                }
                Some(Frame::Ping(payload)) => {
                    let _gone = writer.lock().await.pong(&payload).await;
                }
                Some(Frame::Other) => {}
                Some(Frame::Close(_)) | None => {
                    run.closed.fetch_add(1, Ordering::Relaxed);
                    run.delivered.fetch_add(got, Ordering::Relaxed);
                    return times;
                }
            }
            match reader.buffered() {
                Some(next) => frame = Some(next),
                None => break,
            }
        }
        if got >= expected {
            let mut last = run.last.lock();
            *last = now.max(*last);
        }
    }
    run.delivered.fetch_add(got, Ordering::Relaxed);
    times
}

/// Counts the edits in a frame.
fn count(
    bytes: &Bytes,
    (room, writers): (usize, usize),
    now: Instant,
    run: &Run,
    times: &mut Histogram<u64>,
) -> u64 {
    let Ok(Message::Update(update) | Message::Step2(update)) = y_websocket::decode(bytes) else {
        return 0;
    };
    let mut got = 0;
    for (client, first, end) in stretches(update) {
        let base = writer_id(room, 0);
        let Some(writer) = client
            .checked_sub(base)
            .filter(|writer| *writer < writers as u64)
        else {
            continue;
        };
        let number = room * writers + usize::try_from(writer).unwrap_or(0);
        for edit in first / run.length..end / run.length {
            let late = now.saturating_duration_since(run.due(number, edit));
            let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
            times.saturating_record(micros.max(1));
            got += 1;
        }
    }
    got
}
