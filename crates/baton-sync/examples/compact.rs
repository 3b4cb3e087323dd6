//! Makes a document of the updates on standard input (each with its length before it, as lib0 writes
//! buffers), and says how large it is and what its compact form is, which goes to standard output.
//!
//! `cargo run --release -p baton-sync --example compact < updates > compacted`
//!
//! To see what compacting alone takes, the two steps can be taken apart: with `full` the encoded
//! document goes to standard output, and with `state` standard input is one.

use std::io::{self, Read, Write};
use std::time::Instant;

use baton_sync::lib0::Reader;
use baton_sync::{ClientId, Document, DocumentOptions, compact, scan};
use bytes::Bytes;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mode = std::env::args().nth(1);
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input)?;
    let full = if mode.as_deref() == Some("state") {
        input.into()
    } else {
        encoded(&input)?
    };
    if mode.as_deref() == Some("full") {
        return Ok(io::stdout().write_all(&full)?);
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "an example may look at the clock"
    )]
    let start = Instant::now();
    let compacted = compact(&full)?;
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

/// The document that these updates make.
fn encoded(updates: &[u8]) -> Result<Bytes, Box<dyn std::error::Error>> {
    let options = DocumentOptions {
        client: ClientId::MAX,
    };
    let mut document = Document::new(&options);
    let mut updates = Reader::new(updates);
    while !updates.is_empty() {
        document.apply(updates.var_buf()?)?;
    }
    Ok(document.snapshot()?)
}
