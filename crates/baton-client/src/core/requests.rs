//! The operations that a program asks for, and their answers.
//!
//! Owns the nonces and what waits for a result, also over a lost connection. What an operation does is the server's to
//! decide and [`crate::locks`]'s to follow.

use baton_sync::channel::{ClientMessage, Fence, MAX_NOTE, Mode, Outcome, ParkPart};

use super::Core;
use crate::error::Unanswered;
use crate::events::Event;
use crate::scope::Scope;

/// Operations that wait for their answers at the same time, with or without a connection.
const MAX_WAITING: usize = 1024;

/// What came back for an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// What became of it.
    Outcome(Outcome),
    /// What a park would change.
    Content(Content),
}

/// What a park would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// By root type, in order.
    pub parts: Vec<ParkPart>,
    /// Whether there was more than is told.
    pub truncated: bool,
}

/// The result of an operation.
pub(crate) type Answer = Result<Reply, Unanswered>;

/// What can be decided about a park.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Into the document.
    Merge,
    /// Out of the list; can be recovered for a time.
    Discard,
    /// Back into the list.
    Recover,
}

/// An operation that a client can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Wants the lock, and waits for it.
    Acquire(Scope),
    /// Wants the lock if it can be had now.
    Try(Scope),
    /// Leaves the queue.
    Cancel(Scope),
    /// Gives the lock back.
    Release(Scope),
    /// Hands the lock to that session.
    Transfer(Scope, u64),
    /// Asks the holder for it, with a note.
    Request(Scope, String),
    /// Takes it from whoever has it.
    TakeOver(Scope),
    /// Takes it from the same user's other session.
    MoveHere(Scope),
    /// Changes the document's mode.
    SetMode(Mode),
    /// Decides about the park of that number.
    Decide(u64, Decision),
    /// Wants to see what that park would change.
    Show(u64),
}

/// An operation was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The answer comes under this nonce.
    Nonce(u64),
    /// It is known already.
    Known(Answer),
}

impl Core {
    pub(crate) fn request(&mut self, operation: Operation) -> Asked {
        if self.ended.is_some() {
            return Asked::Known(Err(Unanswered::Closed));
        }
        if self.requests.len() >= MAX_WAITING {
            return Asked::Known(Err(Unanswered::TooMany));
        }
        self.nonce += 1;
        let nonce = self.nonce;
        let message = match self.prepare(nonce, operation) {
            Ok(message) => message,
            Err(outcome) => return Asked::Known(Ok(Reply::Outcome(outcome))),
        };
        if !outlives_connection(&message) && !self.link.is_welcomed() {
            return Asked::Known(Err(Unanswered::Disconnected));
        }
        self.foresee(nonce, &message);
        self.ask(&message);
        self.requests.insert(nonce, message);
        Asked::Nonce(nonce)
    }

    /// Puts the operation in words, or says at once what becomes of it.
    fn prepare(&self, nonce: u64, operation: Operation) -> Result<ClientMessage, Outcome> {
        let held = |scope: &Scope| {
            let held = self.locks.grant(scope);
            held.map(|(fence, _)| fence).ok_or(Outcome::Stale)
        };
        Ok(match operation {
            Operation::Acquire(scope) => ClientMessage::Acquire {
                nonce,
                paths: scope.to_wire(),
            },
            Operation::Try(scope) => ClientMessage::Try {
                nonce,
                paths: scope.to_wire(),
            },
            Operation::Cancel(scope) => {
                // The one ticket may be another's.
                let other = |wanted: &Scope| *wanted != scope;
                if self.locks.wanted().is_some_and(other) {
                    return Err(Outcome::Done);
                }
                ClientMessage::Cancel { nonce }
            }
            Operation::Release(scope) => ClientMessage::Release {
                nonce,
                fence: held(&scope)?,
            },
            Operation::Transfer(scope, to) => ClientMessage::Transfer {
                nonce,
                fence: held(&scope)?,
                to,
            },
            Operation::Request(scope, mut note) => {
                note.truncate(note.floor_char_boundary(MAX_NOTE));
                ClientMessage::Request {
                    nonce,
                    paths: scope.to_wire(),
                    note,
                }
            }
            Operation::TakeOver(scope) => ClientMessage::TakeOver {
                nonce,
                paths: scope.to_wire(),
            },
            Operation::MoveHere(scope) => ClientMessage::MoveHere {
                nonce,
                paths: scope.to_wire(),
            },
            Operation::SetMode(mode) => ClientMessage::SetMode { nonce, mode },
            Operation::Decide(id, Decision::Merge) => ClientMessage::MergePark { nonce, id },
            Operation::Decide(id, Decision::Discard) => ClientMessage::DiscardPark { nonce, id },
            Operation::Decide(id, Decision::Recover) => ClientMessage::RecoverPark { nonce, id },
            Operation::Show(id) => ClientMessage::ShowPark { nonce, id },
        })
    }

    /// What is so from the asking on, whatever the answer.
    fn foresee(&mut self, nonce: u64, message: &ClientMessage) {
        match message {
            ClientMessage::Acquire { paths, .. } | ClientMessage::Request { paths, .. } => {
                self.locks.asked(nonce, &Scope::told(paths.clone()));
            }
            ClientMessage::TakeOver { paths, .. } | ClientMessage::MoveHere { paths, .. } => {
                self.locks.taking(&Scope::told(paths.clone()));
            }
            ClientMessage::Cancel { .. } => self.locks.cancelled(nonce),
            ClientMessage::Release { fence, .. } => {
                self.locks.release_sent(*fence);
                // The edits come before the release, also those that did not fit.
                self.catch_up();
            }
            _ => {}
        }
    }

    fn ask(&mut self, message: &ClientMessage) {
        if self.link.is_welcomed() {
            self.say(message);
        }
    }

    /// What was asked before the connection was lost is asked again, under the same nonces, in the same order.
    pub(super) fn ask_again(&mut self) {
        for (nonce, message) in std::mem::take(&mut self.requests) {
            if let Some(fence) = rests_on(&message)
                && !self.locks.grants().contains_key(&fence)
            {
                // It passed on meanwhile.
                self.answer(nonce, Ok(Reply::Outcome(Outcome::Stale)));
                continue;
            }
            if let ClientMessage::Release { fence, .. } = &message {
                self.locks.release_sent(*fence);
            }
            self.ask(&message);
            self.requests.insert(nonce, message);
        }
    }

    /// We still want this, and the server does not know.
    pub(super) fn ask_anew(&mut self, scope: Scope) {
        let asking = |message: &ClientMessage| match message {
            ClientMessage::Acquire { paths, .. } | ClientMessage::Request { paths, .. } => {
                Scope::told(paths.clone()) == scope
            }
            _ => false,
        };
        // One that was never answered has been asked again under its own nonce.
        if !self.requests.values().any(asking) {
            self.request(Operation::Acquire(scope));
        }
    }

    /// What is about the moment of a connection ends with it.
    pub(super) fn abandon_requests(&mut self) {
        for (nonce, message) in std::mem::take(&mut self.requests) {
            if outlives_connection(&message) {
                self.requests.insert(nonce, message);
            } else {
                self.answer(nonce, Err(Unanswered::Disconnected));
            }
        }
    }

    fn answer(&mut self, nonce: u64, answer: Answer) {
        self.turn.answers.push((nonce, answer));
    }

    pub(super) fn result(&mut self, nonce: u64, outcome: Outcome, message: Option<String>) {
        let Some(request) = self.requests.remove(&nonce) else {
            return;
        };
        let taken = matches!(outcome, Outcome::Done | Outcome::Queued);
        match request {
            ClientMessage::Acquire { paths, .. } | ClientMessage::Request { paths, .. }
                if !taken =>
            {
                self.locks.refused(&Scope::told(paths));
            }
            ClientMessage::TakeOver { paths, .. } | ClientMessage::MoveHere { paths, .. }
                if !taken =>
            {
                self.locks.not_taking(&Scope::told(paths));
            }
            ClientMessage::Release { fence, .. } => self.locks.released(fence),
            _ => {}
        }
        self.locks.answered_wish(nonce);
        if let Some(message) = message {
            self.tell(Event::Explained { outcome, message });
        }
        self.answer(nonce, Ok(Reply::Outcome(outcome)));
    }

    pub(super) fn shown(&mut self, nonce: u64, content: Content) {
        if self.requests.remove(&nonce).is_some() {
            self.answer(nonce, Ok(Reply::Content(content)));
        }
    }
}

/// Whether it is a wish that stands until it is answered. A try, a take-over, a decision are about the moment in which
/// they are made: later they are others, and a program is to ask for them again.
const fn outlives_connection(message: &ClientMessage) -> bool {
    matches!(
        message,
        ClientMessage::Acquire { .. }
            | ClientMessage::Request { .. }
            | ClientMessage::Cancel { .. }
            | ClientMessage::Release { .. }
            | ClientMessage::Transfer { .. }
    )
}

/// The grant without which it has no sense.
const fn rests_on(message: &ClientMessage) -> Option<Fence> {
    match message {
        ClientMessage::Release { fence, .. } | ClientMessage::Transfer { fence, .. } => {
            Some(*fence)
        }
        _ => None,
    }
}
