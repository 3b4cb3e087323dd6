//! How a server is spoken to: the wires that the measured servers understand, as far as a load needs them.
//!
//! Owns what is put around a message and taken off it. One message a frame, both ways.

use baton_sync::lib0::{Reader, write_var_buf, write_var_string, write_var_uint};
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
    /// Access denied.
    Denied,
    /// Nothing that a load looks at.
    Other,
}

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
/// Hocuspocus: a sync message that is never answered with a Step1.
const SYNC_REPLY: u64 = 4;
const PING: u8 = 9;
const PONG: &[u8] = &[10];

impl Dialect {
    /// What is sent first on a connection, if anything.
    #[must_use]
    pub fn hello(self, document: &str) -> Option<Bytes> {
        (self == Self::Hocuspocus).then(|| {
            let mut out = self.begin(document, AUTH);
            write_var_uint(&mut out, 0);
            write_var_string(&mut out, "load");
            write_var_string(&mut out, "4.7.0");
            out.into()
        })
    }

    /// "I have nothing": asks for everything.
    #[must_use]
    pub fn step1(self, document: &str) -> Bytes {
        let mut out = self.begin(document, SYNC);
        write_var_uint(&mut out, 0);
        // An empty state vector is the count 0.
        write_var_buf(&mut out, &[0]);
        out.into()
    }

    /// An edit.
    #[must_use]
    pub fn update(self, document: &str, update: &[u8]) -> Bytes {
        let mut out = self.begin(document, SYNC);
        write_var_uint(&mut out, 2);
        write_var_buf(&mut out, update);
        out.into()
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
        let mut out = self.begin(document, AWARENESS);
        write_var_buf(&mut out, &payload);
        out.into()
    }

    fn begin(self, document: &str, kind: u64) -> Vec<u8> {
        let mut out = Vec::new();
        if self == Self::Hocuspocus {
            write_var_string(&mut out, document);
        }
        write_var_uint(&mut out, kind);
        out
    }

    /// Reads a frame; what is not understood is [`Incoming::Other`].
    #[must_use]
    pub fn read(self, frame: &[u8]) -> Incoming<'_> {
        let mut reader = Reader::new(frame);
        if self == Self::Hocuspocus {
            if frame == [PING] {
                return Incoming::Ping(PONG);
            }
            if reader.var_string().is_err() {
                return Incoming::Other;
            }
        }
        self.message(&mut reader).unwrap_or(Incoming::Other)
    }

    fn message<'a>(self, reader: &mut Reader<'a>) -> Option<Incoming<'a>> {
        let kind = reader.var_uint().ok()?;
        let detail = reader.var_uint().ok()?;
        match (kind, detail) {
            (SYNC | SYNC_REPLY, 1) => Some(Incoming::Step2(reader.var_buf().ok()?)),
            (SYNC | SYNC_REPLY, 2) => Some(Incoming::Update(reader.var_buf().ok()?)),
            (AUTH, 0) if self != Self::Hocuspocus => Some(Incoming::Denied),
            (AUTH, 1) if self == Self::Hocuspocus => Some(Incoming::Denied),
            _ => None,
        }
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
    fn frames_of_y_websocket_are_those_of_the_codec() {
        use baton_sync::{StateVector, y_websocket};
        let wire = Dialect::YWebsocket;
        assert_eq!(wire.step1("d"), y_websocket::step1(&StateVector::new()));
        assert_eq!(wire.update("d", &[0, 0]), y_websocket::update(&[0, 0]));
        assert_eq!(
            wire.read(&y_websocket::step2(&[0, 0])),
            Incoming::Step2(&[0, 0][..])
        );
    }
}
