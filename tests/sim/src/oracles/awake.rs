//! Time: nobody who is well, and whose connection has worked all the while, is called lost, however long the server itself
//! stood still.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_presence::{Change, SessionId};

use super::{Oracle, SLACK, Since, person_of};
use crate::net::ConnNo;
use crate::people::Body;
use crate::seen::Seen;
use crate::world::World;

/// How long each person has been well, over one connection.
#[derive(Debug, Default)]
pub(super) struct Awake {
    well: BTreeMap<usize, (Option<ConnNo>, Since)>,
}

impl Oracle for Awake {
    fn invariant(&self) -> &'static str {
        "nobody well is lost"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        match seen {
            Seen::Step => self.look(world),
            Seen::Committed { changes, .. } => {
                for change in *changes {
                    if let Change::Lost { session } = change {
                        self.judge(*session, world)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Awake {
    fn look(&mut self, world: &World) {
        for (number, person) in world.people.iter().enumerate() {
            let works = |conn: ConnNo| world.conns[conn].works(world.now);
            // When everything is healed in the end, what a lane held up still takes its time.
            let well = !world.quiet
                && person.body == Body::Well
                && person.conn.is_some_and(works)
                && world.now >= person.cut.0.max(person.cut.1);
            let (conn, since) = self.well.entry(number).or_default();
            if *conn != person.conn {
                *conn = person.conn;
                *since = Since::default();
            }
            since.track(well, world.now);
        }
    }

    fn judge(&mut self, session: SessionId, world: &World) -> Result<(), String> {
        let Some(person) = person_of(world, session) else {
            return Ok(());
        };
        let conn = world.people[person].conn;
        let its = conn.is_some_and(|conn| world.conns[conn].session == Some(session.0));
        let Some((of, since)) = self.well.get(&person).filter(|_| its) else {
            return Ok(());
        };
        let lasts = if *of == conn {
            since.lasts(world.now)
        } else {
            Duration::ZERO
        };
        // Before that it may have been silent for as long as anybody may.
        if lasts > world.timings().offline_after + SLACK {
            return Err(format!(
                "{session} (person {person}) was called lost; it has been well for {lasts:?}, the server stood still until {:?}",
                world.stalled
            ));
        }
        Ok(())
    }
}
