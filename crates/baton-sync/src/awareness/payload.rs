//! The bytes of an awareness payload: a count, then client, clock and JSON of each entry.
//!
//! Owns the layout and the checks that need no table. It never allocates more than the bytes at hand
//! can fill, never builds a JSON value, and knows nothing of owners.

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::AwarenessError;
use crate::ClientId;
use crate::lib0::{Reader, write_var_string, write_var_uint};

/// How deep the arrays and objects of a state may be nested. Readers in other languages recurse.
const JSON_DEPTH: usize = 128;

/// What a message says of one client. The JSON has been measured, not yet read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statement<'a> {
    pub(super) client: ClientId,
    pub(super) clock: u64,
    /// `None` = gone.
    pub(super) state: Option<&'a str>,
}

/// Reads a whole payload.
pub(super) fn decode(payload: &[u8]) -> Result<Vec<Statement<'_>>, AwarenessError> {
    let mut reader = Reader::new(payload);
    // The smallest entry is client, clock, and the length of an empty string (refused as JSON later).
    let count = reader.count(3)?;
    let mut statements = Vec::with_capacity(count);
    for _ in 0..count {
        let client = ClientId::read(&mut reader)?;
        let clock = reader.var_uint()?;
        let json = reader.var_string()?;
        let gone = json.trim_matches([' ', '\t', '\n', '\r']) == "null";
        statements.push(Statement {
            client,
            clock,
            state: (!gone).then_some(json),
        });
    }
    reader.finish()?;
    Ok(statements)
}

/// Whether the text is one JSON value, nested no deeper than the limit.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok() && depth(text) <= JSON_DEPTH
}

/// The deepest nesting of valid JSON.
fn depth(text: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' => now = now.saturating_sub(1),
            b'"' => loop {
                match bytes.next() {
                    Some(b'\\') => {
                        bytes.next();
                    }
                    Some(b'"') | None => break,
                    Some(_) => {}
                }
            },
            _ => {}
        }
    }
    most
}

/// Writes a payload of all these entries; `None` = gone.
pub(super) fn encode(entries: &[(ClientId, u64, Option<&str>)]) -> Bytes {
    let json = |state: Option<&str>| state.map_or(4, str::len);
    // Client, clock and length take at most 8, 5 and 5 bytes; the count 5.
    let most = entries
        .iter()
        .map(|(_, _, state)| 18 + json(*state))
        .sum::<usize>()
        + 5;
    let mut out = Vec::with_capacity(most);
    write_var_uint(&mut out, entries.len() as u64);
    for (client, clock, state) in entries {
        write_var_uint(&mut out, client.get());
        write_var_uint(&mut out, *clock);
        write_var_string(&mut out, state.unwrap_or("null"));
    }
    Bytes::from(out)
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
        assert!(is_json("{}") && is_json(" [1, \"\\ud800\"] ") && is_json(&nested(JSON_DEPTH)));
        assert!(!is_json(&nested(JSON_DEPTH + 1)));
        for text in ["", "{", "{} {}", "undefined", "{a:1}", "\"\u{1}\""] {
            assert!(!is_json(text), "{text}");
        }
    }
}
