//! Writing of Hocuspocus frames: whole ones, and headers before a payload that frames share.

use bytes::Bytes;

use super::{
    AUTH, AUTHENTICATED, AWARENESS, AccessScope, BROADCAST_STATELESS, CLOSE, PERMISSION_DENIED,
    PING, PONG, QUERY_AWARENESS, STATELESS, STEP1, STEP2, SYNC, SYNC_REPLY, SYNC_STATUS, SyncStep,
    TOKEN, UPDATE,
};
use crate::StateVector;
use crate::lib0::{write_var_string, write_var_uint};

/// Kind of the payload behind a [`header`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HocuspocusPayload {
    /// A state vector.
    Step1,
    /// An update, in answer to a Step1.
    Step2,
    /// An update, new.
    Update,
    /// An awareness payload.
    Awareness,
    /// Text of the application, or a payload of Baton's control channel.
    Stateless,
    /// The reason of a denial.
    PermissionDenied,
    /// The reason for which a server ends an address.
    Close,
}

impl HocuspocusPayload {
    const fn types(self) -> &'static [u64] {
        match self {
            Self::Step1 => &[SYNC, STEP1],
            Self::Step2 => &[SYNC, STEP2],
            Self::Update => &[SYNC, UPDATE],
            Self::Awareness => &[AWARENESS],
            Self::Stateless => &[STATELESS],
            Self::PermissionDenied => &[AUTH, PERMISSION_DENIED],
            Self::Close => &[CLOSE],
        }
    }
}

/// Returns the bytes of a frame before a payload of so many bytes: for a sender that shares one
/// payload between frames without copying it.
#[must_use]
pub fn header(address: &str, kind: HocuspocusPayload, payload: usize) -> Bytes {
    let length = payload as u64;
    let mut out = start(address, kind.types(), var_uint_len(length));
    write_var_uint(&mut out, length);
    finish(out)
}

/// Returns a Step1 frame of a state vector.
#[must_use]
pub fn step1(address: &str, vector: &StateVector) -> Bytes {
    step1_bytes(address, &vector.encode())
}

/// Returns a Step1 frame of a state vector that is encoded already.
#[must_use]
pub fn step1_bytes(address: &str, vector: &[u8]) -> Bytes {
    with_payload(address, &[SYNC, STEP1], vector)
}

/// Returns a Step2 frame of an update with everything that the receiver lacks.
#[must_use]
pub fn step2(address: &str, update: &[u8]) -> Bytes {
    with_payload(address, &[SYNC, STEP2], update)
}

/// Returns an Update frame of a new edit.
#[must_use]
pub fn update(address: &str, update: &[u8]) -> Bytes {
    with_payload(address, &[SYNC, UPDATE], update)
}

/// Returns a SyncReply frame: a sync step that the receiver does not answer with a Step1.
#[must_use]
pub fn sync_reply(address: &str, step: SyncStep<'_>) -> Bytes {
    let (kind, payload) = match step {
        SyncStep::Step1(vector) => (STEP1, vector),
        SyncStep::Step2(update) => (STEP2, update),
        SyncStep::Update(update) => (UPDATE, update),
    };
    with_payload(address, &[SYNC_REPLY, kind], payload)
}

/// Returns an Awareness frame of an awareness payload.
#[must_use]
pub fn awareness(address: &str, payload: &[u8]) -> Bytes {
    with_payload(address, &[AWARENESS], payload)
}

/// Returns a frame that asks for the awareness of all clients.
#[must_use]
pub fn query_awareness(address: &str) -> Bytes {
    finish(start(address, &[QUERY_AWARENESS], 0))
}

/// Returns a client's Auth frame: its token, and the version of the provider if it tells one.
#[must_use]
pub fn token(address: &str, token: &str, version: Option<&str>) -> Bytes {
    let texts = [Some(token), version];
    let length = texts.iter().flatten().map(|text| string_len(text)).sum();
    let mut out = start(address, &[AUTH, TOKEN], length);
    for text in texts.into_iter().flatten() {
        write_var_string(&mut out, text);
    }
    finish(out)
}

/// Returns a server's frame that asks for the client's token again.
#[must_use]
pub fn token_request(address: &str) -> Bytes {
    finish(start(address, &[AUTH, TOKEN], 0))
}

/// Returns a server's frame that grants access.
#[must_use]
pub fn authenticated(address: &str, scope: AccessScope) -> Bytes {
    with_payload(address, &[AUTH, AUTHENTICATED], scope.as_str().as_bytes())
}

/// Returns a server's frame that denies access, with the reason.
#[must_use]
pub fn permission_denied(address: &str, reason: &str) -> Bytes {
    with_payload(address, &[AUTH, PERMISSION_DENIED], reason.as_bytes())
}

/// Returns a frame with text of the application, or a payload of Baton's control channel.
#[must_use]
pub fn stateless(address: &str, payload: &str) -> Bytes {
    with_payload(address, &[STATELESS], payload.as_bytes())
}

/// Returns a frame with text for all clients of the document, from one server to another.
#[must_use]
pub fn broadcast_stateless(address: &str, payload: &str) -> Bytes {
    with_payload(address, &[BROADCAST_STATELESS], payload.as_bytes())
}

/// Returns a server's frame that ends one address, with the reason.
#[must_use]
pub fn close(address: &str, reason: &str) -> Bytes {
    with_payload(address, &[CLOSE], reason.as_bytes())
}

/// Returns a client's frame that ends one address.
#[must_use]
pub fn close_request(address: &str) -> Bytes {
    finish(start(address, &[CLOSE], 0))
}

/// Returns a server's answer to one Step2 or Update of the client.
#[must_use]
pub fn sync_status(address: &str, saved: bool) -> Bytes {
    finish(start(address, &[SYNC_STATUS, u64::from(saved)], 0))
}

/// Returns a frame that asks for a sign of life. It has no address.
#[must_use]
pub fn ping() -> Bytes {
    Bytes::from_static(&[PING])
}

/// Returns the frame that answers a ping. It has no address.
#[must_use]
pub fn pong() -> Bytes {
    Bytes::from_static(&[PONG])
}

fn with_payload(address: &str, types: &[u64], payload: &[u8]) -> Bytes {
    let length = payload.len() as u64;
    let mut out = start(address, types, var_uint_len(length) + payload.len());
    write_var_uint(&mut out, length);
    out.extend_from_slice(payload);
    finish(out)
}

/// Writes an address and type numbers, each a single byte. The capacity is exact for `more` bytes
/// behind them, so that `Bytes` takes the vector over as it is.
fn start(address: &str, types: &[u64], more: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(string_len(address) + types.len() + more);
    write_var_string(&mut out, address);
    for number in types {
        write_var_uint(&mut out, *number);
    }
    out
}

fn finish(out: Vec<u8>) -> Bytes {
    debug_assert_eq!(out.len(), out.capacity(), "one allocation, no slack");
    Bytes::from(out)
}

fn string_len(text: &str) -> usize {
    var_uint_len(text.len() as u64) + text.len()
}

const fn var_uint_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}
