//! What a session asks for: locks, modes, parks.
//!
//! Owns the step from an operation to the record that it wants, and what is refused without one: what the fold cannot
//! know (limits, a cooldown, the right to manage), and scopes that are none. Whether a record grants anything is decided
//! by the fold.

use std::time::Duration;

use baton_presence::{Event, GrantState, Mode, Rights, Scope, ScopeError, SessionId, Time};
use baton_sync::channel::{self, ClientMessage, ErrorCode, MAX_NOTE, Outcome, Paths};

use crate::connection::Origin;
use crate::output::ConnectionId;
use crate::receive::{cut, grant, profile};
use crate::record::{Decision, Record};
use crate::room::Room;

/// How many operations of one connection wait for edits that came before them; a further one does not wait.
const MOST_DEFERRED: usize = 16;

/// Caps on locks. Beyond them an operation is refused; what is held stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockLimits {
    /// Locks that one session may have at once.
    pub per_session: usize,
    /// Locks that there may be in one document at once.
    pub in_document: usize,
    /// Bytes of the paths of all locks and tickets of one document.
    pub bytes: usize,
}

impl Default for LockLimits {
    fn default() -> Self {
        Self {
            per_session: 32,
            in_document: 500,
            bytes: 256 * 1024,
        }
    }
}

/// What is wanted of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Acquire,
    Try,
    Request,
    TakeOver,
    MoveHere,
}

/// Why an operation is refused without a record. Nothing changed.
struct Refused {
    outcome: Outcome,
    message: String,
}

impl Room {
    /// A session said something in Baton's channel.
    pub(crate) fn operate(
        &mut self,
        connection: ConnectionId,
        session: SessionId,
        message: ClientMessage,
        now: Time,
    ) {
        if self.must_wait(connection, &message) {
            if let Some(here) = self.connections.get_mut(&connection) {
                here.deferred.push(message);
            }
            return;
        }
        match message {
            ClientMessage::Hello { .. } => {
                let fault = "hello is the first message of a connection, and only that".to_owned();
                self.complain(connection, ErrorCode::Protocol, fault, false);
            }
            ClientMessage::Answer {
                n,
                visible: _,
                idle_ms,
            } => {
                self.answered(session, n, Duration::from_millis(idle_ms), now);
            }
            ClientMessage::Profile { user } => {
                let profile = profile(user);
                self.propose(Record::Renamed { session, profile }, Origin::Nobody);
            }
            ClientMessage::MergePark { nonce, id } => {
                self.decide_park(connection, session, nonce, Decision::Merge, id, now);
            }
            ClientMessage::DiscardPark { nonce, id } => {
                self.decide_park(connection, session, nonce, Decision::Discard, id, now);
            }
            ClientMessage::RecoverPark { nonce, id } => {
                self.decide_park(connection, session, nonce, Decision::Recover, id, now);
            }
            ClientMessage::ShowPark { nonce, id } => {
                self.show_park(connection, session, nonce, id);
            }
            ClientMessage::SetMode { nonce, mode } => {
                self.set_mode(connection, session, nonce, mode);
            }
            message => self.operate_lock(connection, session, message, now),
        }
    }

    fn operate_lock(
        &mut self,
        connection: ConnectionId,
        session: SessionId,
        message: ClientMessage,
        now: Time,
    ) {
        let on = |nonce| Origin::Operation(connection, nonce);
        let (event, origin) = match message {
            ClientMessage::Acquire { nonce, paths } => {
                self.want(connection, session, nonce, Want::Acquire, paths, now);
                return;
            }
            ClientMessage::Try { nonce, paths } => {
                self.want(connection, session, nonce, Want::Try, paths, now);
                return;
            }
            ClientMessage::TakeOver { nonce, paths } => {
                self.want(connection, session, nonce, Want::TakeOver, paths, now);
                return;
            }
            ClientMessage::MoveHere { nonce, paths } => {
                self.want(connection, session, nonce, Want::MoveHere, paths, now);
                return;
            }
            ClientMessage::Request { nonce, paths, note } => {
                self.request(connection, session, nonce, paths, note, now);
                return;
            }
            ClientMessage::Cancel { nonce } => (Event::Cancel { session }, on(nonce)),
            ClientMessage::Release { nonce, fence } => {
                let fence = grant(fence);
                (Event::Release { session, fence }, on(nonce))
            }
            ClientMessage::Transfer { nonce, fence, to } => {
                let (fence, to) = (grant(fence), SessionId(to));
                (Event::Transfer { session, fence, to }, on(nonce))
            }
            ClientMessage::Claim { fence } => {
                let fence = grant(fence);
                (Event::Claim { session, fence }, Origin::Word(connection))
            }
            ClientMessage::Decline { fence, later } => {
                let decline = Event::Decline {
                    session,
                    fence: grant(fence),
                    later,
                };
                (decline, Origin::Word(connection))
            }
            ClientMessage::Drained { fence } => {
                let fence = grant(fence);
                (Event::Drained { session, fence }, Origin::Word(connection))
            }
            _ => return,
        };
        self.propose(Record::Presence(event), origin);
    }

    /// Whether this gives a lock away while edits that the client sent before are still being asked for: they must come
    /// first, or an orderly handoff would park them.
    fn must_wait(&self, connection: ConnectionId, message: &ClientMessage) -> bool {
        let gives_away = matches!(
            message,
            ClientMessage::Release { .. }
                | ClientMessage::Transfer { .. }
                | ClientMessage::Drained { .. }
        );
        gives_away
            && self.connections.get(&connection).is_some_and(|here| {
                here.deferred.len() < MOST_DEFERRED
                    && (here.handshake.awaits_answer() || !here.withheld.is_empty())
            })
    }

    /// The answer came: what waited for it is done, behind the edits that it brought.
    pub(crate) fn take_up_deferred(&mut self, connection: ConnectionId, now: Time) {
        let Some(session) = self.session_of(connection) else {
            return;
        };
        let Some(here) = self.connections.get_mut(&connection) else {
            return;
        };
        for message in std::mem::take(&mut here.deferred) {
            self.operate(connection, session, message, now);
        }
    }

    /// Somebody wants a lock.
    fn want(
        &mut self,
        connection: ConnectionId,
        session: SessionId,
        nonce: u64,
        want: Want,
        paths: Paths,
        now: Time,
    ) {
        match self.wanted(session, want, paths, now) {
            Ok(event) => {
                let origin = Origin::Operation(connection, nonce);
                self.propose(Record::Presence(event), origin);
            }
            Err(Refused { outcome, message }) => {
                self.answer_operation(connection, nonce, outcome, Some(message));
            }
        }
    }

    fn request(
        &mut self,
        connection: ConnectionId,
        session: SessionId,
        nonce: u64,
        paths: Paths,
        note: String,
        now: Time,
    ) {
        match self.wanted(session, Want::Request, paths, now) {
            Ok(event) => {
                let origin = Origin::Request(connection, nonce, cut(note, MAX_NOTE));
                self.propose(Record::Presence(event), origin);
            }
            Err(Refused { outcome, message }) => {
                self.answer_operation(connection, nonce, outcome, Some(message));
            }
        }
    }

    /// The event that says so, if no limit is in the way.
    fn wanted(
        &self,
        session: SessionId,
        want: Want,
        paths: Paths,
        now: Time,
    ) -> Result<Event, Refused> {
        let scope = scope(paths).map_err(|error| Refused {
            outcome: Outcome::Invalid,
            message: format!("{error}; nothing changed"),
        })?;
        self.fits(session, &scope)?;
        if want == Want::TakeOver {
            self.cooled_down(session, &scope, now)?;
        }
        Ok(match want {
            Want::Acquire => Event::Acquire { session, scope },
            Want::Try => Event::Try { session, scope },
            Want::Request => Event::Request { session, scope },
            Want::TakeOver => Event::TakeOver { session, scope },
            Want::MoveHere => Event::MoveHere { session, scope },
        })
    }

    fn fits(&self, session: SessionId, scope: &Scope) -> Result<(), Refused> {
        let LockLimits {
            per_session,
            in_document,
            bytes,
        } = self.options.locks;
        let (mut own, mut all, mut size) = (0, 0, length(scope));
        for grant in self.state.fold.grants() {
            // What it has already costs nothing more.
            if grant.party == session && grant.scope.covers(scope) {
                return Ok(());
            }
            own += usize::from(grant.party == session);
            all += 1;
            size += length(&grant.scope);
        }
        for (waiter, waits_for) in self.state.fold.waiters() {
            if waiter != session {
                size += length(waits_for);
            }
        }
        let full = |message: String| {
            Err(Refused {
                outcome: Outcome::Full,
                message,
            })
        };
        if own >= per_session {
            return full(format!(
                "this session has {per_session} locks, which is all it may (max_locks_per_session); release some, or lock a path above them"
            ));
        }
        if all >= in_document {
            return full(format!(
                "this document has {in_document} locks, which is all it may (max_locks); try again later"
            ));
        }
        if size > bytes {
            return full(format!(
                "the paths of all locks of this document would have more than {bytes} bytes (max_lock_bytes); try again later, or with shorter paths"
            ));
        }
        Ok(())
    }

    /// A take-over has to wait for a time after the last one; not one that takes nothing from anybody, and not one that
    /// the fold refuses anyway.
    fn cooled_down(&self, session: SessionId, scope: &Scope, now: Time) -> Result<(), Refused> {
        let fold = &self.state.fold;
        let may = fold
            .peer(session)
            .is_some_and(|peer| peer.rights.contains(Rights::TAKE_OVER));
        let takes = fold.grants().any(|grant| {
            grant.party != session
                && grant.scope.conflicts(scope)
                // Already on its way to this one: asked twice.
                && !matches!(grant.state, GrantState::Draining { to, .. } if to == Some(session))
        });
        if !may || !takes {
            return Ok(());
        }
        self.watch
            .take_over_ready(session, now)
            .map_err(|left| Refused {
                outcome: Outcome::Cooldown,
                message: format!(
                    "somebody took a lock over a short time ago; the next can do so in {} s",
                    left.as_secs() + 1
                ),
            })
    }

    fn set_mode(
        &mut self,
        connection: ConnectionId,
        session: SessionId,
        nonce: u64,
        mode: channel::Mode,
    ) {
        let peer = self.state.fold.peer(session);
        if !peer.is_some_and(|peer| peer.rights.contains(Rights::MANAGE)) {
            let message = "changing the mode needs the right to manage".to_owned();
            self.answer_operation(connection, nonce, Outcome::NotAllowed, Some(message));
            return;
        }
        let mode = match mode {
            channel::Mode::Open => Mode::Open,
            channel::Mode::ExclusiveWhenHeld => Mode::ExclusiveWhenHeld,
            channel::Mode::Required => Mode::Required,
        };
        let record = Record::Presence(Event::ModeSet(mode));
        self.propose(record, Origin::Operation(connection, nonce));
    }
}

/// What the paths cover; none at all is the whole document.
fn scope(paths: Paths) -> Result<Scope, ScopeError> {
    if paths.is_empty() {
        return Ok(Scope::WHOLE);
    }
    Scope::of(paths)
}

/// Bytes of a scope's paths.
fn length(scope: &Scope) -> usize {
    scope
        .paths()
        .iter()
        .flat_map(|path| path.segments())
        .map(String::len)
        .sum()
}
