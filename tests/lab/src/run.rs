//! One run: the server, the clients behind their doors, the chaos, the quiet afterwards, and the look at what is left.
//!
//! Owns the order of these; every decision comes from the plan, every judgement is the oracle's.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use baton_client::{Client, ClientOptions, EditRight};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};

use crate::content::{self, Contents};
use crate::error::LabError;
use crate::oracle::{self, Verdict};
use crate::people::{Person, Phase, Window, Wire};
use crate::plan::{Acts, Disturbance, Trouble, Way, disturbances};
use crate::proxy::Door;
use crate::record::{self, Ending, Progress, Record, Recorder, What};
use crate::scenario::{Chaos, Scenario};
use crate::server::Server;

/// How often progress is told, and agreement looked for.
const LOOK: Duration = Duration::from_millis(100);

/// How long a newcomer may take, and a server to show that it speaks Baton's channel.
const NEWCOMER: Duration = Duration::from_secs(15);
const PROBE: Duration = Duration::from_secs(4);

/// What the clients talk to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A `baton` that the lab starts on a free port and an empty folder, may kill, and ends. The program is
    /// `BATON_BIN`, else the one beside this program.
    Started,
    /// A y-websocket server that is there already: `ws://host:port/path`, below which documents are. The lab looks
    /// whether it speaks Baton's channel; if not, only convergence is judged. It is never killed.
    Url(String),
}

/// A run that was made.
#[derive(Debug, Clone)]
pub struct Run {
    /// What was observed.
    pub record: Record,
    /// What follows from it.
    pub verdict: Verdict,
}

/// Runs a scenario, and judges it. `progress` is called about ten times a second.
///
/// Ends within `lasts` + `settle` + a minute, and leaves no process, task or file behind, also when it is dropped.
///
/// # Errors
/// [`LabError`]: there was no run. What a run finds is in the [`Verdict`].
pub async fn run(
    scenario: &Scenario,
    target: &Target,
    mut progress: impl FnMut(Progress),
) -> Result<Run, LabError> {
    scenario.check()?;
    let mut stage = Stage::set(scenario, target).await?;
    stage.play(&mut progress).await?;
    let settled = stage.settle(&mut progress).await;
    let record = stage.clear(settled).await?;
    let verdict = oracle::judge(&record);
    Ok(Run { record, verdict })
}

/// When everybody was told to be quiet, in milliseconds.
type Quiet = u64;

struct Stage {
    scenario: Scenario,
    server: Option<Server>,
    url: String,
    wire: Wire,
    documents: Vec<String>,
    doors: Vec<Arc<Door>>,
    windows: Vec<Window>,
    recorder: Arc<Recorder>,
    phase: watch::Sender<Phase>,
    people: JoinSet<Result<(), baton_client::ConnectError>>,
}

impl Stage {
    async fn set(scenario: &Scenario, target: &Target) -> Result<Self, LabError> {
        let (server, url) = match target {
            Target::Started => {
                let server = Server::start(scenario).await?;
                let url = format!("ws://{}/ws", server.address());
                (Some(server), url)
            }
            Target::Url(_) if scenario.chaos.contains(&Chaos::Kill) => {
                return Err(LabError::NotOurs);
            }
            Target::Url(url) => (None, url.trim_end_matches('/').to_owned()),
        };
        let (host, path) = parts(&url)?;
        // A server that is there already may know the names of an earlier run.
        let run = match server {
            Some(_) => String::new(),
            None => format!("-{}", since_epoch().as_millis()),
        };
        let documents: Vec<String> = (1..=scenario.docs)
            .map(|number| format!("lab{run}/{number}"))
            .collect();
        let wire = probe(&url, &format!("lab{run}/probe")).await?;
        let mut stage = Self {
            scenario: scenario.clone(),
            server,
            url,
            wire,
            documents,
            doors: Vec::new(),
            windows: Vec::new(),
            recorder: Arc::new(Recorder::start()),
            phase: watch::Sender::new(Phase::Acting),
            people: JoinSet::new(),
        };
        for index in 0..scenario.clients {
            let door = Arc::new(Door::open(host.clone()).await?);
            stage.doors.push(Arc::clone(&door));
            let window = Window::default();
            stage.windows.push(Arc::clone(&window));
            let person = Person {
                index,
                name: name(index),
                document: stage.documents[index % scenario.docs].clone(),
                path: path.clone(),
                wire,
                door,
                acts: Acts::new(scenario, index),
                recorder: Arc::clone(&stage.recorder),
                window,
            };
            stage.people.spawn(person.live(stage.phase.subscribe()));
        }
        Ok(stage)
    }

    /// Lets them edit, and disturbs them.
    async fn play(&mut self, progress: &mut impl FnMut(Progress)) -> Result<(), LabError> {
        let start = Instant::now();
        let mut ends: Vec<(Instant, Disturbance)> = Vec::new();
        let mut plan = disturbances(&self.scenario).into_iter().peekable();
        let mut look = interval(LOOK);
        let end = start + self.scenario.lasts;
        loop {
            let begins = plan.peek().map_or(end, |next| start + next.at);
            let stops = ends.iter().map(|(at, _)| *at).min().unwrap_or(end);
            tokio::select! {
                () = sleep_until(begins.min(stops).min(end)) => {}
                _ = look.tick() => {
                    progress(self.recorder.progress(false));
                    continue;
                }
            }
            let now = Instant::now();
            for (_, over) in ends.extract_if(.., |(at, _)| *at <= now) {
                self.relieve(&over);
            }
            while let Some(next) = plan.next_if(|next| start + next.at <= now) {
                if next.trouble == Trouble::Kill {
                    self.kill(next.lasts).await?;
                } else {
                    self.disturb(&next);
                    ends.push((now + next.lasts, next));
                }
            }
            if now >= end {
                return Ok(());
            }
        }
    }

    fn disturb(&self, disturbance: &Disturbance) {
        let door = &self.doors[disturbance.client];
        let how = match disturbance.trouble {
            Trouble::Drop | Trouble::Kill => {
                door.reset();
                self.recorder
                    .note(Some(disturbance.client), 0, What::Dropped);
                return;
            }
            Trouble::Delay { by } => {
                door.slow(by);
                "delay"
            }
            Trouble::Partition { way } => {
                door.block(way);
                match way {
                    Way::Up => "partition-up",
                    Way::Down => "partition-down",
                    Way::Both => "partition",
                }
            }
            Trouble::Freeze => {
                door.freeze();
                "freeze"
            }
        };
        let what = What::Disturbed {
            how: how.to_owned(),
            millis: u64::try_from(disturbance.lasts.as_millis()).unwrap_or(u64::MAX),
        };
        self.recorder.note(Some(disturbance.client), 0, what);
    }

    fn relieve(&self, disturbance: &Disturbance) {
        let door = &self.doors[disturbance.client];
        match disturbance.trouble {
            Trouble::Drop | Trouble::Kill => {}
            Trouble::Delay { .. } => door.slow(Duration::ZERO),
            Trouble::Partition { .. } => door.unblock(),
            Trouble::Freeze => door.thaw(),
        }
    }

    async fn kill(&mut self, down: Duration) -> Result<(), LabError> {
        if let Some(server) = &mut self.server {
            server.kill().await?;
            self.recorder.note(None, 0, What::Killed);
            sleep(down).await;
            server.start_again().await?;
            self.recorder.note(None, 0, What::Started);
        }
        Ok(())
    }

    /// Ends all chaos, and waits until everybody is back and agrees, or the time for that is over.
    async fn settle(&mut self, progress: &mut impl FnMut(Progress)) -> Quiet {
        for door in &self.doors {
            door.slow(Duration::ZERO);
            door.unblock();
            door.thaw();
        }
        let quiet = self.recorder.millis();
        self.phase.send_replace(Phase::Settling);
        let until = Instant::now() + self.scenario.settle;
        // Several looks in a row: what is still on its way between two clients would show.
        let mut calm = 0;
        while calm < 5 && Instant::now() < until {
            sleep(LOOK).await;
            progress(self.recorder.progress(true));
            calm = if self.is_calm() { calm + 1 } else { 0 };
        }
        quiet
    }

    fn is_calm(&self) -> bool {
        let mut first: Vec<Option<Contents>> = vec![None; self.documents.len()];
        self.windows.iter().enumerate().all(|(index, window)| {
            let Some(client) = window.lock().clone() else {
                return false;
            };
            let Ok(contents) = client.read(content::read) else {
                return false;
            };
            let unsaved = self.wire == Wire::Baton && client.has_unsaved();
            let over = matches!(client.right(), EditRight::Diverged | EditRight::Closed);
            let agreed =
                first[index % self.documents.len()].get_or_insert_with(|| contents.clone());
            !unsaved && !over && *agreed == contents
        })
    }

    /// Looks at every copy, lets a newcomer look at every document, and ends everything.
    async fn clear(mut self, quiet_from: Quiet) -> Result<Record, LabError> {
        let mut endings = Vec::new();
        for (number, name) in self.documents.iter().enumerate() {
            endings.push(Ending {
                name: name.clone(),
                copies: self.copies(number),
                newcomer: self.newcomer(name).await?,
                stored: None,
            });
        }
        // What happened while these looked belongs to the run, too.
        let millis = self.recorder.millis();
        self.phase.send_replace(Phase::Over);
        while let Some(ended) = self.people.join_next().await {
            if let Ok(Err(error)) = ended {
                return Err(LabError::Address(error.to_string()));
            }
        }
        if let Some(server) = self.server.take() {
            let stored = server.end(&self.documents).await?;
            for (ending, stored) in endings.iter_mut().zip(stored) {
                ending.stored = Some(stored);
            }
        }
        let people = (0..self.scenario.clients).map(|index| record::Person {
            name: name(index),
            document: index % self.documents.len(),
        });
        Ok(Record {
            people: people.collect(),
            scenario: self.scenario,
            millis,
            quiet_from,
            locks: self.wire == Wire::Baton,
            documents: endings,
            moments: self.recorder.take(),
        })
    }

    fn copies(&self, document: usize) -> Vec<record::Copy> {
        let windows = self.windows.iter().enumerate();
        let ours = windows.filter(|(who, _)| who % self.documents.len() == document);
        ours.map(|(who, window)| {
            let client = window.lock().clone();
            let contents = client
                .as_ref()
                .and_then(|client| client.read(content::read).ok());
            record::Copy {
                who,
                contents,
                unsaved: self.wire == Wire::Baton
                    && client.is_none_or(|client| client.has_unsaved()),
            }
        })
        .collect()
    }

    /// Comes without a door, for the network between is none of its business.
    async fn newcomer(&self, document: &str) -> Result<Option<Contents>, LabError> {
        let client = Client::connect(ClientOptions::new(&self.url, document))
            .map_err(|error| LabError::Address(error.to_string()))?;
        let contents = match self.wire {
            Wire::Baton => match timeout(NEWCOMER, client.synced()).await {
                Ok(Ok(())) => client.read(content::read).ok(),
                _ => None,
            },
            Wire::Plain => self.first_sync(&client).await,
        };
        if self.wire == Wire::Baton {
            client.close().await;
        }
        Ok(contents)
    }

    /// A plain server does not say when all has come: it is given the time to show what the others have.
    async fn first_sync(&self, client: &Client) -> Option<Contents> {
        let number = self.documents.len();
        let mut seen = client.read(content::read).ok();
        let until = Instant::now() + NEWCOMER / 3;
        while Instant::now() < until {
            let agreed = (0..number).flat_map(|document| self.copies(document));
            if seen.is_some() && agreed.into_iter().any(|copy| copy.contents == seen) {
                break;
            }
            sleep(LOOK).await;
            seen = client.read(content::read).ok();
        }
        seen
    }
}

/// The client of this number, from 1.
fn name(index: usize) -> String {
    format!("c{}", index + 1)
}

fn since_epoch() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

/// `host:port` and the path of an address.
fn parts(url: &str) -> Result<(String, String), LabError> {
    let complaint = || LabError::Address(format!("{url:?} is not ws://host:port/path"));
    let rest = url.strip_prefix("ws://").ok_or_else(complaint)?;
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    if host.is_empty() {
        return Err(complaint());
    }
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = if has_port { "" } else { ":80" };
    Ok((format!("{host}{port}"), path.to_owned()))
}

/// Whether the server speaks Baton's channel.
async fn probe(url: &str, document: &str) -> Result<Wire, LabError> {
    let client = Client::connect(ClientOptions::new(url, document))
        .map_err(|error| LabError::Address(error.to_string()))?;
    let wire = match timeout(PROBE, client.synced()).await {
        Ok(Ok(())) => Wire::Baton,
        _ => Wire::Plain,
    };
    client.close().await;
    Ok(wire)
}
