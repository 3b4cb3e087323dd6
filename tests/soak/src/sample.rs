//! Samples of a server's holdings: memory, file descriptors, threads, files on disk, and gauges of
//! its own.
//!
//! Owns the reading of `/proc`, of the data folder and of `/metrics`, and the row of a table.
//! Judges nothing.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use baton_tests::http;
use serde::Serialize;

/// Gauges of `/metrics` that must come back to where they were.
const GAUGES: [&str; 6] = [
    "baton_connections",
    "baton_documents_open",
    "baton_loads",
    "baton_receiving_bytes",
    "baton_awareness_bytes",
    "baton_queue_bytes",
];

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds since the beginning.
    pub seconds: f64,
    /// The scene of the moment.
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

/// The server that is sampled.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The server's process.
    pub pid: u32,
    /// Its address.
    pub address: SocketAddr,
    /// Its data folder.
    pub data: PathBuf,
    /// Time of its start.
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
        let gauges = gauges(&answer.body)?;
        Ok(Sample {
            gauges,
            ..self.look(scene)?
        })
    }
}

/// Reads the gauges that must come back to where they were.
fn gauges(text: &str) -> io::Result<Vec<(String, f64)>> {
    let value_of = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        let value =
            lines.find_map(|(of, value)| (of == name).then(|| value.parse::<f64>().ok()))?;
        Some((name.to_owned(), value?))
    };
    let read = GAUGES.iter().map(|name| {
        let missing = || io::Error::other(format!("/metrics has no {name}"));
        value_of(name).ok_or_else(missing)
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
    /// The most important numbers, for people.
    #[must_use]
    pub fn brief(&self) -> String {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        format!(
            "{:.1} MiB resident, {} descriptors, {} threads, {:.1} MiB on disk",
            mib(self.resident),
            self.descriptors,
            self.threads,
            mib(self.bytes)
        )
    }

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

    /// A gauge that was renamed was once looked for in vain, and nothing said so.
    #[test]
    fn every_known_gauge_is_read_and_a_missing_one_is_an_error() {
        let lines = GAUGES
            .iter()
            .map(|name| format!("# HELP {name} x\n{name} 12\n"));
        let text: String = lines.collect();
        let read = gauges(&text).unwrap();
        assert_eq!(read.len(), GAUGES.len());
        assert_eq!(read[1], ("baton_documents_open".to_owned(), 12.0));
        assert!(gauges(&text.replace("documents_open", "documents")).is_err());
    }
}
