//! Updates of one connection that follow one another faster than the log places them.
//!
//! In a cluster an update has its position about ten milliseconds after it came. A client that
//! types goes on meanwhile, and its next update builds on one that the document does not have yet:
//! it cannot be judged. It is proposed all the same, since records of one host keep their order,
//! and judged at its position, by the state there. On one machine the same update would be judged
//! by the same state.
//!
//! That holds for edits that go to the document. As soon as one went elsewhere, the next is judged
//! before it is proposed: limits on parks are checked there.

use std::collections::VecDeque;

use crate::reaction::StreamedUpdate;
use crate::replica::CheckedUpdate;

/// Most bytes of one connection that are in flight without having been judged.
const MOST_BYTES: usize = 256 * 1024;

/// See the module.
#[derive(Default)]
pub(super) struct UpdateStream {
    /// Updates in flight.
    count: u32,
    bytes: usize,
    /// The last update that was judged goes to the document.
    to_document: bool,
    /// Updates that came back while an earlier one was being proposed again. They are judged behind
    /// it.
    returned: VecDeque<(StreamedUpdate, CheckedUpdate)>,
}

impl UpdateStream {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && self.returned.is_empty()
    }

    /// Returns true if a further update can be proposed before it is judged.
    pub(super) fn is_open(&self) -> bool {
        self.to_document && self.returned.is_empty() && self.bytes < MOST_BYTES
    }

    /// Notes where the last update goes that was judged.
    pub(super) const fn judged(&mut self, to_document: bool) {
        self.to_document = to_document;
    }

    pub(super) fn push(&mut self, update: &CheckedUpdate) {
        self.count += 1;
        self.bytes += update.bytes().len();
    }

    /// Notes that an update of this length has its position.
    pub(super) fn placed(&mut self, bytes: usize) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Keeps an update that has its position until an earlier one is decided.
    pub(super) fn keep(&mut self, streamed: StreamedUpdate, update: CheckedUpdate) {
        self.returned.push_back((streamed, update));
    }

    pub(super) fn next_returned(&mut self) -> Option<(StreamedUpdate, CheckedUpdate)> {
        self.returned.pop_front()
    }
}
