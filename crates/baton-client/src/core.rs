//! The client as a machine without IO: frames and moments go in, frames, events and answers come out.
//!
//! Owns the document, what is known of session, roster and lock, and everything that is decided; the parts are in
//! [`link`] (when there is a connection), [`receive`] (what the server's frames do) and [`requests`] (the lock
//! operations asked for). Never reads a clock, never
//! waits, never touches a socket: a shell does (`task`), or a test on virtual time.

mod link;
mod receive;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use baton_sync::channel::{ClientMessage, ErrorCode, Peer, Resume, TimingsMs, User, VERSION};
use baton_sync::{ApplyError, Broken, ClientId, Document, DocumentOptions, y_websocket, yrs};
use bytes::Bytes;

use crate::backoff::Dice;
use crate::error::{EditError, Ended};
use crate::events::{EditRight, Event};
use crate::lock::{Effect, Lock};
use crate::options::{Claim, ClientOptions, Role, Ticket};
use crate::saves::Saves;
use crate::time::Moment;

use requests::Request;

pub(crate) use link::Phase;
pub(crate) use requests::{Answer, Asked, Operation};

/// What is to be written to the socket, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// A binary message.
    Frame(Bytes),
    /// A close frame with this code; nothing comes after it.
    Close(u16),
}

/// What has come out since the last time.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) events: Vec<Event>,
    pub(crate) answers: Vec<(u64, Answer)>,
}

/// Whether an edit asks the lock first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    Lock,
    Nothing,
}

pub(crate) struct Core {
    options: ClientOptions,
    client: ClientId,
    document: Document,
    lock: Lock,
    saves: Saves,
    roster: BTreeMap<u64, Peer>,
    ticket: Option<Ticket>,
    epoch: Option<u32>,
    timings: Option<TimingsMs>,
    diverged: bool,
    ended: Option<Ended>,

    requests: BTreeMap<u64, Request>,
    nonce: u64,
    dice: Dice,
    last_edit: Moment,
    right: EditRight,

    link: link::Link,
    outbox: VecDeque<Outgoing>,
    outbox_bytes: usize,
    /// The outbox was full: this copy's own edits from this clock on are sent as one when it is empty.
    behind: Option<u32>,
    /// An update did not fit, and the server's Step2 is awaited once more.
    asking: bool,
    turn: Turn,
}

impl Core {
    /// A client that is not connected and wants no connection yet.
    ///
    /// # Errors
    /// The copy in the options is damaged.
    pub(crate) fn new(
        options: ClientOptions,
        client: ClientId,
        seed: u64,
        now: Moment,
    ) -> Result<Self, ApplyError> {
        let of = DocumentOptions { client };
        let mut saves = Saves::default();
        let document = if options.copy.is_empty() {
            Document::new(&of)
        } else {
            // What the copy holds beyond the server's document is as good as edited just now.
            saves.edited();
            Document::load(&options.copy, &of)?
        };
        Ok(Self {
            link: link::Link::new(options.silent_after, now),
            ticket: options.resume.clone(),
            epoch: options.epoch,
            options,
            client,
            document,
            lock: Lock::default(),
            saves,
            roster: BTreeMap::new(),
            timings: None,
            diverged: false,
            ended: None,
            requests: BTreeMap::new(),
            // Larger than any nonce of a process that had this session before.
            nonce: u64::try_from(now.wall.as_micros()).unwrap_or_default(),
            dice: Dice::new(seed),
            last_edit: now,
            right: EditRight::Connecting,
            outbox: VecDeque::new(),
            outbox_bytes: 0,
            behind: None,
            asking: false,
            turn: Turn::default(),
        })
    }

    // ---- what a program asks for ----

    pub(crate) fn edit<R>(
        &mut self,
        now: Moment,
        guard: Guard,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Result<R, EditError> {
        let right = self.lock.right(now);
        if guard == Guard::Lock && !right.may_edit() {
            return Err(EditError::NotNow(right));
        }
        let from = self.document.state().vector().get(self.client);
        let (result, update) = self
            .document
            .transact(edit)
            .inspect_err(|broken| self.broke(broken))?;
        self.last_edit = now;
        if let Some(update) = update {
            self.saves.edited();
            self.carry(from, &update);
        }
        Ok(result)
    }

    /// Sends an edit that begins at this clock of ours, unless the next Step2 or catching up brings it.
    fn carry(&mut self, from: u32, update: &[u8]) {
        if !self.link.is_asked() || self.diverged || self.behind.is_some() {
            return;
        }
        if self.outbox_bytes + update.len() > self.options.max_queued {
            self.behind = Some(from);
            return;
        }
        self.send(y_websocket::update(update));
        self.saves.sent_all();
    }

    /// Sends what did not fit into the outbox. The server has all the rest, for it came from there.
    fn catch_up(&mut self) {
        let Some(from) = self.behind.take() else {
            return;
        };
        let mut since = self.document.state().vector().clone();
        since.set(self.client, from);
        match self.document.diff(&since) {
            Ok(update) => {
                self.send(y_websocket::update(&update));
                self.saves.sent_all();
            }
            Err(broken) => self.broke(&broken),
        }
    }

    pub(crate) fn set_user(&mut self, user: User) {
        self.options.user = user;
        if self.link.is_welcomed() {
            let user = self.options.user.clone();
            self.say(&ClientMessage::Profile { user });
        }
    }

    // ---- what a program wants to know ----

    pub(crate) const fn document(&self) -> &Document {
        &self.document
    }

    pub(crate) const fn client(&self) -> ClientId {
        self.client
    }

    pub(crate) const fn lock(&self) -> &Lock {
        &self.lock
    }

    pub(crate) const fn saves(&self) -> &Saves {
        &self.saves
    }

    pub(crate) const fn roster(&self) -> &BTreeMap<u64, Peer> {
        &self.roster
    }

    pub(crate) const fn epoch(&self) -> Option<u32> {
        self.epoch
    }

    pub(crate) const fn timings(&self) -> Option<TimingsMs> {
        self.timings
    }

    pub(crate) fn ticket(&self) -> Option<Ticket> {
        let mut ticket = self.ticket.clone()?;
        ticket.fence = self.lock.grant().or(ticket.fence);
        Some(ticket)
    }

    /// Why nothing more will come, once that is so.
    pub(crate) fn ended(&self) -> Option<Ended> {
        let diverged = self.diverged.then_some(Ended::Diverged);
        self.ended.clone().or(diverged)
    }

    // ---- what goes out ----

    /// What has come out since the last time, and first of all whether the right to edit changed.
    pub(crate) fn turn(&mut self, now: Moment) -> Turn {
        let right = self.lock.right(now);
        if right != self.right {
            self.right = right;
            self.tell(Event::MayEdit(right));
        }
        std::mem::take(&mut self.turn)
    }

    /// Takes what is to be written now, of about so many bytes.
    pub(crate) fn outgoing(&mut self, most: usize) -> Vec<Outgoing> {
        if self.outbox.is_empty() {
            self.catch_up();
        }
        let mut taken = Vec::new();
        let mut bytes = 0;
        while bytes < most
            && let Some(next) = self.outbox.pop_front()
        {
            bytes += cost(&next);
            taken.push(next);
        }
        self.outbox_bytes -= bytes;
        taken
    }

    pub(crate) fn has_outgoing(&self) -> bool {
        !self.outbox.is_empty() || self.behind.is_some()
    }

    fn send(&mut self, frame: Bytes) {
        self.push(Outgoing::Frame(frame));
    }

    fn push(&mut self, outgoing: Outgoing) {
        if self.link.phase() == Phase::Open {
            self.outbox_bytes += cost(&outgoing);
            self.outbox.push_back(outgoing);
        }
    }

    fn say(&mut self, message: &ClientMessage) {
        self.send(y_websocket::baton(&message.encode()));
    }

    fn tell(&mut self, event: Event) {
        self.turn.events.push(event);
    }

    fn complain(&mut self, code: ErrorCode, message: String) {
        let retry = true;
        self.tell(Event::Error {
            code,
            message,
            retry,
        });
    }

    fn hello(&self) -> ClientMessage {
        let ticket = self.ticket();
        ClientMessage::Hello {
            version: VERSION,
            fence: ticket.as_ref().and_then(|ticket| ticket.fence),
            resume: ticket.map(|ticket| Resume {
                session: ticket.session,
                token: ticket.token,
            }),
            epoch: self.epoch,
            user: self.options.user.clone(),
            client: Some(self.client.get()),
            observer: self.options.role == Role::Observer,
        }
    }

    fn follow(&mut self, effect: Effect) {
        match effect {
            Effect::Granted { fence, kept } => self.tell(Event::Granted { fence, kept }),
            Effect::Lost { fence, reason } => self.tell(Event::Lost { fence, reason }),
            Effect::OfferEnded { fence, reason } => self.tell(Event::OfferEnded { fence, reason }),
            Effect::AskAgain => {
                let asking = |request: &Request| request.operation == Operation::Acquire;
                // One that was never answered is asked again under its own nonce.
                if !self.requests.values().any(asking) {
                    self.request(Operation::Acquire);
                }
            }
        }
    }

    /// yrs failed in this document: it can neither be read nor written any more.
    fn broke(&mut self, broken: &Broken) {
        self.finish(None, broken.to_string());
    }

    const fn claims_at_once(&self) -> bool {
        matches!(self.options.claim, Claim::Auto)
    }

    fn idle(&self, now: Moment) -> Duration {
        now.since(&self.last_edit)
    }
}

fn cost(outgoing: &Outgoing) -> usize {
    match outgoing {
        Outgoing::Frame(frame) => frame.len(),
        Outgoing::Close(_) => 0,
    }
}
