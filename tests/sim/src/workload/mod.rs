//! What people want: one thing at a time, drawn by weight. A new operation is one more file with its [`Wish`]es, named in
//! [`ALL`].
//!
//! Owns the drawing and the pauses between; each wish owns what it does.

mod coming;
mod edits;
mod handoff;
mod idle;
mod lock;
mod modes;
mod parks;

use baton_client::sans_io::Operation;
use baton_client::{FencingToken, GrantStatus, GrantView, LockScope, LockStatus};
use baton_presence::Time;

use crate::people::{App, Body, Kind, Patience};
use crate::region::{self, Region};
use crate::tab::Luggage;
use crate::world::{Action, World};

/// Something that a person may want to do.
pub(crate) trait Wish: Sync {
    /// How often it is wanted, against the others.
    fn weight(&self) -> u64;
    /// Returns true if it ends the wait for a lock, or the session that waits.
    fn gives_up_waiting(&self) -> bool {
        false
    }
    /// Does it, if this person can.
    fn go(&self, world: &mut World, person: usize);
}

/// Everything that people do.
static ALL: &[&dyn Wish] = &[
    &edits::Insert,
    &edits::InsertRegardless,
    &edits::Delete,
    &edits::Burst,
    &lock::Acquire,
    &lock::Try,
    &lock::Cancel,
    &lock::Release,
    &lock::AnswerOffer,
    &handoff::Transfer,
    &handoff::Request,
    &handoff::TakeOver,
    &handoff::MoveHere,
    &idle::Doze,
    &modes::SetMode,
    &parks::Decide,
    &coming::Leave,
    &coming::Rest,
    &coming::Reload,
    &coming::Duplicate,
];

impl World {
    /// A person does something, and will again.
    pub(crate) fn think(&mut self, person: usize) {
        self.after(60, 1_200, Action::Think(person));
        if self.people[person].body != Body::Well {
            return;
        }
        if self.quiet {
            self.give_back(person);
            return;
        }
        if self.now < self.people[person].dozes_until {
            return;
        }
        let total: u64 = ALL.iter().map(|wish| wish.weight()).sum();
        let mut drawn = self.random.below(total);
        for wish in ALL {
            if drawn < wish.weight() {
                let stays = self.asks_once(person).is_some() && self.waits(person);
                if !(stays && wish.gives_up_waiting()) {
                    wish.go(self, person);
                }
                return;
            }
            drawn -= wish.weight();
        }
    }

    /// In the quiet end nobody wants a lock.
    fn give_back(&mut self, person: usize) {
        if let Some((_, scope)) = self.held(person) {
            return self.ask(person, "releases", Operation::Release(scope));
        }
        let Some(tab) = self.people[person].tab() else {
            return;
        };
        // Without auto-pass, a lock whose holder does not come back waits for somebody who wants it.
        let gone = |grant: &&GrantView| {
            let gone = [GrantStatus::Suspect, GrantStatus::Recovering];
            gone.contains(&grant.state) && Some(grant.session) != tab.machine.session()
        };
        let view = tab.machine.locks();
        let orphan = view.and_then(|view| view.grants.iter().find(gone));
        match orphan.map(|grant| region::told(&grant.paths)) {
            Some(scope) => self.ask(person, "acquires", Operation::Acquire(scope)),
            None => self.cancel(person),
        }
    }

    /// A lock that this person holds.
    pub(crate) fn held(&mut self, person: usize) -> Option<(FencingToken, LockScope)> {
        let tab = self.people[person].tab()?;
        let grants = tab.machine.grants();
        let mut held: Vec<_> = grants
            .filter(|(_, scope)| tab.machine.lock_status(scope) == LockStatus::Mine)
            .map(|(fence, scope)| (fence, scope.clone()))
            .collect();
        if held.is_empty() {
            return None;
        }
        Some(held.swap_remove(self.random.below(held.len())))
    }

    /// This person wants nothing any more.
    pub(crate) fn cancel(&mut self, person: usize) {
        for scope in self.wanted(person) {
            self.ask(person, "cancels", Operation::Cancel(scope));
        }
    }

    /// Returns the scopes that this person waits for or is offered.
    fn wanted(&self, person: usize) -> Vec<LockScope> {
        let Some(tab) = self.people[person].tab() else {
            return Vec::new();
        };
        let wants = |scope: &LockScope| {
            let standing = tab.machine.lock_status(scope);
            matches!(standing, LockStatus::Waiting | LockStatus::Offered)
        };
        let all = Region::ALL.into_iter().map(Region::scope);
        all.filter(wants).collect()
    }

    /// Returns true if this person waits for a lock over a connection that works.
    fn waits(&self, person: usize) -> bool {
        let tab = self.people[person].tab();
        tab.is_some_and(|tab| tab.machine.is_ready()) && !self.wanted(person).is_empty()
    }

    /// Returns the time before which this person asks for no other lock, if it asks once.
    fn asks_once(&self, person: usize) -> Option<Time> {
        match self.people[person].patience {
            Patience::AsksOnce { again } => Some(again),
            Patience::Fickle | Patience::Insistent => None,
        }
    }

    /// Asks for a lock, unless this person asks once and has done so.
    pub(crate) fn ask_for_lock(&mut self, person: usize, what: &'static str, asks: Operation) {
        if let Some(again) = self.asks_once(person) {
            if self.now < again || self.waits(person) {
                return;
            }
            let again = self.now + self.random.millis(40_000, 160_000);
            self.people[person].patience = Patience::AsksOnce { again };
        }
        self.ask(person, what, asks);
    }

    pub(crate) fn ask(&mut self, person: usize, what: &'static str, operation: Operation) {
        self.note(what, person as u64, 0);
        // What cannot be asked now is asked by the next wish.
        let _asked = self.with_tab(person, |machine, _| machine.ask(operation));
    }

    /// A person opens the document again, with whatever program they use.
    pub(crate) fn come_back(&mut self, person: usize) {
        if !matches!(self.people[person].app, App::Away) {
            return;
        }
        match self.people[person].kind {
            Kind::Baton => {
                let luggage = self.fresh_luggage();
                self.open_tab(person, luggage);
            }
            Kind::Stock { .. } => self.open_page(person),
        }
    }

    pub(crate) fn fresh_luggage(&mut self) -> Luggage {
        use baton_client::{ClaimPolicy, ClientRole, DivergencePolicy};
        let by_hand = if self.calm { 60 } else { 20 };
        Luggage {
            role: match self.random.below(12) {
                0 => ClientRole::Observer,
                _ => ClientRole::Editor,
            },
            claim: if self.random.chance(by_hand) {
                ClaimPolicy::Ask
            } else {
                ClaimPolicy::Auto
            },
            divergence: match self.random.below(6) {
                0 => DivergencePolicy::Stop,
                _ => DivergencePolicy::Afresh,
            },
            ..Luggage::default()
        }
    }
}
