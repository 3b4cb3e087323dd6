//! The right to lock comes and goes in some worlds, while people hold locks and wait for them.
//!
//! Draws from a source of its own, so that the other worlds are as they were before there were rights. The right to
//! write stays: what a reader types is judged by stories of the room.

use std::time::Duration;

use baton_presence::Rights;
use baton_testkit::Random;

use crate::flaw::Flaw;
use crate::net::End;
use crate::serve::id;
use crate::world::{Action, World};

/// Time between two turns.
pub(crate) const RIGHTS_TURN: Duration = Duration::from_millis(2_300);

impl World {
    /// Whether this is such a world.
    pub(crate) const fn revokes(&self) -> bool {
        self.seed.is_multiple_of(3)
    }

    /// Somebody loses the right, or has it again. In the quiet all have it.
    pub(crate) fn turn_rights(&mut self) {
        self.at(self.now + RIGHTS_TURN, Action::Rights);
        // A server that stands still is told nothing.
        if self.room.is_none() || self.now < self.stalled {
            return;
        }
        let mut random = Random::from_seed(self.seed ^ self.now.0.as_micros() as u64);
        let person = random.below(self.people.len());
        if self.quiet {
            for person in 0..self.people.len() {
                self.set_lock_right(person, true);
            }
        } else {
            self.set_lock_right(person, random.chance(60));
        }
    }

    fn set_lock_right(&mut self, person: usize, may_lock: bool) {
        let before = self.people[person].rights;
        let all_but = Rights::WRITE.union(Rights::TAKE_OVER).union(Rights::MANAGE);
        let rights = if may_lock {
            before.union(Rights::LOCK)
        } else {
            before.intersection(all_but)
        };
        if rights == before {
            return;
        }
        self.people[person].rights = rights;
        self.people[person].rights_at = self.now;
        self.note("rights", person as u64, u64::from(may_lock));
        if self.options.flaw == Flaw::RightsStay {
            return;
        }
        let rights = self.rights_of(person);
        let here = |(conn, of): (usize, &crate::net::Conn)| {
            (of.person == person && of.server == End::Open).then_some(conn)
        };
        let conns: Vec<_> = self.conns.iter().enumerate().filter_map(here).collect();
        for conn in conns {
            self.serve(|room, now| room.set_rights(id(conn), rights, now));
        }
    }
}
