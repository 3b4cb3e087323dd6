//! What goes wrong: with programs, connections, links, the server; and the end, when nothing does any more.
//!
//! Owns how often and how badly. Everything of it heals by itself, or by what the programs and the server do about it.

use baton_presence::Time;

use crate::net::{End, Pace, Packet};
use crate::oracles::person_of;
use crate::people::{App, Body, Kind};
use crate::world::{Action, World};

impl World {
    /// Something goes wrong, and will again.
    pub(crate) fn fault(&mut self) {
        if self.quiet {
            return;
        }
        let (least, most) = if self.calm {
            (3_000, 40_000)
        } else {
            (300, 7_000)
        };
        self.after(least, most, Action::Fault);
        let person = self.victim();
        match self.random.below(20) {
            0..3 => self.freeze(person),
            3 => self.sleep(person),
            4..7 => self.cut(person),
            7..11 => self.hurt_connection(person),
            11..14 => self.reset(person),
            14 | 15 => self.kill(person),
            16 => self.stall(),
            17 | 18 => self.crash(),
            _ => self.restart(),
        }
    }

    /// Anybody; rather often whoever has the lock.
    fn victim(&mut self) -> usize {
        let anybody = self.random.below(self.people.len());
        let grants: Vec<_> = self.book.fold.grants().map(|grant| grant.party).collect();
        let party = match grants.len() {
            0 => None,
            len => Some(grants[self.random.below(len)]),
        };
        let party = party.filter(|_| self.random.chance(25));
        let holder = party.and_then(|session| person_of(self, session));
        holder.unwrap_or(anybody)
    }

    fn freeze(&mut self, person: usize) {
        let one = &mut self.people[person];
        if one.body != Body::Well || matches!(one.app, App::Away) {
            return;
        }
        one.body = Body::Frozen;
        one.changed_at = self.now;
        self.note("freezes", person as u64, 0);
        // Some are hidden tabs that nobody looks at for long.
        let longest = if self.random.chance(25) {
            90_000
        } else {
            30_000
        };
        self.after(500, longest, Action::Thaw(person));
    }

    fn sleep(&mut self, person: usize) {
        let one = &mut self.people[person];
        if one.body != Body::Well {
            return;
        }
        one.body = Body::Asleep(self.now);
        one.changed_at = self.now;
        self.note("sleeps", person as u64, 0);
        self.after(1_000, 60_000, Action::Thaw(person));
    }

    /// A frozen or sleeping program goes on, with all that came meanwhile, and all timers that it missed.
    pub(crate) fn thaw(&mut self, person: usize) {
        if self.people[person].body == Body::Well {
            return;
        }
        self.people[person].wake(self.now);
        self.note("wakes", person as u64, 0);
        // Timers and sockets race; here one order or the other.
        let timers_first = self.random.chance(50);
        if timers_first {
            self.late_timer(person);
        }
        while let Some(packet) = self.people[person].inbox.pop_front() {
            self.program_gets(person, packet);
        }
        self.late_timer(person);
    }

    fn late_timer(&mut self, person: usize) {
        self.people[person].timer = None;
        if self.people[person].tab().is_some() {
            self.with_tab(person, |machine, now| machine.timeout(now));
        } else {
            self.page_timer(person);
        }
    }

    /// The link of a person, for all of its connections: one way, the other, or both. Frames wait, as TCP sends them
    /// again.
    fn cut(&mut self, person: usize) {
        let lasts = self.random.millis(500, 45_000);
        let until = self.now + lasts;
        let cut = &mut self.people[person].cut;
        match self.random.below(4) {
            0 => cut.0 = cut.0.max(until),
            1 => cut.1 = cut.1.max(until),
            _ => *cut = (cut.0.max(until), cut.1.max(until)),
        }
        self.people[person].changed_at = until;
        self.note("is cut off", person as u64, lasts.as_millis() as u64);
    }

    /// One connection only: the next one may be well.
    fn hurt_connection(&mut self, person: usize) {
        let Some(conn) = self.people[person].conn else {
            return;
        };
        let (how, up) = (self.random.below(3), self.random.chance(50));
        let lasts = self.random.millis(1_000, 60_000);
        let here = &mut self.conns[conn];
        let lane = if up { &mut here.up } else { &mut here.down };
        match how {
            0 => lane.hold(self.now, lasts),
            1 => lane.pace = Pace::Dead,
            _ if lane.pace == Pace::Good => lane.pace = Pace::Slow,
            _ => {}
        }
        self.note("is hurt", person as u64, how);
    }

    /// The connection breaks; one side sees it at once, or both.
    fn reset(&mut self, person: usize) {
        let Some(conn) = self.people[person].conn else {
            return;
        };
        let who = self.random.below(3);
        self.note("is reset", person as u64, who);
        if who != 0 && self.conns[conn].server == End::Open {
            self.server_gets(conn, &Packet::Close(None));
        }
        if who != 1 && self.people[person].body == Body::Well {
            self.conns[conn].client = End::Closed;
            self.program_lost(person, None);
        }
    }

    /// A process dies; its machine says so to the server, or nobody does.
    fn kill(&mut self, person: usize) {
        if self.random.chance(60) {
            self.hang_up(person);
        } else {
            let one = &mut self.people[person];
            for conn in one.conn.take().into_iter().chain(one.before.take()) {
                self.conns[conn].client = End::Closed;
                self.conns[conn].up.pace = Pace::Dead;
            }
        }
        self.kill_tab(person);
        self.people[person].wake(self.now);
        self.after(200, 20_000, Action::Return(person));
    }

    /// The server's loop stands still.
    fn stall(&mut self) {
        if self.room.is_none() || self.now < self.stalled {
            return;
        }
        let lasts = self.random.millis(100, 20_000);
        self.stalled = self.now + lasts;
        self.note("stalls", 0, lasts.as_millis() as u64);
    }

    /// From here on nothing goes wrong, and all comes back.
    pub(crate) fn become_quiet(&mut self) {
        self.quiet = true;
        self.note("quiet", 0, 0);
        for conn in &mut self.conns {
            conn.up.heal(self.now);
            conn.down.heal(self.now);
        }
        for person in 0..self.people.len() {
            self.people[person].cut = (Time::ZERO, Time::ZERO);
            self.people[person].changed_at = self.now;
            self.thaw(person);
            if self.people[person].kind == Kind::Baton {
                self.with_tab(person, |machine, now| machine.connect(now));
            }
            self.after(100, 2_000, Action::Return(person));
        }
    }
}
