//! The operations that a program can ask of the server, and their answers. Owns the types only.

use baton_sync::control_channel::{LockMode, Outcome, ParkPart};

use crate::error::OperationError;
use crate::scope::LockScope;

/// The server's answer to an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The outcome of the operation.
    Outcome(Outcome),
    /// The content of a park, for [`Operation::Show`].
    Content(ParkContent),
}

/// The changes that a park would make to the document, for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkContent {
    /// The differences, in reading order of each root type.
    pub parts: Vec<ParkPart>,
    /// True if there is more than the server shows.
    pub truncated: bool,
}

/// The result of an operation: the server's reply, or the reason why there will be none.
pub(crate) type Answer = Result<Reply, OperationError>;

/// An operation as it was taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The answer comes later, under this nonce.
    Nonce(u64),
    /// The answer is known already; nothing was sent.
    Known(Answer),
}

/// A decision about a park.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkDecision {
    /// Apply the park's edits to the document.
    Merge,
    /// Remove the park from the list; it can be recovered for a time.
    Discard,
    /// Put a discarded park back into the list.
    Recover,
}

/// An operation that a client can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Acquires the lock, waiting for it in the queue.
    Acquire(LockScope),
    /// Acquires the lock if it is free now.
    Try(LockScope),
    /// Leaves the queue.
    Cancel(LockScope),
    /// Releases the lock.
    Release(LockScope),
    /// Hands the lock to that session.
    Transfer(LockScope, u64),
    /// Queues for the lock, and asks its holder to give it up, with a note.
    Request(LockScope, String),
    /// Takes the lock from its holder.
    TakeOver(LockScope),
    /// Takes the lock from the same user's other session.
    MoveHere(LockScope),
    /// Changes the document's mode.
    SetMode(LockMode),
    /// Decides about the park of that number.
    Decide(u64, ParkDecision),
    /// Asks for the changes that the park of that number would make.
    Show(u64),
}

/// The lock that an edit must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The edit is made only if the lock of this scope allows it.
    Lock(LockScope),
    /// The edit is made without asking any lock.
    Nothing,
}
