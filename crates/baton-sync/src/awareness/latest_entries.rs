//! Many payloads made into one, for a receiver that need not see each step.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::payload::{decode, encode};
use crate::ClientId;
use crate::lib0::DecodeError;

/// The newest entry of each client in the payloads that were added. Its size is bounded by the
/// number of clients, however many payloads there are.
#[derive(Debug, Default)]
pub struct LatestEntries {
    /// Clock and state of each client; without a state for a removal.
    entries: BTreeMap<ClientId, (u64, Option<Box<str>>)>,
}

impl LatestEntries {
    /// Adds the entries of a payload. Of two entries of one client the one counts that a client
    /// would keep: the newer one, and a removal at the same clock.
    ///
    /// # Errors
    /// The payload cannot be read. Nothing was added.
    pub fn add(&mut self, payload: &[u8]) -> Result<(), DecodeError> {
        for statement in decode(payload)? {
            let is_older = |(clock, state): &(u64, Option<Box<str>>)| {
                statement.clock < *clock
                    || (statement.clock == *clock && state.is_none() && statement.state.is_some())
            };
            if !self.entries.get(&statement.client).is_some_and(is_older) {
                let state = statement.state.map(Box::from);
                self.entries
                    .insert(statement.client, (statement.clock, state));
            }
        }
        Ok(())
    }

    /// Returns true if there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes all entries as one payload; `None` without an entry.
    #[must_use]
    pub fn take(&mut self) -> Option<Bytes> {
        let entries = std::mem::take(&mut self.entries);
        let entries: Vec<_> = entries
            .iter()
            .map(|(client, (clock, state))| (*client, *clock, state.as_deref()))
            .collect();
        (!entries.is_empty()).then(|| encode(&entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(entries: &[(u64, u64, Option<&str>)]) -> Bytes {
        let entries: Vec<_> = entries
            .iter()
            .map(|(client, clock, state)| (ClientId::new(*client).unwrap(), *clock, *state))
            .collect();
        encode(&entries)
    }

    #[test]
    fn the_newest_entry_of_each_client_is_left() {
        let mut latest = LatestEntries::default();
        assert!(latest.take().is_none());
        latest
            .add(&payload(&[(1, 1, Some("1")), (2, 5, Some("2"))]))
            .unwrap();
        latest.add(&payload(&[(1, 2, Some("3"))])).unwrap();
        latest
            .add(&payload(&[(1, 1, Some("old")), (2, 5, None)]))
            .unwrap();
        // A state at the clock of a removal is one that a client would not take.
        latest.add(&payload(&[(2, 5, Some("ghost"))])).unwrap();
        assert!(latest.add(&[1, 1]).is_err(), "cut off");
        let all = latest.take().unwrap();
        assert_eq!(all, payload(&[(1, 2, Some("3")), (2, 5, None)]));
        assert!(latest.is_empty());
    }
}
