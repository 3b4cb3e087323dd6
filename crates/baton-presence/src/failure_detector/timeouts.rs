//! Checks of one session when its deadline comes up.
//!
//! A check is always harmless: it compares what is heard with what the lock state says, proposes
//! the difference, and arms the next check.

use super::deadlines::DeadlineKey;
use super::health::SessionHealth;
use super::proposal::{PROPOSE_AGAIN_AFTER, Proposal};
use super::session_liveness::SessionLiveness;
use super::session_table::SessionTable;
use super::watched_sessions::WatchedSessions;
use crate::{Event, LockState, Presence, SessionId, Time, Timings};

/// With fewer connections than this the number of silent sessions proves nothing about the server.
const MIN_CROWD: usize = 5;

/// Fewer silent sessions than this prove nothing either: one laptop with two tabs was closed.
const MIN_SILENT: usize = 3;

/// The silent sessions of a crowd are suspicious if they are at least one in this many.
const SILENT_SHARE: usize = 5;

/// Inputs of a check that do not depend on the session.
pub(crate) struct Check<'a> {
    pub(crate) now: Time,
    pub(crate) timings: &'a Timings,
    pub(crate) lock_state: &'a LockState,
    /// Position up to which the notices of all records are sent.
    pub(crate) told: u64,
    /// Time until which signs of life may lie unread in the server's sockets.
    pub(crate) reads_backlog_until: Time,
}

impl Check<'_> {
    /// Returns true if a session's silence may only mean that the server has not read yet.
    fn reads_backlog(&self) -> bool {
        self.now < self.reads_backlog_until
    }
}

/// Checks the session in `slot`: sends what is due and proposes what its silence means.
pub(crate) fn check_session(
    sessions: &mut WatchedSessions,
    slot: u32,
    check: &Check<'_>,
    out: &mut Vec<Proposal>,
) {
    let many = many_are_silent(sessions.table());
    let next = sessions.update_slot(slot, |liveness| {
        if let Some(since) = liveness.away_since() {
            return Err((liveness.session(), since));
        }
        send_heartbeats(liveness, check, out);
        judge(liveness, many, check, out);
        let next = liveness.next_look(check.now, check.timings);
        Ok(if check.reads_backlog() {
            next.min(check.reads_backlog_until)
        } else {
            next
        })
    });
    match next {
        Some(Ok(look)) => sessions.arm(DeadlineKey::Session(slot), look),
        Some(Err((session, since))) => match check_away(session, since, check, out) {
            Some(look) => sessions.arm(DeadlineKey::Session(slot), look),
            None => sessions.remove(session),
        },
        None => {}
    }
}

/// Returns true if so many sessions fell silent at once that the server is more likely at fault.
///
/// Sessions that were given up before do not count: tabs may lie frozen for days.
const fn many_are_silent(table: &SessionTable) -> bool {
    let (connected, silent) = (table.connected(), table.shaky());
    connected >= MIN_CROWD && silent >= MIN_SILENT && silent * SILENT_SHARE >= connected
}

/// Proposes to forget a session whose ticket's life is over. Returns the time of the next check;
/// `None` if the session is no longer watched here.
fn check_away(
    session: SessionId,
    since: Time,
    check: &Check<'_>,
    out: &mut Vec<Proposal>,
) -> Option<Time> {
    // A session that is present has its connection on another node, which watches it.
    let away = check.lock_state.peer(session)?.presence == Presence::Away;
    if !away {
        return None;
    }
    let over = (since + check.timings.ticket_life).max(check.reads_backlog_until);
    if check.now < over {
        return Some(over);
    }
    if check
        .lock_state
        .grants()
        .any(|grant| grant.party == session)
    {
        return Some(check.now + check.timings.ticket_life);
    }
    out.push(Proposal::Record(Event::Forgotten { session }));
    Some(check.now + PROPOSE_AGAIN_AFTER)
}

/// Sends the ping and the beat that are due.
fn send_heartbeats(liveness: &mut SessionLiveness, check: &Check<'_>, out: &mut Vec<Proposal>) {
    let session = liveness.session();
    if liveness.take_ping(check.now, check.timings) {
        out.push(Proposal::Ping { session });
    }
    if let Some((n, confirmed)) = liveness.take_beat(check.now, check.timings, check.told) {
        out.push(Proposal::Beat {
            session,
            n,
            confirmed,
        });
    }
}

/// Judges a connected session, and proposes what follows: so a dead holder's lock passes on (L1).
fn judge(
    liveness: &mut SessionLiveness,
    many_are_silent: bool,
    check: &Check<'_>,
    out: &mut Vec<Proposal>,
) {
    let health = if check.reads_backlog() {
        let health = liveness.judge(check.now, check.timings);
        health.min(liveness.shown())
    } else {
        liveness.judge_in_crowd(many_are_silent, check.now, check.timings)
    };
    if health == SessionHealth::Offline || liveness.shown() != health {
        show(liveness, health, check.lock_state, out);
    }
    if !check.reads_backlog() && liveness.take_dead(check.now, check.timings) {
        let session = liveness.session();
        out.push(Proposal::Dead { session });
    }
}

/// Proposes the difference between the session's health and what the others were told.
fn show(
    liveness: &mut SessionLiveness,
    health: SessionHealth,
    lock_state: &LockState,
    out: &mut Vec<Proposal>,
) {
    let session = liveness.session();
    let presence = lock_state.peer(session).map(|peer| peer.presence);
    match (health, presence) {
        (SessionHealth::Offline, Some(Presence::Live)) => {
            out.push(Proposal::Record(Event::Lost { session }));
        }
        (SessionHealth::Online | SessionHealth::Shaky, Some(Presence::Silent)) => {
            // Shown as offline until the lock state has followed.
            out.push(Proposal::Record(Event::Back { session }));
            return;
        }
        _ => {}
    }
    if health != liveness.shown() && health.max(liveness.shown()) == SessionHealth::Shaky {
        out.push(Proposal::Health { session, health });
    }
    liveness.show(health);
}
