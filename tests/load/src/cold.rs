//! Many open a long document at once: how long until each has all of it.
//!
//! Owns the check that it is all of it. What arrives is only kept while the clock runs, and read afterwards: reading it a
//! hundred times would cost more than sending it.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::edits::stretches;
use crate::paper::Paper;
use crate::process;
use crate::target::{PATIENCE, Target};
use crate::times::{Spread, Times};

/// A crowd of newcomers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cold {
    /// How many at once.
    pub joiners: usize,
    /// How often.
    pub rounds: usize,
    /// Time between the last edit and the first joiner; without it, the server's process is idle
    /// first.
    pub after: Option<Duration>,
    /// Name of the document.
    pub name: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Joined {
    /// Milliseconds from the start of a round until each had the whole document.
    #[serde(flatten)]
    pub spread: Spread,
    /// The same until each had the first message with content.
    pub first: Spread,
    /// Bytes of the first sync of the first of them.
    pub bytes: usize,
    /// Messages that it came in.
    pub messages: usize,
    /// Joiners whose first sync did not hold everything, or that got none.
    pub incomplete: usize,
}

/// Up to which clock each client's insertions are there, without a hole.
type Reached = BTreeMap<u64, u32>;

impl Cold {
    /// Gives the server the document, and waits until it has all of it.
    ///
    /// # Errors
    /// It does not come to have it.
    pub async fn prepare(&self, target: &Target, paper: &Paper) -> io::Result<()> {
        let (mut client, _) = target.join(&self.name).await?;
        for (number, update) in paper.updates.iter().enumerate() {
            client
                .writer
                .queue(&target.dialect.update(&self.name, update));
            if number % 16 == 15 {
                client.writer.flush().await?;
            }
        }
        client.writer.flush().await?;
        client.leave().await?;
        let (wanted, end) = (reached(&paper.updates), Instant::now() + PATIENCE);
        loop {
            let (client, synced) = target.join(&self.name).await?;
            client.leave().await?;
            if reached(&synced.updates) == wanted {
                break;
            }
            if Instant::now() > end {
                return Err(io::Error::other("the server does not have the document"));
            }
            sleep(Duration::from_millis(100)).await;
        }
        match (self.after, target.pid) {
            (Some(after), _) => sleep(after).await,
            (None, Some(pid)) => process::idle(pid, Duration::from_secs(10)).await?,
            (None, None) => {}
        }
        Ok(())
    }

    /// Lets them come.
    ///
    /// # Errors
    /// Never because of a joiner: those are counted.
    pub async fn run(&self, target: &Target, paper: &Paper) -> io::Result<Joined> {
        let wanted = reached(&paper.updates);
        let (mut times, mut firsts) = (Times::default(), Times::default());
        let mut joined = Joined {
            spread: Spread::default(),
            first: Spread::default(),
            bytes: 0,
            messages: 0,
            incomplete: 0,
        };
        for round in 0..self.rounds {
            let mut joining = JoinSet::new();
            let start = Instant::now();
            for _ in 0..self.joiners {
                let (target, name) = (target.clone(), self.name.clone());
                joining.spawn(async move { target.join(&name).await });
            }
            let mut inside = Vec::new();
            while let Some(came) = joining.join_next().await {
                match came.map_err(io::Error::other)? {
                    Ok(came) => inside.push(came),
                    Err(_) => joined.incomplete += 1,
                }
            }
            for (number, (client, synced)) in inside.into_iter().enumerate() {
                times.record(synced.at.saturating_duration_since(start));
                firsts.record(synced.first.saturating_duration_since(start));
                if reached(&synced.updates) != wanted {
                    joined.incomplete += 1;
                }
                if round == 0 && number == 0 {
                    joined.bytes = synced.updates.iter().map(Bytes::len).sum();
                    joined.messages = synced.updates.len();
                }
                drop(client);
            }
            if let Some(pid) = target.pid {
                process::idle(pid, Duration::from_secs(5)).await?;
            }
        }
        (joined.spread, joined.first) = (times.spread(), firsts.spread());
        Ok(joined)
    }
}

fn reached(updates: &[Bytes]) -> Reached {
    let mut reached = Reached::new();
    for update in updates {
        stretches(update, |client, clocks| {
            let end = reached.entry(client).or_default();
            if clocks.start <= *end {
                *end = clocks.end.max(*end);
            }
        });
    }
    reached
}
