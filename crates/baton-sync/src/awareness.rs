//! Who is here, with names, colours and cursors: the awareness of one document, as a server keeps it.
//!
//! Owns the table of entries (client id, clock, state) with their owners, the connections that stated
//! them. It never reads a clock (a [`Stamp`] comes in), never interprets a state beyond its being
//! JSON, and never sends: each step returns the payloads to be sent, encoded once.
//!
//! # Why a server needs rules of its own
//! Clients that follow y-protocols accept an entry if its clock is newer, or if it is a removal at
//! the very clock that they know. From that follow the ghosts and the flicker that servers are
//! blamed for, and the rules here:
//!
//! - **An entry belongs to a connection.** Clients broadcast again what they hear of others, so
//!   receiving an entry proves nothing. The first connection to state a client id has it. What others
//!   say of it at a known clock is ignored quietly, at a newer clock it is ignored and counted
//!   ([`AwarenessOutcome::spoofed`]; tabs of one browser relay each other's entries, so a few are normal).
//! - **A connection's own id is stronger than a relayed one.** The sole entry of a connection's first
//!   message is its own if nobody had stated that id before, or once it has answered the question below
//!   (so the published providers open); the id claimed in Baton's hello is ([`Awareness::claim`]). When
//!   a tab has relayed its neighbour's entry before the neighbour's own connection was up, the
//!   neighbour takes it over.
//! - **Removal at the last clock.** When a connection ends, its entries are removed at the clock that
//!   everybody knows, not at a raised one: else the same client, coming back with the clock that
//!   it had, would be ignored by all until its next renewal.
//! - **Who comes is asked to speak up.** The answer to a connection's first statement of its own id is
//!   a removal of it at that clock, for that connection alone. y-protocols answers a removal of one's
//!   own live state by raising the clock and stating it again, and that is newer for everybody: also
//!   for those who knew the old clock from before a lost connection or a restart of the server. Of an
//!   id that was removed nothing is shown before that, so an old state that somebody else repeats
//!   cannot rise as a ghost.
//! - **After a rejoin there is a roll call.** The published provider drops the others' states when its
//!   connection ends, but remembers their clocks, and so would not see them again until they renew
//!   themselves (15 s). So everybody is asked, once, a second later ([`Awareness::stale`]).
//! - **The same question keeps a hidden tab visible**: its timers are throttled, its message handler
//!   is not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::ClientId;
use crate::lib0::DecodeError;

mod payload;
mod rules;
mod table;

use rules::Step;
use table::{Entry, Owner};

/// A moment on the caller's monotonic clock: the time since any fixed start.
pub type Stamp = Duration;

/// No clock reaches this: clients in Rust hold it in 32 bits.
pub const CLOCK_END: u64 = 1 << 32;

/// Who does not own a client id cannot bring it in at a clock beyond this. So whoever truly has the id
/// can still raise its clock some two billion times, above anything that a stranger claimed.
pub const STRANGERS_CLOCK_END: u64 = 1 << 31;

/// Bounds of one document's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwarenessLimits {
    /// Longest state of one client, in bytes of JSON.
    pub entry_bytes: usize,
    /// Client ids that one connection may own.
    pub entries_per_owner: usize,
    /// Client ids with a state in the document.
    pub entries: usize,
    /// All states of the document together, in bytes of JSON.
    pub bytes: usize,
    /// Removed ids whose last clock is remembered; the longest removed is forgotten first. One that
    /// was forgotten stays unseen by those who still know its clock until it renews itself (15 s).
    pub tombstones: usize,
    /// Age at which an entry's owner is asked to state it again, and time it has to answer.
    pub stale_after: Duration,
    /// How long after a rejoin everybody is asked: many who rejoin together cost one roll call.
    pub roll_call_after: Duration,
}

impl Default for AwarenessLimits {
    fn default() -> Self {
        Self {
            entry_bytes: 256 * 1024,
            entries_per_owner: 64,
            entries: 10_000,
            bytes: 16 * 1024 * 1024,
            tombstones: 1_000,
            stale_after: Duration::from_secs(20),
            roll_call_after: Duration::from_secs(1),
        }
    }
}

/// Why a payload was refused. The sender is at fault; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AwarenessError {
    /// The bytes are not an awareness payload.
    #[error("the awareness message was not understood: {0}")]
    Malformed(#[from] DecodeError),
    /// A state is not JSON, or nested too deep.
    #[error("the awareness state of client {client} is not JSON that others could read")]
    NotJson {
        /// Of whom.
        client: ClientId,
    },
}

/// Why a state is not taken that would be newer. Others go on seeing the last one that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AwarenessRefusal {
    /// A state is longer than [`AwarenessLimits::entry_bytes`].
    #[error(
        "the awareness state of client {client} has {bytes} bytes, more than {limit} (max_awareness_entry), and others \
         still see the last one that had not: send less, or put it into the document"
    )]
    TooLarge {
        /// Of whom.
        client: ClientId,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A connection states more ids than [`AwarenessLimits::entries_per_owner`].
    #[error(
        "this connection states the awareness of {0} clients, which is all it may (max_awareness_entries)"
    )]
    Owned(usize),
    /// The document has as many clients as [`AwarenessLimits::entries`].
    #[error("this document has {0} awareness states, which is all it may; come again later")]
    Entries(usize),
    /// The document has as many bytes as [`AwarenessLimits::bytes`].
    #[error(
        "the awareness states of this document have {0} bytes, which is all they may: send less"
    )]
    Document(usize),
    /// All documents have as many bytes as they may; see [`Awareness::allow`].
    #[error(
        "the awareness states of all documents have all the bytes they may (max_awareness), and others still see your \
         last one: send less, or come again later"
    )]
    All,
    /// The clock leaves no room, or is one that strangers may not state.
    #[error("the clock {clock} of client {client} is out of range")]
    Clock {
        /// Of whom.
        client: ClientId,
        /// What it is.
        clock: u64,
    },
}

/// The payload of no entries, which says nothing.
#[must_use]
pub const fn nothing() -> Bytes {
    Bytes::from_static(&[0])
}

/// What came of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct AwarenessOutcome {
    /// For everybody, the sender included (its watchdog counts any message): what changed.
    pub broadcast: Option<Bytes>,
    /// For the sender alone: removals that make it state its entries again, at a raised clock.
    pub answer: Option<Bytes>,
    /// Entries ignored because they are newer statements about a client of another connection.
    pub spoofed: u32,
    /// Entries ignored because a limit is reached or their clock is out of range.
    pub refused: u32,
    /// Why the first of those was.
    pub refusal: Option<AwarenessRefusal>,
}

/// What is to be sent when a connection has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct OwnerRemoval<O> {
    /// For everybody: the entries that went with it.
    pub broadcast: Option<Bytes>,
    /// For one connection each: a removal to which its client answers by stating itself again. These
    /// are clients that came back over a new connection before the old one was known to be dead.
    pub answers: Vec<(O, Bytes)>,
}

/// What is to be sent because entries have not been renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct StaleEntries<O> {
    /// For one connection each: removals to which its client answers by stating itself again.
    pub ask: Vec<(O, Bytes)>,
    /// For everybody: entries whose owner was asked and did not answer.
    pub broadcast: Option<Bytes>,
}

/// The awareness of one document. `O` names a connection.
#[derive(Debug)]
pub struct Awareness<O> {
    limits: AwarenessLimits,
    entries: BTreeMap<ClientId, Entry<O>>,
    owners: BTreeMap<O, Owner>,
    /// Tombstones by age.
    tombstones: BTreeMap<u64, ClientId>,
    burials: u64,
    live: usize,
    bytes: usize,
    /// What `bytes` may come to at the moment; see [`Awareness::allow`].
    allowed: usize,
    /// The first and the last rejoin that no roll call has followed yet.
    rejoins: Option<(Stamp, Stamp)>,
}

impl<O: Copy + Eq + Ord> Awareness<O> {
    /// An empty table.
    #[must_use]
    pub fn new(limits: AwarenessLimits) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
            owners: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            burials: 0,
            live: 0,
            bytes: 0,
            allowed: usize::MAX,
            rejoins: None,
        }
    }

    /// How many bytes all states together may have from now on, beside the limits. Fewer than there are take nothing away:
    /// states that are longer than those that they replace are refused.
    pub fn allow(&mut self, bytes: usize) {
        self.allowed = bytes;
    }

    /// How many clients are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether nobody is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Bytes of all states together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Who is here: client id, clock, state (JSON) and connection.
    pub fn iter(&self) -> impl Iterator<Item = (ClientId, u64, &str, O)> {
        self.entries.iter().filter_map(|(client, entry)| {
            Some((*client, entry.clock, entry.state.as_deref()?, entry.owner?))
        })
    }

    /// The payload that tells a newcomer who is here; of no entries if nobody is.
    #[must_use]
    pub fn encode_all(&self) -> Bytes {
        let live: Vec<_> = self
            .iter()
            .map(|(client, clock, state, _)| (client, clock, Some(state)))
            .collect();
        payload::encode(&live)
    }

    /// The payload that tells somebody who may have missed any number of messages what there is to know: who is here,
    /// and whose removal is remembered.
    #[must_use]
    pub fn encode_known(&self) -> Bytes {
        let known: Vec<_> = self
            .entries
            .iter()
            .map(|(client, entry)| (*client, entry.clock, entry.state.as_deref()))
            .collect();
        payload::encode(&known)
    }

    /// A message came from a connection at a moment. For a connection that has not ended.
    ///
    /// # Errors
    /// The sender's fault, and nothing changed: see [`AwarenessError`].
    pub fn apply(
        &mut self,
        owner: O,
        payload: &[u8],
        now: Stamp,
    ) -> Result<AwarenessOutcome, AwarenessError> {
        let statements = payload::decode(payload)?;
        // Most of what comes is others' entries repeated: only what may be news is read as JSON.
        for statement in &statements {
            let known = self.entries.get(&statement.client);
            let news = known.is_none_or(|entry| statement.clock > entry.clock);
            let bytes = statement.state.map_or(0, str::len);
            if news
                && bytes <= self.limits.entry_bytes
                && !statement.state.is_none_or(payload::is_json)
            {
                return Err(AwarenessError::NotJson {
                    client: statement.client,
                });
            }
        }
        let opening = self.introduce(owner, &statements, now);

        let mut applied = AwarenessOutcome::default();
        let (mut changed, mut asked) = (BTreeSet::new(), BTreeSet::new());
        for statement in &statements {
            let step = self.judge(owner, statement);
            match step {
                Step::Ask => {
                    asked.insert(statement.client);
                }
                Step::Accept => {
                    if self.accept(owner, statement, now) {
                        changed.insert(statement.client);
                    }
                }
                Step::Take => self.take(owner, statement.client),
                Step::Ignore => self.contend(owner, statement),
                Step::Spoof => {
                    applied.spoofed += 1;
                    self.contend(owner, statement);
                }
                Step::Refuse(why) => {
                    applied.refused += 1;
                    applied.refusal.get_or_insert(why);
                    self.keep(owner, statement, now);
                }
            }
        }
        asked.extend(opening.filter(|opened| self.has_or_may_take(owner, *opened)));
        applied.broadcast = self.encode_some(&changed);
        applied.answer = self.encode_asks(&asked);
        self.forget();
        Ok(applied)
    }

    /// A connection says which client id is its own (Baton's hello does). It has that id from now on,
    /// unless another live connection says the same; an id that it showed before stays.
    pub fn claim(&mut self, owner: O, client: ClientId) {
        let record = self.owners.entry(owner).or_default();
        record.own.get_or_insert(client);
        if self.may_take(owner, client) {
            self.take(owner, client);
        }
    }

    /// A connection has ended: what it owned is removed, at the last clock, and remembered.
    pub fn removed(&mut self, owner: O) -> OwnerRemoval<O> {
        let record = self.owners.remove(&owner).unwrap_or_default();
        let mut gone = BTreeSet::new();
        let mut answers = Vec::new();
        for client in record.entries {
            if self.bury(client) {
                gone.insert(client);
            }
            for (contender, clock) in self.release(client) {
                answers.push((contender, payload::encode(&[(client, clock, None)])));
            }
        }
        let broadcast = self.encode_removals(&gone);
        self.forget();
        OwnerRemoval { broadcast, answers }
    }

    /// A session's new connection supersedes its old one: the entries go over, nobody sees anything.
    pub fn transfer(&mut self, old: O, new: O) {
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

    /// Asks for entries that were not renewed for [`AwarenessLimits::stale_after`], each once, and
    /// removes those whose owner did not answer for as long again. Holds the roll call that is due.
    /// Early calls are harmless.
    pub fn stale(&mut self, now: Stamp) -> StaleEntries<O> {
        let after = self.limits.stale_after;
        let due =
            |(first, _): &(Stamp, Stamp)| now.saturating_sub(*first) >= self.limits.roll_call_after;
        let roll_call = self.rejoins.filter(due).map(|(_, last)| last);
        if roll_call.is_some() {
            self.rejoins = None;
        }
        let mut asks: BTreeMap<O, BTreeSet<ClientId>> = BTreeMap::new();
        let mut silent = Vec::new();
        for (client, entry) in &mut self.entries {
            let (Some(owner), true) = (entry.owner, entry.state.is_some()) else {
                continue;
            };
            let last = entry.asked.unwrap_or(entry.stamp);
            let expired = now.saturating_sub(last) >= after;
            if expired && entry.asked.is_some() {
                silent.push(*client);
            } else if expired || roll_call.is_some_and(|rejoined| entry.stamp <= rejoined) {
                entry.asked.get_or_insert(now);
                asks.entry(owner).or_default().insert(*client);
            }
        }
        let mut gone = BTreeSet::new();
        for client in silent {
            self.bury(client);
            self.disown_relayed(client);
            gone.insert(client);
        }
        let ask = asks
            .into_iter()
            .filter_map(|(owner, clients)| Some((owner, self.encode_asks(&clients)?)))
            .collect();
        let broadcast = self.encode_removals(&gone);
        self.forget();
        StaleEntries { ask, broadcast }
    }

    /// The earliest moment at which [`Awareness::stale`] has something to do. Looks at every entry.
    #[must_use]
    pub fn next_stale(&self) -> Option<Stamp> {
        let live = self.entries.values().filter(|entry| entry.state.is_some());
        let stale = live
            .map(|entry| entry.asked.unwrap_or(entry.stamp))
            .min()
            .map(|last| last.saturating_add(self.limits.stale_after));
        let roll_call = self
            .rejoins
            .map(|(first, _)| first.saturating_add(self.limits.roll_call_after));
        stale.into_iter().chain(roll_call).min()
    }
}
