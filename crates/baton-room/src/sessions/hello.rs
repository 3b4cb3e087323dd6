//! The content of a hello, the first message of a client that speaks Baton's channel.

use baton_presence::SessionRole;
use baton_sync::compressed_update::DEFLATE_RAW;
use baton_sync::control_channel::{ClientMessage, FencingToken, Resume, User};

/// Content of a hello, read from its payload.
pub(super) struct Hello {
    pub(super) version: u32,
    pub(super) resume: Option<Resume>,
    pub(super) epoch: Option<u32>,
    pub(super) fences: Vec<FencingToken>,
    pub(super) user: User,
    pub(super) user_key: Option<String>,
    client: Option<u64>,
    pub(super) role: SessionRole,
    /// True if the client reads compressed updates.
    pub(super) reads_compressed: bool,
}

impl Hello {
    /// Reads a payload.
    ///
    /// # Errors
    /// The fault of the client, if it is no hello.
    pub(super) fn decode(payload: &str) -> Result<Self, String> {
        match ClientMessage::decode(payload) {
            Ok(ClientMessage::Hello {
                version,
                resume,
                epoch,
                fences,
                locks: _,
                user,
                user_key,
                client,
                observer,
                encodings,
            }) => Ok(Self {
                version,
                resume,
                epoch,
                fences,
                user,
                user_key,
                client,
                role: if observer {
                    SessionRole::Observer
                } else {
                    SessionRole::Writer
                },
                reads_compressed: encodings.iter().any(|name| name == DEFLATE_RAW),
            }),
            Ok(_) => Err("Baton's channel opens with a hello".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The Yjs client id that it names, if it is one.
    pub(super) fn client_id(&self) -> Option<u64> {
        self.client.filter(|id| *id < 1 << 53)
    }
}
