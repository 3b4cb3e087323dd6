//! Deciding about what was set aside.

use baton_client::ParkStatus;
use baton_client::sans_io::{Operation, ParkDecision};

use super::Wish;
use crate::world::World;

/// Merges a park, discards it, takes it back or only looks at it, whether it may or not.
pub(super) struct Decide;

impl Wish for Decide {
    fn weight(&self) -> u64 {
        5
    }

    fn go(&self, world: &mut World, person: usize) {
        let Some(tab) = world.people[person].tab() else {
            return;
        };
        let parks: Vec<_> = tab
            .machine
            .parks()
            .filter(|park| park.state != ParkStatus::Merged)
            .map(|park| (park.id, park.state))
            .collect();
        if parks.is_empty() {
            return;
        }
        let (id, state) = parks[world.random.below(parks.len())];
        let (what, operation) = match (world.random.below(10), state) {
            (0, _) => ("shows a park", Operation::Show(id)),
            (1..4, ParkStatus::Open) => ("discards", Operation::Decide(id, ParkDecision::Discard)),
            (4.., ParkStatus::Open) => ("merges", Operation::Decide(id, ParkDecision::Merge)),
            (1..8, _) => ("recovers", Operation::Decide(id, ParkDecision::Recover)),
            (_, _) => ("merges", Operation::Decide(id, ParkDecision::Merge)),
        };
        world.ask(person, what, operation);
    }
}
