//! The open sessions of the server, and the ways in which their access ends or changes.
//!
//! Owns the table and the one task that watches its deadlines. The task runs only while a session
//! has a deadline, and looks at the system's clock twice a second, because that clock may be set.

use std::sync::Arc;
use std::time::Duration;

use baton_auth::TokenUser;
use baton_room::ConnectionId;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::access::{AccessDenied, AccessGrant, Authorizer, ShownToken};
use crate::clock::unix_ms;
use crate::config::Settings;
use crate::documents::open_document::OpenDocument;
use crate::limits::tenant_quota::TenantConnection;
use crate::ops::rejection_counters::RejectionCounters;
use crate::sessions::enforcement::{CurrentRights, SessionOrder, SessionOrders};
use crate::sessions::revocations::Revocations;
use crate::sessions::session_end::SessionEnd;
use crate::sessions::session_table::{Due, NewSession, SessionTable};
use crate::sessions::session_view::{SessionFilter, SessionView, WireName};

/// Longest time between two looks at the deadlines.
const LOOK: Duration = Duration::from_millis(500);

/// Sessions that are handled while the table is held.
const AT_ONCE: usize = 512;

/// See the module.
pub(crate) struct OpenSessions {
    inner: Mutex<Inner>,
    /// Wakes the task for a deadline that is sooner than all others.
    sooner: Notify,
    authorizer: Arc<Authorizer>,
    revocations: Arc<Revocations>,
    refusals: Arc<RejectionCounters>,
}

struct Inner {
    table: SessionTable<Arc<OpenDocument>>,
    /// True while the task runs.
    is_watched: bool,
}

/// The place of one session, given back when this is dropped.
pub(crate) struct SessionPlace {
    sessions: Arc<OpenSessions>,
    id: ConnectionId,
    _tenant: Option<TenantConnection>,
}

/// The effect of another access on its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// The session has the same rights as before, or is not there.
    Unchanged,
    /// The session has other rights.
    Changed,
    /// The session was ended.
    Ended,
}

impl OpenSessions {
    /// Returns a server's sessions, of which there are none yet.
    pub(crate) fn new(
        settings: &Settings,
        authorizer: Arc<Authorizer>,
        refusals: Arc<RejectionCounters>,
    ) -> Self {
        let notice = u64::try_from(settings.token_notice.0.as_millis()).unwrap_or(u64::MAX);
        Self {
            inner: Mutex::new(Inner {
                table: SessionTable::new(notice),
                is_watched: false,
            }),
            sooner: Notify::new(),
            revocations: Arc::clone(authorizer.revocations()),
            authorizer,
            refusals,
        }
    }

    /// Takes a place for a session that is about to join its document.
    ///
    /// # Errors
    /// Its token was revoked since its access was granted.
    pub(crate) fn enter(
        self: &Arc<Self>,
        id: ConnectionId,
        wire: WireName,
        grant: &Arc<AccessGrant>,
        tenant: Option<TenantConnection>,
    ) -> Result<SessionPlace, SessionEnd> {
        let now = unix_ms();
        let grant = Arc::clone(grant);
        let place = SessionPlace {
            sessions: Arc::clone(self),
            id,
            _tenant: tenant,
        };
        let new = NewSession {
            wire,
            grant: Arc::clone(&grant),
        };
        self.change(|table| table.enter(id, new, now));
        // Looked at behind the entry: a revocation either is in the list already, or finds the
        // session in the table.
        if self.is_revoked(&grant, now) {
            return Err(self.counted(SessionEnd::Revoked));
        }
        Ok(place)
    }

    /// Returns the access of a session.
    pub(crate) fn grant(&self, id: ConnectionId) -> Option<Arc<AccessGrant>> {
        self.inner.lock().table.grant(id).cloned()
    }

    /// Returns up to `most` sessions that the filter lets pass, with larger ids than `after`.
    pub(crate) fn page(
        &self,
        after: ConnectionId,
        filter: &SessionFilter,
        most: usize,
    ) -> Vec<SessionView> {
        self.inner.lock().table.page(after, filter, most)
    }

    /// Returns how many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.inner.lock().table.len()
    }

    /// Passes the id and access of each session that is there now to `each`, some at a time.
    pub(super) fn for_each(&self, mut each: impl FnMut(ConnectionId, &Arc<AccessGrant>)) {
        let mut after = ConnectionId(0);
        loop {
            let some = self.held_after(after);
            let Some((last, _)) = some.last() else {
                return;
            };
            after = *last;
            for (id, grant) in &some {
                each(*id, grant);
            }
        }
    }

    /// Returns some sessions with larger ids than `after`; none if there are no more.
    pub(crate) fn held_after(&self, after: ConnectionId) -> Vec<(ConnectionId, Arc<AccessGrant>)> {
        self.inner.lock().table.held_after(after, AT_ONCE)
    }

    /// Lets what a look at an access has found take effect on its session. Does nothing if the
    /// session has another access than the one that was looked at, which is newer.
    pub(crate) fn judge(
        self: &Arc<Self>,
        id: ConnectionId,
        judged: &Arc<AccessGrant>,
        found: Result<AccessGrant, SessionEnd>,
        orders: &mut SessionOrders,
    ) -> Renewal {
        let found = found.and_then(|grant| {
            if is_same_party(judged, &grant) {
                Ok(grant)
            } else {
                Err(SessionEnd::OtherIdentity)
            }
        });
        match found {
            Ok(grant) => self.renew(id, Some(judged), &Arc::new(grant), orders),
            Err(end) if !self.end(id, Some(judged), &end, orders) => Renewal::Unchanged,
            Err(_) => Renewal::Ended,
        }
    }

    /// Lets another token of the same party take the place of that of a session. The session has
    /// the rights of the new one on return.
    ///
    /// # Errors
    /// The token gives no access, or is another party's. The session has its token of before.
    pub(crate) async fn show_token(
        self: &Arc<Self>,
        id: ConnectionId,
        shown: &ShownToken,
    ) -> Result<(Renewal, Arc<AccessGrant>), AccessDenied> {
        let Some(before) = self.grant(id) else {
            return Err(AccessDenied::revoked());
        };
        let (document, caller) = (before.document(), before.caller());
        let grant = self.authorizer.admit(shown, document, caller).await?;
        if !is_same_party(&before, &grant) {
            let denied = AccessDenied::other_party();
            self.authorizer.note_denial(&denied, before.caller());
            return Err(denied);
        }
        let (grant, mut orders) = (Arc::new(grant), SessionOrders::default());
        let renewal = self.renew(id, None, &grant, &mut orders);
        orders.finish().await;
        Ok((renewal, grant))
    }

    /// Gives a session another access of the same party, and lets it take effect; in place of
    /// `judged` alone, if that is given.
    fn renew(
        self: &Arc<Self>,
        id: ConnectionId,
        judged: Option<&Arc<AccessGrant>>,
        grant: &Arc<AccessGrant>,
        orders: &mut SessionOrders,
    ) -> Renewal {
        let now = unix_ms();
        let renewed = self.change(|table| {
            let is_meant = has_access(table, id, judged);
            is_meant.then(|| table.renew(id, Arc::clone(grant), now))?
        });
        let Some(renewed) = renewed else {
            return Renewal::Unchanged;
        };
        // As in `enter`.
        if self.is_revoked(grant, now) {
            self.end(id, None, &SessionEnd::Revoked, orders);
            return Renewal::Ended;
        }
        if renewed.before == grant.rights() {
            return Renewal::Unchanged;
        }
        if let Some(document) = renewed.document {
            orders.add(document, id, SessionOrder::Rights(renewed.rights));
        }
        Renewal::Changed
    }

    /// Ends a session; with the access `judged` alone, if that is given. Returns true if it was
    /// there.
    pub(super) fn end(
        self: &Arc<Self>,
        id: ConnectionId,
        judged: Option<&Arc<AccessGrant>>,
        why: &SessionEnd,
        orders: &mut SessionOrders,
    ) -> bool {
        let (ending, text) = (why.ending(), why.text());
        let mut inner = self.inner.lock();
        if !inner.table.is_open(id) || !has_access(&inner.table, id, judged) {
            return false;
        }
        let document = inner.table.end(id, why.clone());
        drop(inner);
        self.refusals.note(why.rejection(), why.text());
        if let Some(document) = document {
            orders.add(document, id, SessionOrder::Close(ending, text));
        }
        true
    }

    /// Ends all sessions whose access is wanted. Returns how many those were.
    pub(super) fn end_where(
        self: &Arc<Self>,
        wanted: impl Fn(&AccessGrant) -> bool,
        orders: &mut SessionOrders,
    ) -> usize {
        let mut found = Vec::new();
        self.for_each(|id, grant| {
            if wanted(grant) {
                found.push(id);
            }
        });
        let ended = found
            .into_iter()
            .map(|id| self.end(id, None, &SessionEnd::Revoked, orders));
        ended.map(usize::from).sum()
    }

    /// Returns the list of revoked tokens.
    pub(super) const fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    pub(super) fn is_revoked(&self, grant: &AccessGrant, now: u64) -> bool {
        self.revocations.covers(grant.access(), grant.token(), now)
    }

    /// Counts the end of a session.
    fn counted(&self, why: SessionEnd) -> SessionEnd {
        self.refusals.note(why.rejection(), why.text());
        why
    }

    /// Changes the table, and sees to its deadlines.
    fn change<R>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut SessionTable<Arc<OpenDocument>>) -> R,
    ) -> R {
        let mut inner = self.inner.lock();
        let before = inner.table.next_deadline();
        let result = change(&mut inner.table);
        let next = inner.table.next_deadline();
        let is_sooner = next.is_some_and(|next| before.is_none_or(|before| next < before));
        if is_sooner && !inner.is_watched {
            inner.is_watched = true;
            tokio::spawn(Arc::clone(self).watch());
        } else if is_sooner {
            self.sooner.notify_one();
        }
        result
    }

    /// Handles deadlines until there are none.
    async fn watch(self: Arc<Self>) {
        while let Some(wait) = self.pass_deadlines() {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.sooner.notified() => {}
            }
        }
    }

    /// Handles the deadlines that are over. Returns the time until the next look, or `None` if
    /// there is nothing to look at.
    fn pass_deadlines(&self) -> Option<Duration> {
        let now = unix_ms();
        let mut inner = self.inner.lock();
        let due = inner.table.take_due(now, AT_ONCE);
        let next = inner.table.next_deadline();
        inner.is_watched = next.is_some();
        drop(inner);
        let mut orders = SessionOrders::default();
        for (document, id, what) in due {
            let order = match what {
                Due::Notice { left_ms } => SessionOrder::Notice { left_ms },
                Due::Expired => {
                    let why = self.counted(SessionEnd::Expired);
                    SessionOrder::Close(why.ending(), why.text())
                }
            };
            orders.add(document, id, order);
        }
        orders.start();
        let wait = Duration::from_millis(next?.saturating_sub(now));
        Some(wait.min(LOOK))
    }
}

/// Returns true if the session has this access, or if none is named.
fn has_access(
    table: &SessionTable<Arc<OpenDocument>>,
    id: ConnectionId,
    wanted: Option<&Arc<AccessGrant>>,
) -> bool {
    let is = |grant: &Arc<AccessGrant>| wanted.is_none_or(|wanted| Arc::ptr_eq(grant, wanted));
    table.grant(id).is_some_and(is)
}

/// Returns true if both are of one user and tenant, which others were shown.
pub(crate) fn is_same_party(one: &AccessGrant, other: &AccessGrant) -> bool {
    let user = |grant: &AccessGrant| grant.user().map(TokenUser::id).map(str::to_owned);
    user(one) == user(other) && one.tenant() == other.tenant()
}

impl SessionPlace {
    /// Gives the session its document. Returns its rights, which may have changed since it entered.
    ///
    /// # Errors
    /// The session was ended meanwhile.
    pub(crate) fn take_seat(
        &self,
        document: &Arc<OpenDocument>,
    ) -> Result<CurrentRights, SessionEnd> {
        let mut inner = self.sessions.inner.lock();
        inner.table.take_seat(self.id, Arc::clone(document))
    }
}

impl Drop for SessionPlace {
    fn drop(&mut self) {
        let mut inner = self.sessions.inner.lock();
        let document = inner.table.leave(self.id);
        drop(inner);
        // The last handle of a document has work to do.
        drop(document);
    }
}

#[cfg(test)]
mod tests;
