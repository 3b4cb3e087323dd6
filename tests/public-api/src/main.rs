//! Prints the public items of a library, one a line and sorted: `baton-public-api RUSTDOC_JSON`.
//!
//! Implementations that the compiler derives or finds by itself are left out.

use std::error::Error;
use std::io::{Write, stdout};

use public_api::Builder;

fn main() -> Result<(), Box<dyn Error>> {
    let json = std::env::args_os()
        .nth(1)
        .ok_or("name a file of rustdoc's JSON")?;
    let surface = Builder::from_rustdoc_json(std::path::PathBuf::from(json))
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()?;
    write!(stdout().lock(), "{surface}")?;
    Ok(())
}
