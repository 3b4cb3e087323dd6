//! The content of an update without its author.
//!
//! Owns the form that two updates share exactly when they insert and delete the same in the same
//! place, under whatever Yjs client ids. An editor that writes the same initial content in each tab
//! makes such updates.

use super::block::{Id, Parent};
use super::borrowed_scan::Scan;

/// Mark of an optional part that is absent.
const NONE: u8 = 0;

/// Mark of an id or name that the update itself brings.
const OWN: u8 = 1;

/// Mark of an id that the update does not bring.
const OTHER: u8 = 2;

/// Returns the update with each of its own clients replaced by that client's place in it, and with
/// clocks that count from the first one of the client. It is at most about four times as long as
/// the update, and equal for equal content.
#[must_use]
pub fn content_form(update: &Scan<'_>) -> Vec<u8> {
    let mut form = Form {
        update,
        bytes: Vec::with_capacity(update.bytes().len()),
    };
    for (index, run) in update.runs().iter().enumerate() {
        form.number(index as u64);
        for block in run.blocks() {
            let block = update.block(run.client, block);
            let (info, content) = update.content(&block);
            form.bytes.push(info);
            form.number(u64::from(block.len));
            for id in [block.origin, block.right_origin] {
                form.reference(id);
            }
            match block.parent {
                Parent::Root(name) => {
                    form.bytes.push(OWN);
                    form.part(name.as_bytes());
                }
                Parent::Id(id) => {
                    form.bytes.push(OTHER);
                    form.reference(Some(id));
                }
                Parent::Inherited => form.bytes.push(NONE),
            }
            form.part(block.key.unwrap_or_default().as_bytes());
            form.part(content);
        }
    }
    for range in update.deletes() {
        form.reference(Some(Id {
            client: range.client,
            clock: range.start,
        }));
        form.number(u64::from(range.end - range.start));
    }
    form.bytes
}

/// The form of an update as far as it is written.
struct Form<'a, 'u> {
    update: &'a Scan<'u>,
    bytes: Vec<u8>,
}

impl Form<'_, '_> {
    fn number(&mut self, number: u64) {
        self.bytes.extend(number.to_le_bytes());
    }

    fn part(&mut self, part: &[u8]) {
        self.number(part.len() as u64);
        self.bytes.extend(part);
    }

    /// Writes an id: one that the update brings by its place in the update, any other as it is.
    fn reference(&mut self, id: Option<Id>) {
        let Some(id) = id else {
            self.bytes.push(NONE);
            return;
        };
        let mut runs = self.update.runs().iter();
        let own = runs.position(|run| run.client == id.client).and_then(|at| {
            let first = self.update.clock(self.update.runs()[at].blocks().start);
            Some((at, id.clock.checked_sub(first)?))
        });
        match own {
            Some((at, clock)) => {
                self.bytes.push(OWN);
                self.number(at as u64);
                self.number(u64::from(clock));
            }
            None => {
                self.bytes.push(OTHER);
                self.number(id.client.get());
                self.number(u64::from(id.clock));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ClientId;
    use crate::document::yrs::{Map, Text, TransactionMut, WriteTxn};
    use crate::document::{Document, DocumentOptions};
    use crate::scan::{content_form, scan};

    fn written(client: u64, edits: &[fn(&mut TransactionMut<'_>)]) -> Vec<Vec<u8>> {
        let mut document = Document::new(&DocumentOptions {
            client: ClientId::new(client).unwrap(),
        });
        let updates = edits.iter().map(|edit| {
            let (_, update) = document.transact(edit).unwrap();
            content_form(&scan(&update.unwrap()).unwrap())
        });
        updates.collect()
    }

    const EDITS: [fn(&mut TransactionMut<'_>); 4] = [
        |txn| {
            let map = txn.get_or_insert_map("meta");
            map.insert(txn, "opened", true);
            map.insert(txn, "width", 7.0);
        },
        |txn| {
            let text = txn.get_or_insert_text("t");
            text.insert(txn, 0, "late");
            text.insert(txn, 2, "!");
        },
        |txn| {
            let text = txn.get_or_insert_text("t");
            text.remove_range(txn, 1, 2);
        },
        |txn| {
            let text = txn.get_or_insert_text("t");
            text.insert(txn, 0, "other");
        },
    ];

    #[test]
    fn the_same_content_of_different_clients_has_the_same_form() {
        let one = written(1, &EDITS[..2]);
        let other = written((1 << 32) - 7, &EDITS[..2]);
        assert_eq!(one, other);
        // Clocks count from the first that the update brings.
        assert_eq!(written(1, &EDITS[1..2])[0], one[1]);
    }

    #[test]
    fn different_content_or_another_place_has_another_form() {
        let all = written(1, &EDITS);
        for (index, form) in all.iter().enumerate() {
            assert!(!all[index + 1..].contains(form), "{index}");
        }
        // A deletion names the client of the deleted units.
        assert_ne!(all[2], written(2, &EDITS)[2]);
    }
}
