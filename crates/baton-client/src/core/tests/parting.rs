//! Stories of parks, drafts and the fresh copy.
