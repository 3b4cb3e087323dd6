//! Changing what locks mean, while everybody works.

use baton_client::LockMode;
use baton_client::sans_io::Operation;

use super::Wish;
use crate::world::World;

/// Sets another mode, whether it may or not.
pub(super) struct SetMode;

impl Wish for SetMode {
    fn weight(&self) -> u64 {
        1
    }

    fn go(&self, world: &mut World, person: usize) {
        if world.random.chance(60) {
            return;
        }
        let mode = match world.random.below(6) {
            0 => LockMode::Open,
            1 => LockMode::Required,
            _ => LockMode::ExclusiveWhenHeld,
        };
        world.ask(person, "sets mode", Operation::SetMode(mode));
    }
}
