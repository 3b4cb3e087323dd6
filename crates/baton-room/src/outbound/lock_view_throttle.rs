//! The moments at which clients are shown all locks of a document.
//!
//! A view shows all locks and goes to every client, so it is not made for every record. While one
//! waits for the disk, the next shows further changes. Where a view is long and goes to many, it
//! waits for further changes. A session that gets or loses a lock is told so at once, by a message
//! of its own. No view is shown twice.

use std::time::Duration;

use baton_presence::Time;
use baton_sync::control_channel::LockView;

use super::lock_messages::{QUEUE_SHOWN, lock_view};
use crate::context::Context;

/// Time that a view waits for each lock or waiter in it, for each connection that it goes to: some
/// twenty times the time of sending it.
const WAIT_PER_LINE: Duration = Duration::from_micros(1);

/// A view that would wait for less does not wait.
const MIN_WAIT: Duration = Duration::from_millis(5);

/// Longest time that a view waits.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Default)]
pub(super) struct LockViewThrottle {
    /// The last view that was shown, or is going to be when it is durable.
    last: Option<LockView>,
    /// The last view waits for the disk.
    waits: bool,
    /// The locks may have changed since.
    changed: bool,
    /// Time at which the next view is made.
    due: Option<Time>,
}

/// The decision about a view that is durable.
pub(super) struct ViewTurn {
    /// The view is shown.
    pub(super) shown: bool,
    /// The next view, which waits until it is durable.
    pub(super) next: Option<LockView>,
}

impl LockViewThrottle {
    pub(super) const fn due(&self) -> Option<Time> {
        self.due
    }

    /// Notes that the locks may have changed. Returns the view that waits until it is durable.
    pub(super) fn changed(&mut self, cx: Context<'_>) -> Option<LockView> {
        self.changed = true;
        if self.waits {
            return None;
        }
        self.show_in_time(cx)
    }

    /// Returns the view whose time has come.
    pub(super) fn take_due(&mut self, cx: Context<'_>) -> Option<LockView> {
        let is_due = self.due.is_some_and(|due| due <= cx.now);
        if is_due { self.show(cx) } else { None }
    }

    /// Notes that the view which waited is durable, and that its turn has come.
    pub(super) fn turn(&mut self, durable: u64, cx: Context<'_>) -> ViewTurn {
        self.waits = false;
        let overtaken = self.changed && cx.state.position() <= durable && costs(cx) < MIN_WAIT;
        if overtaken {
            // No client was shown it.
            self.last = None;
        }
        ViewTurn {
            shown: !overtaken,
            next: if self.changed {
                self.show_in_time(cx)
            } else {
                None
            },
        }
    }

    fn show_in_time(&mut self, cx: Context<'_>) -> Option<LockView> {
        let costs = costs(cx);
        if costs < MIN_WAIT {
            return self.show(cx);
        }
        self.due.get_or_insert(cx.now + costs);
        None
    }

    fn show(&mut self, cx: Context<'_>) -> Option<LockView> {
        let view = lock_view(cx.state);
        let same = self.last.as_ref().is_some_and(|last| {
            LockView {
                version: view.version,
                ..last.clone()
            } == view
        });
        self.changed = false;
        self.due = None;
        if same {
            return None;
        }
        self.last = Some(view.clone());
        self.waits = true;
        Some(view)
    }
}

/// Returns the time that a view waits for further changes.
fn costs(cx: Context<'_>) -> Duration {
    let locks = cx.state.locks();
    let lines = locks.lock_count() + locks.waiter_count().min(QUEUE_SHOWN);
    let times = lines.saturating_mul(cx.sessions.connections());
    let times = u32::try_from(times).unwrap_or(u32::MAX);
    WAIT_PER_LINE.saturating_mul(times).min(MAX_WAIT)
}
