//! Random interleavings of hosts, clients, faults and late records: all hosts agree at each
//! position, and nothing that was called saved is lost.

use std::time::Duration;

use baton_room::Departure;
use baton_sync::scan::scan;
use baton_testkit::Random;

use crate::client::Client;
use crate::cluster::{Cluster, Fault};

/// Runs of the test; more with the variable `BATON_RUNS`.
const RUNS: u64 = 60;

const STEPS: u32 = 500;

struct World {
    cluster: Cluster,
    clients: Vec<Client>,
    random: Random,
    typed: u32,
}

impl World {
    fn new(seed: u64, fault: Fault) -> Self {
        let mut random = Random::from_seed(seed);
        let mut cluster = Cluster::new(random.within(2..4));
        cluster.fault = fault;
        let clients = (1..=random.within(2..6)).map(Client::new).collect();
        Self {
            cluster,
            clients,
            random,
            typed: 0,
        }
    }

    fn step(&mut self) {
        let Self {
            cluster,
            clients,
            random,
            ..
        } = self;
        let who = random.below(clients.len());
        let client = &mut clients[who];
        match random.below(100) {
            0..40 => cluster.step(random),
            40..58 => client.reads(cluster),
            58..70 if client.at.is_some() => {
                self.typed += 1;
                let root = *random.pick(&["a", "b"]);
                if random.chance(50) {
                    client.types(cluster, root, &format!("{} ", self.typed));
                } else {
                    client.edits(cluster, root, random);
                }
            }
            58..70 => {
                let host = random.below(cluster.hosts.len());
                client.connect(cluster, host);
            }
            70..76 if client.is_welcome() => {
                let root = *random.pick(&["a", "b"]);
                client.acquires(cluster, root);
            }
            76..80 => client.releases(cluster),
            80..84 => {
                let how = if random.chance(20) {
                    Departure::Done
                } else {
                    Departure::Dropped
                };
                client.drops(cluster, how);
            }
            84..86 if client.at.is_some() => {
                // It moves, and its old host does not know.
                let host = random.below(cluster.hosts.len());
                client.connect(cluster, host);
            }
            86 | 87 if client.is_welcome() => {
                let parks = cluster.hosts[0].room.state().parks();
                let parks: Vec<u64> = parks.map(|park| park.id).collect();
                if !parks.is_empty() {
                    let id = *random.pick(&parks);
                    client.decides(cluster, id, random);
                }
            }
            88 if client.is_welcome() && random.chance(40) => {
                client.drops(cluster, Departure::Dropped);
                self.typed += 1;
                client.goes_afresh(1_000 + u64::from(self.typed));
                let host = random.below(cluster.hosts.len());
                client.connect(cluster, host);
            }
            86..92 => {
                let time = random.millis(10, 2_500);
                cluster.pass(time);
            }
            92 if random.chance(40) => {
                let host = random.below(cluster.hosts.len());
                cluster.erase(host, 1);
            }
            92..94 => {
                let host = random.below(cluster.hosts.len());
                cluster.look_for_dead(host);
            }
            94 if cluster.hosts.len() > 1 => {
                let host = random.below(cluster.hosts.len());
                cluster.kill(host);
            }
            95 if cluster.hosts.len() < 4 => {
                let from = random.below(cluster.hosts.len());
                cluster.boot_from(random.chance(50).then_some(from));
            }
            96 if cluster.hosts.len() > 1 => {
                // The others take a host for dead that is not. It comes again later.
                let host = random.below(cluster.hosts.len());
                let id = cluster.hosts[host].id;
                cluster.dead.insert(id);
            }
            97..99 if !cluster.late.is_empty() => {
                let index = random.below(cluster.late.len());
                cluster.sequence_late(index);
            }
            _ => {
                for _ in 0..5 {
                    cluster.step(random);
                }
            }
        }
    }

    /// All faults end, and everything arrives.
    fn rest(&mut self) {
        let Self {
            cluster,
            clients,
            random,
            ..
        } = self;
        for index in 0..cluster.late.len() {
            while random.chance(80) && cluster.sequence_late(index) {}
        }
        cluster.late.clear();
        for _ in 0..60 {
            let alive: Vec<_> = cluster.hosts.iter().map(|host| host.id).collect();
            for id in alive {
                if cluster.dead.contains(&id)
                    && let Some(host) = cluster.index(id)
                {
                    // A host that others have declared lost starts again.
                    cluster.kill(host);
                }
            }
            while cluster.hosts.len() < 2 {
                cluster.boot();
            }
            for host in 0..cluster.hosts.len() {
                cluster.look_for_dead(host);
            }
            for client in clients.iter_mut() {
                client.reads(cluster);
                if client.at.is_none() {
                    let host = random.below(cluster.hosts.len());
                    client.connect(cluster, host);
                }
            }
            cluster.run();
            cluster.pass(Duration::from_millis(400));
            cluster.run();
        }
    }

    fn check(&mut self) {
        self.cluster.agrees();
        let state = self.cluster.hosts[0].room.state();
        let document = state.document();
        let parked: Vec<_> = state
            .parks()
            .flat_map(|park| &park.updates)
            .flat_map(|update| scan(update).unwrap().inserts().collect::<Vec<_>>())
            .collect();
        let is_kept = |client, clock| {
            let mut parked = parked.iter();
            document.state().clock(client) > clock
                || parked.any(|range| {
                    range.client == client && (range.start..range.end).contains(&clock)
                })
        };
        for client in &self.clients {
            for saved in &client.saved {
                for range in scan(saved).unwrap().inserts() {
                    let mut units = range.start..range.end;
                    assert!(
                        units.all(|clock| is_kept(range.client, clock)),
                        "what was called saved is in the document or in a park"
                    );
                }
            }
        }
        let readers = self.clients.iter().filter(|client| client.is_welcome());
        for client in readers {
            let lacks = document
                .state()
                .clocks()
                .any(|(id, clock)| client.document.state().vector().get(id) < clock);
            assert!(!lacks, "a client that is here has all of the document");
        }
    }
}

fn run(seed: u64, fault: Fault) -> (usize, usize, usize) {
    let mut world = World::new(seed, fault);
    for _ in 0..STEPS {
        world.step();
    }
    world.rest();
    world.check();
    let saved = world.clients.iter().map(|client| client.saved.len()).sum();
    let cluster = &world.cluster;
    (cluster.log.len(), saved, cluster.erasures.len())
}

#[test]
fn all_hosts_agree_at_each_position_whatever_happens() {
    let first = match std::env::var("BATON_SEED") {
        Ok(_) => Random::seed("BATON_SEED"),
        Err(_) => 1,
    };
    let runs = match std::env::var("BATON_RUNS") {
        Ok(runs) => runs.parse().unwrap(),
        Err(_) => RUNS,
    };
    let (mut records, mut saved, mut erasures) = (0, 0, 0);
    for seed in first..first + runs {
        let ran = std::panic::catch_unwind(|| run(seed, Fault::None));
        let (of_log, of_clients, erased) = ran.unwrap_or_else(|_| panic!("BATON_SEED={seed}"));
        records += of_log;
        saved += of_clients;
        erasures += erased;
    }
    eprintln!("{records} records, {saved} messages were called saved, {erasures} erasures");
    assert!(saved > 0 && (erasures > 0 || runs < RUNS));
}

#[test]
fn content_that_comes_back_after_an_erasure_is_found_whatever_brings_it_back() {
    for fault in [Fault::Deaf, Fault::Unframed, Fault::WritesBack] {
        let finds = |seed| std::panic::catch_unwind(|| run(seed, fault)).is_err();
        assert!((1..=RUNS).any(finds), "{fault:?} is not found");
    }
}
