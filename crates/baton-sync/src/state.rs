//! What a document knows, kept from what the scanner says, and whether an update may be applied
//! to it.
//!
//! Owns the *state rules*: what is judged about an update only against a document. yrs integrates
//! past holes, keeps what does not fit yet pending, and is unsound on some of it; so an update is
//! given to yrs only when all of it can be applied now. [`State`] holds no content and never asks
//! yrs.
//!
//! An update [fits](Judgement::Fits) when
//! - each client's blocks go on exactly where the document ends, or are known as a whole: no gap,
//!   no Skip, no block that is known in part;
//! - every origin, right origin, parent and deleted range is known or in the update itself, and the
//!   blocks can be put in an order in which each comes after what it refers to;
//! - a parent is a shared type (or is gone), and types nest at most [`TYPE_DEPTH`] deep: yrs and
//!   Yjs delete a type by recursion;
//! - origin and right origin are in the same place: Yjs and yrs disagree which one counts;
//! - a value of a key is one unit (or several that are deleted) and has no right origin: which of
//!   several counts depends in Yjs on the order of deliveries otherwise.

mod children;
mod emit;
mod keys;
mod outline;
mod settle;
mod view;

use std::collections::BTreeSet;

use self::children::{Children, Inserted};
use self::keys::{Keys, Run, Value};
pub(crate) use self::outline::Place;
use self::outline::{Container, Outline};
pub(crate) use self::settle::{CLIENTS_AT_ONCE, Lesson, Settled};
use self::view::View;
use crate::delete_set::DeleteSet;
use crate::scan::{Block, Id, IdRange, Scan};
use crate::state_vector::{ClientId, Clock, StateVector};

/// How many shared types may be inside one another, the root type not counted.
pub const TYPE_DEPTH: u16 = 256;

/// What a document knows.
#[derive(Clone, Debug, Default)]
pub struct State {
    vector: StateVector,
    deletes: DeleteSet,
    outline: Outline,
    keys: Keys,
    children: Children,
    /// Some content was learnt that yrs cannot read.
    beyond_yrs: bool,
}

/// What an update is to a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Everything that it inserts and deletes is known: it adds nothing.
    Known,
    /// It adds something, and all of it may be applied now.
    Fits,
    /// Something must come first. Ask the sender for what is lacking (Step1), or take
    /// [`State::closed_part`].
    Gap {
        /// For some clients, a clock that the document must know first: the lowest at which
        /// something more of the update can come, not necessarily all of it. Empty if only a Skip
        /// over what is known stands in the way; then there is nothing to ask for.
        missing: StateVector,
    },
    /// A block is known in part. Ask the sender (Step1): it will cut the block there.
    Astride {
        /// The first unit of the block that is not known.
        at: Id,
    },
    /// It breaks a rule that no later state mends. The fault is the sender's.
    Refused(Refusal),
}

/// How much an update adds to a state, roughly: what is known only to who has the content, such as
/// how many of the deleted units anybody could see, is not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gain {
    /// Units of text (UTF-16) and elements that it inserts, minus those of the overlay that it
    /// deletes: less than nothing for an update that takes earlier ones back.
    pub inserted: i64,
    /// Units of the base that it deletes.
    pub deleted: u64,
}

/// Why an update can never be applied. Nothing that Yjs or yrs makes is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The parent that a block names is not a shared type.
    #[error("the parent {}:{} is not a shared type", parent.client, parent.clock)]
    ParentIsNoType {
        /// The parent.
        parent: Id,
    },
    /// A block's origin is in one type and its right origin in another.
    #[error("block {}:{} has its origins in two types", at.client, at.clock)]
    Torn {
        /// The block.
        at: Id,
    },
    /// A key gets a block of several units that are not all deleted.
    #[error("block {}:{} gives a key several values at once", at.client, at.clock)]
    LongValue {
        /// The block.
        at: Id,
    },
    /// A value of a key names a right origin: it would stand before another value, and no client
    /// sends that.
    #[error("block {}:{} puts the value of a key before another one", at.client, at.clock)]
    ValueBefore {
        /// The block.
        at: Id,
    },
    /// Shared types nest deeper than [`TYPE_DEPTH`].
    #[error("shared types nest too deep")]
    TooDeep,
    /// Blocks of different clients refer to one another in a circle.
    #[error("blocks refer to one another in a circle")]
    Circular,
}

impl State {
    /// Knows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is inserted.
    #[must_use]
    pub const fn vector(&self) -> &StateVector {
        &self.vector
    }

    /// What is deleted.
    #[must_use]
    pub const fn deletes(&self) -> &DeleteSet {
        &self.deletes
    }

    /// Whether everything that `other` knows is known here.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.vector.covers(&other.vector) && self.deletes.covers(&other.deletes)
    }

    /// What the update is to this state.
    #[must_use]
    pub fn judge(&self, scan: &Scan<'_>) -> Judgement {
        self.settle(scan).judgement()
    }

    /// What the update is to this state with another laid over it, such as a park's: known is what
    /// is known to either.
    #[must_use]
    pub fn judge_over(&self, over: &Self, scan: &Scan<'_>) -> Judgement {
        self.settle_over(over, scan).judgement()
    }

    /// Learns what of the update can be applied: all of one that fits, nothing of one that is
    /// known, the closed part of any other.
    ///
    /// That includes *implied deletions*, which no update states: all values of a key but the one
    /// that counts, and everything inside a deleted type, also what is inserted there later.
    pub fn absorb(&mut self, scan: &Scan<'_>) {
        let lesson = self.settle(scan).lesson(self);
        self.learn(lesson, scan);
    }

    /// [`State::absorb`] for a state that is laid over `base`; `base` learns nothing. Without
    /// implied deletions of what the base has.
    pub fn absorb_over(&mut self, base: &Self, scan: &Scan<'_>) {
        let lesson = base.settle_over(self, scan).lesson(self);
        self.learn_stated(&lesson);
        let Lesson { gone, clipped, .. } = lesson;
        self.deletes.extend(gone);
        self.deletes.extend(stated(clipped, scan));
    }

    /// The largest part of an update that can be applied now, as an update of its own: each
    /// client's blocks up to the first that cannot come yet, without what refers to others that
    /// cannot, and the deleted ranges as far as they are known. The blocks are copied verbatim.
    ///
    /// `None` if it would add nothing.
    #[must_use]
    pub fn closed_part(&self, scan: &Scan<'_>) -> Option<Vec<u8>> {
        let settled = self.settle(scan);
        (!settled.adds_nothing()).then(|| settled.emit())
    }

    /// The names of the root types in which the update inserts or deletes something new.
    ///
    /// Complete if the update [fits](Judgement::Fits); what cannot be applied is not looked at.
    #[must_use]
    pub fn touched_roots(&self, scan: &Scan<'_>) -> BTreeSet<String> {
        names(self.settle(scan).roots())
    }

    /// [`State::judge`] and, of an update that [fits](Judgement::Fits), [`State::touched_roots`]: in
    /// one walk.
    #[must_use]
    pub fn judge_roots(&self, scan: &Scan<'_>) -> (Judgement, BTreeSet<String>) {
        let settled = self.settle(scan);
        let judgement = settled.judgement();
        let roots = match judgement {
            Judgement::Fits => names(settled.roots()),
            _ => BTreeSet::new(),
        };
        (judgement, roots)
    }

    /// [`State::touched_roots`] for this state with another laid over it, such as a park's.
    #[must_use]
    pub fn touched_roots_over(&self, over: &Self, scan: &Scan<'_>) -> BTreeSet<String> {
        names(self.settle_over(over, scan).roots())
    }

    /// How much the update adds to this state with another laid over it, such as a park's. From the
    /// scan alone: cheap.
    #[must_use]
    pub fn gain_over(&self, over: &Self, scan: &Scan<'_>) -> Gain {
        self.settle_over(over, scan).gain()
    }

    /// Judges, and keeps what would be learnt.
    pub(crate) fn study(&self, scan: &Scan<'_>) -> (Judgement, Lesson) {
        let settled = self.settle(scan);
        (settled.judgement(), settled.lesson(self))
    }

    /// An update that fits, in as many updates as yrs can take well; `None` if it can take it as it
    /// is.
    pub(crate) fn parts(&self, scan: &Scan<'_>) -> Option<Vec<Vec<u8>>> {
        (scan.runs().len() > CLIENTS_AT_ONCE).then(|| self.settle(scan).parts())
    }

    /// Learns what was studied of this update, and what follows from it.
    pub(crate) fn learn(&mut self, lesson: Lesson, scan: &Scan<'_>) {
        self.beyond_yrs |= scan.is_beyond_yrs();
        self.learn_stated(&lesson);
        let mut lost = Vec::new();
        for (run, index) in &lesson.keyed {
            let client = scan.runs()[*run as usize].client;
            lost.extend(self.value_added(&scan.block(client, *index as usize)));
        }
        for range in lost {
            self.delete(range);
        }
        for range in lesson.gone.into_iter().chain(stated(lesson.clipped, scan)) {
            self.delete(range);
        }
    }

    /// Tells whether there is content that yrs cannot read; see [`Scan::is_beyond_yrs`].
    pub(crate) const fn is_beyond_yrs(&self) -> bool {
        self.beyond_yrs
    }

    fn learn_stated(&mut self, lesson: &Lesson) {
        for insert in &lesson.inserts {
            let IdRange { client, start, end } = insert.range;
            self.outline.push(client, start, &insert.place);
            self.vector.raise(client, end);
            let Some(parent) = insert.place.inside() else {
                continue;
            };
            if !self.deletes.contains(parent.client, parent.clock, 1) {
                let to = Container::of_unit(self.outline.writer(parent.client), parent.clock);
                let writer = self.outline.writer(client);
                self.children.add(to, Inserted { writer, start, end });
            }
        }
    }

    /// A value was given to a key. Returns what is deleted by that.
    fn value_added(&mut self, block: &Block<'_>) -> Option<IdRange> {
        let Block { client, clock, .. } = *block;
        let key = self.outline.chain(client, clock)?;
        // Inside a deleted type nothing counts.
        if let Some(parent) = self.outline.place(client, clock)?.inside()
            && self.deletes.contains(parent.client, parent.clock, 1)
        {
            return None;
        }
        let units = Run {
            writer: self.outline.writer(client),
            start: clock,
            end: block.end(),
        };
        let origin = block.origin.map(|id| {
            let writer = self.outline.known_writer(id.client);
            (writer.unwrap_or(u32::MAX), id.clock)
        });
        let value = Value { units, origin };
        let outline = &self.outline;
        let lost = self
            .keys
            .add(key, value, |writer| outline.writer_id(writer))?;
        Some(IdRange {
            client: self.outline.writer_id(lost.writer)?,
            start: lost.start,
            end: lost.end,
        })
    }

    /// Deletes units, and all that is inside the types among them. Every type is looked into once, so
    /// that all deletions together cost what all insertions did.
    fn delete(&mut self, range: IdRange) {
        let mut due = vec![range];
        while let Some(IdRange { client, start, end }) = due.pop() {
            self.deletes.insert(client, start, end - start);
            let Some(writer) = self.outline.known_writer(client) else {
                continue;
            };
            let (keys, outline) = (&mut self.keys, &self.outline);
            self.children.take(
                writer,
                start,
                end,
                |container| keys.forget(container),
                |units| {
                    due.extend(outline.writer_id(units.writer).map(|client| IdRange {
                        client,
                        start: units.start,
                        end: units.end,
                    }));
                },
            );
        }
    }

    /// Tells whether a known unit is the value of a key.
    pub(crate) fn is_keyed(&self, client: ClientId, clock: Clock) -> bool {
        self.outline.chain(client, clock).is_some()
    }

    /// Gives back what was reserved for more to come.
    pub(crate) fn shrink(&mut self) {
        self.outline.shrink();
        self.deletes.shrink();
        self.children.shrink();
    }

    pub(crate) fn settle<'u, 's>(&'s self, scan: &'s Scan<'u>) -> Settled<'u, 's> {
        Settled::new(
            View {
                base: self,
                over: None,
            },
            scan,
        )
    }

    pub(crate) fn settle_over<'u, 's>(
        &'s self,
        over: &'s Self,
        scan: &'s Scan<'u>,
    ) -> Settled<'u, 's> {
        Settled::new(
            View {
                base: self,
                over: Some(over),
            },
            scan,
        )
    }
}

/// The listed deletions that are learnt.
fn stated(clipped: Option<Vec<IdRange>>, scan: &Scan<'_>) -> impl Iterator<Item = IdRange> {
    let all = clipped.is_none().then(|| scan.deletes().iter().copied());
    let all = all.into_iter().flatten();
    clipped.into_iter().flatten().chain(all)
}

fn names<'s>(roots: impl Iterator<Item = &'s str>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for root in roots {
        if !names.contains(root) {
            names.insert(root.to_owned());
        }
    }
    names
}
