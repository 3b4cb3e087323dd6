//! Bytes of an awareness payload: a count, then client, clock and JSON of each entry.
//!
//! Owns the layout and the checks that need no table. It never allocates more than the bytes at
//! hand can fill, never builds a JSON value, and knows nothing of owners.

use bytes::Bytes;

use crate::ClientId;
use crate::json;
use crate::lib0::{DecodeError, Reader, write_var_string, write_var_uint};

/// Deepest nesting of arrays and objects in a state. Readers in other languages recurse.
const JSON_DEPTH: usize = 128;

/// Statement of a message about one client. The JSON has been measured, not read yet.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// The client that the statement is about.
    pub client: ClientId,
    /// The clock of its state.
    pub clock: u64,
    /// The state, as JSON; `None` for a removal.
    pub state: Option<&'a str>,
}

/// Returns the payload without entries, which changes nothing.
#[must_use]
pub const fn nothing() -> Bytes {
    Bytes::from_static(&[0])
}

/// Reads a whole payload. The states are not read: they may be no JSON.
///
/// # Errors
/// [`DecodeError`]: the payload is no awareness message. Its sender is at fault.
pub fn decode(payload: &[u8]) -> Result<Vec<Statement<'_>>, DecodeError> {
    let mut reader = Reader::new(payload);
    // The smallest entry has a client, a clock, and the length of an empty string, which is refused
    // as JSON later.
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

/// Returns true if a state is one JSON value that nests no deeper than the limit.
pub(super) fn is_json(state: &str) -> bool {
    json::is_json(state, JSON_DEPTH)
}

/// Writes a payload of these entries; `None` for a removal.
#[must_use]
pub fn encode(entries: &[(ClientId, u64, Option<&str>)]) -> Bytes {
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
