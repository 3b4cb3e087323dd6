//! Who is here, who waits and who holds what, told from the records alone: the harness's own fold beside the room's.
//!
//! Owns that fold, the time since which each lock is as it is, and the contract's rule of who may write. Judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use baton_presence::{
    AutoPass, Change, ClientKind, Event, Fence, Grant, GrantState, LockSettings, LockState, Mode,
    Peer, Presence, Rights, SessionId, SessionRole, Time,
};
use baton_room::Record;
use bytes::Bytes;

/// How every log begins; what is set up otherwise is said by records.
const FRESH: LockSettings = LockSettings {
    epoch: 1,
    auto_pass: AutoPass::On,
    mode: Mode::ExclusiveWhenHeld,
};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) fold: LockState,
    /// Since when each lock is in its state; as the server counts, a start begins it anew.
    since: BTreeMap<Fence, (GrantState, Time)>,
}

/// The locks at one position, and what they mean.
#[derive(Debug, Clone, Default)]
pub(crate) struct Locks {
    pub(crate) grants: Vec<Grant>,
    pub(crate) mode: Mode,
}

impl Book {
    pub(crate) fn new() -> Self {
        Self {
            fold: LockState::new(FRESH),
            since: BTreeMap::new(),
        }
    }

    /// Reads a log from its first record.
    pub(crate) fn read(log: &[(u64, Bytes)], now: Time) -> Self {
        let mut book = Self::new();
        for (position, bytes) in log {
            if let Ok(record) = Record::decode(bytes) {
                book.apply(*position, &record, now);
            }
        }
        for (_, since) in book.since.values_mut() {
            *since = now;
        }
        book
    }

    /// What follows from a record.
    pub(crate) fn apply(&mut self, position: u64, record: &Record, now: Time) -> Vec<Change> {
        let mut changes = Vec::new();
        if let Some(event) = event(position, record) {
            self.fold.apply(position, &event, &mut changes);
        }
        let before = std::mem::take(&mut self.since);
        for grant in self.fold.grants() {
            let same = before
                .get(&grant.fence)
                .filter(|(state, _)| *state == grant.state);
            let since = same.map_or(now, |(_, since)| *since);
            self.since.insert(grant.fence, (grant.state, since));
        }
        changes
    }

    /// Since when this lock is in its state.
    pub(crate) fn since(&self, fence: Fence) -> Time {
        self.since.get(&fence).map_or(Time::ZERO, |(_, at)| *at)
    }

    /// The exception of S11: with auto-pass, where writing needs no lock, a live writer that cannot hold a lock may
    /// write again.
    pub(crate) fn gives_way(&self) -> bool {
        let kept_out = |peer: &Peer| {
            let holds_none =
                peer.client_kind == ClientKind::LockUnaware || !peer.rights.contains(Rights::LOCK);
            holds_none && peer.role == SessionRole::Writer && peer.presence == Presence::Live
        };
        self.fold.auto_pass() == AutoPass::On
            && self.fold.mode() == Mode::ExclusiveWhenHeld
            && self.fold.peers().any(kept_out)
    }

    pub(crate) fn locks(&self) -> Locks {
        Locks {
            grants: self.fold.grants().cloned().collect(),
            mode: self.fold.mode(),
        }
    }
}

impl Locks {
    /// Whether nobody can be refused anything.
    pub(crate) fn is_open(&self) -> bool {
        self.mode == Mode::Open || (self.grants.is_empty() && self.mode != Mode::Required)
    }

    /// The contract's rule: whoever has a lock that is or reaches into a root type writes there; else nobody does whom
    /// somebody else's lock keeps out, or, where a lock is required, the lack of one. Returns what stands in the way.
    pub(crate) fn forbids(&self, session: SessionId, roots: &BTreeSet<String>) -> Option<String> {
        if self.mode == Mode::Open {
            return None;
        }
        roots.iter().find_map(|root| {
            let mut there = self.grants.iter().filter(|grant| grant.scope.reaches(root));
            if there
                .clone()
                .any(|grant| grant.party == session && writes(grant))
            {
                return None;
            }
            match there.next() {
                Some(grant) => Some(format!("{root} is under {grant:?}")),
                None => (self.mode == Mode::Required).then(|| format!("{root} needs a lock")),
            }
        })
    }

    /// Whether a session holds locks that reach into all of these root types, and there are some.
    pub(crate) fn holds_all(&self, session: SessionId, roots: &BTreeSet<String>) -> bool {
        let holds = |root: &String| {
            let mut grants = self.grants.iter();
            grants.any(|grant| grant.party == session && writes(grant) && grant.scope.reaches(root))
        };
        !roots.is_empty() && roots.iter().all(holds)
    }

    /// Who holds something that reaches into this root type.
    pub(crate) fn holder_of(&self, root: &str) -> Option<SessionId> {
        let held = |grant: &&Grant| grant.state == GrantState::Held && grant.scope.reaches(root);
        self.grants.iter().find(held).map(|grant| grant.party)
    }
}

/// Whether its holder writes under it.
const fn writes(grant: &Grant) -> bool {
    matches!(grant.state, GrantState::Held | GrantState::Draining { .. })
}

/// What a record says of presence.
pub(crate) fn event(position: u64, record: &Record) -> Option<Event> {
    match record {
        Record::Joined {
            client_kind,
            role,
            rights,
            user,
            ..
        } => Some(Event::Joined {
            session: SessionId(position),
            client_kind: *client_kind,
            role: *role,
            rights: *rights,
            user: *user,
        }),
        Record::Resumed {
            session,
            fences,
            rights,
            ..
        } => Some(Event::Resumed {
            session: *session,
            fences: fences.clone(),
            rights: *rights,
        }),
        Record::Presence(event) => Some(event.clone()),
        Record::Renamed { .. }
        | Record::Update { .. }
        | Record::Suggested { .. }
        | Record::Epoch(_)
        | Record::ParkDecided { .. } => None,
        // Only hosts of a cluster write these.
        Record::AttachedTo { .. }
        | Record::Since { .. }
        | Record::HostLost { .. }
        | Record::Erased { .. }
        | Record::InitialMode(_) => None,
    }
}
