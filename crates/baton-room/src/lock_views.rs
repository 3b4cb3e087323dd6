//! When people are shown the locks.
//!
//! Owns the moment, and that nothing is shown twice. A view shows all locks of the document and goes to everybody, so it is
//! not made for every record: while one waits for the disk, what changes is shown by the next; and where it would be long
//! and go to many, it waits for further changes. Whoever gets or loses a lock is told so by itself, at once.

use std::sync::Arc;
use std::time::Duration;

use baton_presence::Time;
use baton_sync::channel::{LockView, ServerMessage};

use crate::locks::QUEUE_SHOWN;
use crate::room::Room;

/// How long a view waits for each lock or waiter in it, for each connection that it goes to: some twenty times of what
/// sending it takes.
const EACH: Duration = Duration::from_micros(1);

/// One that would wait for less does not wait.
const AT_ONCE: Duration = Duration::from_millis(5);

/// None waits for longer.
const MOST: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Default)]
pub(crate) struct LockViews {
    /// As it was shown last, or is going to be when it is durable.
    last: Option<LockView>,
    /// Whether that waits for the disk.
    waits: bool,
    /// Whether something may be otherwise since.
    changed: bool,
    /// When the next is made.
    due: Option<Time>,
}

impl LockViews {
    pub(crate) fn due(&self) -> Option<Time> {
        self.due
    }
}

impl Room {
    /// The locks may not be as they were shown last.
    pub(crate) fn announce_locks(&mut self, now: Time) {
        self.lock_views.changed = true;
        if !self.lock_views.waits {
            self.show_locks_in_time(now);
        }
    }

    /// Time has come to `now`.
    pub(crate) fn show_due_locks(&mut self, now: Time) {
        if self.lock_views.due.is_some_and(|due| due <= now) {
            self.show_locks();
        }
    }

    /// The view that waited is durable, and its turn has come.
    pub(crate) fn locks_turn(&mut self, message: &Arc<ServerMessage>, now: Time) {
        self.lock_views.waits = false;
        let overtaken = self.lock_views.changed
            && self.state.position <= self.durable
            && self.view_costs() < AT_ONCE;
        if overtaken {
            // Nobody was shown it.
            self.lock_views.last = None;
        } else {
            self.send_to_channel(message);
        }
        if self.lock_views.changed {
            self.show_locks_in_time(now);
        }
    }

    fn show_locks_in_time(&mut self, now: Time) {
        let costs = self.view_costs();
        if costs < AT_ONCE {
            self.show_locks();
        } else {
            self.lock_views.due.get_or_insert(now + costs);
        }
    }

    fn view_costs(&self) -> Duration {
        let fold = &self.state.fold;
        let lines = fold.lock_count() + fold.waiter_count().min(QUEUE_SHOWN);
        let times = lines.saturating_mul(self.connections.len());
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        EACH.saturating_mul(times).min(MOST)
    }

    fn show_locks(&mut self) {
        let view = self.lock_view();
        let same = self.lock_views.last.as_ref().is_some_and(|last| {
            LockView {
                version: view.version,
                ..last.clone()
            } == view
        });
        self.lock_views.changed = false;
        self.lock_views.due = None;
        if !same {
            self.lock_views.last = Some(view.clone());
            self.lock_views.waits = true;
            self.hold_view(ServerMessage::Lock { lock: view });
        }
    }
}
