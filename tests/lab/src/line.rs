//! The way of one copy to the server, on the wire of the run.
//!
//! Owns the address that `baton-client` is given, and what stands between the two where the server speaks another wire.

use crate::error::LabError;
use crate::hocuspocus_bridge::HocuspocusBridge;
use crate::scenario::ClientWire;

/// See the module.
#[derive(Debug)]
pub(crate) struct Line {
    url: String,
    bridge: Option<HocuspocusBridge>,
}

impl Line {
    /// Opens a way to this document. `server` is where the wire is spoken.
    pub(crate) fn open(wire: ClientWire, server: &str, document: &str) -> Result<Self, LabError> {
        let (url, bridge) = match wire {
            ClientWire::YWebsocket => (server.to_owned(), None),
            // The client puts the name once more behind it. Names of the lab need no encoding here.
            ClientWire::YSweet => (format!("{server}/d/{document}/ws"), None),
            ClientWire::Hocuspocus => {
                let bridge = HocuspocusBridge::open(server, document)?;
                (bridge.url().to_owned(), Some(bridge))
            }
        };
        Ok(Self { url, bridge })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns true if no change waits for an answer of the wire, and none was answered twice.
    pub(crate) fn all_answered(&self) -> bool {
        self.bridge
            .as_ref()
            .is_none_or(HocuspocusBridge::all_answered)
    }
}
