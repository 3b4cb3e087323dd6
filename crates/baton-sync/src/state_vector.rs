//! Client ids, clocks, and the state vector: the number of units that each client has inserted.
//!
//! Owns [`ClientId`], [`Clock`] and [`StateVector`] with its encoding on the wire. It never looks
//! into an update and knows nothing of deletions.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{BuildHasher, Hasher, RandomState};

use crate::lib0::{DecodeError, Reader, write_var_uint};

/// A position among the units that one client has inserted (a text counts UTF-16 code units).
/// Always below [`CLOCK_END`].
pub type Clock = u32;

/// Bound that no clock reaches, nor a clock plus a length: yrs computes with signed 32 bits.
pub const CLOCK_END: u64 = 1 << 31;

/// Id under which one instance of a Yjs document writes: a whole number below 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(u64);

impl ClientId {
    /// Largest id, 2^53 - 1: the largest whole number to which JavaScript counts.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// Returns the id; `None` if it is 2^53 or more.
    #[must_use]
    pub const fn new(id: u64) -> Option<Self> {
        if id <= Self::MAX.0 {
            Some(Self(id))
        } else {
            None
        }
    }

    /// Draws an id of 32 bits, as Yjs 13 does; it takes at most five bytes on the wire.
    ///
    /// Each live instance of a document needs an id of its own. Among 1000 ids that ever wrote to
    /// one document, two are the same with a chance of 1 in 8600. The bits are those with which the
    /// standard library seeds its hash maps, which is enough for an id and not for a secret.
    #[must_use]
    pub fn random() -> Self {
        let bits = RandomState::new().build_hasher().finish();
        Self(bits >> 32)
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Reads an id from the wire.
    ///
    /// # Errors
    /// As [`Reader::var_uint`], and [`DecodeError::ClientOutOfRange`].
    #[inline]
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let id = reader.var_uint()?;
        Self::new(id).ok_or(DecodeError::ClientOutOfRange { id })
    }
}

impl From<u32> for ClientId {
    fn from(id: u32) -> Self {
        Self(u64::from(id))
    }
}

impl std::fmt::Display for ClientId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads a clock from the wire.
///
/// # Errors
/// As [`Reader::var_uint`], and [`DecodeError::ClockOutOfRange`].
#[inline]
pub(crate) fn read_clock(reader: &mut Reader<'_>) -> Result<Clock, DecodeError> {
    let clock = reader.var_uint()?;
    if clock >= CLOCK_END {
        return Err(DecodeError::ClockOutOfRange { clock });
    }
    Ok(clock as Clock)
}

/// State vector: for each client, the clock up to which all its units are known. Absent means 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateVector {
    clocks: BTreeMap<ClientId, Clock>,
}

impl StateVector {
    /// Returns the vector of an empty document.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            clocks: BTreeMap::new(),
        }
    }

    /// Returns the first clock of `client` that is not known; 0 for an unknown client.
    #[inline]
    #[must_use]
    pub fn get(&self, client: ClientId) -> Clock {
        self.clocks.get(&client).copied().unwrap_or(0)
    }

    /// Sets the clock, upwards or downwards. 0 forgets the client.
    pub fn set(&mut self, client: ClientId, clock: Clock) {
        if clock == 0 {
            self.clocks.remove(&client);
        } else {
            self.clocks.insert(client, clock);
        }
    }

    /// Raises the clock to at least `clock`.
    pub fn raise(&mut self, client: ClientId, clock: Clock) {
        if clock > self.get(client) {
            self.clocks.insert(client, clock);
        }
    }

    /// Lowers the clock to at most `clock`, which is not 0; a client that is absent gets it.
    pub(crate) fn lower(&mut self, client: ClientId, clock: Clock) {
        let lowest = self.clocks.entry(client).or_insert(clock);
        *lowest = clock.min(*lowest);
    }

    /// Clients and clocks, by ascending id; no clock is 0.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (ClientId, Clock)> + '_ {
        self.clocks.iter().map(|(client, clock)| (*client, *clock))
    }

    /// Returns the number of clients that have inserted units.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clocks.len()
    }

    /// Returns true if no unit is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clocks.is_empty()
    }

    /// Returns true if all units that `other` knows are known here.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other
            .iter()
            .all(|(client, clock)| self.get(client) >= clock)
    }

    /// Reads a state vector from the wire, with clients in any order.
    ///
    /// # Errors
    /// [`DecodeError`] for bytes that are not exactly one state vector: truncated, a count that
    /// cannot fit, a client twice or not below 2^53, a clock not below 2^31, bytes after the end.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let count = reader.count(2)?;
        let mut clocks = BTreeMap::new();
        for _ in 0..count {
            let client = ClientId::read(&mut reader)?;
            let clock = read_clock(&mut reader)?;
            match clocks.entry(client) {
                Entry::Occupied(_) => return Err(DecodeError::DuplicateClient { id: client.0 }),
                Entry::Vacant(entry) => entry.insert(clock),
            };
        }
        reader.finish()?;
        clocks.retain(|_, clock| *clock != 0);
        Ok(Self { clocks })
    }

    /// Returns the bytes for the wire, with client ids descending, as Yjs writes them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + 8 * self.clocks.len());
        write_var_uint(&mut out, self.clocks.len() as u64);
        for (client, clock) in self.iter().rev() {
            write_var_uint(&mut out, client.0);
            write_var_uint(&mut out, u64::from(clock));
        }
        out
    }
}

impl FromIterator<(ClientId, Clock)> for StateVector {
    fn from_iter<I: IntoIterator<Item = (ClientId, Clock)>>(entries: I) -> Self {
        let mut vector = Self::new();
        for (client, clock) in entries {
            vector.raise(client, clock);
        }
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn vector(entries: &[(u32, Clock)]) -> StateVector {
        entries
            .iter()
            .map(|(client, clock)| (ClientId::from(*client), *clock))
            .collect()
    }

    #[test]
    fn random_ids_differ_and_have_32_bits() {
        let ids: BTreeSet<_> = (0..1000).map(|_| ClientId::random()).collect();
        // Two pairs that are the same come once in 100 million runs.
        assert!(ids.len() >= 999, "{}", ids.len());
        assert!(ids.iter().all(|id| u32::try_from(id.get()).is_ok()));
        // Each of the 32 bits is drawn.
        let (any, all) = ids.iter().fold((0, u64::MAX), |(any, all), id| {
            (any | id.get(), all & id.get())
        });
        assert_eq!((any, all), (u64::from(u32::MAX), 0));
    }

    #[test]
    fn clients_are_written_in_descending_order() {
        assert_eq!(vector(&[(1, 2), (300, 4)]).encode(), [2, 0xac, 2, 4, 1, 2]);
    }

    #[test]
    fn a_clock_of_zero_is_the_same_as_no_entry() {
        assert_eq!(StateVector::decode(&[1, 5, 0]).unwrap(), StateVector::new());
    }

    #[test]
    fn covering_is_per_client() {
        let both = vector(&[(1, 2), (2, 5)]);
        assert!(both.covers(&vector(&[(1, 2)])));
        assert!(!both.covers(&vector(&[(1, 3)])));
        assert!(!both.covers(&vector(&[(3, 1)])));
        assert!(both.covers(&StateVector::new()));
    }

    #[test]
    fn a_count_of_a_quarter_of_a_billion_is_refused_at_once() {
        let bomb = [0x80, 0x80, 0x80, 0x80, 0x01];
        assert!(matches!(
            StateVector::decode(&bomb),
            Err(DecodeError::CountTooLarge {
                count: 268_435_456,
                remaining: 0
            })
        ));
    }

    #[test]
    fn each_limit_refuses() {
        let id = [1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 1];
        assert_eq!(
            StateVector::decode(&id),
            Err(DecodeError::ClientOutOfRange { id: 1 << 53 })
        );
        let clock = [1, 1, 0x80, 0x80, 0x80, 0x80, 0x08];
        assert_eq!(
            StateVector::decode(&clock),
            Err(DecodeError::ClockOutOfRange { clock: 1 << 31 })
        );
        assert_eq!(
            StateVector::decode(&[2, 7, 1, 7, 2]),
            Err(DecodeError::DuplicateClient { id: 7 })
        );
        assert_eq!(
            StateVector::decode(&[0, 0]),
            Err(DecodeError::TrailingBytes { count: 1 })
        );
    }

    proptest! {
        #[test]
        fn a_vector_survives_the_wire(entries in proptest::collection::vec((0..1u64 << 53, 1..u32::MAX >> 1), 0..20)) {
            let vector: StateVector = entries.iter().map(|(id, clock)| (ClientId::new(*id).unwrap(), *clock)).collect();
            prop_assert_eq!(StateVector::decode(&vector.encode()), Ok(vector));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
            let _ = StateVector::decode(&bytes);
        }
    }
}
