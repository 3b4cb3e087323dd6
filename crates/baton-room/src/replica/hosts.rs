//! The hosts of sessions: the server to which each one is attached, and since which record.
//!
//! In a cluster several servers write one log, and a record gets its position after others of which
//! its proposer knew nothing. So a record about a session names the record that attached or
//! detached the session last, as its proposer knew it. At its position it changes nothing if
//! another one has done so since: late writes change nothing.

use std::collections::BTreeMap;

use baton_presence::SessionId;
use serde::{Deserialize, Serialize};

use crate::token::TokenHash;

/// A running server of a cluster, by the boot id that it drew at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HostId(pub u64);

impl HostId {
    /// The host of every session that a server outside of a cluster attached. No boot id.
    pub const ALONE: Self = Self(0);
}

/// The attachment of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attachment {
    /// Position of the record by which the session began or went on last.
    at: u64,
    /// Position of the record that attached or detached it last.
    since: u64,
    /// The host that it is attached to; `None` if it has no connection.
    host: Option<HostId>,
    /// The token that it showed when it went on. Nothing in the log proves that its client got the
    /// one after it.
    shown: Option<TokenHash>,
}

/// The attachments of the sessions that a host of a cluster has attached. Empty on one machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Hosts {
    attachments: BTreeMap<SessionId, Attachment>,
}

impl Hosts {
    pub(super) const fn restore(attachments: BTreeMap<SessionId, Attachment>) -> Self {
        Self { attachments }
    }

    /// Returns the attachments, to be stored.
    pub(super) const fn stored(&self) -> &BTreeMap<SessionId, Attachment> {
        &self.attachments
    }

    /// Notes that the record at `position` attached a session to this host.
    pub(super) fn attach(
        &mut self,
        session: SessionId,
        host: HostId,
        shown: Option<TokenHash>,
        position: u64,
    ) {
        let attachment = Attachment {
            at: position,
            since: position,
            host: Some(host),
            shown,
        };
        self.attachments.insert(session, attachment);
    }

    /// Notes that the record at `position` ended the connection of a session.
    pub(super) fn detach(&mut self, session: SessionId, position: u64) {
        if let Some(attachment) = self.attachments.get_mut(&session) {
            attachment.host = None;
            attachment.since = position;
        }
    }

    /// Forgets a session that is gone, or that a server outside of a cluster attached.
    pub(super) fn forget(&mut self, session: SessionId) {
        self.attachments.remove(&session);
    }

    pub(super) fn clear(&mut self) {
        self.attachments.clear();
    }

    /// Returns the position of the record that attached or detached this session last; 0 if no
    /// host of a cluster did.
    pub(crate) fn since(&self, session: SessionId) -> u64 {
        self.attachments.get(&session).map_or(0, |here| here.since)
    }

    /// Returns the position of the record by which this session began or went on last; 0 if no
    /// host of a cluster wrote it.
    pub(crate) fn attached_at(&self, session: SessionId) -> u64 {
        self.attachments.get(&session).map_or(0, |here| here.at)
    }

    /// Returns the host of a session that has a connection.
    pub(crate) fn of_connected(&self, session: SessionId) -> HostId {
        let host = self.attachments.get(&session).and_then(|here| here.host);
        host.unwrap_or(HostId::ALONE)
    }

    /// Returns the token that a session showed when it went on last, on a host of a cluster.
    pub(crate) fn shown(&self, session: SessionId) -> Option<&TokenHash> {
        self.attachments.get(&session)?.shown.as_ref()
    }
}
