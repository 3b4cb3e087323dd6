//! Steps of one document's awareness: a message, a claim, the end of a connection, the roll call.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::announcements;
use super::entry_table::EntryTable;
use super::error::AwarenessError;
use super::limits::{AwarenessLimits, Stamp};
use super::outcome::{AwarenessOutcome, OwnerRemoval, StaleEntries};
use super::payload::{self, Statement};
use super::statement_rules::{Bounds, Decision, decide, decide_relayed};
use super::user_stamp::UserStamp;
use crate::ClientId;

/// The awareness of one document. `O` names a connection.
#[derive(Debug)]
pub struct Awareness<O> {
    limits: AwarenessLimits,
    table: EntryTable<O>,
    /// Most bytes of all states at the moment; see [`Awareness::allow`].
    allowed: usize,
    /// The first and the last rejoin that no roll call has followed yet.
    rejoins: Option<(Stamp, Stamp)>,
}

impl<O: Copy + Eq + Ord> Awareness<O> {
    /// Returns an empty table.
    #[must_use]
    pub const fn new(limits: AwarenessLimits) -> Self {
        Self {
            limits,
            table: EntryTable::new(),
            allowed: usize::MAX,
            rejoins: None,
        }
    }

    /// Sets the bytes that all states together may have from now on, beside the limits. A smaller
    /// number than that of the present bytes removes nothing: states that are longer than those
    /// that they replace are refused.
    pub const fn allow(&mut self, bytes: usize) {
        self.allowed = bytes;
    }

    /// Returns the number of present clients.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.table.present()
    }

    /// Returns true if no client is present.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.table.present() == 0
    }

    /// Returns the bytes of all states together.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Returns the present clients: client id, clock, state (JSON) and connection.
    pub fn iter(&self) -> impl Iterator<Item = (ClientId, u64, &str, O)> {
        self.table.entries().filter_map(|(client, entry)| {
            Some((client, entry.clock, entry.state.as_deref()?, entry.owner?))
        })
    }

    /// Returns the payload that shows a newcomer the present clients; without entries if there are
    /// none.
    #[must_use]
    pub fn encode_all(&self) -> Bytes {
        announcements::present(&self.table)
    }

    /// Returns the payload with the present clients of some owners; `None` if they have none.
    #[must_use]
    pub fn encode_of(&self, is_meant: impl Fn(O) -> bool) -> Option<Bytes> {
        let meant = self.iter().filter(|(.., owner)| is_meant(*owner));
        let entries: Vec<_> = meant
            .map(|(client, clock, state, _)| (client, clock, Some(state)))
            .collect();
        (!entries.is_empty()).then(|| payload::encode(&entries))
    }

    /// Returns the payload for a client that may have missed any number of messages: the present
    /// clients, and the removed ones that are remembered.
    #[must_use]
    pub fn encode_known(&self) -> Bytes {
        announcements::known(&self.table)
    }

    /// Takes a message of a connection that has not ended.
    ///
    /// # Errors
    /// The sender is at fault, and nothing changed: see [`AwarenessError`].
    pub fn apply(
        &mut self,
        owner: O,
        payload: &[u8],
        now: Stamp,
    ) -> Result<AwarenessOutcome, AwarenessError> {
        self.apply_as(owner, &UserStamp::new(), payload, now)
    }

    /// [`Awareness::apply`] for a connection whose user is known: its states name that user,
    /// whatever it wrote, and keep their clocks. So its client keeps its own copy.
    ///
    /// # Errors
    /// As [`Awareness::apply`].
    pub fn apply_as(
        &mut self,
        owner: O,
        user: &UserStamp,
        payload: &[u8],
        now: Stamp,
    ) -> Result<AwarenessOutcome, AwarenessError> {
        let statements = payload::decode(payload)?;
        self.check_json(&statements)?;
        let stamped: Vec<Option<String>> = statements
            .iter()
            .map(|statement| user.applied(statement.state.filter(|_| self.is_read(statement))?))
            .collect();
        let statements: Vec<Statement<'_>> = statements
            .into_iter()
            .zip(&stamped)
            .map(|(statement, stamped)| Statement {
                state: stamped.as_deref().or(statement.state),
                ..statement
            })
            .collect();
        let opening = self.table.introduce(owner, &statements);
        if opening.is_some_and(|opening| opening.rejoins) {
            let since = self.rejoins.map_or(now, |(since, _)| since);
            self.rejoins = Some((since, now));
        }

        let mut outcome = AwarenessOutcome::default();
        let (mut changed, mut asked) = (BTreeSet::new(), BTreeSet::new());
        let bounds = Bounds {
            limits: &self.limits,
            allowed: self.allowed,
        };
        for statement in &statements {
            match decide(&self.table, bounds, owner, statement) {
                Decision::Ask => {
                    asked.insert(statement.client);
                }
                Decision::Accept => {
                    if self.table.accept(owner, statement, now) {
                        changed.insert(statement.client);
                    }
                }
                Decision::Take => self.table.take(owner, statement.client),
                Decision::Ignore => self.table.contend(owner, statement),
                Decision::Spoof => {
                    outcome.spoofed += 1;
                    self.table.contend(owner, statement);
                }
                Decision::Refuse(why) => {
                    outcome.refused += 1;
                    outcome.refusal.get_or_insert(why);
                    self.table.keep(owner, statement, now);
                }
            }
        }
        let opened = opening.map(|opening| opening.client);
        asked.extend(opened.filter(|client| self.table.has_or_may_take(owner, *client)));
        outcome.broadcast = announcements::changes(&self.table, &changed);
        outcome.answer = announcements::questions(&self.table, &asked);
        self.table.forget(self.limits.tombstones);
        Ok(outcome)
    }

    /// Takes a message of another server with what it accepted from its own connections. `owner`
    /// stands for that server. Returns the changes, for all connections here.
    ///
    /// # Errors
    /// The message cannot be read, and nothing changed.
    pub fn apply_relayed(
        &mut self,
        owner: O,
        payload: &[u8],
        now: Stamp,
    ) -> Result<Option<Bytes>, AwarenessError> {
        let statements = payload::decode(payload)?;
        self.check_json(&statements)?;
        let mut changed = BTreeSet::new();
        let bounds = Bounds {
            limits: &self.limits,
            allowed: self.allowed,
        };
        for statement in &statements {
            if let Decision::Accept = decide_relayed(&self.table, bounds, owner, statement)
                && self.table.accept(owner, statement, now)
            {
                changed.insert(statement.client);
            }
        }
        let changes = announcements::changes(&self.table, &changed);
        self.table.forget(self.limits.tombstones);
        Ok(changes)
    }

    /// Takes the client id that a connection claims as its own, as Baton's hello does. The
    /// connection owns that id from now on, unless another live connection claims the same; an id
    /// that it showed before stays.
    pub fn claim(&mut self, owner: O, client: ClientId) {
        self.table.claim(owner, client);
    }

    /// Returns the payload that has a connection state its own entries again, at raised clocks;
    /// `None` if it has none.
    #[must_use]
    pub fn question(&self, owner: O) -> Option<Bytes> {
        let owned = self.iter().filter(|(.., of)| *of == owner);
        let clients = owned.map(|(client, ..)| client).collect();
        announcements::questions(&self.table, &clients)
    }

    /// Takes the end of a connection. Its entries are removed, at their last clocks, and
    /// remembered.
    pub fn removed(&mut self, owner: O) -> OwnerRemoval<O> {
        let (gone, questions) = self.table.remove_owner(owner);
        let question = |(contender, client, clock)| {
            let removal = payload::encode(&[(client, clock, None)]);
            (contender, removal)
        };
        let answers = questions.into_iter().map(question).collect();
        let broadcast = announcements::removals(&self.table, &gone);
        self.table.forget(self.limits.tombstones);
        OwnerRemoval { broadcast, answers }
    }

    /// Hands the entries of a session's old connection to its new one. Other clients see no change.
    pub fn transfer(&mut self, old: O, new: O) {
        self.table.transfer(old, new);
    }

    /// Asks the owners of entries that were not renewed for [`AwarenessLimits::stale_after`], each
    /// once, and removes the entries whose owner did not answer for as long again. Holds the roll
    /// call if it is due. Early calls are harmless.
    pub fn stale(&mut self, now: Stamp) -> StaleEntries<O> {
        let due =
            |(first, _): &(Stamp, Stamp)| now.saturating_sub(*first) >= self.limits.roll_call_after;
        let roll_call = self.rejoins.filter(due).map(|(_, last)| last);
        if roll_call.is_some() {
            self.rejoins = None;
        }
        let (questions, gone) = self.table.expire(now, self.limits.stale_after, roll_call);
        let ask = questions
            .into_iter()
            .filter_map(|(owner, clients)| {
                let question = announcements::questions(&self.table, &clients)?;
                Some((owner, question))
            })
            .collect();
        let broadcast = announcements::removals(&self.table, &gone);
        self.table.forget(self.limits.tombstones);
        StaleEntries { ask, broadcast }
    }

    /// Returns the earliest moment at which [`Awareness::stale`] has something to do. Looks at
    /// every entry.
    #[must_use]
    pub fn next_stale(&self) -> Option<Stamp> {
        let oldest = self.table.oldest();
        let stale = oldest.map(|last| last.saturating_add(self.limits.stale_after));
        let roll_call = self
            .rejoins
            .map(|(first, _)| first.saturating_add(self.limits.roll_call_after));
        stale.into_iter().chain(roll_call).min()
    }

    /// Returns true if the state may be news, and is short enough to be looked at.
    fn is_read(&self, statement: &Statement<'_>) -> bool {
        let known = self.table.entry(statement.client);
        let news = known.is_none_or(|entry| statement.clock > entry.clock);
        news && statement.state.map_or(0, str::len) <= self.limits.entry_bytes
    }

    /// Checks that the states are JSON. Most entries of a message are repeated ones of other
    /// clients: only those that may be news are read.
    fn check_json(&self, statements: &[Statement<'_>]) -> Result<(), AwarenessError> {
        for statement in statements {
            if self.is_read(statement) && !statement.state.is_none_or(payload::is_json) {
                return Err(AwarenessError::NotJson {
                    client: statement.client,
                });
            }
        }
        Ok(())
    }
}
