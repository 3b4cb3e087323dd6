//! The neighbours, parent and key of a block, and the comparison of two.

use crate::scan::{Id, Parent};

/// The neighbours, parent and key of a block.
#[derive(Clone, Copy)]
pub(super) struct BlockHead<'a> {
    pub(super) origin: Option<Id>,
    pub(super) right_origin: Option<Id>,
    pub(super) parent: Parent<'a>,
    pub(super) key: Option<&'a str>,
    pub(super) keyed: bool,
}

impl PartialEq for BlockHead<'_> {
    /// A key or parent that only one of the two has is not compared: the other inherits it.
    fn eq(&self, other: &Self) -> bool {
        let origins = (self.origin, self.right_origin) == (other.origin, other.right_origin);
        let inherited = |parent: Parent<'_>| parent == Parent::Inherited;
        let parents =
            self.parent == other.parent || inherited(self.parent) || inherited(other.parent);
        let keys = match (self.key, other.key) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, None) => true,
            _ => self.keyed == other.keyed,
        };
        origins && parents && keys
    }
}
