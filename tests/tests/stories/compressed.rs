//! First syncs that come compressed: to the Rust client package, and to whoever asks in its hello.

use baton_client::{Client, ClientOptions};
use baton_server::{Settings, Switch, close};
use baton_sync::compressed_update::Compression;
use baton_sync::control_channel::ServerMessage;
use baton_sync::document::yrs::{GetString, ReadTxn};
use baton_sync::y_websocket;
use baton_tests::{Join, RawClient, TestServer, one_machine, within};

const DOCUMENT: &str = "notes";

fn prose(lines: u32) -> String {
    let line = |number| format!("{number}: the quick brown fox jumps over the lazy dog\n");
    (0..lines).map(line).collect()
}

/// What the server counts, messages and saved bytes.
async fn counted(server: &TestServer) -> (u64, u64) {
    let metrics = server.get("/metrics").await.body;
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    (
        value("baton_compressed_messages_total "),
        value("baton_compression_saved_bytes_total "),
    )
}

async fn written(server: &TestServer, text: &str) -> RawClient {
    let author = server.connect(Join::member(DOCUMENT, "Author")).await;
    author.types(text);
    author.is_saved().await;
    author
}

async fn encoding(client: &RawClient) -> Option<String> {
    client
        .hears("a welcome", |message| match message {
            ServerMessage::Welcome { encoding, .. } => Some(encoding.clone()),
            _ => None,
        })
        .await
}

async fn comes(server: &TestServer, join: Join) -> RawClient {
    let client = server.connect(join).await;
    client
        .until("the first sync", |known| known.synced.then_some(()))
        .await;
    client
}

#[tokio::test]
async fn the_package_is_sent_a_large_document_compressed_and_a_stock_client_as_ever() {
    one_machine!(OwnLimits);
    let server = TestServer::start().await;
    let text = prose(60_000);
    assert!(text.len() > 3_000_000);
    let author = written(&server, &text).await;
    assert_eq!(counted(&server).await, (0, 0));

    let stock = comes(&server, Join::stock(DOCUMENT)).await;
    assert_eq!(stock.text(), text);
    assert_eq!(counted(&server).await, (0, 0));

    let mut before = (0, 0);
    for name in ["Ada", "Ben"] {
        let mut options = ClientOptions::new(format!("ws://{}/ws", server.address()), DOCUMENT);
        options.user.name = name.to_owned();
        let client = Client::connect(options).unwrap();
        within("the first sync", client.synced()).await.unwrap();
        let read = client.read(|txn| txn.get_text("t").unwrap().get_string(txn));
        assert_eq!(read.unwrap(), text);
        let (messages, bytes) = counted(&server).await;
        assert!(messages >= before.0 + 3, "{messages}");
        assert!(bytes > before.1 + text.len() as u64 / 2, "{bytes}");
        before = (messages, bytes);
    }
    author.types("and on");
    stock.sees("and on").await;
}

#[tokio::test]
async fn of_those_who_come_at_once_each_is_sent_the_document_as_it_asked() {
    let server = TestServer::start().await;
    let text = prose(2000);
    let author = written(&server, &text).await;
    let mut clients = Vec::new();
    for number in 0..6 {
        let join = Join::member(DOCUMENT, &format!("Newcomer {number}"));
        let asks = number % 2 == 0;
        let join = if asks {
            join.reading_compressed()
        } else {
            join
        };
        clients.push((asks, server.connect(join).await));
        author.types("x");
    }
    for (asks, client) in &clients {
        client
            .until("the whole text", |known| {
                known.text().ends_with("xxxxxx").then_some(())
            })
            .await;
        assert!(client.text().starts_with(&text));
        let compressed = client.look(|known| known.compressed);
        assert_eq!(compressed, usize::from(*asks));
        let chosen = encoding(client).await;
        assert_eq!(chosen.as_deref(), asks.then_some("deflate-raw"));
    }
}

/// Its sync messages are read by the provider, which throws at a type that it does not know.
#[tokio::test]
async fn on_the_hocuspocus_wire_and_where_it_is_off_nothing_is_compressed() {
    let text = prose(500);
    let asks = || Join::member(DOCUMENT, "Ada").reading_compressed();
    let off = |settings: &mut Settings| settings.compress_first_sync = Switch::Off;
    let server = TestServer::start().await;
    let without = TestServer::with(off).await;
    for (server, join) in [
        (&server, asks().over_hocuspocus(DOCUMENT)),
        (&without, asks()),
    ] {
        let _author = written(server, &text).await;
        let client = comes(server, join).await;
        assert_eq!(client.text(), text);
        assert_eq!(encoding(&client).await, None);
        assert_eq!(client.look(|known| known.compressed), 0);
        assert_eq!(counted(server).await, (0, 0));
    }
}

#[tokio::test]
async fn a_clients_own_updates_are_not_taken_compressed() {
    let server = TestServer::start().await;
    let author = written(&server, "before").await;
    let update = author
        .look(|known| known.memory.document.snapshot())
        .unwrap();
    let update = [&update[..], &[0; 100]].concat();
    let small = Compression { level: 4, least: 1 }
        .compress(&update)
        .unwrap();
    let hostile = server
        .connect(Join::member(DOCUMENT, "Eve").reading_compressed())
        .await;
    hostile.send(y_websocket::compressed_update(small.payload()));
    let reason = hostile.is_closed_with(close::PROTOCOL).await;
    assert!(reason.contains("not compressed"), "{reason}");
}
