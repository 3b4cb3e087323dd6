use baton_log::{Log, LogOptions};
use baton_room::{Receipts, Source};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::access::{Authorizer, Caller};
use crate::connection::close_codes;

/// A request for the document "notes" of a server with the default settings.
fn entry() -> Opened {
    let log = Arc::new(Log::in_memory(LogOptions::default()).unwrap());
    let settings = Arc::new(Settings::default());
    let authorizer = Arc::new(Authorizer::new(&settings).unwrap());
    Opened::Document(Entry {
        authorizer: Arc::clone(&authorizer),
        registry: Arc::new(Registry::new(settings, log, Arc::clone(&authorizer))),
        document: "notes".to_owned(),
        token: Ok(None),
        caller: Caller::at([127, 0, 0, 1].into()),
        source: Source::new([7; 16]),
        receipts: Receipts::None,
        on_close: None,
    })
}

/// A stream that is no TCP is written to by its own task only, and that had gone when the library
/// wanted to answer the close: the client took it for a broken connection.
#[tokio::test]
async fn a_close_is_answered_on_a_stream_that_is_no_tcp() {
    let entry = entry();
    let (near, far) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(async move { serve_any(far, Vec::new(), entry).await });
    let mut client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    let first = client.next().await.unwrap().unwrap();
    assert!(first.is_binary(), "the server's Step1");
    client.close(None).await.unwrap();
    let answer = client.next().await;
    assert!(matches!(answer, Some(Ok(Message::Close(_)))), "{answer:?}");
    server.await.unwrap();
}

/// A ping that a buffer took was once believed to be a sign of life: a connection that read
/// everything and answered nothing was kept for ever.
#[tokio::test(start_paused = true)]
async fn who_takes_pings_and_answers_none_is_closed() {
    let entry = entry();
    let (mut near, far) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(async move { serve_any(far, Vec::new(), entry).await });
    let step1 = [0x82, 0x84, 0, 0, 0, 0, 0, 0, 1, 0];
    near.write_all(&step1).await.unwrap();
    let mut read = Vec::new();
    let all = tokio::time::timeout(Duration::from_secs(60), near.read_to_end(&mut read));
    all.await.expect("the server ends the connection").unwrap();
    let silent = close_codes::SILENT.to_be_bytes();
    assert!(read.windows(2).any(|code| code == silent), "{read:?}");
    server.await.unwrap();
}
