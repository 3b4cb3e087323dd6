//! A busy room in which some stop reading: what the others notice, what it costs the server, and whether those who stopped
//! have everything in the end.
//!
//! Owns the same room twice, first without and then with those who stop. They keep their connections alive by unasked
//! pongs, as somebody does whose page is busy: they are slow, not gone.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::crowd::{Crowd, Run, Seen, heard};
use crate::dialect::{Dialect, Incoming};
use crate::edits::stretches;
use crate::process;
use crate::target::{Client, PATIENCE, Target};
use baton_testkit::websocket::Frame;

/// Receive buffer of those who stop, in bytes: what the kernel takes in for them is not the server's burden.
const BUFFER: u32 = 64 * 1024;

/// A room, and some more who stop reading.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stalled {
    /// The room.
    pub crowd: Crowd,
    /// Who stops.
    pub stalled: usize,
    /// How long those may take to have everything, once they read again.
    pub drain: Duration,
}

/// The room without them and with them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Without.
    pub without: Phase,
    /// With.
    pub with: Phase,
    /// MB of resident memory that the second growth is beyond the first: what those who stopped cost.
    pub stalled_mb: Option<f64>,
    /// Of those who stopped: have everything, on the connection that they had.
    pub caught_up: usize,
    /// Were closed by the server, came again, and have everything.
    pub came_again: usize,
    /// Do not have everything.
    pub incomplete: usize,
    /// The codes with which connections were closed; 1006 is none.
    pub codes: BTreeMap<u16, usize>,
    /// Seconds until the last of them had everything.
    pub drained: f64,
}

/// One of the two.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Phase {
    /// What the others saw.
    pub seen: Seen,
    /// MB of resident memory before.
    pub before_mb: Option<f64>,
    /// The most while they typed.
    pub peak_mb: Option<f64>,
}

/// How it ended for one who stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    CaughtUp,
    CameAgain(u16),
    Incomplete(Option<u16>),
}

impl Stalled {
    /// Runs both.
    ///
    /// # Errors
    /// Somebody could not connect.
    pub async fn run(&self, target: &Target) -> io::Result<Compared> {
        let (without, _) = self.phase(target, "without", 0).await?;
        let (with, endings) = self.phase(target, "with", self.stalled).await?;
        let growth = |phase: &Phase| phase.peak_mb.zip(phase.before_mb).map(|(a, b)| a - b);
        let mut compared = Compared {
            stalled_mb: growth(&with).zip(growth(&without)).map(|(a, b)| a - b),
            without,
            with,
            caught_up: 0,
            came_again: 0,
            incomplete: 0,
            codes: BTreeMap::new(),
            drained: 0.0,
        };
        for (ending, took) in endings {
            compared.drained = compared.drained.max(took.as_secs_f64());
            match ending {
                Ending::CaughtUp => compared.caught_up += 1,
                Ending::CameAgain(_) => compared.came_again += 1,
                Ending::Incomplete(_) => compared.incomplete += 1,
            }
            if let Ending::CameAgain(code) | Ending::Incomplete(Some(code)) = ending {
                *compared.codes.entry(code).or_default() += 1;
            }
        }
        Ok(compared)
    }

    async fn phase(
        &self,
        target: &Target,
        name: &str,
        stalled: usize,
    ) -> io::Result<(Phase, Vec<(Ending, Duration)>)> {
        let mut crowd = self.crowd.clone();
        (crowd.rooms, crowd.name) = (1, format!("{}-{name}", crowd.name));
        let document = crowd.document(0);
        let people = crowd.gather(std::slice::from_ref(target)).await?;
        let (resume, resumed) = watch::channel(false);
        let mut slow = JoinSet::new();
        for _ in 0..stalled {
            let mut client = target.connect_with(&document, Some(BUFFER)).await?;
            client.first_sync(target.dialect, &document).await?;
            let one = Slow {
                target: target.clone(),
                document: document.clone(),
                wanted: crowd.writers * crowd.edits() as usize * crowd.length as usize,
                drain: self.drain,
            };
            slow.spawn(one.stop_and_go(client, resumed.clone()));
        }
        if let Some(pid) = target.pid {
            process::idle(pid, Duration::from_secs(5)).await?;
        }
        let before = target.pid.map(process::resident).transpose()?;
        let start = Instant::now() + Duration::from_millis(100);
        let run = Arc::new(Run::new(&crowd, target.dialect, start));
        let (mut listeners, mut typists) = (JoinSet::new(), JoinSet::new());
        for (number, client) in people.into_iter().enumerate() {
            crowd.seat((0, number), client, &run, (&mut listeners, &mut typists));
        }
        let typing = start + crowd.time;
        let mut peak = before;
        while Instant::now() < typing {
            sleep(Duration::from_millis(100)).await;
            peak = peak.max(target.pid.map(process::resident).transpose()?);
        }
        let times = heard(&mut listeners).await?;
        typists.shutdown().await;
        let seen = run.seen(&times, crowd.due(), None);
        let _nobody_stopped = resume.send(true);
        let mut endings = Vec::new();
        while let Some(ending) = slow.join_next().await {
            endings.push(ending.map_err(io::Error::other)?);
        }
        let mb = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / 1024.0 / 1024.0);
        let phase = Phase {
            seen,
            before_mb: mb(before),
            peak_mb: mb(peak),
        };
        Ok((phase, endings))
    }
}

/// One who stops reading.
struct Slow {
    target: Target,
    document: String,
    /// Characters that there are in the end.
    wanted: usize,
    drain: Duration,
}

impl Slow {
    async fn stop_and_go(
        self,
        mut client: Client,
        mut resumed: watch::Receiver<bool>,
    ) -> (Ending, Duration) {
        while !*resumed.borrow_and_update() {
            tokio::select! {
                _ = resumed.changed() => {}
                () = sleep(Duration::from_secs(2)) => {
                    // It may be closed already; that shows when it reads.
                    let _closed = client.writer.pong(&[]).await;
                }
            }
        }
        let start = Instant::now();
        let ending = self.go(client, start + self.drain).await;
        (ending, start.elapsed())
    }

    async fn go(&self, mut client: Client, end: Instant) -> Ending {
        let mut got = Got::default();
        let code = loop {
            if got.characters() >= self.wanted {
                return Ending::CaughtUp;
            }
            match timeout_at(end, client.reader.next()).await {
                Ok(Ok(Frame::Binary(bytes))) => got.take(self.target.dialect, &bytes),
                Ok(Ok(Frame::Ping(payload))) => {
                    let _closed = client.writer.pong(&payload).await;
                }
                Ok(Ok(Frame::Other)) => {}
                Ok(Ok(Frame::Close(code))) => break code,
                Ok(Err(_)) => break 1006,
                Err(_) => return Ending::Incomplete(None),
            }
        };
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let again = self.target.join(&self.document).await;
            if let Ok((_, synced)) = again {
                let mut got = Got::default();
                for update in synced.updates {
                    stretches(&update, |client, clocks| {
                        got.stretch(client, clocks.start, clocks.end);
                    });
                }
                if got.characters() >= self.wanted {
                    return Ending::CameAgain(code);
                }
            }
            sleep_until(Instant::now() + Duration::from_millis(200)).await;
        }
        Ending::Incomplete(Some(code))
    }
}

/// What one has: up to which clock of each writer, without a hole.
#[derive(Default)]
struct Got(BTreeMap<u64, u32>);

impl Got {
    fn take(&mut self, dialect: Dialect, frame: &[u8]) {
        if let Incoming::Update(update) | Incoming::Step2(update) = dialect.read(frame) {
            stretches(update, |client, clocks| {
                self.stretch(client, clocks.start, clocks.end);
            });
        }
    }

    fn stretch(&mut self, client: u64, start: u32, end: u32) {
        let reached = self.0.entry(client).or_default();
        if start <= *reached {
            *reached = end.max(*reached);
        }
    }

    fn characters(&self) -> usize {
        self.0.values().map(|end| *end as usize).sum()
    }
}
