//! Search hints inside a compared state.

use std::ops::{Deref, DerefMut};

/// Bookkeeping that shortens a search, and does not count as state.
///
/// Two states that differ only in their hints are equal: a restored snapshot starts with other
/// hints than the state it was made from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hint<T>(T);

impl<T> PartialEq for Hint<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Hint<T> {}

impl<T> Deref for Hint<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Hint<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
