//! What the HTTP side answers to what: methods, paths, heads, handshakes that are none.

use baton_server::close;
use baton_testkit::websocket;
use baton_tests::{Join, TestServer, WildSocket, http, millis};

/// Requests, and the status that each is answered with. Each is on a connection of its own.
async fn table(requests: &[(&str, u16)]) -> TestServer {
    let server = TestServer::start().await;
    for (request, status) in requests {
        let answer = http::ask(server.address(), request.as_bytes()).await;
        assert_eq!(answer.status, *status, "{request:?}: {}", answer.head);
    }
    assert_eq!(server.get("/healthz").await.status, 200);
    server
        .comes_to("nobody here", |load| {
            load.handshakes == 0 && load.connections == 0
        })
        .await;
    server
}

const END: &str = "Host: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn paths_and_methods() {
    let requests = [
        ("GET / HTTP/1.1", 200),
        ("HEAD / HTTP/1.1", 200),
        ("GET /healthz HTTP/1.1", 200),
        ("HEAD /healthz HTTP/1.1", 200),
        ("GET /healthz?x=%00%ff HTTP/1.1", 200),
        ("GET http://localhost/healthz HTTP/1.1", 200),
        ("GET http://elsewhere.example/healthz HTTP/1.1", 403),
        ("POST /healthz HTTP/1.1", 405),
        ("POST / HTTP/1.1", 405),
        ("PUT /ws/notes HTTP/1.1", 405),
        ("DELETE /anything HTTP/1.1", 405),
        ("TRACE / HTTP/1.1", 405),
        ("OPTIONS * HTTP/1.1", 405),
        ("CONNECT elsewhere.example:443 HTTP/1.1", 405),
        ("GET /nothing/here HTTP/1.1", 404),
        ("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", 404),
        ("GET /../../etc/passwd HTTP/1.1", 404),
        ("GET /assets/../../Cargo.toml HTTP/1.1", 404),
        ("GET //healthz HTTP/1.1", 404),
        ("GET /Healthz HTTP/1.1", 404),
        ("GET /healthz%00 HTTP/1.1", 404),
        ("GET /ws/notes HTTP/1.1", 426),
        ("HEAD /ws/notes HTTP/1.1", 426),
    ];
    let whole: Vec<_> = requests
        .iter()
        .map(|(line, status)| (format!("{line}\r\n{END}"), *status))
        .collect();
    let whole: Vec<_> = whole
        .iter()
        .map(|(text, status)| (text.as_str(), *status))
        .collect();
    let server = table(&whole).await;
    let head = http::ask(
        server.address(),
        format!("HEAD / HTTP/1.1\r\n{END}").as_bytes(),
    )
    .await;
    assert_eq!(head.body, "", "a HEAD has no body");
    let post = http::ask(
        server.address(),
        format!("POST / HTTP/1.1\r\n{END}").as_bytes(),
    )
    .await;
    assert!(post.head.contains("allow: GET, HEAD"), "{}", post.head);
}

/// What two servers in a row might read as different requests is none, or is the last on its connection.
#[tokio::test]
async fn heads_that_could_be_read_in_two_ways() {
    let huge_path = format!("GET /{} HTTP/1.1\r\n{END}", "a".repeat(20_000));
    let huge_header = format!("GET / HTTP/1.1\r\nX: {}\r\n{END}", "a".repeat(20_000));
    let many_headers = format!("GET / HTTP/1.1\r\n{}{END}", "X: a\r\n".repeat(1000));
    table(&[
        (&huge_path, 431),
        (&huge_header, 431),
        (&many_headers, 431),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nX: a\r\n b\r\nHost: localhost\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nX\0: a\r\nHost: localhost\r\n\r\n", 400),
        ("GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("G\u{e9}T / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\na",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
    ])
    .await;
}

/// A request that names its length twice, once in chunks: what is behind it is never taken for a request.
#[tokio::test]
async fn nothing_is_smuggled_behind_a_body() {
    let server = TestServer::with(|settings| settings.handshake_timeout = millis(300)).await;
    let smuggled = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for request in [
        format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
            smuggled.len() + 5
        ),
        format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{smuggled}",
            smuggled.len()
        ),
    ] {
        let mut socket = WildSocket::connect(server.address()).await;
        socket.sends(request.as_bytes()).await;
        let answer = socket.rest().await;
        let text = String::from_utf8_lossy(&answer);
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
        assert!(!text.contains(" 200 "), "{text}");
    }
}

#[tokio::test]
async fn handshakes_that_are_none() {
    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let good = websocket::handshake("/ws/notes");
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        let request = good.replace(from, to);
        request.replace("\r\n\r\n", "\r\nX-Last: 1\r\n\r\n")
    };
    let cases = [
        (with(KEY, ""), 400),
        (with(KEY, "Sec-WebSocket-Key: short\r\n"), 400),
        (
            with(KEY, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=!\r\n"),
            400,
        ),
        (with(KEY, &KEY.repeat(2)), 400),
        (with("Version: 13", "Version: 8"), 426),
        (with("Version: 13", "Version: 14"), 426),
        (with("Connection: Upgrade", "Connection: keep-alive"), 426),
        (with("Upgrade: websocket", "Upgrade: h2c"), 426),
        (with("Host: localhost\r\n", ""), 400),
        (with("GET ", "HEAD "), 400),
        (with("HTTP/1.1", "HTTP/1.0"), 400),
        (
            with("Host: localhost", "Host: localhost\r\nContent-Length: 3"),
            400,
        ),
        (
            with(
                "Host: localhost",
                "Host: localhost\r\nTransfer-Encoding: chunked",
            ),
            400,
        ),
    ];
    let server = TestServer::start().await;
    for (request, status) in &cases {
        let mut socket = WildSocket::connect(server.address()).await;
        socket.sends(request.as_bytes()).await;
        let head = socket.head().await;
        let expected = format!("HTTP/1.1 {status} ");
        let same = head.starts_with(&expected) || head.starts_with(&expected.replace("1.1", "1.0"));
        assert!(same, "{request:?}: {head}");
        if *status == 426 {
            assert!(head.contains("sec-websocket-version: 13"), "{head}");
        }
        assert_eq!(server.load().connections, 0);
    }
    // The whole address in the request line is in order, and so is another letter case.
    for request in [
        good.replace("/ws/notes", "http://localhost/ws/notes"),
        good.replace("Upgrade: websocket", "upgrade: WebSocket, other"),
        good.replace("Connection: Upgrade", "connection: keep-alive, upgrade"),
    ] {
        let mut socket = WildSocket::connect(server.address()).await;
        socket.sends(request.as_bytes()).await;
        let head = socket.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{request:?}: {head}");
    }
}

/// How a path is written, and the document that it names; decoded once, and never as a path of files.
#[tokio::test]
async fn names_are_decoded_once() {
    let server = TestServer::start().await;
    let names = [
        ("/ws/%2561", "%61"),
        ("/ws/%252e%252e%252f", "%2e%2e%2f"),
        ("/ws/../healthz", "../healthz"),
        ("/ws/%2e%2e%2fhealthz", "../healthz"),
        ("/ws//double", "/double"),
        ("/ws/a%", "a%"),
        ("/ws/a%zz", "a%zz"),
        ("/ws/a+b", "a+b"),
        ("/ws/a%20b;c=d", "a b;c=d"),
        ("/ws/%F0%9F%8F%83", "\u{1f3c3}"),
    ];
    for (path, name) in names {
        let ada = server.connect(Join::stock("").at_path(path)).await;
        ada.types(path);
        let bob = server.connect(Join::stock(name)).await;
        bob.sees(path).await;
        ada.leaves().await;
        bob.leaves().await;
    }
    // Overlong encodings, halves of surrogates, cut-off sequences, and control characters are no names.
    let hostile = [
        "/ws/%c0%ae%c0%ae%c0%af",
        "/ws/%ed%a0%80",
        "/ws/%e2%82",
        "/ws/%00",
        "/ws/a%0d%0ab",
        "/ws/%7f",
        "/ws/%c2%85",
    ];
    for path in hostile {
        let join = Join::raw("").at_path(path);
        let eve = server.try_connect(join).await.unwrap();
        eve.is_closed_with(close::BAD_NAME).await;
    }
}
