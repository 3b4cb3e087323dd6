//! Where the server can be reached: a Unix socket, a base path, IPv6, and the sub-protocols that it answers with.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use baton_server::{Settings, SocketAccess, Switch, close};
use baton_testkit::websocket;
use baton_tests::{
    Join, ServerProcess, TestServer, WildSocket, converge, http, one_machine, within,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

fn on_socket(path: &Path) -> impl FnOnce(&mut Settings) + use<> {
    let listen = format!("unix:{}", path.display()).parse().unwrap();
    move |settings| settings.listen = listen
}

/// What the server answers to a request through its socket.
async fn asked(path: &Path, request: &str) -> String {
    let asking = async {
        let mut stream = UnixStream::connect(path).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    within("an answer", asking).await
}

#[tokio::test]
async fn clients_edit_through_a_unix_socket_and_count_by_the_address_that_the_proxy_names() {
    one_machine!(Listening);
    let place = TempDir::new().unwrap();
    let path = place.path().join("baton.sock");
    let server = TestServer::with(|settings| {
        on_socket(&path)(settings);
        settings.max_connections_per_address = 2;
        settings.max_handshakes_per_address = 1;
    })
    .await;
    let join = |from: &str| {
        Join::stock("notes")
            .over_unix(&path)
            .with_header("x-forwarded-for", from)
    };
    let ada = server.connect(join("203.0.113.1")).await;
    let bob = server.connect(join("203.0.113.2")).await;
    ada.types("hello");
    bob.sees("hello").await;
    // One network of IPv6 is one address.
    let _one = server.connect(join("2001:db8::1")).await;
    let _two = server.connect(join("2001:db8::ffff:2")).await;
    let third = server.try_connect(join("2001:db8::3")).await.unwrap_err();
    assert_eq!(third.status, 429);
    let _other = server.connect(join("2001:db8:0:1::3")).await;
    assert_eq!(server.load().addresses, 4);
    // Several megabytes go through as they do over TCP.
    let text = "0123456789abcdef".repeat(100_000);
    ada.types(&text);
    converge(&[&ada, &bob]).await;
    // A host name is the proxy's concern.
    let request = "GET /healthz HTTP/1.1\r\nHost: collab.example\r\nConnection: close\r\n\r\n";
    assert!(asked(&path, request).await.starts_with("HTTP/1.1 200 "));
    // So is the scheme, which y-sweet's clients are told.
    let request = "POST /doc/notes/auth HTTP/1.1\r\nHost: collab.example\r\n\
        X-Forwarded-Proto: https\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let told = asked(&path, request).await;
    assert!(told.contains("wss://collab.example/d/notes/ws"), "{told}");
    let stopping = server.begins_to_stop();
    ada.is_closed_with(close::GOING_AWAY).await;
    within("the stop", stopping).await.unwrap();
}

#[tokio::test]
async fn the_file_of_a_killed_server_is_replaced_and_that_of_a_stopped_one_is_gone() {
    one_machine!(Process);
    let place = TempDir::new().unwrap();
    let path = place.path().join("baton.sock");
    let listen = format!("unix:{}", path.display());
    let arguments = ["--listen", &listen, "--socket-access", "group"];
    let mut server = ServerProcess::start(&arguments).await;
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let elsewhere = TempDir::new().unwrap();
    let second = ServerProcess::fails(elsewhere.path(), &arguments, &[]).await;
    assert!(second.said.contains("cannot listen"), "{}", second.said);
    let ada = server
        .connect(Join::member("notes", "Ada").over_unix(&path))
        .await;
    ada.types("kept");
    ada.is_saved().await;
    server.kill().await;
    assert!(path.exists(), "as kill -9 leaves it");
    server.start_again().await;
    let bob = server.connect(Join::stock("notes").over_unix(&path)).await;
    assert_eq!(bob.text(), "kept");
    server.terminate();
    assert_eq!(server.ends().await.code(), Some(0));
    let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn only_those_whom_the_mode_admits_may_connect() {
    one_machine!(Listening);
    for (access, mode) in [
        (SocketAccess::Owner, 0o600),
        (SocketAccess::Everyone, 0o666),
    ] {
        let place = TempDir::new().unwrap();
        let path = place.path().join("baton.sock");
        let _server = TestServer::with(|settings| {
            on_socket(&path)(settings);
            settings.socket_access = access;
        })
        .await;
        let found = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{access:?}");
    }
}

#[tokio::test]
async fn everything_is_under_the_base_path_and_nothing_beside_it() {
    let server = TestServer::with(|settings| settings.base = "/team/collab".parse().unwrap()).await;
    for (path, status) in [
        ("/team/collab/", 200),
        ("/team/collab/healthz", 200),
        ("/team/collab/readyz", 200),
        ("/team/collab/metrics", 200),
        ("/team/collab/ws/notes", 426),
        ("/team/collab/nothing", 404),
        ("/team/collab", 308),
        ("/team/collab?doc=a", 308),
        ("/", 404),
        ("/healthz", 404),
        ("/ws/notes", 404),
        ("/team", 404),
        ("/team/collaboration", 404),
        ("/team/collab/../healthz", 404),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.head);
    }
    let redirected = server.get("/team/collab?doc=a").await;
    let location = "location: collab/?doc=a";
    assert!(redirected.head.contains(location), "{}", redirected.head);
    let ada = server
        .connect(Join::stock("").at_path("/team/collab/ws/a%20b"))
        .await;
    ada.types("x");
    let bob = Join::stock("a b").at_path("/team/collab/ws/a%20b");
    server.connect(bob).await.sees("x").await;
    let outside = server.try_connect(Join::stock("a b")).await.unwrap_err();
    assert_eq!(outside.status, 404);
    // A page of another origin is refused beside the base as well.
    let request = format!(
        "GET /elsewhere HTTP/1.1\r\nHost: {0}\r\nOrigin: https://evil.example\r\nConnection: close\r\n\r\n",
        server.address()
    );
    let evil = http::ask(server.address(), request.as_bytes()).await;
    assert_eq!(evil.status, 403);
}

#[tokio::test]
async fn both_ips_reach_one_server_and_a_network_of_ipv6_is_one_address() {
    let server = TestServer::with(|settings| {
        settings.listen = "[::]:0".parse().unwrap();
        settings.open = Switch::On;
        settings.trusted_proxies = "::1".parse().unwrap();
        settings.max_connections_per_address = 1;
    })
    .await;
    let port = server.address().port();
    let at = |host: &str| -> SocketAddr { format!("{host}:{port}").parse().unwrap() };
    for host in ["[::1]", "127.0.0.1"] {
        let answer = http::get(at(host), "/healthz").await;
        assert_eq!(answer.status, 200, "{host}");
    }
    let over_six = |from: &str| Join::stock("notes").with_header("x-forwarded-for", from);
    let ada = baton_tests::RawClient::connect(at("[::1]"), over_six("2001:db8::1")).await;
    let refused = baton_tests::RawClient::try_connect(at("[::1]"), over_six("2001:db8::2")).await;
    assert_eq!(refused.unwrap_err().status, 429);
    // IPv4 arrives as a mapped address, and counts as what it is: no proxy.
    let bob = baton_tests::RawClient::connect(at("127.0.0.1"), over_six("2001:db8::1")).await;
    ada.types("both");
    bob.sees("both").await;
}

#[tokio::test]
async fn a_host_header_with_brackets_is_loopback() {
    let server = TestServer::with(|settings| settings.listen = "[::1]:0".parse().unwrap()).await;
    let port = server.address().port();
    for (host, status) in [
        (format!("[::1]:{port}"), 200),
        ("[::1]".to_owned(), 200),
        ("[0:0:0:0:0:0:0:1]".to_owned(), 200),
        (format!("[::ffff:127.0.0.1]:{port}"), 200),
        (format!("localhost:{port}"), 200),
        ("[2001:db8::1]".to_owned(), 403),
        ("[::1".to_owned(), 403),
        ("::1".to_owned(), 403),
    ] {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = http::ask(server.address(), request.as_bytes()).await;
        assert_eq!(answer.status, status, "{host}");
    }
}

#[tokio::test]
async fn one_sub_protocol_comes_back_of_those_that_are_offered() {
    let server = TestServer::start().await;
    for (offers, chosen) in [
        ("", None),
        ("Sec-WebSocket-Protocol: yjs\r\n", Some("yjs")),
        ("Sec-WebSocket-Protocol: b, a\r\n", Some("b")),
        (
            "Sec-WebSocket-Protocol: ,\r\nSec-WebSocket-Protocol: two, three\r\n",
            Some("two"),
        ),
        (
            "Sec-WebSocket-Protocol: baton.token.secret, yjs\r\n",
            Some("yjs"),
        ),
    ] {
        let request = websocket::handshake("/ws/notes");
        let request = request.replace("Connection:", &format!("{offers}Connection:"));
        let mut socket = WildSocket::connect(server.address()).await;
        socket.sends(request.as_bytes()).await;
        let head = socket.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let echoed = head.lines().filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("sec-websocket-protocol")
                .then_some(value)
        });
        let echoed: Vec<_> = echoed.collect();
        assert_eq!(echoed, Vec::from_iter(chosen), "{offers:?}");
    }
}
