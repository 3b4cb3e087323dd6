//! One run: the server or the nodes, each client behind a proxy of its own, the chaos, the quiet afterwards, and the look at what is left.
//!
//! Owns the order of these; every decision comes from the plan, every judgement is the oracle's.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use baton_testkit::Proxy;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::content::Contents;
use crate::copy::{self, ServerKind, Setup, Window};
use crate::error::LabError;
use crate::fault_log::FaultLog;
use crate::ice::Ice;
use crate::oracle;
use crate::people::{Ended, Person, Phase};
use crate::plan::Acts;
use crate::record::{self, Ending, Progress, Record, Recorder};
use crate::scenario::{ClientWire, Scenario};
use crate::server::{self, Server};
use crate::verdict::Verdict;

/// How often progress is told, and agreement looked for.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// How long a client may take to end.
pub(crate) const END: Duration = Duration::from_secs(20);

/// What the clients talk to.
#[derive(Debug, Clone)]
pub enum Target {
    /// A `baton` that the lab starts on a free port and an empty folder, may kill, and ends. The program is
    /// `BATON_BIN`, else the one beside this program.
    Started,
    /// The same with another program, which takes the arguments of `baton` and prints what `baton` prints.
    Program(PathBuf),
    /// A server that is there already: `ws://host:port/path`, below which documents are, or where a Hocuspocus client connects. The lab looks
    /// whether it speaks Baton's channel; if not, only convergence is judged. It is never killed.
    Url(String),
    /// Nodes that serve the same documents. The caller starts them, disturbs them while the run lasts, and ends them.
    Nodes(Nodes),
}

/// Nodes of one cluster. The clients of a document are dealt to them in turn; a client whose node takes no connection
/// goes to the next one.
#[derive(Debug, Clone)]
pub struct Nodes {
    /// The address of each node.
    pub addresses: Vec<SocketAddr>,
    /// What the caller does to the nodes meanwhile.
    pub faults: FaultLog,
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
    let mut verdict = oracle::judge(&record);
    target.finish(&mut verdict.again);
    Ok(Run { record, verdict })
}

impl Target {
    /// Adds to the arguments of a scenario how the same server is played with.
    fn finish(&self, again: &mut String) {
        match self {
            Self::Started | Self::Program(_) => {}
            Self::Url(url) => {
                again.push_str(" --url ");
                again.push_str(url);
            }
            Self::Nodes(_) => again.push_str(" (on nodes that the caller starts and disturbs)"),
        }
    }
}

/// When everybody was told to be quiet, in milliseconds.
type Quiet = u64;

/// A client, as the run sees it.
pub(crate) struct Place {
    pub(crate) proxy: Proxy,
    pub(crate) ice: Arc<Ice>,
    window: Window,
    ended: Ended,
}

pub(crate) struct Stage {
    pub(crate) scenario: Scenario,
    pub(crate) server: Option<Server>,
    /// The ways in, one for each node.
    urls: Vec<String>,
    kind: ServerKind,
    overlap: Duration,
    documents: Vec<String>,
    pub(crate) places: Vec<Place>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) phase: watch::Sender<Phase>,
    /// Whoever has ended with the power says so.
    pub(crate) dark: mpsc::Receiver<()>,
    faults: FaultLog,
}

/// Nobody stays behind on the ice, where it could not see that all is over.
impl Drop for Stage {
    fn drop(&mut self) {
        for place in &self.places {
            place.ice.thaw();
        }
    }
}

impl Stage {
    async fn set(scenario: &Scenario, target: &Target) -> Result<Self, LabError> {
        let (server, urls) = found(scenario, target).await?;
        // A server that is there already may know the names of an earlier run.
        let run = match server {
            Some(_) => String::new(),
            None => format!("-{}", since_epoch().as_millis()),
        };
        let wire = scenario.wire;
        // On y-sweet's wire a name is one part of a path.
        let between = if wire == ClientWire::YSweet { '-' } else { '/' };
        let documents: Vec<String> = (1..=scenario.docs)
            .map(|number| format!("lab{run}{between}{number}"))
            .collect();
        let probe = format!("lab{run}{between}probe");
        let (kind, overlap) = copy::probe(wire, &urls[0], &probe).await?;
        let (tell_dark, dark) = mpsc::channel(scenario.clients);
        let mut stage = Self {
            scenario: scenario.clone(),
            server,
            urls,
            kind,
            overlap,
            documents,
            places: Vec::new(),
            recorder: Arc::new(Recorder::start()),
            phase: watch::Sender::new(Phase::Acting { blackouts: 0 }),
            dark,
            faults: match target {
                Target::Nodes(nodes) => nodes.faults.clone(),
                _ => FaultLog::default(),
            },
        };
        for who in 0..scenario.clients {
            let (proxy, path) = entrance(target, &stage.urls, who / scenario.docs).await?;
            let (ice, window) = (Arc::new(Ice::default()), Window::default());
            let person = Person {
                setup: Setup {
                    who,
                    name: name(who),
                    url: format!("ws://{}{path}", proxy.address()),
                    document: stage.documents[who % scenario.docs].clone(),
                    wire,
                    kind,
                    recorder: Arc::clone(&stage.recorder),
                    window: window.clone(),
                },
                acts: Acts::new(scenario, who),
                ice: Arc::clone(&ice),
                dark: tell_dark.clone(),
            };
            let ended = person.start(stage.phase.subscribe())?;
            stage.places.push(Place {
                proxy,
                ice,
                window,
                ended,
            });
        }
        Ok(stage)
    }

    /// Ends all chaos, and waits until everybody is back and agrees, or the time for that is over.
    async fn settle(&mut self, progress: &mut impl FnMut(Progress)) -> Quiet {
        for place in &self.places {
            place.proxy.delay(Duration::ZERO);
            place.proxy.restore();
            place.ice.thaw();
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
        let documents = self.documents.len();
        let mut first: Vec<Option<Contents>> = vec![None; documents];
        self.places.iter().enumerate().all(|(who, place)| {
            let sight = place.window.look(self.kind);
            let Some(contents) = sight.contents else {
                return false;
            };
            let agreed = first[who % documents].get_or_insert_with(|| contents.clone());
            !sight.unsaved && !sight.over && *agreed == contents
        })
    }

    /// Looks at every copy, lets a newcomer look at every document, and ends everything.
    async fn clear(mut self, quiet_from: Quiet) -> Result<Record, LabError> {
        let spoken = (self.scenario.wire, self.kind);
        let mut endings = Vec::new();
        for (number, name) in self.documents.iter().enumerate() {
            let copies = self.copies(number);
            let agreed = |seen: &Contents| {
                let mut contents = copies.iter().filter_map(|copy| copy.contents.as_ref());
                contents.any(|contents| contents == seen)
            };
            // Without the proxy: the network between is none of its business.
            let newcomer = copy::newcomer(spoken, &self.urls[0], name, agreed).await?;
            let mut elsewhere = Vec::new();
            for url in &self.urls[1..] {
                elsewhere.push(copy::newcomer(spoken, url, name, agreed).await?);
            }
            endings.push(Ending {
                name: name.clone(),
                copies,
                newcomer,
                elsewhere,
                stored: None,
            });
        }
        // What happened while these looked belongs to the run, too.
        let millis = self.recorder.millis();
        self.phase.send_replace(Phase::Over);
        for (who, place) in self.places.iter_mut().enumerate() {
            match timeout(END, &mut place.ended).await {
                Ok(Ok(ended)) => ended?,
                Ok(Err(_)) => return Err(LabError::Client(format!("{} panicked", name(who)))),
                Err(_) => return Err(LabError::Client(format!("{} hangs", name(who)))),
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
            scenario: self.scenario.clone(),
            millis,
            quiet_from,
            locks: self.kind == ServerKind::Baton,
            overlap: u64::try_from(self.overlap.as_millis()).unwrap_or(u64::MAX),
            documents: endings,
            moments: self.recorder.take_with(&self.faults),
        })
    }

    fn copies(&self, document: usize) -> Vec<record::Copy> {
        let places = self.places.iter().enumerate();
        let ours = places.filter(|(who, _)| who % self.documents.len() == document);
        ours.map(|(who, place)| {
            let sight = place.window.look(self.kind);
            record::Copy {
                who,
                contents: sight.contents,
                unsaved: sight.unsaved,
            }
        })
        .collect()
    }
}

/// The server, if the lab has one of its own, and the addresses.
async fn found(
    scenario: &Scenario,
    target: &Target,
) -> Result<(Option<Server>, Vec<String>), LabError> {
    let theirs = matches!(target, Target::Url(_) | Target::Nodes(_));
    if theirs && scenario.chaos.iter().any(|kind| kind.kills()) {
        return Err(LabError::NotOurs);
    }
    let path = scenario.wire.path();
    let program = match target {
        Target::Url(url) => return Ok((None, vec![url.trim_end_matches('/').to_owned()])),
        Target::Nodes(Nodes { addresses, .. }) if addresses.is_empty() => {
            return Err(LabError::Address("there is no node".to_owned()));
        }
        Target::Nodes(Nodes { addresses, .. }) => {
            let urls = addresses.iter().map(|node| format!("ws://{node}{path}"));
            return Ok((None, urls.collect()));
        }
        Target::Started => server::program()?,
        Target::Program(program) => server::there(program.clone())?,
    };
    let server = Server::start(program, scenario).await?;
    let url = format!("ws://{}{path}", server.address());
    Ok((Some(server), vec![url]))
}

/// A network between a client and its node, which is the one of this number, and the path behind it.
async fn entrance(
    target: &Target,
    urls: &[String],
    number: usize,
) -> Result<(Proxy, String), LabError> {
    let (host, path) = parts(&urls[0])?;
    let proxy = match target {
        Target::Nodes(Nodes { addresses, .. }) => {
            let mut addresses = addresses.clone();
            let first = number % addresses.len();
            addresses.rotate_left(first);
            Proxy::among(addresses).await?
        }
        _ => Proxy::to(host).await?,
    };
    Ok((proxy, path))
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
