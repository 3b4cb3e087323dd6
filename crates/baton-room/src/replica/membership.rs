//! The sessions of a document: their presence and locks, the people behind them, and the hosts that
//! they are attached to.

use std::collections::{BTreeMap, BTreeSet};

use baton_presence::{Change, Event, LockSnapshot, LockState, Mode, Peer, Presence, SessionId};

use super::author::Author;
use super::effect::Effect;
use super::entrance::Entrance;
use super::hosts::{Attachment, HostId, Hosts};
use super::park::Park;
use super::people::People;
use super::record::{Profile, Record};
use super::stored::{FRESH, Person, Stored};
use crate::token::TokenHash;

/// The attachment that a record of a host of a cluster makes.
#[derive(Clone, Copy)]
pub(super) struct Attaching {
    pub(super) host: HostId,
    /// Position of the record that attached the session before.
    pub(super) from: u64,
    pub(super) shown: Option<TokenHash>,
}

/// See the module.
pub(super) struct Membership {
    locks: LockState,
    people: People,
    hosts: Hosts,
    /// True if a session has set the mode by a record of a host of a cluster.
    mode_chosen: bool,
    /// Empty between two calls; kept for its memory.
    changes: Vec<Change>,
}

impl Membership {
    /// Returns a park that begins at `position` with an edit of this author. `at` is its time, in
    /// milliseconds of Unix time.
    pub(super) fn new_park(&self, position: u64, author: Author, at: u64) -> Park {
        let session = author.session;
        let person = self.people().here(session);
        let profile = person.map(|person| person.profile.clone());
        let mut park = Park::new(position, session, profile.unwrap_or_default(), at);
        let peer = self.locks().peer(session);
        park.reason = author.park_reason();
        park.user = peer.and_then(|peer| peer.user);
        park.fence_seen = peer.and_then(|peer| peer.fence_seen);
        park
    }

    pub(super) const fn restore(
        locks: LockState,
        people: BTreeMap<SessionId, Box<Person>>,
        hosts: BTreeMap<SessionId, Attachment>,
        mode_chosen: bool,
    ) -> Self {
        Self {
            locks,
            people: People::restore(people),
            hosts: Hosts::restore(hosts),
            mode_chosen,
            changes: Vec::new(),
        }
    }

    pub(super) const fn locks(&self) -> &LockState {
        &self.locks
    }

    pub(super) const fn people(&self) -> &People {
        &self.people
    }

    pub(super) const fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Puts itself into the stored form of the room's state.
    pub(super) fn store(&self, stored: &mut Stored) {
        stored.people = self.people.stored().clone();
        stored.hosts = self.hosts.stored().clone();
        stored.mode_chosen = self.mode_chosen;
    }

    pub(super) fn lock_snapshot(&self) -> LockSnapshot {
        self.locks.snapshot()
    }

    /// Returns the hosts of the sessions that have a connection.
    pub(super) fn connected_hosts(&self) -> BTreeSet<HostId> {
        let hosts = self.connected();
        hosts
            .map(|session| self.hosts.of_connected(session))
            .collect()
    }

    fn connected(&self) -> impl Iterator<Item = SessionId> + '_ {
        let is_connected = |peer: &&Peer| peer.presence != Presence::Away;
        let connected = self.locks.peers().filter(is_connected);
        connected.map(|peer| peer.session)
    }

    /// Lets a session begin or go on. Returns false if another connection of it was faster: then
    /// nothing changed.
    pub(super) fn enter(
        &mut self,
        position: u64,
        entrance: Entrance,
        attaching: Option<&Attaching>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let session = entrance.session;
        let before = self.hosts.attached_at(session);
        if attaching.is_some_and(|new| new.from != before) {
            return false;
        }
        match entrance.event {
            Event::Joined { .. } => self.people.join(session, entrance.person),
            _ => self.people.resume(session, entrance.person),
        }
        self.hosts.forget(session);
        self.apply(position, &entrance.event, effects);
        if let Some(&Attaching { host, shown, .. }) = attaching
            && self.locks.peer(session).is_some()
        {
            self.hosts.attach(session, host, shown, position);
        }
        true
    }

    /// Ends the connections of all sessions that are attached to this host. The time to resume is
    /// over for those that were attached up to the position `overdue_to`.
    pub(super) fn lose_host(
        &mut self,
        position: u64,
        host: HostId,
        overdue_to: u64,
        effects: &mut Vec<Effect>,
    ) {
        let is_of_host = |session: &SessionId| self.hosts.of_connected(*session) == host;
        // A session that another server than a host attached has 0, which nothing is up to.
        let is_overdue = |session: &SessionId| {
            let at = self.hosts.attached_at(*session);
            at > 0 && at <= overdue_to
        };
        let lost = self.connected().filter(is_of_host);
        let (overdue, sessions) = lost.partition(is_overdue);
        let event = Event::ConnectionsLost { sessions, overdue };
        self.apply(position, &event, effects);
    }

    pub(super) fn apply(&mut self, position: u64, event: &Event, effects: &mut Vec<Effect>) {
        self.locks.apply(position, event, &mut self.changes);
        if self.changes.is_empty() {
            effects.push(Effect::Quiet);
        }
        for change in self.changes.drain(..) {
            match change {
                Change::Gone { session, .. } => {
                    self.people.leave(session);
                    self.hosts.forget(session);
                }
                Change::Detached { session } => self.hosts.detach(session, position),
                _ => {}
            }
            effects.push(Effect::Presence(change));
        }
    }

    /// Notes that a session sets the mode, if this record of a host of a cluster says so.
    pub(super) const fn note_mode(&mut self, record: &Record) {
        self.mode_chosen |= matches!(record, Record::Presence(Event::ModeSet(_)));
    }

    /// Sets the mode of a new document, unless another record has set it: each of several hosts
    /// that open the document at once proposes it, and a session may choose another one before
    /// the last of them has its position.
    pub(super) fn begin_mode(&mut self, position: u64, mode: Mode, effects: &mut Vec<Effect>) {
        if !self.mode_chosen && self.locks.mode() == FRESH.mode {
            self.apply(position, &Event::ModeSet(mode), effects);
        }
    }

    pub(super) fn rename(&mut self, session: SessionId, profile: Profile) -> bool {
        self.people.rename(session, profile)
    }

    /// Enters a later epoch. A record that states no later one was overtaken, and changes nothing.
    pub(super) fn begin_epoch(&mut self, epoch: u32) {
        let entered = self.locks.snapshot().into_epoch(epoch);
        if let Ok(locks) = entered.and_then(|snapshot| LockState::restore(&snapshot)) {
            self.locks = locks;
            self.people.clear();
            self.hosts.clear();
        }
    }
}
