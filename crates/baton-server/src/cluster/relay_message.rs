//! Messages about one document that nodes send each other and that no log stores.
//!
//! Layout: a byte for the kind (0: ask, 1: awareness), then an awareness payload.

use bytes::{BufMut, Bytes, BytesMut};

const ASK: u8 = 0;
const AWARENESS: u8 = 1;

/// A message; see the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RelayMessage {
    /// The sender has just opened the document: it wants the awareness of all clients.
    Ask,
    /// Awareness of clients of the sender.
    Awareness(Bytes),
}

impl RelayMessage {
    /// Returns the bytes of the message.
    pub(crate) fn encode(&self) -> Bytes {
        match self {
            Self::Ask => Bytes::from_static(&[ASK]),
            Self::Awareness(entries) => {
                let mut out = BytesMut::with_capacity(1 + entries.len());
                out.put_u8(AWARENESS);
                out.put_slice(entries);
                out.freeze()
            }
        }
    }

    /// Reads a message; `None` for one of a kind that this version does not know.
    pub(crate) fn decode(bytes: &Bytes) -> Option<Self> {
        match *bytes.first()? {
            ASK => Some(Self::Ask),
            AWARENESS => Some(Self::Awareness(bytes.slice(1..))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written_and_a_later_kind_is_left_alone() {
        for message in [
            RelayMessage::Ask,
            RelayMessage::Awareness(Bytes::from_static(b"entries")),
        ] {
            assert_eq!(RelayMessage::decode(&message.encode()), Some(message));
        }
        assert_eq!(RelayMessage::decode(&Bytes::from_static(&[7, 1])), None);
        assert_eq!(RelayMessage::decode(&Bytes::new()), None);
    }
}
