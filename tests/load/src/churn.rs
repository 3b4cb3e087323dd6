//! New documents, each opened, edited once, and left: how many a second, and what is left of them in memory.
//!
//! Owns how much memory is "left": what is resident once it has stopped falling, beyond what was before.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::edits::Typed;
use crate::process;
use crate::target::Target;

/// A churn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Churn {
    /// Documents at the same time.
    pub in_flight: usize,
    /// How long.
    pub time: Duration,
    /// How long memory may take to come back.
    pub settle: Duration,
    /// Prefix of the documents' names.
    pub name: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Churned {
    /// Documents opened, edited and left.
    pub documents: u64,
    /// A second.
    pub per_second: f64,
    /// Documents that were not: refused, or cut off.
    pub failed: u64,
    /// KB of resident memory before, after a few that do not count.
    pub before_kb: Option<f64>,
    /// At the end, not yet settled.
    pub peak_kb: Option<f64>,
    /// When it has settled.
    pub after_kb: Option<f64>,
    /// What each document has left.
    pub kb_per_document: Option<f64>,
}

#[derive(Debug, Default)]
struct Counts {
    next: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
}

impl Churn {
    /// Opens, edits and leaves documents until the time is over, then waits until memory has settled.
    ///
    /// # Errors
    /// Not even the first documents could be opened.
    pub async fn run(&self, target: &Target) -> io::Result<Churned> {
        for number in 0..200 {
            visit(target, &format!("{}-warm-{number}", self.name)).await?;
        }
        let resident = || target.pid.map(process::resident).transpose();
        if let Some(pid) = target.pid {
            process::settled(pid, self.settle).await?;
        }
        let before = resident()?;
        let counts = Arc::new(Counts::default());
        let (start, mut visitors) = (Instant::now(), JoinSet::new());
        for _ in 0..self.in_flight {
            let (target, name, counts) = (target.clone(), self.name.clone(), Arc::clone(&counts));
            let end = start + self.time;
            visitors.spawn(async move {
                while Instant::now() < end {
                    let number = counts.next.fetch_add(1, Ordering::Relaxed);
                    let count = match visit(&target, &format!("{name}-{number}")).await {
                        Ok(()) => &counts.done,
                        Err(_) => &counts.failed,
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while visitors.join_next().await.is_some() {}
        let took = start.elapsed();
        let peak = resident()?;
        let after = match target.pid {
            Some(pid) => Some(process::settled(pid, self.settle).await?),
            None => None,
        };
        let documents = counts.done.load(Ordering::Relaxed);
        let kb = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / 1024.0);
        let grown = kb(after)
            .zip(kb(before))
            .map(|(after, before)| after - before);
        Ok(Churned {
            documents,
            per_second: documents as f64 / took.as_secs_f64(),
            failed: counts.failed.load(Ordering::Relaxed),
            before_kb: kb(before),
            peak_kb: kb(peak),
            after_kb: kb(after),
            kb_per_document: grown.map(|grown| grown / documents.max(1) as f64),
        })
    }
}

async fn visit(target: &Target, document: &str) -> io::Result<()> {
    let (mut client, _) = target.join(document).await?;
    let typed = Typed {
        client: 7,
        length: 10,
    };
    let update = target.dialect.update(document, &typed.update(0));
    client.writer.queue(&update);
    client.leave().await
}
