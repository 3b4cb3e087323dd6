//! The connections to flush after a step of a document.

use std::sync::Arc;

use crate::connection::socket_writer::Line;

/// Most connections that one task flushes by itself; with more, others would wait for the last.
const FEW: usize = 32;

/// Connections for which something was queued. They are flushed when this is dropped: outside of the
/// document's gate, and once for everything that was queued in the meantime.
#[derive(Debug, Default)]
pub(crate) struct Due {
    lines: Vec<Arc<Line>>,
}

impl Due {
    /// Adds a connection.
    pub(crate) fn push(&mut self, line: &Arc<Line>) {
        self.lines.push(Arc::clone(line));
    }

    /// Adds the connections of `others`.
    pub(crate) fn append(&mut self, mut others: Self) {
        self.lines.append(&mut others.lines);
    }

    /// Flushes all of them. A crowd is left to its own tasks, which share the cores.
    pub(crate) fn flush(&mut self) {
        let crowd = self.lines.len() > FEW;
        for line in self.lines.drain(..) {
            if crowd {
                line.hand_over();
            } else {
                line.flush();
            }
        }
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        self.flush();
    }
}
