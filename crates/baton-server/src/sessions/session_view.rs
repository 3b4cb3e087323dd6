//! An open session as an operator sees it, and the questions for sessions.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use baton_auth::{Permission, Permissions};
use serde::{Serialize, Serializer};

use crate::time_text::moment_text;

/// The wire that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireName {
    /// `/ws/{document}`, and that of y-sweet, which adds to the same wire
    YWebsocket,
    /// `/hocuspocus`, one session for each document of a socket
    Hocuspocus,
}

/// One open session, without any secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SessionView {
    /// Number of the connection since the server's start, as in its log.
    pub(crate) id: u64,
    pub(crate) document: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_id: Option<String>,
    #[serde(serialize_with = "as_text")]
    pub(crate) wire: WireName,
    pub(crate) address: IpAddr,
    #[serde(serialize_with = "words")]
    pub(crate) permissions: Permissions,
    /// Unix time at which it was opened.
    pub(crate) since_ms: u64,
    /// Unix time at which its access ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_ms: Option<u64>,
}

/// Writes one line of a list: number, start, wire, address, permissions, user, document.
impl Display for SessionView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = UNIX_EPOCH.checked_add(Duration::from_millis(self.since_ms));
        let since = moment_text(since.unwrap_or(UNIX_EPOCH));
        let words: Vec<_> = self.permissions.iter().map(Permission::word).collect();
        let user = self.user.as_deref().unwrap_or("-");
        let (id, wire, address) = (self.id, self.wire, self.address);
        write!(
            f,
            "{id:>8}  {since}  {wire}  {address}  {}  {user}  {}",
            words.join(","),
            self.document
        )
    }
}

impl Display for WireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::YWebsocket => "y-websocket",
            Self::Hocuspocus => "hocuspocus",
        })
    }
}

fn as_text<S: Serializer>(wire: &WireName, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(wire)
}

fn words<S: Serializer>(permissions: &Permissions, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(permissions.iter().map(Permission::word))
}

/// The sessions that a question is about: those that fit all fields that are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SessionFilter {
    pub(crate) document: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) token_id: Option<String>,
    pub(crate) tenant: Option<String>,
}
