//! The HTTP surface: bytes on a connection to the server's routes, over a stream in memory and on virtual time. Either
//! bytes as they come, or a WebSocket handshake for a document of any name with frames behind it, right and wrong ones.
//! The connection ends, and the server then serves the next one.

use std::time::Duration;

use baton_log::{Log, LogOptions};
use baton_server::{Server, Settings};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower::ServiceExt;

use super::script::Script;

/// Largest head of a request, as the server's own accept loop has it.
const MAX_HEAD: usize = 16 * 1024;

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

pub(crate) fn http(input: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let log = Log::in_memory(LogOptions::default()).unwrap();
        let server = Server::new(Settings::default(), log).unwrap();
        let hurry = match input.first() {
            Some(first) if first & 2 == 2 => Hurry::Leaves,
            _ => Hurry::Waits,
        };
        exchange(&server, &request(input), hurry).await;
        let answer = exchange(&server, HEALTH, Hurry::Waits).await;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
        server.shutdown().await.unwrap();
        assert_eq!(server.load().connections, 0);
    });
}

/// How long a client that waits does so, before it ends its side.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a client ends its side as soon as it has written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hurry {
    Leaves,
    Waits,
}

/// Writes all of it, and reads until the server ends: for what it answered, or for the silence.
async fn exchange(server: &Server, bytes: &[u8], hurry: Hurry) -> Vec<u8> {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let serving = tokio::spawn(serve(server.clone(), theirs));
    let (mut reading, mut writing) = tokio::io::split(ours);
    let mut answer = Vec::new();
    let talking = async {
        let write = async {
            // The server may have had enough before the end.
            let _ = writing.write_all(bytes).await;
            if hurry == Hurry::Waits {
                tokio::time::sleep(PATIENCE).await;
            }
            let _ = writing.shutdown().await;
        };
        let _ = tokio::join!(write, reading.read_to_end(&mut answer));
    };
    // Virtual time: whatever the server waits for comes at once.
    let ended = tokio::time::timeout(Duration::from_secs(600), talking).await;
    assert!(
        ended.is_ok(),
        "the server holds a connection that has ended"
    );
    serving.await.unwrap();
    answer
}

async fn serve(server: Server, stream: DuplexStream) {
    let router = server.router();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        router.clone().oneshot(request)
    });
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10))
        .max_buf_size(MAX_HEAD);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let connection = connection.with_upgrades();
    // A request that makes no sense ends its connection.
    let _ = connection.await;
}

/// The first byte says which of the two it is, and whether the client waits for an answer.
fn request(input: &[u8]) -> Vec<u8> {
    let Some((&first, rest)) = input.split_first() else {
        return Vec::new();
    };
    if first & 1 == 0 {
        return rest.to_vec();
    }
    let mut steps = Script::new(rest);
    let name = steps.next().map_or(&[][..], |(_, name)| name);
    let name = percent_encode(name, NON_ALPHANUMERIC);
    let mut bytes = format!(
        "GET /ws/{name} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes();
    for (step, body) in steps {
        frame(&mut bytes, step, body);
    }
    bytes
}

/// A WebSocket frame: mostly a whole binary one, masked; else any of the odd ones, or bytes that are none.
fn frame(out: &mut Vec<u8>, step: u8, body: &[u8]) {
    let first = match step % 16 {
        0..=8 => 0x82,
        9 => 0x81,
        10 => 0x02,
        11 => 0x80,
        12 => 0x89,
        13 => 0x88,
        14 => 0xf2,
        _ => return out.extend_from_slice(body),
    };
    out.push(first);
    let masked = if step & 0x40 == 0 { 0x80 } else { 0 };
    match u16::try_from(body.len()) {
        Ok(length @ 0..=125) => out.push(masked | length as u8),
        length => {
            out.push(masked | 126);
            out.extend(length.unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    if masked != 0 {
        out.extend([0; 4]);
    }
    out.extend_from_slice(body);
}
