//! The erasure of a document, at the position of its record.

use baton_presence::Time;

use super::Room;
use crate::message::{ERASED, Ending, ToClose};
use crate::reaction::ProposedRecord;
use crate::replica::Record;

/// Proposes that the document is erased, in an epoch that is at least `epoch` and later than its
/// own. At the position of that record every room of the document closes all its connections with
/// [`Ending::Erased`] and has an [`Erasure`](crate::Erasure). Its caller then carries out what it
/// has for its clients, and drops it: only the state is that of the erased document, from which a
/// new room may be opened. A further erasure is proposed once.
pub fn erase(room: &mut Room, epoch: u32, now: Time) {
    room.now = now;
    let record = Record::Erased {
        epoch,
        unread: false,
    };
    room.proposals.push_back(ProposedRecord::unanswered(record));
}

/// Closes all connections, and applies the record. What their ends would propose is about sessions
/// that are gone; in the log behind the record it would count as something that came later.
pub(super) fn carry_out(room: &mut Room, position: u64, record: Record, now: Time) {
    room.close(ToClose::All, Ending::Erased, ERASED.to_owned(), now);
    room.proposals.clear();
    let mut effects = std::mem::take(&mut room.effects);
    room.state.apply(position, record, None, &mut effects);
    effects.clear();
    room.effects = effects;
}
