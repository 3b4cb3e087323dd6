//! The messages of one address, on their way from the socket's reader to the task of the address.
//!
//! Owns the limits on what may wait. Until the client is let in, its messages count in the
//! [`Backlog`] of the socket; then the reader waits while more than [`MOST_BYTES`] or
//! [`MOST_MESSAGES`] wait here.

use std::collections::VecDeque;
use std::sync::Arc;

use baton_room::Departure;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::backlog::{Backlog, BacklogFull};
use crate::access::ShownToken;
use crate::limits::inbound_memory_limit::{Excess, InboundBytes};

/// Bytes of messages that may wait for the task of an address; one message may be longer.
const MOST_BYTES: usize = 1024 * 1024;

/// Messages that may wait for the task of an address.
const MOST_MESSAGES: usize = 256;

/// A message for the task of an address, in the order in which the client sent them.
#[derive(Debug)]
pub(super) enum Letter {
    /// A message for the document.
    Frame(Bytes),
    /// The client showed its token again.
    Token(ShownToken),
    /// The answer to the probe with this payload.
    Pong([u8; 8]),
    /// The client has sent all that it had queued while it was offline.
    QueueSent,
    /// Something that no client of this wire sends.
    Fault(&'static str),
    /// The client leaves the address, or its socket ended.
    Leave(Leaving),
}

/// The way in which a client leaves an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// It said so for this address, and waits for the answer.
    Address,
    /// The socket ended.
    Socket(Departure),
}

impl Leaving {
    /// Returns how the session in the document ends.
    pub(super) const fn departure(self) -> Departure {
        match self {
            Self::Address => Departure::Done,
            Self::Socket(departure) => departure,
        }
    }
}

/// The next thing for the task of an address.
#[derive(Debug)]
pub(super) enum Next {
    Letter(Letter),
    /// The socket gave a sign of life.
    Heard,
}

/// The reason for which a message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotTaken {
    #[error(transparent)]
    Backlog(#[from] BacklogFull),
    #[error(transparent)]
    Memory(#[from] Excess),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    backlog: Arc<Backlog>,
    received: InboundBytes,
    /// Wakes the task of the address.
    arrived: Notify,
    /// Wakes the socket's reader.
    taken: Notify,
}

#[derive(Debug, Default)]
struct State {
    letters: VecDeque<Letter>,
    bytes: usize,
    heard: bool,
    stage: Stage,
    /// Token that the client showed while the server decided about another one.
    newer_token: Option<ShownToken>,
    /// A letter says that the client leaves.
    leaves: bool,
}

/// The stage of an address, as far as its messages are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// The client was not let in yet: what waits counts in the backlog.
    #[default]
    Undecided,
    /// The client was let in: the reader waits if too much waits.
    Admitted,
    /// The task of the address has ended: nothing is taken any more.
    Closed,
}

impl Mailbox {
    /// Returns an empty mailbox. What waits in it counts in `backlog` at first, and in `received`.
    pub(super) fn new(backlog: &Arc<Backlog>, received: InboundBytes) -> Self {
        Self {
            state: Mutex::default(),
            backlog: Arc::clone(backlog),
            received,
            arrived: Notify::new(),
            taken: Notify::new(),
        }
    }

    /// Adds a message for the document.
    ///
    /// # Errors
    /// It is more than may wait. The socket is to be closed.
    pub(super) fn push_frame(&self, frame: Bytes) -> Result<(), NotTaken> {
        let mut state = self.state.lock();
        if state.stage == Stage::Closed {
            return Ok(());
        }
        if state.stage == Stage::Undecided {
            self.backlog.add(frame.len())?;
        }
        state.bytes += frame.len();
        let received = self.received.came(frame.len());
        state.letters.push_back(Letter::Frame(frame));
        drop(state);
        self.arrived.notify_one();
        Ok(received?)
    }

    /// Adds anything else.
    pub(super) fn push(&self, letter: Letter) {
        let mut state = self.state.lock();
        if state.stage == Stage::Closed {
            return;
        }
        let letter = match letter {
            // Before the client is let in only its newest token counts.
            Letter::Token(token) if state.stage == Stage::Undecided => {
                state.newer_token = Some(token);
                return;
            }
            letter => letter,
        };
        state.leaves |= matches!(letter, Letter::Leave(_));
        state.letters.push_back(letter);
        drop(state);
        self.arrived.notify_one();
    }

    /// Notes a sign of life of the socket.
    pub(super) fn hear(&self) {
        let mut state = self.state.lock();
        if state.stage == Stage::Admitted {
            state.heard = true;
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Returns true while the reader must not add more.
    pub(super) fn is_full(&self) -> bool {
        let state = self.state.lock();
        let full = state.bytes >= MOST_BYTES || state.letters.len() >= MOST_MESSAGES;
        full && state.stage == Stage::Admitted
    }

    /// Waits until the reader may add more. For one waiter.
    pub(super) async fn room(&self) {
        while self.is_full() {
            self.taken.notified().await;
        }
    }

    /// Notes that the client was let in.
    pub(super) fn admit(&self) {
        let mut state = self.state.lock();
        if state.stage == Stage::Undecided {
            state.stage = Stage::Admitted;
            self.backlog.remove(state.bytes, state.frames());
            let newer = state.newer_token.take();
            state.letters.extend(newer.map(Letter::Token));
        }
    }

    /// Returns true once the client was let in, until the task ends.
    pub(super) fn is_admitted(&self) -> bool {
        self.state.lock().stage == Stage::Admitted
    }

    /// Takes the next thing, if there is one.
    pub(super) fn try_next(&self) -> Option<Next> {
        let mut state = self.state.lock();
        let Some(letter) = state.letters.pop_front() else {
            return std::mem::take(&mut state.heard).then_some(Next::Heard);
        };
        state.heard = false;
        if let Letter::Frame(frame) = &letter {
            state.bytes -= frame.len();
            if state.stage == Stage::Undecided {
                self.backlog.remove(frame.len(), 1);
            }
        }
        drop(state);
        self.taken.notify_one();
        Some(Next::Letter(letter))
    }

    /// Waits for the next thing. For one waiter.
    pub(super) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.try_next() {
                return next;
            }
            self.arrived.notified().await;
        }
    }

    /// Waits until the client leaves. For one waiter, which does not wait for letters.
    pub(super) async fn left(&self) {
        while !self.state.lock().leaves {
            self.arrived.notified().await;
        }
    }

    /// Takes the token that the client showed since it opened the address, if it showed another.
    pub(super) fn take_token(&self) -> Option<ShownToken> {
        self.state.lock().newer_token.take()
    }

    /// Notes that a message was handled.
    pub(super) fn handled(&self, bytes: usize) {
        self.received.taken_of(bytes);
    }

    /// Takes nothing any more, and drops what waits.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        if state.stage == Stage::Undecided {
            self.backlog.remove(state.bytes, state.frames());
        }
        let closed = State {
            stage: Stage::Closed,
            ..State::default()
        };
        let dropped = std::mem::replace(&mut *state, closed);
        drop(state);
        self.received.taken_of(dropped.bytes);
        self.taken.notify_one();
    }
}

impl State {
    fn frames(&self) -> usize {
        let frames = self.letters.iter();
        frames
            .filter(|letter| matches!(letter, Letter::Frame(_)))
            .count()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.close();
    }
}
