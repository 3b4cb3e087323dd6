//! Gives deliveries to a replica in their order, and those that have a gap again later.

use baton_sync::StateVector;

use crate::subject::{Subject, Taken};

/// A replica and the deliveries that wait for others.
pub struct Intake<S, D> {
    replica: S,
    waiting: Vec<D>,
}

impl<S: Subject, D: AsRef<[u8]>> Intake<S, D> {
    /// Starts with a replica that knows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            replica: S::empty(),
            waiting: Vec::new(),
        }
    }

    /// Delivers, then retries what waits until nothing more can be applied. `cut` makes of a
    /// delivery what its sender would send to a replica with that vector; `taken` hears of each
    /// delivery that was applied as a whole.
    ///
    /// # Errors
    /// The reason why the replica refuses a delivery for ever.
    pub fn deliver(
        &mut self,
        delivery: D,
        mut cut: impl FnMut(&D, &StateVector) -> Result<D, String>,
        mut taken: impl FnMut(&D),
    ) -> Result<(), String> {
        self.waiting.push(delivery);
        loop {
            let mut progress = false;
            let mut index = 0;
            while index < self.waiting.len() {
                let mut outcome = self.replica.apply(self.waiting[index].as_ref())?;
                if outcome == Taken::Astride {
                    let vector = self.replica.knowledge().state_vector();
                    self.waiting[index] = cut(&self.waiting[index], &vector)?;
                    outcome = self.replica.apply(self.waiting[index].as_ref())?;
                }
                match outcome {
                    Taken::All => {
                        taken(&self.waiting.remove(index));
                        progress = true;
                    }
                    Taken::Part { some } => {
                        progress |= some;
                        index += 1;
                    }
                    Taken::Astride => return Err("astride after it was cut".to_owned()),
                }
            }
            if !progress || self.waiting.is_empty() {
                return Ok(());
            }
        }
    }

    /// Returns true if some delivery waits for others.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The replica.
    #[must_use]
    pub const fn replica(&self) -> &S {
        &self.replica
    }

    /// The replica, to ask for what it encodes once and keeps.
    #[must_use]
    pub const fn replica_mut(&mut self) -> &mut S {
        &mut self.replica
    }

    /// The replica, to keep.
    #[must_use]
    pub fn into_replica(self) -> S {
        self.replica
    }
}

impl<S: Subject, D: AsRef<[u8]>> Default for Intake<S, D> {
    fn default() -> Self {
        Self::new()
    }
}
