//! Finds the address of a client: that of the peer, or the one that a trusted proxy names.
//!
//! Owns the rule for forwarding headers. They count only from a peer in `trusted_proxies`, and from
//! every peer of a Unix socket, because the mode of its file says which users may connect. The
//! client is then the right-most address that is not such a proxy, because the client itself may
//! have written everything to the left of it. Only the header that `proxy_header` names is read: a
//! proxy that sets one of the two passes the other on unchanged.

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use axum::http::{Extensions, HeaderMap};

use crate::config::{Proxies, ProxyHeader, Settings};

/// Most addresses of a header that are looked at, from the right.
const MAX_HOPS: usize = 32;

/// An address as limits count it: an IPv4 address, or an IPv6 network of 64 bits, which is the
/// smallest that a provider gives to one customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClientAddr(IpAddr);

impl From<IpAddr> for ClientAddr {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(six) => {
                let network = six.to_bits() >> 64 << 64;
                IpAddr::V6(Ipv6Addr::from_bits(network))
            }
            four @ IpAddr::V4(_) => four,
        })
    }
}

impl Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(four) => write!(f, "{four}"),
            IpAddr::V6(six) => write!(f, "{six}/64"),
        }
    }
}

/// The other end of a connection. The acceptor puts it into the extensions of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Address(SocketAddr),
    /// A process on this machine, which is a proxy.
    UnixSocket,
    /// An embedder's own axum server does not tell.
    Unknown,
}

impl Peer {
    /// Returns the peer that sent the request with these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        let known = extensions.get::<Self>().copied();
        known.unwrap_or_else(|| {
            let info = extensions.get::<ConnectInfo<SocketAddr>>();
            info.map_or(Self::Unknown, |info| Self::Address(info.0))
        })
    }

    /// Returns the address. All peers without one share the unspecified address.
    pub(crate) fn ip(self) -> IpAddr {
        match self {
            Self::Address(address) => address.ip().to_canonical(),
            Self::UnixSocket | Self::Unknown => Ipv4Addr::UNSPECIFIED.into(),
        }
    }
}

impl Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{}", address.ip()),
            Self::UnixSocket => f.write_str("unix socket"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// The proxies whose headers count.
#[derive(Debug, Clone)]
pub(crate) struct ProxyTrust {
    proxies: Proxies,
    header: ProxyHeader,
}

impl ProxyTrust {
    /// Returns the trust of these settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            proxies: settings.trusted_proxies.clone(),
            header: settings.proxy_header,
        }
    }

    /// Returns the header in which trusted proxies name the client.
    pub(crate) const fn header(&self) -> ProxyHeader {
        self.header
    }

    /// Returns true if this peer is a trusted proxy.
    pub(crate) fn is_proxy(&self, peer: Peer) -> bool {
        match peer {
            Peer::UnixSocket => true,
            Peer::Address(_) | Peer::Unknown => self.proxies.contain(peer.ip()),
        }
    }

    /// Returns the address of the client that sent a request. It may be unknown in an embedder's
    /// own axum server, or behind a proxy that does not name it; all such requests count as one
    /// address.
    pub(crate) fn client_of(&self, request: &Request) -> IpAddr {
        self.client(Peer::of(request.extensions()), request.headers())
    }

    /// Returns the address of the client of a peer that sends these headers.
    pub(crate) fn client(&self, peer: Peer, headers: &HeaderMap) -> IpAddr {
        let mut nearest = peer.ip();
        if !self.is_proxy(peer) {
            return nearest;
        }
        let name = match self.header {
            ProxyHeader::XForwardedFor => "x-forwarded-for",
            ProxyHeader::Forwarded => "forwarded",
        };
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        let hops = lines.iter().rev().flat_map(|line| {
            // A line that is not text has no address that can be read, and ends the search.
            line.to_str().unwrap_or("?").rsplit(',')
        });
        for hop in hops.take(MAX_HOPS) {
            let said = match self.header {
                ProxyHeader::XForwardedFor => hop_address(hop),
                ProxyHeader::Forwarded => forwarded_for(hop).and_then(hop_address),
            };
            // The client is hidden, or the text is no address: the proxy that wrote it counts.
            let Some(address) = said else {
                return nearest;
            };
            nearest = address;
            if !self.proxies.contain(nearest) {
                break;
            }
        }
        nearest
    }
}

/// Parses `1.2.3.4`, `1.2.3.4:567`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:567`.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop
        .strip_prefix('[')
        .and_then(|hop| hop.strip_suffix(']'))
        .unwrap_or(hop);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| hop.parse::<SocketAddr>().ok().map(|both| both.ip()));
    address.map(|address| address.to_canonical())
}

/// Returns the value of `for` in one element of a `Forwarded` header. Commas and semicolons in
/// quotes are not handled: no address has them, so such an element is not valid either way.
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        let quoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        name.trim()
            .eq_ignore_ascii_case("for")
            .then(|| quoted.unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: ProxyHeader, peer: &str, lines: &[&str]) -> String {
        let trust = ProxyTrust {
            proxies: "10.0.0.0/8, 2001:db8:1::/48,192.0.2.7".parse().unwrap(),
            header,
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            let name = match header {
                ProxyHeader::XForwardedFor => "x-forwarded-for",
                ProxyHeader::Forwarded => "forwarded",
            };
            headers.append(name, line.parse().unwrap());
        }
        let peer = match peer {
            "unix" => Peer::UnixSocket,
            peer => Peer::Address(SocketAddr::new(peer.parse().unwrap(), 4711)),
        };
        trust.client(peer, &headers).to_string()
    }

    #[test]
    fn a_header_counts_from_a_trusted_proxy_only_and_from_the_right() {
        let client = |peer, lines: &[&str]| client(ProxyHeader::XForwardedFor, peer, lines);
        assert_eq!(client("198.51.100.1", &["203.0.113.9"]), "198.51.100.1");
        assert_eq!(client("10.1.1.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("::ffff:10.1.1.1", &["203.0.113.9"]), "203.0.113.9");
        // The client's own words stand on the left of what the proxy added.
        assert_eq!(client("10.1.1.1", &["1.1.1.1, 203.0.113.9"]), "203.0.113.9");
        let lines = ["1.1.1.1", "203.0.113.9, 10.2.2.2", "192.0.2.7"];
        assert_eq!(client("10.1.1.1", &lines), "203.0.113.9");
        assert_eq!(client("2001:db8:1::5", &["2001:db8:9::1"]), "2001:db8:9::1");
        assert_eq!(client("10.1.1.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client("10.1.1.1", &["[2001:db8::7]:80"]), "2001:db8::7");
        assert_eq!(client("10.1.1.1", &["::ffff:203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn what_cannot_be_read_is_the_proxys_own() {
        let client = |peer, lines: &[&str]| client(ProxyHeader::XForwardedFor, peer, lines);
        assert_eq!(client("10.1.1.1", &[]), "10.1.1.1");
        assert_eq!(client("10.1.1.1", &[""]), "10.1.1.1");
        assert_eq!(client("10.1.1.1", &["203.0.113.9, unknown"]), "10.1.1.1");
        assert_eq!(
            client("10.1.1.1", &["203.0.113.9, x, 10.2.2.2"]),
            "10.2.2.2"
        );
        assert_eq!(client("10.1.1.1", &["10.3.3.3, 10.2.2.2"]), "10.3.3.3");
        let long = "10.2.2.2,".repeat(5000) + "10.2.2.2";
        assert_eq!(client("10.1.1.1", &[&long]), "10.2.2.2");
    }

    #[test]
    fn the_standard_header_is_read_with_quotes_and_parameters() {
        let client = |lines: &[&str]| client(ProxyHeader::Forwarded, "10.1.1.1", lines);
        assert_eq!(client(&["for=203.0.113.9"]), "203.0.113.9");
        let line = r#"for=1.1.1.1, For="[2001:db8::7]:4711";proto=https;by=10.1.1.1"#;
        assert_eq!(client(&[line]), "2001:db8::7");
        let two = ["for=203.0.113.9", "proto=http;FOR=\"10.2.2.2:80\""];
        assert_eq!(client(&two), "203.0.113.9");
        assert_eq!(client(&["for=203.0.113.9, for=_hidden"]), "10.1.1.1");
        assert_eq!(client(&["for=203.0.113.9, proto=https"]), "10.1.1.1");
        assert_eq!(client(&["for=\"a,b\""]), "10.1.1.1");
    }

    #[test]
    fn the_other_header_is_not_read() {
        let trust = ProxyTrust {
            proxies: "10.0.0.0/8".parse().unwrap(),
            header: ProxyHeader::Forwarded,
        };
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
        let peer: IpAddr = "10.1.1.1".parse().unwrap();
        let connected = Peer::Address(SocketAddr::new(peer, 4711));
        assert_eq!(trust.client(connected, &headers), peer);
    }

    #[test]
    fn a_peer_of_a_unix_socket_is_a_proxy_without_an_address_of_its_own() {
        let client = |lines: &[&str]| client(ProxyHeader::XForwardedFor, "unix", lines);
        assert_eq!(client(&["203.0.113.9"]), "203.0.113.9");
        assert_eq!(
            client(&["1.1.1.1, 2001:db8:9::1, 10.2.2.2"]),
            "2001:db8:9::1"
        );
        assert_eq!(client(&[]), "0.0.0.0");
        // nginx's name for a peer of its own Unix socket.
        assert_eq!(client(&["unix:"]), "0.0.0.0");
    }

    #[test]
    fn a_network_of_64_bits_counts_as_one_and_a_mapped_address_as_what_it_maps() {
        let address = |text: &str| ClientAddr::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
        assert_eq!(address("2001:db8::1").to_string(), "2001:db8::/64");
    }

    #[test]
    fn networks_are_written_as_they_are_read() {
        let proxies: Proxies = "10.0.0.0/8,::1".parse().unwrap();
        assert_eq!(proxies.to_string().parse::<Proxies>().unwrap(), proxies);
        assert_eq!("none".parse::<Proxies>().unwrap(), Proxies::default());
        assert!("10.0.0.0/33".parse::<Proxies>().is_err());
        assert!("example.org".parse::<Proxies>().is_err());
    }
}
