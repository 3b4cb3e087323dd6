//! Access to a data folder: only the user that the process runs as may read it.
//!
//! Owns the modes of what is made in it. Files of Baton's own that are wider, because an earlier program made them, are
//! tightened. A folder that was there before is its owner's business: it may be shared on purpose, so that is only told.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The mode of a file.
pub(crate) const FILE: u32 = 0o600;

/// The mode of a folder.
const FOLDER: u32 = 0o700;

/// The bits of a mode that let others in: the group, and everybody else.
const OTHERS: u32 = 0o077;

/// Makes a folder, and those that it is to stand in, unless it is there.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let there = folder.is_dir();
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER)
        .create(folder)?;
    if there {
        let mode = folder.metadata()?.permissions().mode();
        if mode & OTHERS != 0 {
            tracing::warn!(
                folder = %folder.display(),
                mode = format!("{:o}", mode & 0o777),
                "other users of this machine may look into the data folder, though not read its files: chmod 700 it if they should not"
            );
        }
    }
    Ok(())
}

/// Makes an empty file, or empties one that is there.
pub(crate) fn make_file(path: &Path) -> io::Result<()> {
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE)
        .open(path)?;
    tighten(path);
    Ok(())
}

/// Takes a file of our own away from others.
pub(crate) fn tighten(path: &Path) {
    let tightened = path.metadata().and_then(|found| {
        let mode = found.permissions().mode();
        if mode & OTHERS == 0 {
            return Ok(());
        }
        std::fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS))
    });
    if let Err(error) = tightened {
        tracing::warn!(file = %path.display(), %error, "other users of this machine may read this file, and it could not be kept from them");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Log, LogOptions};

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    fn files(folder: &Path) -> Vec<(String, u32)> {
        let entries = std::fs::read_dir(folder).unwrap();
        let entry = |entry: io::Result<std::fs::DirEntry>| {
            let entry = entry.unwrap();
            (
                entry.file_name().to_string_lossy().into_owned(),
                mode(&entry.path()),
            )
        };
        entries.map(entry).collect()
    }

    /// The folder was made with the mode that the system gives by itself (0755), and so was every file in it (0644).
    #[test]
    fn nobody_else_may_read_what_is_made_and_what_was_wider_is_tightened() {
        let place = tempfile::TempDir::new().unwrap();
        let folder = place.path().join("deep/data");
        drop(Log::open_embedded(&folder, LogOptions::default()).unwrap());
        assert_eq!(mode(&folder), FOLDER);
        assert_eq!(mode(&place.path().join("deep")), FOLDER);
        let made = files(&folder);
        assert_eq!(made.len(), 2, "{made:?}");
        for (name, mode) in &made {
            assert_eq!(*mode, FILE, "{name}");
            let wide = Permissions::from_mode(0o644);
            std::fs::set_permissions(folder.join(name), wide).unwrap();
        }
        drop(Log::open_embedded(&folder, LogOptions::default()).unwrap());
        for (name, mode) in files(&folder) {
            assert_eq!(mode, FILE, "{name}");
        }
    }

    #[test]
    fn a_folder_that_was_there_keeps_its_mode() {
        let place = tempfile::TempDir::new().unwrap();
        let shared = Permissions::from_mode(0o750);
        std::fs::set_permissions(place.path(), shared).unwrap();
        drop(Log::open_embedded(place.path(), LogOptions::default()).unwrap());
        assert_eq!(mode(place.path()), 0o750);
    }
}
