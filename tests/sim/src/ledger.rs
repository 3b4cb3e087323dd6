//! What everybody typed, and what they were told of it.
//!
//! Owns the account that the oracles compare with the document and the parks at the end. Judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::content::{Place, Token};

/// One thing that was typed.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) place: Place,
    pub(crate) person: usize,
    /// Its author was told that it is saved.
    pub(crate) saved: bool,
    /// Its author took it out again.
    pub(crate) deleted: bool,
}

/// What a copy of the document has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is edited, or can be.
    Alive,
    /// It was put away under its owner's eyes: diverged, or closed by the server. What it has and the server lacks is
    /// still with its owner.
    Draft,
    /// It is gone with its process: what it had not sent is gone, too.
    Dead,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) typed: BTreeMap<Token, Typed>,
    pub(crate) copies: BTreeMap<u64, Fate>,
    next_copy: u64,
}

impl Ledger {
    /// A new copy; returns its Yjs client id, which no other has.
    pub(crate) fn copy(&mut self) -> u64 {
        self.next_copy += 1;
        let author = 100 + self.next_copy;
        self.copies.insert(author, Fate::Alive);
        author
    }

    pub(crate) fn fate(&mut self, author: u64, fate: Fate) {
        self.copies.insert(author, fate);
    }

    pub(crate) fn fate_of(&self, author: u64) -> Fate {
        self.copies.get(&author).copied().unwrap_or(Fate::Dead)
    }

    /// Everything that its author was told is saved, and has not taken out.
    pub(crate) fn saved(&self) -> impl Iterator<Item = Token> + '_ {
        self.typed
            .iter()
            .filter(|(_, typed)| typed.saved && !typed.deleted)
            .map(|(token, _)| *token)
    }

    /// What stands in some parked update, of these tokens.
    pub(crate) fn parked<'a>(
        parks: impl Iterator<Item = &'a baton_room::Park>,
        tokens: impl Iterator<Item = Token>,
    ) -> BTreeSet<Token> {
        let mut text = String::new();
        for park in parks {
            for update in &park.updates {
                text.push_str(&String::from_utf8_lossy(update));
                text.push('\n');
            }
        }
        if text.is_empty() {
            return BTreeSet::new();
        }
        tokens
            .filter(|token| text.contains(&token.to_string()))
            .collect()
    }
}
