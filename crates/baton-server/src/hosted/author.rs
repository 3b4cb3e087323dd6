//! The author of a hosted document's edits.

use std::sync::Arc;

use baton_auth::{Access, IdentityError, Permissions, TokenUser};

/// The author under which a program reads and edits a document: the user that others are shown,
/// and what it may do. It never holds a lock, and is never offered one.
#[derive(Debug, Clone)]
#[must_use]
pub struct HostedAuthor {
    user: TokenUser,
    permissions: Permissions,
}

impl HostedAuthor {
    /// An author with this id among all users, and this name. It may write where no lock keeps it
    /// out.
    ///
    /// # Errors
    /// A text is empty, longer than 256 bytes, or has control characters.
    pub fn new(id: &str, name: &str) -> Result<Self, IdentityError> {
        Ok(Self {
            user: TokenUser::new(id)?.with_name(name)?,
            permissions: Permissions::WRITE,
        })
    }

    /// Lets it read and not write.
    pub const fn read_only(mut self) -> Self {
        self.permissions = Permissions::READ;
        self
    }

    pub(super) fn access(&self) -> Arc<Access> {
        let access = Access::to_every_document(self.permissions);
        Arc::new(access.with_user(self.user.clone()))
    }
}
