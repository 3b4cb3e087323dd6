//! Who may say what of whom.
//!
//! Owns the judgement of one statement, and whose a client id is. It never changes what an entry says.

use super::payload::Statement;
use super::table::Entry;
use super::{Awareness, AwarenessRefusal, CLOCK_END, STRANGERS_CLOCK_END, Stamp};
use crate::ClientId;

/// What one statement amounts to.
pub(super) enum Step {
    /// Newer, from who may say so.
    Accept,
    /// The same entry, now owned by who truly has it.
    Take,
    /// At a clock that is known to be past: the sender must raise it.
    Ask,
    /// Nothing new.
    Ignore,
    Spoof,
    Refuse(AwarenessRefusal),
}

impl<O: Copy + Eq + Ord> Awareness<O> {
    /// Notes that the connection speaks, and whether the client at its other end was here before. If
    /// this is its opening, the id that it opens with and is to be asked about.
    pub(super) fn introduce(
        &mut self,
        owner: O,
        statements: &[Statement<'_>],
        now: Stamp,
    ) -> Option<ClientId> {
        let known = |client| self.entries.contains_key(&client);
        let record = self.owners.entry(owner).or_default();
        let first = !record.spoke;
        record.spoke |= !statements.is_empty();
        let ([only], true) = (statements, first) else {
            return None;
        };
        only.state?;
        let client = only.client;
        if record.own.is_none() {
            record.opened = Some(client);
            // Nobody repeats what nobody has said. Of a known id, the answer is the proof.
            record.own = (!known(client)).then_some(client);
        }
        if !self.is_claimant(owner, client) {
            return None;
        }
        if self.was_here(client) {
            let since = self.rejoins.map_or(now, |(since, _)| since);
            self.rejoins = Some((since, now));
        }
        if let Some(entry) = self.entries.get_mut(&client) {
            entry.seen = true;
        }
        Some(client)
    }

    /// Whether a client is known other than by hearsay.
    fn was_here(&self, client: ClientId) -> bool {
        let entry = self.entries.get(&client);
        entry.is_some_and(|entry| entry.seen || entry.state.is_none())
    }

    pub(super) fn judge(&self, owner: O, statement: &Statement<'_>) -> Step {
        let Some(entry) = self.entries.get(&statement.client) else {
            return match statement.state {
                None => Step::Ignore,
                Some(state) => self.admit(owner, statement, state, None),
            };
        };
        let mine = entry.owner == Some(owner);
        if !mine && !self.may_take(owner, statement.client) {
            return if statement.clock > entry.clock {
                Step::Spoof
            } else {
                Step::Ignore
            };
        }
        match statement.state {
            None if !mine && !self.is_own(owner, statement.client) => Step::Ignore,
            // Of a tombstone: only its owner can have more to say, and only to itself.
            None if entry.state.is_none() && (!mine || statement.clock <= entry.clock) => {
                Step::Ignore
            }
            None if statement.clock >= CLOCK_END => Step::Refuse(out_of_range(statement)),
            None if statement.clock >= entry.clock => Step::Accept,
            None => Step::Ignore,
            Some(state) if statement.clock > entry.clock => {
                self.admit(owner, statement, state, Some(entry))
            }
            // A rejoin, or a client that began to count again.
            Some(_) if entry.state.is_none() => Step::Ask,
            Some(_) if statement.clock < entry.clock && self.is_own(owner, statement.client) => {
                Step::Ask
            }
            Some(_) if !mine && self.is_own(owner, statement.client) => Step::Take,
            Some(_) => Step::Ignore,
        }
    }

    /// A newer state from who may state it: within the limits?
    fn admit(
        &self,
        owner: O,
        statement: &Statement<'_>,
        state: &str,
        entry: Option<&Entry<O>>,
    ) -> Step {
        let mine = entry.is_some_and(|entry| entry.owner == Some(owner));
        let claims = entry.is_some() && self.is_claimant(owner, statement.client);
        let clock_end = if mine || claims {
            CLOCK_END
        } else {
            STRANGERS_CLOCK_END
        };
        let before = entry.and_then(|entry| entry.state.as_deref());
        let owned = self.owners.get(&owner).map_or(0, |own| own.entries.len());
        let before_bytes = before.map_or(0, str::len);
        let bytes = self.bytes - before_bytes + state.len();
        let limits = &self.limits;
        Step::Refuse(if statement.clock >= clock_end {
            out_of_range(statement)
        } else if state.len() > limits.entry_bytes {
            AwarenessRefusal::TooLarge {
                client: statement.client,
                bytes: state.len(),
                limit: limits.entry_bytes,
            }
        } else if !mine && owned >= limits.entries_per_owner {
            AwarenessRefusal::Owned(limits.entries_per_owner)
        } else if before.is_none() && self.live >= limits.entries {
            AwarenessRefusal::Entries(limits.entries)
        } else if bytes > limits.bytes {
            AwarenessRefusal::Document(limits.bytes)
        } else if bytes > self.allowed && state.len() > before_bytes {
            AwarenessRefusal::All
        } else {
            return Step::Accept;
        })
    }

    /// Whether the entry of this id is the connection's, or may become so.
    pub(super) fn has_or_may_take(&self, owner: O, client: ClientId) -> bool {
        let entry = self.entries.get(&client);
        entry.is_some_and(|entry| entry.owner == Some(owner)) || self.may_take(owner, client)
    }

    /// Whether this id is known to be that of the client at the other end.
    pub(super) fn is_own(&self, owner: O, client: ClientId) -> bool {
        let record = self.owners.get(&owner);
        record.is_some_and(|record| record.own == Some(client))
    }

    /// Whether this id may be that of the client at the other end: it is, or the connection opened
    /// with it. (A client without a state of its own opens with a repetition of another's.)
    pub(super) fn is_claimant(&self, owner: O, client: ClientId) -> bool {
        let record = self.owners.get(&owner);
        record.is_some_and(|record| record.own.or(record.opened) == Some(client))
    }

    /// Whether an entry that the connection does not own is free for it: nobody's, or another's who
    /// only relayed what is this connection's own.
    pub(super) fn may_take(&self, owner: O, client: ClientId) -> bool {
        match self.entries.get(&client).and_then(|entry| entry.owner) {
            None => true,
            Some(other) => self.is_claimant(owner, client) && !self.is_own(other, client),
        }
    }
}

fn out_of_range(statement: &Statement<'_>) -> AwarenessRefusal {
    AwarenessRefusal::Clock {
        client: statement.client,
        clock: statement.clock,
    }
}
