//! The positions of a document as its room knows them: those of the stream, plus a base for a
//! document that came from another log.
//!
//! In the other log its positions may have been higher than this stream has come. Fences, tickets
//! and ids of sessions and parks are positions, and none may be given twice. So each snapshot of
//! such a document carries a base, from the one with which it came; all nodes read the same one.

use baton_log::{LogError, Position};

use crate::core::StreamPosition;

/// Positions are below this, so that they are exact in JavaScript.
const END: u64 = 1 << 53;

/// See the module. Base 0 for a document that began in this cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MovedPositions {
    base: u64,
}

impl MovedPositions {
    /// Makes positions with this base; `None` if no position could be that high.
    pub(super) fn new(base: u64) -> Option<MovedPositions> {
        (base < END).then_some(MovedPositions { base })
    }

    pub(super) fn base(self) -> u64 {
        self.base
    }

    /// Returns the room's position of this place in the stream.
    pub(super) fn of(self, place: StreamPosition) -> Position {
        Position::new(self.base + place.number())
    }

    /// Returns the place in the stream of a room's position.
    pub(super) fn place(self, position: Position) -> StreamPosition {
        let number = position.get().saturating_sub(self.base);
        StreamPosition::from_number(number).unwrap_or_default()
    }

    /// Returns the positions in which this place is not below `above`, and no position is lower
    /// than in these.
    pub(super) fn raised(
        self,
        place: StreamPosition,
        above: Position,
    ) -> Result<MovedPositions, LogError> {
        let base = self.base.max(above.get().saturating_sub(place.number()));
        // The highest number of a place is not known; half of all must be left.
        let fits = base.checked_add(place.number()).filter(|at| *at < END / 2);
        match fits {
            Some(_) => Ok(MovedPositions { base }),
            None => Err(LogError::PositionTooHigh { at: above }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_go_on_above_those_of_the_other_log() {
        let place = |sequence| StreamPosition {
            incarnation: 0,
            sequence,
        };
        let none = MovedPositions::default();
        let moved = none.raised(place(5), Position::new(1_000)).unwrap();
        assert_eq!(moved.of(place(5)), Position::new(1_000));
        assert_eq!(moved.of(place(6)), Position::new(1_001));
        assert_eq!(moved.place(Position::new(1_001)), place(6));
        // A stream that is beyond the other log needs no base.
        assert_eq!(
            none.raised(place(2_000), Position::new(1_000)).unwrap(),
            none
        );
        // A base never falls.
        assert_eq!(moved.raised(place(9), Position::new(3)).unwrap(), moved);
        let high = Position::new(END / 2);
        assert!(matches!(
            none.raised(place(5), high),
            Err(LogError::PositionTooHigh { at }) if at == high
        ));
    }
}
