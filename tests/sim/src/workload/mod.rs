//! What people want: one thing at a time, drawn by weight. A new operation is one more file with its [`Wish`]es, named in
//! [`ALL`].
//!
//! Owns the drawing and the pauses between; each wish owns what it does.

mod coming;
mod edits;
mod lock;

use baton_client::machine::Ask;
use baton_client::{LockState, Standing};

use crate::people::{App, Body, Kind};
use crate::tab::Luggage;
use crate::world::{Action, World};

/// Something that a person may want to do.
pub(crate) trait Wish: Sync {
    /// How often it is wanted, against the others.
    fn weight(&self) -> u64;
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
        let total = ALL.iter().map(|wish| wish.weight()).sum();
        let mut drawn = self.dice.below(total);
        for wish in ALL {
            if drawn < wish.weight() {
                wish.go(self, person);
                return;
            }
            drawn -= wish.weight();
        }
    }

    /// In the quiet end nobody wants the lock.
    fn give_back(&mut self, person: usize) {
        let Some(tab) = self.people[person].tab() else {
            return;
        };
        // Without auto-pass, a lock whose holder does not come back waits for somebody who wants it.
        let orphan = tab
            .machine
            .lock()
            .is_some_and(|lock| matches!(lock.state, LockState::Suspect | LockState::Recovering));
        let ask = match tab.machine.standing() {
            Standing::Mine => Ask::Release,
            Standing::Theirs if orphan => Ask::Acquire,
            Standing::Waiting | Standing::Offered if !orphan => Ask::Cancel,
            _ => return,
        };
        self.ask(person, ask);
    }

    pub(crate) fn ask(&mut self, person: usize, ask: Ask) {
        let what = match ask {
            Ask::Acquire => "acquires",
            Ask::Try => "tries",
            Ask::Cancel => "cancels",
            Ask::Release => "releases",
        };
        self.note(what, person as u64, 0);
        // What cannot be asked now is asked by the next wish.
        let _asked = self.with_tab(person, |machine, _| machine.ask(ask));
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
        use baton_client::{Claim, Role};
        Luggage {
            role: match self.dice.below(12) {
                0 => Role::Observer,
                _ => Role::Editor,
            },
            claim: match self.dice.below(5) {
                0 => Claim::Ask,
                _ => Claim::Auto,
            },
            ..Luggage::default()
        }
    }
}
