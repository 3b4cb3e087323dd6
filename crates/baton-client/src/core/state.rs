//! State of the client's core: the parts, each of which owns its own state.
//!
//! `lifecycle` and `receive` are functions over this state. Only modules of `core` can see it.

use baton_sync::{ApplyError, ClientId};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::awareness_states::AwarenessStates;
use super::connection::Connection;
use super::local_copy::{CopyState, LocalCopy};
use super::outputs::Outputs;
use super::parked_edits::ParkedEdits;
use super::pending_requests::PendingRequests;
use super::permission_events::PermissionEvents;
use super::session_info::SessionInfo;
use super::token_state::TokenState;
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
    pub(super) tokens: TokenState,
    pub(super) awareness: AwarenessStates,
    pub(super) out: Outputs,
    pub(super) rng: SmallRng,
    pub(super) last_input: Moment,
    pub(super) visibility: Visibility,
    /// True once the copy was in step, in a session.
    pub(super) was_ready: bool,
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
        let watched = std::mem::take(&mut options.watched_texts);
        // Above any nonce of a process that had this session before.
        let nonce = u64::try_from(now.wall.as_micros()).unwrap_or_default();
        Ok(Self {
            copy: LocalCopy::new(&content, client, watched)?,
            locks: LockTracker::default(),
            permission_events: PermissionEvents::new(),
            pending: PendingRequests::new(nonce),
            parked: ParkedEdits::default(),
            session: SessionInfo::new(options.resume.take(), options.epoch),
            connection: Connection::new(options.backoff, options.silent_after, now),
            tokens: TokenState::new(options.token.take(), options.token_source.is_some()),
            awareness: AwarenessStates::default(),
            out: Outputs::new(options.max_queued),
            rng: SmallRng::seed_from_u64(seed),
            last_input: now,
            visibility: Visibility::default(),
            was_ready: false,
            ended: None,
            options,
        })
    }

    /// Returns the permission to edit the scope at this moment.
    pub(super) fn permission(&self, scope: &LockScope, now: Moment) -> EditPermission {
        permission(&self.locks, self.copy_access(), scope, now)
    }

    /// Reports each permission that has changed since the last time.
    pub(super) fn report_permissions(&mut self, now: Moment) {
        let (locks, access) = (&self.locks, self.copy_access());
        let permission_of = |scope: &LockScope| permission(locks, access, scope, now);
        self.permission_events
            .report(locks, &permission_of, &mut self.out);
    }

    fn copy_access(&self) -> CopyAccess {
        CopyAccess {
            state: self.copy.state(),
            is_read_only: self.session.is_read_only(),
        }
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

/// The conditions for an edit that no lock concerns.
#[derive(Debug, Clone, Copy)]
struct CopyAccess {
    state: CopyState,
    is_read_only: bool,
}

/// Returns the permission to edit. A fresh copy withholds it, for its content is not known yet, and
/// so does a session without the right to edit.
fn permission(
    locks: &LockTracker,
    copy: CopyAccess,
    scope: &LockScope,
    now: Moment,
) -> EditPermission {
    let permission = locks.permission(scope, now);
    match permission {
        EditPermission::Closed => permission,
        _ if copy.state == CopyState::Fresh => EditPermission::Connecting,
        EditPermission::Diverged | EditPermission::Connecting => permission,
        _ if copy.is_read_only => EditPermission::ReadOnly,
        _ => permission,
    }
}
