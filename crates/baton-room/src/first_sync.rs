//! The first sync of a client, and how long what was encoded for it is kept for others.
//!
//! Owns the time at which a document was asked for or changed last.

use baton_presence::Time;
use baton_sync::StateVector;

use crate::output::{ConnectionId, Outgoing};
use crate::room::Room;

impl Room {
    /// When the answers that were encoded for newcomers are dropped, if there are any.
    pub(crate) fn answers_due(&self) -> Option<Time> {
        let has = self.state.document.has_answers();
        has.then(|| self.touched + self.options.rest_after)
    }

    /// Drops the answers if nobody asked for long enough.
    pub(crate) fn drop_answers(&mut self, now: Time) {
        if self.answers_due().is_some_and(|due| now >= due) {
            self.state.document.drop_answers();
        }
    }

    /// Answers a Step1 with what the client lacks: one message, or several if it would wait too long for
    /// one. All of them are queued at once, so that what is typed afterwards comes after them.
    pub(crate) fn send_lacking(&mut self, to: ConnectionId, since: &StateVector, now: Time) {
        let pieces = self.state.document.pieces(since, self.options.piece_bytes);
        self.touched = now;
        let count = pieces.len();
        for (at, piece) in pieces.into_iter().enumerate() {
            let message = if at + 1 == count {
                Outgoing::Step2(piece)
            } else {
                Outgoing::Update(piece)
            };
            self.send(to, message);
        }
    }
}
