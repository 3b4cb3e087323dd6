//! The states of documents that a move has carried over, in a file of the data folder.
//!
//! A target's document may be replaced without being asked for if it is in a state that came from
//! the source: then nothing is lost. A line is written before a document is replaced and another
//! one afterwards, so a move that was killed goes on. A line that is lost costs a question only.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Name of the file in the data folder.
pub(super) const LEDGER: &str = "move.ledger";

/// The side to which a state was carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Side {
    Cluster,
    Folder,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    document: String,
    /// Digest of the state.
    state: String,
    to: Side,
    /// False before it was written, true after it was read back.
    arrived: bool,
}

/// The ledger of a folder; see the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    known: Mutex<HashMap<String, Vec<Line>>>,
    /// `None`: nothing is kept.
    file: Option<Mutex<File>>,
}

impl Ledger {
    /// Reads the ledger of a folder. Lines that cannot be read count for nothing: the last one may
    /// have been cut off.
    pub(super) fn open(folder: &Path, keep: bool) -> io::Result<Ledger> {
        let path = folder.join(LEDGER);
        let mut known = HashMap::<String, Vec<Line>>::new();
        let mut ends_well = true;
        match File::open(&path) {
            Ok(file) => {
                let mut reader = BufReader::new(file);
                let mut bytes = Vec::new();
                while reader.read_until(b'\n', &mut bytes)? > 0 {
                    ends_well = bytes.last() == Some(&b'\n');
                    if let Ok(line) = serde_json::from_slice::<Line>(&bytes) {
                        known.entry(line.document.clone()).or_default().push(line);
                    }
                    bytes.clear();
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut file = None;
        if keep {
            let mut opened = File::options().append(true).create(true).open(&path)?;
            if !ends_well {
                opened.write_all(b"\n")?;
            }
            file = Some(Mutex::new(opened));
        }
        Ok(Ledger {
            known: Mutex::new(known),
            file,
        })
    }

    /// Returns true if a document in this state, on the side `target`, came from the other side or
    /// went there, so that the other side has all of it.
    pub(super) fn knows(&self, document: &str, state: &str, target: Side) -> bool {
        let known = self.known.lock();
        let mut lines = known.get(document).into_iter().flatten();
        lines.any(|line| line.state == state && (line.arrived || line.to == target))
    }

    /// Notes that a state is being written (`arrived` false) or has arrived.
    pub(super) fn note(
        &self,
        document: &str,
        state: &str,
        to: Side,
        arrived: bool,
    ) -> io::Result<()> {
        let line = Line {
            document: document.to_owned(),
            state: state.to_owned(),
            to,
            arrived,
        };
        if let Some(file) = &self.file {
            let mut text = serde_json::to_vec(&line)?;
            text.push(b'\n');
            file.lock().write_all(&text)?;
        }
        let mut known = self.known.lock();
        known.entry(line.document.clone()).or_default().push(line);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_that_was_cut_off_knows_all_whole_lines_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let open = |keep| Ledger::open(folder.path(), keep).unwrap();
        let ledger = open(true);
        ledger.note("a\nb", "one", Side::Cluster, true).unwrap();
        ledger.note("c", "two", Side::Cluster, false).unwrap();
        drop(ledger);
        let path = folder.path().join(LEDGER);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let ledger = open(true);
        assert!(!ledger.knows("c", "two", Side::Cluster));
        ledger.note("c", "three", Side::Cluster, false).unwrap();
        drop(ledger);
        let ledger = open(false);
        assert!(ledger.knows("a\nb", "one", Side::Cluster));
        assert!(ledger.knows("a\nb", "one", Side::Folder));
        assert!(!ledger.knows("a\nb", "two", Side::Cluster));
        assert!(ledger.knows("c", "three", Side::Cluster));
        // It may never have arrived: then what the folder has is in the folder only.
        assert!(!ledger.knows("c", "three", Side::Folder));
    }
}
