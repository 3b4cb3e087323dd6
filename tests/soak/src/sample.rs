//! What a server holds at a moment: memory, file descriptors, threads, files on disk, and what it says of itself.
//!
//! Owns the reading of `/proc`, of the data folder and of `/metrics` (where there is one), and the table. Judges nothing.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use baton_tests::http;
use serde::Serialize;

/// Gauges of `/metrics` that must come back to where they were, if the server has them.
const GAUGES: [&str; 3] = ["baton_connections", "baton_documents", "baton_tasks"];

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds since the beginning.
    pub seconds: f64,
    /// What was going on.
    pub scene: String,
    /// Resident memory, in bytes.
    pub resident: u64,
    /// Open file descriptors.
    pub descriptors: u64,
    /// Threads.
    pub threads: u64,
    /// Files in the data folder.
    pub files: u64,
    /// Their length, in bytes.
    pub bytes: u64,
    /// Gauges, by name.
    pub gauges: Vec<(String, f64)>,
}

/// What is sampled.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The server's process.
    pub pid: u32,
    /// Where it answers.
    pub address: SocketAddr,
    /// Its data folder.
    pub data: PathBuf,
    /// When it began.
    pub began: Instant,
}

impl Watched {
    /// Looks at everything but the gauges, for which the server would have to answer.
    ///
    /// # Errors
    /// The process is gone.
    pub fn look(&self, scene: &str) -> io::Result<Sample> {
        let process = PathBuf::from(format!("/proc/{}", self.pid));
        let (files, bytes) = stored(&self.data)?;
        Ok(Sample {
            seconds: self.began.elapsed().as_secs_f64(),
            scene: scene.to_owned(),
            resident: baton_load::process::resident(self.pid)?,
            descriptors: fs::read_dir(process.join("fd"))?.count() as u64,
            threads: fs::read_dir(process.join("task"))?.count() as u64,
            files,
            bytes,
            gauges: Vec::new(),
        })
    }

    /// The same with the gauges.
    ///
    /// # Errors
    /// The process is gone.
    pub async fn ask(&self, scene: &str) -> io::Result<Sample> {
        // Before the descriptors are counted: the question itself costs one.
        let answer = http::get(self.address, "/metrics").await;
        let gauges = if answer.status == 200 {
            gauges(&answer.body)
        } else {
            Vec::new()
        };
        Ok(Sample {
            gauges,
            ..self.look(scene)?
        })
    }
}

fn gauges(text: &str) -> Vec<(String, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let read = lines.filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        let wanted = GAUGES.contains(&name);
        wanted.then(|| Some((name.to_owned(), value.parse().ok()?)))?
    });
    read.collect()
}

fn stored(folder: &Path) -> io::Result<(u64, u64)> {
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // It may be gone again: a temporary file.
        let Ok(about) = entry.metadata() else {
            continue;
        };
        if about.is_dir() {
            let (below, length) = stored(&entry.path())?;
            files += below;
            bytes += length;
        } else {
            files += 1;
            bytes += about.len();
        }
    }
    Ok((files, bytes))
}

/// The names of the columns of [`Sample::row`].
pub const COLUMNS: &str = "seconds,scene,resident,descriptors,threads,files,bytes";

impl Sample {
    /// Its numbers, separated by commas.
    #[must_use]
    pub fn row(&self) -> String {
        format!(
            "{:.1},{},{},{},{},{},{}",
            self.seconds,
            self.scene,
            self.resident,
            self.descriptors,
            self.threads,
            self.files,
            self.bytes
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_metrics_the_known_gauges_are_read() {
        let text =
            "# HELP baton_connections x\nbaton_connections 12\nbaton_other 3\nbaton_documents 4\n";
        let expected = [("baton_connections", 12.0), ("baton_documents", 4.0)];
        let expected: Vec<_> = expected
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        assert_eq!(gauges(text), expected);
    }
}
