//! What a program does with a document of its server.

use baton_server::{HostedDocument, HostedEditError};
use baton_sync::yrs::{GetString, ReadTxn, Text, WriteTxn};

use crate::within;

/// Returns the text of the document.
///
/// # Panics
/// When it cannot be read.
pub async fn text(document: &HostedDocument) -> String {
    let read = document.read(|txn| txn.get_text("t").map(|text| text.get_string(txn)));
    within("a document to be read", read)
        .await
        .expect("a document that can be read")
        .unwrap_or_default()
}

/// Writes at the end of the text.
///
/// # Errors
/// The server's.
pub async fn types(document: &HostedDocument, what: &str) -> Result<(), HostedEditError> {
    let edit = document.edit(|txn| txn.get_or_insert_text("t").push(txn, what));
    within("an edit's fate", edit).await
}
