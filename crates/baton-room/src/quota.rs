//! How much more a room may store and keep: its caller knows, and says so before each input.
//!
//! Owns the refusal of what is over it. Only what adds something is refused: reading, deleting, leaving and everything about
//! locks go on. A refused edit is never counted as saved, and nobody else is affected.

use baton_presence::Time;
use baton_sync::awareness::AwarenessRefusal;
use baton_sync::channel::ErrorCode;
use baton_sync::scan::scan;
use baton_sync::state::State;

use crate::output::{ConnectionId, Ending, Outgoing};
use crate::room::Room;

/// What a record takes at most beside its update, in bytes.
const RECORD: usize = 64;

/// A limit on what is stored, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StorageLimit {
    /// Of this document.
    #[error(
        "the document has the {0} bytes that it may have (max_document); your edit was refused and is only in your copy: delete something, and open the document afresh"
    )]
    Document(u64),
    /// Of all documents.
    #[error(
        "the server stores the {0} bytes that it may store (max_store); your edit was refused and is only in your copy: keep it, and ask who runs the server"
    )]
    Store(u64),
}

/// What may be added to what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// Bytes.
    pub left: u64,
    /// The limit that is met when they are used up.
    pub limit: StorageLimit,
}

/// What a room may use at the moment, and what it refused because of that.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    growth: Option<Growth>,
    refused: Refused,
}

/// What was refused for want of room since the caller looked last; the newest of each.
#[derive(Debug, Default)]
pub struct Refused {
    /// An edit.
    pub edit: Option<StorageLimit>,
    /// An awareness entry.
    pub awareness: Option<AwarenessRefusal>,
}

impl Room {
    /// What may be added from now on to what is stored of this document. Without a word there is no limit.
    pub fn allow_growth(&mut self, growth: Growth) {
        self.quota.growth = Some(growth);
    }

    /// How many bytes all awareness states of this document may have from now on, beside the room's own limits.
    pub fn allow_awareness(&mut self, bytes: usize) {
        self.awareness.allow(bytes);
    }

    /// Bytes of all awareness states of this document.
    #[must_use]
    pub fn awareness_bytes(&self) -> usize {
        self.awareness.bytes()
    }

    /// What was refused since this was asked last.
    pub fn take_refused(&mut self) -> Refused {
        std::mem::take(&mut self.quota.refused)
    }

    /// Returns true if an edit may be stored. Else its sender is told, and a stock client, which can be told by nothing
    /// else, is closed.
    pub(crate) fn may_store(&mut self, connection: ConnectionId, update: &[u8], now: Time) -> bool {
        let Some(growth) = &mut self.quota.growth else {
            return true;
        };
        let cost = (update.len() + RECORD) as u64;
        if cost <= growth.left {
            growth.left -= cost;
            return true;
        }
        if adds_nothing(self.state.document.state(), update) {
            return true;
        }
        let limit = growth.limit;
        self.quota.refused.edit = Some(limit);
        let reason = limit.to_string();
        if self.is_stock(connection) {
            self.send(connection, Outgoing::Denied(reason.clone()));
            self.close(connection, Ending::Limit, reason, now);
        } else {
            self.complain(connection, ErrorCode::Limit, reason, false);
        }
        false
    }

    /// Tells a connection why what it said about awareness is not shown. It goes on.
    pub(crate) fn refuse_awareness(&mut self, connection: ConnectionId, why: AwarenessRefusal) {
        self.tell_limit(connection, why.to_string());
        self.quota.refused.awareness = Some(why);
    }

    /// Tells a connection of a limit that it met, in the way in which it can be told, and lets it go on.
    pub(crate) fn tell_limit(&mut self, connection: ConnectionId, reason: String) {
        if self.is_stock(connection) {
            self.send(connection, Outgoing::Denied(reason));
        } else {
            self.complain(connection, ErrorCode::Limit, reason, false);
        }
    }
}

/// Returns true for an update that deletes, and inserts nothing that the document lacks.
fn adds_nothing(document: &State, update: &[u8]) -> bool {
    let known = |client, end| document.vector().get(client) >= end;
    scan(update).is_ok_and(|scanned| {
        scanned
            .inserts()
            .all(|range| known(range.client, range.end))
    })
}
