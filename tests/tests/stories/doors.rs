//! Web pages of others, and other names of the server: refused before anything is done for them.

use std::net::SocketAddr;

use baton_tests::{Join, TestServer, WildSocket, http};

/// Every kind of address that the server answers at.
const ROUTES: [&str; 8] = [
    "/",
    "/nothing",
    "/healthz",
    "/readyz",
    "/metrics",
    "/ws",
    "/ws/",
    "/ws/notes",
];

/// A request with these header lines; a handshake where that is what the address is for.
async fn ask(address: SocketAddr, path: &str, lines: &str) -> String {
    let mut socket = WildSocket::connect(address).await;
    let upgrade = if path.starts_with("/ws") {
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    } else {
        "Connection: close\r\n"
    };
    let request = format!("GET {path} HTTP/1.1\r\n{lines}{upgrade}\r\n");
    socket.sends(request.as_bytes()).await;
    socket.head().await
}

fn is_let_in(head: &str) -> bool {
    !head.contains(" 403 ") && !head.contains(" 400 ") && head.starts_with("HTTP/1.1 ")
}

/// Any page on the web could open a WebSocket to a server on its visitor's machine, and read every document.
#[tokio::test]
async fn a_page_of_another_origin_is_refused_everywhere_and_its_setting_is_named() {
    let server = TestServer::start().await;
    let own = server.address();
    for path in ROUTES {
        for origin in [
            "http://evil.example",
            "https://evil.example:8443",
            "null",
            "http://localhost.evil.example",
            "http://evil.example@localhost",
        ] {
            let lines = format!("Host: {own}\r\nOrigin: {origin}\r\n");
            let head = ask(own, path, &lines).await;
            assert!(head.starts_with("HTTP/1.1 403 "), "{path} {origin}: {head}");
        }
        for origin in [
            format!("http://{own}"),
            format!("HTTP://{own}"),
            "http://localhost:5173".to_owned(),
            "https://localhost.:5173".to_owned(),
            "http://[::1]:5173".to_owned(),
        ] {
            let lines = format!("Host: {own}\r\nOrigin: {origin}\r\n");
            let head = ask(own, path, &lines).await;
            assert!(is_let_in(&head), "{path} {origin}: {head}");
        }
        let twice = format!("Host: {own}\r\nOrigin: http://{own}\r\norigin: http://{own}\r\n");
        let head = ask(own, path, &twice).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{path}: {head}");
    }
    let refused = 6 * ROUTES.len() as u64;
    assert_eq!(server.refused("origin"), refused);
    let answer = http::ask(
        own,
        format!("GET / HTTP/1.1\r\nHost: {own}\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n")
            .as_bytes(),
    )
    .await;
    assert!(answer.body.contains("allowed_origins"), "{}", answer.body);
    // A program that is no browser names no origin.
    let ada = server.connect(Join::stock("notes")).await;
    ada.types("still here");
    // The name that a browser was led by is refused where it is the server's own, too.
    let evil = Join::stock("notes").with_header("origin", "http://evil.example");
    assert_eq!(server.try_connect(evil).await.unwrap_err().status, 403);
}

/// A page whose own name is pointed at this machine is of the server's own origin, by its browser's lights.
#[tokio::test]
async fn on_loopback_only_names_of_this_machine_are_answered_to() {
    let server = TestServer::with(|settings| {
        settings.allowed_hosts = "intranet.example".parse().unwrap();
    })
    .await;
    let own = server.address();
    let port = own.port();
    for path in ROUTES {
        for host in [
            "evil.example".to_owned(),
            format!("evil.example:{port}"),
            format!("localhost.evil.example:{port}"),
            format!("localhost@evil.example:{port}"),
            "0.0.0.0".to_owned(),
            "[::2]".to_owned(),
        ] {
            for origin in ["", &format!("Origin: http://{host}\r\n")] {
                let head = ask(own, path, &format!("Host: {host}\r\n{origin}")).await;
                assert!(head.starts_with("HTTP/1.1 403 "), "{path} {host}: {head}");
            }
        }
        for host in [
            format!("localhost:{port}"),
            "LocalHost.".to_owned(),
            format!("127.0.0.1:{port}"),
            "127.1.2.3".to_owned(),
            format!("[::1]:{port}"),
            format!("Intranet.example:{port}"),
        ] {
            let head = ask(own, path, &format!("Host: {host}\r\n")).await;
            assert!(is_let_in(&head), "{path} {host}: {head}");
        }
        let twice = format!("Host: {own}\r\nHost: {own}\r\n");
        let head = ask(own, path, &twice).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{path}: {head}");
    }
    let answer = http::ask(
        own,
        b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.body.contains("allowed_hosts"), "{}", answer.body);
    assert!(!answer.body.contains("baton_connections"));
}

#[tokio::test]
async fn the_page_may_be_framed_by_its_own_server_or_by_whom_the_settings_name() {
    let server = TestServer::start().await;
    for path in ["/", "/nothing"] {
        let head = server.get(path).await.head;
        let policy = "content-security-policy: frame-ancestors 'self'";
        assert!(head.contains(policy), "{head}");
    }
    let server = TestServer::with(|settings| {
        settings.frame_ancestors = "https://wiki.example".parse().unwrap();
    })
    .await;
    let head = server.get("/").await.head;
    let policy = "content-security-policy: frame-ancestors https://wiki.example\r\n";
    assert!(head.contains(policy), "{head}");
}
