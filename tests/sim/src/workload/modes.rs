//! Changing what locks mean, while everybody works.

use baton_client::Mode;
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
        if world.dice.chance(60) {
            return;
        }
        let mode = match world.dice.below(6) {
            0 => Mode::Open,
            1 => Mode::Required,
            _ => Mode::ExclusiveWhenHeld,
        };
        world.ask(person, "sets mode", Operation::SetMode(mode));
    }
}
