//! The content of an item: its length in clocks, and the rules by which Yjs can read it.
//!
//! Owns the walk over values and JSON. It builds nothing from them.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::block::Content;
use super::error::ScanError;
use super::limits::{ANY_DEPTH, JSON_DEPTH};
use crate::json::is_json;
use crate::lib0::Reader;

/// JavaScript's largest safe integer; Yjs throws on a larger one.
const SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Bits of an item's first byte that hold the kind of its content.
pub(crate) const CONTENT: u8 = 0x1f;

/// Text that [`Content::Json`] has in place of a JSON text for the value that JSON lacks.
const UNDEFINED: &str = "undefined";

/// Length of one content, and its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Clocks.
    pub(super) len: u64,
    /// True if Yjs reads it as it was meant, and yrs does not.
    pub(super) beyond_yrs: bool,
}

impl Extent {
    const UNIT: Self = Self::of(1);

    /// Returns the extent of content of this many clocks that Yjs and yrs read alike.
    const fn of(len: u64) -> Self {
        Self {
            len,
            beyond_yrs: false,
        }
    }
}

/// Returns the content that an item's first byte announces; `None` for a kind that Yjs 13 does not
/// define.
///
/// Yjs takes five bits for it and yrs four, so the fifth must be zero. An undefined kind has no
/// known length, so that nothing behind it can be read.
pub(crate) const fn kind(info: u8) -> Option<Content> {
    match info & CONTENT {
        1 => Some(Content::Deleted),
        2 => Some(Content::Json),
        3 => Some(Content::Binary),
        4 => Some(Content::String),
        5 => Some(Content::Embed),
        6 => Some(Content::Format),
        7 => Some(Content::Type),
        8 => Some(Content::Any),
        9 => Some(Content::Doc),
        _ => None,
    }
}

/// Reads past the content and returns its length in clocks.
pub(crate) fn len(reader: &mut Reader<'_>, kind: Content) -> Result<u64, ScanError> {
    read(reader, kind).map(|extent| extent.len)
}

/// Reads past the content.
pub(super) fn read(reader: &mut Reader<'_>, kind: Content) -> Result<Extent, ScanError> {
    match kind {
        Content::Deleted => Ok(Extent::of(reader.var_uint()?)),
        Content::Json => {
            let count = reader.count(1)?;
            for _ in 0..count {
                json_or_undefined(reader)?;
            }
            Ok(Extent {
                len: count as u64,
                beyond_yrs: true,
            })
        }
        Content::Binary => {
            reader.var_buf()?;
            Ok(Extent::UNIT)
        }
        Content::String => Ok(Extent::of(utf16_len(reader.var_string()?.as_bytes()))),
        Content::Embed => json_text(reader),
        Content::Format => {
            reader.var_string()?;
            json_text(reader)
        }
        Content::Type => shared_type(reader),
        Content::Any => {
            let count = reader.count(1)?;
            for _ in 0..count {
                any(reader, 0)?;
            }
            Ok(Extent::of(count as u64))
        }
        Content::Doc => {
            reader.var_string()?;
            subdocument_options(reader)
        }
    }
}

/// Bytes that are counted in a sum of one byte: each adds at most two.
const COUNTED_AT_ONCE: usize = 64;

/// Returns the UTF-16 code units of a part of a UTF-8 text that is cut between characters: one for
/// each character, and one more for those of four bytes.
///
/// Large edits are counted several times on their way, so the loop is one that a compiler turns
/// into vector instructions: sums of a byte each, without a branch.
pub(crate) fn utf16_len(text: &[u8]) -> u64 {
    let units = |chunk: &[u8]| {
        let units = chunk
            .iter()
            .map(|byte| u8::from(byte & 0xc0 != 0x80) + u8::from(*byte >= 0xf0));
        u64::from(units.sum::<u8>())
    };
    let mut chunks = text.chunks_exact(COUNTED_AT_ONCE);
    let whole: u64 = chunks.by_ref().map(units).sum();
    whole + units(chunks.remainder())
}

/// Number of an XML element among the shared types.
const XML_ELEMENT: u8 = 3;

/// Number of an XML hook among the shared types. To yrs it has no name, to Yjs it has.
const XML_HOOK: u8 = 5;

/// Returns true if a name follows the number of this shared type.
pub(crate) const fn is_named_type(kind: u8) -> bool {
    matches!(kind, XML_ELEMENT | XML_HOOK)
}

fn shared_type(reader: &mut Reader<'_>) -> Result<Extent, ScanError> {
    let at = reader.position();
    let kind = reader.u8()?;
    match kind {
        // Array, map, text; XML fragment, XML text.
        0 | 1 | 2 | 4 | 6 => {}
        _ if is_named_type(kind) => {
            reader.var_string()?;
        }
        _ => return Err(ScanError::UnsupportedType { at, kind }),
    }
    Ok(Extent {
        len: 1,
        beyond_yrs: kind == XML_HOOK,
    })
}

/// Yjs spreads the options of a subdocument as an object: on another value it throws.
fn subdocument_options(reader: &mut Reader<'_>) -> Result<Extent, ScanError> {
    let at = reader.position();
    if reader.rest().first() != Some(&118) {
        return Err(ScanError::BadValue { at });
    }
    any(reader, 0)?;
    Ok(Extent::UNIT)
}

/// Reads past one value of lib0's `any`.
pub(crate) fn past_value(reader: &mut Reader<'_>) -> Result<(), ScanError> {
    any(reader, 0)
}

/// Reads past one unit of a row of values that was found sound before.
pub(crate) fn past_unit(kind: Content, reader: &mut Reader<'_>) -> Result<(), ScanError> {
    if kind == Content::Json {
        reader.var_buf()?;
        return Ok(());
    }
    past_value(reader)
}

/// Reads past one value of lib0's `any` that is inside `depth` arrays and maps already.
fn any(reader: &mut Reader<'_>, depth: usize) -> Result<(), ScanError> {
    let at = reader.position();
    match reader.u8()? {
        // Undefined, null, false, true.
        127 | 126 | 121 | 120 => {}
        125 => {
            if reader.var_int()?.unsigned_abs() > SAFE_INTEGER {
                return Err(ScanError::BadValue { at });
            }
        }
        124 => {
            reader.bytes(4)?;
        }
        123 | 122 => {
            reader.bytes(8)?;
        }
        119 => {
            reader.var_string()?;
        }
        116 => {
            reader.var_buf()?;
        }
        tag @ (117 | 118) => {
            if depth == ANY_DEPTH {
                return Err(ScanError::TooDeep { at });
            }
            let keyed = tag == 118;
            let count = reader.count(if keyed { 2 } else { 1 })?;
            for _ in 0..count {
                if keyed {
                    reader.var_string()?;
                }
                any(reader, depth + 1)?;
            }
        }
        _ => return Err(ScanError::BadValue { at }),
    }
    Ok(())
}

/// Reads past one JSON text, which is the one unit of a content.
fn json_text(reader: &mut Reader<'_>) -> Result<Extent, ScanError> {
    let text = reader.var_string()?;
    let beyond_yrs = !is_json_for_yrs(text);
    if beyond_yrs && !is_json(text, JSON_DEPTH) {
        let at = reader.position();
        return Err(ScanError::BadJson { at });
    }
    Ok(Extent { len: 1, beyond_yrs })
}

fn json_or_undefined(reader: &mut Reader<'_>) -> Result<(), ScanError> {
    let text = reader.var_string()?;
    if text == UNDEFINED || is_json(text, JSON_DEPTH) {
        return Ok(());
    }
    let at = reader.position();
    Err(ScanError::BadJson { at })
}

/// Returns true for a JSON text that yrs reads: through `serde_json`, with whole numbers of 64
/// signed bits and without halves of surrogate pairs.
fn is_json_for_yrs(text: &str) -> bool {
    let mut parser = serde_json::Deserializer::from_str(text);
    let parsed = Json { depth: 0 }.deserialize(&mut parser);
    parsed.and_then(|()| parser.end()).is_ok()
}

/// A JSON value that is read past and not built.
#[derive(Clone, Copy)]
struct Json {
    depth: usize,
}

impl Json {
    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth == JSON_DEPTH {
            return Err(E::custom("nests too deep"));
        }
        Ok(Self {
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Json {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Json {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        i64::try_from(number).map(|_| ()).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        // A key is a string like any other; as a seed it is not copied.
        while entries.next_key_seed(inner)?.is_some() {
            entries.next_value_seed(inner)?;
        }
        Ok(())
    }
}
