//! Two peers without a server: they edit apart, then exchange state vectors and differences as
//! bytes, over whatever carries bytes, and print what both of them see.
//!
//! `cargo run -p baton-sync --example two_peers`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use baton_sync::yrs::{GetString, ReadTxn, Text, WriteTxn};
use baton_sync::{Broken, ClientId, Document, DocumentOptions, StateVector};

/// Writes at the end of the text.
fn write(peer: &mut Document, line: &str) -> Result<(), Broken> {
    peer.transact(|txn| {
        let text = txn.get_or_insert_text("shopping");
        text.push(txn, line);
    })?;
    Ok(())
}

fn read(peer: &Document) -> Result<String, Broken> {
    peer.read(|txn| {
        txn.get_text("shopping")
            .map_or(String::new(), |text| text.get_string(txn))
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut ann = Document::new(&DocumentOptions::new(ClientId::from(1)));
    let mut ben = Document::new(&DocumentOptions::new(ClientId::from(2)));
    write(&mut ann, "bread\n")?;
    write(&mut ben, "milk\n")?;
    write(&mut ben, "tea\n")?;
    println!(
        "apart, Ann has\n{}and Ben has\n{}",
        read(&ann)?,
        read(&ben)?
    );

    // Step 1: each says what it knows.
    let ann_knows: Vec<u8> = ann.state().vector().encode();
    let ben_knows: Vec<u8> = ben.state().vector().encode();
    // Step 2: each answers with what the other lacks.
    let for_ben = ann.diff(&StateVector::decode(&ben_knows)?)?;
    let for_ann = ben.diff(&StateVector::decode(&ann_knows)?)?;
    ann.apply(&for_ann)?;
    ben.apply(&for_ben)?;

    println!("together, both have\n{}", read(&ann)?);
    if read(&ann)? != read(&ben)? {
        return Err("the peers did not converge".into());
    }
    Ok(())
}
