//! Writes the seeds of the corpora: genuine updates of peers that edit at once, what breaks a bare yrs, every example of
//! docs/protocol.md, a log's own rows. Run it after a format has changed, then `cargo xtask fuzz` and keep what it finds
//! worth keeping (README.md beside this).
//!
//! `cargo run -p baton-fuzz --example seeds`
#![allow(clippy::unwrap_used, reason = "a panic is how this program fails")]

use std::fs;
use std::path::Path;

use baton_fuzz::corpus;
use baton_fuzz::seeds;

fn main() {
    for (target, name, bytes) in seeds::all() {
        let folder = corpus::folder().join(target);
        fs::create_dir_all(&folder).unwrap();
        write(&folder.join(name), &bytes);
    }
}

fn write(file: &Path, bytes: &[u8]) {
    if fs::read(file).ok().as_deref() != Some(bytes) {
        fs::write(file, bytes).unwrap();
    }
}
