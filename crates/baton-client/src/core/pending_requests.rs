//! Operations that the program asked for and the server has not answered yet.
//!
//! Owns the nonces and the messages that wait for a result, also over a lost connection. The server
//! decides about an operation; the lock tracker follows its effects.

use std::collections::BTreeMap;

use baton_sync::control_channel::{ClientMessage, FencingToken, MAX_NOTE, Outcome};

use super::operation::{Answer, Operation, ParkContent, ParkDecision, Reply};
use super::outputs::Outputs;
use crate::error::OperationError;
use crate::events::ClientEvent;
use crate::lock_tracker::LockTracker;
use crate::scope::LockScope;

/// Most operations that wait for their answers at a time, with or without a connection.
const MAX_WAITING: usize = 1024;

/// The operations without an answer, by nonce.
#[derive(Debug)]
pub(super) struct PendingRequests {
    waiting: BTreeMap<u64, ClientMessage>,
    last_nonce: u64,
}

impl PendingRequests {
    /// Creates an empty list. Nonces count up from `nonce`, which must be above any that an earlier
    /// client of the same session used.
    pub(super) const fn new(nonce: u64) -> Self {
        Self {
            waiting: BTreeMap::new(),
            last_nonce: nonce,
        }
    }

    /// Turns an operation into a message under a new nonce.
    ///
    /// # Errors
    /// The answer, if it is known without asking the server.
    pub(super) fn prepare(
        &mut self,
        operation: Operation,
        locks: &LockTracker,
        welcomed: bool,
    ) -> Result<(u64, ClientMessage), Answer> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(Err(OperationError::TooMany));
        }
        self.last_nonce += 1;
        let nonce = self.last_nonce;
        let message =
            to_message(nonce, operation, locks).map_err(|outcome| Ok(Reply::Outcome(outcome)))?;
        if !outlives_connection(&message) && !welcomed {
            return Err(Err(OperationError::Disconnected));
        }
        Ok((nonce, message))
    }

    pub(super) fn insert(&mut self, nonce: u64, message: ClientMessage) {
        self.waiting.insert(nonce, message);
    }

    /// Returns true if a lock of this scope was asked for and the server has not answered.
    fn asks_for(&self, scope: &LockScope) -> bool {
        let asking = |message: &ClientMessage| match message {
            ClientMessage::Acquire { paths, .. } | ClientMessage::Request { paths, .. } => {
                LockScope::from_wire(paths.clone()) == *scope
            }
            _ => false,
        };
        self.waiting.values().any(asking)
    }

    /// Asks for a lock that this session still wants and the server does not know of, unless that
    /// is asked for already.
    pub(super) fn acquire_again(
        &mut self,
        scope: LockScope,
        locks: &mut LockTracker,
        out: &mut Outputs,
    ) {
        if self.asks_for(&scope) {
            return;
        }
        if let Ok((nonce, message)) = self.prepare(Operation::Acquire(scope), locks, true) {
            apply_intent(nonce, &message, locks);
            out.say(&message);
            self.insert(nonce, message);
        }
    }

    /// Sends again, in the same order and under the same nonces, the operations that were asked
    /// for before the connection was lost.
    pub(super) fn send_again(&mut self, locks: &mut LockTracker, out: &mut Outputs) {
        for (nonce, message) in std::mem::take(&mut self.waiting) {
            if let Some(fence) = required_grant(&message)
                && !locks.grants().contains_key(&fence)
            {
                // The grant passed on meanwhile.
                out.answer(nonce, Ok(Reply::Outcome(Outcome::Stale)));
                continue;
            }
            if let ClientMessage::Release { fence, .. } = &message {
                locks.release_sent(*fence);
            }
            out.say(&message);
            self.waiting.insert(nonce, message);
        }
    }

    /// Answers the operations that end with the connection.
    pub(super) fn connection_over(&mut self, out: &mut Outputs) {
        let over = |_: &u64, message: &mut ClientMessage| !outlives_connection(message);
        for (nonce, _) in self.waiting.extract_if(.., over) {
            out.answer(nonce, Err(OperationError::Disconnected));
        }
    }

    /// Answers all operations, for the client has ended.
    pub(super) fn close(&mut self, out: &mut Outputs) {
        for nonce in std::mem::take(&mut self.waiting).into_keys() {
            out.answer(nonce, Err(OperationError::Closed));
        }
    }

    /// Handles the server's result of an operation.
    pub(super) fn result(
        &mut self,
        nonce: u64,
        outcome: Outcome,
        message: Option<String>,
        locks: &mut LockTracker,
        out: &mut Outputs,
    ) {
        let Some(request) = self.waiting.remove(&nonce) else {
            return;
        };
        let accepted = matches!(outcome, Outcome::Done | Outcome::Queued);
        match request {
            ClientMessage::Acquire { paths, .. } | ClientMessage::Request { paths, .. }
                if !accepted =>
            {
                locks.refused(&LockScope::from_wire(paths));
            }
            ClientMessage::TakeOver { paths, .. } | ClientMessage::MoveHere { paths, .. }
                if !accepted =>
            {
                locks.take_over_refused(&LockScope::from_wire(paths));
            }
            ClientMessage::Release { fence, .. } => locks.released(fence),
            _ => {}
        }
        locks.request_answered(nonce);
        if let Some(message) = message {
            out.event(ClientEvent::Explained { outcome, message });
        }
        out.answer(nonce, Ok(Reply::Outcome(outcome)));
    }

    /// Handles the content of a park that the program asked for.
    pub(super) fn park_content(&mut self, nonce: u64, content: ParkContent, out: &mut Outputs) {
        if self.waiting.remove(&nonce).is_some() {
            out.answer(nonce, Ok(Reply::Content(content)));
        }
    }
}

/// Applies what holds from the asking on, before the server has answered.
pub(super) fn apply_intent(nonce: u64, message: &ClientMessage, locks: &mut LockTracker) {
    match message {
        ClientMessage::Acquire { paths, .. } | ClientMessage::Request { paths, .. } => {
            locks.asked(nonce, &LockScope::from_wire(paths.clone()));
        }
        ClientMessage::TakeOver { paths, .. } | ClientMessage::MoveHere { paths, .. } => {
            locks.taking_over(&LockScope::from_wire(paths.clone()));
        }
        ClientMessage::Cancel { .. } => locks.cancelled(nonce),
        ClientMessage::Release { fence, .. } => locks.release_sent(*fence),
        _ => {}
    }
}

/// Encodes an operation, or returns its outcome if that is known at once.
fn to_message(
    nonce: u64,
    operation: Operation,
    locks: &LockTracker,
) -> Result<ClientMessage, Outcome> {
    let held = |scope: &LockScope| {
        let held = locks.grant(scope);
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
            // A session has one ticket, which may be for another scope.
            let other = |wanted: &LockScope| *wanted != scope;
            if locks.wanted().is_some_and(other) {
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
        Operation::Decide(id, ParkDecision::Merge) => ClientMessage::MergePark { nonce, id },
        Operation::Decide(id, ParkDecision::Discard) => ClientMessage::DiscardPark { nonce, id },
        Operation::Decide(id, ParkDecision::Recover) => ClientMessage::RecoverPark { nonce, id },
        Operation::Show(id) => ClientMessage::ShowPark { nonce, id },
    })
}

/// Returns true if the operation stands until it is answered, over lost connections too. A try, a
/// take-over or a decision concerns the moment in which it is made: later the program must decide
/// anew.
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

/// Returns the grant without which the operation makes no sense.
const fn required_grant(message: &ClientMessage) -> Option<FencingToken> {
    match message {
        ClientMessage::Release { fence, .. } | ClientMessage::Transfer { fence, .. } => {
            Some(*fence)
        }
        _ => None,
    }
}
