//! TLS that the server itself ends: versions, renewal, and handshakes that fail.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use baton_server::{OrNone, Settings, close};
use baton_testkit::websocket;
use baton_tests::certificates::Authority;
use baton_tests::{
    Join, ServerProcess, TestServer, WildSocket, converge, http, millis, one_machine, within,
};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, version};

/// A server with a certificate of this authority.
async fn server_with(authority: &Authority, change: impl FnOnce(&mut Settings)) -> TestServer {
    TestServer::with(|settings| {
        settings.tls_cert = OrNone(Some(authority.cert().display().to_string()));
        settings.tls_key = OrNone(Some(authority.key().display().to_string()));
        change(settings);
    })
    .await
}

async fn server(authority: &Authority) -> TestServer {
    server_with(authority, |_| ()).await
}

/// Shakes hands as a client does that asks for the host by name.
async fn shake(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let shaking = async {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::clone(config));
        connector.connect(name, stream).await
    };
    within("a handshake", shaking).await
}

/// The certificate that the server shows to a client that was never there: one that resumes its session is shown none.
async fn shown(address: SocketAddr, authority: &Authority) -> CertificateDer<'static> {
    let stream = shake(address, &authority.client()).await.unwrap();
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].clone().into_owned()
}

/// What the server answers to a GET; the body too.
async fn get(address: SocketAddr, config: &Arc<ClientConfig>, path: &str) -> String {
    ask(address, config, "GET", path).await
}

/// What the server answers to a request without a body.
async fn ask(address: SocketAddr, config: &Arc<ClientConfig>, method: &str, path: &str) -> String {
    let mut stream = shake(address, config).await.unwrap();
    let end = "Connection: close\r\nContent-Length: 0\r\n\r\n";
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{end}");
    let asking = async {
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        // An end of the stream without an end of TLS is an error here.
        stream.read_to_string(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    within("an answer", asking).await.unwrap()
}

#[tokio::test]
async fn clients_of_both_versions_edit_together_with_and_without_the_hosts_name() {
    let authority = Authority::new();
    let server = server(&authority).await;
    let old = Arc::new(authority.client_of(&version::TLS12));
    // A client that connects to an address names no host.
    let ada = server
        .connect(Join::member("notes", "Ada").over_tls(&old))
        .await;
    let bob = server
        .connect(Join::stock("notes").over_tls(&authority.client()))
        .await;
    ada.types("hello");
    bob.sees("hello").await;
    bob.types(" world");
    ada.is_saved().await;
    converge(&[&ada, &bob]).await;
    for config in [old, authority.client()] {
        let answer = get(server.address(), &config, "/healthz").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let mut speaks = authority.client_of(&version::TLS13);
    speaks.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = shake(server.address(), &Arc::new(speaks)).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    drop(stream);
    let stopping = server.begins_to_stop();
    ada.is_closed_with(close::GOING_AWAY).await;
    bob.is_closed_with(close::GOING_AWAY).await;
    within("the stop", stopping).await.unwrap();
}

/// What makes a storm of reconnects cheap, also across a new certificate.
#[tokio::test]
async fn a_client_that_comes_again_resumes_its_session() {
    one_machine!(Listening);
    let authority = Authority::new();
    let server = server(&authority).await;
    for version in [&version::TLS12, &version::TLS13] {
        let client = Arc::new(authority.client_of(version));
        let kind = async || {
            let mut stream = shake(server.address(), &client).await.unwrap();
            // Tickets of TLS 1.3 come behind the handshake.
            let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            stream.get_ref().1.handshake_kind().unwrap()
        };
        assert_eq!(kind().await, HandshakeKind::Full);
        assert_eq!(kind().await, HandshakeKind::Resumed);
        authority.write(&authority.signs(2041));
        server.reloads_its_certificate().await;
        assert_eq!(kind().await, HandshakeKind::Resumed);
    }
}

/// Without an end of TLS a client cannot know that nothing was cut off.
#[tokio::test]
async fn a_websocket_that_is_closed_ends_its_tls_too() {
    let authority = Authority::new();
    let server = server(&authority).await;
    let mut stream = shake(server.address(), &authority.client()).await.unwrap();
    let request = websocket::handshake("/ws/notes");
    stream.write_all(request.as_bytes()).await.unwrap();
    let close = websocket::frame(0x88, &1000_u16.to_be_bytes());
    stream.write_all(&close).await.unwrap();
    let mut all = Vec::new();
    within("the end", stream.read_to_end(&mut all))
        .await
        .unwrap();
    assert!(all.ends_with(&[0x88, 2, 0x03, 0xe8]), "{all:?}");
}

/// It was always `ws://` at the root, where no such server could be reached.
#[tokio::test]
async fn the_address_that_y_sweets_clients_are_told_is_the_one_that_was_asked() {
    let authority = Authority::new();
    let based = |settings: &mut Settings| settings.base = "/team/collab".parse().unwrap();
    let server = server_with(&authority, based).await;
    let (address, client) = (server.address(), authority.client());
    let path = "/team/collab/doc/notes/auth";
    let answer = ask(address, &client, "POST", path).await;
    let url = format!("\"url\":\"wss://{address}/team/collab/d/notes/ws\"");
    assert!(answer.contains(&url), "{answer}");
    let base = format!("\"baseUrl\":\"https://{address}/team/collab/d/notes\"");
    assert!(answer.contains(&base), "{answer}");
}

#[tokio::test]
async fn megabytes_reach_a_newcomer_whole() {
    let authority = Authority::new();
    let server = server(&authority).await;
    let client = authority.client();
    let ada = server.connect(Join::stock("notes").over_tls(&client)).await;
    let bob = server.connect(Join::stock("notes").over_tls(&client)).await;
    let text = "0123456789abcdef".repeat(200_000);
    ada.types(&text);
    bob.sees(&text).await;
    let late = server.connect(Join::stock("notes").over_tls(&client)).await;
    assert_eq!(late.text(), text);
    for count in 0..500 {
        ada.types(&format!(" {count}"));
    }
    converge(&[&ada, &bob, &late]).await;
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_newcomers_while_the_others_go_on() {
    one_machine!(Process);
    let authority = Authority::new();
    let arguments = authority.arguments();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let server = ServerProcess::start(&arguments).await;
    let (address, client) = (server.address(), authority.client());
    let ada = server.connect(Join::stock("notes").over_tls(&client)).await;
    let bob = server.connect(Join::stock("notes").over_tls(&client)).await;
    let first = shown(address, &authority).await;
    let renewed = authority.signs(2041);
    // Half-way through: the new certificate, still with the old key.
    let old_key = std::fs::read_to_string(authority.key()).unwrap();
    std::fs::write(authority.cert(), &renewed.cert).unwrap();
    ada.types("a");
    server.hangs_up();
    metric(address, &client, "baton_tls_certificate_stale 1").await;
    assert_eq!(shown(address, &authority).await, first);
    assert!(
        server.said().contains("does not belong"),
        "{}",
        server.said()
    );
    let secret = old_key.lines().nth(1).unwrap();
    assert!(!server.said().contains(secret));
    ada.types("b");
    authority.write(&renewed);
    server.hangs_up();
    metric(address, &client, "baton_tls_certificate_changes_total 1").await;
    metric(address, &client, "baton_tls_certificate_stale 0").await;
    let end = "baton_tls_not_after_timestamp_seconds 2240611200";
    metric(address, &client, end).await;
    assert_ne!(shown(address, &authority).await, first);
    ada.types("c");
    bob.sees("abc").await;
    let eve = server.connect(Join::stock("notes").over_tls(&client)).await;
    assert_eq!(eve.text(), "abc");
    // By itself, without a signal.
    authority.write(&authority.signs(2042));
    metric(address, &client, "baton_tls_certificate_changes_total 2").await;
    ada.types("d");
    bob.sees("abcd").await;
}

/// Waits until the metrics hold this line.
async fn metric(address: SocketAddr, client: &Arc<ClientConfig>, line: &str) {
    let looking = async {
        while !get(address, client, "/metrics").await.contains(line) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(line, looking).await;
}

#[tokio::test]
async fn a_pair_that_does_not_fit_is_no_start() {
    one_machine!(Process);
    let (authority, other) = (Authority::new(), Authority::new());
    let place = tempfile::TempDir::new().unwrap();
    let key = other.key().display().to_string();
    let [cert_flag, cert, key_flag, _] = authority.arguments();
    let listen = ["--listen", "127.0.0.1:0"];
    for (arguments, part) in [
        (vec![&cert_flag, &cert, &key_flag, &key], "does not belong"),
        (vec![&cert_flag, &cert, &key_flag, &cert], "private key"),
        (vec![&cert_flag, &cert], "tls_key"),
    ] {
        let mut all: Vec<_> = arguments.into_iter().map(String::as_str).collect();
        all.extend(listen);
        let failed = ServerProcess::fails(place.path(), &all, &[]).await;
        assert_eq!(failed.status.code(), Some(1));
        assert!(failed.said.contains(part), "{}", failed.said);
    }
}

#[tokio::test]
async fn an_expired_certificate_is_for_the_client_to_refuse() {
    let authority = Authority::new();
    authority.write(&authority.signs(2021));
    let server = server(&authority).await;
    let refused = shake(server.address(), &authority.client()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("certificate expired"), "{refused}");
    counted(&server, "tls", 1).await;
    authority.write(&authority.signs(2040));
    server.reloads_its_certificate().await;
    let ada = Join::stock("notes").over_tls(&authority.client());
    server.connect(ada).await.types("in");
}

/// Waits until the server has refused so many connections for this reason.
async fn counted(server: &TestServer, why: &str, count: u64) {
    let looking = async {
        while server.refused(why) < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("refusals to be counted", looking).await;
    assert_eq!(server.refused(why), count);
}

#[tokio::test]
async fn plain_http_is_told_where_to_go_and_anything_else_is_closed() {
    let authority = Authority::new();
    let server = server(&authority).await;
    let answer = http::get(server.address(), "/healthz").await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("https://"), "{}", answer.body);
    assert!(
        !answer.head.to_lowercase().contains("location"),
        "{}",
        answer.head
    );
    for bytes in [
        &b"\x00\x01\x02"[..],
        b"ssh-2.0\r\n",
        b"\x16\x03\x01\x00\x05\x63\x00\x00\x01\x00",
    ] {
        let mut socket = WildSocket::connect(server.address()).await;
        socket.sends(bytes).await;
        let rest = socket.rest().await;
        assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    }
    let mut only = authority.client_of(&version::TLS13);
    only.alpn_protocols = vec![b"h2".to_vec()];
    let refused = shake(server.address(), &Arc::new(only)).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("NoApplicationProtocol"), "{refused}");
    counted(&server, "tls", 5).await;
    server.comes_to("empty", |load| load.handshakes == 0).await;
    server
        .connect(Join::stock("notes").over_tls(&authority.client()))
        .await;
}

/// Silent clients, and one that sends its hello byte by byte, have places before the upgrade like any other.
#[tokio::test]
async fn a_slow_handshake_has_a_place_and_its_time() {
    let authority = Authority::new();
    let server = server_with(&authority, |settings| {
        settings.handshake_timeout = millis(400);
        settings.max_handshakes_per_address = 20;
    })
    .await;
    let address = server.address();
    let mut silent = join_all((0..10).map(|_| WildSocket::connect(address))).await;
    for socket in &mut silent[5..] {
        // The head of a record that never comes.
        socket.sends(b"\x16\x03\x01\x02\x00").await;
    }
    server.comes_to("full", |load| load.handshakes == 10).await;
    let ada = Join::stock("notes").over_tls(&authority.client());
    let ada = server.connect(ada).await;
    ada.types("meanwhile");
    for socket in &mut silent {
        assert_eq!(socket.rest().await, b"", "no answer without TLS");
    }
    counted(&server, "handshake_time", 10).await;
    server.comes_to("empty", |load| load.handshakes == 0).await;
}

#[tokio::test]
async fn one_address_has_so_many_handshakes_and_the_rest_are_closed() {
    let authority = Authority::new();
    let server = server_with(&authority, |settings| {
        settings.max_handshakes_per_address = 3;
    })
    .await;
    let address = server.address();
    let _silent = join_all((0..3).map(|_| WildSocket::connect(address))).await;
    server.comes_to("full", |load| load.handshakes == 3).await;
    let mut fourth = WildSocket::connect(address).await;
    assert_eq!(fourth.rest().await, b"");
    counted(&server, "handshakes_of_address", 1).await;
}
