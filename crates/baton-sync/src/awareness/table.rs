//! The table itself: entries, owners, tombstones, and the sums over them.
//!
//! Owns every change to an entry, so that counts, bytes, owners' lists and tombstones stay in step.
//! It never judges whether a change is allowed.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::payload::{self, Statement};
use super::{Awareness, CLOCK_END, STRANGERS_CLOCK_END, Stamp};
use crate::ClientId;

/// How many connections at most are remembered to contend for one id.
const CONTENDERS: usize = 8;

#[derive(Debug)]
pub(super) struct Entry<O> {
    pub(super) clock: u64,
    /// `None` = a tombstone.
    pub(super) state: Option<Box<str>>,
    /// Always there while there is a state.
    pub(super) owner: Option<O>,
    /// The highest clock at which the owner stated something since, that was refused: its client is at that one.
    pub(super) heard: u64,
    /// When the state was last stated anew.
    pub(super) stamp: Stamp,
    /// When the owner was asked to state it again, if it has not done so since.
    pub(super) asked: Option<Stamp>,
    /// Connections that say this id is their own while another live one has it, with the clocks that
    /// they stated, the newest last.
    pub(super) contenders: Vec<(O, u64)>,
    /// Whether a connection ever opened with it.
    pub(super) seen: bool,
    /// Place among the tombstones.
    pub(super) buried: u64,
}

#[derive(Debug, Default)]
pub(super) struct Owner {
    /// The id of the client at the other end, once it is known.
    pub(super) own: Option<ClientId>,
    /// The id that it opened with, which may be its own.
    pub(super) opened: Option<ClientId>,
    /// Whether it ever stated anything.
    pub(super) spoke: bool,
    /// The ids it owns.
    pub(super) entries: BTreeSet<ClientId>,
}

impl<O: Copy + Eq + Ord> Awareness<O> {
    /// Makes the connection the owner of an entry that is there.
    pub(super) fn take(&mut self, owner: O, client: ClientId) {
        let own = self.is_own(owner, client);
        let Some(entry) = self.entries.get_mut(&client) else {
            return;
        };
        entry.seen |= own;
        let before = entry.owner.replace(owner);
        if let Some(record) = before.and_then(|other| self.owners.get_mut(&other)) {
            record.entries.remove(&client);
        }
        let record = self.owners.entry(owner).or_default();
        record.entries.insert(client);
    }

    /// Keeps in mind that a connection says it is the one who truly has an id that another live one
    /// has: the same client over a new socket, while the old one is not yet known to be dead.
    pub(super) fn contend(&mut self, owner: O, statement: &Statement<'_>) {
        if statement.state.is_some()
            && statement.clock < STRANGERS_CLOCK_END
            && self.is_claimant(owner, statement.client)
            && let Some(entry) = self.entries.get_mut(&statement.client)
            && entry.owner != Some(owner)
        {
            entry.contenders.retain(|(other, _)| *other != owner);
            if entry.contenders.len() == CONTENDERS {
                entry.contenders.remove(0);
            }
            entry.contenders.push((owner, statement.clock));
        }
    }

    /// Writes a newer statement into the table; whether others are to hear of it.
    pub(super) fn accept(&mut self, owner: O, statement: &Statement<'_>, now: Stamp) -> bool {
        let client = statement.client;
        let Some(state) = statement.state else {
            let shown = self.bury(client);
            if let Some(entry) = self.entries.get_mut(&client) {
                entry.clock = statement.clock;
            }
            self.take(owner, client);
            self.disown_relayed(client);
            return shown;
        };
        let entry = self.entries.entry(client).or_insert_with(|| Entry {
            clock: 0,
            heard: 0,
            state: None,
            owner: None,
            stamp: now,
            asked: None,
            contenders: Vec::new(),
            seen: false,
            buried: 0,
        });
        if let Some(record) = self.owners.get_mut(&owner)
            && record.opened == Some(client)
        {
            // It could raise the clock: it is the one.
            record.own.get_or_insert(client);
        }
        entry.clock = statement.clock;
        entry.stamp = now;
        entry.asked = None;
        self.bytes += state.len();
        match entry.state.replace(state.into()) {
            Some(before) => self.bytes -= before.len(),
            None => {
                self.live += 1;
                self.tombstones.remove(&entry.buried);
            }
        }
        self.take(owner, client);
        true
    }

    /// A newer state of an entry was refused: if its owner stated it, the last one that was taken stays, for its owner is
    /// alive.
    pub(super) fn keep(&mut self, owner: O, statement: &Statement<'_>, now: Stamp) {
        if let Some(entry) = self.entries.get_mut(&statement.client)
            && entry.owner == Some(owner)
            && entry.state.is_some()
            && statement.clock < CLOCK_END
        {
            entry.heard = entry.heard.max(statement.clock);
            entry.stamp = now;
            entry.asked = None;
        }
    }

    /// Who contended for an entry that has no owner any more, and at which clock each is to be asked to
    /// speak up. Whoever truly has the id can.
    pub(super) fn release(&mut self, client: ClientId) -> Vec<(O, u64)> {
        let Some(entry) = self.entries.get_mut(&client) else {
            return Vec::new();
        };
        entry.owner = None;
        let contenders = std::mem::take(&mut entry.contenders);
        contenders
            .into_iter()
            .filter(|(contender, _)| self.owners.contains_key(contender))
            .map(|(contender, clock)| (contender, clock.max(entry.clock)))
            .collect()
    }

    /// Turns an entry into a tombstone; whether it had a state.
    pub(super) fn bury(&mut self, client: ClientId) -> bool {
        let Some(entry) = self.entries.get_mut(&client) else {
            return false;
        };
        let Some(state) = entry.state.take() else {
            return false;
        };
        entry.asked = None;
        self.live -= 1;
        self.bytes -= state.len();
        self.burials += 1;
        entry.buried = self.burials;
        self.tombstones.insert(self.burials, client);
        true
    }

    /// A tombstone stays with its owner only if the id is the owner's own.
    pub(super) fn disown_relayed(&mut self, client: ClientId) {
        let owner = self.entries.get(&client).and_then(|entry| entry.owner);
        let Some(owner) = owner.filter(|owner| !self.is_own(*owner, client)) else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(&client) {
            entry.owner = None;
        }
        if let Some(record) = self.owners.get_mut(&owner) {
            record.entries.remove(&client);
        }
    }

    /// Forgets the oldest tombstones above the limit.
    pub(super) fn forget(&mut self) {
        while self.tombstones.len() > self.limits.tombstones {
            let Some((_, client)) = self.tombstones.pop_first() else {
                return;
            };
            let owner = self.entries.remove(&client).and_then(|entry| entry.owner);
            if let Some(record) = owner.and_then(|owner| self.owners.get_mut(&owner)) {
                record.entries.remove(&client);
            }
        }
    }

    /// The entries as they are now, gone ones included; `None` if there are none.
    pub(super) fn encode_some(&self, clients: &BTreeSet<ClientId>) -> Option<Bytes> {
        let entries: Vec<_> = clients
            .iter()
            .filter_map(|client| {
                let entry = self.entries.get(client)?;
                Some((*client, entry.clock, entry.state.as_deref()))
            })
            .collect();
        (!entries.is_empty()).then(|| payload::encode(&entries))
    }

    /// Removals to which the owners answer: at the clocks at which they are, also if that was refused.
    pub(super) fn encode_asks(&self, clients: &BTreeSet<ClientId>) -> Option<Bytes> {
        let entries: Vec<_> = clients
            .iter()
            .filter_map(|client| {
                let entry = self.entries.get(client)?;
                Some((*client, entry.clock.max(entry.heard), None))
            })
            .collect();
        (!entries.is_empty()).then(|| payload::encode(&entries))
    }

    /// Removals at the clocks known.
    pub(super) fn encode_removals(&self, clients: &BTreeSet<ClientId>) -> Option<Bytes> {
        let entries: Vec<_> = clients
            .iter()
            .filter_map(|client| Some((*client, self.entries.get(client)?.clock, None)))
            .collect();
        (!entries.is_empty()).then(|| payload::encode(&entries))
    }
}
