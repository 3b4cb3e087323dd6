//! What an item holds: how long it is in clocks, and whether both yrs and Yjs can read it.
//!
//! Owns the walk over values and JSON. It builds nothing from them.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{ANY_DEPTH, Content, JSON_DEPTH, ScanError};
use crate::lib0::Reader;

/// JavaScript's largest safe integer; Yjs throws on a larger one.
const SAFE_INTEGER: u64 = (1 << 53) - 1;

/// The bits of an item's first byte that say what its content is.
pub(crate) const CONTENT: u8 = 0x1f;

/// The content that an item's first byte announces; `None` for what is not supported.
///
/// Yjs takes five bits for it and yrs four, so the fifth must be zero.
pub(crate) const fn kind(info: u8) -> Option<Content> {
    match info & CONTENT {
        1 => Some(Content::Deleted),
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
pub(crate) fn read(reader: &mut Reader<'_>, kind: Content) -> Result<u64, ScanError> {
    match kind {
        Content::Deleted => Ok(reader.var_uint()?),
        Content::Binary => {
            reader.var_buf()?;
            Ok(1)
        }
        Content::String => Ok(utf16_len(reader.var_string()?)),
        Content::Embed => json(reader),
        Content::Format => {
            reader.var_string()?;
            json(reader)
        }
        Content::Type => shared_type(reader),
        Content::Any => {
            let count = reader.count(1)?;
            for _ in 0..count {
                any(reader, 0)?;
            }
            Ok(count as u64)
        }
        Content::Doc => {
            reader.var_string()?;
            subdocument_options(reader)
        }
    }
}

/// UTF-16 code units: one for each character, and one more for those of four bytes in UTF-8.
pub(super) fn utf16_len(text: &str) -> u64 {
    let mut units = 0;
    for byte in text.as_bytes() {
        units += u64::from(byte & 0xc0 != 0x80) + u64::from(*byte >= 0xf0);
    }
    units
}

fn shared_type(reader: &mut Reader<'_>) -> Result<u64, ScanError> {
    let at = reader.position();
    match reader.u8()? {
        // Array, map, text; XML fragment, XML text.
        0 | 1 | 2 | 4 | 6 => {}
        // An XML element says its name. (So does a hook, 5, to Yjs, but not to yrs.)
        3 => {
            reader.var_string()?;
        }
        kind => return Err(ScanError::UnsupportedType { at, kind }),
    }
    Ok(1)
}

/// Yjs spreads the options of a subdocument as an object: on another value it throws.
fn subdocument_options(reader: &mut Reader<'_>) -> Result<u64, ScanError> {
    let at = reader.position();
    if reader.rest().first() != Some(&118) {
        return Err(ScanError::BadValue { at });
    }
    any(reader, 0)?;
    Ok(1)
}

/// Reads past one value.
pub(crate) fn past_value(reader: &mut Reader<'_>) -> Result<(), ScanError> {
    any(reader, 0)
}

/// One value of lib0's `any`, already inside `depth` arrays and maps.
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

/// One JSON text, as yrs reads it: through `serde_json`, with whole numbers of 64 signed bits.
fn json(reader: &mut Reader<'_>) -> Result<u64, ScanError> {
    let text = reader.var_string()?;
    let mut parser = serde_json::Deserializer::from_str(text);
    let parsed = Json { depth: 0 }
        .deserialize(&mut parser)
        .and_then(|()| parser.end());
    match parsed {
        Ok(()) => Ok(1),
        Err(_) => Err(ScanError::BadJson {
            at: reader.position(),
        }),
    }
}

/// A JSON value that is walked over and not built.
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
