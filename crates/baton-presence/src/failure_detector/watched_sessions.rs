//! The watched sessions together with the one heap of deadlines.
//!
//! Every change that can make a session's next check earlier arms its deadline here.

use std::time::Duration;

use super::deadlines::{DeadlineKey, Deadlines};
use super::editor_liveness::Cadence;
use super::health::{BeatVerdict, SessionHealth};
use super::heartbeat_rounds::HeartbeatRounds;
use super::session_liveness::SessionLiveness;
use super::session_table::SessionTable;
use crate::{Change, ClientKind, Fence, SessionId, Time, Timings};

/// Size of a failure detector; for gauges, and for the proof that a heartbeat allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetectorLoad {
    /// Watched sessions, with or without a connection.
    pub sessions: usize,
    /// Sessions that fit without an allocation.
    pub session_capacity: usize,
    /// Deadlines in the heap, stale ones included.
    pub deadlines: usize,
    /// Deadlines that fit without an allocation.
    pub deadline_capacity: usize,
}

/// Sessions, and the deadlines of sessions, locks and beats.
#[derive(Debug, Clone)]
pub(crate) struct WatchedSessions {
    table: SessionTable,
    deadlines: Deadlines,
    rounds: HeartbeatRounds,
}

impl WatchedSessions {
    pub(crate) fn new() -> Self {
        let mut deadlines = Deadlines::default();
        // Makes room for all keys up to this one, the locks' among them.
        deadlines.make_room(DeadlineKey::Beats);
        Self {
            table: SessionTable::default(),
            deadlines,
            rounds: HeartbeatRounds::default(),
        }
    }

    pub(crate) const fn table(&self) -> &SessionTable {
        &self.table
    }

    pub(crate) fn get(&self, session: SessionId) -> Option<&SessionLiveness> {
        self.table.get(session)
    }

    /// Returns the session for a change as in [`SessionTable::at_mut`].
    fn get_mut(&mut self, session: SessionId) -> Option<&mut SessionLiveness> {
        let slot = self.table.slot(session)?;
        self.table.at_mut(slot)
    }

    /// Changes the session in this slot of the table.
    pub(crate) fn update_slot<R>(
        &mut self,
        slot: u32,
        change: impl FnOnce(&mut SessionLiveness) -> R,
    ) -> Option<R> {
        self.table.update(slot, change)
    }

    fn slot_or_insert(&mut self, session: SessionId, now: Time) -> u32 {
        let slot = self.table.slot_or_insert(session, now);
        self.deadlines.make_room(DeadlineKey::Session(slot));
        slot
    }

    /// Begins a connection of the session.
    pub(crate) fn attach(
        &mut self,
        session: SessionId,
        client_kind: ClientKind,
        cadence: Cadence,
        now: Time,
        timings: &Timings,
    ) {
        let slot = self.slot_or_insert(session, now);
        let ping = self.rounds.first(slot, now, timings.ping_every);
        let beat = self.rounds.first(slot, now, timings.beat_every_idle);
        let look = self.table.update(slot, |liveness| {
            liveness.attach(client_kind, cadence, now, ping, beat);
            liveness.next_look(now, timings)
        });
        self.arm_slot(slot, look);
    }

    /// Ends the session's connection, if it has one, and begins its ticket's remaining life.
    pub(crate) fn set_away(&mut self, session: SessionId, now: Time, timings: &Timings) {
        let slot = self.slot_or_insert(session, now);
        self.table.update(slot, |liveness| liveness.detach(now));
        self.arm_slot(slot, Some(now + timings.ticket_life));
    }

    pub(crate) fn remove(&mut self, session: SessionId) {
        if let Some(slot) = self.table.remove(session) {
            self.deadlines.disarm(DeadlineKey::Session(slot));
        }
    }

    /// Counts anything received from a connected session.
    pub(crate) fn heard(&mut self, session: SessionId, now: Time, timings: &Timings) {
        let Some(slot) = self.table.slot(session) else {
            return;
        };
        if let Some(liveness) = self.table.at_mut(slot)
            && liveness.is_connected()
        {
            liveness.heard(now);
            if recovers(liveness, now, timings) {
                self.deadlines.arm(DeadlineKey::Session(slot), now);
            }
        }
    }

    /// Counts an answer of a connected session's editor to a beat.
    pub(crate) fn answered(
        &mut self,
        session: SessionId,
        beat: u64,
        idle: Duration,
        now: Time,
        timings: &Timings,
    ) -> BeatVerdict {
        let Some(slot) = self.table.slot(session) else {
            return BeatVerdict::Stale;
        };
        let liveness = self.table.at_mut(slot);
        let Some(liveness) = liveness.filter(|liveness| liveness.is_connected()) else {
            return BeatVerdict::Stale;
        };
        let answer = liveness.answered(beat, idle, now, timings);
        if recovers(liveness, now, timings) {
            self.deadlines.arm(DeadlineKey::Session(slot), now);
        }
        answer
    }

    /// Takes one fence at which the session's client has stopped, as its answers show.
    pub(crate) fn take_stopped(&mut self, session: SessionId) -> Option<Fence> {
        self.get_mut(session)?.take_stopped()
    }

    /// Notes a lock that was granted to the session; `claimed` if it just claimed an open offer.
    pub(crate) fn granted(&mut self, session: SessionId, claimed: bool, now: Time) {
        if let Some(liveness) = self.get_mut(session) {
            liveness.granted();
            if claimed {
                liveness.claimed(now);
            }
        }
    }

    /// Counts a missed offer. Returns the number that the session missed in a row.
    pub(crate) fn missed_offer(&mut self, session: SessionId) -> u32 {
        self.get_mut(session)
            .map_or(1, SessionLiveness::missed_offer)
    }

    /// Notes the notices that a change of the record at `position` sends to the session.
    pub(crate) fn note(&mut self, session: SessionId, change: &Change, position: u64) {
        if let Some(liveness) = self.get_mut(session) {
            liveness.note(change, position);
        }
    }

    /// Shows a connected session as offline, because the lock state calls it lost. A session that
    /// is heard here is checked at once, and proposed as back.
    pub(crate) fn show_lost(&mut self, session: SessionId, now: Time) {
        let Some(slot) = self.table.slot(session) else {
            return;
        };
        let shown = self.table.update(slot, |liveness| {
            let connected = liveness.is_connected();
            if connected {
                liveness.show(SessionHealth::Offline);
            }
            connected
        });
        self.arm_slot(slot, shown.unwrap_or_default().then_some(now));
    }

    /// Sets the frequency of the beats to a connected session.
    pub(crate) fn set_cadence(
        &mut self,
        session: SessionId,
        cadence: Cadence,
        now: Time,
        timings: &Timings,
    ) {
        let Some(slot) = self.table.slot(session) else {
            return;
        };
        if let Some(liveness) = self.table.at_mut(slot)
            && liveness.is_connected()
        {
            liveness.set_cadence(cadence, now, timings);
            let look = liveness.next_look(now, timings);
            self.deadlines.arm(DeadlineKey::Session(slot), look);
        }
    }

    /// Shortens all present silences by a stall of the server.
    pub(crate) fn forgive(&mut self, late: Duration, now: Time) {
        for liveness in self.table.iter_mut() {
            liveness.forgive(late, now);
        }
    }

    pub(crate) fn arm(&mut self, key: DeadlineKey, at: Time) {
        self.deadlines.arm(key, at);
    }

    fn arm_slot(&mut self, slot: u32, at: Option<Time>) {
        if let Some(at) = at {
            self.deadlines.arm(DeadlineKey::Session(slot), at);
        }
    }

    pub(crate) fn disarm(&mut self, key: DeadlineKey) {
        self.deadlines.disarm(key);
    }

    /// Takes the next key whose deadline has come.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<DeadlineKey> {
        self.deadlines.pop_due(now)
    }

    /// Returns the next deadline; it may be earlier than needed.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.next()
    }

    /// Returns the next deadline exactly.
    pub(crate) fn next_live_deadline(&mut self) -> Option<Time> {
        self.deadlines.next_live()
    }

    pub(crate) fn load(&self) -> DetectorLoad {
        DetectorLoad {
            sessions: self.table.len(),
            session_capacity: self.table.capacity(),
            deadlines: self.deadlines.len(),
            deadline_capacity: self.deadlines.capacity(),
        }
    }
}

/// Returns true if the session is shown as shaky or offline, and is not any more.
fn recovers(liveness: &SessionLiveness, now: Time, timings: &Timings) -> bool {
    liveness.shown() != SessionHealth::Online && liveness.shown() != liveness.judge(now, timings)
}
