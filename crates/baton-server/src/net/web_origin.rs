//! Web pages that may use this server, and the host names that it answers to.
//!
//! Owns the reading of `Origin` and `Host`. A browser lets any page open a WebSocket to any server and names the page in
//! `Origin`; only the server can refuse it. A page can also point a name of its own at a loopback address (DNS rebinding),
//! and is then of the server's own origin; only the `Host` header shows that. Programs other than browsers send no `Origin`
//! and are served.

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderName, Uri, header};
use serde::{Deserialize, Serialize};

use crate::config::Settings;
use crate::net::client_addr::{ProxyHeader, Trust};

/// Longest part of a refused header that an error repeats, in bytes.
const REPEATED: usize = 100;

/// A host name or an address, in its one spelling: lower case, without a trailing dot or brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Name(String),
    Address(IpAddr),
}

impl Host {
    fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost",
            Self::Address(address) => address.is_loopback(),
        }
    }
}

impl Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(four)) => write!(f, "{four}"),
            Self::Address(IpAddr::V6(six)) => write!(f, "[{six}]"),
        }
    }
}

/// A host with the port that was written behind it, if one was.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Authority {
    host: Host,
    port: Option<u16>,
}

impl Authority {
    /// Reads `name`, `name:80`, `127.0.0.1:80`, `[::1]:80`. User information is no part of it.
    fn read(text: &str) -> Option<Self> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (six, rest) = rest.split_once(']')?;
            let six: Ipv6Addr = six.parse().ok()?;
            let port = match rest {
                "" => None,
                rest => Some(rest.strip_prefix(':')?),
            };
            (Host::Address(IpAddr::V6(six).to_canonical()), port)
        } else {
            let (name, port) = match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            };
            let name = name.strip_suffix('.').unwrap_or(name);
            let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
            if name.is_empty() || !name.bytes().all(sound) {
                return None;
            }
            let host = match name.parse::<Ipv4Addr>() {
                Ok(four) => Host::Address(IpAddr::V4(four)),
                Err(_) => Host::Name(name.to_ascii_lowercase()),
            };
            (host, port)
        };
        let port = match port {
            None | Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            Some(_) => return None,
        };
        Some(Self { host, port })
    }

    fn port_under(&self, scheme: Scheme) -> u16 {
        self.port.unwrap_or(scheme.default_port())
    }
}

impl Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

/// The schemes under which a page of this server's own can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn read(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("http") {
            Some(Self::Http)
        } else if text.eq_ignore_ascii_case("https") {
            Some(Self::Https)
        } else {
            None
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Where a web page comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum WebOrigin {
    Page(Scheme, Authority),
    /// `null` (a page in a sandbox, or from a file), or another scheme (an app's, an extension's), in lower case.
    Other(String),
}

impl WebOrigin {
    /// Reads the value of an `Origin` header, which has no path and no user information.
    fn read(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Other(text.to_owned()));
        }
        let (scheme, rest) = text.split_once("://")?;
        let sound = |byte: u8| byte.is_ascii_graphic() && !b"/?#@,;'\"".contains(&byte);
        if scheme.is_empty() || rest.is_empty() || !rest.bytes().all(sound) {
            return None;
        }
        let Some(scheme) = Scheme::read(scheme) else {
            return Some(Self::Other(text.to_ascii_lowercase()));
        };
        let mut authority = Authority::read(rest)?;
        // One spelling: the port is always there.
        authority.port = Some(authority.port_under(scheme));
        Some(Self::Page(scheme, authority))
    }
}

/// Web origins, written like `https://example.org,http://10.0.0.7:5173`; `any` for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(List<WebOrigin>);

/// Host names, written like `example.org,intranet:8080`, without a port for all ports; `any` for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(List<Authority>);

/// A word that is neither an origin nor a host. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no {kind}; write them like {example}, with commas between them")]
pub struct NoWebName {
    word: String,
    kind: &'static str,
    example: &'static str,
}

/// A list of names with the words that were given for them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct List<T> {
    any: bool,
    names: Vec<T>,
    words: String,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            any: false,
            names: Vec::new(),
            words: "none".to_owned(),
        }
    }
}

impl<T> List<T> {
    fn read(text: &str, read: impl Fn(&str) -> Result<T, NoWebName>) -> Result<Self, NoWebName> {
        let mut list = Self::default();
        let words = text.split(',').map(str::trim);
        let words: Vec<_> = words
            .filter(|word| !word.is_empty() && *word != "none")
            .collect();
        for word in &words {
            if *word == "any" {
                list.any = true;
            } else {
                list.names.push(read(word)?);
            }
        }
        if !words.is_empty() {
            list.words = words.join(",");
        }
        Ok(list)
    }
}

impl FromStr for Origins {
    type Err = NoWebName;

    fn from_str(text: &str) -> Result<Self, NoWebName> {
        let origin = |word: &str| {
            WebOrigin::read(word).ok_or_else(|| NoWebName {
                word: word.to_owned(),
                kind: "web origin",
                example: "https://example.org,http://10.0.0.7:5173",
            })
        };
        List::read(text, origin).map(Self)
    }
}

impl FromStr for Hosts {
    type Err = NoWebName;

    fn from_str(text: &str) -> Result<Self, NoWebName> {
        let host = |word: &str| {
            Authority::read(word).ok_or_else(|| NoWebName {
                word: word.to_owned(),
                kind: "host name",
                example: "example.org,intranet:8080",
            })
        };
        List::read(text, host).map(Self)
    }
}

/// Pages in whose frames the demo page may be shown, written like `self,https://example.org`, or `none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameAncestors {
    own: bool,
    others: List<WebOrigin>,
    words: String,
}

impl Default for FrameAncestors {
    fn default() -> Self {
        Self {
            own: true,
            others: List::default(),
            words: "self".to_owned(),
        }
    }
}

impl FromStr for FrameAncestors {
    type Err = NoWebName;

    fn from_str(text: &str) -> Result<Self, NoWebName> {
        let (own, others): (Vec<_>, Vec<_>) = text
            .split(',')
            .map(str::trim)
            .partition(|word| *word == "self");
        let others = others.join(",").parse::<Origins>()?.0;
        // A frame's page is named by scheme and host; a policy cannot name `null`.
        if others.names.contains(&WebOrigin::Other("null".to_owned())) {
            return Err(NoWebName {
                word: "null".to_owned(),
                kind: "page that can be named",
                example: "self,https://example.org",
            });
        }
        let mut words = Vec::new();
        if !own.is_empty() {
            words.push("self");
        }
        if others.any || !others.names.is_empty() {
            words.push(&others.words);
        }
        let words = if words.is_empty() {
            "none".to_owned()
        } else {
            words.join(",")
        };
        Ok(Self {
            own: !own.is_empty(),
            others,
            words,
        })
    }
}

impl FrameAncestors {
    /// The directive of a Content-Security-Policy.
    pub(crate) fn directive(&self) -> String {
        if self.others.any {
            return "frame-ancestors *".to_owned();
        }
        let own = self.own.then_some("'self'");
        // Words that were read as origins hold no space, no comma and no semicolon that would end the directive.
        let others = self.others.words.split(',');
        let others = others.filter(|_| !self.others.names.is_empty());
        let all: Vec<_> = own.into_iter().chain(others).collect();
        if all.is_empty() {
            return "frame-ancestors 'none'".to_owned();
        }
        format!("frame-ancestors {}", all.join(" "))
    }
}

macro_rules! written_as_words {
    ($($name:ident => $words:expr;)*) => { $(
        impl Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let words: fn(&Self) -> &str = $words;
                f.write_str(words(self))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Words::deserialize(from)?
                    .joined()
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    )* };
}

written_as_words! {
    Origins => |origins| &origins.0.words;
    Hosts => |hosts| &hosts.0.words;
    FrameAncestors => |ancestors| &ancestors.words;
}

/// A list in a file: one text with commas, or an array of texts.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a text with commas, or an array of texts")]
enum Words {
    One(String),
    Many(Vec<String>),
}

impl Words {
    fn joined(self) -> String {
        match self {
            Self::One(text) => text,
            Self::Many(words) => words.join(","),
        }
    }
}

/// Where the listener is that a connection came through. Put into a request's extensions by who accepted the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A loopback address: browsers on this machine only.
    Loopback,
    /// Any other, or one that is not known.
    Wider,
}

impl Reach {
    pub(crate) fn of(listening: SocketAddr) -> Self {
        if listening.ip().to_canonical().is_loopback() {
            Self::Loopback
        } else {
            Self::Wider
        }
    }
}

/// Why a request is refused before anything is done for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Barred {
    #[error("a request has one Host header at most")]
    Hosts,
    #[error(
        "this server listens on a loopback address and does not answer to the host {0}; add it to allowed_hosts if it should"
    )]
    Host(String),
    #[error(
        "web pages of the origin {0} may not use this server; add it to allowed_origins if they should"
    )]
    Origin(String),
}

/// The decision about pages and host names.
#[derive(Debug, Clone)]
pub(crate) struct Doorkeeper {
    origins: Origins,
    hosts: Hosts,
    trust: Trust,
}

impl Doorkeeper {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            origins: settings.allowed_origins.clone(),
            hosts: settings.allowed_hosts.clone(),
            trust: Trust::new(settings),
        }
    }

    /// Looks at a request's head.
    pub(crate) fn look(&self, request: &Request) -> Result<(), Barred> {
        let reach = request.extensions().get::<Reach>();
        let reach = reach.copied().unwrap_or(Reach::Wider);
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|info| info.0.ip());
        self.judge(reach, peer, request.uri(), request.headers())
    }

    fn judge(
        &self,
        reach: Reach,
        peer: Option<IpAddr>,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Barred> {
        let own = own_host(headers)?;
        if reach == Reach::Loopback {
            self.judge_host(own)?;
            // The request line may name a host as well, and then counts for more than the header.
            let named = uri.scheme().and(uri.authority());
            self.judge_host(named.map(|named| named.as_str()))?;
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return Ok(());
        };
        let text = origin.to_str().unwrap_or("?");
        if origins.next().is_some() {
            return Err(Barred::Origin(shown(&format!("{text}, and a second one"))));
        }
        let own = own.and_then(Authority::read);
        let said = peer.filter(|peer| self.trust.is_proxy(*peer));
        let said = said.map(|_| Forwarded::read(self.trust.header, headers));
        if self.may_use(reach, text, own.as_ref(), said.as_ref()) {
            Ok(())
        } else {
            Err(Barred::Origin(shown(text)))
        }
    }

    fn judge_host(&self, host: Option<&str>) -> Result<(), Barred> {
        // No browser leaves the header out.
        let Some(text) = host else {
            return Ok(());
        };
        let known = Authority::read(text).is_some_and(|host| {
            let listed = |allowed: &Authority| {
                let port = allowed.port.is_none() || allowed.port == host.port;
                allowed.host == host.host && port
            };
            host.host.is_loopback() || self.hosts.0.any || self.hosts.0.names.iter().any(listed)
        });
        if known {
            Ok(())
        } else {
            Err(Barred::Host(shown(text)))
        }
    }

    fn may_use(
        &self,
        reach: Reach,
        origin: &str,
        own: Option<&Authority>,
        said: Option<&Forwarded>,
    ) -> bool {
        if self.origins.0.any {
            return true;
        }
        let Some(origin) = WebOrigin::read(origin) else {
            return false;
        };
        if self.origins.0.names.contains(&origin) {
            return true;
        }
        let WebOrigin::Page(scheme, page) = &origin else {
            return false;
        };
        if reach == Reach::Loopback && page.host.is_loopback() {
            return true;
        }
        // Without a word of a trusted proxy it is not known whether something before this server speaks TLS.
        let stated = said.and_then(|said| said.scheme);
        if stated.is_some_and(|stated| stated != *scheme) {
            return false;
        }
        let forwarded = said.map_or(&[][..], |said| &said.hosts);
        let same = |own: &Authority| {
            own.host == page.host && own.port_under(*scheme) == page.port_under(*scheme)
        };
        own.into_iter().chain(forwarded).any(same)
    }
}

/// The one `Host` header, if there is one.
fn own_host(headers: &HeaderMap) -> Result<Option<&str>, Barred> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let first = hosts.next();
    if hosts.next().is_some() {
        return Err(Barred::Hosts);
    }
    Ok(first.map(|host| host.to_str().unwrap_or("?")))
}

/// Under which addresses a trusted proxy was asked. Clients can write these headers too; no web page can, for a WebSocket.
#[derive(Debug, Default)]
struct Forwarded {
    hosts: Vec<Authority>,
    scheme: Option<Scheme>,
}

impl Forwarded {
    fn read(header: ProxyHeader, headers: &HeaderMap) -> Self {
        let words = |name: HeaderName| {
            let lines = headers.get_all(name).into_iter();
            let texts = lines.filter_map(|line| line.to_str().ok());
            texts.flat_map(|text| text.split(',')).map(str::trim)
        };
        match header {
            ProxyHeader::XForwardedFor => Self {
                hosts: words(HeaderName::from_static("x-forwarded-host"))
                    .filter_map(Authority::read)
                    .collect(),
                scheme: words(HeaderName::from_static("x-forwarded-proto")).find_map(Scheme::read),
            },
            ProxyHeader::Forwarded => {
                let mut read = Self::default();
                let pairs = words(header::FORWARDED).flat_map(|element| element.split(';'));
                for (name, value) in pairs.filter_map(|pair| pair.split_once('=')) {
                    let value = value.trim().trim_matches('"');
                    if name.trim().eq_ignore_ascii_case("host") {
                        read.hosts.extend(Authority::read(value));
                    } else if name.trim().eq_ignore_ascii_case("proto") {
                        read.scheme = read.scheme.or(Scheme::read(value));
                    }
                }
                read
            }
        }
    }
}

/// A header's text as an error repeats it: of bounded length, on one line.
fn shown(text: &str) -> String {
    let end = text.floor_char_boundary(REPEATED);
    let cut = if end < text.len() { "..." } else { "" };
    format!("{}{cut}", text[..end].escape_debug())
}

#[cfg(test)]
#[path = "web_origin/tests.rs"]
mod tests;
