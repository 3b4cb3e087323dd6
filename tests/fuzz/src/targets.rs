//! The targets: what is done with bytes, and what must hold then.

mod client;
mod decoders;
mod document;
mod http;
mod invented;
mod log_rows;
mod peers;
mod room;
pub(crate) mod script;
mod stored;

use crate::memory::{Allowance, measured};

/// One thing that is done with bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of its corpus, and of its libFuzzer binary.
    pub name: &'static str,
    /// Panics on a finding.
    pub run: fn(&[u8]),
    /// What it may allocate.
    pub memory: Allowance,
    /// Longest input of the short run, in bytes.
    pub longest: usize,
}

/// Whatever one reads from bytes is not much larger than they are.
const READS: Allowance = Allowance {
    fixed: 16 * 1024,
    per_byte: 64,
};

/// A document, copies of it and what yrs makes of two bytes.
const DOCUMENTS: Allowance = Allowance {
    fixed: 1024 * 1024,
    per_byte: 4096,
};

/// A room or a server with its people.
const PLACES: Allowance = Allowance {
    fixed: 16 * 1024 * 1024,
    per_byte: 16 * 1024,
};

const fn target(name: &'static str, run: fn(&[u8]), memory: Allowance, longest: usize) -> Target {
    Target {
        name,
        run,
        memory,
        longest,
    }
}

/// All of them.
pub const TARGETS: [Target; 16] = [
    target("lib0", decoders::lib0, READS, 1024),
    target("state_vector", decoders::state_vector, READS, 1024),
    target("y_websocket", decoders::y_websocket, READS, 4096),
    target("hocuspocus", decoders::hocuspocus, READS, 4096),
    target("awareness", decoders::awareness, READS, 4096),
    target("channel", decoders::channel, READS, 4096),
    target("record", decoders::record, READS, 4096),
    target("scan", document::scan_only, READS, 8192),
    target("scan_yrs", document::scan_yrs, DOCUMENTS, 4096),
    target("peers", peers::peers, DOCUMENTS, 1024),
    target("handshake", document::handshake, DOCUMENTS, 4096),
    target("room", room::room, PLACES, 2048),
    target("room_stored", stored::room_stored, PLACES, 4096),
    target("log_rows", log_rows::log_rows, PLACES, 4096),
    target("client", client::client, PLACES, 4096),
    target("http", http::http, PLACES, 4096),
];

impl Target {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        static ALL: [Target; TARGETS.len()] = TARGETS;
        ALL.iter().find(|target| target.name == name)
    }

    /// Runs it, and holds it to its memory.
    ///
    /// # Panics
    /// On a finding.
    pub fn check(&self, input: &[u8]) {
        let peak = measured(|| (self.run)(input));
        let most = self.memory.of(input.len());
        assert!(
            peak <= most,
            "{}: {peak} bytes allocated at once for an input of {}, more than {most}",
            self.name,
            input.len()
        );
    }
}

/// [`Target::check`] of the target of this name, for the libFuzzer binaries.
///
/// # Panics
/// On a finding, and if there is no such target.
pub fn check(name: &str, input: &[u8]) {
    Target::named(name)
        .unwrap_or_else(|| panic!("no target {name}"))
        .check(input);
}
