//! Typing, taking out, typing much at once; by the lock's leave, and now and then without asking it.

use baton_sync::y_websocket;

use super::Wish;
use crate::content::{self, Place, Token};
use crate::ledger::Typed;
use crate::net::Packet;
use crate::people::App;
use crate::region;
use crate::tab::Under;
use crate::world::World;

/// How an edit asks the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    Lock,
    Nothing,
}

/// Puts one token in, if the lock allows it.
pub(super) struct Insert;

impl Wish for Insert {
    fn weight(&self) -> u64 {
        50
    }

    fn go(&self, world: &mut World, person: usize) {
        world.type_token(person, Guard::Lock);
    }
}

/// Puts one token in, whatever the lock is.
pub(super) struct InsertRegardless;

impl Wish for InsertRegardless {
    fn weight(&self) -> u64 {
        1
    }

    fn go(&self, world: &mut World, person: usize) {
        world.type_token(person, Guard::Nothing);
    }
}

/// Puts many in, one right after the other.
pub(super) struct Burst;

impl Wish for Burst {
    fn weight(&self) -> u64 {
        2
    }

    fn go(&self, world: &mut World, person: usize) {
        for _ in 0..3 + world.random.below(12) {
            world.type_token(person, Guard::Lock);
        }
    }
}

/// Takes one of its own out again.
pub(super) struct Delete;

impl Wish for Delete {
    fn weight(&self) -> u64 {
        8
    }

    fn go(&self, world: &mut World, person: usize) {
        let Some((author, _)) = world.people[person].copy() else {
            return;
        };
        let from = Token { author, number: 0 };
        let to = Token {
            author,
            number: u64::MAX,
        };
        let own = world.ledger.typed.range(from..=to);
        let standing: Vec<_> = own
            .filter(|(_, typed)| !typed.deleted)
            .map(|(token, typed)| (*token, typed.place))
            .collect();
        if standing.is_empty() {
            return;
        }
        let (token, place) = standing[world.random.below(standing.len())];
        if world.edit(person, Guard::Lock, token, Change::Out(place))
            && let Some(typed) = world.ledger.typed.get_mut(&token)
        {
            typed.deleted = true;
        }
    }
}

/// What an edit does with its token.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// In, so many thousandths of the way through.
    In(Place, u32),
    Out(Place),
}

impl Change {
    const fn place(self) -> Place {
        match self {
            Self::In(place, _) | Self::Out(place) => place,
        }
    }
}

impl World {
    fn type_token(&mut self, person: usize, guard: Guard) {
        let place = Place::ALL[self.random.below(Place::ALL.len())];
        let at = self.random.below(1000);
        let token = match &mut self.people[person].app {
            App::Tab(tab) => {
                tab.numbers += 1;
                Token {
                    author: tab.author,
                    number: tab.numbers,
                }
            }
            App::Page(page) => {
                page.numbers += 1;
                Token {
                    author: page.author,
                    number: page.numbers,
                }
            }
            App::Away => return,
        };
        let typed = Typed {
            place,
            person,
            saved: false,
            deleted: false,
        };
        self.ledger.typed.insert(token, typed);
        if !self.edit(person, guard, token, Change::In(place, at)) {
            self.ledger.typed.remove(&token);
        }
    }

    /// Makes one edit, if the program allows it.
    fn edit(&mut self, person: usize, guard: Guard, token: Token, change: Change) -> bool {
        let done = match self.people[person].app {
            App::Tab(_) => self.edit_tab(person, guard, token, change),
            App::Page(_) => self.edit_page(person, token, change),
            App::Away => false,
        };
        if done {
            let what = match change {
                Change::In(..) => "types",
                Change::Out(_) => "takes out",
            };
            self.note(what, token.author, token.number);
        }
        done
    }

    fn edit_tab(&mut self, person: usize, guard: Guard, token: Token, change: Change) -> bool {
        let moment = self.people[person].moment(self.now);
        let Some(tab) = self.people[person].tab_mut() else {
            return false;
        };
        let edit = |txn: &mut baton_sync::yrs::TransactionMut<'_>| apply(txn, token, change);
        let root = change.place().root();
        let scope = region::told(&[vec![root.to_owned()]]);
        let grants = tab.machine.grants();
        let there = grants.filter(|(_, held)| region::reaches(held, root));
        let there: Vec<_> = there.map(|(fence, _)| fence).collect();
        let right = tab.machine.permission(&scope, moment);
        let done = match guard {
            Guard::Lock => tab.machine.edit(moment, &scope, edit),
            Guard::Nothing if right == baton_client::EditPermission::Diverged => return false,
            Guard::Nothing => tab.machine.edit_regardless(moment, edit),
        };
        if done.is_err() {
            return false;
        }
        let edits = tab.machine.edits();
        if matches!(change, Change::In(..)) {
            tab.unsaved.push_back((edits, token));
        }
        let held = right == baton_client::EditPermission::Holder;
        tab.under.push(Under {
            edits,
            grants: if held { there } else { Vec::new() },
            root,
        });
        self.with_tab(person, |_, _| ());
        true
    }

    fn edit_page(&mut self, person: usize, token: Token, change: Change) -> bool {
        let Some(page) = self.people[person].page_mut() else {
            return false;
        };
        let open = page.is_open();
        let done = page.document.transact(|txn| apply(txn, token, change));
        let Ok((_, update)) = done else {
            return false;
        };
        if let Some(update) = update.filter(|_| open) {
            self.send_up(person, Packet::Frame(y_websocket::update(&update)));
        }
        true
    }
}

fn apply(txn: &mut baton_sync::yrs::TransactionMut<'_>, token: Token, change: Change) {
    match change {
        Change::In(place, at) => content::insert(txn, place, token, at),
        Change::Out(place) => content::delete(txn, place, token),
    }
}
