//! Reasons for which bytes are no update.

use crate::lib0::DecodeError;
use crate::state_vector::{ClientId, Clock};

/// Reason for which an update's bytes were refused. The sender is at fault, and asking again is of
/// no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The bytes are not even well-formed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The bytes are an update in another encoding: V2 of Yjs, as their outer form tells. Encode it
    /// in V1.
    #[error(
        "this looks like Yjs update V2; send V1: encodeStateAsUpdate, convertUpdateFormatV2ToV1"
    )]
    UpdateV2,
    /// More than 4 GiB.
    #[error("the update is larger than 4 GiB")]
    TooLarge,
    /// More blocks, clients or ranges than one update may hold ([`ScanLimits`](super::ScanLimits)).
    #[error("one update may hold {most} {what}, and this one holds {count}: send it in parts")]
    TooMany {
        /// The thing that is counted.
        what: &'static str,
        /// The number that came, at least.
        count: usize,
        /// The number that may come.
        most: usize,
    },
    /// The clients of the blocks do not strictly descend.
    #[error("client {client} is out of order")]
    ClientOrder {
        /// The client that should have come earlier, or not again.
        client: ClientId,
    },
    /// A clock and a length add up to 2^31 or more.
    #[error("clock {clock} of client {client} and its length pass 2^31")]
    ClockOverflow {
        /// The client.
        client: ClientId,
        /// Clock at which its block or range begins.
        clock: Clock,
    },
    /// A client without blocks or ranges, a block or a range without length.
    #[error("a client, block or range before byte {at} is empty")]
    Empty {
        /// Offset in bytes just behind it.
        at: usize,
    },
    /// A kind of block that Yjs 13 does not define, or spells otherwise: it has no known length.
    #[error("block kind {info:#04x} at byte {at} is not supported")]
    UnsupportedBlock {
        /// Offset in bytes of the block.
        at: usize,
        /// Its first byte.
        info: u8,
    },
    /// A shared type that Yjs 13 does not define: it has no known length.
    #[error("shared type {kind} at byte {at} is not supported")]
    UnsupportedType {
        /// Offset in bytes of the type number.
        at: usize,
        /// The type number.
        kind: u8,
    },
    /// A block refers to itself or to what its own client writes later.
    #[error("client {client}'s block at clock {clock} refers ahead of itself")]
    RefersAhead {
        /// The client.
        client: ClientId,
        /// The block's clock.
        clock: Clock,
    },
    /// The byte that tells a parent's name from its id is neither 0 nor 1.
    #[error("the kind of parent at byte {at} is unknown")]
    BadParent {
        /// Offset in bytes.
        at: usize,
    },
    /// A value that is not one of lib0's, or that no JavaScript number holds.
    #[error("the value at byte {at} cannot be read")]
    BadValue {
        /// Offset in bytes.
        at: usize,
    },
    /// JSON that JavaScript would not parse, or that nests deeper than
    /// [`JSON_DEPTH`](super::JSON_DEPTH).
    #[error("the JSON before byte {at} cannot be read")]
    BadJson {
        /// Offset in bytes just behind it.
        at: usize,
    },
    /// A value that nests deeper than [`ANY_DEPTH`](super::ANY_DEPTH).
    #[error("the value at byte {at} nests too deep")]
    TooDeep {
        /// Offset in bytes.
        at: usize,
    },
    /// Deleted ranges of one client that are not ascending and disjoint.
    #[error("the deleted ranges of client {client} are not sorted")]
    DeleteOrder {
        /// The client.
        client: ClientId,
    },
}
