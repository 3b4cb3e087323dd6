//! The session of a hosted document: one task that brings edits in, and takes what the room sends.
//!
//! Owns the session and its send queue. The queue drops updates when this task cannot keep up, as
//! it does for every client; the program then hears of one change for all of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use baton_room::Departure;
use baton_sync::StateVector;
use baton_sync::control_channel::{
    ClientMessage, LockView, PeerStatus, PeerView, ServerMessage, User, VERSION,
};
use baton_sync::y_websocket::{self, Message};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::error::{HostedDocumentEnded, HostedEditError};
use super::event::HostedEvent;
use crate::connection::close_codes;
use crate::connection::outbox::WriterEvent;
use crate::connection::send_queue::{Item, Taken};
use crate::connection::session::{ConnectionOver, Session};
use crate::connection::socket_writer::SocketWriter;

/// The update of a copy without content.
const NOTHING: &[u8] = &[0, 0];

/// An edit on its way in, and where its fate is told.
pub(super) struct HostedEdit {
    pub(super) update: Bytes,
    /// Told once the edit is refused, or durable in the order of the session.
    pub(super) done: oneshot::Sender<Result<(), HostedEditError>>,
}

/// The room as it was last told.
#[derive(Debug, Default)]
pub(super) struct Views {
    pub(super) locks: Option<LockView>,
    pub(super) people: BTreeMap<u64, PeerView>,
    pub(super) session: Option<u64>,
    pub(super) ended: Option<HostedDocumentEnded>,
}

/// See the module.
pub(super) struct SessionTask {
    pub(super) session: Session,
    pub(super) writer: Arc<SocketWriter>,
    pub(super) edits: mpsc::Receiver<HostedEdit>,
    pub(super) events: broadcast::Sender<HostedEvent>,
    pub(super) views: Arc<Mutex<Views>>,
    /// Told once the session is welcome.
    pub(super) welcome: Option<oneshot::Sender<()>>,
    /// Edits that are not known to be durable, by the number of the barrier behind each.
    pub(super) undecided: VecDeque<(u64, oneshot::Sender<Result<(), HostedEditError>>)>,
    pub(super) barriers: u64,
}

impl SessionTask {
    /// Runs until the session ends, or the program has no handle of it any more.
    pub(super) async fn run(mut self) {
        let ended = match self.serve().await {
            Ok(()) => {
                self.session.leaves(Departure::Done);
                return;
            }
            Err(ConnectionOver) => self.ending(),
        };
        let HostedDocumentEnded { code, reason } = ended.clone();
        self.views.lock().ended = Some(ended.clone());
        // There may be no receiver.
        let _nobody_listens = self.events.send(HostedEvent::Ended { code, reason });
        for (_, done) in self.undecided {
            let _nobody_waits = done.send(Err(ended.clone().into()));
        }
    }

    async fn serve(&mut self) -> Result<(), ConnectionOver> {
        let hello = ClientMessage::Hello {
            version: VERSION,
            resume: None,
            epoch: None,
            fences: Vec::new(),
            locks: None,
            user: User::default(),
            user_key: None,
            client: None,
            observer: true,
            encodings: Vec::new(),
        };
        self.say(&hello).await?;
        let everything = y_websocket::step1(&StateVector::default());
        self.session.frame(&everything).await?;
        loop {
            while self.take_all().await? {}
            self.session.flush();
            tokio::select! {
                biased;
                () = self.writer.woken() => {}
                news = self.writer.outbox().news() => match news {
                    WriterEvent::Alive => self.session.heard().await,
                    WriterEvent::Behind => self.session.catch_up().await,
                },
                edit = self.edits.recv() => match edit {
                    Some(edit) => self.bring_in(edit).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    async fn say(&mut self, message: &ClientMessage) -> Result<(), ConnectionOver> {
        let frame = y_websocket::baton(&message.encode());
        self.session.frame(&frame).await
    }

    async fn bring_in(&mut self, edit: HostedEdit) -> Result<(), ConnectionOver> {
        let HostedEdit { update, done } = edit;
        match self.session.edit(update).await {
            Ok(true) => {}
            Ok(false) => {
                let _nobody_waits = done.send(Err(HostedEditError::Refused));
                return Ok(());
            }
            Err(over) => {
                let _nobody_waits = done.send(Err(self.ending().into()));
                return Err(over);
            }
        }
        self.barriers += 1;
        self.undecided.push_back((self.barriers, done));
        let barrier = y_websocket::barrier(&self.barriers.to_be_bytes());
        self.session.frame(&barrier).await
    }

    /// Takes what waits in the queue. Returns true if there may be more.
    async fn take_all(&mut self) -> Result<bool, ConnectionOver> {
        let mut items = VecDeque::new();
        let (taken, _) = self.writer.outbox().take(&mut items);
        for item in items {
            match item {
                Item::Frame(frame, _) => self.message(&frame.message()).await?,
                Item::Ping => self.session.heard().await,
                Item::Probe(mark) => self.session.pong(&mark.to_be_bytes()).await,
                Item::Raw(_) | Item::Replaced | Item::CatchUp => {}
            }
        }
        match taken {
            Taken::Some => Ok(true),
            Taken::Nothing | Taken::Behind => Ok(false),
            Taken::Last(_) => Err(ConnectionOver),
        }
    }

    async fn message(&mut self, frame: &[u8]) -> Result<(), ConnectionOver> {
        match y_websocket::decode(frame) {
            Ok(Message::Step1(_)) => {
                // All that the program writes goes in by itself.
                self.session.frame(&y_websocket::step2(NOTHING)).await
            }
            Ok(Message::Update(_)) => {
                self.tell(HostedEvent::Changed);
                Ok(())
            }
            Ok(Message::Barrier(number)) => {
                self.durable(number);
                Ok(())
            }
            Ok(Message::Baton(payload)) => match ServerMessage::decode(payload) {
                Ok(message) => self.news(message).await,
                Err(_) => Ok(()),
            },
            // Awareness, and what is of no use here.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn durable(&mut self, number: &[u8]) {
        let Ok(number) = number.try_into().map(u64::from_be_bytes) else {
            return;
        };
        while let Some((_, done)) = self.undecided.pop_front_if(|(own, _)| *own <= number) {
            let _nobody_waits = done.send(Ok(()));
        }
    }

    async fn news(&mut self, message: ServerMessage) -> Result<(), ConnectionOver> {
        match message {
            ServerMessage::Welcome {
                session,
                roster,
                lock,
                ..
            } => {
                let people = roster.into_iter().map(|peer| (peer.session, peer));
                let mut views = self.views.lock();
                views.people = people.collect();
                views.locks = Some(lock);
                views.session = Some(session);
                drop(views);
                if let Some(welcome) = self.welcome.take() {
                    let _nobody_waits = welcome.send(());
                }
            }
            ServerMessage::Beat { n, .. } => {
                let answer = ClientMessage::Answer {
                    n,
                    visible: true,
                    idle_ms: 0,
                };
                self.say(&answer).await?;
            }
            ServerMessage::Peer { peer } => {
                let mut views = self.views.lock();
                if peer.state == PeerStatus::Gone {
                    views.people.remove(&peer.session);
                } else {
                    views.people.insert(peer.session, peer.clone());
                }
                drop(views);
                self.tell(HostedEvent::Peer(peer));
            }
            ServerMessage::Lock { lock } => {
                self.views.lock().locks = Some(lock.clone());
                self.tell(HostedEvent::Locks(lock));
            }
            _ => {}
        }
        Ok(())
    }

    fn tell(&self, event: HostedEvent) {
        // There may be no receiver.
        let _nobody_listens = self.events.send(event);
    }

    fn ending(&self) -> HostedDocumentEnded {
        let ending = self.writer.outbox().ending();
        let (code, reason) = ending.unwrap_or_else(|| {
            let reason = "the document was closed".to_owned();
            (close_codes::UNAVAILABLE, reason)
        });
        HostedDocumentEnded { code, reason }
    }
}
