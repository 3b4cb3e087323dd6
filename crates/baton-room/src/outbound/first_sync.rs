//! The first sync of a client, and the encodings that are kept for further newcomers.

use baton_presence::Time;
use baton_sync::StateVector;
use baton_sync::compressed_update::Compression;
use baton_sync::replica::{SyncPiece, SyncPieces};

use crate::message::Outgoing;
use crate::options::RoomOptions;
use crate::replica::ReplicatedState;

/// The time at which a document was asked for or changed last.
pub(super) struct FirstSync {
    touched: Time,
}

impl FirstSync {
    pub(super) const fn new(now: Time) -> Self {
        Self { touched: now }
    }

    pub(super) const fn touch(&mut self, now: Time) {
        self.touched = now;
    }

    /// Returns the time at which the encodings for newcomers are dropped, if there are any.
    pub(super) fn due(&self, state: &ReplicatedState, options: &RoomOptions) -> Option<Time> {
        let has = state.document().has_answers();
        has.then(|| self.touched + options.rest_after)
    }

    /// Returns what a client with this state vector lacks: one piece, or several if it would wait
    /// too long for one. With a compression, they are compressed if that is of use.
    pub(super) fn lacking(
        &mut self,
        state: &mut ReplicatedState,
        options: &RoomOptions,
        since: &StateVector,
        compression: Option<Compression>,
        now: Time,
    ) -> SyncPieces {
        self.touched = now;
        state.pieces(since, options.piece_bytes, compression)
    }
}

/// Returns the message with the next piece: a Step2 with the last one, an Update with every other.
pub(super) fn next_message(pieces: &mut SyncPieces) -> Option<Outgoing> {
    let piece = pieces.next()?;
    Some(match (piece, pieces.is_done()) {
        (SyncPiece::Plain(update), true) => Outgoing::Step2(update),
        (SyncPiece::Plain(update), false) => Outgoing::Update(update),
        (SyncPiece::Compressed(update), true) => Outgoing::CompressedStep2(update),
        (SyncPiece::Compressed(update), false) => Outgoing::CompressedUpdate(update),
    })
}
