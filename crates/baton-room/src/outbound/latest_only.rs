//! Views that wait until they are durable: for each subject the oldest and the newest.
//!
//! A view stands at the position that it shows, and goes out in the order of positions, so it never
//! overtakes a message of before. The oldest one that waits stays, so that a subject is shown
//! however often it changes. If the newest is durable as well, only the newest goes out.

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_sync::control_channel::ServerMessage;

use crate::message::ViewOf;

struct View {
    position: u64,
    message: Arc<ServerMessage>,
}

struct WaitingViews {
    oldest: View,
    newest: Option<View>,
}

/// The views that wait for the disk.
#[derive(Default)]
pub(super) struct LatestOnly {
    waiting: BTreeMap<ViewOf, WaitingViews>,
}

impl LatestOnly {
    /// Keeps a view of `position`, which only grows.
    pub(super) fn keep(&mut self, of: ViewOf, position: u64, message: Arc<ServerMessage>) {
        let shown = View { position, message };
        match self.waiting.get_mut(&of) {
            Some(waiting) if waiting.oldest.position == position => waiting.oldest = shown,
            Some(waiting) => waiting.newest = Some(shown),
            None => {
                let newest = None;
                self.waiting.insert(
                    of,
                    WaitingViews {
                        oldest: shown,
                        newest,
                    },
                );
            }
        }
    }

    /// Returns the view of `position`, whose turn has come; `None` if a newer one is durable as
    /// well, and has its own turn, or took its place.
    pub(super) fn take(
        &mut self,
        of: ViewOf,
        position: u64,
        durable: u64,
    ) -> Option<Arc<ServerMessage>> {
        let waiting = self.waiting.get_mut(&of)?;
        if waiting.oldest.position != position {
            return None;
        }
        let Some(newest) = waiting.newest.take() else {
            return self.waiting.remove(&of).map(|last| last.oldest.message);
        };
        let superfluous = newest.position <= durable;
        let oldest = std::mem::replace(&mut waiting.oldest, newest);
        (!superfluous).then_some(oldest.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(updates: u64) -> Arc<ServerMessage> {
        Arc::new(ServerMessage::Saved { updates })
    }

    #[test]
    fn of_all_that_are_durable_together_the_newest_is_shown() {
        let mut views = LatestOnly::default();
        for position in 1..=3 {
            views.keep(ViewOf::Locks, position, view(position));
        }
        let shown: Vec<_> = (1..=3)
            .filter_map(|turn| views.take(ViewOf::Locks, turn, 3))
            .collect();
        assert_eq!(shown, [view(3)]);
    }

    #[test]
    fn however_often_it_changes_it_is_shown() {
        let mut views = LatestOnly::default();
        let mut shown = Vec::new();
        for position in 1..=9 {
            views.keep(ViewOf::Locks, position, view(position));
            // The disk is three positions behind, always.
            if let Some(durable) = position.checked_sub(3) {
                shown.extend(views.take(ViewOf::Locks, durable, durable));
            }
        }
        assert_eq!(shown, [view(1), view(4)]);
    }

    #[test]
    fn the_last_of_one_position_counts() {
        let mut views = LatestOnly::default();
        views.keep(ViewOf::Park(1), 5, view(1));
        views.keep(ViewOf::Park(1), 5, view(2));
        assert_eq!(views.take(ViewOf::Park(1), 5, 5), Some(view(2)));
        assert_eq!(views.take(ViewOf::Park(1), 5, 5), None);
    }
}
