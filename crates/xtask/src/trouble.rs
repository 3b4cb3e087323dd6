//! Why a command stopped. Owns the difference between "something is missing on this machine" (a skip, or a failure
//! in CI) and "something is wrong with the project". Never decides which of the two a step's caller makes of it.

use std::fmt;

/// What a step without numbers returns.
pub(crate) type Done = Result<(), Trouble>;

/// Why something did not happen, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The command line made no sense.
    Usage(String),
    /// A program is not on this machine. Nothing was changed.
    Missing {
        /// What is not there.
        what: String,
        /// How to get it.
        how: String,
    },
    /// It ran and went wrong.
    Failed(String),
    /// It ran and went wrong, and everything there is to say has been said: the numbers stay the last line.
    Said,
}

impl Trouble {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub(crate) fn missing(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self::Missing {
            what: what.into(),
            how: how.into(),
        }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Failed(message) => f.write_str(message),
            Self::Missing { what, how } => write!(f, "{what}; {how}"),
            Self::Said => f.write_str("see above"),
        }
    }
}
