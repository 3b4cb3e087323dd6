//! The table of open sessions with their deadlines. Pure: times come in as Unix milliseconds.
//!
//! A session is entered before it joins its document, so that a decision about it that falls in
//! between is not missed: the table keeps the decision until the session takes its seat.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use baton_auth::TokenUser;
use baton_presence::Rights;
use baton_room::ConnectionId;

use crate::access::AccessGrant;
use crate::sessions::enforcement::CurrentRights;
use crate::sessions::session_end::SessionEnd;
use crate::sessions::session_view::{SessionFilter, SessionView, WireName};

/// A session that asks for its place in the table.
pub(crate) struct NewSession {
    pub(crate) wire: WireName,
    pub(crate) grant: Arc<AccessGrant>,
}

/// One open session; `D` is its document.
struct OpenSession<D> {
    wire: WireName,
    grant: Arc<AccessGrant>,
    rights: CurrentRights,
    since: u64,
    seat: Seat<D>,
    deadline: Option<Deadline>,
}

/// The progress of a session.
enum Seat<D> {
    /// The document is being opened.
    Joining,
    In(D),
    /// It was ended while it joined.
    Ended(SessionEnd),
}

/// The next thing that happens to a session by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Deadline {
    at: u64,
    what: DeadlineKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeadlineKind {
    /// Its client is told that its access ends soon.
    Notice,
    Expiry,
}

/// Something that became due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// The access ends in so many milliseconds.
    Notice { left_ms: u64 },
    /// The access has ended. The table has forgotten the session.
    Expired,
}

/// A session whose access was replaced.
pub(crate) struct Renewed<D> {
    /// Its document, if it has joined it.
    pub(crate) document: Option<D>,
    /// Its rights of before.
    pub(crate) before: Rights,
    /// Its rights from now on.
    pub(crate) rights: CurrentRights,
}

/// See the module.
pub(crate) struct SessionTable<D> {
    sessions: BTreeMap<ConnectionId, OpenSession<D>>,
    /// Deadlines, the soonest first.
    deadlines: BTreeSet<(u64, ConnectionId)>,
    /// Time before an expiry at which its client is told, in milliseconds.
    notice_ms: u64,
}

impl<D: Clone> SessionTable<D> {
    /// Returns an empty table, whose sessions are told of their expiry so many milliseconds before
    /// it, or after half of the time that is left if that is less.
    pub(crate) fn new(notice_ms: u64) -> Self {
        Self {
            sessions: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            notice_ms,
        }
    }

    /// Adds a session that is about to join its document.
    pub(crate) fn enter(&mut self, id: ConnectionId, new: NewSession, now: u64) {
        let deadline = self.deadline(&new.grant, now);
        let session = OpenSession {
            wire: new.wire,
            rights: CurrentRights::new(new.grant.rights()),
            grant: new.grant,
            since: now,
            seat: Seat::Joining,
            deadline: None,
        };
        self.sessions.insert(id, session);
        self.set_deadline(id, deadline);
    }

    /// Gives a session its document. Returns its rights, which may have changed since it entered.
    ///
    /// # Errors
    /// The session was ended meanwhile. The table has forgotten it.
    pub(crate) fn take_seat(
        &mut self,
        id: ConnectionId,
        document: D,
    ) -> Result<CurrentRights, SessionEnd> {
        // A session leaves by its own doing only, so it is here.
        let Some(session) = self.sessions.get_mut(&id) else {
            return Err(SessionEnd::Revoked);
        };
        match std::mem::replace(&mut session.seat, Seat::In(document)) {
            Seat::Joining | Seat::In(_) => Ok(session.rights.clone()),
            Seat::Ended(end) => {
                self.leave(id);
                Err(end)
            }
        }
    }

    /// Forgets a session. Returns its document; does nothing if it is not there.
    pub(crate) fn leave(&mut self, id: ConnectionId) -> Option<D> {
        self.set_deadline(id, None);
        match self.sessions.remove(&id)?.seat {
            Seat::In(document) => Some(document),
            Seat::Joining | Seat::Ended(_) => None,
        }
    }

    /// Ends a session. Returns its document, which has to be told; `None` if it is not there, or if
    /// it joins and will be told in [`SessionTable::take_seat`].
    pub(crate) fn end(&mut self, id: ConnectionId, why: SessionEnd) -> Option<D> {
        let session = self.sessions.get_mut(&id)?;
        if let Seat::In(_) = session.seat {
            return self.leave(id);
        }
        session.seat = Seat::Ended(why);
        self.set_deadline(id, None);
        None
    }

    /// Replaces the access of a session that is there.
    pub(crate) fn renew(
        &mut self,
        id: ConnectionId,
        grant: Arc<AccessGrant>,
        now: u64,
    ) -> Option<Renewed<D>> {
        let deadline = self.deadline(&grant, now);
        let session = self.sessions.get_mut(&id)?;
        let document = match &session.seat {
            Seat::In(document) => Some(document.clone()),
            Seat::Joining => None,
            Seat::Ended(_) => return None,
        };
        let before = session.grant.rights();
        session.rights.set(grant.rights());
        session.grant = grant;
        let rights = session.rights.clone();
        self.set_deadline(id, deadline);
        Some(Renewed {
            document,
            before,
            rights,
        })
    }

    /// Returns true if a session is there and was not ended.
    pub(crate) fn is_open(&self, id: ConnectionId) -> bool {
        let session = self.sessions.get(&id);
        session.is_some_and(|session| !matches!(session.seat, Seat::Ended(_)))
    }

    /// Returns the access of a session.
    pub(crate) fn grant(&self, id: ConnectionId) -> Option<&Arc<AccessGrant>> {
        self.sessions.get(&id).map(|session| &session.grant)
    }

    /// Returns the time of the next deadline.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Returns what is due, of at most so many sessions.
    pub(crate) fn take_due(&mut self, now: u64, most: usize) -> Vec<(D, ConnectionId, Due)> {
        let mut due = Vec::new();
        for _ in 0..most {
            let Some((at, id)) = self.deadlines.first().copied() else {
                break;
            };
            if at > now {
                break;
            }
            if let Some((document, what)) = self.pass_deadline(id, now) {
                due.push((document, id, what));
            }
        }
        due
    }

    fn pass_deadline(&mut self, id: ConnectionId, now: u64) -> Option<(D, Due)> {
        let session = self.sessions.get(&id);
        let deadline = session.and_then(|session| session.deadline);
        let expires_at = session.and_then(|session| session.grant.expires_at());
        let (Some(deadline), Some(expires_at)) = (deadline, expires_at) else {
            self.set_deadline(id, None);
            return None;
        };
        if deadline.what == DeadlineKind::Expiry || now >= expires_at {
            let document = self.end(id, SessionEnd::Expired)?;
            return Some((document, Due::Expired));
        }
        let what = DeadlineKind::Expiry;
        self.set_deadline(
            id,
            Some(Deadline {
                at: expires_at,
                what,
            }),
        );
        match &self.sessions.get(&id)?.seat {
            Seat::In(document) => {
                let left_ms = expires_at - now;
                Some((document.clone(), Due::Notice { left_ms }))
            }
            Seat::Joining | Seat::Ended(_) => None,
        }
    }

    fn deadline(&self, grant: &AccessGrant, now: u64) -> Option<Deadline> {
        let expires_at = grant.expires_at()?;
        let notice = self.notice_ms.min(expires_at.saturating_sub(now) / 2);
        Some(Deadline {
            at: expires_at - notice,
            what: DeadlineKind::Notice,
        })
    }

    fn set_deadline(&mut self, id: ConnectionId, deadline: Option<Deadline>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut session.deadline, deadline) {
            self.deadlines.remove(&(before.at, id));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline.at, id));
        }
    }

    /// Returns up to `most` sessions with larger ids than `after`, to look at their access.
    pub(crate) fn held_after(
        &self,
        after: ConnectionId,
        most: usize,
    ) -> Vec<(ConnectionId, Arc<AccessGrant>)> {
        let sessions = self.after(after).take(most);
        let held = sessions.map(|(id, session)| (*id, Arc::clone(&session.grant)));
        held.collect()
    }

    /// Returns up to `most` sessions that the filter lets pass, with larger ids than `after`.
    pub(crate) fn page(
        &self,
        after: ConnectionId,
        filter: &SessionFilter,
        most: usize,
    ) -> Vec<SessionView> {
        self.after(after)
            .filter(|(_, session)| session.passes(filter))
            .take(most)
            .map(|(id, session)| session.view(*id))
            .collect()
    }

    fn after(&self, after: ConnectionId) -> impl Iterator<Item = (&ConnectionId, &OpenSession<D>)> {
        let range = (Bound::Excluded(after), Bound::Unbounded);
        let ended = |session: &OpenSession<D>| matches!(session.seat, Seat::Ended(_));
        let range = self.sessions.range(range);
        range.filter(move |(_, session)| !ended(session))
    }

    /// Returns how many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }
}

impl<D> OpenSession<D> {
    fn passes(&self, filter: &SessionFilter) -> bool {
        let access = self.grant.access();
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        !matches!(self.seat, Seat::Ended(_))
            && is(&filter.document, Some(self.grant.document()))
            && is(&filter.user, access.user().map(TokenUser::id))
            && is(&filter.token_id, access.token_id())
            && is(&filter.tenant, access.tenant())
    }

    fn view(&self, id: ConnectionId) -> SessionView {
        let access = self.grant.access();
        SessionView {
            id: id.0,
            document: self.grant.document().to_owned(),
            user: access.user().map(|user| user.id().to_owned()),
            name: access.user().and_then(TokenUser::name).map(str::to_owned),
            tenant: access.tenant().map(str::to_owned),
            token_id: access.token_id().map(str::to_owned),
            wire: self.wire,
            address: self.grant.caller().address(),
            permissions: self.grant.permissions(),
            since_ms: self.since,
            expires_ms: self.grant.expires_at(),
        }
    }
}

#[cfg(test)]
mod tests;
