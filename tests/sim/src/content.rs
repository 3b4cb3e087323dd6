//! What is written into the document: tokens that name their author's copy and a number, one at a time, into a text, a map
//! or an array.
//!
//! Owns the shape of the document, and reads it back. A token is never torn, for nobody types into it; so its bytes are
//! found in any update that holds it.

use std::collections::BTreeSet;
use std::fmt;

use baton_sync::Replica;
use baton_sync::document::Document;
use baton_sync::yrs::{
    Any, Array, GetString, Map, Out, ReadTxn, Text, Transaction, TransactionMut, WriteTxn,
};

/// An edit: the Yjs client id of the copy that it was made in, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token {
    pub(crate) author: u64,
    pub(crate) number: u64,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}.{}]", self.author, self.number)
    }
}

impl Token {
    /// All that stand in an update.
    pub(crate) fn all_in(update: &[u8]) -> Vec<Self> {
        let text = String::from_utf8_lossy(update);
        let starts = text.match_indices('[').map(|(at, _)| &text[at..]);
        let pieces = starts.filter_map(|rest| rest.split_inclusive(']').next());
        pieces.filter_map(Self::parse).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        let (author, number) = inner.split_once('.')?;
        Some(Self {
            author: author.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

/// A shared type at the root of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// A text: somewhere between two others.
    Text,
    /// A map: the token is the key.
    Map,
    /// An array: the token is an element.
    Array,
}

impl Place {
    pub(crate) const ALL: [Self; 3] = [Self::Text, Self::Map, Self::Array];

    /// Name of the root type.
    pub(crate) const fn root(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Map => "map",
            Self::Array => "array",
        }
    }
}

/// All that stands in a document.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    text: String,
    map: BTreeSet<String>,
    array: Vec<String>,
}

impl Contents {
    pub(crate) fn of(document: &Document) -> Self {
        document.read(read).unwrap_or_default()
    }

    /// Of what a server has.
    pub(crate) fn stored(replica: &Replica) -> Self {
        Self::of(&Document::to_read(replica))
    }

    /// The root types in which two documents differ.
    pub(crate) fn differs(&self, other: &Self) -> BTreeSet<String> {
        let differ = [
            (Place::Text, self.text != other.text),
            (Place::Map, self.map != other.map),
            (Place::Array, self.array != other.array),
        ];
        let differ = differ.into_iter().filter(|(_, differ)| *differ);
        differ.map(|(place, _)| place.root().to_owned()).collect()
    }

    /// Every token as often as it stands there; what is none is the second.
    pub(crate) fn tokens(&self) -> (Vec<Token>, Vec<String>) {
        let pieces = self.text.split_inclusive(']').map(str::to_owned);
        let all = pieces
            .chain(self.map.iter().cloned())
            .chain(self.array.iter().cloned());
        let mut tokens = Vec::new();
        let mut torn = Vec::new();
        for piece in all {
            match Token::parse(&piece) {
                Some(token) => tokens.push(token),
                None => torn.push(piece),
            }
        }
        tokens.sort_unstable();
        (tokens, torn)
    }
}

fn plain(value: &Out) -> String {
    match value {
        Out::Any(Any::String(text)) => text.to_string(),
        other => format!("{other:?}"),
    }
}

fn read(txn: &Transaction<'_>) -> Contents {
    let mut contents = Contents::default();
    if let Some(text) = txn.get_text("text") {
        contents.text = text.get_string(txn);
    }
    if let Some(map) = txn.get_map("map") {
        contents.map = map.keys(txn).map(str::to_owned).collect();
    }
    if let Some(array) = txn.get_array("array") {
        contents.array = array.iter(txn).map(|value| plain(&value)).collect();
    }
    contents
}

/// Puts a token in, `at` so many thousandths of the way through.
pub(crate) fn insert(txn: &mut TransactionMut<'_>, place: Place, token: Token, at: u32) {
    let token = token.to_string();
    let index = |len: u32| len * at / 1000;
    match place {
        Place::Text => {
            let text = txn.get_or_insert_text("text");
            let whole = text.get_string(txn);
            let ends = whole.match_indices(']').map(|(byte, _)| byte as u32 + 1);
            let gaps: Vec<u32> = std::iter::once(0).chain(ends).collect();
            let gap = gaps[index(gaps.len() as u32 - 1) as usize];
            text.insert(txn, gap, &token);
        }
        Place::Map => {
            let map = txn.get_or_insert_map("map");
            map.insert(txn, token.as_str(), token.as_str());
        }
        Place::Array => {
            let array = txn.get_or_insert_array("array");
            let at = index(array.len(txn));
            array.insert(txn, at, token.as_str());
        }
    }
}

/// Takes a token out, if it is there.
pub(crate) fn delete(txn: &mut TransactionMut<'_>, place: Place, token: Token) {
    let token = token.to_string();
    match place {
        Place::Text => {
            let text = txn.get_or_insert_text("text");
            if let Some(byte) = text.get_string(txn).find(&token) {
                text.remove_range(txn, byte as u32, token.len() as u32);
            }
        }
        Place::Map => {
            let _was_there = txn.get_or_insert_map("map").remove(txn, &token);
        }
        Place::Array => {
            let array = txn.get_or_insert_array("array");
            let found = array.iter(txn).position(|value| plain(&value) == token);
            if let Some(index) = found {
                array.remove(txn, index as u32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use baton_sync::ClientId;
    use baton_sync::document::DocumentOptions;

    use super::*;

    #[test]
    fn what_is_put_in_is_found_again_once_and_can_be_taken_out() {
        let client = ClientId::from(7_u32);
        let mut document = Document::new(&DocumentOptions::new(client));
        let mut put = Vec::new();
        for number in 0..12 {
            let token = Token { author: 7, number };
            let place = Place::ALL[number as usize % 3];
            let at = number as u32 * 80;
            let (_, update) = document
                .transact(|txn| insert(txn, place, token, at))
                .expect("sound");
            let update = update.expect("an edit");
            let name = token.to_string();
            assert!(
                update
                    .windows(name.len())
                    .any(|bytes| bytes == name.as_bytes())
            );
            put.push((place, token));
        }
        let tokens: Vec<_> = put.iter().map(|(_, token)| *token).collect();
        assert_eq!(Contents::of(&document).tokens(), (tokens, Vec::new()));
        for (place, token) in put {
            document
                .transact(|txn| delete(txn, place, token))
                .expect("sound");
        }
        assert_eq!(Contents::of(&document), Contents::default());
    }
}
