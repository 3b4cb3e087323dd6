//! A live feed into a document: once a second, a tick `{n, at, value}` at the end of the array
//! `ticks`, which keeps the newest 120.
//!
//! `cargo run -p baton-client --example feed -- ws://127.0.0.1:8080/ws feed`
//!
//! It may start before the server, and continues from the last tick after a restart of either. It
//! loses no tick while it runs: ticks made offline are sent with the next connection, and ticks
//! made while another session holds the lock are written when the lock is free. Ctrl-C leaves for
//! good.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use baton_client::yrs::{Any, Array, Out, ReadTxn, TransactionMut, WriteTxn};
use baton_client::{
    Client, ClientEnded, ClientEvent, ClientOptions, ClientRole, EditError, EditPermission, User,
};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Number of ticks that the document keeps.
const KEPT: usize = 120;

/// The first value, to which later ones are drawn back.
const HOME: f64 = 100.0;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Tick {
    n: u64,
    /// Milliseconds since the epoch.
    at: u64,
    value: f64,
}

impl From<Tick> for Any {
    fn from(tick: Tick) -> Self {
        // Whole numbers go as doubles, too: a large integer would reach JavaScript as a BigInt.
        let fields = [
            ("n", tick.n as f64),
            ("at", tick.at as f64),
            ("value", tick.value),
        ];
        let fields: HashMap<String, Self> = fields
            .into_iter()
            .map(|(name, number)| (name.to_owned(), Self::from(number)))
            .collect();
        Self::Map(Arc::new(fields))
    }
}

impl Tick {
    fn read(out: &Out) -> Option<Self> {
        let Out::Any(Any::Map(fields)) = out else {
            return None;
        };
        let number = |name| match fields.get(name) {
            Some(Any::Number(number)) => number.as_f64(),
            _ => None,
        };
        Some(Self {
            n: number("n")? as u64,
            at: number("at")? as u64,
            value: number("value")?,
        })
    }
}

/// A random walk that numbers its steps.
struct Walk {
    last: Option<Tick>,
    speed: f64,
}

impl Walk {
    const fn new() -> Self {
        Self {
            last: None,
            speed: 0.0,
        }
    }

    /// Continues after this tick, unless the walk is beyond it.
    fn resume(&mut self, from: Option<Tick>) {
        let n = |tick: Option<Tick>| tick.map(|tick| tick.n);
        if n(from) > n(self.last) {
            self.last = from;
        }
    }

    fn step(&mut self, at: u64) -> Tick {
        let (n, value) = self.last.map_or((0, HOME), |last| (last.n, last.value));
        // Momentum makes the walk smooth, a weak spring keeps it near the first value.
        self.speed =
            0.85 * self.speed + 0.9 * rand::random_range(-1.0..1.0) - 0.004 * (value - HOME);
        let value = ((value + self.speed) * 100.0).round() / 100.0;
        let n = n + 1;
        *self.last.insert(Tick { n, at, value })
    }
}

/// The end of one client of the feed.
enum StepOutput {
    /// This copy can no longer be edited; the feed continues with a fresh one.
    Afresh,
    Stop,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(url), Some(document), None) = (words.next(), words.next(), words.next()) else {
        return Err("usage: feed ws://HOST:PORT/ws DOCUMENT".into());
    };
    let mut options = ClientOptions::new(url, document);
    options.user = User {
        name: "Feed".to_owned(),
        color: "#2f9e44".to_owned(),
        ..User::default()
    };
    // The feed edits only while the lock is free, and never asks for it.
    options.role = ClientRole::Observer;
    let mut walk = Walk::new();
    let mut backlog = VecDeque::new();
    loop {
        let client = Client::connect(options.clone())?;
        let output = tokio::select! {
            output = run(&client, &mut walk, &mut backlog) => output?,
            () = told_to_stop() => StepOutput::Stop,
        };
        // The last edits are worth a short wait, but not a long one if the server is away.
        let _ = timeout(Duration::from_secs(1), client.saved()).await;
        client.close().await;
        match output {
            StepOutput::Stop => return Ok(()),
            StepOutput::Afresh => {
                eprintln!("this copy can no longer be edited; opening a fresh one");
            }
        }
    }
}

async fn run(
    client: &Client,
    walk: &mut Walk,
    backlog: &mut VecDeque<Tick>,
) -> Result<StepOutput, EditError> {
    let mut events = client.events();
    match client.synced().await {
        Ok(()) => {}
        Err(ClientEnded::Diverged) => return Ok(StepOutput::Afresh),
        Err(ended) => {
            eprintln!("{ended}");
            return Ok(StepOutput::Stop);
        }
    }
    walk.resume(last(client)?);
    match &walk.last {
        Some(_) => eprintln!("the feed goes on after its last tick"),
        None => eprintln!("the feed begins"),
    }
    let mut seconds = interval(Duration::from_secs(1));
    // One tick, and no burst, after a pause of the whole machine.
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = seconds.tick() => {
                backlog.push_back(walk.step(now()));
                // The document would not keep more than that.
                while backlog.len() > KEPT {
                    backlog.pop_front();
                }
                match client.edit(|txn| append(txn, backlog)) {
                    Ok(()) => backlog.clear(),
                    Err(EditError::NotNow(EditPermission::Diverged | EditPermission::Closed)) => {
                        return Ok(StepOutput::Afresh);
                    }
                    // Another session has the lock: the ticks wait.
                    Err(EditError::NotNow(_)) => {}
                    Err(broken) => return Err(broken),
                }
            }
            event = events.recv() => match event {
                Ok(ClientEvent::Closed { cause, reconnect }) => {
                    eprintln!("the connection ended: {cause}; {reconnect:?}");
                }
                Ok(ClientEvent::Synced) => eprintln!("the feed has all that the server has"),
                Ok(ClientEvent::Error { message, .. }) => eprintln!("{message}"),
                _ => {}
            }
        }
    }
}

fn append(txn: &mut TransactionMut<'_>, ticks: &VecDeque<Tick>) {
    let array = txn.get_or_insert_array("ticks");
    for tick in ticks {
        array.push_back(txn, Any::from(*tick));
    }
    let excess = array.len(txn).saturating_sub(KEPT as u32);
    if excess > 0 {
        array.remove_range(txn, 0, excess);
    }
}

/// Returns the newest tick in the document.
fn last(client: &Client) -> Result<Option<Tick>, EditError> {
    let newest = client.read(|txn| {
        let array = txn.get_array("ticks")?;
        array
            .iter(txn)
            .filter_map(|out| Tick::read(&out))
            .max_by_key(|tick| tick.n)
    })?;
    Ok(newest)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or_default()
}

/// Waits for Ctrl-C, or for the terminate signal of a service manager.
async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return,
                _ = terminate.recv() => return,
            }
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
