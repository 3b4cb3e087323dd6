//! Checks of JSON texts that are passed on and not interpreted.
//!
//! Builds no value, and does not recurse.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Returns true for a text that JavaScript's `JSON.parse` takes and whose arrays and objects nest
/// at most `deepest` deep.
pub(crate) fn is_json(text: &str, deepest: usize) -> bool {
    let mut parser = serde_json::Deserializer::from_str(text);
    // This reader neither recurses nor looks at the value of a number or of an escape.
    let parsed = IgnoredAny::deserialize(&mut parser).and_then(|_| parser.end());
    parsed.is_ok() && depth(text) <= deepest
}

/// Returns the deepest nesting of arrays and objects in a JSON text that is well-formed.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(inner) = bytes.next().filter(|byte| *byte != b'"') {
                    if inner == b'\\' {
                        bytes.next();
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_strings_only() {
        assert_eq!(depth("1"), 0);
        assert_eq!(depth(r#"{"a":[1,{}],"b":[]}"#), 3);
        assert_eq!(depth(r#"["[[[\"[[","\\",[]]"#), 2);
    }

    #[test]
    fn json_is_one_value_and_not_too_deep() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let is_json = |text: &str| is_json(text, 128);
        assert!(is_json("{}") && is_json(" [1, \"\\ud800\"] ") && is_json(&nested(128)));
        assert!(!is_json(&nested(129)));
        for text in ["", "{", "{} {}", "undefined", "{a:1}", "\"\u{1}\""] {
            assert!(!is_json(text), "{text}");
        }
    }
}
