//! The content of a record by which a session begins or goes on.

use baton_presence::{Event, SessionId};

use super::record::Record;
use super::stored::Person;

/// A session that begins or goes on.
pub(super) struct Entrance {
    pub(super) session: SessionId,
    pub(super) person: Person,
    pub(super) event: Event,
}

impl Entrance {
    /// Reads the record at `position`; `None` if it is about something else.
    pub(super) fn of(position: u64, record: Record) -> Option<Self> {
        Some(match record {
            Record::Joined {
                client_kind,
                role,
                rights,
                user,
                token,
                profile,
                client,
                ..
            } => {
                let session = SessionId(position);
                Self {
                    session,
                    person: Person {
                        token,
                        profile,
                        client,
                    },
                    event: Event::Joined {
                        session,
                        client_kind,
                        role,
                        rights,
                        user,
                    },
                }
            }
            Record::Resumed {
                session,
                fences,
                rights,
                token,
                profile,
                client,
                ..
            } => Self {
                session,
                person: Person {
                    token,
                    profile,
                    client,
                },
                event: Event::Resumed {
                    session,
                    fences,
                    rights,
                },
            },
            _ => return None,
        })
    }
}
