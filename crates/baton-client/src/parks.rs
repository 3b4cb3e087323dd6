//! Parks, drafts and the mode, as a program handles them.
//!
//! Owns the public operations: each is one step of the core, or waits for one. Who may decide what is the server's to
//! say.

use std::collections::BTreeMap;
use std::future::Future;

use baton_sync::ClientId;
use baton_sync::channel::{Mode, Outcome, ParkPart, ParkView};

use crate::client::Client;
use crate::core::{Decision, Operation, Reply};
use crate::draft::Draft;
use crate::error::{NotShown, Unanswered};

/// What a park would change in the document, to be read by people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkContent {
    /// The difference, in reading order of each root type.
    pub parts: Vec<ParkPart>,
    /// Whether there is more than the server shows.
    pub truncated: bool,
}

/// Parks: edits that the server set aside because their author might not write there then.
impl Client {
    /// The parks of this document by number, as the server last told: the open ones, the merged ones, and with
    /// [`Right::Manage`](crate::Right) those that were discarded.
    #[must_use]
    pub fn parks(&self) -> BTreeMap<u64, ParkView> {
        self.shared.peek(|core| core.parks().clone())
    }

    /// The copies of this client that were set aside, oldest first.
    #[must_use]
    pub fn drafts(&self) -> Vec<Draft> {
        self.shared.peek(|core| core.drafts().to_vec())
    }

    /// Forgets the draft that was edited under this Yjs client id. The park on the server stays.
    pub fn drop_draft(&self, client: ClientId) {
        self.shared.act(|core, _| core.drop_draft(client));
    }

    /// What a park would change.
    ///
    /// # Errors
    /// [`NotShown`].
    pub fn show_park(
        &self,
        id: u64,
    ) -> impl Future<Output = Result<ParkContent, NotShown>> + Send + use<> {
        let answer = self.answer(Operation::Show(id));
        async move {
            match answer.await? {
                Reply::Content(content) => Ok(ParkContent {
                    parts: content.parts,
                    truncated: content.truncated,
                }),
                Reply::Outcome(outcome) => Err(NotShown::Refused(outcome)),
            }
        }
    }

    /// Brings a park's edits into the document, as an edit of this session: `Done`, or `Busy` while somebody else holds
    /// what they touch, `NotAllowed`, `Unknown`, `Stale` if it was discarded (recover it first).
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn merge_park(
        &self,
        id: u64,
    ) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.operate(Operation::Decide(id, Decision::Merge))
    }

    /// Discards a park; it can be recovered until [`ParkView::until_ms`].
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn discard_park(
        &self,
        id: u64,
    ) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.operate(Operation::Decide(id, Decision::Discard))
    }

    /// Takes a discarded park back: it is open again.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn recover_park(
        &self,
        id: u64,
    ) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.operate(Operation::Decide(id, Decision::Recover))
    }

    /// Changes what locks mean in this document, for all: `Done`, or `NotAllowed` without
    /// [`Right::Manage`](crate::Right).
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn set_mode(
        &self,
        mode: Mode,
    ) -> impl Future<Output = Result<Outcome, Unanswered>> + Send + use<> {
        self.operate(Operation::SetMode(mode))
    }
}
