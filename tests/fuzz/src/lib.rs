//! What hostile bytes may do to Baton, as functions of bytes: one for each place where bytes of strangers, or of a disk,
//! come in. Each asserts more than that nothing panics: what was read is written again as the same, what is refused
//! changed nothing, what was admitted can be stored and loaded, and no input costs more memory than a multiple of its
//! length.
//!
//! The same functions run under libFuzzer with AddressSanitizer (`cargo xtask fuzz`; the binaries are in `fuzz/`), and
//! for a few seconds in the ordinary tests (`tests/short.rs`), over the corpora that are kept in `corpus/`. README.md
//! beside this has the commands.
//!
//! # Map
//! | module | owns |
//! | --- | --- |
//! | [`targets`] | the functions, and [`targets::TARGETS`], the list of them |
//! | [`memory`] | what a run may allocate |
//! | [`corpus`] | the kept inputs: reading them, and changing them by chance |
//! | [`seeds`] | where the corpora begin |
//!
//! Never here: a rule about what is good input. Those are with the code that they protect.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a finding is told, to libFuzzer and to a test alike"
)]

pub mod corpus;
pub mod memory;
pub mod seeds;
pub mod targets;
