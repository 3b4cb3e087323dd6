//! Nothing that a live client typed is lost: it is in the document, in a park, or still with its author.

use std::collections::BTreeSet;

use super::Oracle;
use crate::content::{Contents, Token};
use crate::ledger::{Fate, Ledger};
use crate::seen::Seen;
use crate::world::World;

/// Looks at the end. What was not saved may have gone with a process that died.
#[derive(Debug)]
pub(super) struct Typed;

impl Oracle for Typed {
    fn invariant(&self) -> &'static str {
        "nothing typed is lost"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        if !matches!(seen, Seen::End) {
            return Ok(());
        }
        let Some(room) = &world.room else {
            return Ok(());
        };
        let ledger = &world.ledger;
        let (tokens, _) = Contents::stored(room.state().document()).tokens();
        let there: BTreeSet<Token> = tokens.into_iter().collect();
        let parked = Ledger::parked(room.state().parks(), ledger.typed.keys().copied());
        for (token, typed) in &ledger.typed {
            let kept = typed.deleted
                || there.contains(token)
                || parked.contains(token)
                || ledger.fate_of(token.author) != Fate::Alive;
            if !kept {
                return Err(format!("{token}, typed by person {}", typed.person));
            }
        }
        Ok(())
    }
}
