//! What one client knows, and how it answers by itself.
//!
//! Owns the reactions of a published Yjs provider (y-websocket 3.1 with y-protocols) and of a client of Baton's channel,
//! as plain steps: a frame in, frames out. Knows no socket and no time. What a sound server never sends is noted as a
//! fault, which fails the story at its next wait.

use std::collections::{BTreeMap, VecDeque};

use baton_sync::ApplyOutcome;
use baton_sync::Judgement;
use baton_sync::compressed_update::decompress;
use baton_sync::control_channel::{
    ClientMessage, FencingToken, GrantStatus, LockView, PeerView, Resume, ServerMessage,
};
use baton_sync::document::{ApplyError, yrs};
use baton_sync::lib0::{DecodeError, Reader, write_var_string, write_var_uint};
use baton_sync::state_vector::StateVector;
use baton_sync::y_websocket::{self, Message};
use bytes::Bytes;
use yrs::{GetString, ReadTxn};

use crate::client::Ended;
use crate::join::{Beats, Join, Manners, Memory};

/// The text that stories edit.
pub(crate) const TEXT: &str = "t";

/// What a client knows of another's awareness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The newest clock.
    pub clock: u64,
    /// The state, as JSON; `None` after a removal.
    pub state: Option<String>,
}

/// What the view of the locks says of the oldest of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// There is none.
    Free,
    /// It is in this state.
    Is(GrantStatus),
}

#[expect(non_upper_case_globals, reason = "named as the states that they are")]
impl LockState {
    /// It is offered.
    pub const Offered: Self = Self::Is(GrantStatus::Offered);
    /// It is held.
    pub const Held: Self = Self::Is(GrantStatus::Held);
    /// It is held by somebody whose connection is gone.
    pub const Suspect: Self = Self::Is(GrantStatus::Suspect);
    /// It was held before the server's start.
    pub const Recovering: Self = Self::Is(GrantStatus::Recovering);
    /// It is held by somebody who is giving it up.
    pub const Draining: Self = Self::Is(GrantStatus::Draining);
}

/// All that a client knows; see [`RawClient::until`](crate::RawClient::until).
#[derive(Debug)]
pub struct Known {
    /// What it would keep if the connection were lost now.
    pub memory: Memory,
    /// Its own awareness, as JSON.
    pub awareness: Option<String>,
    /// A Step2 has come: the provider calls itself synced.
    pub synced: bool,
    /// How many Step1 the server has sent.
    pub asked: usize,
    /// How many Update frames came.
    pub updates: usize,
    /// The length of the longest of them, in bytes.
    pub longest: usize,
    /// How many compressed updates came.
    pub compressed: usize,
    /// How many awareness frames came.
    pub awareness_frames: usize,
    /// Sync messages (Step2 and Update) that it sent.
    pub sent: u64,
    /// How many of those are saved.
    pub saved: u64,
    /// On the Hocuspocus wire, how many of those have no status yet, whatever it says.
    pub unanswered: i64,
    /// The reason of a denial.
    pub denied: Option<String>,
    /// Messages of Baton's channel that no wait has taken yet; beats are left out.
    pub channel: VecDeque<ServerMessage>,
    /// How many beats came, and the newest one that the server confirmed.
    pub beats: (u64, u64),
    /// Its session.
    pub session: Option<u64>,
    /// Whether the server went on with the session that was asked for.
    pub resumed: bool,
    /// Everybody, by session.
    pub roster: BTreeMap<u64, PeerView>,
    /// The locks, as the newest view shows them.
    pub lock: Option<LockView>,
    /// How the connection ended, once it has.
    pub ended: Option<Ended>,
    /// Every frame that came; kept for [`Manners::Raw`] only.
    pub frames: VecDeque<Bytes>,
    /// What a sound server would not have sent.
    pub faults: Vec<String>,
    manners: Manners,
    reads_compressed: bool,
    /// How long its user has done nothing, as it says.
    idle_ms: u64,
    answering: Beats,
}

impl Known {
    pub(crate) fn new(join: Join) -> Self {
        Self {
            memory: join.memory,
            awareness: join.awareness,
            synced: false,
            asked: 0,
            updates: 0,
            longest: 0,
            compressed: 0,
            awareness_frames: 0,
            sent: 0,
            saved: 0,
            unanswered: 0,
            denied: None,
            channel: VecDeque::new(),
            beats: (0, 0),
            session: None,
            resumed: false,
            roster: BTreeMap::new(),
            lock: None,
            ended: None,
            frames: VecDeque::new(),
            faults: Vec::new(),
            manners: join.manners,
            reads_compressed: matches!(
                &join.hello,
                Some(ClientMessage::Hello { encodings, .. }) if !encodings.is_empty()
            ),
            answering: join.beats,
            idle_ms: 0,
        }
    }

    /// The text that stories edit.
    ///
    /// # Panics
    /// When the document is broken.
    #[must_use]
    pub fn text(&self) -> String {
        let read = self.memory.document.read(|txn| {
            txn.get_text(TEXT)
                .map_or_else(String::new, |text| text.get_string(txn))
        });
        read.expect("a sound server breaks no document")
    }

    /// The peer of this name in the roster.
    #[must_use]
    pub fn peer(&self, name: &str) -> Option<&PeerView> {
        self.roster.values().find(|peer| peer.user.name == name)
    }

    /// The fence of the newest lock that this client holds, as far as it was told.
    #[must_use]
    pub fn fence(&self) -> Option<FencingToken> {
        self.memory.fences.last().copied()
    }

    /// The state of the oldest lock; nothing before the first view.
    #[must_use]
    pub fn lock_state(&self) -> Option<LockState> {
        let oldest = self.lock.as_ref()?.grants.first();
        Some(oldest.map_or(LockState::Free, |grant| LockState::Is(grant.state)))
    }

    /// Who has the oldest lock, or is offered it.
    #[must_use]
    pub fn holder(&self) -> Option<u64> {
        let oldest = self.lock.as_ref()?.grants.first();
        oldest.map(|grant| grant.session)
    }

    /// The fence of the oldest lock.
    #[must_use]
    pub fn fence_shown(&self) -> Option<FencingToken> {
        let oldest = self.lock.as_ref()?.grants.first();
        oldest.map(|grant| grant.fence)
    }

    /// Who waits, as far as the view names them.
    #[must_use]
    pub fn queue(&self) -> Vec<u64> {
        let waiting = self.lock.iter().flat_map(|lock| &lock.queue);
        waiting.map(|waiter| waiter.session).collect()
    }

    /// What a client says when the connection has opened.
    pub(crate) fn opening(&mut self) -> Vec<Bytes> {
        if self.manners == Manners::Raw {
            return Vec::new();
        }
        let mut frames = vec![y_websocket::step1(&self.memory.document.state().vector())];
        frames.extend(self.own_awareness());
        frames
    }

    /// Says another awareness state, or (with `None`) goes.
    pub(crate) fn say(&mut self, state: Option<String>) -> Bytes {
        self.awareness = state;
        self.memory.clock += 1;
        let own = (
            self.memory.client.get(),
            self.memory.clock,
            self.awareness.clone(),
        );
        encode_awareness(&[own])
    }

    fn own_awareness(&self) -> Option<Bytes> {
        let state = self.awareness.clone()?;
        let own = (self.memory.client.get(), self.memory.clock, Some(state));
        Some(encode_awareness(&[own]))
    }

    /// A frame came. Returns the answers.
    pub(crate) fn take(&mut self, frame: &Bytes) -> Vec<Bytes> {
        if self.manners == Manners::Raw {
            self.frames.push_back(frame.clone());
        }
        match y_websocket::decode(frame) {
            Ok(Message::Step1(vector)) => self.step1(vector),
            Ok(Message::Step2(update)) => {
                self.apply(update);
                self.synced = true;
                Vec::new()
            }
            Ok(Message::Update(update)) => {
                self.updates += 1;
                self.longest = self.longest.max(update.len());
                // Before the first Step2 it is a piece of a large answer: it fits as any other.
                self.apply(update);
                Vec::new()
            }
            Ok(Message::CompressedStep2(payload)) => {
                self.synced = self.inflate(payload);
                Vec::new()
            }
            Ok(Message::CompressedUpdate(payload)) => {
                self.inflate(payload);
                Vec::new()
            }
            Ok(Message::Awareness(payload)) => self.aware(payload),
            Ok(Message::AuthDenied(reason)) => {
                self.denied = Some(reason.to_owned());
                Vec::new()
            }
            Ok(Message::Baton(payload)) => self.channel(payload),
            Ok(Message::QueryAwareness | Message::Barrier(_) | Message::Unknown(_)) | Err(_) => {
                self.fault(format!("a frame that no server sends: {frame:?}"));
                Vec::new()
            }
        }
    }

    fn step1(&mut self, vector: &[u8]) -> Vec<Bytes> {
        self.asked += 1;
        let since = match StateVector::decode(vector) {
            Ok(since) => since,
            Err(error) => {
                self.fault(format!("a Step1 that cannot be read: {error}"));
                return Vec::new();
            }
        };
        if self.manners == Manners::Raw {
            return Vec::new();
        }
        let lacking = self.memory.document.diff(&since);
        let lacking = lacking.expect("a sound server breaks no document");
        self.sent += 1;
        vec![y_websocket::step2(&lacking)]
    }

    fn apply(&mut self, update: &[u8]) {
        match self.memory.document.apply(update) {
            Ok(ApplyOutcome::Added | ApplyOutcome::Known) => {}
            // Its copy lacks what the story sent in its name.
            Err(ApplyError::NotAdmitted(Judgement::Gap { .. })) if self.manners == Manners::Raw => {
            }
            Err(error) => self.fault(format!("an update that leaves a gap, or worse: {error}")),
        }
    }

    /// Applies what a compressed update stands for. Returns false if it could not.
    fn inflate(&mut self, payload: &[u8]) -> bool {
        if !self.reads_compressed && self.manners != Manners::Raw {
            self.fault("a compressed update that nobody asked for".to_owned());
            return false;
        }
        self.compressed += 1;
        match decompress(payload, 64 << 20) {
            Ok(update) => {
                self.apply(&update);
                true
            }
            Err(error) => {
                self.fault(error.to_string());
                false
            }
        }
    }

    fn aware(&mut self, payload: &[u8]) -> Vec<Bytes> {
        self.awareness_frames += 1;
        let entries = match decode_awareness(payload) {
            Ok(entries) => entries,
            Err(error) => {
                self.fault(format!("awareness that cannot be read: {error}"));
                return Vec::new();
            }
        };
        let changed: Vec<_> = entries
            .into_iter()
            .filter_map(|entry| self.aware_of(entry))
            .collect();
        if changed.is_empty() || self.manners == Manners::Raw {
            return Vec::new();
        }
        vec![encode_awareness(&changed)]
    }

    /// The rule of y-protocols: newer, or a removal of what is known; nobody removes one's own state. Returns what
    /// the provider then says to all.
    fn aware_of(&mut self, (client, clock, state): Entry) -> Option<Entry> {
        if client == self.memory.client.get() {
            let known = self.memory.clock;
            let news = clock > known || (clock == known && state.is_none());
            if !news || self.awareness.is_none() {
                return None;
            }
            // A stated one is taken over; in answer to a removal the clock goes one further.
            self.memory.clock = clock + u64::from(state.is_none());
            return Some((client, self.memory.clock, self.awareness.clone()));
        }
        let known = self.memory.others.get(&client);
        let news = known.is_none_or(|known| {
            clock > known.clock
                || (clock == known.clock && state.is_none() && known.state.is_some())
        });
        if !news || (known.is_none() && state.is_none()) {
            return None;
        }
        let seen = Seen {
            clock,
            state: state.clone(),
        };
        self.memory.others.insert(client, seen);
        Some((client, clock, state))
    }

    fn channel(&mut self, payload: &str) -> Vec<Bytes> {
        let message = match ServerMessage::decode(payload) {
            Ok(message) => message,
            Err(error) => {
                self.fault(format!("a channel message that cannot be read: {error}"));
                return Vec::new();
            }
        };
        let mut answers = Vec::new();
        match &message {
            ServerMessage::Beat { n, confirmed } => {
                self.beats = (self.beats.0 + 1, *confirmed);
                if self.answering == Beats::Answered {
                    let answer = ClientMessage::Answer {
                        n: *n,
                        visible: true,
                        idle_ms: self.idle_ms,
                    };
                    answers.push(y_websocket::baton(&answer.encode()));
                }
                return answers;
            }
            ServerMessage::Welcome { .. } => self.welcome(&message),
            ServerMessage::Peer { peer } => {
                self.roster.insert(peer.session, peer.clone());
            }
            ServerMessage::Lock { lock } => self.see_lock(lock),
            ServerMessage::Granted { fence, .. } => {
                self.memory.fences.retain(|known| known != fence);
                self.memory.fences.push(*fence);
            }
            ServerMessage::Lost { fence, .. } => {
                self.memory.fences.retain(|known| known != fence);
            }
            ServerMessage::Saved { updates } => {
                if *updates <= self.saved || *updates > self.sent {
                    let (saved, sent) = (self.saved, self.sent);
                    self.fault(format!("saved {updates}, after {saved}, of {sent} sent"));
                }
                self.saved = *updates;
            }
            _ => {}
        }
        self.channel.push_back(message);
        answers
    }

    fn welcome(&mut self, message: &ServerMessage) {
        let ServerMessage::Welcome {
            session,
            token,
            resumed,
            epoch,
            roster,
            lock,
            ..
        } = message
        else {
            return;
        };
        self.session = Some(*session);
        self.resumed = *resumed;
        self.memory.resume = Some(Resume {
            session: *session,
            token: token.clone(),
        });
        self.memory.epoch = Some(*epoch);
        if !resumed {
            self.memory.fences.clear();
        }
        let peers = roster.iter().map(|peer| (peer.session, peer.clone()));
        self.roster = peers.collect();
        self.lock = Some(lock.clone());
    }

    fn see_lock(&mut self, lock: &LockView) {
        if self.session.is_none() {
            self.fault("the lock was shown before the welcome".to_owned());
        }
        if self
            .lock
            .as_ref()
            .is_none_or(|old| old.version <= lock.version)
        {
            self.lock = Some(lock.clone());
        }
    }

    pub(crate) fn set_idle_ms(&mut self, idle_ms: u64) {
        self.idle_ms = idle_ms;
    }

    pub(crate) fn set_beats(&mut self, beats: Beats) {
        self.answering = beats;
    }

    pub(crate) fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }
}

/// Client id, clock, state.
pub(crate) type Entry = (u64, u64, Option<String>);

fn decode_awareness(payload: &[u8]) -> Result<Vec<Entry>, DecodeError> {
    let mut reader = Reader::new(payload);
    let count = reader.count(3)?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let (client, clock) = (reader.var_uint()?, reader.var_uint()?);
        let state = reader.var_string()?;
        entries.push((client, clock, (state != "null").then(|| state.to_owned())));
    }
    reader.finish()?;
    Ok(entries)
}

fn encode_awareness(entries: &[Entry]) -> Bytes {
    y_websocket::awareness(&awareness_payload(entries))
}

/// An awareness payload of these entries, for any wire.
pub(crate) fn awareness_payload(entries: &[Entry]) -> Vec<u8> {
    let mut payload = Vec::new();
    write_var_uint(&mut payload, entries.len() as u64);
    for (client, clock, state) in entries {
        write_var_uint(&mut payload, *client);
        write_var_uint(&mut payload, *clock);
        write_var_string(&mut payload, state.as_deref().unwrap_or("null"));
    }
    payload
}
