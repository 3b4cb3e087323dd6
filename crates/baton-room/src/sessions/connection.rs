//! The facts about one connection.

use baton_presence::{Rights, SessionId, SessionRole};
use baton_sync::awareness::UserStamp;

use crate::message::{Arrival, ConnectionId};

/// Stage of a connection on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionStage {
    /// It has not sent anything.
    Greeting,
    /// Its hello names a client id that another live connection has named; see
    /// [`super::client_id_claims`].
    Contesting,
    /// Its session has been proposed.
    Joining,
    /// It is this session's connection.
    In(SessionId),
}

/// State of Baton's own channel on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// A stock client, or one that has not sent its hello.
    Closed,
    /// It sent its hello, and its welcome is on the way to the disk.
    Opening,
    /// It has its welcome.
    Open,
}

/// A connection that got its session.
pub(crate) struct Attachment {
    pub(crate) session: SessionId,
    pub(crate) resumed: bool,
    /// The connection that the session had before.
    pub(crate) superseded: Option<ConnectionId>,
    /// State of the channel on the connection; `None` if the connection is gone.
    pub(crate) channel: Option<Channel>,
}

pub(super) struct Connection {
    pub(super) stage: ConnectionStage,
    pub(super) channel: Channel,
    pub(super) arrival: Arrival,
    /// True if its client is sent compressed updates where that is of use.
    pub(super) takes_compressed: bool,
    /// The user that its awareness states are shown with.
    pub(super) user_stamp: UserStamp,
}

/// Returns the user that the awareness states of a connection are shown with.
pub(super) fn user_stamp(arrival: &Arrival) -> UserStamp {
    let mut stamp = UserStamp::new();
    if let Some(identity) = &arrival.identity {
        stamp = stamp.with_user(identity.id(), identity.name());
        if let Some(color) = identity.color() {
            stamp = stamp.with_color(color);
        }
    }
    if arrival.rights.contains(Rights::WRITE) {
        stamp
    } else {
        stamp.with_read_only()
    }
}

impl Connection {
    /// Returns the rights of its session in this role. An observer takes no lock, so that it has no
    /// right beyond editing.
    pub(super) const fn rights_as(&self, role: SessionRole) -> Rights {
        match role {
            SessionRole::Writer => self.arrival.rights,
            SessionRole::Observer => self.arrival.rights.intersection(Rights::WRITE),
        }
    }
}
