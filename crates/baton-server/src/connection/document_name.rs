//! Checks the names of documents, for every wire.

use crate::config::Settings;

/// Checks the name of a document.
///
/// # Errors
/// It is none: the text says why, for the client.
pub(crate) fn check(document: &str, settings: &Settings) -> Result<(), String> {
    let most = settings.max_document_name;
    if document.is_empty() {
        Err("the document name is missing or is not UTF-8: connect to /ws/{document}".to_owned())
    } else if document.len() > most {
        Err(format!(
            "the document name is longer than {most} bytes (max_document_name)"
        ))
    } else if document.chars().any(char::is_control) {
        Err("the document name has control characters".to_owned())
    } else {
        Ok(())
    }
}
