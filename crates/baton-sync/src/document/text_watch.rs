//! The changes that one transaction makes to the texts of some root types.
//!
//! Owns the observers, which live for that transaction only, and the copies of their deltas, which
//! refer to nothing in the document.

use std::sync::{Arc, Mutex, PoisonError};

use yrs::types::{Delta, Event, Events, PathSegment};
use yrs::{Any, DeepObservable, Out, TextRef, TransactionMut, WriteTxn};

/// Name of the observers.
const OBSERVER: &str = "baton-text-watch";

/// One step of a change of a text, from its start: keep, delete or insert. Lengths are UTF-16 code
/// units. Inserted text is [`Any::String`], another embedded value is itself, and an embedded type
/// is [`Any::Undefined`].
pub type TextDelta = Delta<Any>;

/// The change of one text.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TextChange {
    /// Name of the root type.
    pub root: String,
    /// The way from there to the text: keys and indexes; empty if the root type is the text.
    pub path: Vec<PathSegment>,
    /// The steps of the change.
    pub delta: Vec<TextDelta>,
}

/// Observers of some root types.
pub(super) struct TextWatch<'a> {
    roots: Vec<(&'a str, TextRef)>,
    changes: Arc<Mutex<Vec<TextChange>>>,
}

impl<'a> TextWatch<'a> {
    /// Watches these root types for the rest of the transaction.
    pub(super) fn start(txn: &mut TransactionMut<'_>, roots: &'a [String]) -> Self {
        let changes = Arc::new(Mutex::new(Vec::new()));
        let watched = roots.iter().map(|name| {
            // yrs tells of a text only if it is known to be one; another type stays what it is.
            let root = txn.get_or_insert_text(name.as_str());
            let (sink, name) = (Arc::clone(&changes), name.as_str());
            let owned = name.to_owned();
            root.observe_deep(OBSERVER, move |txn, events| {
                let found = changes_of(txn, &owned, events);
                let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                sink.extend(found);
            });
            (name, root)
        });
        Self {
            roots: watched.collect(),
            changes: Arc::clone(&changes),
        }
    }

    /// Stops watching a transaction that was committed. Returns the changes.
    pub(super) fn finish(self) -> Vec<TextChange> {
        for (_, root) in &self.roots {
            root.unobserve_deep(OBSERVER);
        }
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut changes)
    }
}

fn changes_of(txn: &TransactionMut<'_>, root: &str, events: &Events<'_>) -> Vec<TextChange> {
    let of = |event: &Event| {
        let (path, delta) = match event {
            Event::Text(event) => (event.path(), event.delta(txn)),
            Event::XmlText(event) => (event.path(), event.delta(txn)),
            _ => return None,
        };
        let change = TextChange {
            root: root.to_owned(),
            path: path.into(),
            delta: delta.iter().map(|step| step.clone().map(value)).collect(),
        };
        (!change.delta.is_empty()).then_some(change)
    };
    events.iter().filter_map(of).collect()
}

fn value(out: Out) -> Any {
    match out {
        Out::Any(value) => value,
        _ => Any::Undefined,
    }
}

#[cfg(test)]
mod tests {
    use yrs::{Text, WriteTxn};

    use crate::{ClientId, Document, DocumentOptions, scan};

    use super::*;

    fn document(client: u32) -> Document {
        Document::new(&DocumentOptions {
            client: ClientId::from(client),
        })
    }

    fn edit(of: &mut Document, change: impl FnOnce(&mut TransactionMut<'_>)) -> bytes::Bytes {
        of.transact(change).unwrap().1.unwrap()
    }

    #[test]
    fn an_update_tells_what_it_changes_in_the_watched_texts() {
        let (mut ann, mut ben) = (document(1), document(2));
        let roots = ["body".to_owned(), "rows".to_owned()];
        let mut receive = |update: &[u8]| {
            let scan = scan(update).unwrap();
            ben.apply_watching(&scan, &roots).unwrap().1
        };
        let first = edit(&mut ann, |txn| {
            txn.get_or_insert_text("body").push(txn, "hello \u{1d11e}");
            txn.get_or_insert_text("other").push(txn, "not watched");
        });
        let changes = receive(&first);
        let inserted = |text: &str| Delta::Inserted(Any::from(text), None);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].root, "body");
        assert!(changes[0].path.is_empty());
        assert_eq!(changes[0].delta, [inserted("hello \u{1d11e}")]);
        let second = edit(&mut ann, |txn| {
            let body = txn.get_or_insert_text("body");
            body.remove_range(txn, 0, 5);
            body.push(txn, "!");
        });
        let delta = receive(&second).remove(0).delta;
        let steps = [Delta::Deleted(5), Delta::Retain(3, None), inserted("!")];
        assert_eq!(delta, steps);
        assert!(receive(&second).is_empty(), "known already");
        // A type inside of a watched one tells where it is.
        let third = edit(&mut ann, |txn| {
            use yrs::{Map, TextPrelim};
            let rows = txn.get_or_insert_map("rows");
            rows.insert(txn, "7", TextPrelim::new("seven"));
        });
        receive(&third);
        let fourth = edit(&mut ann, |txn| {
            use yrs::Map;
            let rows = txn.get_or_insert_map("rows");
            let Some(Out::YText(row)) = rows.get(txn, "7") else {
                panic!("no text");
            };
            row.insert(txn, 0, "twenty-");
        });
        let change = receive(&fourth).remove(0);
        assert_eq!(change.path, [PathSegment::Key("7".into())]);
        assert_eq!(change.delta, [inserted("twenty-")]);
        assert_eq!(ann.state().vector(), ben.state().vector());
    }
}
