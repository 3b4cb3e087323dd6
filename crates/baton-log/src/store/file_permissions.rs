//! Permissions of a data folder: only the user of this process may read it.
//!
//! Owns the modes of new files. Existing files of Baton with wider modes, from an earlier program,
//! are tightened. An existing folder keeps its mode, for it may be shared on purpose; a warning
//! says so.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The mode of a new file.
pub(crate) const FILE: u32 = 0o600;

/// The mode of a new folder.
const FOLDER: u32 = 0o700;

/// The mode bits of the group and of all other users.
const OTHERS: u32 = 0o077;

/// Creates a folder and its parents, unless it exists.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let there = folder.is_dir();
    if !there && folder.exists() {
        return Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            "this is a file; name a folder, in which the store makes its files",
        ));
    }
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
                "other users of this machine may list the data folder, but not read its files; \
                 chmod 700 it if they should not"
            );
        }
    }
    Ok(())
}

/// Creates an empty file, or empties an existing one.
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

/// Removes the permissions of other users from a file of Baton.
pub(crate) fn tighten(path: &Path) {
    let tightened = path.metadata().and_then(|found| {
        let mode = found.permissions().mode();
        if mode & OTHERS == 0 {
            return Ok(());
        }
        std::fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS))
    });
    if let Err(error) = tightened {
        tracing::warn!(
            file = %path.display(),
            %error,
            "other users of this machine may read this file; its mode could not be changed"
        );
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

    /// The folder was made with the default mode of the system (0755), and so was every file
    /// (0644).
    #[test]
    fn new_files_are_private_and_wider_ones_are_tightened() {
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
