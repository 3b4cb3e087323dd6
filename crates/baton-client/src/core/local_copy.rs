//! This client's copy of the document: edits on their way out, updates on their way in.
//!
//! Owns the copy, the client's half of the sync handshake, and the account of durable edits.

use std::sync::Arc;

use baton_sync::control_channel::ErrorCode;
use baton_sync::{
    ApplyError, ApplyOutcome, Broken, ClientId, Document, DocumentOptions, Judgement, Scan,
    StateVector, scan, y_websocket, yrs,
};
use bytes::Bytes;

use super::outputs::Outputs;
use crate::ack_tracker::AckTracker;
use crate::draft::{Draft, DraftLocation};
use crate::events::ClientEvent;
use crate::remote_change::RemoteChange;

/// An update without content, for a Step1 that must not be answered with this copy's edits.
const EMPTY_UPDATE: &[u8] = &[0, 0];

/// The relation of the copy to the server's document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CopyState {
    /// The copy is part of the document, apart from the newest edits.
    Current,
    /// The copy was opened afresh and is not in step yet: its content is not known.
    Fresh,
    /// The copy has edits that were parked, and is never sent again.
    Diverged,
}

/// The progress of the sync handshake on the present connection.
#[derive(Debug, Clone, Copy, Default)]
struct Handshake {
    /// True once the server's Step1 was answered: from then on each edit is sent by itself.
    step1_answered: bool,
    /// True once the server's Step2 was applied.
    synced: bool,
    /// True while an update did not fit and the server's Step2 is awaited once more.
    awaiting_step2: bool,
}

/// The copy, and how far it is in step with the server.
#[derive(Debug)]
pub(super) struct LocalCopy {
    client: ClientId,
    document: Document,
    /// Root types whose texts are watched for changes.
    watched: Arc<[String]>,
    acks: AckTracker,
    state: CopyState,
    /// True if the copy was loaded from the options: the server may lack some of that content.
    was_loaded: bool,
    /// Copies that were set aside before this one.
    predecessors: u64,
    handshake: Handshake,
    /// Clock of the first own edit that did not fit into the queue of frames. The edits from there
    /// on are sent as one update when the queue is empty.
    unsent_from: Option<u32>,
}

impl LocalCopy {
    /// Creates a copy from its encoded content, which may be empty. Changes of others are reported
    /// with those of the texts in the `watched` root types.
    ///
    /// # Errors
    /// The content is damaged.
    pub(super) fn new(
        content: &[u8],
        client: ClientId,
        watched: Vec<String>,
    ) -> Result<Self, ApplyError> {
        let options = DocumentOptions::new(client);
        let mut acks = AckTracker::default();
        let document = if content.is_empty() {
            Document::new(&options)
        } else {
            // The server may lack some of it, so all of it counts as an edit made just now.
            acks.edited(0);
            Document::load(content, &options)?
        };
        Ok(Self {
            client,
            document,
            watched: watched.into(),
            acks,
            state: CopyState::Current,
            was_loaded: !content.is_empty(),
            predecessors: 0,
            handshake: Handshake::default(),
            unsent_from: None,
        })
    }

    pub(super) const fn client(&self) -> ClientId {
        self.client
    }

    pub(super) const fn document(&self) -> &Document {
        &self.document
    }

    pub(super) const fn acks(&self) -> &AckTracker {
        &self.acks
    }

    pub(super) const fn state(&self) -> CopyState {
        self.state
    }

    pub(super) const fn predecessors(&self) -> u64 {
        self.predecessors
    }

    pub(super) const fn is_synced(&self) -> bool {
        self.handshake.synced
    }

    /// Returns true once this connection has the edits that were made before it opened.
    pub(super) const fn is_step1_answered(&self) -> bool {
        self.handshake.step1_answered
    }

    pub(super) const fn has_unsent(&self) -> bool {
        self.unsent_from.is_some()
    }

    // ---- the program's edits ----

    /// Makes an edit and sends it, or leaves it for the next Step2 to carry.
    pub(super) fn edit<R>(
        &mut self,
        edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R,
        out: &mut Outputs,
    ) -> Result<R, Broken> {
        let from = self.own_clock();
        let (result, update) = self.document.transact(edit)?;
        if let Some(update) = update {
            self.acks.edited(self.own_clock());
            self.send_edit(from, &update, out);
        }
        Ok(result)
    }

    fn own_clock(&self) -> u32 {
        self.document.state().clock(self.client)
    }

    fn send_edit(&mut self, from: u32, update: &[u8], out: &mut Outputs) {
        if !self.handshake.step1_answered || self.state == CopyState::Diverged || self.has_unsent()
        {
            return;
        }
        if !out.has_room(update.len()) {
            self.unsent_from = Some(from);
            return;
        }
        out.send(y_websocket::update(update));
        self.acks.sent_all();
    }

    /// Sends the own edits that did not fit into the queue of frames. All other content came from
    /// the server.
    pub(super) fn send_unsent(&mut self, out: &mut Outputs) -> Result<(), Broken> {
        if let Some(from) = self.unsent_from.take() {
            let mut since = self.document.state().vector();
            since.set(self.client, from);
            out.send(y_websocket::update(&self.document.diff(&since)?));
            self.acks.sent_all();
        }
        Ok(())
    }

    // ---- the sync handshake ----

    /// Asks for the document on a connection that was just opened.
    pub(super) fn send_step1(&self, out: &mut Outputs) {
        out.send(y_websocket::step1(&self.document.state().vector()));
    }

    /// Answers the server's Step1 with all that the server lacks.
    pub(super) fn answer_step1(
        &mut self,
        vector: &StateVector,
        out: &mut Outputs,
    ) -> Result<(), Broken> {
        self.handshake.step1_answered = true;
        if self.state == CopyState::Diverged {
            out.send(y_websocket::step2(EMPTY_UPDATE));
            self.acks.sent_nothing();
            return Ok(());
        }
        out.send(y_websocket::step2(&self.document.diff(vector)?));
        self.acks.sent_all();
        self.unsent_from = None;
        Ok(())
    }

    /// Applies the server's Step2, after which the copy is in step.
    pub(super) fn receive_step2(
        &mut self,
        update: &[u8],
        out: &mut Outputs,
    ) -> Result<(), ApplyError> {
        let scan = scan(update)?;
        match self.apply(&scan, out) {
            Err(ApplyError::NotAdmitted(Judgement::Gap { .. })) => {
                out.fault(
                    ErrorCode::Incomplete,
                    "the server's own document lacks some content; the complete part is used"
                        .to_owned(),
                );
                if let Some(part) = self.document.state().closed_part(&scan) {
                    self.apply(&baton_sync::scan(&part)?, out)?;
                }
            }
            other => other?,
        }
        self.handshake.awaiting_step2 = false;
        if !self.handshake.synced {
            self.handshake.synced = true;
            if self.state == CopyState::Fresh {
                self.state = CopyState::Current;
            }
            out.event(ClientEvent::Synced);
        }
        Ok(())
    }

    /// Applies an update. Asks for the document again if the update builds on missing content.
    pub(super) fn receive_update(
        &mut self,
        update: &[u8],
        out: &mut Outputs,
    ) -> Result<(), ApplyError> {
        match self.apply(&scan(update)?, out) {
            Ok(()) => {}
            Err(ApplyError::NotAdmitted(Judgement::Gap { .. } | Judgement::Astride { .. })) => {
                // While a Step2 is on its way, updates may build on content that only it brings;
                // it brings the updates as well.
                if self.handshake.synced && !self.handshake.awaiting_step2 {
                    self.handshake.awaiting_step2 = true;
                    self.send_step1(out);
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Applies an update of others, and reports the change if it is one.
    fn apply(&mut self, scan: &Scan<'_>, out: &mut Outputs) -> Result<(), ApplyError> {
        let (applied, texts) = self.document.apply_watching(scan, &self.watched)?;
        if applied == ApplyOutcome::Added {
            let update = Bytes::copy_from_slice(scan.bytes());
            out.event(ClientEvent::Changed(RemoteChange::new(update, texts)));
        }
        Ok(())
    }

    /// Notes that the first `messages` sync messages of this connection are durable.
    pub(super) fn acknowledged(&mut self, messages: u64, out: &mut Outputs) {
        // The durable edits of a diverged copy are in a park, not in the document.
        if self.state != CopyState::Diverged && self.acks.acknowledged(messages) {
            out.event(ClientEvent::Saved);
        }
    }

    pub(super) fn connection_over(&mut self) {
        self.handshake = Handshake::default();
        self.unsent_from = None;
        self.acks.connection_over();
    }

    // ---- divergence ----

    /// Stops this copy: it is never sent again.
    pub(super) const fn stop(&mut self) {
        self.state = CopyState::Diverged;
        self.unsent_from = None;
    }

    /// Replaces this copy by an empty one under another client id. Returns the old copy as a
    /// draft, and the number of sync messages that it had sent on this connection.
    pub(super) fn set_aside(
        &mut self,
        park: Option<u64>,
        client: ClientId,
        out: &mut Outputs,
    ) -> Result<(Draft, u64), Broken> {
        // Edits that were not sent yet belong into the same park.
        self.send_unsent(out)?;
        let draft = self.draft(park)?;
        let sent = self.acks.sent();
        *self = Self {
            client,
            document: Document::new(&DocumentOptions::new(client)),
            watched: Arc::clone(&self.watched),
            acks: AckTracker::default(),
            state: CopyState::Fresh,
            was_loaded: false,
            predecessors: self.predecessors + 1,
            handshake: Handshake::default(),
            unsent_from: None,
        };
        Ok((draft, sent))
    }

    fn draft(&self, park: Option<u64>) -> Result<Draft, Broken> {
        let (edits, clock) = self.acks.pending();
        let since = if self.was_loaded && !self.acks.is_durable(1) {
            // It is not known which of the loaded content the server has.
            StateVector::new()
        } else {
            let mut since = self.document.state().vector();
            since.set(self.client, clock);
            since
        };
        Ok(Draft {
            park,
            client: self.client,
            edits,
            copy: self.document.snapshot()?,
            difference: self.document.diff(&since)?,
            location: DraftLocation::InDraft,
        })
    }
}
