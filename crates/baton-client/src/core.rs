//! The client as a machine without IO: frames and moments go in, frames, events and answers come out.
//!
//! Owns the document, what is known of session, roster, locks and parks, and everything that is decided; the parts are
//! in [`link`] (when there is a connection), [`receive`] (what the server's frames do), [`locking`] (offers, drains,
//! leases), [`requests`] (the operations asked for) and [`parting`] (parks, drafts and the fresh copy). Never reads a
//! clock, never waits, never touches a socket: a shell does (`task`), or a test on virtual time.

mod link;
mod locking;
mod parting;
mod receive;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use baton_sync::channel::{
    ClientMessage, ErrorCode, Fence, ParkView, Peer, Resume, Right, TimingsMs, User, VERSION,
};
use baton_sync::{ApplyError, Broken, ClientId, Document, DocumentOptions, y_websocket, yrs};
use bytes::Bytes;

use crate::backoff::Dice;
use crate::draft::Draft;
use crate::error::{EditError, Ended};
use crate::events::{EditRight, Event, Visibility};
use crate::locks::Locks;
use crate::options::{ClientOptions, Role, Ticket, UserKey};
use crate::saves::Saves;
use crate::scope::Scope;
use crate::time::Moment;

pub(crate) use link::Phase;
pub(crate) use requests::{Answer, Asked};
pub use requests::{Content, Decision, Operation, Reply};

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

/// Whether an edit asks the lock first, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Guard {
    Lock(Scope),
    Nothing,
}

/// What the copy is to the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bond {
    /// A part of it, but for what was edited last.
    Sound,
    /// Opened afresh, and not in step yet: nobody has seen yet what is in it.
    Fresh,
    /// It has edits that were parked, and is never sent again.
    Diverged,
}

pub(crate) struct Core {
    options: ClientOptions,
    client: ClientId,
    document: Document,
    locks: Locks,
    saves: Saves,
    roster: BTreeMap<u64, Peer>,
    parks: BTreeMap<u64, ParkView>,
    drafts: Vec<Draft>,
    rights: Vec<Right>,
    ticket: Option<Ticket>,
    epoch: Option<u32>,
    timings: Option<TimingsMs>,
    bond: Bond,
    /// Copies that were set aside before this one.
    copies: u64,
    ended: Option<Ended>,

    /// What was asked and is not answered yet, in its words.
    requests: BTreeMap<u64, ClientMessage>,
    nonce: u64,
    dice: Dice,
    last_input: Moment,
    visibility: Visibility,
    /// As last told: on the whole document, and where a part is or was held.
    right: EditRight,
    rights_there: BTreeMap<Fence, (Scope, EditRight)>,

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
            saves.edited(0);
            Document::load(&options.copy, &of)?
        };
        Ok(Self {
            link: link::Link::new(options.silent_after, now),
            ticket: options.resume.clone(),
            epoch: options.epoch,
            options,
            client,
            document,
            locks: Locks::default(),
            saves,
            roster: BTreeMap::new(),
            parks: BTreeMap::new(),
            drafts: Vec::new(),
            rights: Vec::new(),
            timings: None,
            bond: Bond::Sound,
            copies: 0,
            ended: None,
            requests: BTreeMap::new(),
            // Larger than any nonce of a process that had this session before.
            nonce: u64::try_from(now.wall.as_micros()).unwrap_or_default(),
            dice: Dice::new(seed),
            last_input: now,
            visibility: Visibility::default(),
            right: EditRight::Connecting,
            rights_there: BTreeMap::new(),
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
        guard: &Guard,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
    ) -> Result<R, EditError> {
        if let Guard::Lock(scope) = guard {
            let right = self.right(scope, now);
            if !right.may_edit() {
                return Err(EditError::NotNow(right));
            }
        }
        let from = self.document.state().vector().get(self.client);
        let (result, update) = self
            .document
            .transact(edit)
            .inspect_err(|broken| self.broke(broken))?;
        self.touched(now);
        if let Some(update) = update {
            self.saves
                .edited(self.document.state().vector().get(self.client));
            self.carry(from, &update);
        }
        Ok(result)
    }

    /// Sends an edit that begins at this clock of ours, unless the next Step2 or catching up brings it.
    fn carry(&mut self, from: u32, update: &[u8]) {
        if !self.link.is_asked() || self.bond == Bond::Diverged || self.behind.is_some() {
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

    /// Somebody is at work here, also where nothing was edited.
    pub(crate) const fn touched(&mut self, now: Moment) {
        self.last_input = now;
    }

    pub(crate) const fn set_visibility(&mut self, visibility: Visibility) {
        self.visibility = visibility;
    }

    // ---- what a program wants to know ----

    pub(crate) const fn document(&self) -> &Document {
        &self.document
    }

    pub(crate) const fn client(&self) -> ClientId {
        self.client
    }

    pub(crate) const fn locks(&self) -> &Locks {
        &self.locks
    }

    /// Whether this client may edit there now, and why.
    pub(crate) fn right(&self, scope: &Scope, now: Moment) -> EditRight {
        let right = self.locks.right(scope, now);
        if self.bond == Bond::Fresh && right != EditRight::Closed {
            return EditRight::Connecting;
        }
        right
    }

    /// Copies that were set aside before this one.
    pub(crate) const fn copies(&self) -> u64 {
        self.copies
    }

    pub(crate) const fn saves(&self) -> &Saves {
        &self.saves
    }

    pub(crate) const fn roster(&self) -> &BTreeMap<u64, Peer> {
        &self.roster
    }

    pub(crate) fn rights(&self) -> &[Right] {
        &self.rights
    }

    pub(crate) const fn epoch(&self) -> Option<u32> {
        self.epoch
    }

    pub(crate) const fn timings(&self) -> Option<TimingsMs> {
        self.timings
    }

    pub(crate) fn ticket(&self) -> Option<Ticket> {
        let mut ticket = self.ticket.clone()?;
        if self.locks.session().is_some() {
            ticket.fences = self.locks.grants().keys().copied().collect();
        }
        Some(ticket)
    }

    /// Why nothing more will come, once that is so.
    pub(crate) fn ended(&self) -> Option<Ended> {
        let diverged = (self.bond == Bond::Diverged).then_some(Ended::Diverged);
        self.ended.clone().or(diverged)
    }

    // ---- what goes out ----

    /// What has come out since the last time, and first of all whether the right to edit changed.
    pub(crate) fn turn(&mut self, now: Moment) -> Turn {
        let right = self.right(&Scope::whole(), now);
        if right != self.right {
            self.right = right;
            self.tell(Event::MayEdit(right));
        }
        self.tell_rights_there(now);
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
        if matches!(self.link.phase(), Phase::Open | Phase::Retiring) {
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
            fences: ticket
                .as_ref()
                .map(|ticket| ticket.fences.clone())
                .unwrap_or_default(),
            locks: self.locks.view().map(|view| view.version),
            resume: ticket.map(|ticket| Resume {
                session: ticket.session,
                token: ticket.token,
            }),
            epoch: self.epoch,
            user: self.options.user.clone(),
            user_key: self.options.user_key.as_ref().map(UserKey::secret),
            client: Some(self.client.get()),
            observer: self.options.role == Role::Observer,
        }
    }

    /// yrs failed in this document: it can neither be read nor written any more.
    fn broke(&mut self, broken: &Broken) {
        self.finish(None, broken.to_string());
    }
}

fn cost(outgoing: &Outgoing) -> usize {
    match outgoing {
        Outgoing::Frame(frame) => frame.len(),
        Outgoing::Close(_) => 0,
    }
}
