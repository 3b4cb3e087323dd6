//! Stock Yjs in a Node process: makes histories, and says what Yjs knows after some updates.
//!
//! Owns the process and the frames, see `tests/node/differential/check.js`. Node is needed: without
//! it nothing is compared, so its absence is an error and never a pass.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use baton_sync::StateVector;
use baton_sync::lib0::{DecodeError, Reader, write_var_buf, write_var_string, write_var_uint};

use crate::knowledge::Knowledge;

const HISTORY: u8 = 1;
const LOAD: u8 = 2;
const CUT: u8 = 3;

/// All kinds of content that a history may have.
pub const KINDS: &[&str] = &[
    "text", "format", "embed", "any", "exotic", "binary", "map", "type", "delete", "undo", "xml",
    "hook", "subdoc", "meta", "json", "torn", "next",
];

/// The process. It ends with this value.
pub struct Yjs {
    child: Child,
    requests: Option<ChildStdin>,
    answers: ChildStdout,
}

/// A document of Yjs after it took some updates.
#[derive(Clone, PartialEq, Eq)]
pub struct Loaded {
    /// True if it keeps something that has a gap.
    pub waiting: bool,
    /// The units it has and those that are deleted.
    pub knowledge: Knowledge,
    /// Bytes of its encoding.
    pub bytes: usize,
    /// All that it shows, see `tests/node/differential/dump.js`.
    pub content: String,
}

/// One update on its way to the server.
pub struct Delivery {
    /// The update v1.
    pub update: Vec<u8>,
    /// The knowledge of Yjs after it took this one, unless it keeps something that has a gap.
    pub after: Option<Knowledge>,
}

/// The document of a client on the way.
pub struct ClientState {
    /// Its state vector.
    pub vector: StateVector,
    /// All of it as one update v1.
    pub update: Vec<u8>,
}

/// A history of several clients.
pub struct History {
    /// In the order in which they come. The last brings what is still lacking.
    pub deliveries: Vec<Delivery>,
    /// States of clients on the way.
    pub states: Vec<ClientState>,
    /// A document of Yjs after all deliveries.
    pub end: Loaded,
    /// Bytes of the encoding of a document of Yjs that collects garbage.
    pub collected_bytes: usize,
}

impl Yjs {
    /// Starts Node.
    ///
    /// # Errors
    /// Node or the packages of `tests/node` are not there; `cargo xtask test` installs them.
    pub fn start() -> Result<Self, String> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../node");
        if !folder.join("node_modules/yjs").is_dir() {
            return Err(format!("no Yjs: run `npm ci` in {}", folder.display()));
        }
        let mut child = Command::new("node")
            .arg("differential/check.js")
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("Node is needed and does not start: {error}"))?;
        let requests = child.stdin.take();
        let answers = child.stdout.take().ok_or("no standard output")?;
        Ok(Self {
            child,
            requests,
            answers,
        })
    }

    /// Makes the history that follows from this seed, with all kinds of content but those spared.
    ///
    /// # Errors
    /// Yjs threw, or Node is gone.
    pub fn history(&mut self, seed: u32, spared: &[&str]) -> Result<History, String> {
        let mut request = vec![HISTORY];
        write_var_uint(&mut request, u64::from(seed));
        let kinds = KINDS.iter().filter(|kind| !spared.contains(kind));
        write_var_string(&mut request, &kinds.copied().collect::<Vec<_>>().join(" "));
        let answer = self.ask(&request)?;
        read_history(&mut Reader::new(&answer)).map_err(|error| error.to_string())
    }

    /// Makes a document of these updates, one after another.
    ///
    /// # Errors
    /// Yjs threw, or Node is gone.
    pub fn load<U: AsRef<[u8]>>(&mut self, updates: &[U], gc: bool) -> Result<Loaded, String> {
        let mut request = vec![LOAD, u8::from(gc)];
        write_var_uint(&mut request, updates.len() as u64);
        for update in updates {
            write_var_buf(&mut request, update.as_ref());
        }
        let answer = self.ask(&request)?;
        read_loaded(&mut Reader::new(&answer)).map_err(|error| error.to_string())
    }

    /// The part of an update that a replica with this vector lacks, as Yjs cuts it.
    ///
    /// # Errors
    /// Yjs threw, or Node is gone.
    pub fn cut(&mut self, update: &[u8], vector: &StateVector) -> Result<Vec<u8>, String> {
        let mut request = vec![CUT];
        write_var_buf(&mut request, update);
        write_var_buf(&mut request, &vector.encode());
        let answer = self.ask(&request)?;
        let part = Reader::new(&answer).var_buf().map(<[u8]>::to_vec);
        part.map_err(|error| error.to_string())
    }

    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, String> {
        let answer = self
            .exchange(request)
            .map_err(|error| format!("Node is gone: {error}"))?;
        match answer.split_first() {
            Some((0, answer)) => Ok(answer.to_vec()),
            _ => Err(format!(
                "Yjs threw: {}",
                String::from_utf8_lossy(answer.get(2..).unwrap_or_default())
            )),
        }
    }

    fn exchange(&mut self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let requests = self
            .requests
            .as_mut()
            .ok_or(std::io::ErrorKind::BrokenPipe)?;
        let length = u32::try_from(request.len()).map_err(std::io::Error::other)?;
        requests.write_all(&length.to_le_bytes())?;
        requests.write_all(request)?;
        requests.flush()?;
        let mut length = [0; 4];
        self.answers.read_exact(&mut length)?;
        let mut answer = vec![0; u32::from_le_bytes(length) as usize];
        self.answers.read_exact(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Yjs {
    fn drop(&mut self) {
        // The end of its standard input ends it.
        drop(self.requests.take());
        let _ended = self.child.wait();
    }
}

fn read_history(reader: &mut Reader<'_>) -> Result<History, DecodeError> {
    let mut deliveries = Vec::new();
    for _ in 0..reader.var_uint()? {
        let update = reader.var_buf()?.to_vec();
        let after = match reader.u8()? {
            0 => None,
            _ => Some(read_knowledge(reader)?),
        };
        deliveries.push(Delivery { update, after });
    }
    let mut states = Vec::new();
    for _ in 0..reader.var_uint()? {
        let vector = Knowledge::new(read_clocks(reader)?, []).state_vector();
        let update = reader.var_buf()?.to_vec();
        states.push(ClientState { vector, update });
    }
    Ok(History {
        deliveries,
        states,
        end: read_loaded(reader)?,
        collected_bytes: reader.var_uint()? as usize,
    })
}

fn read_loaded(reader: &mut Reader<'_>) -> Result<Loaded, DecodeError> {
    Ok(Loaded {
        waiting: reader.u8()? == 1,
        knowledge: read_knowledge(reader)?,
        bytes: reader.var_uint()? as usize,
        content: reader.var_string()?.to_owned(),
    })
}

fn read_knowledge(reader: &mut Reader<'_>) -> Result<Knowledge, DecodeError> {
    let clocks = read_clocks(reader)?;
    let mut deletes = Vec::new();
    for _ in 0..reader.var_uint()? {
        let (client, start) = (reader.var_uint()?, reader.var_uint()? as u32);
        deletes.push((client, start, start + reader.var_uint()? as u32));
    }
    Ok(Knowledge::new(clocks, deletes))
}

fn read_clocks(reader: &mut Reader<'_>) -> Result<Vec<(u64, u32)>, DecodeError> {
    let count = reader.var_uint()?;
    (0..count)
        .map(|_| Ok((reader.var_uint()?, reader.var_uint()? as u32)))
        .collect()
}
