//! What a delivery costs the server's processor: plain TCP, TLS, and a Unix socket.
//!
//! `delivery_cost READERS EDITS` starts the program (`BATON_BIN`, of a release build) once for each, lets one client send
//! edits to a document that the others read, and divides the processor time of the server's process by the deliveries.
#![allow(clippy::print_stdout, reason = "the numbers are the program's output")]

use std::time::{Duration, Instant};

use baton_sync::document::yrs::{Doc, ReadTxn, StateVector, Text, Transact};
use baton_sync::y_websocket;
use baton_tests::ServerProcess;
use baton_tests::certificates::Authority;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}
type Socket = WebSocketStream<Box<dyn Duplex>>;

/// Ticks of the kernel's accounts of processor time in a second.
const TICKS: f64 = 100.0;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .map(|text| text.parse().expect("a number"));
    let readers = numbers.next().unwrap_or(200);
    let edits = numbers.next().unwrap_or(2_000);
    println!(
        "{readers} readers, {edits} edits of 1 letter, 20 ms apart or as fast as they are read"
    );
    let authority = Authority::new();
    let place = tempfile::TempDir::new().expect("a folder");
    let path = place.path().join("baton.sock");
    let unix = format!("unix:{}", path.display());
    let tls = authority.arguments();
    for (name, arguments) in [
        ("tcp", vec![]),
        ("tls", tls.iter().map(String::as_str).collect()),
        ("unix", vec!["--listen", unix.as_str()]),
    ] {
        let server = ServerProcess::start(&arguments).await;
        let open = async || -> Socket {
            let stream: Box<dyn Duplex> = match name {
                "unix" => Box::new(UnixStream::connect(&path).await.expect("a socket")),
                _ => {
                    let stream = TcpStream::connect(server.address())
                        .await
                        .expect("a server");
                    stream.set_nodelay(true).expect("TCP");
                    if name == "tls" {
                        let connector = TlsConnector::from(authority.client());
                        let host = ServerName::from(server.address().ip());
                        Box::new(connector.connect(host, stream).await.expect("TLS"))
                    } else {
                        Box::new(stream)
                    }
                }
            };
            let config = WebSocketConfig::default().read_buffer_size(4 * 1024);
            let url = "ws://127.0.0.1/ws/notes";
            let opened = client_async_with_config(url, stream, Some(config)).await;
            let mut socket = opened.expect("a WebSocket").0;
            let step1 = y_websocket::step1_bytes(&[0]);
            socket
                .send(Message::Binary(step1))
                .await
                .expect("a first message");
            socket
        };
        let idle = server.resident();
        let mut reading = Vec::new();
        for _ in 0..readers {
            reading.push(open().await);
        }
        let mut author = open().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let memory = (server.resident() - idle) / 1024 / (readers + 1);
        let (began, before) = (Instant::now(), ticks(server.pid()));
        let updates = typed(edits);
        let reading = reading
            .into_iter()
            .map(|socket| tokio::spawn(reads(socket, edits)));
        let reading: Vec<_> = reading.collect();
        for update in &updates {
            let frame = y_websocket::update(update);
            author.send(Message::Binary(frame)).await.expect("an edit");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for reader in reading {
            reader.await.expect("a reader");
        }
        let spent = (ticks(server.pid()) - before) as f64 / TICKS;
        let deliveries = (readers * edits) as f64;
        println!(
            "{name}: {:.2} us of the server's processor for a delivery ({spent:.2} s, {:.1} s in all), {memory} KiB a connection",
            spent * 1e6 / deliveries,
            began.elapsed().as_secs_f64(),
        );
    }
}

/// Updates of one letter each.
fn typed(edits: u64) -> Vec<Vec<u8>> {
    let doc = Doc::new();
    let text = doc.get_or_insert_text("content");
    let mut before = StateVector::default();
    let edits = 0..edits;
    edits
        .map(|at| {
            let mut txn = doc.transact_mut();
            text.insert(&mut txn, u32::try_from(at).expect("few"), "x");
            let update = txn.encode_state_as_update_v1(&before);
            before = txn.state_vector();
            update
        })
        .collect()
}

/// Reads until so many updates came.
async fn reads(mut socket: Socket, edits: u64) {
    let mut updates = 0;
    while updates < edits {
        match socket.next().await {
            Some(Ok(Message::Binary(frame))) => {
                let decoded = y_websocket::decode(&frame);
                updates += u64::from(matches!(decoded, Ok(y_websocket::Message::Update(_))));
            }
            Some(Ok(Message::Ping(_))) => socket.flush().await.expect("a pong"),
            Some(Ok(_)) => {}
            other => panic!("the connection ended: {other:?}"),
        }
    }
}

/// Processor time of a process, in ticks of the kernel.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("Linux");
    let rest = stat.rsplit_once(") ").expect("a name in brackets").1;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |at: usize| fields[at].parse::<u64>().expect("a number");
    number(11) + number(12)
}
