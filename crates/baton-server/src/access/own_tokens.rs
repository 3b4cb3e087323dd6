//! The tokens that the server itself gives out or is told: one for each document and client, and
//! the fixed token of an application's own server.
//!
//! y-sweet's clients get their tokens from the server: the application's server shows the fixed
//! token (`server_token`) and asks for one that is for a single document. Owns the key that signs
//! those. Without `signing_key_file` it is drawn at the start, so that they end with the process.

use std::path::Path;

use baton_auth::{
    Access, ClaimRules, DocumentPattern, DocumentSyntax, KeyError, KeySet, MintError, NewToken,
    Permissions, SigningKey, Token, TokenError, TokenFingerprint, TokenUser, mint, verify,
};

use super::token_keys::{read, trimmed};
use crate::config::{ConfigError, Settings};

/// Id of the key in the tokens, which sets them apart from those of other issuers.
const KEY_ID: &str = "baton-document-tokens";

/// Least length of a server token in bytes.
const MIN_SERVER_TOKEN: usize = 32;

/// See the module.
pub(crate) struct OwnTokens {
    server_token: Option<TokenFingerprint>,
    key: SigningKey,
    keys: KeySet,
    rules: ClaimRules,
}

/// The contents of a token for one document.
pub(crate) struct DocumentToken<'a> {
    /// Exact name of the document.
    pub(crate) document: &'a str,
    pub(crate) permissions: Permissions,
    pub(crate) user: Option<TokenUser>,
    pub(crate) tenant: Option<String>,
    /// Time for which it counts, in milliseconds.
    pub(crate) lifetime_ms: u64,
}

impl OwnTokens {
    /// Returns the own tokens of these settings, and reads the key that they name.
    ///
    /// # Errors
    /// A key cannot be read or drawn, or the server token is too short. Nothing was started.
    pub(super) fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let key = signing_key(settings)?.with_id(KEY_ID);
        let setting = "signing_key_file";
        let keys = key.key_set();
        Ok(Self {
            server_token: server_token(settings)?,
            keys: keys.map_err(|source| ConfigError::Keys { setting, source })?,
            key,
            rules: ClaimRules {
                // The names come from users: no letter of theirs makes a pattern.
                document_syntax: DocumentSyntax::Exact,
                leeway_ms: u64::try_from(settings.auth_leeway.0.as_millis()).unwrap_or(u64::MAX),
                ..ClaimRules::default()
            },
        })
    }

    /// Returns the access of an own token at this time, in Unix milliseconds, or `None` for a token
    /// of another issuer.
    ///
    /// # Errors
    /// It is an own token, and does not count any more.
    pub(super) fn access(&self, token: &Token, now: u64) -> Result<Option<Access>, TokenError> {
        if self.server_token == Some(token.fingerprint()) {
            let all = Permissions::TAKE_OVER | Permissions::MANAGE;
            return Ok(Some(Access::to_every_document(all)));
        }
        match verify(token, &self.keys, &self.rules, now) {
            Ok(access) => Ok(Some(access)),
            // Claims are read after the signature: with any other error the signature is another's.
            Err(error @ (TokenError::Expired | TokenError::IssuedInFuture)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Makes a token for one document that counts from this time on, in Unix milliseconds.
    ///
    /// # Errors
    /// The token gets longer than clients may show, or the document's name is no pattern.
    pub(crate) fn mint(&self, token: DocumentToken<'_>, now: u64) -> Result<Token, MintError> {
        let problem = "its document has no valid name";
        let document = DocumentPattern::exact(token.document)
            .map_err(|_| MintError::Token(TokenError::Malformed { problem }))?;
        let mut contents = NewToken::new(vec![document], token.permissions, token.lifetime_ms);
        contents.user = token.user;
        contents.tenant = token.tenant;
        mint(&self.key, &contents, now)
    }
}

fn server_token(settings: &Settings) -> Result<Option<TokenFingerprint>, ConfigError> {
    let setting = "server_token";
    let Some(text) = settings.server_token.secret_text() else {
        return Ok(None);
    };
    if text.len() < MIN_SERVER_TOKEN {
        let text = format!(
            "{setting} has less than {MIN_SERVER_TOKEN} bytes, and lets its owner manage every document"
        );
        return Err(ConfigError::Contradiction(text));
    }
    match Token::new(text) {
        Ok(token) => Ok(Some(token.fingerprint())),
        Err(error) => Err(ConfigError::Contradiction(format!("{setting}: {error}"))),
    }
}

fn signing_key(settings: &Settings) -> Result<SigningKey, ConfigError> {
    let setting = "signing_key_file";
    let made = match &settings.signing_key_file.0 {
        Some(path) => {
            let text = read(setting, Path::new(path))?;
            match std::str::from_utf8(&text) {
                Ok(pem) if pem.contains("-----BEGIN") => SigningKey::from_ed25519_pem(pem),
                _ => SigningKey::from_secret(trimmed(&text)),
            }
        }
        None => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed)
                .map_err(|_| KeyError::CannotSign)
                .and_then(|()| SigningKey::from_ed25519_seed(seed))
        }
    };
    made.map_err(|source| ConfigError::Keys { setting, source })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn own(change: impl FnOnce(&mut Settings)) -> OwnTokens {
        let mut settings = Settings::default();
        change(&mut settings);
        OwnTokens::new(&settings).unwrap()
    }

    fn token(document: &str, permissions: Permissions) -> DocumentToken<'_> {
        DocumentToken {
            document,
            permissions,
            user: None,
            tenant: None,
            lifetime_ms: 60_000,
        }
    }

    #[test]
    fn a_token_is_for_its_one_document_whatever_letters_its_name_has() {
        let own = own(|_| ());
        for name in ["plan", "team/", "*", "**", "a*/b", "../x"] {
            let minted = own.mint(token(name, Permissions::WRITE), NOW).unwrap();
            let access = own.access(&minted, NOW).unwrap().unwrap();
            assert_eq!(access.permissions(name), Permissions::WRITE, "{name}");
            for other in ["plan2", "team/x", "x", "a/b", "ax/b", "x"] {
                assert!(access.permissions(other).is_empty(), "{name}: {other}");
            }
        }
    }

    #[test]
    fn a_token_ends_in_its_time_and_is_told_apart_from_that_of_another_issuer() {
        let drawn = || own(|_| ());
        let own = drawn();
        let minted = own.mint(token("plan", Permissions::READ), NOW).unwrap();
        // A minute, and the leeway.
        let late = NOW + 60_000 + 30_000;
        assert!(matches!(own.access(&minted, late - 1), Ok(Some(_))));
        assert_eq!(own.access(&minted, late), Err(TokenError::Expired));
        let other = drawn();
        assert_eq!(other.access(&minted, NOW), Ok(None));
        for text in ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
            assert_eq!(own.access(&Token::new(text).unwrap(), NOW), Ok(None));
        }
    }

    #[test]
    fn the_server_token_manages_every_document_and_no_part_of_it_does() {
        let text = "AAAgX2lKqSLSrfTZk0LvlSHZ7pH8bVkbxH4uB1WbO0";
        let own = own(|settings| settings.server_token = text.parse().unwrap());
        let access = own.access(&Token::new(text).unwrap(), NOW);
        assert!(access.unwrap().unwrap().manages_every_document());
        for part in [&text[1..], &text[..text.len() - 1], "none"] {
            assert_eq!(own.access(&Token::new(part).unwrap(), NOW), Ok(None));
        }
        let settings = Settings {
            server_token: "short".parse().unwrap(),
            ..Settings::default()
        };
        let error = OwnTokens::new(&settings).err().unwrap().to_string();
        assert!(
            error.contains("server_token") && !error.contains("short"),
            "{error}"
        );
    }

    #[test]
    fn a_key_in_a_file_outlives_the_process_and_one_that_is_drawn_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let pem = SigningKey::from_ed25519_seed([7; 32])
            .unwrap()
            .private_pem();
        let secret = "a secret of thirty-two bytes....".to_owned();
        for text in [pem.unwrap().to_string(), format!("{secret}\n")] {
            std::fs::write(&path, text).unwrap();
            let name = path.to_str().unwrap();
            let keep = |settings: &mut Settings| {
                settings.signing_key_file = name.parse().unwrap();
            };
            let (before, after) = (own(keep), own(keep));
            let minted = before.mint(token("plan", Permissions::READ), NOW).unwrap();
            assert!(after.access(&minted, NOW).unwrap().is_some());
        }
        let drawn: BTreeSet<_> = (0..3)
            .map(|_| own(|_| ()).key.public_pem().unwrap())
            .collect();
        assert_eq!(drawn.len(), 3);
    }
}
