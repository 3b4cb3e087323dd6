//! Permissions on a document.

use std::fmt;
use std::ops::BitOr;
use std::str::FromStr;

use thiserror::Error;

/// One permission on a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Permission {
    /// Open the document, receive its edits, share presence.
    Read,
    /// Edit the document. Implies [`Permission::Read`].
    Write,
    /// Hold the edit lock. Implies [`Permission::Write`].
    Lock,
    /// Take the lock from its holder. Implies [`Permission::Lock`].
    TakeOver,
    /// Change the document's mode and decide about parks of others. Implies nothing.
    Manage,
}

impl Permission {
    /// Lists all permissions, the weakest first.
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::Write,
        Self::Lock,
        Self::TakeOver,
        Self::Manage,
    ];

    /// Returns the word for this permission in tokens, settings and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Lock => "lock",
            Self::TakeOver => "take-over",
            Self::Manage => "manage",
        }
    }

    /// Returns the permission of this word, compared byte for byte.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Set of permissions that always holds what its members imply.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u8);

impl Permissions {
    /// The empty set: the document may not even be opened.
    pub const NONE: Self = Self(0);
    /// [`Permission::Read`] alone.
    pub const READ: Self = Self(0b0_0001);
    /// [`Permission::Write`] and what it implies.
    pub const WRITE: Self = Self(0b0_0011);
    /// [`Permission::Lock`] and what it implies.
    pub const LOCK: Self = Self(0b0_0111);
    /// [`Permission::TakeOver`] and what it implies.
    pub const TAKE_OVER: Self = Self(0b0_1111);
    /// [`Permission::Manage`] alone.
    pub const MANAGE: Self = Self(0b1_0000);
    /// Every permission.
    pub const ALL: Self = Self(0b1_1111);

    /// Returns true if the set holds the permission.
    #[must_use]
    pub fn contains(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u8) != 0
    }

    /// Returns true if the set holds no permission.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// Returns the permissions that both sets hold.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Lists the permissions of the set, the weakest first.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL
            .into_iter()
            .filter(move |one| self.contains(*one))
    }

    /// Lists the permissions of this set that the other lacks, such as those that a new token
    /// takes away.
    pub fn missing_in(self, other: Self) -> impl Iterator<Item = Permission> {
        self.iter().filter(move |one| !other.contains(*one))
    }
}

impl From<Permission> for Permissions {
    fn from(permission: Permission) -> Self {
        match permission {
            Permission::Read => Self::READ,
            Permission::Write => Self::WRITE,
            Permission::Lock => Self::LOCK,
            Permission::TakeOver => Self::TAKE_OVER,
            Permission::Manage => Self::MANAGE,
        }
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(all: I) -> Self {
        all.into_iter()
            .fold(Self::NONE, |set, one| set | Self::from(one))
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (index, permission) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(permission.word())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permissions({self})")
    }
}

/// A setting or option names a permission that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{word}` is no permission; use read, write, lock, take-over, manage or none")]
pub struct UnknownPermission {
    /// Word that is no permission.
    pub word: String,
}

impl FromStr for Permissions {
    type Err = UnknownPermission;

    /// Parses words that spaces or commas separate, or the single word `none`.
    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        if text.trim() == "none" {
            return Ok(Self::NONE);
        }
        text.split([' ', ','])
            .filter(|word| !word.is_empty())
            .map(|word| {
                Permission::from_word(word).ok_or_else(|| UnknownPermission {
                    word: word.to_owned(),
                })
            })
            .collect()
    }
}
