//! Frames of a client that speaks y-websocket, as a server on the Hocuspocus wire has them, and back.
//!
//! Owns the address of one connection and the count of its confirmations: a server owes one for each Step2 and Update.
//! Knows no socket.

use baton_sync::hocuspocus::{self, HocuspocusFrame, HocuspocusMessage, SyncStep};
use baton_sync::y_websocket::{self, Message};
use bytes::Bytes;

/// What a Stateless message of Baton's channel begins with.
const CHANNEL: &str = "baton:";

/// The close code for a client whose address the server has ended: it is not to come again with this copy.
const ENDED: u16 = 4400;

/// The close code for a client that the server denied the document.
const DENIED: u16 = 4403;

/// One connection of a client to one document.
#[derive(Debug)]
pub struct HocuspocusFraming {
    address: String,
    unanswered: i64,
}

/// What a frame of the server is for the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Translated {
    /// This frame.
    Frame(Bytes),
    /// A question for a sign of life. The server gets this answer, and the client a ping.
    Ping(Bytes),
    /// Nothing that has a place on the client's wire.
    Nothing,
    /// The end of its connection.
    End {
        /// A frame that goes before it.
        last: Option<Bytes>,
        /// The close code.
        code: u16,
        /// The reason.
        reason: String,
    },
}

impl HocuspocusFraming {
    /// Before anything was sent.
    #[must_use]
    pub fn new(document: &str) -> Self {
        Self {
            address: document.to_owned(),
            unanswered: 0,
        }
    }

    /// Returns what the connection begins with.
    #[must_use]
    pub fn greeting(&self) -> Bytes {
        hocuspocus::token(&self.address, "", Some("4.8.0"))
    }

    /// Returns how many changes the server has not answered yet; below 0 if it has answered more than there were.
    #[must_use]
    pub const fn unanswered(&self) -> i64 {
        self.unanswered
    }

    /// Translates a frame of the client.
    ///
    /// # Errors
    /// It is no frame of a client. The caller's fault.
    pub fn outgoing(&mut self, frame: &[u8]) -> Result<Bytes, String> {
        let address = self.address.as_str();
        let message = y_websocket::decode(frame).map_err(|error| error.to_string())?;
        Ok(match message {
            Message::Step1(vector) => hocuspocus::step1_bytes(address, vector),
            Message::Step2(update) => {
                self.unanswered += 1;
                hocuspocus::step2(address, update)
            }
            Message::Update(update) => {
                self.unanswered += 1;
                hocuspocus::update(address, update)
            }
            Message::Awareness(payload) => hocuspocus::awareness(address, payload),
            Message::QueryAwareness => hocuspocus::query_awareness(address),
            Message::Baton(payload) => hocuspocus::stateless(address, &[CHANNEL, payload].concat()),
            Message::CompressedStep2(_)
            | Message::CompressedUpdate(_)
            | Message::AuthDenied(_)
            | Message::Barrier(_)
            | Message::Unknown(_) => {
                return Err(format!("no stock client sends {message:?}"));
            }
        })
    }

    /// Translates a frame of the server.
    ///
    /// # Errors
    /// No sound server sends it.
    pub fn incoming(&mut self, frame: &[u8]) -> Result<Translated, String> {
        let envelope = match hocuspocus::decode(frame).map_err(|error| error.to_string())? {
            HocuspocusFrame::Ping => return Ok(Translated::Ping(hocuspocus::pong())),
            HocuspocusFrame::Pong => return Ok(Translated::Nothing),
            HocuspocusFrame::Message(envelope) => envelope,
        };
        if envelope.address.raw != self.address {
            return Err(format!("a message to {:?}", envelope.address.raw));
        }
        Ok(Translated::Frame(match envelope.message {
            HocuspocusMessage::Sync(step) | HocuspocusMessage::SyncReply(step) => match step {
                SyncStep::Step1(vector) => y_websocket::step1_bytes(vector),
                SyncStep::Step2(update) => y_websocket::step2(update),
                SyncStep::Update(update) => y_websocket::update(update),
            },
            HocuspocusMessage::Awareness(payload) => y_websocket::awareness(payload),
            // A client of y-websocket has answered the removal that comes before it.
            HocuspocusMessage::QueryAwareness => return Ok(Translated::Nothing),
            HocuspocusMessage::Stateless(text) => match text.strip_prefix(CHANNEL) {
                Some(payload) => y_websocket::baton(payload),
                None => return Ok(Translated::Nothing),
            },
            HocuspocusMessage::SyncStatus(_) => {
                self.unanswered -= 1;
                return Ok(Translated::Nothing);
            }
            HocuspocusMessage::Authenticated(_) | HocuspocusMessage::TokenRequest => {
                return Ok(Translated::Nothing);
            }
            HocuspocusMessage::PermissionDenied(reason) => {
                return Ok(Translated::End {
                    last: Some(y_websocket::auth_denied(reason)),
                    code: DENIED,
                    reason: reason.to_owned(),
                });
            }
            HocuspocusMessage::Close(reason) => {
                return Ok(Translated::End {
                    last: None,
                    code: ENDED,
                    reason: reason.unwrap_or_default().to_owned(),
                });
            }
            message @ (HocuspocusMessage::Token { .. }
            | HocuspocusMessage::BroadcastStateless(_)
            | HocuspocusMessage::Unknown(_)) => {
                return Err(format!("a server that sends {message:?}"));
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_has_an_address_and_what_a_server_says_loses_it() {
        let mut framing = HocuspocusFraming::new("d");
        let update = framing.outgoing(&y_websocket::update(&[0, 0]));
        assert_eq!(update, Ok(hocuspocus::update("d", &[0, 0])));
        let hello = framing.outgoing(&y_websocket::baton("{}"));
        assert_eq!(hello, Ok(hocuspocus::stateless("d", "baton:{}")));
        let step2 = framing.incoming(&hocuspocus::step2("d", &[0, 0]));
        assert_eq!(step2, Ok(Translated::Frame(y_websocket::step2(&[0, 0]))));
        let told = framing.incoming(&hocuspocus::stateless("d", "baton:{}"));
        assert_eq!(told, Ok(Translated::Frame(y_websocket::baton("{}"))));
        let denied = framing.incoming(&hocuspocus::permission_denied("d", "no"));
        let end = Translated::End {
            last: Some(y_websocket::auth_denied("no")),
            code: DENIED,
            reason: "no".to_owned(),
        };
        assert_eq!(denied, Ok(end));
        assert!(framing.incoming(&hocuspocus::step2("e", &[0, 0])).is_err());
    }

    #[test]
    fn each_change_is_answered_once() {
        let mut framing = HocuspocusFraming::new("d");
        for frame in [y_websocket::step1_bytes(&[0]), y_websocket::step2(&[0, 0])] {
            framing.outgoing(&frame).unwrap();
        }
        assert_eq!(framing.unanswered(), 1);
        for saved in [false, true] {
            framing
                .incoming(&hocuspocus::sync_status("d", saved))
                .unwrap();
        }
        assert_eq!(framing.unanswered(), -1);
    }
}
