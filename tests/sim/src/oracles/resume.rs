//! S8: a resume token works once: until the server knows that the one after it has arrived. (A welcome may be lost.)

use std::collections::{BTreeMap, BTreeSet};

use baton_sync::control_channel::{ClientMessage, ServerMessage};

use super::Oracle;
use crate::net::ConnNo;
use crate::seen::Seen;
use crate::world::World;

/// Follows each token from the welcome that gave it out to the one that it bought.
#[derive(Debug, Default)]
pub(super) struct Resume {
    shown: BTreeMap<ConnNo, (u64, String)>,
    given: BTreeMap<String, u64>,
    /// What was last bought with a token.
    bought: BTreeMap<String, String>,
    /// What is of no more use: bought with a token that then bought another.
    void: BTreeSet<String>,
    /// What has arrived: its owner answered a beat over its connection.
    proven: BTreeSet<String>,
    /// The token that a connection's welcome gave out, and what its first beat called confirmed.
    welcomed: BTreeMap<ConnNo, (String, Option<u64>)>,
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
                self.welcomed.insert(*conn, (token.clone(), None));
                if *resumed {
                    self.buys(*conn, *session, token)?;
                }
                match self.given.insert(token.clone(), *session) {
                    Some(other) => Err(format!("{session} was given the token that {other} had")),
                    None => Ok(()),
                }
            }
            Seen::Said {
                conn,
                message: ServerMessage::Beat { confirmed, .. },
            } => {
                if let Some((token, first)) = self.welcomed.get_mut(conn)
                    && *confirmed > *first.get_or_insert(*confirmed)
                {
                    self.proven.insert(token.clone());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Resume {
    fn buys(&mut self, conn: ConnNo, session: u64, token: &str) -> Result<(), String> {
        let Some((asked, shown)) = self.shown.remove(&conn) else {
            return Err(format!(
                "{session} went on over {conn}, which had not asked"
            ));
        };
        if asked != session || self.given.get(&shown) != Some(&session) {
            return Err(format!("{session} went on with another session's token"));
        }
        if self.void.contains(&shown) {
            return Err(format!(
                "{session} went on with a token that was given out in vain"
            ));
        }
        let before = self.bought.insert(shown, token.to_owned());
        if let Some(before) = before {
            if self.proven.contains(&before) || self.bought.contains_key(&before) {
                return Err(format!("{session} went on twice with one token"));
            }
            self.void.insert(before);
        }
        Ok(())
    }
}
