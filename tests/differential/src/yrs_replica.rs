//! yrs as the reference: what it knows after it took the same updates.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};

use yrs::updates::decoder::Decode;
use yrs::{ClientID, Doc, OffsetKind, Options, ReadTxn, Transact, Update};

use crate::knowledge::Knowledge;

const PANICKED: &str = "yrs panicked";

/// A document of yrs that only takes updates.
pub struct YrsReplica {
    doc: Doc,
    /// Set once yrs failed: its transaction was leaked, and the next one would wait for ever.
    failure: Option<String>,
}

impl YrsReplica {
    /// A document that knows nothing. It keeps deleted content: yrs is unsound on hostile updates
    /// when it collects garbage.
    #[must_use]
    pub fn new() -> Self {
        let client = ClientID::new(baton_sync::ClientId::MAX.get());
        let doc = Doc::with_options(Options {
            offset_kind: OffsetKind::Utf16,
            skip_gc: true,
            cleanup_formatting: false,
            ..Options::with_guid_and_client_id("".into(), client)
        });
        Self { doc, failure: None }
    }

    /// Applies an update that the replica under test took.
    ///
    /// # Errors
    /// The error or the panic of yrs, again on each later call.
    pub fn apply(&mut self, update: &[u8]) -> Result<(), String> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let step = || {
            let update = Update::decode_v1(update).map_err(|error| error.to_string())?;
            // Dropping a transaction commits it, which may panic once more and abort.
            let mut transaction = ManuallyDrop::new(self.doc.transact_mut());
            transaction
                .apply_update(update)
                .map_err(|error| error.to_string())?;
            drop(ManuallyDrop::into_inner(transaction));
            Ok(())
        };
        let outcome = catch_unwind(AssertUnwindSafe(step));
        let outcome = outcome.unwrap_or_else(|_| Err(PANICKED.to_owned()));
        self.failure = outcome.clone().err();
        outcome
    }

    /// True once yrs panicked: what it knows is its own affair then.
    #[must_use]
    pub fn has_panicked(&self) -> bool {
        self.failure.as_deref() == Some(PANICKED)
    }

    /// All of it as one update v1, as yrs writes it.
    #[must_use]
    pub fn everything(&self) -> Vec<u8> {
        let nothing = yrs::StateVector::default();
        self.doc.transact().encode_diff_v1(&nothing)
    }

    /// The units it has, and those that are deleted.
    ///
    /// # Errors
    /// As [`YrsReplica::apply`] before.
    pub fn knowledge(&self) -> Result<Knowledge, String> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let snapshot = self.doc.transact().snapshot();
        let clocks = snapshot.state_map.iter();
        let deletes = snapshot.delete_set.iter().flat_map(|(client, ranges)| {
            let client = client.get();
            ranges
                .iter()
                .map(move |range| (client, range.start, range.end))
        });
        let clocks = clocks.map(|(client, clock)| (client.get(), *clock));
        Ok(Knowledge::new(clocks, deletes))
    }
}

impl Default for YrsReplica {
    fn default() -> Self {
        Self::new()
    }
}
