//! The errors of one document: what its caller is told.

use std::sync::Arc;

use baton_log::{LogError, StoreError};

use crate::engine::EngineError;

/// Makes the error of a read that may succeed later.
pub(super) fn unread(document: &str, error: &EngineError) -> LogError {
    LogError::Load {
        document: document.into(),
        source: Arc::new(StoreError::failed("reading the engine", error.to_string())),
    }
}

/// Makes the error of a document whose snapshot cannot be read.
pub(super) fn damaged(document: Arc<str>) -> LogError {
    let what = "its snapshot does not verify".into();
    LogError::Damaged { document, what }
}

/// Makes the error of a document whose snapshot is not where it was stored.
pub(super) fn gone(document: Arc<str>, place: &str) -> LogError {
    let what = format!("its snapshot is gone: {place} is to be restored").into();
    LogError::Damaged { document, what }
}
