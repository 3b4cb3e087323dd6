//! After the quiet end all copies and the server's document are equal, and nothing in them is torn or doubled.

use baton_presence::Mode;

use super::Oracle;
use crate::content::Contents;
use crate::seen::Seen;
use crate::world::World;

/// Looks at the end.
#[derive(Debug)]
pub(super) struct Convergence;

impl Oracle for Convergence {
    fn invariant(&self) -> &'static str {
        "convergence"
    }

    fn saw(&mut self, seen: &Seen<'_>, world: &World) -> Result<(), String> {
        if !matches!(seen, Seen::End) {
            return Ok(());
        }
        let Some(room) = &world.room else {
            return Ok(());
        };
        let document = room.state().document();
        let contents = Contents::stored(document);
        let (tokens, torn) = contents.tokens();
        if let Some(torn) = torn.first() {
            return Err(format!("{torn:?} is nobody's"));
        }
        if let Some(twice) = tokens.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("{} stands there twice", twice[0]));
        }
        for (number, person) in world.people.iter().enumerate() {
            let Some((_, copy)) = person.copy() else {
                continue;
            };
            // Where writing needs a lock, a stock client never gets rid of what it typed.
            if person.tab().is_none() && world.book.fold.mode() == Mode::Required {
                continue;
            }
            let (mine, theirs) = (copy.state(), document.state());
            if mine.vector() != theirs.vector() {
                return Err(format!(
                    "person {number} knows {:?}, the server {:?}",
                    mine.vector(),
                    theirs.vector()
                ));
            }
            if mine.deletes() != theirs.deletes() || Contents::of(copy) != contents {
                return Err(format!("person {number} sees another document"));
            }
        }
        Ok(())
    }
}
