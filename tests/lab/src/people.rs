//! The clients: each edits, wants the lock, loses it, leaves and comes back, as its plan says.
//!
//! Owns one client's copies, one after the other, and takes down what it sees. Knows no other client; judges nothing.

use std::sync::Arc;
use std::time::Duration;

use baton_client::{
    Client, ClientOptions, ConnectError, Divergence, ErrorCode, Event, Outcome, User,
};
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::content::{self, Place};
use crate::plan::{Act, Acts, Manners};
use crate::proxy::Door;
use crate::record::{Recorder, What};

/// Events that may wait for a client that is busy; past it the history would have holes.
const EVENTS: usize = 16 * 1024;

/// Where a client's present copy can be looked at.
pub(crate) type Window = Arc<Mutex<Option<Arc<Client>>>>;

/// Whether the server speaks Baton's channel, or only y-websocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Baton,
    Plain,
}

/// What a client is told of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Acting,
    /// No more edits; give back what is held, and come back.
    Settling,
    Over,
}

/// Who takes part, before it does.
pub(crate) struct Person {
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) document: String,
    pub(crate) path: String,
    pub(crate) wire: Wire,
    pub(crate) door: Arc<Door>,
    pub(crate) acts: Acts,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) window: Window,
}

/// One copy of the document, and who looks after it.
struct Copy {
    number: u32,
    client: Arc<Client>,
    events: broadcast::Receiver<Event>,
    pending: Arc<Mutex<Vec<u64>>>,
    edited: Arc<Notify>,
    /// Ends with the copy.
    helpers: JoinSet<()>,
    here: bool,
    holds: bool,
}

/// A client at work.
struct Actor {
    person: Person,
    copy: Copy,
    edits: u64,
    own: Vec<(Place, String)>,
}

impl Person {
    /// Comes, acts until it is told to settle, and stays until all is over.
    pub(crate) async fn live(self, mut phase: watch::Receiver<Phase>) -> Result<(), ConnectError> {
        let copy = self.opens(0)?;
        let mut actor = Actor {
            person: self,
            copy,
            edits: 0,
            own: Vec::new(),
        };
        let mut next = Instant::now() + actor.person.acts.pause();
        loop {
            let acting = *phase.borrow() == Phase::Acting;
            tokio::select! {
                event = actor.copy.events.recv() => match event {
                    Ok(event) => actor.sees(event)?,
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => actor.opens_afresh()?,
                },
                () = sleep_until(next), if acting => {
                    actor.acts();
                    next = Instant::now() + actor.person.acts.pause();
                }
                changed = phase.changed() => {
                    let now = *phase.borrow_and_update();
                    if changed.is_err() || now == Phase::Over {
                        return Ok(());
                    }
                    actor.settles();
                }
            }
        }
    }

    fn opens(&self, number: u32) -> Result<Copy, ConnectError> {
        let url = format!("ws://{}{}", self.door.address(), self.path);
        let mut options = ClientOptions::new(url, self.document.clone());
        options.user = User {
            name: self.name.clone(),
            color: String::new(),
        };
        options.event_capacity = EVENTS;
        // Each copy is a client of its own here, so that what it saw is told apart.
        options.divergence = Divergence::Stop;
        if self.wire == Wire::Plain {
            // Such a server never welcomes, and may be silent for long.
            options.silent_after = Duration::from_secs(3600);
        }
        let client = Arc::new(Client::connect(options)?);
        let mut copy = Copy {
            number,
            events: client.events(),
            pending: Arc::default(),
            edited: Arc::default(),
            helpers: JoinSet::new(),
            here: true,
            holds: false,
            client,
        };
        if self.wire == Wire::Baton {
            copy.helpers.spawn(watch_saves(
                Arc::clone(&copy.client),
                Arc::clone(&copy.pending),
                Arc::clone(&copy.edited),
                Arc::clone(&self.recorder),
                (self.index, number),
            ));
        }
        *self.window.lock() = Some(Arc::clone(&copy.client));
        Ok(copy)
    }
}

/// Takes down what becomes durable.
async fn watch_saves(
    client: Arc<Client>,
    pending: Arc<Mutex<Vec<u64>>>,
    edited: Arc<Notify>,
    recorder: Arc<Recorder>,
    (who, copy): (usize, u32),
) {
    loop {
        edited.notified().await;
        let edits = std::mem::take(&mut *pending.lock());
        // All of these were made before; it may wait for later ones, too, and then claims too little.
        if client.saved().await.is_err() {
            return;
        }
        recorder.note(Some(who), copy, What::Saved { edits });
    }
}

impl Actor {
    fn notes(&self, what: What) {
        let who = Some(self.person.index);
        self.person.recorder.note(who, self.copy.number, what);
    }

    // ---- what it does ----

    fn acts(&mut self) {
        let act = self.person.acts.next();
        // A frozen process does nothing; what it would have done is not made up for.
        if self.person.door.is_frozen() {
            return;
        }
        match act {
            Act::Insert { place, at, manners } => self.inserts(place, at, manners),
            Act::Delete { pick } => self.deletes(pick),
            Act::Touch => {
                let id = format!("{}:{}", self.person.name, self.edits);
                self.edits(Manners::Asks, What::Touch { edit: self.edits }, |txn| {
                    content::touch(txn, &id);
                    true
                });
            }
            Act::Acquire => {
                if self.person.wire == Wire::Baton {
                    self.notes(What::Asked);
                    drop(self.copy.client.acquire());
                }
            }
            Act::Cancel => drop(self.copy.client.cancel()),
            // Away on purpose: sooner back than gone, and what it held meanwhile may be lost rather than given back.
            Act::Release if !self.copy.here => self.returns(),
            Act::Release => self.releases(),
            Act::LeaveOrReturn => {
                if self.copy.here {
                    self.notes(What::Left);
                    self.copy.client.disconnect();
                    self.copy.here = false;
                } else {
                    self.returns();
                }
            }
        }
    }

    fn inserts(&mut self, place: Place, at: f64, manners: Manners) {
        let id = format!("{}:{}", self.person.name, self.edits);
        let what = What::Insert {
            edit: self.edits,
            element: id.clone(),
            place,
            regardless: manners == Manners::Stubborn,
        };
        let done = self.edits(manners, what, |txn| {
            content::insert(txn, place, &id, at);
            true
        });
        if done {
            self.own.push((place, id));
        }
    }

    fn deletes(&mut self, pick: f64) {
        if self.own.is_empty() {
            return;
        }
        let index = (pick * self.own.len() as f64) as usize;
        let (place, element) = self.own[index].clone();
        let what = What::Delete {
            edit: self.edits,
            element: element.clone(),
        };
        let done = self.edits(Manners::Asks, what, |txn| {
            content::delete(txn, place, &element)
        });
        if done {
            self.own.swap_remove(index);
        }
    }

    /// Makes an edit, and takes it down if it changed anything.
    fn edits(
        &mut self,
        manners: Manners,
        what: What,
        edit: impl FnOnce(&mut baton_client::yrs::TransactionMut<'_>) -> bool,
    ) -> bool {
        let client = &self.copy.client;
        let regardless = manners == Manners::Stubborn || self.person.wire == Wire::Plain;
        let made = if regardless && !matches!(client.right(), baton_client::EditRight::Diverged) {
            client.edit_regardless(edit)
        } else {
            client.edit(edit)
        };
        if !matches!(made, Ok(true)) {
            return false;
        }
        self.notes(what);
        self.copy.pending.lock().push(self.edits);
        self.copy.edited.notify_one();
        self.edits += 1;
        true
    }

    fn releases(&mut self) {
        let Some(fence) = self.copy.client.grant() else {
            return;
        };
        self.notes(What::Releasing { fence });
        let answer = self.copy.client.release();
        let recorder = Arc::clone(&self.person.recorder);
        let (who, copy) = (Some(self.person.index), self.copy.number);
        self.copy.helpers.spawn(async move {
            if answer.await == Ok(Outcome::Done) {
                recorder.note(who, copy, What::Released { fence });
            }
        });
    }

    fn returns(&mut self) {
        if !self.copy.here {
            self.notes(What::Returned);
            self.copy.client.reconnect();
            self.copy.here = true;
        }
    }

    fn settles(&mut self) {
        self.returns();
        drop(self.copy.client.cancel());
        self.releases();
    }

    // ---- what it sees ----

    fn sees(&mut self, event: Event) -> Result<(), ConnectError> {
        match event {
            Event::Welcome { session, resumed } => self.notes(What::Welcome { session, resumed }),
            Event::Closed {
                code,
                reason,
                comeback,
            } => {
                self.notes(What::Closed { code, reason });
                if comeback == baton_client::Comeback::Never {
                    self.notes(What::Refused {
                        reason: "the server turned this copy away for good".to_owned(),
                    });
                    return self.opens_afresh();
                }
            }
            Event::Offer { fence, .. } => self.notes(What::Offered { fence }),
            Event::OfferEnded { fence, .. } => self.notes(What::OfferEnded { fence }),
            Event::Granted { fence, kept, .. } => self.notes(What::Granted { fence, kept }),
            Event::Lost { fence, reason, .. } => self.notes(What::Lost { fence, reason }),
            Event::MayEdit(right) => self.may_edit(right == baton_client::EditRight::Holder),
            Event::Lock(view) => {
                // All want the whole document: there is one grant at most.
                let grant = view.grants.first();
                self.notes(What::View {
                    version: view.version,
                    state: grant.map(|grant| grant.state),
                    session: grant.map(|grant| grant.session),
                    fence: grant.map(|grant| grant.fence),
                });
            }
            Event::Parked { id, reason } => {
                self.notes(What::Parked { id, reason });
                return self.opens_afresh();
            }
            Event::Error {
                code: ErrorCode::ParkFull,
                message,
                ..
            } => {
                self.notes(What::Refused { reason: message });
                return self.opens_afresh();
            }
            _ => {}
        }
        Ok(())
    }

    fn may_edit(&mut self, holds: bool) {
        if holds != self.copy.holds {
            self.copy.holds = holds;
            self.notes(What::Holder { holds });
        }
    }

    /// Gives up a copy that can go no further, as a person would who keeps the old one as a draft.
    fn opens_afresh(&mut self) -> Result<(), ConnectError> {
        self.may_edit(false);
        self.notes(What::Afresh);
        let next = self.person.opens(self.copy.number + 1)?;
        let old = std::mem::replace(&mut self.copy, next);
        let client = old.client;
        // It leaves in order, beside what goes on.
        self.copy.helpers.spawn(async move { client.close().await });
        Ok(())
    }
}
