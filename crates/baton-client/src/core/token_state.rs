//! The token at hand, and the question for another one.
//!
//! Owns the token, the question that the program's source is to answer, and the rule that a refused
//! token may be replaced once. Asks nothing itself: the shell does.

use crate::close_cause::{CloseCause, CloseMeaning};
use crate::token::ClientToken;

/// The token of one client.
#[derive(Debug)]
pub(super) struct TokenState {
    current: Option<ClientToken>,
    has_source: bool,
    /// True if the token at hand is known to be of no more use.
    spent: bool,
    /// The refusal of a token, until the server has taken one.
    refusal: Option<CloseCause>,
    /// Number of questions so far.
    questions: u64,
    /// True while the last question has no answer.
    asking: bool,
}

impl TokenState {
    pub(super) const fn new(token: Option<ClientToken>, has_source: bool) -> Self {
        Self {
            current: token,
            has_source,
            spent: false,
            refusal: None,
            questions: 0,
            asking: false,
        }
    }

    /// Returns the token for the next connection.
    pub(super) const fn current(&self) -> Option<&ClientToken> {
        self.current.as_ref()
    }

    /// Returns the number of the question that waits for an answer.
    pub(super) fn question(&self) -> Option<u64> {
        self.asking.then_some(self.questions)
    }

    /// Returns true if a connection is to wait for a token of the source.
    pub(super) const fn is_lacking(&self) -> bool {
        self.has_source && (self.spent || self.current.is_none())
    }

    /// Asks the source, if there is one.
    pub(super) const fn ask(&mut self) {
        if self.has_source {
            self.questions += 1;
            self.asking = true;
        }
    }

    /// Notes that the question is over. Returns false if it was over already.
    pub(super) const fn answered(&mut self, question: u64) -> bool {
        let expected = self.asking && self.questions == question;
        if expected {
            self.asking = false;
        }
        expected
    }

    /// Gives the question up.
    pub(super) const fn give_up(&mut self) {
        self.asking = false;
    }

    /// Takes another token.
    ///
    /// # Errors
    /// It is the one that the server refused: the refusal is final then.
    pub(super) fn replace(&mut self, token: ClientToken) -> Result<(), CloseCause> {
        let same = self.current.as_ref() == Some(&token);
        if let (true, Some(refusal)) = (same, &self.refusal) {
            return Err(refusal.clone());
        }
        self.current = Some(token);
        self.spent = false;
        self.asking = false;
        Ok(())
    }

    /// Notes that the server has taken the token.
    pub(super) fn welcomed(&mut self) {
        self.refusal = None;
    }

    /// Notes the end of a connection. Returns true if it is final, also for a client whose source
    /// may have another token: two refusals in a row are.
    pub(super) fn is_final(&mut self, cause: &CloseCause) -> bool {
        let meaning = cause.meaning();
        self.spent |= matches!(meaning, CloseMeaning::BadToken | CloseMeaning::TokenExpired);
        if !cause.is_final() {
            return false;
        }
        if meaning != CloseMeaning::BadToken || !self.has_source || self.refusal.is_some() {
            return true;
        }
        self.refusal = Some(cause.clone());
        false
    }
}
