//! S8: a resume token works once.

use std::collections::{BTreeMap, BTreeSet};

use baton_sync::channel::{ClientMessage, ServerMessage};

use super::Oracle;
use crate::net::ConnNo;
use crate::seen::Seen;
use crate::world::World;

/// Follows each token from the welcome that gave it out to the one that it bought.
#[derive(Debug, Default)]
pub(super) struct Resume {
    shown: BTreeMap<ConnNo, (u64, String)>,
    used: BTreeSet<String>,
    given: BTreeMap<String, u64>,
}

impl Oracle for Resume {
    fn invariant(&self) -> &'static str {
        "S8"
    }

    fn saw(&mut self, seen: &Seen<'_>, _: &World) -> Result<(), String> {
        match seen {
            Seen::Asked {
                conn,
                message:
                    ClientMessage::Hello {
                        resume: Some(resume),
                        ..
                    },
            } => {
                self.shown
                    .insert(*conn, (resume.session, resume.token.clone()));
                Ok(())
            }
            Seen::Said {
                conn,
                message:
                    ServerMessage::Welcome {
                        session,
                        token,
                        resumed,
                        ..
                    },
            } => {
                if *resumed {
                    self.bought(*conn, *session)?;
                }
                match self.given.insert(token.clone(), *session) {
                    Some(other) => Err(format!("{session} was given the token that {other} had")),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

impl Resume {
    fn bought(&mut self, conn: ConnNo, session: u64) -> Result<(), String> {
        let Some((asked, token)) = self.shown.remove(&conn) else {
            return Err(format!(
                "{session} went on over {conn}, which had not asked"
            ));
        };
        if asked != session || self.given.get(&token) != Some(&session) {
            return Err(format!("{session} went on with another session's token"));
        }
        if !self.used.insert(token) {
            return Err(format!("{session} went on twice with one token"));
        }
        Ok(())
    }
}
