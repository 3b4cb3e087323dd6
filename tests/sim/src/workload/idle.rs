//! Doing nothing for long, with the document open and the page well.

use super::Wish;
use crate::world::World;

/// Goes for a coffee.
pub(super) struct Doze;

impl Wish for Doze {
    fn weight(&self) -> u64 {
        2
    }

    fn go(&self, world: &mut World, person: usize) {
        let lasts = world.random.millis(5_000, 40_000);
        world.people[person].dozes_until = world.now + lasts;
        world.note("dozes", person as u64, lasts.as_millis() as u64);
    }
}
