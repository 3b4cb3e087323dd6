//! Servers that refuse: HTTP answers in place of a WebSocket, and close codes, from a hand-made one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::within;
use baton_client::{
    Client, ClientEnded, ClientOptions, ClientToken, CloseCause, CloseMeaning, TokenSource,
    TokenSourceError,
};
use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// An answer of the server to one request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// A status line, and further headers.
    Http(&'static str, &'static str),
    /// A WebSocket that is closed at once.
    Closes(u16, &'static str),
}

/// The requests that a server got: the moment, and the head.
type Requests = UnboundedReceiver<(Instant, String)>;

/// Serves these answers one after another, the last one for ever.
async fn serve(answers: &'static [Answer]) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let (sender, requests) = unbounded_channel();
    tokio::spawn(async move {
        for n in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let head = answer(stream, answers[n.min(answers.len() - 1)]).await;
            if sender.send((Instant::now(), head)).is_err() {
                return;
            }
        }
    });
    (url, requests)
}

/// Answers one request. Returns its head.
async fn answer(mut stream: TcpStream, answer: Answer) -> String {
    match answer {
        Answer::Http(status, headers) => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n{headers}\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(head).unwrap()
        }
        Answer::Closes(code, reason) => {
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            let frame = CloseFrame {
                code: code.into(),
                reason: reason.into(),
            };
            socket.send(Message::Close(Some(frame))).await.unwrap();
            String::new()
        }
    }
}

fn options(url: &str) -> ClientOptions {
    ClientOptions::new(url, "letter")
}

/// Returns the cause for which the client ended before it was ready.
async fn ends(client: &Client) -> CloseCause {
    match within("the end", client.ready()).await {
        Err(ClientEnded::Closed(cause)) => cause,
        other => panic!("ended with {other:?}"),
    }
}

fn counts(requests: &mut Requests) -> usize {
    std::iter::from_fn(|| requests.try_recv().ok()).count()
}

#[tokio::test]
async fn an_http_refusal_is_final_and_typed() {
    let refusals: [(&'static [Answer], _, _); 3] = [
        (
            &[Answer::Http("401 Unauthorized", "")],
            401,
            CloseMeaning::BadToken,
        ),
        (
            &[Answer::Http("403 Forbidden", "")],
            403,
            CloseMeaning::Forbidden,
        ),
        (
            &[Answer::Http("404 Not Found", "")],
            404,
            CloseMeaning::NotFound,
        ),
    ];
    for (answers, status, meaning) in refusals {
        let (url, mut requests) = serve(answers).await;
        let client = Client::connect(options(&url)).unwrap();
        let cause = ends(&client).await;
        assert_eq!((cause.status(), cause.meaning()), (Some(status), meaning));
        // It does not come again: longer than its longest first delay.
        sleep(Duration::from_millis(500)).await;
        assert_eq!(counts(&mut requests), 1);
    }
}

#[tokio::test]
async fn a_busy_server_is_asked_again_no_sooner_than_it_says() {
    let (url, mut requests) = serve(&[
        Answer::Http("503 Service Unavailable", "Retry-After: 1\r\n"),
        Answer::Http("429 Too Many Requests", "Retry-After: soon\r\n"),
        Answer::Http("410 Gone", ""),
    ])
    .await;
    let client = Client::connect(options(&url)).unwrap();
    let cause = ends(&client).await;
    assert_eq!(cause.status(), Some(410));
    let mut moments = Vec::new();
    while let Ok((at, _)) = requests.try_recv() {
        moments.push(at);
    }
    assert_eq!(moments.len(), 3);
    assert!(moments[1] - moments[0] >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_close_code_is_final_or_not_by_its_meaning() {
    let (url, mut requests) = serve(&[
        Answer::Closes(4503, ""),
        Answer::Closes(4504, "unavailable"),
        Answer::Closes(4403, "document"),
    ])
    .await;
    let client = Client::connect(options(&url)).unwrap();
    let cause = ends(&client).await;
    let reason = "document".to_owned();
    assert_eq!(cause, CloseCause::Closed { code: 4403, reason });
    assert_eq!(cause.meaning(), CloseMeaning::Forbidden);
    assert_eq!(counts(&mut requests), 3);
}

/// A source of tokens `t1`, `t2` and so on, and the number that it gave.
fn numbered() -> (TokenSource, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&given);
    let source = TokenSource::new(move || {
        let n = counter.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            ClientToken::new(format!("t{n}"))
                .map_err(|error| TokenSourceError::Denied(error.to_string()))
        }
    });
    (source, given)
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_the_headers_come_each_time() {
    let (url, mut requests) = serve(&[
        Answer::Http("401 Unauthorized", ""),
        Answer::Http("502 Bad Gateway", ""),
        Answer::Http("401 Unauthorized", ""),
    ])
    .await;
    let (source, given) = numbered();
    let options = options(&url).with_token_source(source);
    let client = Client::connect(options.with_header("X-Region", "north").unwrap()).unwrap();
    assert_eq!(ends(&client).await.status(), Some(401));
    assert_eq!(given.load(Ordering::Relaxed), 2);
    let mut shown = Vec::new();
    while let Ok((_, head)) = requests.try_recv() {
        let head = head.to_ascii_lowercase();
        assert!(head.contains("x-region: north"), "{head}");
        let token = head.split("authorization: bearer ").nth(1).unwrap();
        shown.push(token.split("\r\n").next().unwrap().to_owned());
    }
    assert_eq!(shown, ["t1", "t2", "t2"]);
}

#[tokio::test]
async fn a_source_that_panics_is_asked_again_and_one_that_denies_ends_the_client() {
    let (url, _requests) = serve(&[Answer::Http("404 Not Found", "")]).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let source = TokenSource::new(move || {
        let n = counter.fetch_add(1, Ordering::Relaxed);
        async move {
            assert!(n > 0, "on purpose");
            Err(TokenSourceError::Denied("signed out".to_owned()))
        }
    });
    let client = Client::connect(options(&url).with_token_source(source)).unwrap();
    let denied = TokenSourceError::Denied("signed out".to_owned());
    assert_eq!(ends(&client).await, CloseCause::Token(denied));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}
