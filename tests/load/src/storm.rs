//! Everybody comes back at once, after a network was away: how long until the last one has its first sync.
//!
//! Owns the documents that they come back to, which exist before.

use std::io;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::edits::Typed;
use crate::process;
use crate::target::Target;
use crate::times::{Spread, Times};

/// A storm.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Storm {
    /// Clients.
    pub clients: usize,
    /// In so many documents.
    pub documents: usize,
    /// Prefix of the documents' names.
    pub name: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Weathered {
    /// Seconds until all had their first sync.
    pub seconds: f64,
    /// Milliseconds until each had.
    #[serde(flatten)]
    pub spread: Spread,
    /// Who got in.
    pub synced: usize,
    /// Who was refused or cut off.
    pub refused: usize,
}

impl Storm {
    /// Prepares the documents, then lets everybody come.
    ///
    /// # Errors
    /// A document could not be prepared.
    pub async fn run(&self, target: &Target) -> io::Result<Weathered> {
        let document = |number: usize| format!("{}-{}", self.name, number % self.documents.max(1));
        for number in 0..self.documents {
            let name = document(number);
            let (mut client, _) = target.join(&name).await?;
            let typed = Typed {
                client: 7,
                length: 1000,
            };
            let update = target.dialect.update(&name, &typed.update(0));
            client.writer.queue(&update);
            client.writer.flush().await?;
            client.leave().await?;
        }
        if let Some(pid) = target.pid {
            process::idle(pid, Duration::from_secs(5)).await?;
        }
        let start = Instant::now();
        let mut coming = JoinSet::new();
        for number in 0..self.clients {
            let (target, name) = (target.clone(), document(number));
            coming.spawn(async move {
                let (client, _) = target.join(&name).await?;
                io::Result::Ok((client, start.elapsed()))
            });
        }
        let mut times = Times::default();
        let (mut inside, mut refused, mut last) = (Vec::new(), 0, Duration::ZERO);
        while let Some(came) = coming.join_next().await {
            match came.map_err(io::Error::other)? {
                Ok((client, took)) => {
                    times.record(took);
                    last = last.max(took);
                    // It stays: who leaves would make room for the next.
                    inside.push(client);
                }
                Err(_) => refused += 1,
            }
        }
        Ok(Weathered {
            seconds: last.as_secs_f64(),
            spread: times.spread(),
            synced: inside.len(),
            refused,
        })
    }
}
