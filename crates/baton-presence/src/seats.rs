//! Owns the table of seats: from a session to its place in a vector, in constant time.
//!
//! It never looks into a seat.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::SessionId;
use crate::seat::Seat;

/// Seats by a small dense number, which is also their key among the deadlines. The map is only ever
/// asked for one session, never walked, so its order cannot leak into what the watch says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seats {
    index: HashMap<SessionId, u32, BuildHasherDefault<IdHasher>>,
    seats: Vec<Option<Seat>>,
    vacant: Vec<u32>,
}

impl Seats {
    pub(crate) fn place(&self, session: SessionId) -> Option<u32> {
        self.index.get(&session).copied()
    }

    pub(crate) fn at(&self, place: u32) -> Option<&Seat> {
        self.seats.get(place as usize)?.as_ref()
    }

    pub(crate) fn at_mut(&mut self, place: u32) -> Option<&mut Seat> {
        self.seats.get_mut(place as usize)?.as_mut()
    }

    pub(crate) fn get(&self, session: SessionId) -> Option<&Seat> {
        self.at(self.place(session)?)
    }

    /// Its place, newly given if it had none.
    pub(crate) fn seat_of(&mut self, session: SessionId, new: impl FnOnce() -> Seat) -> u32 {
        if let Some(place) = self.place(session) {
            return place;
        }
        let place = match self.vacant.pop() {
            Some(place) => place,
            None => {
                self.seats.push(None);
                u32::try_from(self.seats.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(seat) = self.seats.get_mut(place as usize) {
            *seat = Some(new());
        }
        self.index.insert(session, place);
        place
    }

    pub(crate) fn remove(&mut self, session: SessionId) -> Option<u32> {
        let place = self.index.remove(&session)?;
        if let Some(seat) = self.seats.get_mut(place as usize) {
            *seat = None;
        }
        self.vacant.push(place);
        Some(place)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Seat> + '_ {
        self.seats.iter_mut().flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.seats.capacity()
    }
}

/// Spreads numbers that the server itself gave out; nobody outside can choose colliding ones, so the
/// standard library's protection against that would only cost.
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
