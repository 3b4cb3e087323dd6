//! Innocent people while one document is attacked: what they notice, and what the attack costs the server.
//!
//! Owns the order of a row: a server of its own, the attack prepared, a quiet time, the attack, the time after it, the
//! server asked to end. The attackers are a process of their own at a lower priority, because all of them share the
//! processors: people and server go first.

mod attack;
mod attacker;
mod frames;
mod line;
mod people;
pub mod table;

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

pub use self::attack::{Assault, Attack, Delivered, Left, Prepared};
pub use self::people::Suffered;
use self::people::{Phase, watch};
use crate::process;
use crate::served::Served;

/// Longest wait for an attack to be prepared, to end, or to be looked at.
const ATTACKERS: Duration = Duration::from_secs(180);
/// Longest time in which the server comes to rest before a row begins.
const REST: Duration = Duration::from_secs(10);

/// The times and sizes with which rows are run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Innocents {
    /// The program of the attackers: run as `PROGRAM attack ROW ADDRESS SECONDS SCALE`.
    pub attackers: PathBuf,
    /// The quiet time before.
    pub idle: Duration,
    /// Duration of an attack that repeats something.
    pub time: Duration,
    /// Time after its end in which the people are watched.
    pub after: Duration,
    /// Longest wait for the last echoes beyond that.
    pub patience: Duration,
    /// 1 for the sizes of the table, less for a trial.
    pub scale: f64,
}

/// The result of one row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Name of the server in the table.
    pub server: String,
    /// The row.
    pub attack: Attack,
    /// Measured before the attack.
    pub idle: Suffered,
    /// Measured from the first moment of the attack on.
    pub attacked: Suffered,
    /// Counts of the attackers.
    pub delivered: Delivered,
    /// The attacked document at the end; none if a newcomer did not get in.
    pub left: Option<Left>,
    /// Processor time of the server from the first moment of the attack until the people were through.
    pub processor_seconds: f64,
    /// The most resident memory in that time.
    pub peak_mb: f64,
    /// Seconds until the server had ended after it was asked to; none if it had to be killed.
    pub stop_seconds: Option<f64>,
}

impl Innocents {
    /// Runs one row on a new process of `server`, which is called `name` in the table.
    ///
    /// # Errors
    /// The server does not start, or ends by itself, or the attackers fail.
    pub async fn run(&self, name: &str, server: &str, attack: Attack) -> io::Result<Row> {
        let workers = attack.workers().map_or_else(String::new, |workers| {
            format!("env TOKIO_WORKER_THREADS={workers} ")
        });
        let command =
            format!("{workers}{server} serve --listen 127.0.0.1:{{port}} --data {{data}}");
        let mut served = Served::start(&command).await?;
        let pid = served
            .pid()
            .ok_or_else(|| io::Error::other("the server ended"))?;
        let mut attackers = self.attackers(attack, &served)?;
        attackers.said().await?;
        process::idle(pid, REST).await?;

        let (phase, phases) = watch::channel(Phase::Idle);
        let people = tokio::spawn(watch(served.address(), phases));
        sleep(self.idle).await;
        process::forget_peak(pid)?;
        let used = process::processor_time(pid)?;
        phase.send_replace(Phase::Attacked);
        let delivered: Delivered = serde_json::from_str(&attackers.asked("attack").await?)?;
        sleep(self.after).await;
        phase.send_replace(Phase::Over(Instant::now() + self.patience));
        let [idle, attacked] = people.await.map_err(io::Error::other)??;
        let used = process::processor_time(pid)?.saturating_sub(used);
        let peak = process::peak(pid)?;
        let left = serde_json::from_str(&attackers.asked("look").await?)?;

        let asked = Instant::now();
        let stopped = served.stop().await?;
        Ok(Row {
            server: name.to_owned(),
            attack,
            idle,
            attacked,
            delivered,
            left,
            processor_seconds: used.as_secs_f64(),
            peak_mb: peak as f64 / 1024.0 / 1024.0,
            stop_seconds: stopped.then(|| asked.elapsed().as_secs_f64()),
        })
    }

    fn attackers(&self, attack: Attack, served: &Served) -> io::Result<Attackers> {
        let row = serde_json::to_value(attack)?;
        let mut child = Command::new(&self.attackers)
            .arg("attack")
            .arg(row.as_str().unwrap_or_default())
            .arg(served.address().to_string())
            .arg(self.time.as_secs_f64().to_string())
            .arg(self.scale.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let ends = child.stdin.take().zip(child.stdout.take());
        let (orders, said) = ends.ok_or_else(|| io::Error::other("the attackers have no pipes"))?;
        Ok(Attackers {
            _child: child,
            orders,
            said: BufReader::new(said).lines(),
        })
    }
}

/// The attackers' process: one line for each order.
struct Attackers {
    _child: Child,
    orders: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Attackers {
    async fn said(&mut self) -> io::Result<String> {
        let line = timeout(ATTACKERS, self.said.next_line()).await??;
        line.ok_or_else(|| io::Error::other("the attackers ended"))
    }

    async fn asked(&mut self, order: &str) -> io::Result<String> {
        self.orders
            .write_all(format!("{order}\n").as_bytes())
            .await?;
        self.said().await
    }
}

/// The whole of the attackers' process: prepares, then does what it is told on `orders`, and says what came of it.
///
/// # Errors
/// The attack cannot be prepared, or the pipes are gone.
pub async fn attackers(assault: Assault) -> io::Result<()> {
    let mut out = tokio::io::stdout();
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let mut prepared = Some(assault.prepare().await?);
    out.write_all(b"ready\n").await?;
    out.flush().await?;
    while let Some(order) = orders.next_line().await? {
        let line = match order.as_str() {
            "attack" => {
                let prepared = prepared.take().unwrap_or_default();
                serde_json::to_string(&assault.run(prepared).await?)?
            }
            _ => serde_json::to_string(&assault.look().await.ok())?,
        };
        out.write_all(format!("{line}\n").as_bytes()).await?;
        out.flush().await?;
    }
    Ok(())
}
