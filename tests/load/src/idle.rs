//! Connections on which nobody types: what each of them costs in memory, and their heartbeats in processor time.
//!
//! Owns clients that only answer pings and, if wanted, say again who they are, as y-websocket's do each 15 s.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::dialect::{Dialect, Incoming};
use crate::process;
use crate::target::{Client, Target};
use baton_testkit::websocket::Frame;

/// Connections, and how long they stay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Idle {
    /// How many.
    pub connections: usize,
    /// In so many documents.
    pub documents: usize,
    /// So many of them on each connection; more than one only on the Hocuspocus wire.
    pub documents_each: usize,
    /// How long their heartbeats are watched, if at all.
    pub heartbeats: Option<Duration>,
    /// How often each renews its awareness, if at all.
    pub renew: Option<Duration>,
    /// Prefix of the documents' names.
    pub name: String,
}

/// What they cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IdleCost {
    /// KB of resident memory before the first of them.
    pub before_kb: f64,
    /// With all of them.
    pub after_kb: f64,
    /// For each.
    pub kb_per_connection: f64,
    /// The part of one processor that the heartbeats took: 0.03 is 3 %.
    pub processor_share: Option<f64>,
    /// Pings that were answered.
    pub pings: u64,
    /// Connections that the server ended.
    pub closed: u64,
}

#[derive(Debug, Default)]
struct Counts {
    pings: AtomicU64,
    closed: AtomicU64,
}

impl Idle {
    /// Connects them, looks, and waits.
    ///
    /// # Errors
    /// Somebody could not connect, or the server's process is not known.
    pub async fn run(&self, target: &Target) -> io::Result<IdleCost> {
        let pid = target.pid.ok_or_else(unknown_process)?;
        if self.documents_each != 1 && target.dialect != Dialect::Hocuspocus {
            return Err(io::Error::other(
                "several documents on a connection need the wire hocuspocus",
            ));
        }
        let name = |number: usize| format!("{}-{}", self.name, number % self.documents.max(1));
        let first = |connection: usize| name(connection * self.documents_each);
        // What a server sets up once is not what a connection costs.
        for client in target
            .join_all((0..self.documents.max(1)).map(name))
            .await?
        {
            client.leave().await?;
        }
        process::idle(pid, Duration::from_secs(5)).await?;
        let before = process::resident(pid)?;
        let mut clients = target.join_all((0..self.connections).map(first)).await?;
        for (connection, client) in clients.iter_mut().enumerate() {
            for more in 1..self.documents_each {
                let document = name(connection * self.documents_each + more);
                client.open_another(target.dialect, &document).await?;
            }
        }
        let counts = Arc::new(Counts::default());
        let mut staying = JoinSet::new();
        let start = Instant::now();
        for (number, client) in clients.into_iter().enumerate() {
            let renew = self.renew.map(|every| {
                let first = every.mul_f64(number as f64 / self.connections as f64);
                (start + first, every)
            });
            let stay = Stay {
                dialect: target.dialect,
                document: first(number),
                id: 1_000_000 + number as u64,
                counts: Arc::clone(&counts),
            };
            staying.spawn(stay.on(client, renew));
        }
        process::idle(pid, Duration::from_secs(5)).await?;
        let after = process::resident(pid)?;
        let processor_share = match self.heartbeats {
            Some(time) => {
                let (used, began) = (process::processor_time(pid)?, Instant::now());
                sleep(time).await;
                let cost = process::processor_time(pid)?.saturating_sub(used);
                Some(cost.as_secs_f64() / began.elapsed().as_secs_f64())
            }
            None => None,
        };
        let kb = |bytes: u64| bytes as f64 / 1024.0;
        Ok(IdleCost {
            before_kb: kb(before),
            after_kb: kb(after),
            kb_per_connection: (kb(after) - kb(before)) / self.connections.max(1) as f64,
            processor_share,
            pings: counts.pings.load(Ordering::Relaxed),
            closed: counts.closed.load(Ordering::Relaxed),
        })
    }
}

/// A measurement that needs the server's process and was not told it.
pub(crate) fn unknown_process() -> io::Error {
    io::Error::other("this load reads the memory of the server's process: give --pid, or --serve")
}

struct Stay {
    dialect: Dialect,
    document: String,
    id: u64,
    counts: Arc<Counts>,
}

impl Stay {
    /// Stays until the connection ends.
    async fn on(self, client: Client, renew: Option<(Instant, Duration)>) {
        if self.until_closed(client, renew).await.is_err() {
            self.counts.closed.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn until_closed(
        &self,
        Client {
            mut reader,
            mut writer,
        }: Client,
        mut renew: Option<(Instant, Duration)>,
    ) -> io::Result<()> {
        let mut clock = 0;
        loop {
            let due = async {
                match renew {
                    Some((at, _)) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                frame = reader.next() => match frame? {
                    Frame::Ping(payload) => {
                        self.counts.pings.fetch_add(1, Ordering::Relaxed);
                        writer.pong(&payload).await?;
                    }
                    Frame::Binary(bytes) => {
                        if let Incoming::Ping(answer) = self.dialect.read(&bytes) {
                            self.counts.pings.fetch_add(1, Ordering::Relaxed);
                            writer.queue(answer);
                            writer.flush().await?;
                        }
                    }
                    Frame::Close(code) => return Err(crate::target::closed(code)),
                    Frame::Other => {}
                },
                () = due => {
                    renew = renew.map(|(at, every)| (at + every, every));
                    clock += 1;
                    writer.queue(&self.dialect.awareness(&self.document, self.id, clock));
                    writer.flush().await?;
                }
            }
        }
    }
}
