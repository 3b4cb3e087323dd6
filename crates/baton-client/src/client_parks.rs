//! The public operations on parks, copies and the document's mode.
//!
//! Each is one step of the core, or waits for one. The server decides which sessions may do what.

use std::collections::BTreeMap;
use std::future::Future;

use baton_sync::control_channel::{LockMode, Outcome, ParkView};
use baton_sync::{Broken, ClientId};
use bytes::Bytes;

use crate::client::Client;
use crate::core::ClientCore;
use crate::core::operation::{Operation, ParkContent, ParkDecision, Reply};
use crate::draft::Draft;
use crate::error::{OperationError, ShowParkError};

/// Parks, which are edits that the server set aside because their author might not write there at
/// the time; and copies of the document.
impl Client {
    /// Returns the parks of this document by number, as the server last showed them: the open and
    /// the merged ones, and with [`Right::Manage`](crate::Right) the discarded ones.
    #[must_use]
    pub fn parks(&self) -> BTreeMap<u64, ParkView> {
        self.state().peek(|core| core.parks().clone())
    }

    /// Encodes all of this copy, for [`ClientOptions::copy`](crate::ClientOptions::copy) of a later
    /// client, with [`Client::epoch`].
    ///
    /// # Errors
    /// [`Broken`], as [`Client::read`].
    pub fn snapshot(&self) -> Result<Bytes, Broken> {
        self.state().peek(|core| core.document().snapshot())
    }

    /// Returns the epoch of the document that this copy belongs to, once the server has told it.
    #[must_use]
    pub fn epoch(&self) -> Option<u32> {
        self.state().peek(ClientCore::epoch)
    }

    /// Returns the copies of this client that were set aside, oldest first.
    #[must_use]
    pub fn drafts(&self) -> Vec<Draft> {
        self.state().peek(|core| core.drafts().to_vec())
    }

    /// Forgets the draft that was edited under this Yjs client id. The park on the server stays.
    pub fn drop_draft(&self, client: ClientId) {
        self.state().act(|core, _| core.drop_draft(client));
    }

    /// Asks for the changes that a park would make.
    ///
    /// # Errors
    /// [`ShowParkError`].
    pub fn show_park(
        &self,
        id: u64,
    ) -> impl Future<Output = Result<ParkContent, ShowParkError>> + Send + use<> {
        let answer = self.state().ask(Operation::Show(id));
        async move {
            match answer.await? {
                Reply::Content(content) => Ok(content),
                Reply::Outcome(outcome) => Err(ShowParkError::Refused(outcome)),
            }
        }
    }

    /// Applies a park's edits to the document, as an edit of this session. The outcome is `Done`;
    /// `Busy` while another session holds a lock of what they touch; `NotAllowed`; `Unknown`; or
    /// `Stale` if the park was discarded (recover it first).
    ///
    /// # Errors
    /// [`OperationError`].
    pub fn merge_park(
        &self,
        id: u64,
    ) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        self.decide(id, ParkDecision::Merge)
    }

    /// Discards a park; it can be recovered until [`ParkView::until_ms`].
    ///
    /// # Errors
    /// [`OperationError`].
    pub fn discard_park(
        &self,
        id: u64,
    ) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        self.decide(id, ParkDecision::Discard)
    }

    /// Recovers a discarded park: it is open again.
    ///
    /// # Errors
    /// [`OperationError`].
    pub fn recover_park(
        &self,
        id: u64,
    ) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        self.decide(id, ParkDecision::Recover)
    }

    fn decide(
        &self,
        id: u64,
        decision: ParkDecision,
    ) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        self.state().operate(Operation::Decide(id, decision))
    }

    /// Returns the meaning of locks in this document, once the server has told it.
    #[must_use]
    pub fn mode(&self) -> Option<LockMode> {
        self.state().peek(|core| core.locks().mode())
    }

    /// Changes the meaning of locks in this document, for all sessions: `Done`, or `NotAllowed`
    /// without [`Right::Manage`](crate::Right).
    ///
    /// # Errors
    /// [`OperationError`].
    pub fn set_mode(
        &self,
        mode: LockMode,
    ) -> impl Future<Output = Result<Outcome, OperationError>> + Send + use<> {
        self.state().operate(Operation::SetMode(mode))
    }
}
