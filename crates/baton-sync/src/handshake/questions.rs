//! Questions to a client: our Step1, and what the answers show.

/// Answers in a row that may end inside a block of the document before such an answer is treated as
/// one that lacks units. After each of them the question is asked again.
const ASTRIDE_ANSWERS: u32 = 3;

/// Answers in a row that leave kept updates incomplete before the client is taken to lack the
/// missing units as well. More than one: the first may have been on its way before those updates.
const FRUITLESS_ANSWERS: u32 = 2;

/// The questions to one client.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// Our Step1 is out, and no Step2 has come since.
    asked: bool,
    /// Answers in a row that ended inside a block of the document.
    astride: u32,
    /// Answers in a row that did not complete the kept updates.
    fruitless: u32,
    /// The client lacks the units that kept updates need. While this is so, nothing is asked.
    lacks: bool,
}

impl Questions {
    /// Asks, unless a question is out. Returns true if our Step1 is to be sent.
    pub(super) const fn ask(&mut self) -> bool {
        !std::mem::replace(&mut self.asked, true)
    }

    /// Notes that an answer came.
    pub(super) const fn answered(&mut self) {
        self.asked = false;
    }

    /// Returns true if a question is out.
    pub(super) const fn is_open(&self) -> bool {
        self.asked
    }

    /// Returns true if the client lacks units that kept updates need.
    pub(super) const fn client_lacks(&self) -> bool {
        self.lacks
    }

    /// Notes an answer that could be taken as a whole.
    pub(super) const fn answer_was_whole(&mut self) {
        self.astride = 0;
        self.lacks = false;
    }

    /// Notes an answer that ends inside a block of the document. Returns true if the question is
    /// worth asking again.
    pub(super) const fn answer_was_astride(&mut self) -> bool {
        let again = self.astride < ASTRIDE_ANSWERS;
        if again {
            self.astride += 1;
        }
        again
    }

    /// Notes an answer that left kept updates incomplete. Returns true if the question is worth
    /// asking again.
    pub(super) const fn answer_was_fruitless(&mut self) -> bool {
        self.fruitless += 1;
        self.fruitless < FRUITLESS_ANSWERS
    }

    /// Notes that a kept update has become complete.
    pub(super) const fn kept_was_completed(&mut self) {
        self.fruitless = 0;
    }

    /// Notes that the client lacks units. Returns true if that was not known.
    pub(super) const fn find_lacking(&mut self) -> bool {
        !std::mem::replace(&mut self.lacks, true)
    }

    /// Begins anew, after an update that was too large to keep may fit.
    pub(super) const fn begin_anew(&mut self) {
        self.lacks = false;
        self.fruitless = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_sent_once_until_its_answer_comes() {
        let mut questions = Questions::default();
        assert!(questions.ask());
        assert!(!questions.ask());
        questions.answered();
        assert!(!questions.is_open());
        assert!(questions.ask());
    }

    #[test]
    fn an_answer_inside_a_block_is_asked_for_again_three_times() {
        let mut questions = Questions::default();
        for _ in 0..ASTRIDE_ANSWERS {
            assert!(questions.answer_was_astride());
        }
        assert!(!questions.answer_was_astride());
        questions.answer_was_whole();
        assert!(questions.answer_was_astride());
    }

    #[test]
    fn a_client_lacks_units_after_two_answers_that_completed_nothing() {
        let mut questions = Questions::default();
        assert!(questions.answer_was_fruitless());
        questions.kept_was_completed();
        assert!(questions.answer_was_fruitless());
        assert!(!questions.answer_was_fruitless());
        assert!(questions.find_lacking());
        assert!(!questions.find_lacking());
        questions.begin_anew();
        assert!(!questions.client_lacks());
        assert!(questions.answer_was_fruitless());
    }
}
