//! State of the client's core: the parts, each of which owns its own state.
//!
//! `lifecycle` and `receive` are functions over this state. Only modules of `core` can see it.

use baton_sync::{ApplyError, ClientId};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::connection::Connection;
use super::local_copy::{CopyState, LocalCopy};
use super::outputs::Outputs;
use super::parked_edits::ParkedEdits;
use super::pending_requests::PendingRequests;
use super::permission_events::PermissionEvents;
use super::session_info::SessionInfo;
use crate::dual_clock::Moment;
use crate::error::ClientEnded;
use crate::events::{EditPermission, Visibility};
use crate::lock_tracker::LockTracker;
use crate::options::{ClientOptions, ResumeTicket};
use crate::scope::LockScope;

/// One session in one document, without input and output.
pub(super) struct CoreState {
    pub(super) options: ClientOptions,
    pub(super) copy: LocalCopy,
    pub(super) locks: LockTracker,
    pub(super) permission_events: PermissionEvents,
    pub(super) pending: PendingRequests,
    pub(super) parked: ParkedEdits,
    pub(super) session: SessionInfo,
    pub(super) connection: Connection,
    pub(super) out: Outputs,
    pub(super) rng: SmallRng,
    pub(super) last_input: Moment,
    pub(super) visibility: Visibility,
    pub(super) ended: Option<ClientEnded>,
}

impl CoreState {
    /// Creates a client that is not connected and wants no connection yet.
    ///
    /// # Errors
    /// The copy in the options is damaged.
    pub(super) fn new(
        mut options: ClientOptions,
        client: ClientId,
        seed: u64,
        now: Moment,
    ) -> Result<Self, ApplyError> {
        let content = std::mem::take(&mut options.copy);
        // Above any nonce of a process that had this session before.
        let nonce = u64::try_from(now.wall.as_micros()).unwrap_or_default();
        Ok(Self {
            copy: LocalCopy::new(&content, client)?,
            locks: LockTracker::default(),
            permission_events: PermissionEvents::new(),
            pending: PendingRequests::new(nonce),
            parked: ParkedEdits::default(),
            session: SessionInfo::new(options.resume.take(), options.epoch),
            connection: Connection::new(options.backoff, options.silent_after, now),
            out: Outputs::new(options.max_queued),
            rng: SmallRng::seed_from_u64(seed),
            last_input: now,
            visibility: Visibility::default(),
            ended: None,
            options,
        })
    }

    /// Returns the permission to edit the scope at this moment.
    pub(super) fn permission(&self, scope: &LockScope, now: Moment) -> EditPermission {
        permission(&self.locks, self.copy.state(), scope, now)
    }

    /// Reports each permission that has changed since the last time.
    pub(super) fn report_permissions(&mut self, now: Moment) {
        let (locks, state) = (&self.locks, self.copy.state());
        let permission_of = |scope: &LockScope| permission(locks, state, scope, now);
        self.permission_events
            .report(locks, &permission_of, &mut self.out);
    }

    /// Returns the ticket with which another connection can resume this session.
    pub(super) fn ticket(&self) -> Option<ResumeTicket> {
        let mut ticket = self.session.ticket()?.clone();
        if self.locks.session().is_some() {
            ticket.fences = self.locks.grants().keys().copied().collect();
        }
        Some(ticket)
    }

    /// Returns the reason why nothing more will come, once that is so.
    pub(super) fn ended(&self) -> Option<ClientEnded> {
        let diverged = self.copy.state() == CopyState::Diverged;
        let diverged = diverged.then_some(ClientEnded::Diverged);
        self.ended.clone().or(diverged)
    }
}

/// Returns the permission to edit, which a fresh copy withholds: its content is not known yet.
fn permission(
    locks: &LockTracker,
    copy: CopyState,
    scope: &LockScope,
    now: Moment,
) -> EditPermission {
    let permission = locks.permission(scope, now);
    if copy == CopyState::Fresh && permission != EditPermission::Closed {
        return EditPermission::Connecting;
    }
    permission
}
