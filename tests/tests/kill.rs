//! A server that is killed (-9) at random moments under load: what a client was told is saved is there afterwards, with
//! all that was broadcast before it, and who held the lock holds it on.
//!
//! `BATON_KILLS` says how often (default 50); `BATON_SEED` repeats a run's choices. With `BATON_SETTLED` (milliseconds),
//! what was broadcast so long before a kill must be there as well: 100 on a machine that has time for it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the story")]

use std::time::{Duration, Instant};

use baton_sync::control_channel::{FencingToken, Outcome};
use baton_sync::document::yrs::{GetString, ReadTxn, Text, WriteTxn};
use baton_sync::{ClientId, Clock, StateVector};
use baton_testkit::Random;
use baton_tests::{Join, Known, LockState, Memory, RawClient, ServerProcess, converge};

/// Documents under load, and who writes in each.
const DOCUMENTS: [&str; 4] = ["one", "two", "three", "four"];
const WRITERS: usize = 3;

/// The document whose lock is held all the time.
const LOCKED: &str = "locked";

/// Snapshots are to be written in the middle of it all.
const ARGUMENTS: [&str; 4] = ["--compact-after", "16KiB", "--unload-after", "200ms"];

/// Somebody who writes into a text of their own, so that it is known what must be in it.
struct Writer {
    document: &'static str,
    name: String,
    client: RawClient,
    /// For each sync message of this connection, the own clock after it.
    clocks: Vec<Clock>,
    written: usize,
}

impl Writer {
    async fn comes(server: &ServerProcess, document: &'static str, name: String) -> Self {
        let client = server.connect(Join::member(document, &name)).await;
        Self {
            document,
            name,
            client,
            clocks: Vec::new(),
            written: 0,
        }
    }

    async fn comes_again(&mut self, server: &ServerProcess, memory: Memory) {
        let join = Join::member(self.document, &self.name).remembering(memory);
        self.client = server.connect(join).await;
        self.clocks.clear();
    }

    fn writes(&mut self) {
        let (name, word) = (self.name.clone(), format!("{};", self.written));
        let before = self.client.look(own_clock);
        let number = self.client.edits(|txn| {
            let text = txn.get_or_insert_text(name.as_str());
            text.push(txn, &word);
        });
        self.written += 1;
        // A Step2 that this connection sent in between held what there was before.
        self.clocks.resize(number as usize - 1, before);
        self.clocks.push(self.client.look(own_clock));
    }

    /// What it was told is on the disk, as its own clock. To be asked when the connection is over.
    fn promised(&self) -> Clock {
        let saved = self.client.look(|known| known.saved);
        let last = saved.checked_sub(1).map(|last| last as usize);
        last.and_then(|last| self.clocks.get(last).copied())
            .unwrap_or(0)
    }
}

fn own_clock(known: &Known) -> Clock {
    let own = known.memory.client;
    known.memory.document.state().clock(own)
}

fn vector(known: &Known) -> StateVector {
    known.memory.document.state().vector()
}

fn text_of(client: &RawClient, root: &str) -> String {
    let read = client.look(|known| {
        known.memory.document.read(|txn| {
            txn.get_text(root)
                .map_or_else(String::new, |text| text.get_string(txn))
        })
    });
    read.expect("the document is whole")
}

/// Somebody who only looks on, and remembers when it saw what.
struct Witness {
    document: &'static str,
    client: RawClient,
    seen: Vec<(Instant, StateVector)>,
}

impl Witness {
    fn looks(&mut self) {
        self.seen.push((Instant::now(), self.client.look(vector)));
    }

    /// What it had seen some time before this moment.
    fn settled_before(&self, moment: Instant, settled: Duration) -> StateVector {
        let old = self.seen.iter().rev();
        let mut old = old.filter(|(at, _)| *at + settled <= moment);
        old.next().map(|(_, seen)| seen.clone()).unwrap_or_default()
    }

    /// What it had seen before it saw this: all of that stands before it in the log.
    fn seen_before(&self, client: ClientId, clock: Clock) -> StateVector {
        let mut before = StateVector::new();
        for (_, seen) in &self.seen {
            if seen.get(client) >= clock {
                break;
            }
            before = seen.clone();
        }
        before
    }
}

struct Scene {
    server: ServerProcess,
    writers: Vec<Writer>,
    /// One of the writers holds this lock.
    holder: usize,
    fence: FencingToken,
    waiter: Option<Memory>,
    /// What must be in each document, whatever happens later.
    floor: Vec<(&'static str, StateVector)>,
}

impl Scene {
    async fn begin() -> Self {
        let server = ServerProcess::start(&ARGUMENTS).await;
        let mut writers = Vec::new();
        for document in DOCUMENTS {
            for number in 0..WRITERS {
                writers.push(Writer::comes(&server, document, format!("w{number}")).await);
            }
        }
        let holder = writers.len();
        writers.push(Writer::comes(&server, LOCKED, "holder".to_owned()).await);
        let fence = writers[holder].client.takes_lock().await;
        let waiter = server.connect(Join::member(LOCKED, "waiter")).await;
        assert_eq!(waiter.acquires().await, Outcome::Queued);
        Self {
            server,
            writers,
            holder,
            fence,
            waiter: Some(waiter.vanishes().await),
            floor: DOCUMENTS
                .into_iter()
                .chain([LOCKED])
                .map(|document| (document, StateVector::new()))
                .collect(),
        }
    }

    /// Writes for so long, is killed, starts again, and everybody comes back.
    async fn round(&mut self, load: Duration) {
        let mut witnesses = Vec::new();
        for document in DOCUMENTS {
            let client = self.server.connect(Join::stock(document)).await;
            witnesses.push(Witness {
                document,
                client,
                seen: Vec::new(),
            });
        }
        self.write_for(load, &mut witnesses).await;
        let killed = Instant::now();
        self.server.kill().await;
        let memories = self.collect(killed, &witnesses).await;
        drop(witnesses);
        self.server.start_again().await;
        self.check_alone().await;
        self.come_back(memories).await;
    }

    async fn write_for(&mut self, load: Duration, witnesses: &mut [Witness]) {
        let until = Instant::now() + load;
        while Instant::now() < until {
            for writer in &mut self.writers {
                writer.writes();
            }
            for witness in &mut *witnesses {
                witness.looks();
            }
            // The pace of the load.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// What was promised before the kill; everybody's memory.
    async fn collect(&mut self, killed: Instant, witnesses: &[Witness]) -> Vec<Memory> {
        if let Ok(settled) = std::env::var("BATON_SETTLED") {
            let settled = Duration::from_millis(settled.parse().unwrap());
            for witness in witnesses {
                let seen = witness.settled_before(killed, settled);
                self.raise(witness.document, &seen);
            }
        }
        let mut memories = Vec::new();
        for at in 0..self.writers.len() {
            let writer = &self.writers[at];
            // All that came before the end has been read then.
            writer.client.ends().await;
            let own = writer.client.look(|known| known.memory.client);
            let (document, saved) = (writer.document, writer.promised());
            self.raise(document, &[(own, saved)].into_iter().collect());
            for witness in witnesses.iter().filter(|one| one.document == document) {
                self.raise(document, &witness.seen_before(own, saved));
            }
            let parked = self.writers[at].client.look(|known| {
                let parks = known.channel.iter();
                parks
                    .filter(|message| {
                        matches!(
                            message,
                            baton_sync::control_channel::ServerMessage::Parked { .. }
                        )
                    })
                    .count()
            });
            assert_eq!(parked, 0, "nobody wrote under another's lock");
            let stand_in = self.writers[at].client.takes_memory();
            memories.push(stand_in);
        }
        memories
    }

    fn raise(&mut self, document: &str, promised: &StateVector) {
        for (name, floor) in &mut self.floor {
            if *name == document {
                for (client, clock) in promised.iter() {
                    floor.raise(client, clock);
                }
            }
        }
    }

    /// Somebody new comes into each document before anybody who could bring back what was lost.
    async fn check_alone(&self) {
        for (document, floor) in &self.floor {
            let alone = self.server.connect(Join::stock(document)).await;
            let there = alone.look(vector);
            assert!(
                there.covers(floor),
                "{document}: promised {floor:?}, there is {there:?}"
            );
            alone.leaves().await;
        }
    }

    async fn come_back(&mut self, memories: Vec<Memory>) {
        let waiter = Join::member(LOCKED, "waiter");
        let memory = self.waiter.take().expect("it always comes back");
        let waiter = self.server.connect(waiter.remembering(memory)).await;
        assert!(waiter.look(|known| known.resumed), "its ticket is kept");
        waiter.sees_lock(LockState::Recovering).await;
        for (writer, memory) in self.writers.iter_mut().zip(memories) {
            writer.comes_again(&self.server, memory).await;
            assert!(writer.client.look(|known| known.resumed));
        }
        let holder = &self.writers[self.holder].client;
        assert_eq!(holder.is_granted().await, self.fence, "the same fence");
        self.waiter = Some(waiter.vanishes().await);
    }

    /// Everything comes together in the end, each writer's text whole and in order.
    async fn end(self) {
        for (document, _) in &self.floor {
            let alone = self.server.connect(Join::stock(document)).await;
            let writers = self.writers.iter();
            let here: Vec<_> = writers
                .filter(|writer| writer.document == *document)
                .collect();
            let mut all: Vec<&RawClient> = here.iter().map(|writer| &writer.client).collect();
            all.push(&alone);
            converge(&all).await;
            for writer in here {
                let whole: String = (0..writer.written).map(|word| format!("{word};")).collect();
                assert_eq!(text_of(&alone, &writer.name), whole);
            }
        }
        let said = self.server.said();
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_at_random_moments_keeps_its_promises() {
    let kills = std::env::var("BATON_KILLS").map_or(50, |text| text.parse().unwrap());
    let mut random = Random::announced("kills");
    let began = Instant::now();
    let mut scene = Scene::begin().await;
    for _ in 0..kills {
        let load = Duration::from_millis(50 + random.below(350));
        scene.round(load).await;
    }
    let words: usize = scene.writers.iter().map(|writer| writer.written).sum();
    scene.end().await;
    eprintln!("{kills} kills and {words} updates in {:?}", began.elapsed());
}
