//! Scanner of updates: one pass over an update's bytes, before yrs or the index sees them.
//!
//! Owns the *byte rules*: everything about an update that can be judged without a document.
//! [`crate::replica_index`] decides if the update fits a given document. The scanner copies no
//! content, recurses only to [`ANY_DEPTH`] and [`JSON_DEPTH`], reserves nothing that the
//! bytes do not pay for, and never panics.
//!
//! The format is update v1 of Yjs 13. A rule that is stricter than the format has a reason: either
//! a reader cannot bear the bytes, or two readers would not agree. Everything that Yjs 13 writes is
//! accepted, even if yrs reads it otherwise ([`Scan::is_beyond_yrs`]).
//!
//! | rule | reason |
//! | --- | --- |
//! | a count fits in the bytes that remain | a count of 2^28 in five bytes costs half a gigabyte |
//! | integers are in their shortest form, below 2^53 (clients), 2^31 (clocks) | yrs wraps around |
//! | clients of blocks strictly descend | of two runs of one client, yrs and Yjs keep others |
//! | clients of deletions are listed once | the same |
//! | no block and no deleted range is empty | division by zero |
//! | origin, right origin and parent lie before the block | cycles |
//! | no content or type that Yjs 13 does not define | it has no known length, and Yjs would throw |
//! | values and JSON nest at most [`ANY_DEPTH`] and [`JSON_DEPTH`] deep | stack overflow aborts |
//! | JSON is such as JavaScript parses | Yjs throws on other text, at every later load |
//! | nothing after the end | two readers must not disagree where it is |
//!
//! | file | owns |
//! | --- | --- |
//! | `tables` | the walk over an update; offsets of its blocks and deletions |
//! | `block`, `content` | one block: its header; its content, with the length in clocks |
//! | `borrowed_scan`, `owned_scan` | a scanned update, with borrowed and with shared bytes |
//! | `split` | parts of a block, written as blocks of their own |
//! | `content_form` | what an update says, without its author |
//! | `update_v2` | recognition of the encoding that is not taken |
//! | `limits`, `error` | bounds of one update; reasons of a refusal |

mod block;
mod borrowed_scan;
mod content;
mod content_form;
mod error;
mod limits;
mod owned_scan;
mod split;
mod tables;
mod update_v2;

pub use self::block::{Block, BlockKind, Content, Id, IdRange, Parent};
pub use self::borrowed_scan::{Scan, scan, scan_within};
pub use self::content_form::content_form;
pub use self::error::ScanError;
pub use self::limits::{ANY_DEPTH, JSON_DEPTH, ScanLimits};
pub use self::owned_scan::OwnedScan;

pub(crate) use self::block::{GC, HAS_KEY, HAS_ORIGIN, HAS_RIGHT_ORIGIN, Header, SKIP};
pub(crate) use self::content::{
    CONTENT, is_named_type, kind as content_kind, len as content_len, past_unit, past_value,
    utf16_len,
};
pub(crate) use self::split::{OpenBlock, SplitPoint};
pub(crate) use self::tables::Run;
