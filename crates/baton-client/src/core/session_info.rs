//! Facts about this session that the server told: its ticket, its rights, the roster, the timings.
//!
//! Owns these facts as they were last told; derives nothing from them.

use std::collections::BTreeMap;

use baton_sync::control_channel::{PeerStatus, PeerView, Right, TimingsMs};

use crate::options::ResumeTicket;

/// The session, as the server last described it.
#[derive(Debug)]
pub(super) struct SessionInfo {
    ticket: Option<ResumeTicket>,
    epoch: Option<u32>,
    timings: Option<TimingsMs>,
    rights: Vec<Right>,
    roster: BTreeMap<u64, PeerView>,
}

impl SessionInfo {
    /// Creates the facts of a client that is not connected yet. `ticket` resumes an earlier
    /// session; `epoch` is the one that the client's copy belongs to.
    pub(super) const fn new(ticket: Option<ResumeTicket>, epoch: Option<u32>) -> Self {
        Self {
            ticket,
            epoch,
            timings: None,
            rights: Vec::new(),
            roster: BTreeMap::new(),
        }
    }

    pub(super) fn welcomed(
        &mut self,
        ticket: ResumeTicket,
        epoch: u32,
        timings: TimingsMs,
        rights: Vec<Right>,
        roster: Vec<PeerView>,
    ) {
        let by_session = |peer: PeerView| (peer.session, peer);
        self.ticket = Some(ticket);
        self.epoch = Some(epoch);
        self.timings = Some(timings);
        self.rights = rights;
        self.roster = roster.into_iter().map(by_session).collect();
    }

    pub(super) fn rights_changed(&mut self, rights: Vec<Right>) {
        self.rights = rights;
    }

    pub(super) fn peer_changed(&mut self, peer: &PeerView) {
        if peer.state == PeerStatus::Gone {
            self.roster.remove(&peer.session);
        } else {
            self.roster.insert(peer.session, peer.clone());
        }
    }

    /// Forgets the ticket of a session that has ended.
    pub(super) fn ended(&mut self) {
        self.ticket = None;
    }

    /// Returns the ticket of the last welcome, or the one from the options.
    pub(super) const fn ticket(&self) -> Option<&ResumeTicket> {
        self.ticket.as_ref()
    }

    pub(super) const fn epoch(&self) -> Option<u32> {
        self.epoch
    }

    pub(super) const fn timings(&self) -> Option<TimingsMs> {
        self.timings
    }

    pub(super) fn rights(&self) -> &[Right] {
        &self.rights
    }

    /// Returns true if the server said that this session may only read.
    pub(super) fn is_read_only(&self) -> bool {
        self.timings.is_some() && !self.rights.contains(&Right::Write)
    }

    /// Returns true if the server said that this session may hold no lock.
    pub(super) fn holds_no_lock(&self) -> bool {
        self.is_read_only() || (self.timings.is_some() && !self.rights.contains(&Right::Lock))
    }

    pub(super) const fn roster(&self) -> &BTreeMap<u64, PeerView> {
        &self.roster
    }
}
