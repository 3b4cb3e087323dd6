//! Views that wait until they are durable: of several of the same thing, only two.
//!
//! Owns what has to be shown next of each thing. A view stands at the position that it shows, and goes out in the order of
//! positions, so it never overtakes what came before it. The oldest one that waits stays (however often the thing changes,
//! it is shown), and the newest; if both are durable, only the newest goes out.

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_sync::channel::ServerMessage;

use crate::output::ViewOf;

struct Shown {
    position: u64,
    message: Arc<ServerMessage>,
}

struct Waiting {
    oldest: Shown,
    newest: Option<Shown>,
}

/// The views that wait for the disk.
#[derive(Default)]
pub(crate) struct Views {
    waiting: BTreeMap<ViewOf, Waiting>,
}

impl Views {
    /// Keeps a view of what is true at `position`, which only grows.
    pub(crate) fn keep(&mut self, of: ViewOf, position: u64, message: Arc<ServerMessage>) {
        let shown = Shown { position, message };
        match self.waiting.get_mut(&of) {
            Some(waiting) if waiting.oldest.position == position => waiting.oldest = shown,
            Some(waiting) => waiting.newest = Some(shown),
            None => {
                let newest = None;
                self.waiting.insert(
                    of,
                    Waiting {
                        oldest: shown,
                        newest,
                    },
                );
            }
        }
    }

    /// The turn of the view of `position` has come: what is to be shown, unless a newer one is durable as well, and will
    /// have its own turn, or took its place.
    pub(crate) fn take(
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
        let mut views = Views::default();
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
        let mut views = Views::default();
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
        let mut views = Views::default();
        views.keep(ViewOf::Park(1), 5, view(1));
        views.keep(ViewOf::Park(1), 5, view(2));
        assert_eq!(views.take(ViewOf::Park(1), 5, 5), Some(view(2)));
        assert_eq!(views.take(ViewOf::Park(1), 5, 5), None);
    }
}
