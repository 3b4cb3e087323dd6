//! Faults of nodes, as the program that makes them takes them down.
//!
//! Owns their times until the run asks for them. Makes no fault.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::record::{Moment, What};

/// What happens to nodes during a run; shared between the run and the program that disturbs them.
#[derive(Debug, Clone, Default)]
pub struct FaultLog(Arc<Mutex<Vec<(Instant, What)>>>);

impl FaultLog {
    /// Takes down that this begins now, and for how long it is to last.
    pub fn disturbed(&self, how: impl Into<String>, lasts: Duration) {
        self.note(What::Disturbed {
            how: how.into(),
            millis: u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX),
        });
    }

    /// Takes down that a node is killed now, and when it is to run again. The judgement has to know: copies may then
    /// bring back what others had shown them and the node had not stored.
    pub fn killed(&self, how: impl Into<String>, until_back: Duration) {
        self.note(What::Killed);
        self.disturbed(how, until_back);
    }

    fn note(&self, what: What) {
        let mut faults = self.0.lock();
        // Under the lock, so that the order of the list is that of the times.
        faults.push((Instant::now(), what));
    }

    /// Returns the faults since the beginning of a run.
    pub(crate) fn moments_since(&self, start: Instant) -> Vec<Moment> {
        let moment = |(at, what): &(Instant, What)| {
            let at = at.checked_duration_since(start)?;
            Some(Moment {
                at: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
                who: None,
                copy: 0,
                what: what.clone(),
            })
        };
        self.0.lock().iter().filter_map(moment).collect()
    }
}
