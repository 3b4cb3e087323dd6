//! The place of a unit in a document.

use crate::scan::Id;

/// The place of a unit; `R` names the root type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<R> {
    /// Nowhere: a GC block, or an item whose neighbours or parent are gone, which becomes one.
    Gone,
    /// In a type.
    At {
        /// The root type that this type is, or is in.
        root: R,
        /// Number of types between them; 0 directly in the root type.
        depth: u16,
        /// The type that it is in; `None` directly in the root type.
        inside: Option<Id>,
        /// The key under which a map or an element has it, if it is not in a sequence.
        key: Option<R>,
        /// The unit's use as a parent.
        holds: Holds,
    },
}

/// The use of a unit as a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// None: it is a value, a character, a format.
    Value,
    /// It is a shared type.
    Type,
    /// It may have been a shared type, and was deleted; a block inside it becomes nothing.
    Deleted,
}

impl<R> Place<R> {
    /// The type that it is in.
    pub(crate) fn inside(&self) -> Option<Id> {
        match self {
            Self::At { inside, .. } => *inside,
            Self::Gone => None,
        }
    }

    /// Is in the same sequence as another place, or under the same key.
    pub(crate) fn is_beside(&self, other: &Self) -> bool
    where
        R: PartialEq,
    {
        let (
            Self::At {
                root, inside, key, ..
            },
            Self::At {
                root: other_root,
                inside: other_inside,
                key: other_key,
                ..
            },
        ) = (self, other)
        else {
            return false;
        };
        (root, inside, key) == (other_root, other_inside, other_key)
    }

    /// Holds nothing that can be seen: its content is gone, or was deleted when it came.
    pub(crate) const fn is_without_content(&self) -> bool {
        matches!(
            self,
            Self::Gone
                | Self::At {
                    holds: Holds::Deleted,
                    ..
                }
        )
    }

    /// Is in no sequence, but under a key.
    pub(crate) fn is_keyed(&self) -> bool {
        matches!(self, Self::At { key: Some(_), .. })
    }

    /// The same place for a unit of another use.
    pub(super) fn with_holds(self, new: Holds) -> Self {
        match self {
            Self::Gone => Self::Gone,
            Self::At {
                root,
                depth,
                inside,
                key,
                ..
            } => Self::At {
                root,
                depth,
                inside,
                key,
                holds: new,
            },
        }
    }

    pub(crate) fn map_names<S>(self, mut name: impl FnMut(R) -> S) -> Place<S> {
        match self {
            Self::Gone => Place::Gone,
            Self::At {
                root,
                depth,
                inside,
                key,
                holds,
            } => Place::At {
                root: name(root),
                depth,
                inside,
                key: key.map(name),
                holds,
            },
        }
    }
}
