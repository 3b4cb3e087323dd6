//! How a server is spoken to: the wires that the measured servers understand, as far as a load needs them.
//!
//! Owns what is put around a message and taken off it. One message a frame, both ways.

use baton_sync::control_channel::{ClientMessage, ServerMessage, User, VERSION};
use baton_sync::hocuspocus::{self, HocuspocusFrame, HocuspocusMessage, SyncStep};
use baton_sync::lib0::{Reader, write_var_string, write_var_uint};
use baton_sync::y_websocket;
use bytes::Bytes;
use clap::ValueEnum;
use serde::Serialize;

/// A wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// Frames of y-websocket to a server that only forwards them: no first sync to be waited for.
    Forward,
    /// One document a connection, named by the path.
    #[default]
    YWebsocket,
    /// The same with Baton's channel, which says how much is saved.
    Baton,
    /// Each frame names its document; a connection begins with a token.
    Hocuspocus,
}

/// A message from a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// An update: an edit, or a part of a first sync.
    Update(&'a [u8]),
    /// An update that answers a Step1 and ends the first sync.
    Step2(&'a [u8]),
    /// A question that wants an answer: the frame to send.
    Ping(&'static [u8]),
    /// The first so many Step2 and Update messages of this connection are saved.
    Saved(u64),
    /// The next Step2 or Update of this connection, in order, is saved or refused.
    Status(bool),
    /// Access denied.
    Denied,
    /// Nothing that a load looks at.
    Other,
}

/// An encoded state vector of nothing: the count 0.
const NOTHING: &[u8] = &[0];

/// The provider as which a load comes.
const PROVIDER: &str = "4.8.0";

/// What answers a ping of Hocuspocus.
const PONG: &[u8] = &[10];

impl Dialect {
    /// What is sent first for a document, if anything.
    #[must_use]
    pub fn hello(self, document: &str) -> Option<Bytes> {
        match self {
            Self::Hocuspocus => Some(hocuspocus::token(document, "load", Some(PROVIDER))),
            Self::Baton => Some(y_websocket::baton(&member().encode())),
            Self::Forward | Self::YWebsocket => None,
        }
    }

    /// "I have nothing": asks for everything.
    #[must_use]
    pub fn step1(self, document: &str) -> Bytes {
        match self {
            Self::Hocuspocus => hocuspocus::step1_bytes(document, NOTHING),
            Self::Forward | Self::YWebsocket | Self::Baton => y_websocket::step1_bytes(NOTHING),
        }
    }

    /// An edit.
    #[must_use]
    pub fn update(self, document: &str, update: &[u8]) -> Bytes {
        match self {
            Self::Hocuspocus => hocuspocus::update(document, update),
            Self::Forward | Self::YWebsocket | Self::Baton => y_websocket::update(update),
        }
    }

    /// Somebody's awareness: an entry with a cursor.
    #[must_use]
    pub fn awareness(self, document: &str, client: u64, clock: u64) -> Bytes {
        let mut payload = Vec::new();
        write_var_uint(&mut payload, 1);
        write_var_uint(&mut payload, client);
        write_var_uint(&mut payload, clock);
        write_var_string(
            &mut payload,
            r##"{"user":{"name":"load","color":"#30bced"},"cursor":null}"##,
        );
        match self {
            Self::Hocuspocus => hocuspocus::awareness(document, &payload),
            Self::Forward | Self::YWebsocket | Self::Baton => y_websocket::awareness(&payload),
        }
    }

    /// Reads a frame; what is not understood is [`Incoming::Other`].
    #[must_use]
    pub fn read(self, frame: &[u8]) -> Incoming<'_> {
        match self {
            Self::Hocuspocus => read_hocuspocus(frame),
            Self::Forward | Self::YWebsocket => read_y_websocket(frame).unwrap_or(Incoming::Other),
            Self::Baton => read_baton(frame),
        }
    }
}

/// The first message on Baton's channel, of a nameless editor.
fn member() -> ClientMessage {
    ClientMessage::Hello {
        version: VERSION,
        resume: None,
        epoch: None,
        fences: Vec::new(),
        locks: None,
        user: User::default(),
        user_key: None,
        client: None,
        observer: false,
        encodings: Vec::new(),
    }
}

fn read_baton(frame: &[u8]) -> Incoming<'_> {
    match y_websocket::decode(frame) {
        Ok(y_websocket::Message::Baton(payload)) => match ServerMessage::decode(payload) {
            Ok(ServerMessage::Saved { updates }) => Incoming::Saved(updates),
            Ok(_) | Err(_) => Incoming::Other,
        },
        _ => read_y_websocket(frame).unwrap_or(Incoming::Other),
    }
}

/// Reads the first message of a frame: some servers put several into one, of which clients read the first, too.
fn read_y_websocket(frame: &[u8]) -> Option<Incoming<'_>> {
    const SYNC: u64 = 0;
    const AUTH: u64 = 2;
    let mut reader = Reader::new(frame);
    match (reader.var_uint().ok()?, reader.var_uint().ok()?) {
        (SYNC, 1) => Some(Incoming::Step2(reader.var_buf().ok()?)),
        (SYNC, 2) => Some(Incoming::Update(reader.var_buf().ok()?)),
        (AUTH, 0) => Some(Incoming::Denied),
        _ => None,
    }
}

fn read_hocuspocus(frame: &[u8]) -> Incoming<'_> {
    let envelope = match hocuspocus::decode(frame) {
        Ok(HocuspocusFrame::Message(envelope)) => envelope,
        Ok(HocuspocusFrame::Ping) => return Incoming::Ping(PONG),
        Ok(HocuspocusFrame::Pong) | Err(_) => return Incoming::Other,
    };
    match envelope.message {
        HocuspocusMessage::Sync(step) | HocuspocusMessage::SyncReply(step) => match step {
            SyncStep::Step2(update) => Incoming::Step2(update),
            SyncStep::Update(update) => Incoming::Update(update),
            SyncStep::Step1(_) => Incoming::Other,
        },
        HocuspocusMessage::SyncStatus(saved) => Incoming::Status(saved),
        HocuspocusMessage::PermissionDenied(_) => Incoming::Denied,
        _ => Incoming::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_hocuspocus_names_its_document_and_is_read_back() {
        let frame = Dialect::Hocuspocus.update("d", &[0, 0]);
        assert_eq!(&frame[..], [1, b'd', 0, 2, 2, 0, 0]);
        assert_eq!(
            Dialect::Hocuspocus.read(&frame),
            Incoming::Update(&[0, 0][..])
        );
        assert_eq!(Dialect::YWebsocket.read(&frame), Incoming::Other);
        assert_eq!(Dialect::Hocuspocus.read(&[9]), Incoming::Ping(&[10]));
        // `d`, auth, permission denied, reason.
        let denied = [1, b'd', 2, 1, 1, b'x'];
        assert_eq!(Dialect::Hocuspocus.read(&denied), Incoming::Denied);
    }

    #[test]
    fn a_frame_of_y_websocket_names_no_document_and_is_read_back() {
        let wire = Dialect::YWebsocket;
        assert_eq!(&wire.step1("d")[..], [0, 0, 1, 0]);
        assert_eq!(wire.hello("d"), None);
        let update = wire.update("d", &[0, 0]);
        assert_eq!(wire.read(&update), Incoming::Update(&[0, 0][..]));
        // Sync, Step2.
        let step2 = [0, 1, 2, 0, 0];
        assert_eq!(wire.read(&step2), Incoming::Step2(&[0, 0][..]));
        // Auth, permission denied, reason.
        assert_eq!(wire.read(&[2, 0, 1, b'x']), Incoming::Denied);
    }

    #[test]
    fn what_is_saved_is_read_on_the_wires_that_say_it() {
        let saved = ServerMessage::Saved { updates: 7 }.encode();
        let frame = y_websocket::baton(&saved);
        assert_eq!(Dialect::Baton.read(&frame), Incoming::Saved(7));
        assert_eq!(Dialect::YWebsocket.read(&frame), Incoming::Other);
        let refused = hocuspocus::sync_status("d", false);
        assert_eq!(Dialect::Hocuspocus.read(&refused), Incoming::Status(false));
        assert!(Dialect::Baton.hello("d").is_some());
    }
}
