//! Content of one unit, which cannot be cut: its size, and the comparison of two.

use super::equal_values::same_json;
use crate::lib0::Reader;
use crate::scan::{Content, is_named_type, past_value};

/// Returns true if two contents of one unit are equal; `None` if one cannot be read.
pub(super) fn same_whole(content: Content, ours: &[u8], theirs: &[u8]) -> Option<bool> {
    let (mut a, mut b) = (Reader::new(ours), Reader::new(theirs));
    Some(match content {
        Content::Binary => a.var_buf().ok()? == b.var_buf().ok()?,
        Content::Embed => same_json(a.var_string().ok()?, b.var_string().ok()?),
        Content::Format => {
            let keys = a.var_string().ok()? == b.var_string().ok()?;
            keys && same_json(a.var_string().ok()?, b.var_string().ok()?)
        }
        Content::Type => {
            let (kind, other) = (a.u8().ok()?, b.u8().ok()?);
            kind == other
                && (!is_named_type(kind) || a.var_string().ok()? == b.var_string().ok()?)
        }
        // A library that stores it does not keep all its options.
        Content::Doc => a.var_string().ok()? == b.var_string().ok()?,
        Content::Deleted | Content::String | Content::Any | Content::Json => false,
    })
}

/// Bytes of a content of one unit; `None` if it cannot be read.
pub(super) fn whole_size(content: Content, bytes: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(bytes);
    match content {
        Content::Binary | Content::Embed => {
            reader.var_buf().ok()?;
        }
        Content::Format => {
            reader.var_buf().ok()?;
            reader.var_buf().ok()?;
        }
        Content::Type => {
            if is_named_type(reader.u8().ok()?) {
                reader.var_buf().ok()?;
            }
        }
        Content::Doc => {
            reader.var_buf().ok()?;
            past_value(&mut reader).ok()?;
        }
        Content::Deleted | Content::String | Content::Any | Content::Json => return None,
    }
    Some(reader.position())
}
