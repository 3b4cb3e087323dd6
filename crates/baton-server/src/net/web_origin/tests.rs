use super::*;
use crate::config::FrameAncestors;

fn keeper(change: impl FnOnce(&mut Settings)) -> OriginPolicy {
    let mut settings = Settings::default();
    change(&mut settings);
    OriginPolicy::new(&settings)
}

/// The judgement of a request with these headers.
fn judge(
    keeper: &OriginPolicy,
    reach: ListenerReach,
    lines: &[(&str, &str)],
) -> Result<(), Forbidden> {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    let peer = Peer::Address(([127, 0, 0, 1], 4711).into());
    keeper.judge(reach, peer, &Uri::from_static("/"), &headers)
}

fn page(keeper: &OriginPolicy, reach: ListenerReach, host: &str, origin: &str) -> bool {
    judge(keeper, reach, &[("host", host), ("origin", origin)]).is_ok()
}

#[test]
fn the_servers_own_pages_are_served_and_no_others() {
    let keeper = keeper(|_| ());
    let here = |host, origin| page(&keeper, ListenerReach::Wider, host, origin);
    for (host, origin) in [
        ("example.org", "http://example.org"),
        // TLS may end before this server.
        ("example.org", "https://example.org"),
        ("Example.ORG.", "https://example.org"),
        ("example.org", "HTTPS://EXAMPLE.org."),
        ("example.org:80", "http://example.org"),
        ("example.org", "http://example.org:80"),
        ("example.org:443", "https://example.org"),
        ("example.org:8080", "http://example.org:8080"),
        ("192.0.2.1:8080", "http://192.0.2.1:8080"),
        ("[2001:DB8::0:1]:8080", "http://[2001:db8::1]:8080"),
    ] {
        assert!(here(host, origin), "{host} {origin}");
    }
    for (host, origin) in [
        ("example.org", "http://evil.example"),
        ("example.org", "http://example.org:8080"),
        ("example.org:8080", "http://example.org"),
        ("example.org:443", "http://example.org"),
        ("example.org", "http://sub.example.org"),
        ("example.org", "http://example.org.evil.example"),
        ("example.org", "http://evil.example@example.org"),
        ("example.org@evil.example", "http://evil.example"),
        ("example.org", "http://example.org/"),
        ("example.org", "http://example.org, http://evil.example"),
        ("example.org", "example.org"),
        ("example.org", "ftp://example.org"),
        ("example.org", "null"),
        ("null", "null"),
        ("example.org", ""),
        // A page of this machine is another's page to a server that is not on loopback.
        ("example.org", "http://localhost:5173"),
    ] {
        assert!(!here(host, origin), "{host} {origin}");
    }
    assert_eq!(
        judge(&keeper, ListenerReach::Wider, &[("host", "x")]),
        Ok(())
    );
    let two = [
        ("host", "example.org"),
        ("origin", "http://example.org"),
        ("origin", "http://example.org"),
    ];
    assert!(judge(&keeper, ListenerReach::Wider, &two).is_err());
    let hosts = [("host", "example.org"), ("host", "example.org")];
    let judged = judge(&keeper, ListenerReach::Wider, &hosts);
    assert_eq!(judged, Err(Forbidden::Hosts));
}

#[test]
fn on_loopback_any_loopback_page_is_served_under_loopback_names_only() {
    let keeper = keeper(|_| ());
    let here = |host, origin| page(&keeper, ListenerReach::Loopback, host, origin);
    for (host, origin) in [
        ("localhost:8080", "http://localhost:5173"),
        ("localhost:8080", "https://LOCALHOST.:1"),
        ("127.0.0.1:8080", "http://localhost"),
        ("localhost:8080", "http://127.0.0.1:5173"),
        ("localhost:8080", "http://127.9.8.7"),
        ("[::1]:8080", "http://[::1]:5173"),
        ("[0:0::1]:8080", "http://[::ffff:127.0.0.1]:5173"),
    ] {
        assert!(here(host, origin), "{host} {origin}");
    }
    for origin in [
        "http://localhost.evil.example",
        "http://evil-localhost",
        "http://127.0.0.1.evil.example",
        "http://128.0.0.1",
        "http://[::2]",
        "http://0.0.0.0:8080",
        "null",
        "file://",
    ] {
        assert!(!here("localhost:8080", origin), "{origin}");
    }
    // The name of another, pointed at this machine: its pages have the server's own origin.
    for host in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "localhost@evil.example",
        "127.0.0.1@evil.example",
        "0.0.0.0:8080",
        "[::2]",
        "[::1",
        "localhost:x",
        "",
    ] {
        let judged = judge(&keeper, ListenerReach::Loopback, &[("host", host)]);
        assert_eq!(judged, Err(Forbidden::Host(host.to_owned())), "{host}");
        assert!(!here(host, "http://evil.example"), "{host}");
        // Elsewhere a proxy may use any name.
        assert_eq!(
            judge(&keeper, ListenerReach::Wider, &[("host", host)]),
            Ok(())
        );
    }
    assert_eq!(judge(&keeper, ListenerReach::Loopback, &[]), Ok(()));
    let uri = Uri::from_static("http://evil.example/metrics");
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, "localhost".parse().unwrap());
    let judged = keeper.judge(ListenerReach::Loopback, Peer::Unknown, &uri, &headers);
    assert_eq!(judged, Err(Forbidden::Host("evil.example".to_owned())));
}

#[test]
fn what_the_settings_list_is_served() {
    let keeper = keeper(|settings| {
        settings.allowed_origins = "https://app.example, null,tauri://localhost"
            .parse()
            .unwrap();
        settings.allowed_hosts = "Intranet.example, [2001:db8::1]:8080".parse().unwrap();
    });
    let here = |origin| page(&keeper, ListenerReach::Loopback, "localhost", origin);
    assert!(here("https://app.example") && here("https://APP.example.:443"));
    assert!(here("null") && here("tauri://localhost"));
    assert!(!here("http://app.example") && !here("https://app.example:8443"));
    let host = |host| judge(&keeper, ListenerReach::Loopback, &[("host", host)]).is_ok();
    assert!(host("intranet.example") && host("INTRANET.example.:99"));
    assert!(host("[2001:db8::1]:8080") && !host("[2001:db8::1]"));
    assert!(!host("other.example"));
    let any = self::keeper(|settings| {
        settings.allowed_origins = "any".parse().unwrap();
        settings.allowed_hosts = "any".parse().unwrap();
    });
    assert!(page(
        &any,
        ListenerReach::Loopback,
        "a.example",
        "http://b.example"
    ));
}

#[test]
fn a_trusted_proxy_says_under_which_address_it_was_asked() {
    let behind = |header, proxies: &str| {
        keeper(|settings| {
            settings.trusted_proxies = proxies.parse().unwrap();
            settings.proxy_header = header;
        })
    };
    let lines = |proto: &'static str, origin: &'static str| {
        [
            ("host", "backend:8080"),
            ("x-forwarded-host", "example.org"),
            ("x-forwarded-proto", proto),
            ("origin", origin),
        ]
    };
    let trusted = behind(ProxyHeader::XForwardedFor, "127.0.0.1");
    let ok = |keeper: &OriginPolicy, lines: &[(&str, &str)]| {
        judge(keeper, ListenerReach::Wider, lines).is_ok()
    };
    assert!(ok(&trusted, &lines("https", "https://example.org")));
    assert!(!ok(&trusted, &lines("https", "http://example.org")));
    assert!(!ok(&trusted, &lines("https", "https://evil.example")));
    // From others these headers count for nothing.
    let stranger = behind(ProxyHeader::XForwardedFor, "10.0.0.0/8");
    assert!(!ok(&stranger, &lines("https", "https://example.org")));
    let standard = behind(ProxyHeader::Forwarded, "127.0.0.1");
    assert!(!ok(&standard, &lines("https", "https://example.org")));
    let forwarded = [
        ("host", "backend:8080"),
        (
            "forwarded",
            "for=192.0.2.1;Host=\"example.org:8443\";proto=https",
        ),
        ("origin", "https://example.org:8443"),
    ];
    assert!(ok(&standard, &forwarded));
    // A browser on this machine is no proxy, and the name that it was asked for still counts on
    // loopback.
    let rebound = [
        ("host", "evil.example"),
        ("x-forwarded-host", "localhost"),
        ("origin", "http://evil.example"),
    ];
    let judged = judge(&trusted, ListenerReach::Loopback, &rebound);
    assert!(matches!(judged, Err(Forbidden::Host(_))), "{judged:?}");
}

#[test]
fn lists_are_written_as_they_are_read() {
    for text in ["none", "any", "https://a.example,http://b.example:81"] {
        let origins: Origins = text.parse().unwrap();
        assert_eq!(origins.to_string(), text);
    }
    assert_eq!("".parse::<Hosts>().unwrap(), Hosts::default());
    assert!("example.org".parse::<Origins>().is_err());
    assert!("https://example.org/path".parse::<Origins>().is_err());
    assert!("https://example.org".parse::<Hosts>().is_err());
    let words = |text: &str| text.parse::<FrameAncestors>().unwrap();
    assert_eq!(
        FrameAncestors::default().directive(),
        "frame-ancestors 'self'"
    );
    assert_eq!(words("none").directive(), "frame-ancestors 'none'");
    assert_eq!(words("any").directive(), "frame-ancestors *");
    assert_eq!(
        words("https://a.example, self").directive(),
        "frame-ancestors 'self' https://a.example"
    );
    assert_eq!(
        words("https://a.example, self").to_string(),
        "self,https://a.example"
    );
    assert!(
        "https://a.example; script-src *"
            .parse::<FrameAncestors>()
            .is_err()
    );
    assert!("null".parse::<FrameAncestors>().is_err());
}

#[test]
fn what_an_error_repeats_is_short_and_harmless() {
    let long = format!("http://{}", "a".repeat(5000));
    let keeper = keeper(|_| ());
    let lines = [("host", "x"), ("origin", long.as_str())];
    let said = judge(&keeper, ListenerReach::Wider, &lines)
        .unwrap_err()
        .to_string();
    assert!(
        said.len() < 300 && said.contains("allowed_origins"),
        "{said}"
    );
    assert_eq!(shown("a\u{7}\nb"), "a\\u{7}\\nb");
}
