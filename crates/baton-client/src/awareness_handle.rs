//! The handle of awareness: the state of this client, those of others, and cursors in texts.
//!
//! Each operation is one step of the core. A cursor is stored as y-codemirror stores it, so that
//! editors show it, and those of editors are read.

use std::collections::BTreeMap;

use baton_sync::ClientId;
use baton_sync::yrs::branch::{Branch, BranchPtr};
use baton_sync::yrs::{Assoc, IndexScope, IndexedSequence, ReadTxn, StickyIndex, Text, TextRef};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client_state::ClientState;
use crate::core::ClientCore;
use crate::dual_clock::Moment;
use crate::error::{AwarenessStateError, CursorError};

/// A selection in a text, in UTF-16 code units: between `anchor`, where it began, and `head`, where
/// the caret is. Both are the same for a caret without a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The end of the selection that stays.
    pub anchor: u32,
    /// The end that moves.
    pub head: u32,
}

impl Cursor {
    /// Returns a caret without a selection.
    #[must_use]
    pub const fn at(index: u32) -> Self {
        Self {
            anchor: index,
            head: index,
        }
    }
}

/// Awareness of one document: a small JSON object of each client that is here, which is shown to
/// all others and never stored. By convention `user` has the name and the colour, and `cursor` the
/// selection.
///
/// The client states its own object again when that is due, and over each new connection. The
/// objects of others go when they leave, or 30 s after their last sign of life
/// ([`ClientEvent::Awareness`](crate::ClientEvent::Awareness)).
///
/// ```no_run
/// # async fn example(client: &baton_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use baton_client::Cursor;
///
/// let awareness = client.awareness();
/// awareness.set_cursor("body", Cursor::at(3))?;
/// for (other, state) in awareness.states() {
///     println!("{other}: {} at {:?}", state["user"]["name"], awareness.cursor("body", other));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct ClientAwareness<'a>(&'a ClientState);

impl<'a> ClientAwareness<'a> {
    pub(crate) const fn new(state: &'a ClientState) -> Self {
        Self(state)
    }

    /// Sets the state of this client, or removes it with `None`.
    ///
    /// # Errors
    /// [`AwarenessStateError`]: it is too large; nothing changed.
    pub fn set(&self, state: Option<Map<String, Value>>) -> Result<(), AwarenessStateError> {
        self.0.act(|core, now| core.set_awareness(now, state))
    }

    /// Sets one member of this client's state. With [`Value::Null`] it is there, and empty, as
    /// editors write it.
    ///
    /// # Errors
    /// As [`ClientAwareness::set`].
    pub fn set_field(&self, name: &str, value: Value) -> Result<(), AwarenessStateError> {
        self.0.act(|core, now| {
            let mut state = core.own_awareness().cloned().unwrap_or_default();
            state.insert(name.to_owned(), value);
            core.set_awareness(now, Some(state))
        })
    }

    /// Returns the states of all clients that are here, this one included if it has one. The server
    /// may have put the name of a token's user into those of others.
    #[must_use]
    pub fn states(&self) -> BTreeMap<ClientId, Value> {
        self.0.peek(|core| {
            let others = core.awareness_of_others();
            let mut states: BTreeMap<_, _> = others
                .map(|(client, state)| (client, state.clone()))
                .collect();
            if let Some(own) = core.own_awareness() {
                states.insert(core.client(), Value::Object(own.clone()));
            }
            states
        })
    }

    /// Encodes the states of all clients as y-protocols does, for a program that passes them on.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        self.0.peek(ClientCore::encode_awareness)
    }

    /// Shows a cursor of this client in the text of a root type. It stays at its place while others
    /// edit. A state without `user` gets the name and the colour of
    /// [`ClientOptions::user`](crate::ClientOptions::user).
    ///
    /// # Errors
    /// [`CursorError`]: nothing changed.
    pub fn set_cursor(&self, root: &str, cursor: Cursor) -> Result<(), CursorError> {
        self.0.act(|core, now| set_cursor(core, now, root, cursor))
    }

    /// Stops showing a cursor.
    ///
    /// # Errors
    /// As [`ClientAwareness::set`].
    pub fn clear_cursor(&self) -> Result<(), AwarenessStateError> {
        self.set_field("cursor", Value::Null)
    }

    /// Returns the cursor of a client in the text of a root type, as it is now: `None` if that
    /// client is not here, or has no cursor in this text, or one that this copy does not reach yet.
    #[must_use]
    pub fn cursor(&self, root: &str, client: ClientId) -> Option<Cursor> {
        self.0.peek(|core| {
            let cursor = if client == core.client() {
                core.own_awareness()?.get("cursor")?
            } else {
                core.awareness_of(client)?.get("cursor")?
            };
            let position = |name| StickyIndex::deserialize(cursor.get(name)?).ok();
            let (anchor, head) = (position("anchor")?, position("head")?);
            let found = core.document().read(|txn| {
                let text = txn.get_text(root)?;
                Some(Cursor {
                    anchor: index(txn, &text, &anchor)?,
                    head: index(txn, &text, &head)?,
                })
            });
            found.ok().flatten()
        })
    }
}

/// Leaves out the states, so that the output may be logged.
impl std::fmt::Debug for ClientAwareness<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientAwareness(..)")
    }
}

fn set_cursor(
    core: &mut ClientCore,
    now: Moment,
    root: &str,
    cursor: Cursor,
) -> Result<(), CursorError> {
    let positions = core.document().read(|txn| {
        Some((
            position(txn, root, cursor.anchor)?,
            position(txn, root, cursor.head)?,
        ))
    })?;
    let Some((anchor, head)) = positions else {
        return Err(CursorError::Beyond(root.to_owned()));
    };
    let mut state = core.own_awareness().cloned().unwrap_or_default();
    if !state.contains_key("user") {
        let user = core.user();
        state.insert(
            "user".to_owned(),
            json!({ "name": user.name, "color": user.color }),
        );
    }
    state.insert(
        "cursor".to_owned(),
        json!({ "anchor": anchor, "head": head }),
    );
    Ok(core.set_awareness(now, Some(state))?)
}

/// Returns the position at an index of a text. A text without content exists only by its name.
fn position(txn: &impl ReadTxn, root: &str, at: u32) -> Option<StickyIndex> {
    match txn.get_text(root) {
        // Behind the last character there is nothing to hold on to but the text itself.
        Some(text) if at == text.len(txn) => Some(StickyIndex::from_type(txn, &text, Assoc::After)),
        Some(text) => text.sticky_index(txn, at, Assoc::After),
        None if at == 0 => Some(StickyIndex::new(
            IndexScope::Root(root.into()),
            Assoc::After,
        )),
        None => None,
    }
}

/// Returns the index of a position, if it is one in this text.
fn index(txn: &impl ReadTxn, text: &TextRef, position: &StickyIndex) -> Option<u32> {
    let offset = position.get_offset(txn)?;
    (offset.branch == BranchPtr::from(AsRef::<Branch>::as_ref(text))).then_some(offset.index)
}
