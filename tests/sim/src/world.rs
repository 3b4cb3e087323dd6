//! The world of a run: virtual time, the one queue of what happens when, and everything that it happens to.
//!
//! Owns the order of things and nothing of their meaning: the server is in `serve`, the network between in `traffic`, the
//! programs in `tab` and `page`, what people want in `workload`, what goes wrong in `faults`, what must hold in `oracles`.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::time::Duration;

use baton_presence::{AutoPass, LockSettings, Mode, Time, Timings};
use baton_room::{ResumeToken, Room, RoomOptions};
use baton_sync::compressed_update::Compression;
use bytes::Bytes;

use crate::book::Book;
use crate::content::Contents;
use crate::disk::Disk;
use crate::ledger::Ledger;
use crate::net::{Conn, ConnNo};
use crate::options::Options;
use crate::oracles::{self, Oracle};
use crate::people::{Kind, Patience, Person};
use crate::report::{Report, Violation};
use crate::revoke::RIGHTS_TURN;
use crate::seen::{Kept, Seen};
use crate::trace::Trace;
use baton_testkit::Random;

/// How long the end is: nobody types any more, nothing goes wrong any more, and all timers have their time.
pub(crate) const QUIET: Duration = Duration::from_secs(75);

/// Something that is going to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// Something arrives at the server.
    Up(ConnNo),
    /// Something arrives at a client.
    Down(ConnNo),
    /// The server's one timer.
    Driver,
    /// A sync of the disk is through.
    Synced,
    /// The server writes a snapshot.
    Compact,
    /// The server starts.
    Start,
    /// A person does something.
    Think(usize),
    /// A connection is attempted, the so-manieth of this program.
    Attempt(usize, u64),
    /// A program's timer.
    Timer(usize),
    /// A person opens the document again.
    Return(usize),
    /// A person's program goes on.
    Thaw(usize),
    /// Something goes wrong.
    Fault,
    /// The right to lock comes or goes.
    Rights,
    /// Nothing goes wrong any more.
    Quiet,
    /// All is over.
    End,
}

/// See the module.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) options: Options,
    pub(crate) now: Time,
    pub(crate) random: Random,
    queue: BinaryHeap<Reverse<(Time, u64, Action)>>,
    pushed: u64,
    pub(crate) people: Vec<Person>,
    pub(crate) conns: Vec<Conn>,
    /// The token that each connection's session would get.
    pub(crate) tokens: Vec<ResumeToken>,
    pub(crate) disk: Disk,
    pub(crate) room: Option<Room>,
    pub(crate) room_options: RoomOptions,
    /// When the server's process started; its own clock counts from there.
    pub(crate) started: Time,
    /// The server's loop stands still until then.
    pub(crate) stalled: Time,
    pub(crate) driver: Option<Time>,
    pub(crate) book: Book,
    /// What stands in the server's document, if that is known.
    pub(crate) contents: Option<Contents>,
    /// What followed of records that are not durable yet.
    pub(crate) undurable: VecDeque<Kept>,
    /// Sessions that gave a lock back or lost it.
    pub(crate) losers: BTreeSet<u64>,
    pub(crate) ledger: Ledger,
    /// Edits that others had seen and a crash took.
    pub(crate) edits_lost: u64,
    pub(crate) quiet: bool,
    /// True if less goes wrong, all people ask for a lock once, and most claim it by hand. In other
    /// runs a request or a reconnect forgives nearly every missed offer before its pause is over.
    pub(crate) calm: bool,
    trace: Trace,
    oracles: Vec<Box<dyn Oracle>>,
    found: Option<Violation>,
    over: bool,
}

/// Draws the time limits of a life.
fn draw_timings(random: &mut Random) -> Timings {
    // Most with the profile that promises most.
    let timings = match random.below(10) {
        0..6 => Timings::strict(),
        6..9 => Timings::default(),
        _ => Timings {
            grace: Duration::ZERO,
            wait_out_lease: random.chance(50),
            ..Timings::default()
        },
    };
    // In some runs what takes minutes takes less, so that it happens.
    match random.below(2) {
        0 => timings,
        _ => Timings {
            request: Duration::from_secs(12),
            idle_yield: Duration::from_secs(12),
            idle_warning: Duration::from_secs(4),
            take_over_cooldown: Duration::from_secs(5),
            ..timings
        },
    }
}

impl World {
    pub(crate) fn new(seed: u64, options: &Options) -> Self {
        let mut random = Random::from_seed(seed);
        let timings = draw_timings(&mut random);
        let lock_settings = LockSettings {
            epoch: 1,
            auto_pass: if random.chance(70) {
                AutoPass::On
            } else {
                AutoPass::Off
            },
            mode: match random.below(10) {
                0..7 => Mode::ExclusiveWhenHeld,
                7 | 8 => Mode::Required,
                _ => Mode::Open,
            },
        };
        let room_options = RoomOptions {
            timings,
            lock_settings,
            rest_after: Duration::from_secs(1 + seed % 30),
            // In some lives every first sync comes in pieces.
            piece_bytes: if seed % 4 == 3 { 200 } else { 1024 * 1024 },
            // In some, the programs are sent almost everything compressed.
            compression: Some(Compression {
                level: 1,
                least: if seed % 2 == 1 { 64 } else { 1024 },
            }),
            ..RoomOptions::default()
        };
        let kinds = (0..options.people.clamp(1, 64)).map(|number| match number % 5 {
            4 => Kind::Stock {
                stubborn: random.chance(30),
            },
            _ => Kind::Baton,
        });
        let kinds: Vec<Kind> = kinds.collect();
        let calm = random.chance(20);
        let people = kinds.into_iter().map(|kind| {
            let patience = if calm {
                Patience::ASKS_ONCE
            } else {
                Patience::draw(&mut random)
            };
            Person::new(kind, patience, &mut random)
        });
        let people = people.collect();
        let mut world = Self {
            seed,
            options: *options,
            now: Time::from_millis(1_000),
            queue: BinaryHeap::new(),
            pushed: 0,
            people,
            conns: Vec::new(),
            tokens: Vec::new(),
            disk: Disk::default(),
            room: None,
            room_options,
            started: Time::ZERO,
            stalled: Time::ZERO,
            driver: None,
            book: Book::new(),
            contents: None,
            undurable: VecDeque::new(),
            losers: BTreeSet::new(),
            ledger: Ledger::default(),
            edits_lost: 0,
            quiet: false,
            calm,
            trace: Trace::new(options.shown),
            oracles: oracles::all(),
            found: None,
            over: false,
            random,
        };
        let quiet = world.now + options.lasts;
        world.at(world.now, Action::Start);
        world.at(quiet, Action::Quiet);
        world.at(quiet + QUIET, Action::End);
        for person in 0..world.people.len() {
            world.after(50, 3_000, Action::Return(person));
            world.after(500, 4_000, Action::Think(person));
        }
        world.after(5_000, 15_000, Action::Fault);
        if world.revokes() {
            world.at(world.now + RIGHTS_TURN, Action::Rights);
        }
        world.after(5_000, 40_000, Action::Compact);
        world
    }

    /// Runs to the end, or to the first thing that does not hold.
    pub(crate) fn run(mut self) -> Report {
        while !self.over
            && self.found.is_none()
            && let Some(Reverse((at, _, action))) = self.queue.pop()
        {
            self.now = at.max(self.now);
            self.act(action);
            self.see(&Seen::Step);
        }
        if self.found.is_none() {
            self.see(&Seen::End);
        }
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Report {
            seed: self.seed,
            people: self.people.len(),
            lasts_ms: millis(self.options.lasts),
            steps: self.trace.steps(),
            trace: self.trace.hash(),
            counts: self.trace.counts(),
            violation: self.found,
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Up(conn) => self.arrive_up(conn),
            Action::Down(conn) => self.arrive_down(conn),
            Action::Driver => self.drive(),
            Action::Synced => self.synced(),
            Action::Compact => self.compact(),
            Action::Start => self.start(),
            Action::Think(person) => self.think(person),
            Action::Attempt(person, attempt) => self.attempt(person, attempt),
            Action::Timer(person) => self.timer(person),
            Action::Return(person) => self.come_back(person),
            Action::Thaw(person) => self.thaw(person),
            Action::Fault => self.fault(),
            Action::Rights => self.turn_rights(),
            Action::Quiet => self.become_quiet(),
            Action::End => self.over = true,
        }
    }

    /// Something will happen then.
    pub(crate) fn at(&mut self, at: Time, action: Action) {
        self.pushed += 1;
        self.queue.push(Reverse((at, self.pushed, action)));
    }

    /// Something will happen between these two numbers of milliseconds from now.
    pub(crate) fn after(&mut self, least: u64, most: u64, action: Action) {
        let wait = self.random.millis(least, most);
        self.at(self.now + wait, action);
    }

    /// Notes an event without content.
    pub(crate) fn note(&mut self, what: &'static str, who: u64, number: u64) {
        self.note_bytes(what, who, number, &Bytes::new());
    }

    pub(crate) fn note_bytes(&mut self, what: &'static str, who: u64, number: u64, bytes: &Bytes) {
        self.trace.note(self.now, what, who, number, bytes);
    }

    /// Shows something to every oracle; the first objection stands.
    pub(crate) fn see(&mut self, seen: &Seen<'_>) {
        if self.found.is_some() {
            return;
        }
        let mut oracles = std::mem::take(&mut self.oracles);
        for oracle in &mut oracles {
            if let Err(what) = oracle.saw(seen, self) {
                self.violate(oracle.invariant(), what);
                break;
            }
        }
        self.oracles = oracles;
    }

    /// Something does not hold.
    pub(crate) fn violate(&mut self, invariant: &str, what: String) {
        self.found.get_or_insert_with(|| Violation {
            invariant: invariant.to_owned(),
            what,
            step: self.trace.steps(),
            at_ms: u64::try_from(self.now.0.as_millis()).unwrap_or(u64::MAX),
            events: self.trace.shown(),
        });
    }

    /// What the server's clock shows.
    pub(crate) fn server_now(&self) -> Time {
        Time(self.now.since(self.started))
    }

    pub(crate) const fn timings(&self) -> &Timings {
        &self.room_options.timings
    }

    /// Whether a lock passes on only when its holder has surely stopped (S5 is promised).
    pub(crate) const fn waits_out_leases(&self) -> bool {
        self.timings().wait_out_lease
    }

    /// How long a lock stays with a holder that may believe in it.
    pub(crate) fn lease(&self) -> Duration {
        if self.waits_out_leases() {
            self.timings().lease()
        } else {
            Duration::ZERO
        }
    }
}
