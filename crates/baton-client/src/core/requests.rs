//! The lock operations that a program asks for, and their answers.
//!
//! Owns the nonces and what waits for a result, also over a lost connection. What an operation does to the lock is the
//! server's to decide and [`crate::lock`]'s to follow.

use baton_sync::channel::{ClientMessage, Fence, Outcome};

use super::Core;
use crate::error::Unanswered;
use crate::time::Moment;

/// The result of a lock operation.
pub(crate) type Answer = Result<Outcome, Unanswered>;

/// A lock operation that a client can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Acquire,
    Try,
    Cancel,
    Release,
}

/// A lock operation was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The answer comes under this nonce.
    Nonce(u64),
    /// It is known already.
    Known(Answer),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) operation: Operation,
    /// The grant that is given back.
    fence: Option<Fence>,
}

impl Core {
    pub(crate) fn request(&mut self, operation: Operation) -> Asked {
        if self.ended.is_some() {
            return Asked::Known(Err(Unanswered::Closed));
        }
        let fence = self.lock.grant();
        match operation {
            Operation::Acquire => self.lock.asked(),
            Operation::Cancel => self.lock.gave_up(),
            Operation::Try if !self.link.is_welcomed() => {
                return Asked::Known(Err(Unanswered::Disconnected));
            }
            Operation::Release if fence.is_none() => return Asked::Known(Ok(Outcome::Stale)),
            Operation::Release => {
                self.lock.release_sent();
                // The edits come before the release, also those that did not fit.
                self.catch_up();
            }
            Operation::Try => {}
        }
        let nonce = self.next_nonce();
        let request = Request { operation, fence };
        self.requests.insert(nonce, request);
        self.ask(nonce, request);
        Asked::Nonce(nonce)
    }

    fn next_nonce(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }

    fn ask(&mut self, nonce: u64, request: Request) {
        if !self.link.is_welcomed() {
            return;
        }
        self.say(&match (request.operation, request.fence) {
            (Operation::Acquire, _) => ClientMessage::Acquire { nonce },
            (Operation::Try, _) => ClientMessage::Try { nonce },
            (Operation::Release, Some(fence)) => ClientMessage::Release { nonce, fence },
            (Operation::Cancel, _) | (Operation::Release, None) => ClientMessage::Cancel { nonce },
        });
    }

    pub(crate) fn claim(&mut self, now: Moment, fence: Fence) {
        if self.lock.offer() == Some(fence) {
            self.say(&ClientMessage::Claim { fence });
            self.lock.claim_sent(fence, now);
        }
    }

    pub(crate) fn decline(&mut self, fence: Fence) {
        if self.lock.offer() == Some(fence) {
            self.say(&ClientMessage::Decline { fence });
            self.lock.declined(fence);
        }
    }

    /// What was asked before the connection was lost is asked again, under the same nonces, in the same order.
    pub(super) fn ask_again(&mut self) {
        let pending: Vec<_> = self
            .requests
            .iter()
            .map(|(nonce, of)| (*nonce, *of))
            .collect();
        for (nonce, request) in pending {
            if request.operation == Operation::Release && request.fence != self.lock.grant() {
                // It passed on meanwhile.
                self.requests.remove(&nonce);
                self.turn.answers.push((nonce, Ok(Outcome::Stale)));
            } else {
                self.ask(nonce, request);
            }
        }
    }

    /// A try is about this moment; what is asked later is another.
    pub(super) fn abandon_tries(&mut self) {
        let answers = &mut self.turn.answers;
        self.requests.retain(|nonce, request| {
            let keep = request.operation != Operation::Try;
            if !keep {
                answers.push((*nonce, Err(Unanswered::Disconnected)));
            }
            keep
        });
    }

    pub(super) fn result(&mut self, nonce: u64, outcome: Outcome) {
        let Some(request) = self.requests.remove(&nonce) else {
            return;
        };
        match (request.operation, outcome) {
            (Operation::Acquire, Outcome::Forbidden | Outcome::Busy)
            | (Operation::Cancel, Outcome::Done) => self.lock.gave_up(),
            (Operation::Release, _) => self.lock.released(),
            _ => {}
        }
        self.turn.answers.push((nonce, Ok(outcome)));
    }
}
