//! What the oracles are shown. Owns the vocabulary; decides nothing.

use std::collections::BTreeSet;

use baton_client::ClientEvent;
use baton_presence::Change;
use baton_room::{Park, Record, Room};
use baton_sync::control_channel::{ClientMessage, ServerMessage};

use crate::book::Locks;
use crate::net::ConnNo;

/// Something that happened, at the moment when it did.
pub(crate) enum Seen<'a> {
    /// A record got its position and took effect.
    Committed {
        position: u64,
        /// As the room proposed it.
        record: &'a Record,
        /// What followed of it for roster and lock.
        changes: &'a [Change],
        /// The locks before it.
        before: &'a Locks,
        /// Of an update: what became of it.
        fate: Option<UpdateFate>,
        /// The root types in which it changed the document; of a parked update: in which it would. Empty where nobody can
        /// be refused anything.
        touched: &'a BTreeSet<String>,
        /// Of a decision about a park that changed something: the park as it was.
        decided: Option<&'a Park>,
    },
    /// The disk has everything up to here, and what followed of the newly durable records is this.
    Durable { records: &'a [Kept] },
    /// The server tells a connection something.
    Said {
        conn: ConnNo,
        message: &'a ServerMessage,
    },
    /// A client tells the server something.
    Asked {
        conn: ConnNo,
        message: &'a ClientMessage,
    },
    /// A client's program is told something.
    Told {
        person: usize,
        event: &'a ClientEvent,
    },
    /// The document was opened from what is stored. `lived` is how it was when it stopped in good order.
    Opened {
        room: &'a Room,
        whole: &'a Room,
        lived: Option<&'a Room>,
    },
    /// The same while it goes on: a copy opened beside it.
    Compared { room: &'a Room, copy: &'a Room },
    /// Time went on, or something happened that is not listed here.
    Step,
    /// The quiet end is over.
    End,
}

/// A record that is durable, and what followed of it.
pub(crate) struct Kept {
    pub(crate) position: u64,
    /// As the room proposed it.
    pub(crate) record: Record,
    pub(crate) changes: Vec<Change>,
    /// Whether a silent holder may lose its lock to none.
    pub(crate) gives_way: bool,
}

/// What became of an update at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpdateFate {
    /// It is in the document, and was not before.
    Applied,
    /// It is in a park.
    Parked,
    /// It added nothing.
    Nothing,
}
