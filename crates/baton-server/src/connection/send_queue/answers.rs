//! The answers to the Step1 messages of one connection, as far as its queue has to know them.
//!
//! Owns the rule of which answer counts against the queue's limit.

use super::item::{FrameClass, Item};

/// State of the answers to the connection's Step1 messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Answered {
    /// No answer was queued yet.
    #[default]
    Never,
    /// An answer was queued, and the end of one that did not count still waits.
    Waits,
    /// An answer was queued, and the next one does not count either.
    Once,
}

impl Answered {
    /// Returns the class with which a frame is queued, and notes it if it is an answer.
    pub(super) fn queue(&mut self, class: FrameClass) -> FrameClass {
        match class {
            // A client that asks again and again without reading the answers pays for them.
            FrameClass::AnswerPart | FrameClass::Answer if *self == Self::Waits => {
                return FrameClass::Required;
            }
            FrameClass::AnswerPart => *self = Self::Once,
            FrameClass::Answer => *self = Self::Waits,
            _ => {}
        }
        class
    }

    /// Notes that an item has left the queue.
    pub(super) fn leave(&mut self, item: &Item) {
        if matches!(item, Item::Frame(_, FrameClass::Answer)) {
            *self = Self::Once;
        }
    }
}
