//! Barriers of one connection: y-sweet's question if all that its client sent before is saved.
//!
//! The client takes the answer for "saved", so a barrier that comes before the client has answered
//! our first Step1 waits for that answer as well: it brings the edits that were made offline. A
//! barrier behind an edit that is parked, refused or dropped is never answered.

use std::collections::VecDeque;

use baton_sync::handshake::{Coverage, SavedLedger};
use bytes::Bytes;

/// Most barriers that wait. A further one replaces the oldest: its answer says more.
const WAITING: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Barriers {
    /// Marks in the ledger, in their order, with the bytes to answer.
    waiting: VecDeque<(u64, Bytes)>,
}

impl Barriers {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Lets a barrier wait for everything before this mark.
    pub(super) fn push(&mut self, mark: u64, version: &[u8]) {
        if self.waiting.len() >= WAITING {
            self.waiting.pop_front();
        }
        let version = Bytes::copy_from_slice(version);
        self.waiting.push_back((mark, version));
    }

    /// Returns the next barrier to answer, and drops those that are never answered.
    pub(super) fn next(&mut self, ledger: &SavedLedger) -> Option<Bytes> {
        while let Some((mark, _)) = self.waiting.front() {
            match ledger.coverage(*mark) {
                Coverage::Open => return None,
                Coverage::Saved => return self.waiting.pop_front().map(|(_, version)| version),
                Coverage::Failed => self.waiting.clear(),
            }
        }
        None
    }
}
