//! The wire of a connection: how the messages of one document are framed for its client.

use baton_sync::hocuspocus::{self, Address};
use bytes::Bytes;

use crate::connection::close_codes;
use crate::connection::send_queue::Ending;

/// The wire of one connection to one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wire {
    /// One document for each WebSocket: y-websocket, and y-sweet, which adds to it.
    YWebsocket,
    /// One of several addresses of a WebSocket.
    Hocuspocus(HocuspocusAddress),
}

/// An address of a Hocuspocus socket: the name of a document, behind which a session id may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HocuspocusAddress {
    raw: Box<str>,
    document: usize,
}

/// The end of an address, as its socket carries it out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AddressEnd {
    /// These messages are the last ones of the address, and the socket stays.
    Messages(Vec<Bytes>),
    /// The socket ends, so that the client comes again. A provider that is sent a Close stays away
    /// from the document for as long as its socket is open.
    Socket,
}

impl Wire {
    /// Returns true if the wire has frames for compressed updates.
    pub(crate) const fn has_compressed_frames(&self) -> bool {
        match self {
            Self::YWebsocket => true,
            // A provider throws at a message type that it does not know, and applies sync messages
            // itself.
            Self::Hocuspocus(_) => false,
        }
    }
}

impl HocuspocusAddress {
    /// Returns the address as the client wrote it.
    pub(crate) fn raw(&self) -> &str {
        &self.raw
    }

    /// Returns the name of the document.
    pub(crate) fn document(&self) -> &str {
        self.raw.get(..self.document).unwrap_or_default()
    }

    /// Returns true if the address is the name of the document, as most are: then all its clients
    /// share one encoding of a message.
    pub(crate) fn is_document(&self) -> bool {
        self.document == self.raw.len()
    }

    /// Returns how the address ends. An ending that the client can do something about by coming
    /// again ends the whole socket.
    pub(crate) fn end(&self, ending: &Ending) -> AddressEnd {
        let Ending { code, reason } = ending;
        match *code {
            close_codes::UNAUTHORIZED | close_codes::FORBIDDEN | close_codes::EXPIRED => {
                AddressEnd::Messages(vec![
                    hocuspocus::permission_denied(&self.raw, reason),
                    hocuspocus::close(&self.raw, reason),
                ])
            }
            code if close_codes::is_final(code) => {
                AddressEnd::Messages(vec![hocuspocus::close(&self.raw, reason)])
            }
            _ => AddressEnd::Socket,
        }
    }
}

impl From<Address<'_>> for HocuspocusAddress {
    fn from(address: Address<'_>) -> Self {
        Self {
            raw: address.raw.into(),
            document: address.document.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(code: u16) -> AddressEnd {
        let address = HocuspocusAddress::from(Address::parse("notes\0tab"));
        let reason = "why".to_owned();
        address.end(&Ending { code, reason })
    }

    #[test]
    fn an_address_is_a_document_and_perhaps_a_session() {
        let plain = HocuspocusAddress::from(Address::parse("notes"));
        assert!(plain.is_document());
        let session = HocuspocusAddress::from(Address::parse("notes\0tab"));
        assert!(!session.is_document());
        assert_eq!((session.document(), session.raw()), ("notes", "notes\0tab"));
    }

    #[test]
    fn only_an_ending_that_is_final_leaves_the_socket_open() {
        let close = hocuspocus::close("notes\0tab", "why");
        assert_eq!(
            end(close_codes::LOCKED),
            AddressEnd::Messages(vec![close.clone()])
        );
        assert_eq!(end(1000), AddressEnd::Messages(vec![close.clone()]));
        let denied = hocuspocus::permission_denied("notes\0tab", "why");
        assert_eq!(
            end(close_codes::FORBIDDEN),
            AddressEnd::Messages(vec![denied, close])
        );
        for code in [close_codes::GOING_AWAY, close_codes::OVERLOADED] {
            assert_eq!(end(code), AddressEnd::Socket);
        }
    }
}
