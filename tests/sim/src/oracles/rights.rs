//! S7: a take-over needs its permission, as a lock needs the right to lock, and so do the other things that not everybody may do: moving a lock is for its own
//! user, changing the mode for who manages, deciding about a park for its author, for who manages, and for who holds
//! locks of all that it touches.

use std::collections::{BTreeMap, BTreeSet};

use baton_presence::{Change, DrainReason, Event, Rights, SessionId, UserKey};
use baton_room::Record;
use baton_sync::control_channel::{ClientMessage, Outcome, ServerMessage};

use super::Oracle;
use crate::net::ConnNo;
use crate::seen::Seen;
use crate::world::World;

/// Compares what was done with what the session's person may do. What a session may is said by its newest connection.
#[derive(Debug, Default)]
pub(super) struct Entitled {
    modes: BTreeSet<(ConnNo, u64)>,
    /// As the records say.
    people: BTreeMap<SessionId, (Rights, Option<UserKey>)>,
}

impl Oracle for Entitled {
    fn invariant(&self) -> &'static str {
        "S7"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        match seen {
            Seen::Asked {
                conn,
                message: ClientMessage::SetMode { nonce, .. },
            } => {
                self.modes.insert((*conn, *nonce));
                Ok(())
            }
            Seen::Said {
                conn,
                message: ServerMessage::Result { nonce, outcome, .. },
            } => {
                let done = *outcome == Outcome::Done && self.modes.contains(&(*conn, *nonce));
                let person = world.conns[*conn].person;
                if done && !world.people[person].rights.contains(Rights::MANAGE) {
                    return Err(format!("person {person} set the mode without the right"));
                }
                Ok(())
            }
            Seen::Committed { .. } => self.committed(seen, world),
            _ => Ok(()),
        }
    }
}

impl Entitled {
    fn committed(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        let Seen::Committed {
            position,
            record,
            changes,
            before,
            decided,
            ..
        } = seen
        else {
            return Ok(());
        };
        self.introduce(*position, record);
        for change in *changes {
            self.change(change, world)?;
        }
        let (
            Record::ParkDecided {
                by: Some(by),
                decision,
                ..
            },
            Some(park),
        ) = (record, decided)
        else {
            return Ok(());
        };
        let (rights, user) = self.of(*by);
        let author = park.session == *by || (user.is_some() && user == park.user);
        let holder = before.holds_all(*by, &park.roots);
        if author || holder || rights.contains(Rights::MANAGE) {
            Ok(())
        } else {
            Err(format!(
                "{by} decided about park {} ({decision:?})",
                park.id
            ))
        }
    }

    fn introduce(&mut self, position: u64, record: &Record) {
        match record {
            Record::Joined { rights, user, .. } => {
                self.people.insert(SessionId(position), (*rights, *user));
            }
            Record::Resumed {
                session, rights, ..
            } => {
                if let Some((had, _)) = self.people.get_mut(session) {
                    *had = *rights;
                }
            }
            Record::Presence(Event::RightsSet { session, rights }) => {
                if let Some((had, _)) = self.people.get_mut(session) {
                    *had = *rights;
                }
            }
            _ => {}
        }
    }

    fn of(&self, session: SessionId) -> (Rights, Option<UserKey>) {
        let person = self.people.get(&session).copied();
        person.unwrap_or((Rights::NONE, None))
    }

    fn change(&self, change: &Change, world: &World) -> Result<(), String> {
        match change {
            Change::Offered { to, scope, .. } | Change::Granted { to, scope, .. } => {
                let conns = world.conns.iter();
                let mut theirs = conns.filter(|conn| conn.session == Some(to.0)).peekable();
                // Somebody with two sessions may have an offer pass from one to the other, which is told next.
                let may = |person: usize| {
                    let person = &world.people[person];
                    person.rights.contains(Rights::LOCK) || person.rights_at == world.now
                };
                if theirs.peek().is_none() || theirs.any(|conn| may(conn.person)) {
                    return Ok(());
                }
                Err(format!("{to} has {scope} without the right to lock"))
            }
            Change::TakenOver { by, scope } => {
                // By the people who had that session, whatever the room was told.
                let conns = world.conns.iter();
                let mut theirs = conns.filter(|conn| conn.session == Some(by.0)).peekable();
                let may = |person: usize| {
                    let rights = world.people[person].rights;
                    rights.contains(Rights::TAKE_OVER)
                };
                if theirs.peek().is_none() || theirs.any(|conn| may(conn.person)) {
                    return Ok(());
                }
                Err(format!("{by} took over {scope} without the right"))
            }
            Change::Draining {
                by,
                to: Some(to),
                why: DrainReason::Moved,
                ..
            } => match (self.of(*by).1, self.of(*to).1) {
                (Some(one), Some(other)) if one == other => Ok(()),
                _ => Err(format!("{change:?}: not the same user")),
            },
            _ => Ok(()),
        }
    }
}
