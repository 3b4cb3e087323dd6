//! Makes a document of the updates on standard input (each with its length before it, as lib0 writes
//! buffers), and says how large it is and what its compact form is, which goes to standard output.
//!
//! `cargo run --release -p baton-sync --example compact < updates > compacted`

use std::io::{self, Read, Write};
use std::time::Instant;

use baton_sync::lib0::Reader;
use baton_sync::{ClientId, Document, DocumentOptions, compact};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input)?;
    let options = DocumentOptions {
        client: ClientId::MAX,
    };
    let mut document = Document::new(&options);
    let mut updates = Reader::new(&input);
    while !updates.is_empty() {
        document.apply(updates.var_buf()?)?;
    }
    let full = document.snapshot()?;
    drop(document);
    #[expect(
        clippy::disallowed_methods,
        reason = "an example may look at the clock"
    )]
    let start = Instant::now();
    let compacted = compact(&full)?;
    let took = start.elapsed();
    eprintln!(
        "{{\"full\": {}, \"compact\": {}, \"ms\": {:.2}}}",
        full.len(),
        compacted.len(),
        took.as_secs_f64() * 1000.0
    );
    io::stdout().write_all(&compacted)?;
    Ok(())
}
