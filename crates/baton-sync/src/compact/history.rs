//! The choice between dropping and keeping deleted content.

/// Treatment of deleted content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum History {
    /// Drops it, as Yjs does with its garbage collection: the place of each unit remains.
    #[default]
    Drop,
    /// Keeps it byte for byte, as Yjs does without its garbage collection (`gc: false`), for users
    /// of `Y.snapshot`.
    Keep,
}
