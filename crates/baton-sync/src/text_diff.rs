//! Text diffs: the changes that updates would make, for people to read before they decide.
//!
//! Owns the [`TextDiff`] between a document and the same document with more updates. Each root type
//! is written as text before and after, and the two are compared. A text diff is shortened to
//! [`TEXT_DIFF_BYTES`], and tells if anything was left out. Nothing is decided here, and the
//! document is neither changed nor locked: the updates are tried on a copy.
//!
//! The cost is that of loading the document once and of writing the touched root types twice. So a
//! text diff is made when a person asks for it, not for every edit.
//!
//! | file | owns |
//! | --- | --- |
//! | `of_updates` | the copy on which updates are tried |
//! | `compare` | the comparison of two texts |
//! | `shorten` | the parts that are shown, within the limits |
//! | `part` | the result |

mod compare;
mod of_updates;
mod part;
mod shorten;

pub use self::of_updates::{TextDiffError, text_diff, text_diff_of};
pub use self::part::{DiffKind, DiffPart, TextDiff};
pub use self::shorten::{TEXT_DIFF_BYTES, TEXT_DIFF_ROOTS};
