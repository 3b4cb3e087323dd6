//! Payloads made from the entries of a table.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::entry_table::{Entry, EntryTable};
use super::payload;
use crate::ClientId;

/// Returns the payload that shows a newcomer the present clients; without entries if there are
/// none.
pub(super) fn present<O: Copy + Eq + Ord>(table: &EntryTable<O>) -> Bytes {
    let present: Vec<_> = table
        .entries()
        .filter(|(_, entry)| entry.state.is_some())
        .map(|(client, entry)| (client, entry.clock, entry.state.as_deref()))
        .collect();
    payload::encode(&present)
}

/// Returns the payload for a client that may have missed any number of messages: the present
/// clients, and the removed ones that are remembered.
pub(super) fn known<O: Copy + Eq + Ord>(table: &EntryTable<O>) -> Bytes {
    let known: Vec<_> = table
        .entries()
        .map(|(client, entry)| (client, entry.clock, entry.state.as_deref()))
        .collect();
    payload::encode(&known)
}

/// Returns these entries as they are now, removed ones included; `None` if there are none.
pub(super) fn changes<O: Copy + Eq + Ord>(
    table: &EntryTable<O>,
    clients: &BTreeSet<ClientId>,
) -> Option<Bytes> {
    some(table, clients, |entry| {
        (entry.clock, entry.state.as_deref())
    })
}

/// Returns removals which the owners answer: at the clocks of their clients, also if these were
/// refused. `None` if there are none.
pub(super) fn questions<O: Copy + Eq + Ord>(
    table: &EntryTable<O>,
    clients: &BTreeSet<ClientId>,
) -> Option<Bytes> {
    some(table, clients, |entry| (entry.clock.max(entry.heard), None))
}

/// Returns removals at the known clocks; `None` if there are none.
pub(super) fn removals<O: Copy + Eq + Ord>(
    table: &EntryTable<O>,
    clients: &BTreeSet<ClientId>,
) -> Option<Bytes> {
    some(table, clients, |entry| (entry.clock, None))
}

fn some<O: Copy + Eq + Ord>(
    table: &EntryTable<O>,
    clients: &BTreeSet<ClientId>,
    stated: impl for<'e> Fn(&'e Entry<O>) -> (u64, Option<&'e str>),
) -> Option<Bytes> {
    let entries: Vec<_> = clients
        .iter()
        .filter_map(|client| {
            let (clock, state) = stated(table.entry(*client)?);
            Some((*client, clock, state))
        })
        .collect();
    (!entries.is_empty()).then(|| payload::encode(&entries))
}
