//! What people see of parks: the list, and what one would change.
//!
//! Owns the views, and who is shown what. Changes nothing.

use std::sync::Arc;

use baton_presence::{Rights, SessionId};
use baton_sync::channel::{
    self, Outcome, ParkPart, ParkState as Told, ParkView, PartKind, ServerMessage, User,
};
use baton_sync::difference;
use baton_sync::document::Document;
use bytes::Bytes;

use crate::deciding::Undecided;
use crate::output::{ConnectionId, Outgoing, Output};
use crate::park::{Park, ParkReason, ParkState};
use crate::room::Room;

impl Park {
    /// What people are told of its state.
    pub(crate) fn told(&self) -> Told {
        match self.state {
            ParkState::Open => Told::Open,
            ParkState::Discarded { .. } => Told::Discarded,
        }
    }
}

/// A park as watchers see it.
pub(crate) fn view(park: &Park, state: Told) -> ParkView {
    let until = park.recoverable_until_ms();
    ParkView {
        id: park.id,
        session: park.session.0,
        user: User {
            name: park.author.name.clone(),
            color: park.author.color.clone(),
        },
        at_ms: park.at_ms,
        reason: match park.reason {
            ParkReason::Locked => channel::ParkReason::Locked,
            ParkReason::Quarantined => channel::ParkReason::Quarantined,
        },
        edits: u32::try_from(park.updates.len()).unwrap_or(u32::MAX),
        inserted: park.inserted,
        deleted: park.deleted,
        bytes: park.bytes() as u64,
        state,
        until_ms: until.filter(|_| state == Told::Discarded),
        by: match park.state {
            ParkState::Discarded { by, .. } if state == Told::Discarded => Some(by.0),
            _ => None,
        },
    }
}

/// What a park would change, before it is worked out. It shares what is large with the room, and needs nothing else of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sketch {
    nonce: u64,
    id: u64,
    everything: Bytes,
    updates: Vec<Bytes>,
}

impl Sketch {
    /// Bytes of the document, and of what is parked.
    #[must_use]
    pub fn bytes(&self) -> (usize, usize) {
        let parked = self.updates.iter().map(Bytes::len).sum();
        (self.everything.len(), parked)
    }

    /// Works it out: the answer to who asked. Costs as much as loading the document once, and needs as much memory.
    #[must_use]
    pub fn render(self) -> Outgoing {
        let (nonce, id) = (self.nonce, self.id);
        let message = match Document::difference_of(self.everything, self.updates) {
            Ok(difference) => ServerMessage::ParkContent {
                nonce,
                id,
                parts: difference.parts.into_iter().map(part).collect(),
                truncated: difference.truncated,
            },
            Err(error) => ServerMessage::Result {
                nonce,
                outcome: Outcome::Stale,
                message: Some(format!("{error}; nothing changed")),
            },
        };
        Outgoing::Channel(Arc::new(message))
    }
}

impl Room {
    /// Shows what a park would change, by way of [`Output::Show`]. Whoever may read the document may see what else was
    /// written; of a discarded park, its author and who manages.
    pub(crate) fn show_park(
        &mut self,
        connection: ConnectionId,
        session: SessionId,
        nonce: u64,
        id: u64,
    ) {
        match self.sketch(session, nonce, id) {
            Ok(sketch) => self.outputs.push_back(Output::Show {
                to: connection,
                sketch,
            }),
            Err((outcome, message)) => {
                self.answer_operation(connection, nonce, outcome, Some(message));
            }
        }
    }

    fn sketch(
        &mut self,
        session: SessionId,
        nonce: u64,
        id: u64,
    ) -> Result<Sketch, (Outcome, String)> {
        let refused = |why: &Undecided| (why.outcome(), why.to_string());
        let park = self.state.parks.get(id);
        let park = park.ok_or_else(|| refused(&Undecided::Unknown(id)))?;
        if !park.is_open() && !self.sees_discarded(session, park) {
            return Err(refused(&Undecided::Hidden(id)));
        }
        let updates = park.updates.clone();
        Ok(Sketch {
            nonce,
            id,
            everything: self.state.document.everything(),
            updates,
        })
    }

    /// The parks that a session is shown when it comes.
    pub(crate) fn park_views(&self, session: SessionId) -> Vec<ParkView> {
        let parks = self.state.parks.iter();
        parks
            .filter(|park| park.is_open() || self.sees_discarded(session, park))
            .map(|park| view(park, park.told()))
            .collect()
    }

    fn sees_discarded(&self, session: SessionId, park: &Park) -> bool {
        let peer = self.state.fold.peer(session);
        let manages = peer.is_some_and(|peer| peer.rights.contains(Rights::MANAGE));
        manages || self.state.is_author(session, park)
    }
}

fn part(part: difference::Part) -> ParkPart {
    ParkPart {
        root: part.root,
        kind: match part.kind {
            difference::PartKind::Equal => PartKind::Equal,
            difference::PartKind::Insert => PartKind::Insert,
            difference::PartKind::Delete => PartKind::Delete,
        },
        text: part.text,
    }
}
