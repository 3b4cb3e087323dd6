//! The options of a session that a driver lets in.

use crate::{Rights, SessionRole, UserKey};

/// A session that is to join, for [`Driver::join`](crate::Driver::join).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionOptions {
    /// Role in the document. Default: [`SessionRole::Writer`].
    pub role: SessionRole,
    /// Rights. Default: [`Rights::EDIT`].
    pub rights: Rights,
    /// The user, whose sessions can move locks among them. Default: none.
    pub user: Option<UserKey>,
    /// True if its client speaks the protocol of locks: it answers beats, claims offers and says
    /// that it has drained.
    ///
    /// For another one the driver does so. All that comes from it is its sign of life, what it is
    /// offered it takes, and what it is to give up it gives up at once. Default: false.
    pub speaks_for_itself: bool,
}

impl SessionOptions {
    /// A writer whose client knows nothing of locks: a chat user, a bot, a line of TCP.
    #[must_use]
    pub const fn plain() -> Self {
        Self {
            role: SessionRole::Writer,
            rights: Rights::EDIT,
            user: None,
            speaks_for_itself: false,
        }
    }

    /// A writer whose client speaks the protocol of locks.
    #[must_use]
    pub const fn lock_aware() -> Self {
        Self {
            speaks_for_itself: true,
            ..Self::plain()
        }
    }

    /// The same, as a session of this user.
    #[must_use]
    pub const fn of_user(self, user: UserKey) -> Self {
        Self {
            user: Some(user),
            ..self
        }
    }

    /// The same, with these rights.
    #[must_use]
    pub const fn with_rights(self, rights: Rights) -> Self {
        Self { rights, ..self }
    }

    /// The same, without ever holding a lock.
    #[must_use]
    pub const fn as_observer(self) -> Self {
        Self {
            role: SessionRole::Observer,
            ..self
        }
    }
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self::plain()
    }
}
