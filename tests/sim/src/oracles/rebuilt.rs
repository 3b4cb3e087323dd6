//! A room that is rebuilt from its log equals the live one, and the one that is rebuilt from every record.

use baton_room::Room;
use baton_sync::StateVector;

use super::Oracle;
use crate::content::Contents;
use crate::seen::Seen;
use crate::world::World;

/// Compares document, parks, and the whole state as it would be stored.
#[derive(Debug)]
pub(super) struct Rebuilt;

impl Oracle for Rebuilt {
    fn invariant(&self) -> &'static str {
        "rebuilt equals live"
    }

    fn saw(&mut self, seen: &Seen<'_>, _: &World) -> Result<(), String> {
        match seen {
            Seen::Compared { room, copy } => same("live", room, "rebuilt", copy),
            Seen::Opened { room, whole, lived } => {
                same("from all records", whole, "from the snapshot", room)?;
                lived.map_or(Ok(()), |lived| same("live", lived, "rebuilt", room))
            }
            _ => Ok(()),
        }
    }
}

fn same(one_is: &str, one: &Room, other_is: &str, other: &Room) -> Result<(), String> {
    let differs = |what: &str| Err(format!("{one_is} and {other_is} differ in {what}"));
    if one.state().position() != other.state().position() {
        return differs("their position");
    }
    let (mine, theirs) = (
        one.state().document().state(),
        other.state().document().state(),
    );
    if mine.vector() != theirs.vector() || mine.deletes() != theirs.deletes() {
        return differs("what the document knows");
    }
    if Contents::stored(one.state().document()) != Contents::stored(other.state().document()) {
        return differs("what stands in the document");
    }
    if !one.state().parks().eq(other.state().parks()) {
        return differs("their parks");
    }
    if rest(one)? != rest(other)? {
        return differs("roster, lock or people");
    }
    Ok(())
}

/// A snapshot without the document, which can be written in more than one way: blocks may be cut where they were typed.
fn rest(room: &Room) -> Result<Vec<u8>, String> {
    let snapshot = room.state().snapshot().map_err(|error| error.to_string())?;
    let document = room.state().document().difference(&StateVector::new());
    let document = baton_sync::compact(&document, baton_sync::History::Drop)
        .map_err(|error| error.to_string())?;
    let at = snapshot
        .windows(document.len())
        .position(|bytes| bytes == document)
        .ok_or("a snapshot without its document")?;
    Ok(snapshot[at + document.len()..].to_vec())
}
