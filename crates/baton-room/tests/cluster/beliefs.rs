//! Two clients never believe at once that they have the lock (S5), while hosts die and are cut off.
//!
//! The world keeps the leases of hosts as `baton_cluster::core::NodeLeases` does: one that is cut
//! off notices it after a renewal and two seconds, and the others take it for lost after 20 s.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_presence::Time;
use baton_room::{ClusterEvent, Departure, HostId};
use baton_testkit::Random;

use crate::client::Client;
use crate::cluster::Cluster;

/// Runs of the test; more with the variable `BATON_RUNS`.
const RUNS: u64 = 60;

/// Runs within which the planted fault must be found.
const BOUND: u64 = 600;

const STEPS: u32 = 1_500;

/// Time after its last renewal at which a host is lost.
const LOST_AFTER: Duration = Duration::from_secs(20);

/// Time for which no other host takes one for lost.
const LEASE: Duration = Duration::from_secs(15);

/// Time after its last renewal at which a host that lives has noticed that it is cut off.
const NOTICES_AFTER: Duration = Duration::from_secs(5);

/// The lease of a host.
struct Lease {
    renewed: Time,
    /// Since when the engine has answered it.
    serves_since: Time,
    is_cut: bool,
    /// Told that the engine does not answer.
    is_isolated: bool,
    /// The last renewal before that.
    isolated_at: Time,
    /// How often it was isolated for longer than its lease.
    returns: u64,
}

/// A fault of the hosts, planted for the check to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// A host that was cut off for longer than its lease keeps its connections when it is back.
    KeepsConnections,
}

struct World {
    flaw: Flaw,
    cluster: Cluster,
    clients: Vec<Client>,
    leases: BTreeMap<HostId, Lease>,
    random: Random,
    /// False if no host dies: then hosts are cut off for long, and records come late.
    kills: bool,
}

impl World {
    fn new(seed: u64, flaw: Flaw) -> Self {
        let mut random = Random::from_seed(seed);
        let cluster = Cluster::new(random.within(2..4));
        let clients = (1..=random.within(2..4)).map(Client::new).collect();
        Self {
            flaw,
            cluster,
            clients,
            leases: BTreeMap::new(),
            kills: random.chance(50),
            random,
        }
    }

    fn lease(&mut self, host: HostId) -> &mut Lease {
        let now = self.cluster.now;
        self.leases.entry(host).or_insert(Lease {
            renewed: now,
            serves_since: now,
            is_cut: false,
            is_isolated: false,
            isolated_at: now,
            returns: 0,
        })
    }

    /// Renews the leases of hosts that reach the engine; the others notice in time that they do
    /// not, and take note of hosts that are lost.
    fn look_at_leases(&mut self) {
        let now = self.cluster.now;
        for index in 0..self.cluster.hosts.len() {
            let id = self.cluster.hosts[index].id;
            let lease = self.lease(id);
            if !lease.is_cut {
                lease.renewed = now;
                if !lease.is_isolated {
                    self.look_for_lost(index);
                } else if self.random.chance(50) {
                    self.heal(index);
                }
            } else if !lease.is_isolated && now.since(lease.renewed) >= NOTICES_AFTER {
                (lease.is_isolated, lease.isolated_at) = (true, lease.renewed);
                let returns = lease.returns;
                self.tell(index, ClusterEvent::Returned(returns));
                self.tell(index, ClusterEvent::Isolated(true));
            }
        }
    }

    fn tell(&mut self, host: usize, news: ClusterEvent) {
        self.cluster
            .input(host, |room, now| room.follow_cluster(news, now));
    }

    fn look_for_lost(&mut self, host: usize) {
        let now = self.cluster.now;
        let serves_since = self.lease(self.cluster.hosts[host].id).serves_since;
        for id in self.cluster.hosts[host].room.state().hosts() {
            let renewed = self.leases.get(&id).map_or(Time::ZERO, |it| it.renewed);
            if now.since(renewed.max(serves_since)) >= LOST_AFTER {
                let without = (renewed + NOTICES_AFTER).max(serves_since);
                let served = now.since(without);
                self.tell(host, ClusterEvent::HostLost { host: id, served });
                if self.random.chance(60) {
                    // It is cut off itself before the record is placed, which so comes late.
                    self.lease(self.cluster.hosts[host].id).is_cut = true;
                }
            }
        }
    }

    /// A host that reaches the log again heals once it has read up to a probe of its own. After
    /// its lease its connections are closed: a record that it is lost may be on its way.
    fn heal(&mut self, index: usize) {
        while self.cluster.sequence(index) {}
        while self.cluster.deliver(index) {}
        let (now, flaw) = (self.cluster.now, self.flaw);
        let lease = self.lease(self.cluster.hosts[index].id);
        (lease.is_isolated, lease.serves_since) = (false, now);
        let outlasted = now.since(lease.isolated_at) >= LEASE;
        lease.returns += u64::from(outlasted && flaw != Flaw::KeepsConnections);
        let returns = lease.returns;
        self.tell(index, ClusterEvent::Returned(returns));
        self.tell(index, ClusterEvent::Isolated(false));
    }

    fn step(&mut self) {
        let count = self.cluster.hosts.len();
        let index = self.random.below(count);
        let id = self.cluster.hosts[index].id;
        let is_cut = self.lease(id).is_cut;
        let who = self.random.below(self.clients.len());
        match self.random.below(1_000) {
            0..280 if !is_cut => {
                self.cluster.sequence(index);
            }
            280..560 if !is_cut => while self.random.chance(80) && self.cluster.deliver(index) {},
            560..760 => self.clients[who].reads(&mut self.cluster),
            760..860 => {
                let client = &mut self.clients[who];
                if client.at.is_none() {
                    client.connect(&mut self.cluster, index);
                } else if client.is_welcome() && client.held.is_empty() {
                    client.acquires(&mut self.cluster, "a");
                }
            }
            860..863 => self.clients[who].drops(&mut self.cluster, Departure::Dropped),
            863..866 if count > 1 && self.kills => {
                self.cluster.kill(index);
                if self.random.chance(70) {
                    self.cluster.boot();
                }
            }
            866..869 => self.lease(id).is_cut = true,
            869..874 if is_cut => {
                let now = self.cluster.now;
                let lease = self.lease(id);
                (lease.is_cut, lease.renewed) = (false, now);
                if !lease.is_isolated {
                    lease.serves_since = now;
                }
            }
            874..1_000 => {
                let time = self.random.millis(10, 1_000);
                self.cluster.pass(time);
                self.look_at_leases();
                self.follow();
            }
            _ => {}
        }
        self.check();
    }

    /// A connection that is not cut is read and answered within a second or so.
    fn follow(&mut self) {
        for client in &mut self.clients {
            if self.random.chance(80) {
                client.reads(&mut self.cluster);
            }
        }
        for index in 0..self.cluster.hosts.len() {
            let id = self.cluster.hosts[index].id;
            if !self.lease(id).is_cut && self.random.chance(80) {
                while self.cluster.sequence(index) {}
                while self.cluster.deliver(index) {}
            }
        }
    }

    fn check(&mut self) {
        let now = self.cluster.now;
        let believe = self.clients.iter().filter(|client| client.believes(now));
        let believe: Vec<_> = believe.map(|client| client.session).collect();
        assert!(believe.len() < 2, "{believe:?} believe that they may edit");
    }
}

/// Returns the number of different holders.
fn run(seed: u64, flaw: Flaw) -> usize {
    let mut world = World::new(seed, flaw);
    let mut holders = std::collections::BTreeSet::new();
    for _ in 0..STEPS {
        world.step();
        let now = world.cluster.now;
        let believe = world.clients.iter().filter(|client| client.believes(now));
        holders.extend(believe.flat_map(|client| client.held.iter().copied()));
    }
    holders.len()
}

#[test]
fn no_two_clients_believe_at_once_that_they_have_the_lock() {
    let first = match std::env::var("BATON_SEED") {
        Ok(_) => Random::seed("BATON_SEED"),
        Err(_) => 1,
    };
    let runs = match std::env::var("BATON_RUNS") {
        Ok(runs) => runs.parse().unwrap(),
        Err(_) => RUNS,
    };
    let mut holders = 0;
    for seed in first..first + runs {
        let ran = std::panic::catch_unwind(|| run(seed, Flaw::None));
        holders += ran.unwrap_or_else(|_| panic!("BATON_SEED={seed}"));
    }
    eprintln!("{holders} grants were believed in");
    assert!(holders > runs as usize);
}

#[test]
fn two_that_believe_because_a_host_keeps_its_connections_are_found() {
    let flaw = Flaw::KeepsConnections;
    let finds = |seed| std::panic::catch_unwind(|| run(seed, flaw)).is_err();
    assert!((1..=BOUND).any(finds), "{flaw:?} is not found");
}
