//! The files of a run: its samples, its progress, and the server's log.
//!
//! Owns the folder. Every line is in its file before the run goes on, so that a run that is killed
//! has left everything that it saw until then.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::sample::{COLUMNS, Sample};

/// See the module.
#[derive(Debug)]
pub struct Findings {
    folder: PathBuf,
    tell: fn(&str),
    samples: Mutex<File>,
    progress: Mutex<File>,
}

impl Findings {
    /// Opens the folder, and empties the files of an earlier run. `tell` shows the progress to
    /// people.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn open(folder: &Path, tell: fn(&str)) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut samples = File::create(folder.join("samples.csv"))?;
        writeln!(samples, "{COLUMNS}")?;
        Ok(Self {
            tell,
            samples: Mutex::new(samples),
            progress: Mutex::new(File::create(folder.join("progress.txt"))?),
            folder: folder.to_owned(),
        })
    }

    /// Adds a sample to `samples.csv`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn sample(&self, sample: &Sample) -> io::Result<()> {
        append(&self.samples, &sample.row())
    }

    /// Shows a line of progress, and adds it to `progress.txt`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn progress(&self, line: &str) -> io::Result<()> {
        (self.tell)(line);
        append(&self.progress, line)
    }

    /// Keeps the log of the server as `server.log`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn server_log(&self, text: &str) -> io::Result<()> {
        fs::write(self.folder.join("server.log"), text)
    }

    /// Returns the folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Writes a line with one system call: nothing of it waits in this process.
fn append(file: &Mutex<File>, line: &str) -> io::Result<()> {
    let mut file = file
        .lock()
        .map_err(|_| io::Error::other("a writer panicked"))?;
    file.write_all(format!("{line}\n").as_bytes())
}
