//! A document that nobody types in costs its bytes: when it is put to rest, and how somebody who has nothing of it, or
//! little, is sent what they lack.
//!
//! Owns the time since the last edit, and the pieces of a first sync. What resting is, the document knows
//! ([`baton_sync::Document::rest`]).

use baton_presence::Time;
use baton_sync::StateVector;
use baton_sync::document::Broken;

use crate::output::{ConnectionId, Ending, Outgoing};
use crate::room::Room;

impl Room {
    /// When the document is to be put to rest, if it does not rest already.
    pub(crate) fn rest_due(&self) -> Option<Time> {
        let rests = self.state.document.is_resting();
        (!rests).then(|| self.touched + self.options.rest_after)
    }

    /// Puts the document to rest if nobody typed for long enough.
    pub(crate) fn rest(&mut self, now: Time) {
        if self.rest_due().is_none_or(|due| now < due) {
            return;
        }
        // One that stays awake is not asked again at once.
        self.touched = now;
        if let Err(broken) = self.state.document.rest() {
            self.document_failed(&broken, now);
        }
    }

    /// Answers a Step1 with what the client lacks: one message, or several if it would wait too long for one. All of them
    /// are queued at once, so that what is typed afterwards comes after them.
    pub(crate) fn send_lacking(&mut self, to: ConnectionId, since: &StateVector, now: Time) {
        let document = &self.state.document;
        let lacking = document.pieces(since, self.options.piece_bytes);
        if !document.is_awake() {
            // What was made for this answer is kept for others who join at the same time.
            self.touched = now;
        }
        let pieces = match lacking {
            Ok(pieces) => pieces,
            Err(broken) => return self.document_failed(&broken, now),
        };
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

    fn document_failed(&mut self, broken: &Broken, now: Time) {
        let reason = format!("the document failed and is being rebuilt; come again ({broken})");
        self.close_all(Ending::Unavailable, &reason, now);
    }
}
