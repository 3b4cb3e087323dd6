//! What the lab writes into documents: elements with unique ids, one at a time, into every kind of shared type.
//!
//! Owns the shape of the documents, and reads it back. Knows nothing of clients.

use std::collections::BTreeMap;

use baton_client::yrs::types::xml::XmlOut;
use baton_client::yrs::{
    Any, Array, ArrayPrelim, GetString, Map, Out, ReadTxn, Text, Transaction, TransactionMut,
    WriteTxn, Xml, XmlElementPrelim, XmlFragment, XmlTextPrelim,
};
use serde::{Deserialize, Serialize};

/// A shared type at the root of each document, under its own name in small letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A text: the element is `[id]`, somewhere between two others.
    Text,
    /// A map: the element is a key.
    Map,
    /// An array: the element is a string.
    Array,
    /// An XML fragment: the element is a `p` with the attribute `id` and a text in it.
    Xml,
    /// A map of arrays: a shared type within another.
    Nested,
}

impl Place {
    pub(crate) const ALL: [Self; 5] = [Self::Text, Self::Map, Self::Array, Self::Xml, Self::Nested];

    /// The name of the root type.
    #[must_use]
    pub const fn root(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Map => "map",
            Self::Array => "array",
            Self::Xml => "xml",
            Self::Nested => "nested",
        }
    }

    /// Another one.
    pub(crate) const fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }
}

/// The map key that everybody sets; the last one wins, so it is compared, and belongs to nobody.
const HEADLINE: &str = "headline";

/// All that stands in a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// The text.
    pub text: String,
    /// The map.
    pub map: BTreeMap<String, String>,
    /// The array.
    pub array: Vec<String>,
    /// The XML fragment, element by element: its id and its text.
    pub xml: Vec<(String, String)>,
    /// The map of arrays.
    pub nested: BTreeMap<String, Vec<String>>,
}

impl Contents {
    /// Every element, as often as it stands there. A torn one has an id that nobody gave.
    pub fn elements(&self) -> impl Iterator<Item = (Place, &str)> {
        let text = self
            .text
            .split_inclusive(']')
            .map(|token| token.trim_start_matches('[').trim_end_matches(']'))
            .map(|id| (Place::Text, id));
        let map = self.map.keys().filter(|key| *key != HEADLINE);
        let map = map.map(|id| (Place::Map, id.as_str()));
        let array = self.array.iter().map(|id| (Place::Array, id.as_str()));
        let xml = self.xml.iter().map(|(id, _)| (Place::Xml, id.as_str()));
        let nested = self.nested.keys().map(|id| (Place::Nested, id.as_str()));
        text.chain(map).chain(array).chain(xml).chain(nested)
    }

    /// Where these two differ, for people; `None` when they do not.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self == other {
            return None;
        }
        let mine: std::collections::BTreeSet<_> = self.elements().collect();
        let theirs: std::collections::BTreeSet<_> = other.elements().collect();
        let lacks = |these: &std::collections::BTreeSet<(Place, &str)>, those| {
            let missing: Vec<&str> = these.difference(those).map(|(_, id)| *id).collect();
            let more = if missing.len() > 5 { ", ..." } else { "" };
            format!("{}{more}", missing[..missing.len().min(5)].join(", "))
        };
        let (lacking, extra) = (lacks(&theirs, &mine), lacks(&mine, &theirs));
        Some(match (lacking.is_empty(), extra.is_empty()) {
            (true, true) => "the same elements in another order, or other values".to_owned(),
            (false, true) => format!("lacks {lacking}"),
            (true, false) => format!("has also {extra}"),
            (false, false) => format!("lacks {lacking} and has also {extra}"),
        })
    }
}

/// Reads all of it.
pub(crate) fn read(txn: &Transaction<'_>) -> Contents {
    let mut contents = Contents::default();
    if let Some(text) = txn.get_text("text") {
        contents.text = text.get_string(txn);
    }
    if let Some(map) = txn.get_map("map") {
        let pairs = map.iter(txn);
        contents.map = pairs
            .map(|(key, value)| (key.to_owned(), plain(&value)))
            .collect();
    }
    if let Some(array) = txn.get_array("array") {
        contents.array = array.iter(txn).map(|value| plain(&value)).collect();
    }
    if let Some(xml) = txn.get_xml_fragment("xml") {
        contents.xml = xml
            .children(txn)
            .map(|node| paragraph(txn, &node))
            .collect();
    }
    if let Some(nested) = txn.get_map("nested") {
        let pairs = nested.iter(txn);
        contents.nested = pairs
            .map(|(key, value)| (key.to_owned(), inner(txn, &value)))
            .collect();
    }
    contents
}

fn plain(value: &Out) -> String {
    match value {
        Out::Any(Any::String(text)) => text.to_string(),
        other => format!("{other:?}"),
    }
}

fn inner(txn: &Transaction<'_>, value: &Out) -> Vec<String> {
    match value {
        Out::YArray(array) => array.iter(txn).map(|value| plain(&value)).collect(),
        other => vec![format!("{other:?}")],
    }
}

fn id_of<T: ReadTxn>(txn: &T, node: &XmlOut) -> Option<String> {
    match node {
        XmlOut::Element(element) => element.get_attribute(txn, "id").map(|value| plain(&value)),
        XmlOut::Fragment(_) | XmlOut::Text(_) => None,
    }
}

fn paragraph(txn: &Transaction<'_>, node: &XmlOut) -> (String, String) {
    let id = id_of(txn, node).unwrap_or_else(|| "?".to_owned());
    let text = match node {
        XmlOut::Element(element) => element.get_string(txn),
        XmlOut::Text(text) => text.get_string(txn),
        XmlOut::Fragment(_) => String::new(),
    };
    (id, text)
}

/// Puts an element in, `at` this fraction of the way through.
pub(crate) fn insert(txn: &mut TransactionMut<'_>, place: Place, id: &str, at: f64) {
    let index = |len: u32| (f64::from(len + 1) * at) as u32;
    match place {
        Place::Text => {
            let text = txn.get_or_insert_text("text");
            let whole = text.get_string(txn);
            // Between two elements, for nobody types into somebody else's word here.
            let mut gaps = vec![0];
            gaps.extend(whole.match_indices(']').map(|(byte, _)| byte as u32 + 1));
            let gap = gaps[index(gaps.len() as u32 - 1) as usize];
            text.insert(txn, gap, &format!("[{id}]"));
        }
        Place::Map => {
            txn.get_or_insert_map("map").insert(txn, id, id);
        }
        Place::Array => {
            let array = txn.get_or_insert_array("array");
            let at = index(array.len(txn));
            array.insert(txn, at, id);
        }
        Place::Xml => {
            let xml = txn.get_or_insert_xml_fragment("xml");
            let at = index(xml.len(txn));
            let element = xml.insert(txn, at, XmlElementPrelim::empty("p"));
            element.insert_attribute(txn, "id", id);
            element.push_back(txn, XmlTextPrelim::new(format!("by {id}")));
        }
        Place::Nested => {
            let nested = txn.get_or_insert_map("nested");
            nested.insert(txn, id, ArrayPrelim::from([id]));
        }
    }
}

/// Takes an element out. Whether it was there.
pub(crate) fn delete(txn: &mut TransactionMut<'_>, place: Place, id: &str) -> bool {
    match place {
        Place::Text => {
            let text = txn.get_or_insert_text("text");
            let token = format!("[{id}]");
            let found = text.get_string(txn).find(&token);
            if let Some(byte) = found {
                text.remove_range(txn, byte as u32, token.len() as u32);
            }
            found.is_some()
        }
        Place::Map => txn.get_or_insert_map("map").remove(txn, id).is_some(),
        Place::Array => {
            let array = txn.get_or_insert_array("array");
            let found = array.iter(txn).position(|value| plain(&value) == id);
            if let Some(index) = found {
                array.remove(txn, index as u32);
            }
            found.is_some()
        }
        Place::Xml => {
            let xml = txn.get_or_insert_xml_fragment("xml");
            let found = xml
                .children(txn)
                .position(|node| id_of(txn, &node).as_deref() == Some(id));
            if let Some(index) = found {
                xml.remove_range(txn, index as u32, 1);
            }
            found.is_some()
        }
        Place::Nested => txn.get_or_insert_map("nested").remove(txn, id).is_some(),
    }
}

/// Sets the key that everybody sets.
pub(crate) fn touch(txn: &mut TransactionMut<'_>, id: &str) {
    txn.get_or_insert_map("map").insert(txn, HEADLINE, id);
}

#[cfg(test)]
mod tests {
    use baton_sync::ClientId;
    use baton_sync::document::{Document, DocumentOptions};

    use super::*;

    #[test]
    fn what_is_put_in_everywhere_is_found_again_once_and_can_be_taken_out() {
        let client = ClientId::from(1_u32);
        let mut document = Document::new(&DocumentOptions::new(client));
        for (number, place) in Place::ALL.into_iter().enumerate() {
            for at in [0.0, 0.5, 0.999] {
                let id = format!("c1:{number}-{at}");
                let put = document.transact(|txn| insert(txn, place, &id, at));
                assert!(put.is_ok_and(|(_, update)| update.is_some()));
            }
        }
        document.transact(|txn| touch(txn, "c1:x")).expect("sound");
        let contents = document.read(read).expect("sound");
        let elements: std::collections::BTreeSet<_> = contents.elements().collect();
        assert_eq!((elements.len(), contents.elements().count()), (15, 15));
        for (place, id) in elements {
            let gone = document.transact(|txn| delete(txn, place, id));
            assert!(gone.is_ok_and(|(gone, _)| gone), "{place:?} {id}");
        }
        let left = document.read(read).expect("sound");
        assert_eq!(left.elements().count(), 0, "{left:?}");
    }
}
