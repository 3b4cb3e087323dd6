//! Comparison of values in two spellings.
//!
//! A library that stores a value may write it otherwise than it came: keys in another order, a
//! large integer as a number, a whole number without its point. Owns the equality of such
//! spellings. No value is built: each is reduced to a hash, so that comparing costs no memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::lib0::Reader;

/// Returns true if two whole values of lib0's `any` are equal.
pub(super) fn same_value(ours: &[u8], theirs: &[u8]) -> bool {
    ours == theirs || {
        let sum = |bytes| value(&mut Reader::new(bytes));
        sum(ours).is_some_and(|ours| Some(ours) == sum(theirs))
    }
}

/// Returns true if two units of legacy JSON content, each with its length before it, are equal.
pub(super) fn same_json_value(ours: &[u8], theirs: &[u8]) -> bool {
    ours == theirs || {
        let text = |bytes| Reader::new(bytes).var_string().ok();
        text(ours)
            .zip(text(theirs))
            .is_some_and(|(a, b)| same_json(a, b))
    }
}

/// Returns true if two JSON texts are equal.
pub(super) fn same_json(ours: &str, theirs: &str) -> bool {
    ours == theirs || {
        let sum = |text| {
            Json.deserialize(&mut serde_json::Deserializer::from_str(text))
                .ok()
        };
        sum(ours).is_some_and(|ours| Some(ours) == sum(theirs))
    }
}

fn sum(kind: &str, content: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    kind.hash(&mut hasher);
    content.hash(&mut hasher);
    hasher.finish()
}

fn number(number: f64) -> u64 {
    // Both zeros are one, and so is every NaN.
    let number = if number == 0.0 { 0.0 } else { number };
    let bits = if number.is_nan() {
        f64::NAN.to_bits()
    } else {
        number.to_bits()
    };
    sum("number", bits)
}

/// Order counts in a list, and not among the entries of a map.
fn entry(key: &str, value: u64) -> u64 {
    sum(key, value)
}

/// Values nest as deep as the scanner admits.
fn value(reader: &mut Reader<'_>) -> Option<u64> {
    Some(match reader.u8().ok()? {
        // `undefined` and `null`, which JSON does not tell apart.
        127 | 126 => sum("null", ()),
        125 => number(reader.var_int().ok()? as f64),
        124 => {
            let bytes = reader.bytes(4).ok()?.try_into().ok()?;
            number(f64::from(f32::from_be_bytes(bytes)))
        }
        123 => number(f64::from_be_bytes(reader.bytes(8).ok()?.try_into().ok()?)),
        122 => {
            let bytes = reader.bytes(8).ok()?.try_into().ok()?;
            number(i64::from_be_bytes(bytes) as f64)
        }
        121 => sum("bool", false),
        120 => sum("bool", true),
        119 => sum("string", reader.var_string().ok()?),
        118 => {
            let mut all = 0_u64;
            for _ in 0..reader.var_uint().ok()? {
                let key = reader.var_string().ok()?;
                all = all.wrapping_add(entry(key, value(reader)?));
            }
            sum("map", all)
        }
        117 => {
            let mut hasher = DefaultHasher::new();
            for _ in 0..reader.var_uint().ok()? {
                value(reader)?.hash(&mut hasher);
            }
            sum("list", hasher.finish())
        }
        116 => sum("bytes", reader.var_buf().ok()?),
        _ => return None,
    })
}

/// A JSON value that becomes a hash.
#[derive(Clone, Copy)]
struct Json;

impl<'de> DeserializeSeed<'de> for Json {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Json {
    type Value = u64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<u64, E> {
        Ok(sum("bool", value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<u64, E> {
        Ok(number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
        Ok(number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<u64, E> {
        Ok(number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<u64, E> {
        Ok(sum("string", value))
    }

    fn visit_unit<E: Error>(self) -> Result<u64, E> {
        Ok(sum("null", ()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<u64, A::Error> {
        let mut hasher = DefaultHasher::new();
        while let Some(item) = items.next_element_seed(self)? {
            item.hash(&mut hasher);
        }
        Ok(sum("list", hasher.finish()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<u64, A::Error> {
        let mut all = 0_u64;
        while let Some(key) = entries.next_key::<std::borrow::Cow<'_, str>>()? {
            let value = entries.next_value_seed(self)?;
            all = all.wrapping_add(entry(&key, value));
        }
        Ok(sum("map", all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_does_not_matter_and_a_value_does() {
        assert!(same_json(
            r#"{"a":1,"b":[2.0,null]}"#,
            r#"{"b":[2,null],"a":1.0}"#
        ));
        for other in [
            r#"{"a":1,"b":[null,2]}"#,
            r#"{"a":1}"#,
            r#"{"a":1,"c":[2,null]}"#,
            "1",
        ] {
            assert!(!same_json(r#"{"a":1,"b":[2,null]}"#, other), "{other}");
        }
        // {a: 1, b: -0} and {b: 0.0, a: 1n}.
        let one = [118, 2, 1, b'a', 125, 1, 1, b'b', 125, 0x40];
        let mut other = vec![118, 2, 1, b'b', 123, 0, 0, 0, 0, 0, 0, 0, 0, 1, b'a', 122];
        other.extend([0, 0, 0, 0, 0, 0, 0, 1]);
        assert!(same_value(&one, &other));
        other[3] = b'c';
        assert!(!same_value(&one, &other));
        assert!(!same_value(&[117, 2, 120, 121], &[117, 2, 121, 120]));
    }

    #[test]
    fn legacy_json_is_compared_by_its_value_and_undefined_by_its_name() {
        let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
        assert!(same_json_value(&text("[1.0]"), &text("[1]")));
        assert!(same_json_value(&text("undefined"), &text("undefined")));
        for other in ["null", "\"undefined\"", "0"] {
            assert!(
                !same_json_value(&text("undefined"), &text(other)),
                "{other}"
            );
        }
    }
}
