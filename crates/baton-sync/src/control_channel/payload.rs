//! A payload of the channel as text: reading and writing.
//!
//! Owns the rules of the JSON form that hold for every message, so that no field can be forgotten:
//! `null` is as absent, and an integer may be written as `1.0`. The fields of a message are in
//! `client` and `server`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::client::ClientMessage;
use super::server::ServerMessage;

/// Longest payload of a client that is decoded, in bytes of UTF-8.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// Longest payload of a server that is decoded, in bytes of UTF-8: a welcome lists all sessions.
pub const MAX_SERVER_PAYLOAD: usize = 16 * 1024 * 1024;

/// Largest integer with a float of its own; above it two integers may share one.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// Reason for which a payload was not understood. The sender is at fault; nothing changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The payload is longer than its limit.
    #[error("the payload has {bytes} bytes, more than {most}")]
    TooLong {
        /// Its length, in bytes.
        bytes: usize,
        /// [`MAX_PAYLOAD`] or [`MAX_SERVER_PAYLOAD`].
        most: usize,
    },
    /// The payload is no JSON object of a known type; the text says where it stopped making sense.
    #[error("the payload is not a message of this channel: {source}")]
    Malformed {
        /// The nonce of the operation, if the payload is an object that has one: its sender waits
        /// for a result.
        nonce: Option<u64>,
        /// Error of the JSON parser.
        source: serde_json::Error,
    },
}

impl ChannelError {
    /// Returns the nonce of the operation that was not understood, if it had one.
    #[must_use]
    pub const fn nonce(&self) -> Option<u64> {
        match self {
            Self::TooLong { .. } => None,
            Self::Malformed { nonce, .. } => *nonce,
        }
    }
}

impl From<serde_json::Error> for ChannelError {
    fn from(source: serde_json::Error) -> Self {
        Self::Malformed {
            nonce: None,
            source,
        }
    }
}

impl ClientMessage {
    /// Reads a payload. `null` members are as absent, and integers may be written as floats
    /// (`1.0`).
    ///
    /// # Errors
    /// See [`ChannelError`]; the sender is at fault.
    pub fn decode(payload: &str) -> Result<Self, ChannelError> {
        let mut value: Value = parse(payload, MAX_PAYLOAD)?;
        make_plain(&mut value);
        let nonce = value.get("nonce").and_then(Value::as_u64);
        serde_json::from_value(value).map_err(|source| ChannelError::Malformed { nonce, source })
    }

    /// Writes the payload.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(self)
    }
}

impl ServerMessage {
    /// Reads a payload.
    ///
    /// # Errors
    /// See [`ChannelError`]; the sender is at fault.
    pub fn decode(payload: &str) -> Result<Self, ChannelError> {
        parse(payload, MAX_SERVER_PAYLOAD)
    }

    /// Writes the payload.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(self)
    }
}

fn parse<'a, T: Deserialize<'a>>(payload: &'a str, most: usize) -> Result<T, ChannelError> {
    let bytes = payload.len();
    if bytes > most {
        return Err(ChannelError::TooLong { bytes, most });
    }
    Ok(serde_json::from_str(payload)?)
}

fn encode<T: Serialize>(message: &T) -> String {
    // Plain structs of numbers, strings and lists always have a JSON form. A receiver refuses an
    // empty payload as malformed, so even a mistake here cannot pass for a message.
    serde_json::to_string(message).unwrap_or_default()
}

/// Removes `null` members of every object, and makes integers of integral floats. The parser bounds
/// the depth.
fn make_plain(value: &mut Value) {
    match value {
        Value::Object(members) => {
            drop_nulls(members);
            members.values_mut().for_each(make_plain);
        }
        Value::Array(items) => items.iter_mut().for_each(make_plain),
        Value::Number(number) => {
            if let Some(integer) = integer_of(number) {
                *number = integer.into();
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn drop_nulls(members: &mut Map<String, Value>) {
    members.retain(|_, member| !member.is_null());
}

fn integer_of(number: &Number) -> Option<u64> {
    if !number.is_f64() {
        return None;
    }
    let float = number.as_f64()?;
    let integral = (0.0..=LARGEST_EXACT).contains(&float) && float.fract() == 0.0;
    // The text of an integral float in this range is that of the integer.
    integral
        .then(|| format!("{float:.0}").parse().ok())
        .flatten()
}
