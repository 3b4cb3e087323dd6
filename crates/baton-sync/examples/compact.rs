//! Makes a document of the updates on standard input (each with its length before it, as lib0
//! writes buffers), and says how large it is and what its compact form is, which goes to standard
//! output.
//!
//! `cargo run --release -p baton-sync --example compact < updates > compacted`
//!
//! The document has the blocks as they came, so that nothing is joined before. To see what
//! compacting alone takes, the two steps can be taken apart: with `full` the encoded document goes
//! to standard output, and with `state` standard input is one. With `states` it is several, each
//! with its length before it, and so are their compact forms. With `keep` as the last argument
//! deleted content stays.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::time::Instant;

use baton_sync::lib0::{Reader, write_var_buf, write_var_uint};
use baton_sync::{ClientId, History, IdRange, Judgement, ReplicaIndex, compact, scan};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let history = match arguments.last().map(String::as_str) {
        Some("keep") => History::Keep,
        _ => History::Drop,
    };
    if history == History::Keep {
        arguments.pop();
    }
    let mode = arguments.first().map(String::as_str);
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input)?;
    if mode == Some("states") {
        return Ok(io::stdout().write_all(&all(&input, history)?)?);
    }
    let full = if mode == Some("state") {
        input
    } else {
        gathered(&input)?
    };
    if mode == Some("full") {
        return Ok(io::stdout().write_all(&full)?);
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "an example may look at the clock"
    )]
    let start = Instant::now();
    let compacted = compact(&full, history)?;
    let took = start.elapsed();
    eprintln!(
        "{{\"full\": {}, \"blocks\": {}, \"compact\": {}, \"ms\": {:.2}}}",
        full.len(),
        scan(&full)?.blocks().count(),
        compacted.len(),
        took.as_secs_f64() * 1000.0
    );
    io::stdout().write_all(&compacted)?;
    Ok(())
}

fn all(states: &[u8], history: History) -> Result<Vec<u8>, Failure> {
    let mut states = Reader::new(states);
    let mut out = Vec::new();
    while !states.is_empty() {
        write_var_buf(&mut out, &compact(states.var_buf()?, history)?);
    }
    Ok(out)
}

/// The document that these updates make, each of which fits what is before it.
fn gathered(updates: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut updates = Reader::new(updates);
    let mut state = ReplicaIndex::new();
    let mut clients: BTreeMap<ClientId, (u64, Vec<u8>)> = BTreeMap::new();
    while !updates.is_empty() {
        let update = scan(updates.var_buf()?)?;
        match state.judge(&update) {
            Judgement::Fits => {}
            Judgement::Known => continue,
            other => return Err(format!("an update does not fit: {other:?}").into()),
        }
        let known = state.vector();
        for block in update.blocks() {
            if block.clock >= known.get(block.client) {
                let (count, bytes) = clients.entry(block.client).or_default();
                *count += 1;
                bytes.extend_from_slice(&update.bytes()[block.span]);
            }
        }
        state.absorb(&update);
    }
    let mut out = Vec::new();
    write_var_uint(&mut out, clients.len() as u64);
    for (client, (count, bytes)) in clients.iter().rev() {
        write_var_uint(&mut out, *count);
        write_var_uint(&mut out, client.get());
        write_var_uint(&mut out, 0);
        out.extend_from_slice(bytes);
    }
    let deletes: Vec<IdRange> = state.deletes().iter().collect();
    let clients: Vec<&[IdRange]> = deletes.chunk_by(|a, b| a.client == b.client).collect();
    write_var_uint(&mut out, clients.len() as u64);
    for ranges in clients {
        write_var_uint(&mut out, ranges[0].client.get());
        write_var_uint(&mut out, ranges.len() as u64);
        for range in ranges {
            write_var_uint(&mut out, u64::from(range.start));
            write_var_uint(&mut out, u64::from(range.end - range.start));
        }
    }
    Ok(out)
}
