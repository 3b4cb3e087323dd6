//! Table of watched sessions: each has a small dense number, found in constant time.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::session_liveness::SessionLiveness;
use crate::{LockState, Presence, SessionId, Time};

/// Sessions by slot, with a count of those that are connected and of those that are shaky.
///
/// A slot also names the session's deadline. The map is only asked for single sessions and never
/// walked, so its order cannot influence the proposals.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionTable {
    slots: HashMap<SessionId, u32, BuildHasherDefault<IdHasher>>,
    sessions: Vec<Option<SessionLiveness>>,
    vacant: Vec<u32>,
    connected: usize,
    shaky: usize,
}

impl SessionTable {
    pub(crate) fn slot(&self, session: SessionId) -> Option<u32> {
        self.slots.get(&session).copied()
    }

    pub(crate) fn at(&self, slot: u32) -> Option<&SessionLiveness> {
        self.sessions.get(slot as usize)?.as_ref()
    }

    pub(crate) fn get(&self, session: SessionId) -> Option<&SessionLiveness> {
        self.at(self.slot(session)?)
    }

    /// Returns true if the session has its connection to another server, which watches it: it is
    /// present, and was never connected here, or was removed.
    pub(crate) fn is_elsewhere(&self, session: SessionId, lock_state: &LockState) -> bool {
        let peer = lock_state
            .peer(session)
            .filter(|_| self.slot(session).is_none());
        peer.is_some_and(|peer| peer.presence != Presence::Away)
    }

    /// Changes the session in `slot`, and keeps the counts.
    pub(crate) fn update<R>(
        &mut self,
        slot: u32,
        change: impl FnOnce(&mut SessionLiveness) -> R,
    ) -> Option<R> {
        let liveness = self.sessions.get_mut(slot as usize)?.as_mut()?;
        self.connected -= usize::from(liveness.is_connected());
        self.shaky -= usize::from(liveness.is_shaky());
        let result = change(liveness);
        self.connected += usize::from(liveness.is_connected());
        self.shaky += usize::from(liveness.is_shaky());
        Some(result)
    }

    /// Returns the session's slot. A session that had none gets one, without a connection since
    /// `now`.
    pub(crate) fn slot_or_insert(&mut self, session: SessionId, now: Time) -> u32 {
        if let Some(slot) = self.slot(session) {
            return slot;
        }
        let slot = match self.vacant.pop() {
            Some(slot) => slot,
            None => {
                self.sessions.push(None);
                u32::try_from(self.sessions.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(vacant) = self.sessions.get_mut(slot as usize) {
            *vacant = Some(SessionLiveness::away(session, now));
        }
        self.slots.insert(session, slot);
        slot
    }

    /// Removes the session. Returns the slot that it had.
    pub(crate) fn remove(&mut self, session: SessionId) -> Option<u32> {
        let slot = self.slots.remove(&session)?;
        if let Some(liveness) = self.sessions.get_mut(slot as usize)?.take() {
            self.connected -= usize::from(liveness.is_connected());
            self.shaky -= usize::from(liveness.is_shaky());
        }
        self.vacant.push(slot);
        Some(slot)
    }

    /// Returns the session in `slot`, for a change that keeps [`SessionLiveness::is_connected`] and
    /// [`SessionLiveness::is_shaky`], which are counted. Spares every received frame the counting.
    pub(crate) fn at_mut(&mut self, slot: u32) -> Option<&mut SessionLiveness> {
        self.sessions.get_mut(slot as usize)?.as_mut()
    }

    /// Iterates over the sessions, for changes as in [`SessionTable::at_mut`].
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut SessionLiveness> + '_ {
        self.sessions.iter_mut().flatten()
    }

    /// Returns the number of sessions with a connection here.
    pub(crate) const fn connected(&self) -> usize {
        self.connected
    }

    /// Returns the number of connected sessions that are shown as shaky.
    pub(crate) const fn shaky(&self) -> usize {
        self.shaky
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.sessions.capacity()
    }
}

/// Hashes ids that the server itself gave out.
///
/// No client can choose colliding ids, so the protection of the standard library's hasher would
/// only cost time.
#[derive(Debug, Clone, Copy, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        let mixed = self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ (mixed >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 ^= id;
    }
}
