//! The addresses of one socket, and the way of each message to the task of its address.
//!
//! Owns the life of an address: waiting for a token, served by a task, ended by the server, left by
//! its client, and perhaps opened again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use baton_room::Departure;
use baton_sync::hocuspocus::{self, Address, Envelope, HocuspocusMessage, SyncStep};
use bytes::Bytes;
use tokio::time::Instant;

use super::address_task::Shared;
use super::backlog::Backlog;
use super::mailbox::{Leaving, Letter, Mailbox, NotTaken};
use super::running_tasks::{RunningTasks, TaskHandle};
use crate::access::shown_token;
use crate::connection::socket_writer::SocketWriter;
use crate::connection::wire_codec::CHANNEL_PREFIX;
use crate::ops::rejection_counters::Rejection;

/// Longest session id behind the name of a document, in bytes; a published provider's has 11.
const MAX_SESSION_ID: usize = 128;

/// The reason for which a whole socket is closed because of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SocketFault {
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    #[error(
        "one connection has more than {0} documents (max_documents_per_connection); open another connection"
    )]
    Addresses(usize),
    #[error("an address is longer than a document name and a session id may be")]
    LongAddress,
}

/// The state of one address.
#[derive(Debug)]
enum AddressState {
    /// Messages came, but no token.
    Unannounced {
        mailbox: Arc<Mailbox>,
        since: Instant,
    },
    /// A task has it.
    Served(TaskHandle),
    /// The client left it, and its task handles the last messages.
    Left(TaskHandle),
    /// The server ended it, or denied it. Only a new token opens it again.
    Ended,
}

/// See the module.
pub(super) struct AddressTable {
    shared: Arc<Shared>,
    socket: Arc<SocketWriter>,
    backlog: Arc<Backlog>,
    addresses: HashMap<Box<str>, AddressState>,
    tasks: RunningTasks,
    /// True once the client has shown a token for any address.
    announced: bool,
    /// True once the client has sent what it had queued while it was offline.
    queue_sent: bool,
}

impl AddressTable {
    /// Returns the table of a socket without addresses.
    pub(super) fn new(shared: Arc<Shared>, socket: &Arc<SocketWriter>) -> Self {
        Self {
            backlog: Arc::new(Backlog::new(shared.registry.settings())),
            socket: Arc::clone(socket),
            addresses: HashMap::new(),
            tasks: RunningTasks::new(&shared, socket),
            announced: false,
            queue_sent: false,
            shared,
        }
    }

    /// Returns true once the client has shown a token for any address.
    pub(super) const fn is_announced(&self) -> bool {
        self.announced
    }

    /// Returns true if the client was let in to an address.
    pub(super) fn is_admitted(&self) -> bool {
        self.served().any(|task| task.mailbox.is_admitted())
    }

    /// Passes a message on to its address. Returns the mailbox if it is so full that the socket
    /// must not be read from until there is room in it.
    ///
    /// # Errors
    /// The socket is to be closed.
    pub(super) fn receive(
        &mut self,
        envelope: Envelope<'_>,
        frame: &Bytes,
    ) -> Result<Option<Arc<Mailbox>>, SocketFault> {
        let Envelope { address, message } = envelope;
        let most = self.shared.registry.settings().max_document_name + 1 + MAX_SESSION_ID;
        if address.raw.len() > most {
            return Err(SocketFault::LongAddress);
        }
        match message {
            HocuspocusMessage::Token { token, .. } => self.announce(address, token),
            HocuspocusMessage::Close(_) => {
                self.leave_address(address.raw);
                Ok(None)
            }
            HocuspocusMessage::Sync(SyncStep::Step2(_) | SyncStep::Update(_))
            | HocuspocusMessage::SyncReply(SyncStep::Step2(_) | SyncStep::Update(_))
                if self.has_ended(address.raw) =>
            {
                let refused = hocuspocus::sync_status(address.raw, false);
                self.socket.send_encoded(&refused);
                Ok(None)
            }
            HocuspocusMessage::Stateless(text) if !text.starts_with(CHANNEL_PREFIX) => {
                let what = "a Stateless message of an application, which nothing here receives";
                let refusals = self.shared.registry.refusals();
                refusals.note(Rejection::Stateless, what);
                Ok(None)
            }
            HocuspocusMessage::Sync(_)
            | HocuspocusMessage::SyncReply(_)
            | HocuspocusMessage::Awareness(_)
            | HocuspocusMessage::QueryAwareness
            | HocuspocusMessage::Stateless(_) => self.pass_on(address, frame),
            HocuspocusMessage::BroadcastStateless(_) => {
                let fault = "only servers send a BroadcastStateless; send a Stateless message";
                Ok(self.push(address.raw, Letter::Fault(fault)))
            }
            HocuspocusMessage::TokenRequest
            | HocuspocusMessage::Authenticated(_)
            | HocuspocusMessage::PermissionDenied(_)
            | HocuspocusMessage::SyncStatus(_)
            | HocuspocusMessage::Unknown(_) => Ok(None),
        }
    }

    /// Notes that the client has sent what it had queued while it was offline, for all addresses.
    pub(super) fn queue_was_sent(&mut self) {
        if std::mem::replace(&mut self.queue_sent, true) {
            return;
        }
        for state in self.addresses.values() {
            if let AddressState::Unannounced { mailbox, .. }
            | AddressState::Served(TaskHandle { mailbox, .. }) = state
            {
                mailbox.push(Letter::QueueSent);
            }
        }
    }

    /// Passes the answer to a probe on to the address that it came from.
    pub(super) fn pong(&self, payload: &[u8]) {
        let Some((mark, number)) = payload.split_first_chunk::<8>() else {
            return;
        };
        let Ok(number) = number.try_into().map(u32::from_be_bytes) else {
            return;
        };
        let served = self.served().find(|task| task.number == number);
        if let Some(task) = served.filter(|task| !task.mailbox.is_full()) {
            task.mailbox.push(Letter::Pong(*mark));
        }
    }

    /// Notes a sign of life of the socket for all addresses.
    pub(super) fn hear(&self) {
        for task in self.served() {
            task.mailbox.hear();
        }
    }

    /// Returns the time at which [`AddressTable::give_up`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let patience = self.patience();
        let since = self.addresses.values().filter_map(|state| match state {
            AddressState::Unannounced { since, .. } => Some(*since + patience),
            _ => None,
        });
        since.min()
    }

    /// Denies the addresses for which messages came, but no token in the time for a handshake.
    pub(super) fn give_up(&mut self, now: Instant) {
        let patience = self.patience();
        for (raw, state) in &mut self.addresses {
            let AddressState::Unannounced { since, .. } = state else {
                continue;
            };
            if now < *since + patience {
                continue;
            }
            *state = AddressState::Ended;
            let reason = "no token came for this document within the time for a handshake (handshake_timeout)";
            self.shared
                .registry
                .refusals()
                .note(Rejection::HandshakeTime, reason);
            let denied = hocuspocus::permission_denied(raw, reason);
            self.socket.send_encoded(&denied);
        }
    }

    /// Waits until the task of an address has ended.
    pub(super) async fn task_ended(&mut self) {
        let (raw, number) = self.tasks.ended().await;
        self.note_ended(&raw, number);
    }

    /// Tells all addresses that the socket has ended.
    pub(super) fn leave(&mut self, departure: Departure) {
        for (_, state) in self.addresses.drain() {
            if let AddressState::Served(task) = state {
                let leaving = Leaving::Socket(departure);
                task.mailbox.push(Letter::Leave(leaving));
            }
        }
    }

    /// Waits until all tasks have handled what had come for them.
    pub(super) async fn finish(&mut self) {
        self.tasks.finish().await;
    }

    fn patience(&self) -> Duration {
        self.shared.registry.settings().handshake_timeout.0
    }

    fn served(&self) -> impl Iterator<Item = &TaskHandle> {
        self.addresses.values().filter_map(|state| match state {
            AddressState::Served(task) => Some(task),
            _ => None,
        })
    }

    fn has_ended(&self, raw: &str) -> bool {
        matches!(self.addresses.get(raw), Some(AddressState::Ended))
    }

    /// A token came: opens the address, or lets its task verify the token.
    fn announce(
        &mut self,
        address: Address<'_>,
        token: &str,
    ) -> Result<Option<Arc<Mailbox>>, SocketFault> {
        self.announced = true;
        let token = shown_token(token);
        if let Some(AddressState::Served(_)) = self.addresses.get(address.raw) {
            return Ok(self.push(address.raw, Letter::Token(token)));
        }
        self.make_room(address.raw)?;
        let former = self.addresses.remove(address.raw);
        let (mailbox, after) = match former {
            Some(AddressState::Unannounced { mailbox, .. }) => (mailbox, None),
            Some(AddressState::Left(task)) => (self.mailbox(), Some(task.ended)),
            _ => (self.mailbox(), None),
        };
        let task = self.tasks.start(address, mailbox, after, token);
        let served = AddressState::Served(task);
        self.addresses.insert(address.raw.into(), served);
        Ok(None)
    }

    /// Queues a message for an address, also while no token has come for it.
    fn pass_on(
        &mut self,
        address: Address<'_>,
        frame: &Bytes,
    ) -> Result<Option<Arc<Mailbox>>, SocketFault> {
        let mailbox = match self.addresses.get(address.raw) {
            Some(AddressState::Served(task)) => &task.mailbox,
            Some(AddressState::Unannounced { mailbox, .. }) => mailbox,
            // Its client has been told, and may go on for a while.
            Some(AddressState::Ended) => return Ok(None),
            // The message is one of the next time; without a token it has no meaning.
            Some(AddressState::Left(_)) => return Ok(None),
            None => {
                self.make_room(address.raw)?;
                let mailbox = self.mailbox();
                mailbox.push_frame(frame.clone())?;
                let since = Instant::now();
                let unannounced = AddressState::Unannounced { mailbox, since };
                self.addresses.insert(address.raw.into(), unannounced);
                return Ok(None);
            }
        };
        mailbox.push_frame(frame.clone())?;
        Ok(mailbox.is_full().then(|| Arc::clone(mailbox)))
    }

    /// Passes a letter on to the task of an address, if it has one.
    fn push(&self, raw: &str, letter: Letter) -> Option<Arc<Mailbox>> {
        let Some(AddressState::Served(task)) = self.addresses.get(raw) else {
            return None;
        };
        task.mailbox.push(letter);
        let full = task.mailbox.is_full();
        full.then(|| Arc::clone(&task.mailbox))
    }

    /// The client leaves an address. The answer comes from its task, if it has one.
    fn leave_address(&mut self, raw: &str) {
        match self.addresses.remove(raw) {
            Some(AddressState::Served(task)) => {
                task.mailbox.push(Letter::Leave(Leaving::Address));
                self.addresses.insert(raw.into(), AddressState::Left(task));
            }
            Some(AddressState::Left(task)) => {
                self.addresses.insert(raw.into(), AddressState::Left(task));
            }
            Some(AddressState::Unannounced { .. } | AddressState::Ended) | None => {
                let left = hocuspocus::close(raw, super::address_task::LEFT);
                self.socket.send_encoded(&left);
            }
        }
    }

    /// Makes room for one more address: the table forgets one that the server has ended.
    fn make_room(&mut self, raw: &str) -> Result<(), SocketFault> {
        let most = self.shared.registry.settings().max_documents_per_connection;
        if self.addresses.contains_key(raw) || self.addresses.len() < most {
            return Ok(());
        }
        let mut all = self.addresses.iter();
        let ended = all.find(|(_, state)| matches!(state, AddressState::Ended));
        let Some(forgotten) = ended.map(|(raw, _)| raw.clone()) else {
            return Err(SocketFault::Addresses(most));
        };
        self.addresses.remove(&forgotten);
        Ok(())
    }

    fn mailbox(&self) -> Arc<Mailbox> {
        let received = self.shared.registry.receiving().part(usize::MAX);
        let mailbox = Mailbox::new(&self.backlog, received);
        if self.queue_sent {
            mailbox.push(Letter::QueueSent);
        }
        Arc::new(mailbox)
    }

    fn note_ended(&mut self, raw: &str, number: u32) {
        match self.addresses.get_mut(raw) {
            Some(AddressState::Left(task)) if task.number == number => {
                self.addresses.remove(raw);
            }
            Some(state @ AddressState::Served(_)) => {
                if matches!(state, AddressState::Served(task) if task.number == number) {
                    *state = AddressState::Ended;
                }
            }
            _ => {}
        }
    }
}
