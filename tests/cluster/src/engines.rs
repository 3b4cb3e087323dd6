//! Several nats-servers that replicate to each other.
//!
//! Owns the processes, and where asked for a relay for each server's way to each other one, so
//! that any two can be parted, also in one direction.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use baton_testkit::{Direction, Proxy};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::engine::{Engine, LOGIN, Ports};
use crate::machines::Machines;
use crate::monitor::{self, Meta};

/// Time for a group of engines to have a leader and everybody up to date. An election takes up to
/// 11 s; the machine may be busy.
const READY: Duration = Duration::from_secs(60);

/// Pause between two looks at engines.
const LOOK: Duration = Duration::from_millis(100);

/// The way from one engine to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relayed {
    /// Through relays, so that engines can be parted.
    Yes,
    /// Direct.
    No,
}

/// Returns the URL of engines that are reached at these addresses, with the nodes' login.
pub(crate) fn url_of(addresses: &[SocketAddr]) -> String {
    let list: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
    let (user, password) = LOGIN;
    format!("nats://{user}:{password}@{}", list.join(","))
}

/// See the module. Engines have numbers from 0.
#[derive(Debug)]
pub struct Engines {
    engines: Vec<Engine>,
    /// The way on which the first reaches the second.
    ways: BTreeMap<(usize, usize), Proxy>,
}

impl Engines {
    /// Starts so many in this folder, and waits until they have a leader and are up to date.
    ///
    /// # Errors
    /// They cannot be started, or do not get ready within a minute. What they said is in it.
    ///
    /// # Panics
    /// When there is no nats-server.
    pub async fn start(count: usize, folder: &Path, relayed: Relayed) -> io::Result<Self> {
        let ports: Vec<Ports> = (0..count)
            .map(|_| Ports::free())
            .collect::<Result<_, _>>()?;
        let mut ways = BTreeMap::new();
        let mut engines = Vec::new();
        for (from, own) in ports.iter().enumerate() {
            let mut routes = Vec::new();
            for (to, other) in ports.iter().enumerate().filter(|(to, _)| *to != from) {
                routes.push(match relayed {
                    Relayed::Yes => {
                        let way = Proxy::to(other.routes).await?;
                        let address = way.address();
                        ways.insert((from, to), way);
                        address
                    }
                    Relayed::No => other.routes,
                });
            }
            let name = format!("nats-{}", from + 1);
            let on = Vec::new();
            engines.push(Engine::start(
                &name,
                &folder.join(&name),
                *own,
                &routes,
                on,
            )?);
        }
        let engines = Self { engines, ways };
        engines.are_ready().await?;
        Ok(engines)
    }

    /// Starts one on each of the first so many machines. Otherwise as [`Engines::start`].
    ///
    /// # Errors
    /// They cannot be started, or do not get ready within a minute.
    ///
    /// # Panics
    /// When there is no nats-server.
    pub async fn start_on(machines: &Machines, count: usize, folder: &Path) -> io::Result<Self> {
        let ports = |machine| Ports::usual(machines.among_engines(machine));
        let mut engines = Vec::new();
        for machine in 0..count {
            let others = (0..count).filter(|other| *other != machine);
            let routes: Vec<_> = others.map(|other| ports(other).routes).collect();
            let name = format!("nats-{}", machine + 1);
            engines.push(Engine::start(
                &name,
                &folder.join(&name),
                ports(machine),
                &routes,
                machines.on(machine),
            )?);
        }
        let ways = BTreeMap::new();
        let engines = Self { engines, ways };
        engines.are_ready().await?;
        Ok(engines)
    }

    /// Returns the number of engines, killed ones too.
    #[must_use]
    pub fn count(&self) -> usize {
        self.engines.len()
    }

    /// Returns the address for clients of this engine.
    #[must_use]
    pub fn address(&self, engine: usize) -> SocketAddr {
        self.engines[engine].ports().clients
    }

    /// Returns the URL of all of them with the nodes' login, as `baton serve --cluster` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        let addresses: Vec<_> = (0..self.count())
            .map(|engine| self.address(engine))
            .collect();
        url_of(&addresses)
    }

    /// Returns the user and the password of the nodes.
    #[must_use]
    pub fn login(&self) -> (&'static str, &'static str) {
        LOGIN
    }

    /// Returns the monitoring address of this engine.
    #[must_use]
    pub fn monitor(&self, engine: usize) -> SocketAddr {
        self.engines[engine].ports().monitor
    }

    /// Returns the process id of this engine while it runs.
    #[must_use]
    pub fn pid(&self, engine: usize) -> Option<u32> {
        self.engines[engine].pid()
    }

    /// Returns all that this engine wrote in its log.
    #[must_use]
    pub fn said(&self, engine: usize) -> String {
        self.engines[engine].said()
    }

    // ---- what they say ----

    /// Returns the group of all engines as this one sees it; nothing if it does not answer.
    pub async fn meta(&self, engine: usize) -> Option<Meta> {
        monitor::meta(self.monitor(engine)).await
    }

    /// Returns true if this engine answers, and syncs each write.
    pub async fn syncs_always(&self, engine: usize) -> bool {
        monitor::syncs_always(self.monitor(engine)).await == Some(true)
    }

    /// Returns the names of the streams that this engine holds; nothing if it does not answer.
    pub async fn streams(&self, engine: usize) -> Option<Vec<String>> {
        monitor::streams(self.monitor(engine)).await
    }

    /// Returns the engine that leads most streams with this beginning of their name, with their
    /// number; nothing if no engine answers.
    pub async fn leads_most(&self, prefix: &str) -> Option<(usize, usize)> {
        let mut leaders = Vec::new();
        for engine in self.engines.iter().filter(|one| one.pid().is_some()) {
            let known = monitor::leaders(engine.ports().monitor, prefix).await;
            leaders = known.unwrap_or_default();
            if !leaders.is_empty() {
                break;
            }
        }
        let led = |engine: &Engine| leaders.iter().filter(|name| *name == engine.name()).count();
        let counts = self.engines.iter().map(led).enumerate();
        counts
            .filter(|(_, count)| *count > 0)
            .max_by_key(|(_, count)| *count)
    }

    /// Returns the number of subscriptions of all nodes with this beginning of their subject.
    pub async fn subscriptions(&self, prefix: &str) -> usize {
        let mut count = 0;
        for engine in 0..self.count() {
            count += self.subscriptions_at(engine, prefix).await;
        }
        count
    }

    /// Returns the number of those that are connected to this engine.
    pub async fn subscriptions_at(&self, engine: usize, prefix: &str) -> usize {
        let own = monitor::subscriptions(self.monitor(engine), prefix).await;
        own.unwrap_or_default()
    }

    /// Returns the number of messages in the streams with this beginning of their name, as an
    /// engine that answers knows it.
    pub async fn messages(&self, prefix: &str) -> Option<u64> {
        for engine in &self.engines {
            let messages = monitor::messages(engine.ports().monitor, prefix).await;
            if messages.is_some() {
                return messages;
            }
        }
        None
    }

    /// Returns the process ids of the engines that run.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.engines.iter().filter_map(Engine::pid).collect()
    }

    /// Returns the leader of the group of all engines, if one is known to itself and others.
    pub async fn leader(&self) -> Option<usize> {
        for (number, engine) in self.engines.iter().enumerate() {
            let meta = monitor::meta(engine.ports().monitor).await;
            let leader = meta.and_then(|meta| meta.leader);
            if leader.is_some_and(|leader| leader == engine.name()) {
                return Some(number);
            }
        }
        None
    }

    /// Waits until the engines that run have a leader that counts all of them as up to date.
    ///
    /// # Errors
    /// It does not come to that within a minute.
    pub async fn are_ready(&self) -> io::Result<()> {
        let until = Instant::now() + READY;
        loop {
            let running = self
                .engines
                .iter()
                .filter(|one| one.pid().is_some())
                .count();
            if let Some(leader) = self.leader().await
                && let Some(meta) = self.meta(leader).await
                && meta.current >= running
            {
                return Ok(());
            }
            if Instant::now() > until {
                let said = self.engines.iter().map(|one| {
                    let said = one.said();
                    let last: Vec<_> = said.lines().rev().take(8).collect();
                    format!("{}:\n{}", one.name(), last.join("\n"))
                });
                let said: Vec<String> = said.collect();
                return Err(io::Error::other(format!(
                    "the engines have no leader after {READY:?}\n{}",
                    said.join("\n")
                )));
            }
            sleep(LOOK).await;
        }
    }

    // ---- faults ----

    /// Kills an engine as `kill -9` does.
    ///
    /// # Errors
    /// The system does not let us.
    pub async fn kill(&mut self, engine: usize) -> io::Result<()> {
        self.engines[engine].kill().await
    }

    /// Starts a killed engine again on what it had.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_again(&mut self, engine: usize) -> io::Result<()> {
        self.engines[engine].start_again()
    }

    /// Stops an engine where it stands (SIGSTOP).
    ///
    /// # Errors
    /// It does not run.
    pub fn freeze(&self, engine: usize) -> io::Result<()> {
        self.engines[engine].signal(Signal::STOP)
    }

    /// Lets a frozen engine go on (SIGCONT).
    ///
    /// # Errors
    /// It does not run.
    pub fn thaw(&self, engine: usize) -> io::Result<()> {
        self.engines[engine].signal(Signal::CONT)
    }

    /// Parts an engine from all others: what it sends them (`ToServer`), what they send it
    /// (`ToClient`) or both waits, without a sign.
    pub fn part(&self, engine: usize, direction: Direction) {
        for (&(from, to), way) in &self.ways {
            if from == engine {
                way.hold(direction);
            } else if to == engine {
                way.hold(match direction {
                    Direction::ToServer => Direction::ToClient,
                    Direction::ToClient => Direction::ToServer,
                    Direction::Both => Direction::Both,
                });
            }
        }
    }

    /// Lets all engines reach each other again; what waited arrives.
    pub fn join(&self) {
        for way in self.ways.values() {
            way.restore();
        }
    }

    /// Tells all of them to end, and waits until they have.
    ///
    /// # Errors
    /// The system does not let us.
    pub async fn stop(mut self) -> io::Result<()> {
        for engine in self.engines.iter_mut().filter(|one| one.pid().is_some()) {
            engine.stop().await?;
        }
        Ok(())
    }
}
