//! A document and its exchange with others over the y-websocket wire, for a program that is a peer
//! itself: frames in, frames out.
//!
//! Owns the handshake of each line and the fan-out of what comes over one to the others. Knows no
//! socket and no clock, keeps no awareness, and trusts no frame. It reports nothing as saved: a
//! server does, by [`handshake`](crate::handshake).

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::document::TransactionMut;
use crate::y_websocket::{self, FrameError, Message};
use crate::{ApplyError, ApplyOutcome, Broken, Document, Judgement, StateVector};

/// A connection of a [`SyncPeer`], in the order in which they were opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(u64);

/// An effect of a [`SyncPeer`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncPeerOutput {
    /// Send this frame over this line, in order.
    Send {
        /// The line.
        to: LineId,
        /// One binary frame.
        frame: Bytes,
    },
    /// All that the other side of this line had when it was asked is in the document.
    Synced(LineId),
    /// The document has changed: log the update, show the document.
    Changed {
        /// The line that it came over; `None` of an own edit.
        from: Option<LineId>,
        /// The update, v1.
        update: Bytes,
    },
    /// The other side says who is there. It was passed on to the other lines.
    Awareness {
        /// The line that it came over.
        from: LineId,
        /// The payload; see [`awareness`](crate::awareness).
        payload: Bytes,
    },
}

/// A frame was not taken. The document is as before; the line is to be closed, for the other side
/// is at fault, unless it says that the document is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncPeerError {
    /// The bytes are no frame of the wire.
    #[error("a frame cannot be read: {0}")]
    Frame(#[from] FrameError),
    /// The state vector of a question is no state vector.
    #[error("a question cannot be read: {0}")]
    Question(String),
    /// The update may never be applied.
    #[error("an update is refused: {0}")]
    Update(ApplyError),
    /// The other side refuses access, with its reason.
    #[error("the other side refuses access: {0}")]
    Denied(String),
    /// There is no such line.
    #[error("the line is closed")]
    Closed,
    /// The document cannot be used any more.
    #[error(transparent)]
    Document(#[from] Broken),
}

#[derive(Debug, Default)]
struct Line {
    is_synced: bool,
    /// A question is on its way, and no answer has come since.
    is_asking: bool,
}

/// A document with lines to other peers or to a server of the y-websocket wire.
///
/// ```
/// use baton_sync::yrs::{GetString, ReadTxn, Text, WriteTxn};
/// use baton_sync::{ClientId, Document, DocumentOptions, SyncPeer, SyncPeerOutput};
///
/// let peer = |client| {
///     SyncPeer::new(Document::new(&DocumentOptions::new(ClientId::from(client))))
/// };
/// let (mut ann, mut ben) = (peer(1), peer(2));
/// ann.edit(|txn| txn.get_or_insert_text("note").push(txn, "milk"))?;
/// let (to_ben, to_ann) = (ann.open_line(), ben.open_line());
/// loop {
///     // Whatever carries frames: here, a loop.
///     let (from_ann, from_ben) = (ann.next_output(), ben.next_output());
///     if from_ann.is_none() && from_ben.is_none() {
///         break;
///     }
///     if let Some(SyncPeerOutput::Send { frame, .. }) = from_ann {
///         ben.receive(to_ann, &frame)?;
///     }
///     if let Some(SyncPeerOutput::Send { frame, .. }) = from_ben {
///         ann.receive(to_ben, &frame)?;
///     }
/// }
/// let note = ben.document().read(|txn| txn.get_text("note").map(|note| note.get_string(txn)))?;
/// assert_eq!(note.as_deref(), Some("milk"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SyncPeer {
    document: Document,
    lines: BTreeMap<LineId, Line>,
    last_line: u64,
    outputs: VecDeque<SyncPeerOutput>,
}

impl SyncPeer {
    /// Makes a peer of a document, without lines.
    #[must_use]
    pub const fn new(document: Document) -> Self {
        Self {
            document,
            lines: BTreeMap::new(),
            last_line: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Returns the document.
    #[must_use]
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// Opens a line, and asks its other side for what this peer lacks. Both sides do so.
    pub fn open_line(&mut self) -> LineId {
        self.last_line += 1;
        let line = LineId(self.last_line);
        self.lines.insert(line, Line::default());
        self.ask(line);
        line
    }

    /// Forgets a line. Frames for it may still come as outputs, and are to be dropped.
    pub fn close_line(&mut self, line: LineId) {
        self.lines.remove(&line);
    }

    /// Returns true if all that the other side had when it was asked has come.
    #[must_use]
    pub fn is_synced(&self, line: LineId) -> bool {
        self.lines.get(&line).is_some_and(|line| line.is_synced)
    }

    /// Edits the document, and sends the edit over all lines; see [`Document::transact`].
    ///
    /// # Errors
    /// As [`Document::transact`].
    pub fn edit<R>(
        &mut self,
        edit: impl FnOnce(&mut TransactionMut<'_>) -> R,
    ) -> Result<R, Broken> {
        let (result, update) = self.document.transact(edit)?;
        if let Some(update) = update {
            self.changed(None, update);
        }
        Ok(result)
    }

    /// Takes a binary frame that came over a line.
    ///
    /// An update that builds on others which this peer lacks is asked for again, with those.
    ///
    /// # Errors
    /// [`SyncPeerError`]. Nothing changed.
    pub fn receive(&mut self, line: LineId, frame: &[u8]) -> Result<(), SyncPeerError> {
        if !self.lines.contains_key(&line) {
            return Err(SyncPeerError::Closed);
        }
        match y_websocket::decode(frame)? {
            Message::Step1(vector) => {
                let since = StateVector::decode(vector)
                    .map_err(|error| SyncPeerError::Question(error.to_string()))?;
                let lacking = self.document.diff(&since)?;
                self.send(line, y_websocket::step2(&lacking));
            }
            Message::Step2(update) => {
                let has_all = self.take(line, update)?;
                if let Some(line_state) = self.lines.get_mut(&line) {
                    line_state.is_asking = false;
                    if has_all && !std::mem::replace(&mut line_state.is_synced, true) {
                        self.outputs.push_back(SyncPeerOutput::Synced(line));
                    }
                }
            }
            Message::Update(update) => {
                if !self.take(line, update)? {
                    self.ask(line);
                }
            }
            Message::Awareness(payload) => {
                self.pass_on(Some(line), &y_websocket::awareness(payload));
                self.outputs.push_back(SyncPeerOutput::Awareness {
                    from: line,
                    payload: Bytes::copy_from_slice(payload),
                });
            }
            Message::AuthDenied(reason) => return Err(SyncPeerError::Denied(reason.to_owned())),
            // Not asked for, or between a server and its clients.
            Message::CompressedStep2(_)
            | Message::CompressedUpdate(_)
            | Message::QueryAwareness
            | Message::Baton(_)
            | Message::Barrier(_)
            | Message::Unknown(_) => {}
        }
        Ok(())
    }

    /// Says over all lines who is here, by an awareness payload of the caller's.
    pub fn send_awareness(&mut self, payload: &[u8]) {
        self.pass_on(None, &y_websocket::awareness(payload));
    }

    /// Returns the next effect.
    pub fn next_output(&mut self) -> Option<SyncPeerOutput> {
        self.outputs.pop_front()
    }

    /// Applies an update. Returns false if it builds on others that are not here.
    fn take(&mut self, from: LineId, update: &[u8]) -> Result<bool, SyncPeerError> {
        match self.document.apply(update) {
            Ok(ApplyOutcome::Added) => {
                self.changed(Some(from), Bytes::copy_from_slice(update));
                Ok(true)
            }
            Ok(ApplyOutcome::Known) => Ok(true),
            Err(ApplyError::NotAdmitted(Judgement::Gap { .. } | Judgement::Astride { .. })) => {
                Ok(false)
            }
            Err(ApplyError::Broken(broken)) => Err(SyncPeerError::Document(broken)),
            Err(error) => Err(SyncPeerError::Update(error)),
        }
    }

    fn changed(&mut self, from: Option<LineId>, update: Bytes) {
        self.pass_on(from, &y_websocket::update(&update));
        self.outputs
            .push_back(SyncPeerOutput::Changed { from, update });
    }

    /// Asks for what is lacking, unless an answer is on its way.
    fn ask(&mut self, line: LineId) {
        let Some(state) = self.lines.get_mut(&line) else {
            return;
        };
        if !std::mem::replace(&mut state.is_asking, true) {
            let known = self.document.state().vector();
            let frame = y_websocket::step1(&known);
            self.send(line, frame);
        }
    }

    fn pass_on(&mut self, from: Option<LineId>, frame: &Bytes) {
        let others = self.lines.keys().filter(|line| Some(**line) != from);
        let sent = others.map(|line| SyncPeerOutput::Send {
            to: *line,
            frame: frame.clone(),
        });
        self.outputs.extend(sent);
    }

    fn send(&mut self, to: LineId, frame: Bytes) {
        self.outputs.push_back(SyncPeerOutput::Send { to, frame });
    }
}
