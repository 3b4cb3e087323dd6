//! Differential tests of a document's replica: it knows and gives back the same as yrs and as Yjs.
//!
//! | module | owns |
//! | --- | --- |
//! | [`subject`] | the replica that is compared, as a trait |
//! | [`intake`] | delivering: what has a gap is given again later |
//! | [`knowledge`] | state vector and deleted units, in one form for all |
//! | [`yjs`], [`yrs_replica`] | the references |
//! | [`histories`] | histories of stock Yjs clients, made and checked in Node |
//! | [`hostile`] | histories that no client makes, of which millions are checked |
//!
//! `README.md` says how to run it and how to read a finding.

pub mod histories;
pub mod hostile;
pub mod intake;
pub mod knowledge;
pub mod subject;
pub mod yjs;
pub mod yrs_replica;
