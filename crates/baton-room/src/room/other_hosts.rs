//! The other hosts of a cluster: their records about sessions that are connected here, and their
//! awareness.

use std::time::Duration;

use baton_presence::{Change, SessionId, Time};

use super::Room;
use super::reactions::{carry_out, release};
use crate::context::context;
use crate::message::{Ending, Outgoing, ToClose};
use crate::reaction::{Origin, ProposedRecord};
use crate::replica::{HostId, Record};

/// News of the cluster that a room belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterEvent {
    /// A host is lost: none of its connections is left. The room proposes the record that says so,
    /// if a session is connected to it. To be told again as long as the host is not alive: a late
    /// record of it may attach a session.
    HostLost {
        /// The host.
        host: HostId,
        /// Time for which this host has served since the lost one can have done so. With
        /// [`recovery`](baton_presence::Timings::recovery) its sessions have had their time to go
        /// on here, and their locks pass on at once.
        served: Duration,
    },
    /// True if the log has given no answer for too long. Clients hear that nothing is saved, and no
    /// beat confirms anything, so that a holder stops by its own clock. No client is welcomed,
    /// offered a lock or told that it has one until false; then as it stands.
    Isolated(bool),
    /// The number of times that this host was cut off for so long that the others may have called
    /// it lost, or may be about to, and came back. With each, its connections are closed: a session
    /// goes on by a record of its own, which a late record about the host does not concern. Told
    /// before the end of the isolation, and once before the first connection.
    Returned(u64),
}

/// Returns true if this host decides what follows from time, or by itself, for this session: it is
/// connected here, or this is the only host.
pub(super) fn judges(room: &Room, session: SessionId) -> bool {
    room.options.host.is_none() || room.sessions.connection_of(session).is_some()
}

/// Closes connections whose sessions a record has attached to another host, or has declared lost
/// with this one. Nothing is proposed about them.
pub(super) fn follow(room: &mut Room, origin: &Origin, changes: &[Change], now: Time) {
    let own = origin
        .operator()
        .filter(|_| origin.is_entrance())
        .and_then(|connection| room.sessions.session_of(connection));
    for change in changes {
        match *change {
            Change::Attached { session } if own != Some(session) => {
                let reason = "this session went on over another connection";
                end(room, session, Ending::Superseded, reason, now);
                room.sessions.attached_elsewhere(session);
            }
            Change::Detached { session } => {
                let reason = "the other servers took this one for dead; what was reported as saved is safe: connect again";
                end(room, session, Ending::Unavailable, reason, now);
            }
            _ => {}
        }
    }
}

fn end(room: &mut Room, session: SessionId, why: Ending, reason: &str, now: Time) {
    if let Some(connection) = room.sessions.release(session, now) {
        room.close(connection, why, reason.to_owned(), now);
    }
}

/// Proposes that a host is lost, if sessions are connected to it. A session that it attaches by a
/// record that is not known here keeps its time to resume.
pub(super) fn lost(room: &mut Room, host: HostId, served: Duration, now: Time) {
    room.now = now;
    if room.state.hosts().contains(&host) {
        let had_time = served >= room.options.timings.recovery;
        let overdue_to = if had_time { room.state.position() } else { 0 };
        let record = Record::HostLost { host, overdue_to };
        room.proposals.push_back(ProposedRecord::unanswered(record));
    }
}

/// Removes the awareness entries of a host that is lost.
pub(super) fn remove_awareness(room: &mut Room, host: HostId, now: Time) {
    if let Some(removal) = room.sessions.awareness_mut().removed_host(host) {
        let message = Outgoing::Awareness(removal);
        room.outbound.broadcast(None, message, context!(room, now));
    }
}

/// Takes the awareness of another host.
pub(super) fn relayed(room: &mut Room, from: HostId, update: &[u8], now: Time) {
    room.now = now;
    let mut out = Vec::new();
    let awareness = room.sessions.awareness_mut();
    awareness.relayed(from, update, now, &mut out);
    carry_out(room, out, now);
}

/// Closes all connections if this host has come back to others that may have called it lost.
pub(super) fn returned(room: &mut Room, times: u64, now: Time) {
    let before = room.returns.replace(times);
    if before.is_some_and(|before| before != times) {
        let reason = "this server was cut off from the others for longer than they wait for it; what was reported as saved is safe: connect again";
        room.close(ToClose::All, Ending::Unavailable, reason.to_owned(), now);
    }
}

/// Tells the clients that the log does not answer, or notes that it does again.
pub(super) fn set_isolated(room: &mut Room, isolated: bool, now: Time) {
    room.now = now;
    if isolated {
        room.outbound.isolate(context!(room, now));
    } else {
        room.outbound.heal(context!(room, now));
        release(room, now);
    }
}
