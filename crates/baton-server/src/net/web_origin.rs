//! Decides which web pages may use the server, and to which host names the server answers.
//!
//! Owns the reading of `Origin` and `Host`. A browser lets every page open a WebSocket to every
//! server, and names the page in `Origin`; only the server can refuse it. A page can also point a
//! host name of its own at a loopback address (DNS rebinding), and then has the server's own
//! origin; only the `Host` header shows that. Programs other than browsers send no `Origin` and are
//! served.

use std::net::SocketAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Uri, header};

use crate::config::{Hosts, Origins, ProxyHeader, Settings};
use crate::net::client_addr::{Peer, ProxyTrust};
use crate::net::host_name::{Authority, Scheme, WebOrigin};

/// Most bytes of a refused header that an error repeats.
const REPEATED: usize = 100;

/// The reach of the listener that accepted a connection. The acceptor puts it into the extensions
/// of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListenerReach {
    /// A loopback address: only programs on this machine.
    Loopback,
    /// Any other address, an unknown one, or a Unix socket: the proxy that uses it decides about
    /// host names.
    Wider,
}

impl ListenerReach {
    /// Returns the reach of a listener on this address; `None` for a Unix socket.
    pub(crate) fn of(listening: Option<SocketAddr>) -> Self {
        match listening {
            Some(address) if address.ip().to_canonical().is_loopback() => Self::Loopback,
            Some(_) | None => Self::Wider,
        }
    }
}

/// The reason for which a request is refused. Nothing was done for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Forbidden {
    #[error("the request has several Host headers; send one")]
    Hosts,
    #[error(
        "this server listens on a loopback address and does not answer to the host {0}; its operator can add the host to allowed_hosts"
    )]
    Host(String),
    #[error(
        "web pages of the origin {0} may not use this server; its operator can add the origin to allowed_origins"
    )]
    Origin(String),
}

/// The rules for web pages and host names.
#[derive(Debug, Clone)]
pub(crate) struct OriginPolicy {
    origins: Origins,
    hosts: Hosts,
    trust: ProxyTrust,
}

impl OriginPolicy {
    /// Returns the rules of these settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            origins: settings.allowed_origins.clone(),
            hosts: settings.allowed_hosts.clone(),
            trust: ProxyTrust::new(settings),
        }
    }

    /// Checks the head of a request.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Forbidden> {
        let reach = request.extensions().get::<ListenerReach>();
        let reach = reach.copied().unwrap_or(ListenerReach::Wider);
        let peer = Peer::of(request.extensions());
        self.judge(reach, peer, request.uri(), request.headers())
    }

    /// Returns true if a trusted proxy states that its client uses TLS.
    pub(crate) fn proxy_states_https(&self, peer: Peer, headers: &HeaderMap) -> bool {
        self.trust.is_proxy(peer)
            && Forwarded::read(self.trust.header(), headers).scheme == Some(Scheme::Https)
    }

    fn judge(
        &self,
        reach: ListenerReach,
        peer: Peer,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Forbidden> {
        let own = own_host(headers)?;
        if reach == ListenerReach::Loopback {
            self.judge_host(own)?;
            // The request line may also name a host, which then overrides the header.
            let named = uri.scheme().and(uri.authority());
            self.judge_host(named.map(|named| named.as_str()))?;
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return Ok(());
        };
        let text = origin.to_str().unwrap_or("?");
        if origins.next().is_some() {
            return Err(Forbidden::Origin(shown(&format!(
                "{text}, and a second one"
            ))));
        }
        let own = own.and_then(Authority::read);
        let proxied = self.trust.is_proxy(peer);
        let said = proxied.then(|| Forwarded::read(self.trust.header(), headers));
        if self.may_use(reach, text, own.as_ref(), said.as_ref()) {
            Ok(())
        } else {
            Err(Forbidden::Origin(shown(text)))
        }
    }

    fn judge_host(&self, host: Option<&str>) -> Result<(), Forbidden> {
        // No browser leaves the header out.
        let Some(text) = host else {
            return Ok(());
        };
        let known = Authority::read(text)
            .is_some_and(|host| host.host.is_loopback() || self.hosts.cover(&host));
        if known {
            Ok(())
        } else {
            Err(Forbidden::Host(shown(text)))
        }
    }

    fn may_use(
        &self,
        reach: ListenerReach,
        origin: &str,
        own: Option<&Authority>,
        said: Option<&Forwarded>,
    ) -> bool {
        if self.origins.is_any() {
            return true;
        }
        let Some(origin) = WebOrigin::read(origin) else {
            return false;
        };
        if self.origins.contains(&origin) {
            return true;
        }
        let WebOrigin::Page(scheme, page) = &origin else {
            return false;
        };
        if reach == ListenerReach::Loopback && page.host.is_loopback() {
            return true;
        }
        // Unless a trusted proxy states the scheme, the server cannot know that TLS ends in front
        // of it.
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

/// Returns the `Host` header, if there is one.
fn own_host(headers: &HeaderMap) -> Result<Option<&str>, Forbidden> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let first = hosts.next();
    if hosts.next().is_some() {
        return Err(Forbidden::Hosts);
    }
    Ok(first.map(|host| host.to_str().unwrap_or("?")))
}

/// The hosts and the scheme under which a trusted proxy was reached. Clients can forge these
/// headers as well, but a web page that opens a WebSocket cannot.
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

/// Returns the text of a header as an error repeats it: shortened, and on one line.
fn shown(text: &str) -> String {
    let end = text.floor_char_boundary(REPEATED);
    let cut = if end < text.len() { "..." } else { "" };
    format!("{}{cut}", text[..end].escape_debug())
}

#[cfg(test)]
mod tests;
