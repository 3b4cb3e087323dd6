//! Answers to a Step1 that come too early: under a lock whose holder is expected to bring the same itself.
//!
//! Edits are seen by others before they are durable. After a crash a copy that comes back before the holder brings the
//! holder's lost edits in its own name, under a lock that is not its own: nobody typed anything there. Owns how long such
//! an answer is kept aside, with what its client sent after it, and when it is judged again. Nothing of it is in the log;
//! a client is told `saved` only for what was judged. See ADR 15.

use std::collections::VecDeque;

use baton_presence::{Grant, GrantState, Lateness, SessionId, Time, WriteRight};
use baton_sync::handshake::Kind;
use baton_sync::scan::scan;
use baton_sync::state::Judgement;
use bytes::Bytes;

use crate::admission::Way;
use crate::output::ConnectionId;
use crate::record::Placing;
use crate::room::Room;
use crate::state::State;

/// What a message that is kept costs beyond its own bytes.
const OVERHEAD: usize = 64;

/// Sync messages of one connection that are not judged yet, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Withheld {
    messages: VecDeque<(Kind, Bytes)>,
    bytes: usize,
    /// More came than may be kept: all of it is judged now.
    overfull: bool,
}

impl Withheld {
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn push(&mut self, kind: Kind, update: Bytes) {
        self.bytes += update.len() + OVERHEAD;
        self.messages.push_back((kind, update));
    }

    fn pop(&mut self) -> Option<(Kind, Bytes)> {
        let (kind, update) = self.messages.pop_front()?;
        self.bytes -= update.len() + OVERHEAD;
        self.overfull &= !self.messages.is_empty();
        Some((kind, update))
    }
}

/// Whether a session that came back has brought what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bringing {
    /// Nothing more is expected.
    Nothing,
    /// The answer to our Step1 is on its way, and is not waited for any longer than this.
    Awaited(Time),
    /// It came, and its record is being appended.
    Coming,
}

/// What becomes of a message now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// No lock is in its way.
    Goes,
    /// Who has the lock in its way is expected to bring the same.
    Waits,
    /// It is parked, or asked for again.
    Refused,
}

/// Which messages are taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Those with no lock in their way, which may bring what others have as well.
    Going,
    /// Those also that are refused.
    All,
}

impl Room {
    /// Keeps the message for later, if it is too early to judge it. Says whether it was kept.
    pub(crate) fn withhold(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        update: &Bytes,
        now: Time,
    ) -> bool {
        let Some(here) = self.connections.get(&connection) else {
            return false;
        };
        let follows = !here.withheld.is_empty();
        if !follows && self.turn(connection, kind, update, now) != Turn::Waits {
            return false;
        }
        let limit = self.options.handshake.aside_bytes;
        let Some(here) = self.connections.get_mut(&connection) else {
            return false;
        };
        let kept = here.handshake.aside_bytes() + here.withheld.bytes();
        let fits = kept + update.len() + OVERHEAD <= limit;
        if !fits && !follows {
            return false;
        }
        here.withheld.push(kind, update.clone());
        here.withheld.overfull |= !fits;
        self.withheld.insert(connection);
        if !fits {
            self.retry_withheld(now);
        }
        true
    }

    /// An answer of a session that came back was taken; `proposed` if it is on its way to the log.
    pub(crate) fn brought(&mut self, connection: ConnectionId, proposed: bool, now: Time) {
        let Some(here) = self.connections.get_mut(&connection) else {
            return;
        };
        if here.bringing == Bringing::Nothing {
            return;
        }
        // Cut at the wrong place, it was asked for again.
        if !proposed && here.handshake.awaits_answer() {
            return;
        }
        here.bringing = if proposed {
            Bringing::Coming
        } else {
            Bringing::Nothing
        };
        if !proposed {
            self.retry_withheld(now);
        }
    }

    /// A record of this connection's is in the log. Says whether it was what others wait for.
    pub(crate) fn has_brought(&mut self, connection: ConnectionId) -> bool {
        let Some(here) = self.connections.get_mut(&connection) else {
            return false;
        };
        let came = here.bringing == Bringing::Coming;
        if came {
            here.bringing = Bringing::Nothing;
        }
        came
    }

    /// When a holder that came back and says nothing is not waited for any longer, if anybody waits.
    pub(crate) fn withheld_due(&self) -> Option<Time> {
        if self.withheld.is_empty() {
            return None;
        }
        let until = |grant: &Grant| {
            let connection = self.attached.get(&grant.party)?;
            match self.connections.get(connection)?.bringing {
                Bringing::Awaited(until) => Some(until),
                Bringing::Nothing | Bringing::Coming => None,
            }
        };
        let first = self.state.fold.grants().filter_map(until).min()?;
        // What it brings may lie in the sockets of a server that slept.
        Some(first.max(self.watch.reads_backlog_until()))
    }

    /// Time has come to `now`.
    pub(crate) fn give_up_waiting(&mut self, now: Time) {
        if self.withheld_due().is_none_or(|due| due > now) {
            return;
        }
        for here in self.connections.values_mut() {
            if matches!(here.bringing, Bringing::Awaited(until) if until <= now) {
                here.bringing = Bringing::Nothing;
            }
        }
        self.retry_withheld(now);
    }

    /// Judges again what was kept, after the locks changed or a holder brought what it has. What may enter the document
    /// comes first, and nothing is refused before that is there: it may be the same.
    pub(crate) fn retry_withheld(&mut self, now: Time) {
        if self.withheld.is_empty() {
            return;
        }
        if !self.take_up(Pass::Going, now) {
            self.take_up(Pass::All, now);
        }
    }

    /// Says whether something was proposed: its record brings the next.
    fn take_up(&mut self, pass: Pass, now: Time) -> bool {
        let waiting: Vec<ConnectionId> = self.withheld.iter().copied().collect();
        let mut proposed = false;
        for connection in waiting {
            // What one is refused with may be the same as what the next is: kept once.
            if proposed && pass == Pass::All {
                break;
            }
            // One at a time: what a message is judged by is settled with its record.
            if self.has_proposed(connection) {
                proposed = true;
                continue;
            }
            while let Some((kind, update)) = self.next_withheld(connection, pass, now) {
                if self.judge(connection, kind, &update, now) {
                    proposed = true;
                    break;
                }
            }
            let done = self.connections.get(&connection);
            if done.is_none_or(|here| here.withheld.is_empty()) {
                self.withheld.remove(&connection);
                self.take_up_deferred(connection, now);
            }
        }
        self.judge_again |= proposed;
        proposed
    }

    fn next_withheld(
        &mut self,
        connection: ConnectionId,
        pass: Pass,
        now: Time,
    ) -> Option<(Kind, Bytes)> {
        let here = self.connections.get(&connection)?;
        let (kind, update) = here.withheld.messages.front()?;
        let comes = match (self.turn(connection, *kind, update, now), pass) {
            (Turn::Goes, _) | (Turn::Refused, Pass::All) => true,
            (Turn::Waits, Pass::All) => here.withheld.overfull,
            (Turn::Refused | Turn::Waits, Pass::Going) => false,
        };
        if !comes {
            return None;
        }
        self.connections.get_mut(&connection)?.withheld.pop()
    }

    fn turn(&self, connection: ConnectionId, kind: Kind, update: &Bytes, now: Time) -> Turn {
        let grants = self.state.fold.grants();
        let expected: Vec<&Grant> = match kind {
            Kind::Step2 => grants.filter(|grant| self.expects(grant, now)).collect(),
            // A new edit was typed by who sends it.
            Kind::Update => Vec::new(),
        };
        let here = self.connections.get(&connection);
        if expected.is_empty() && here.is_none_or(|here| here.withheld.is_empty()) {
            return Turn::Refused;
        }
        let session = self.session_of(connection).unwrap_or(SessionId(0));
        match self.state.refusals(session, update, &expected) {
            None => Turn::Goes,
            Some(true) => Turn::Waits,
            Some(false) => Turn::Refused,
        }
    }

    /// Whether who has this grant, or is being offered it, is expected to bring soon what was written under it.
    fn expects(&self, grant: &Grant, now: Time) -> bool {
        match grant.state {
            GrantState::Offered => true,
            GrantState::Suspect | GrantState::Recovering => grant.lateness == Lateness::InTime,
            GrantState::Held | GrantState::Draining { .. } => {
                let connection = self.attached.get(&grant.party);
                let here = connection.and_then(|id| self.connections.get(id));
                here.is_some_and(|here| match here.bringing {
                    Bringing::Nothing => false,
                    Bringing::Awaited(until) => now < until,
                    Bringing::Coming => true,
                })
            }
        }
    }
}

impl State {
    /// Nothing if the update is not refused to this session; else whether one of these grants is in its way.
    fn refusals(&self, session: SessionId, update: &[u8], grants: &[&Grant]) -> Option<bool> {
        let closed = self.closed_part_of(update);
        let update = closed.as_deref().unwrap_or(update);
        let author = self.author(session, Placing::ByAuthor);
        let Way::Park { .. } = self.way(author, update) else {
            return None;
        };
        let roots = self.roots_of(author, update);
        let refused = |root: &&String| {
            let right = self.may_write(session, [root.as_str()]);
            matches!(right, WriteRight::Refused { .. })
        };
        let refused: Vec<&String> = roots.iter().filter(refused).collect();
        let in_the_way = |grant: &&Grant| {
            grant.scope.is_whole() || refused.iter().any(|root| grant.scope.reaches(root))
        };
        Some(grants.iter().any(in_the_way))
    }

    /// What of an update with a gap comes at once.
    fn closed_part_of(&self, update: &[u8]) -> Option<Vec<u8>> {
        let scanned = scan(update).ok()?;
        let document = self.document.state();
        match document.judge(&scanned) {
            Judgement::Gap { .. } => document.closed_part(&scanned),
            _ => None,
        }
    }
}
