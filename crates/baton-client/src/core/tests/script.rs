//! The scripted server: a test speaks in the server's place, and reads the client's messages, on
//! virtual time.

use std::time::Duration;

use baton_sync::control_channel::{
    ClientMessage, FencingToken, GrantStatus, GrantView, LockView, Right, ServerMessage, TimingsMs,
    Waiter,
};
use baton_sync::yrs::{GetString, ReadTxn, Text, WriteTxn};
use baton_sync::{ClientId, Document, DocumentOptions, StateVector, y_websocket};
use bytes::Bytes;

use crate::close_cause::CloseCause;
use crate::core::ClientCore;
use crate::core::connection::ConnectionPhase;
use crate::core::operation::{Answer, Asked, Guard, Operation};
use crate::core::outputs::SocketWrite;
use crate::dual_clock::Moment;
use crate::events::ClientEvent;
use crate::options::ClientOptions;
use crate::scope::LockScope;

/// A message that the client sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sent {
    Step1(StateVector),
    Step2(Bytes),
    Update(Bytes),
    Awareness(Bytes),
    Says(ClientMessage),
    Close(u16),
}

pub(super) struct Script {
    pub(super) core: ClientCore,
    pub(super) now: Moment,
    /// The server's copy of the document.
    pub(super) document: Document,
    pub(super) events: Vec<ClientEvent>,
    pub(super) answers: Vec<(u64, Answer)>,
}

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) const fn fence(position: u64) -> FencingToken {
    FencingToken { epoch: 1, position }
}

/// One grant of the whole document, whose fence is the view's version.
pub(super) fn view(version: u64, state: GrantStatus, session: u64) -> LockView {
    shows(version, &[(version, "", state, session)])
}

pub(super) fn free(version: u64) -> LockView {
    shows(version, &[])
}

/// Grants: fence, scope, state, session.
pub(super) fn shows(version: u64, grants: &[(u64, &str, GrantStatus, u64)]) -> LockView {
    let grants = grants
        .iter()
        .map(|(position, of, state, session)| GrantView {
            paths: scope(of).to_wire(),
            state: *state,
            session: *session,
            fence: fence(*position),
            requested_by: None,
            to: None,
            reason: None,
        });
    LockView {
        version,
        grants: grants.collect(),
        ..LockView::default()
    }
}

pub(super) fn waits(session: u64, of: &str) -> Waiter {
    Waiter {
        session,
        paths: scope(of).to_wire(),
    }
}

/// Parses a scope like `title,rows/7`; an empty string is the whole document.
pub(super) fn scope(written: &str) -> LockScope {
    if written.is_empty() {
        return LockScope::whole();
    }
    LockScope::of(written.split(',').map(|path| path.split('/'))).unwrap()
}

impl Script {
    pub(super) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(super) fn with(change: impl FnOnce(&mut ClientOptions)) -> Self {
        let mut options = ClientOptions::new("ws://server/ws", "d");
        change(&mut options);
        let now = Moment {
            monotonic: Duration::from_secs(100),
            wall: Duration::from_secs(1_800_000_000),
        };
        let of = DocumentOptions::new(ClientId::from(9));
        Self {
            core: ClientCore::new(options, ClientId::from(1), 42, now).unwrap(),
            now,
            document: Document::new(&of),
            events: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Takes a step, and keeps its events and answers.
    pub(super) fn act<R>(&mut self, step: impl FnOnce(&mut ClientCore, Moment) -> R) -> R {
        let result = step(&mut self.core, self.now);
        let output = self.core.take_output(self.now);
        self.events.extend(output.events);
        self.answers.extend(output.answers);
        result
    }

    /// Lets time pass, and calls each timeout when it is due.
    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now.monotonic + span;
        loop {
            let due = self.core.next_timeout(self.now);
            let step = due.unwrap_or(span).min(end - self.now.monotonic);
            self.now.monotonic += step;
            self.now.wall += step;
            self.act(|core, now| core.timeout(now));
            // As the real task does, which stops here to connect.
            if self.now.monotonic == end {
                return;
            }
            assert!(
                !step.is_zero() || self.core.next_timeout(self.now) != Some(Duration::ZERO),
                "a timeout that changes nothing: {:?}",
                self.core.phase()
            );
        }
    }

    /// Returns the messages that the client has sent since the last time.
    pub(super) fn sent(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        loop {
            let batch = self.core.outgoing(usize::MAX);
            if batch.is_empty() {
                return sent;
            }
            sent.extend(batch.into_iter().map(read));
        }
    }

    /// Connects; returns the first messages of the client.
    pub(super) fn opens(&mut self) -> Vec<Sent> {
        if self.core.phase() == ConnectionPhase::Idle {
            self.act(|core, now| core.connect(now));
        }
        while self.core.phase() == ConnectionPhase::Waiting {
            let due = self.core.next_timeout(self.now).unwrap();
            self.pass(due);
        }
        assert_eq!(self.core.phase(), ConnectionPhase::Connecting);
        self.act(|core, now| core.opened(now));
        self.sent()
    }

    /// Connects, welcomes and syncs as session 5, with these locks. Returns the messages of the
    /// client after its first ones.
    pub(super) fn joins(&mut self, resumed: bool, lock: LockView) -> Vec<Sent> {
        let opening = self.opens();
        let vector = opening.iter().find_map(|sent| match sent {
            Sent::Step1(vector) => Some(vector.clone()),
            _ => None,
        });
        self.asks();
        self.welcomes(5, resumed, lock);
        let lacking = self.document.diff(&vector.unwrap()).unwrap();
        self.frame(&y_websocket::step2(&lacking));
        self.sent()
    }

    pub(super) fn welcomes(&mut self, session: u64, resumed: bool, lock: LockView) {
        let token = format!("token at {:?}", self.now.monotonic);
        self.says(&ServerMessage::Welcome {
            version: 1,
            session,
            token,
            resumed,
            epoch: 1,
            timings: TimingsMs {
                beat_every: 2000,
                server_silent_after: 10_000,
                offline_after: 10_000,
                offer: 2000,
                grace: 5000,
                client_stop: 7000,
                drain: 3000,
                request: 30_000,
                idle_yield: 90_000,
            },
            roster: Vec::new(),
            rights: vec![Right::Write, Right::Lock, Right::TakeOver, Right::Manage],
            lock,
            parks: Vec::new(),
            encoding: None,
        });
    }

    /// Sends the server's Step1.
    pub(super) fn asks(&mut self) {
        let step1 = y_websocket::step1(&self.document.state().vector());
        self.frame(&step1);
    }

    pub(super) fn says(&mut self, message: &ServerMessage) {
        self.frame(&y_websocket::baton(&message.encode()));
    }

    pub(super) fn beat(&mut self, n: u64, confirmed: u64) {
        self.says(&ServerMessage::Beat { n, confirmed });
    }

    pub(super) fn frame(&mut self, frame: &[u8]) {
        self.act(|core, now| core.frame(now, frame));
    }

    pub(super) fn loses_connection(&mut self, code: Option<u16>) {
        let reason = "gone".to_owned();
        self.is_cut_off(match code {
            Some(code) => CloseCause::Closed { code, reason },
            None => CloseCause::Network(reason),
        });
    }

    pub(super) fn is_cut_off(&mut self, cause: CloseCause) {
        self.act(|core, now| core.lost(now, cause));
    }

    /// Edits the client's copy.
    pub(super) fn writes(&mut self, text: &str) {
        self.act(|core, now| {
            core.edit(now, &Guard::Nothing, |txn| {
                txn.get_or_insert_text("t").push(txn, text);
            })
        })
        .unwrap();
    }

    /// Makes an edit of another client at the server. Returns the update.
    pub(super) fn other_writes(&mut self, text: &str) -> Bytes {
        let (_, update) = self
            .document
            .transact(|txn| txn.get_or_insert_text("t").insert(txn, 0, text))
            .unwrap();
        update.unwrap()
    }

    /// Applies the client's messages at the server. Returns the number of sync messages.
    pub(super) fn applies(&mut self, sent: &[Sent]) -> u64 {
        let mut count = 0;
        for sent in sent {
            if let Sent::Step2(update) | Sent::Update(update) = sent {
                self.document.apply(update).unwrap();
                count += 1;
            }
        }
        count
    }

    pub(super) fn asks_for(&mut self, operation: Operation) -> Asked {
        self.act(|core, _| core.request(operation))
    }

    pub(super) fn takes_events(&mut self) -> Vec<ClientEvent> {
        std::mem::take(&mut self.events)
    }
}

/// Offers and grants the lock under this fence.
pub(super) fn grants(script: &mut Script, position: u64) {
    script.says(&ServerMessage::Offer {
        fence: fence(position),
        paths: Vec::new(),
        expires_ms: 2000,
    });
    let claim = ClientMessage::Claim {
        fence: fence(position),
    };
    assert_eq!(script.sent(), [Sent::Says(claim)]);
    script.says(&ServerMessage::Granted {
        fence: fence(position),
        paths: Vec::new(),
    });
    script.says(&ServerMessage::Lock {
        lock: view(position, GrantStatus::Held, 5),
    });
}

pub(super) fn nonce(asked: Asked) -> u64 {
    match asked {
        Asked::Nonce(nonce) => nonce,
        Asked::Known(answer) => panic!("answered at once: {answer:?}"),
    }
}

/// The text of a copy.
pub(super) fn text(document: &Document) -> String {
    document
        .read(|txn| txn.get_text("t").map(|text| text.get_string(txn)))
        .unwrap()
        .unwrap_or_default()
}

fn read(outgoing: SocketWrite) -> Sent {
    use y_websocket::Message;
    let frame = match outgoing {
        SocketWrite::Close(code) => return Sent::Close(code),
        SocketWrite::Frame(frame) => frame,
    };
    match y_websocket::decode(&frame).unwrap() {
        Message::Step1(vector) => Sent::Step1(StateVector::decode(vector).unwrap()),
        Message::Step2(update) => Sent::Step2(Bytes::copy_from_slice(update)),
        Message::Update(update) => Sent::Update(Bytes::copy_from_slice(update)),
        Message::Awareness(payload) => Sent::Awareness(Bytes::copy_from_slice(payload)),
        Message::Baton(payload) => Sent::Says(ClientMessage::decode(payload).unwrap()),
        other => panic!("no client sends {other:?}"),
    }
}
