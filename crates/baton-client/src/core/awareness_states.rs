//! Awareness as this client has it: its own state, and those of the others on this connection.
//!
//! Owns the states, their clocks and the moments at which they end, by the rules of y-protocols: a
//! newer clock wins, a removal counts at the known clock too, a client states its own state anew
//! every 15 s and against any removal of it, and a state that was not stated for 30 s is gone.
//! The server has the states of all, so those of others are forgotten with the connection.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_sync::ClientId;
use baton_sync::awareness::{self, CLOCK_END, Statement};
use baton_sync::lib0::DecodeError;
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::error::AwarenessStateError;
use crate::events::AwarenessChange;

/// Time after which this client states its own state anew.
const RENEW_AFTER: Duration = Duration::from_secs(15);

/// Time after which the state of another client is gone, unless it was stated anew.
const OUTDATED_AFTER: Duration = Duration::from_secs(30);

/// Longest own state, in bytes of JSON. The server shows no longer one to others.
const MAX_STATE: usize = 256 * 1024;

/// Most other clients whose states are kept. A server has at most 10,000 by default.
const MAX_CLIENTS: usize = 65_536;

/// The own state, and those of others.
#[derive(Debug, Default)]
pub(super) struct AwarenessStates {
    own: Option<OwnState>,
    /// Clock of the last own statement.
    clock: u64,
    /// Moment of the last own statement.
    stated: Duration,
    /// True if the own state, or its removal, is still to be sent.
    unsent: bool,
    others: BTreeMap<ClientId, OtherState>,
    /// No state of another client was stated last before this moment.
    oldest: Duration,
}

#[derive(Debug)]
struct OwnState {
    state: Map<String, Value>,
    json: String,
}

#[derive(Debug)]
struct OtherState {
    clock: u64,
    state: Value,
    /// Moment of its last statement.
    stated: Duration,
}

impl AwarenessStates {
    pub(super) fn own(&self) -> Option<&Map<String, Value>> {
        self.own.as_ref().map(|own| &own.state)
    }

    pub(super) fn of(&self, client: ClientId) -> Option<&Value> {
        self.others.get(&client).map(|other| &other.state)
    }

    pub(super) fn others(&self) -> impl Iterator<Item = (ClientId, &Value)> {
        let others = self.others.iter();
        others.map(|(client, other)| (*client, &other.state))
    }

    /// Sets the own state, or removes it.
    ///
    /// # Errors
    /// The state is too large; nothing changed.
    pub(super) fn set_own(
        &mut self,
        now: Duration,
        state: Option<Map<String, Value>>,
    ) -> Result<(), AwarenessStateError> {
        if state.is_none() && self.own.is_none() {
            return Ok(());
        }
        let own = state.map(|state| {
            let json = serde_json::to_string(&state);
            // A map of JSON values has text for its keys, and nothing else can fail.
            json.map(|json| OwnState { state, json })
                .map_err(|error| AwarenessStateError::Json(error.to_string()))
        });
        let own = own.transpose()?;
        if let Some(bytes) = own.as_ref().map(|own| own.json.len())
            && bytes > MAX_STATE
        {
            return Err(AwarenessStateError::TooLarge(bytes));
        }
        self.own = own;
        self.state_anew(now);
        Ok(())
    }

    fn state_anew(&mut self, now: Duration) {
        self.clock += 1;
        self.stated = now;
        self.unsent = true;
    }

    pub(super) const fn has_unsent(&self) -> bool {
        self.unsent
    }

    /// States the own state on a connection that was just opened.
    pub(super) fn opened(&mut self, now: Duration) {
        self.unsent = false;
        if self.own.is_some() {
            self.state_anew(now);
        }
    }

    /// Forgets the others, which another connection will show again.
    pub(super) fn connection_over(&mut self) -> AwarenessChange {
        self.unsent = false;
        AwarenessChange {
            removed: std::mem::take(&mut self.others).into_keys().collect(),
            ..AwarenessChange::default()
        }
    }

    /// States the own state again because the server asks for it.
    pub(super) fn queried(&mut self) {
        self.unsent |= self.own.is_some();
    }

    /// Takes the payload of the own state or of its removal, if it is to be sent.
    pub(super) fn take_unsent(&mut self, client: ClientId) -> Option<Bytes> {
        let unsent = std::mem::take(&mut self.unsent);
        unsent.then(|| awareness::encode(&[self.own_entry(client)]))
    }

    fn own_entry(&self, client: ClientId) -> (ClientId, u64, Option<&str>) {
        let json = self.own.as_ref().map(|own| own.json.as_str());
        (client, self.clock, json)
    }

    /// Returns the payload of all states, as y-protocols encodes it.
    pub(super) fn encode(&self, client: ClientId) -> Bytes {
        let states: Vec<_> = self
            .others
            .iter()
            .map(|(client, other)| (*client, other.clock, other.state.to_string()))
            .collect();
        let mut entries: Vec<_> = states
            .iter()
            .map(|(client, clock, json)| (*client, *clock, Some(json.as_str())))
            .collect();
        if self.own.is_some() {
            entries.push(self.own_entry(client));
        }
        awareness::encode(&entries)
    }

    /// Receives a payload. `own` is the Yjs client id of this client.
    pub(super) fn receive(
        &mut self,
        now: Duration,
        own: ClientId,
        payload: &[u8],
    ) -> Result<AwarenessChange, DecodeError> {
        let mut change = AwarenessChange::default();
        for statement in awareness::decode(payload)? {
            if statement.client == own {
                self.hear_of_own(now, &statement);
            } else {
                self.hear_of_other(now, &statement, &mut change);
            }
        }
        Ok(change)
    }

    fn hear_of_own(&mut self, now: Duration, statement: &Statement<'_>) {
        let removed = statement.state.is_none() && statement.clock >= self.clock;
        // No clock comes near the bound by itself, so a statement there is an attack.
        let newer = statement.clock > self.clock && statement.clock < CLOCK_END - 1;
        if newer {
            self.clock = statement.clock;
        }
        if self.own.is_some() && (newer || (removed && statement.clock == self.clock)) {
            self.state_anew(now);
        }
    }

    fn hear_of_other(
        &mut self,
        now: Duration,
        statement: &Statement<'_>,
        change: &mut AwarenessChange,
    ) {
        let (client, clock) = (statement.client, statement.clock);
        let known = self.others.get(&client).map(|other| other.clock);
        let Some(json) = statement.state else {
            if known.is_some_and(|known| clock >= known) {
                self.others.remove(&client);
                change.removed.push(client);
            }
            return;
        };
        let is_full = known.is_none() && self.others.len() >= MAX_CLIENTS;
        if known.is_some_and(|known| clock <= known) || is_full {
            return;
        }
        // A state that this crate cannot read is no reason to lose the connection.
        let Ok(state) = serde_json::from_str::<Value>(json) else {
            return;
        };
        if self.others.is_empty() {
            self.oldest = now;
        }
        let other = OtherState {
            clock,
            state,
            stated: now,
        };
        match self.others.insert(client, other) {
            None => change.added.push(client),
            Some(before) if before.state != self.others[&client].state => {
                change.updated.push(client);
            }
            Some(_) => {}
        }
    }

    /// Returns the time from now until a state is due: the own one on an open connection, or that
    /// of another client.
    pub(super) fn next_deadline(&self, now: Duration, is_open: bool) -> Option<Duration> {
        let own = (is_open && self.own.is_some()).then_some(self.stated + RENEW_AFTER);
        let others = (!self.others.is_empty()).then_some(self.oldest + OUTDATED_AFTER);
        let due = [own, others].into_iter().flatten().min()?;
        Some(due.saturating_sub(now))
    }

    /// Renews the own state and removes those of others, as far as they are due.
    pub(super) fn timeout(&mut self, now: Duration, is_open: bool) -> AwarenessChange {
        if is_open && self.own.is_some() && now >= self.stated + RENEW_AFTER {
            self.state_anew(now);
        }
        let mut change = AwarenessChange::default();
        if now >= self.oldest + OUTDATED_AFTER {
            let outdated =
                |_: &ClientId, other: &mut OtherState| now >= other.stated + OUTDATED_AFTER;
            let removed = self.others.extract_if(.., outdated);
            change.removed.extend(removed.map(|(client, _)| client));
            let oldest = self.others.values().map(|other| other.stated).min();
            self.oldest = oldest.unwrap_or(now);
        }
        change
    }
}
