//! The context of a decision: everything that intake and outbound may read.

use baton_presence::{SessionId, Time};

use crate::message::ConnectionId;
use crate::options::RoomOptions;
use crate::replica::{Author, ReplicatedState};
use crate::sessions::Sessions;

/// Everything that a decision may read and does not own.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) options: &'a RoomOptions,
    pub(crate) state: &'a ReplicatedState,
    pub(crate) sessions: &'a Sessions,
    pub(crate) now: Time,
}

impl Context<'_> {
    /// Returns the Unix time, in milliseconds.
    pub(crate) fn unix_ms(&self) -> u64 {
        self.options.unix_ms(self.now)
    }

    /// Returns the author of a connection's edits. Before its session has its record, it holds no
    /// lock; a stock client's first message is judged then.
    pub(crate) fn author_of(&self, connection: ConnectionId) -> Author {
        let writes = self.sessions.may_write(connection);
        if let Some(session) = self.sessions.session_of(connection) {
            let author = self.state.author(session);
            return Author {
                writes: writes && author.writes,
                ..author
            };
        }
        let is_stock = self.sessions.is_stock(connection);
        Author {
            session: SessionId(0),
            user: None,
            is_stock,
            source: self.sessions.stock_key(connection).filter(|_| is_stock),
            writes,
        }
    }
}

/// Borrows a context from the fields of a room, so that its other owners can be changed meanwhile.
macro_rules! context {
    ($room:ident, $now:expr) => {
        $crate::context::Context {
            options: &$room.options,
            state: &$room.state,
            sessions: &$room.sessions,
            now: $now,
        }
    };
}

pub(crate) use context;
