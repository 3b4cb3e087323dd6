//! The tokens that an application's own server asks for, for its clients.

use baton_auth::{IdentityError, Permissions, TokenUser};
use serde::{Deserialize, Serialize};

use crate::config::PublicUrl;

/// Time for which a token counts if the application does not say, in seconds; as in y-sweet.
const LIFETIME: u64 = 60 * 60;

/// Longest time for which a token may count, in seconds.
pub(super) const MAX_LIFETIME: u64 = 366 * 24 * 60 * 60;

/// Access that a token gives its client, in y-sweet's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) enum Authorization {
    #[default]
    #[serde(rename = "full")]
    Full,
    #[serde(rename = "read-only", alias = "readonly")]
    ReadOnly,
}

impl Authorization {
    /// Returns the permissions of the client. y-sweet has no locks, so that `full` gives none: its
    /// clients could not tell that they hold one.
    pub(super) fn permissions(self) -> Permissions {
        match self {
            Self::Full => Permissions::WRITE,
            Self::ReadOnly => Permissions::READ,
        }
    }
}

/// The body of a request for a token. What y-sweet adds to it some day is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TokenRequest {
    pub(super) authorization: Authorization,
    user_id: Option<String>,
    #[serde(alias = "valid_for_seconds")]
    valid_for_seconds: Option<u64>,
}

impl TokenRequest {
    /// Returns the user of the token; an empty name is none.
    ///
    /// # Errors
    /// The name cannot be that of a user.
    pub(super) fn user(&self) -> Result<Option<TokenUser>, IdentityError> {
        let id = self.user_id.as_deref().filter(|id| !id.is_empty());
        id.map(TokenUser::new).transpose()
    }

    /// Returns the time for which the token counts, in milliseconds, or `None` if it would be
    /// longer than [`MAX_LIFETIME`].
    pub(super) fn lifetime_ms(&self) -> Option<u64> {
        let seconds = self.valid_for_seconds.unwrap_or(LIFETIME);
        (seconds <= MAX_LIFETIME).then(|| seconds * 1000)
    }
}

/// The answer: all that a client needs to connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientToken {
    /// Address of the socket, without the name of the document, which the client adds.
    url: String,
    /// Address of the document over HTTP.
    base_url: String,
    doc_id: String,
    /// Absent if the server asks for no tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    authorization: Authorization,
}

impl ClientToken {
    /// Returns the answer for a document of a server at this address.
    pub(super) fn new(
        server: &PublicUrl,
        document: String,
        authorization: Authorization,
        token: Option<String>,
    ) -> Self {
        let path = format!("/d/{}", encoded(&document));
        Self {
            url: server.web_socket(&format!("{path}/ws")),
            base_url: server.http(&path),
            doc_id: document,
            token,
            authorization,
        }
    }
}

/// Returns a name as it stands in a path, with its slashes.
fn encoded(name: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    utf8_percent_encode(name, IN_PATH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<TokenRequest, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn a_request_says_what_who_and_how_long_or_leaves_it_out() {
        let nothing = read("{}").unwrap();
        assert_eq!(nothing.authorization, Authorization::Full);
        assert_eq!(nothing.lifetime_ms(), Some(3_600_000));
        assert_eq!(nothing.user().unwrap(), None);
        let all = read(
            r#"{"authorization":"read-only","userId":"u1","validForSeconds":5,"metadata":{}}"#,
        );
        let all = all.unwrap();
        assert_eq!(all.authorization.permissions(), Permissions::READ);
        assert_eq!(all.lifetime_ms(), Some(5000));
        assert_eq!(all.user().unwrap().unwrap().id(), "u1");
        assert!(read(r#"{"userId":""}"#).unwrap().user().unwrap().is_none());
        assert!(read(r#"{"userId":"\u0000"}"#).unwrap().user().is_err());
        let endless = format!(r#"{{"validForSeconds":{}}}"#, u64::MAX);
        assert_eq!(read(&endless).unwrap().lifetime_ms(), None);
        for wrong in [r#"{"authorization":"admin"}"#, r#"{"validForSeconds":-1}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_has_y_sweets_words_and_a_name_that_fits_into_a_path() {
        let server: PublicUrl = "https://a.example/base".parse().unwrap();
        let token = ClientToken::new(&server, "x/é 1".to_owned(), Authorization::ReadOnly, None);
        assert_eq!(
            serde_json::to_value(token).unwrap(),
            serde_json::json!({
                "url": "wss://a.example/base/d/x/%C3%A9%201/ws",
                "baseUrl": "https://a.example/base/d/x/%C3%A9%201",
                "docId": "x/é 1",
                "authorization": "read-only",
            })
        );
    }
}
