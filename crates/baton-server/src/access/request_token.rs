//! The token of an HTTP request or WebSocket handshake, in whichever place its client can put it.
//!
//! | place | for |
//! | --- | --- |
//! | query `token` | y-websocket's `params`, y-sweet |
//! | sub-protocol `baton.token.` and the token | browsers, to keep it out of addresses |
//! | `Authorization: Bearer` | programs |
//!
//! Owns these places, and that tokens in several of them must be the same one: two parties would
//! otherwise each judge another token.

use axum::http::{HeaderMap, Uri, header};
use baton_auth::{Token, TokenError};
use percent_encoding::percent_decode_str;

use super::denied::AccessDenied;
use super::grant::{ShownToken, shown_token};
use crate::connection::close_codes;

/// Beginning of a sub-protocol that is a token.
const TOKEN_PROTOCOL: &str = "baton.token.";

/// Most tokens that one request may show.
const MAX_SHOWN: usize = 8;

/// Returns the token of a request, or `None` if it shows none.
///
/// # Errors
/// A token is no text, is too long, or is not the only one. The error holds no part of it.
pub(crate) fn request_token(uri: &Uri, headers: &HeaderMap) -> ShownToken {
    let query = uri.query().unwrap_or_default().split('&');
    let query = query.filter_map(|pair| pair.strip_prefix("token="));
    // As browsers write a query: a space is a plus.
    let query = query.map(|value| value.replace('+', " "));
    let protocols = offered_protocols(headers);
    let protocols = protocols.filter_map(|name| name.strip_prefix(TOKEN_PROTOCOL));
    let decoded = query
        .chain(protocols.map(str::to_owned))
        .map(|text| decode(&text));
    let bearers = headers.get_all(header::AUTHORIZATION).iter();
    let bearers = bearers.filter_map(|value| bearer(value.as_bytes()));
    let bearers = bearers.map(|bytes| token(String::from_utf8(bytes.to_vec()).ok()));
    let mut shown = None;
    for (index, next) in decoded.chain(bearers).enumerate() {
        if index >= MAX_SHOWN {
            return Err(several_tokens());
        }
        shown = one_token(shown, next?)?;
    }
    Ok(shown)
}

/// Returns the token that was shown in two places, such as a handshake and a later message.
///
/// # Errors
/// Both places have a token, and not the same one.
pub(super) fn one_token(first: Option<Token>, second: Option<Token>) -> ShownToken {
    match (first, second) {
        (Some(first), Some(second)) if first.secret_text() != second.secret_text() => {
            Err(several_tokens())
        }
        (first, second) => Ok(first.or(second)),
    }
}

/// Returns the sub-protocol that a handshake agrees on: the first offered one that is no token.
///
/// A browser takes nothing but one of its offers. If it offers a token alone, that is its answer.
pub(crate) fn agreed_protocol(headers: &HeaderMap) -> Option<String> {
    let is_token = |name: &&str| name.starts_with(TOKEN_PROTOCOL);
    let public = offered_protocols(headers).find(|name| !is_token(name));
    let agreed = public.or_else(|| offered_protocols(headers).next());
    agreed.map(str::to_owned)
}

fn offered_protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let names = lines.filter_map(|line| line.to_str().ok());
    let names = names.flat_map(|line| line.split(',')).map(str::trim);
    names.filter(|name| !name.is_empty())
}

/// Returns the credentials of the scheme `Bearer`; other schemes are for proxies in front.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, credentials) = value.split_at_checked("Bearer ".len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"Bearer ");
    is_bearer.then(|| credentials.trim_ascii())
}

fn decode(text: &str) -> ShownToken {
    let decoded = percent_decode_str(text).decode_utf8();
    token(decoded.ok().map(|text| text.into_owned()))
}

/// Returns the token of a text; an empty one is none.
fn token(text: Option<String>) -> ShownToken {
    let problem = "it is not UTF-8";
    let text = text.ok_or(TokenError::Malformed { problem })?;
    shown_token(&text)
}

fn several_tokens() -> AccessDenied {
    AccessDenied {
        code: close_codes::UNAUTHORIZED,
        reason: "tokens-differ",
        text: "the client showed several tokens that differ; send one token, in one place"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(uri: &str, headers: &[(&'static str, &str)]) -> Result<Option<String>, &'static str> {
        let uri: Uri = uri.parse().unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        match request_token(&uri, &map) {
            Ok(token) => Ok(token.map(|token| token.secret_text().to_owned())),
            Err(denied) => Err(denied.reason),
        }
    }

    #[test]
    fn a_token_is_found_in_each_of_its_places() {
        let found = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(shown("/ws/a?x=1&token=a.b.c", &[]), found("a.b.c"));
        assert_eq!(shown("/ws/a?token=a%20b+c%2B", &[]), found("a b c+"));
        let protocol = "sec-websocket-protocol";
        for offers in [
            "baton.token.a.b.c",
            "yjs, baton.token.a%2Eb.c",
            "baton.token.a.b.c,yjs",
        ] {
            assert_eq!(
                shown("/ws/a", &[(protocol, offers)]),
                found("a.b.c"),
                "{offers}"
            );
        }
        for value in ["Bearer a.b.c", "bearer   a.b.c "] {
            assert_eq!(shown("/ws/a", &[("authorization", value)]), found("a.b.c"));
        }
    }

    #[test]
    fn what_is_in_no_place_of_a_token_is_none() {
        let none = Ok(None);
        assert_eq!(shown("/ws/a?nottoken=a&token", &[]), none);
        assert_eq!(shown("/ws/token=a?token=", &[]), none);
        for value in ["Basic YTpi", "Bearer", "Bearer ", "Bearera.b.c"] {
            assert_eq!(shown("/ws/a", &[("authorization", value)]), none, "{value}");
        }
        assert_eq!(shown("/ws/a", &[("cookie", "token=a")]), none);
    }

    #[test]
    fn tokens_that_differ_are_refused_and_the_same_twice_is_one() {
        let bearer = ("authorization", "Bearer a");
        let offer = ("sec-websocket-protocol", "baton.token.a");
        assert_eq!(
            shown("/?token=a&token=a", &[bearer, offer]),
            Ok(Some("a".to_owned()))
        );
        assert_eq!(shown("/?token=b", &[bearer]), Err("tokens-differ"));
        assert_eq!(shown("/?token=a&token=b", &[]), Err("tokens-differ"));
        assert_eq!(
            shown("/", &[bearer, ("authorization", "Bearer b")]),
            Err("tokens-differ")
        );
        let many = format!("/?token=a{}", "&token=a".repeat(MAX_SHOWN));
        assert_eq!(shown(&many, &[]), Err("tokens-differ"));
    }

    #[test]
    fn what_cannot_be_a_token_is_refused() {
        assert_eq!(shown("/?token=%ff", &[]), Err("token-malformed"));
        let long = format!("/?token={}", "a".repeat(9 * 1024));
        assert_eq!(shown(&long, &[]), Err("token-too-large"));
    }

    #[test]
    fn a_token_is_agreed_on_only_if_nothing_else_is_offered() {
        let agreed = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::SEC_WEBSOCKET_PROTOCOL, line.parse().unwrap());
            }
            agreed_protocol(&headers)
        };
        assert_eq!(agreed(&[]), None);
        assert_eq!(agreed(&["yjs, other"]).as_deref(), Some("yjs"));
        assert_eq!(agreed(&["baton.token.a, yjs"]).as_deref(), Some("yjs"));
        assert_eq!(agreed(&["baton.token.a", "yjs"]).as_deref(), Some("yjs"));
        assert_eq!(agreed(&["baton.token.a"]).as_deref(), Some("baton.token.a"));
    }
}
