//! The clients: each edits, wants the lock, loses it, leaves and comes back, as its plan says.
//!
//! Owns one client's copies, one after the other, on a thread of its own, and takes down what it sees. Knows no other
//! client; judges nothing.

use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::content::{self, Place};
use crate::copy::{Copy, Seen, Setup};
use crate::error::LabError;
use crate::ice::Ice;
use crate::part::Part;
use crate::plan::{Act, Acts, Manners, Wish};
use crate::record::What;
use baton_client::FencingToken;
use baton_client::yrs::TransactionMut;

/// What a client is told of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// So many blackouts have been.
    Acting {
        blackouts: u32,
    },
    /// No more edits; give back what is held, and come back.
    Settling,
    Over,
}

/// How a client ended; nothing comes when it panicked.
pub(crate) type Ended = oneshot::Receiver<Result<(), LabError>>;

/// Who takes part, before it does.
pub(crate) struct Person {
    pub(crate) setup: Setup,
    pub(crate) acts: Acts,
    pub(crate) ice: Arc<Ice>,
    /// Told when it has ended with the power.
    pub(crate) dark: mpsc::Sender<()>,
}

/// A client at work.
struct Actor {
    person: Person,
    copy: Copy,
    edits: u64,
    own: Vec<(Place, String)>,
    here: bool,
    /// Under which it may edit as the holder, as was last taken down.
    holds: Vec<FencingToken>,
    /// What it held when the power went; its next session goes on there.
    left_behind: Vec<Part>,
}

impl Person {
    /// Comes, on a thread of its own, acts until it is told to settle, and stays until all is over.
    pub(crate) fn start(self, phase: watch::Receiver<Phase>) -> Result<Ended, LabError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (tell, ended) = oneshot::channel();
        let name = self.setup.name.clone();
        std::thread::Builder::new().name(name).spawn(move || {
            // Whoever does not wait any more has dropped the run.
            let _ = tell.send(runtime.block_on(self.live(phase)));
        })?;
        Ok(ended)
    }

    async fn live(self, mut phase: watch::Receiver<Phase>) -> Result<(), LabError> {
        let copy = Copy::open(&self.setup, 0)?;
        let mut actor = Actor {
            person: self,
            copy,
            edits: 0,
            own: Vec::new(),
            here: true,
            holds: Vec::new(),
            left_behind: Vec::new(),
        };
        let mut next = Instant::now() + actor.person.acts.pause();
        loop {
            let acting = matches!(*phase.borrow(), Phase::Acting { .. });
            let ice = Arc::clone(&actor.person.ice);
            tokio::select! {
                seen = actor.copy.next() => actor.sees(seen)?,
                () = sleep_until(next), if acting => {
                    actor.acts();
                    // What it would have done while it stood still is not made up for.
                    next = Instant::now() + actor.person.acts.pause();
                }
                () = ice.called() => actor.freezes(&ice),
                changed = phase.changed() => {
                    let now = *phase.borrow_and_update();
                    match now {
                        _ if changed.is_err() => return Ok(()),
                        Phase::Over => return Ok(()),
                        Phase::Settling => actor.settles(),
                        Phase::Acting { .. } => actor = actor.ends_with_the_power().await?,
                    }
                }
            }
        }
    }
}

impl Actor {
    fn notes(&self, what: What) {
        let setup = &self.person.setup;
        let who = Some(setup.who);
        setup.recorder.note(who, self.copy.number, what);
    }

    // ---- what it does ----

    fn acts(&mut self) {
        match self.person.acts.next() {
            Act::Insert { place, at, manners } => self.inserts(place, at, manners),
            Act::Delete { pick } => self.deletes(pick),
            Act::Touch => {
                let id = format!("{}:{}", self.person.setup.name, self.edits);
                let what = What::Touch { edit: self.edits };
                self.edits(Place::Map, Manners::Asks, what, |txn| {
                    content::touch(txn, &id);
                    true
                });
            }
            Act::Acquire { part, wish } => self.wants(part, wish),
            Act::Cancel => {
                if self.copy.locks() {
                    self.notes(What::Cancelled);
                    self.copy.cancels();
                }
            }
            Act::Decide { pick, opinion } => self.copy.decides(pick, opinion),
            // Away on purpose: sooner back than gone, and what it held meanwhile may be lost rather than given back.
            Act::Release { .. } if !self.here => self.returns(),
            Act::Release { pick, to } => self.copy.gives(pick, to),
            Act::LeaveOrReturn if self.here => {
                self.notes(What::Left);
                self.copy.leaves();
                self.here = false;
            }
            Act::LeaveOrReturn => self.returns(),
        }
    }

    fn wants(&mut self, part: Part, wish: Wish) {
        if !self.copy.locks() {
            return;
        }
        self.copy.wants(&part, wish);
        // A take-over that is refused leaves no wish behind.
        if wish != Wish::TakesOver {
            self.notes(What::Asked { part: part.clone() });
        }
        match wish {
            Wish::Waits => {}
            Wish::Requests => self.notes(What::Requesting { part }),
            Wish::TakesOver => self.notes(What::TakingOver { part }),
        }
    }

    fn inserts(&mut self, place: Place, at: f64, manners: Manners) {
        let id = format!("{}:{}", self.person.setup.name, self.edits);
        let what = What::Insert {
            edit: self.edits,
            element: id.clone(),
            place,
            regardless: manners == Manners::Stubborn,
        };
        let done = self.edits(place, manners, what, |txn| {
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
        let done = self.edits(place, Manners::Asks, what, |txn| {
            content::delete(txn, place, &element)
        });
        if done {
            self.own.swap_remove(index);
        }
    }

    /// Makes an edit, and takes it down if it changed anything.
    fn edits(
        &mut self,
        place: Place,
        manners: Manners,
        what: What,
        edit: impl FnOnce(&mut TransactionMut<'_>) -> bool,
    ) -> bool {
        let done = self
            .copy
            .edits(self.edits, place, manners, edit)
            .noted(what);
        self.edits += u64::from(done);
        done
    }

    fn returns(&mut self) {
        if !self.here {
            self.notes(What::Returned);
            self.copy.returns();
            self.here = true;
        }
    }

    fn settles(&mut self) {
        self.returns();
        self.copy.cancels();
        self.copy.gives_all();
    }

    // ---- what is done to it ----

    fn freezes(&mut self, ice: &Ice) {
        self.notes(What::Frozen);
        ice.stand_still();
        let holds = self.copy.holds();
        self.holds.clone_from(&holds);
        self.notes(What::Thawed { holds });
    }

    /// Ends without a word, and comes back as one that has kept nothing but its name.
    async fn ends_with_the_power(mut self) -> Result<Self, LabError> {
        self.may_edit(Vec::new());
        self.notes(What::Dark);
        self.left_behind = self.copy.parts();
        let number = self.copy.number + 1;
        self.copy.ends().await;
        // Nobody waits for it if the run was dropped.
        let _ = self.person.dark.send(()).await;
        self.copy = Copy::open(&self.person.setup, number)?;
        self.here = true;
        Ok(self)
    }

    // ---- what it sees ----

    fn sees(&mut self, seen: Seen) -> Result<(), LabError> {
        match seen {
            Seen::This(what) => {
                let known = what.clone();
                self.notes(what);
                self.reacts(&known);
            }
            Seen::Rights => self.may_edit(self.copy.holds()),
            Seen::TheEnd(last) => {
                for what in last {
                    self.notes(what);
                }
                return self.opens_afresh();
            }
            Seen::Nothing => {}
        }
        Ok(())
    }

    fn reacts(&mut self, seen: &What) {
        match seen {
            What::Requested { fence, .. } if self.person.acts.is_polite() => {
                self.copy.gives_up(*fence);
            }
            What::Welcome { .. } => {
                for part in std::mem::take(&mut self.left_behind) {
                    self.copy.moves_here(&part);
                    self.notes(What::MovingHere { part });
                }
            }
            What::Granted { .. } | What::Draining { .. } | What::Lost { .. } => {
                self.may_edit(self.copy.holds());
            }
            _ => {}
        }
    }

    fn may_edit(&mut self, holds: Vec<FencingToken>) {
        if holds != self.holds {
            self.holds.clone_from(&holds);
            self.notes(What::Holder { holds });
        }
    }

    /// Gives up a copy that can go no further, as a person would who keeps the old one as a draft.
    fn opens_afresh(&mut self) -> Result<(), LabError> {
        self.may_edit(Vec::new());
        self.notes(What::Afresh);
        let next = Copy::open(&self.person.setup, self.copy.number + 1)?;
        self.copy.makes_way_for(next);
        self.here = true;
        Ok(())
    }
}
