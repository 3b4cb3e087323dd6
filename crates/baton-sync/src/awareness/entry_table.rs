//! Table of entries: entries, their owners, tombstones, and the sums over them.
//!
//! Owns every change to an entry, so that counts, bytes, the owners' lists and tombstones stay in
//! step. It does not decide which changes are allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::limits::{CLOCK_END, STRANGERS_CLOCK_END, Stamp};
use super::payload::Statement;
use crate::ClientId;

/// Most connections that are remembered as contenders for one id.
const CONTENDERS: usize = 8;

/// Clients by the connections that own them.
type ByOwner<O> = BTreeMap<O, BTreeSet<ClientId>>;

/// Entry of one client.
#[derive(Debug)]
pub(super) struct Entry<O> {
    pub(super) clock: u64,
    /// `None` for a tombstone.
    pub(super) state: Option<Box<str>>,
    /// Always there while there is a state.
    pub(super) owner: Option<O>,
    /// Highest clock of the owner's refused statements since: its client is at that clock.
    pub(super) heard: u64,
    /// Moment at which the state was last stated anew.
    stamp: Stamp,
    /// Moment at which the owner was asked to state it again, if it has not done so since.
    asked: Option<Stamp>,
    /// Connections that state this id as their own while another live one owns it, with the clocks
    /// that they stated, the newest last.
    contenders: Vec<(O, u64)>,
    /// True once a connection has opened with it.
    seen: bool,
    /// Place among the tombstones.
    buried: u64,
}

#[derive(Debug, Default)]
struct Owner {
    /// Id of the client at the other end, once it is known.
    own: Option<ClientId>,
    /// Id that the connection opened with, which may be its own.
    opened: Option<ClientId>,
    /// True once it has stated anything.
    spoke: bool,
    /// Ids that it owns.
    entries: BTreeSet<ClientId>,
}

/// First statement of a connection about the client at its other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) client: ClientId,
    /// True if the client was here before, which is known other than from relayed entries.
    pub(super) rejoins: bool,
}

/// The entries of one document. `O` names a connection.
#[derive(Debug)]
pub(super) struct EntryTable<O> {
    entries: BTreeMap<ClientId, Entry<O>>,
    owners: BTreeMap<O, Owner>,
    /// Tombstones by age.
    tombstones: BTreeMap<u64, ClientId>,
    burials: u64,
    present: usize,
    bytes: usize,
}

impl<O: Copy + Eq + Ord> EntryTable<O> {
    pub(super) const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            owners: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            burials: 0,
            present: 0,
            bytes: 0,
        }
    }

    /// Returns the number of clients with a state.
    pub(super) const fn present(&self) -> usize {
        self.present
    }

    /// Returns the bytes of all states.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn entry(&self, client: ClientId) -> Option<&Entry<O>> {
        self.entries.get(&client)
    }

    /// Returns all entries, tombstones included.
    pub(super) fn entries(&self) -> impl Iterator<Item = (ClientId, &Entry<O>)> {
        self.entries.iter().map(|(client, entry)| (*client, entry))
    }

    /// Returns the number of ids that the connection owns.
    pub(super) fn owned(&self, owner: O) -> usize {
        self.owners.get(&owner).map_or(0, |own| own.entries.len())
    }

    /// Returns true if this id is known to be that of the client at the other end.
    pub(super) fn is_own(&self, owner: O, client: ClientId) -> bool {
        let record = self.owners.get(&owner);
        record.is_some_and(|record| record.own == Some(client))
    }

    /// Returns true if this id may be that of the client at the other end: it is, or the connection
    /// opened with it. (A client without a state of its own opens with a repeated entry of
    /// another.)
    pub(super) fn is_claimant(&self, owner: O, client: ClientId) -> bool {
        let record = self.owners.get(&owner);
        record.is_some_and(|record| record.own.or(record.opened) == Some(client))
    }

    /// Returns true if the connection may become the owner of an entry that it does not own. The
    /// entry has no owner, or another connection only relayed the connection's own id.
    pub(super) fn may_take(&self, owner: O, client: ClientId) -> bool {
        match self.entries.get(&client).and_then(|entry| entry.owner) {
            None => true,
            Some(other) => self.is_claimant(owner, client) && !self.is_own(other, client),
        }
    }

    /// Returns true if the connection owns the entry of this id, or may become its owner.
    pub(super) fn has_or_may_take(&self, owner: O, client: ClientId) -> bool {
        let entry = self.entries.get(&client);
        entry.is_some_and(|entry| entry.owner == Some(owner)) || self.may_take(owner, client)
    }

    /// Notes that the connection has sent a message. Returns its opening if this is one.
    pub(super) fn introduce(&mut self, owner: O, statements: &[Statement<'_>]) -> Option<Opening> {
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
            // An id that no connection has stated cannot be a repeated one. For a known id, the
            // answer to the question is the proof.
            record.own = (!self.entries.contains_key(&client)).then_some(client);
        }
        if !self.is_claimant(owner, client) {
            return None;
        }
        let mut rejoins = false;
        if let Some(entry) = self.entries.get_mut(&client) {
            rejoins = entry.seen || entry.state.is_none();
            entry.seen = true;
        }
        Some(Opening { client, rejoins })
    }

    /// Notes the id that a connection claims as its own; an id that it showed before stays. The
    /// connection becomes the owner of that entry, unless another live connection has proved the
    /// id.
    pub(super) fn claim(&mut self, owner: O, client: ClientId) {
        let record = self.owners.entry(owner).or_default();
        record.own.get_or_insert(client);
        if self.may_take(owner, client) {
            self.take(owner, client);
        }
    }

    /// Makes the connection the owner of an existing entry.
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

    /// Remembers a connection that states the id of another live connection as its own: the same
    /// client over a new socket, while the old one is not known to be dead yet.
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

    /// Writes a newer statement into the table. Returns true if other clients are to see a change.
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
            // Only its true client could raise the clock.
            record.own.get_or_insert(client);
        }
        entry.clock = statement.clock;
        entry.stamp = now;
        entry.asked = None;
        self.bytes += state.len();
        match entry.state.replace(state.into()) {
            Some(before) => self.bytes -= before.len(),
            None => {
                self.present += 1;
                self.tombstones.remove(&entry.buried);
            }
        }
        self.take(owner, client);
        true
    }

    /// Renews an entry whose newer state was refused, if its owner stated that: the owner is alive,
    /// so its last state stays.
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

    /// Removes a connection. Returns the clients that are gone with it, and for each contender for
    /// one of its ids the clock at which it is to be asked to state its entry.
    pub(super) fn remove_owner(
        &mut self,
        owner: O,
    ) -> (BTreeSet<ClientId>, Vec<(O, ClientId, u64)>) {
        let record = self.owners.remove(&owner).unwrap_or_default();
        let mut gone = BTreeSet::new();
        let mut questions = Vec::new();
        for client in record.entries {
            if self.bury(client) {
                gone.insert(client);
            }
            let Some(entry) = self.entries.get_mut(&client) else {
                continue;
            };
            entry.owner = None;
            for (contender, clock) in std::mem::take(&mut entry.contenders) {
                if self.owners.contains_key(&contender) {
                    questions.push((contender, client, clock.max(entry.clock)));
                }
            }
        }
        (gone, questions)
    }

    /// Hands the entries of one connection to the connection that supersedes it.
    pub(super) fn transfer(&mut self, old: O, new: O) {
        if old == new {
            return;
        }
        let Some(mut record) = self.owners.remove(&old) else {
            return;
        };
        for client in &record.entries {
            if let Some(entry) = self.entries.get_mut(client) {
                entry.owner = Some(new);
                entry.contenders.retain(|(other, _)| *other != new);
            }
        }
        let successor = self.owners.entry(new).or_default();
        successor.own = successor.own.or(record.own);
        successor.opened = successor.opened.or(record.opened);
        successor.entries.append(&mut record.entries);
    }

    /// Finds the entries that have not been stated for this time, or since a roll call's moment.
    /// Each owner is asked once; an entry whose owner does not answer for as long again becomes a
    /// tombstone. Returns the clients to ask for, by owner, and the removed ones.
    pub(super) fn expire(
        &mut self,
        now: Stamp,
        after: Duration,
        roll_call: Option<Stamp>,
    ) -> (ByOwner<O>, BTreeSet<ClientId>) {
        let mut questions: ByOwner<O> = BTreeMap::new();
        let mut gone = BTreeSet::new();
        for (client, entry) in &mut self.entries {
            let (Some(owner), true) = (entry.owner, entry.state.is_some()) else {
                continue;
            };
            let last = entry.asked.unwrap_or(entry.stamp);
            let expired = now.saturating_sub(last) >= after;
            if expired && entry.asked.is_some() {
                gone.insert(*client);
            } else if expired || roll_call.is_some_and(|rejoined| entry.stamp <= rejoined) {
                entry.asked.get_or_insert(now);
                questions.entry(owner).or_default().insert(*client);
            }
        }
        for client in &gone {
            self.bury(*client);
            self.disown_relayed(*client);
        }
        (questions, gone)
    }

    /// Returns the moment of the entry that was stated, or asked for, the longest ago.
    pub(super) fn oldest(&self) -> Option<Stamp> {
        let present = self.entries.values().filter(|entry| entry.state.is_some());
        present
            .map(|entry| entry.asked.unwrap_or(entry.stamp))
            .min()
    }

    /// Forgets the oldest tombstones above the limit.
    pub(super) fn forget(&mut self, limit: usize) {
        while self.tombstones.len() > limit {
            let Some((_, client)) = self.tombstones.pop_first() else {
                return;
            };
            let owner = self.entries.remove(&client).and_then(|entry| entry.owner);
            if let Some(record) = owner.and_then(|owner| self.owners.get_mut(&owner)) {
                record.entries.remove(&client);
            }
        }
    }

    /// Turns an entry into a tombstone. Returns true if it had a state.
    fn bury(&mut self, client: ClientId) -> bool {
        let Some(entry) = self.entries.get_mut(&client) else {
            return false;
        };
        let Some(state) = entry.state.take() else {
            return false;
        };
        entry.asked = None;
        self.present -= 1;
        self.bytes -= state.len();
        self.burials += 1;
        entry.buried = self.burials;
        self.tombstones.insert(self.burials, client);
        true
    }

    /// Takes a tombstone from its owner, unless the id is the owner's own.
    fn disown_relayed(&mut self, client: ClientId) {
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
}
