//! Document names: what a path may say.

use baton_server::close;
use baton_tests::{Join, TestServer};

#[tokio::test]
async fn a_name_may_hold_slashes_unicode_and_percent_signs() {
    let server = TestServer::start().await;
    for name in [
        "a/b//c/",
        "日本語/ノート",
        "café 1%",
        "100%25",
        "..",
        "a?b#c",
        "\u{1f3c3}",
    ] {
        let ada = server.connect(Join::stock(name)).await;
        ada.types(name);
        let bob = server.connect(Join::stock(name)).await;
        bob.sees(name).await;
        assert_eq!(bob.text(), name, "{name:?} is a document of its own");
        ada.leaves().await;
        bob.leaves().await;
    }
}

#[tokio::test]
async fn one_name_written_in_two_ways_is_one_document() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::stock("a/b").at_path("/ws/a/b")).await;
    ada.types("the same");
    let spellings = ["/ws/a%2Fb", "/ws/a%2fb", "/ws/%61/b", "/ws/a/b?token=x&y=z"];
    for path in spellings {
        let bob = server.connect(Join::stock("a/b").at_path(path)).await;
        bob.sees("the same").await;
    }
}

#[tokio::test]
async fn what_is_no_name_is_denied_for_good() {
    let server = TestServer::start().await;
    let long = format!("/ws/{}", "n".repeat(1025));
    for path in [
        "/ws/",
        "/ws",
        "/ws/%ff",
        "/ws/a%00b",
        "/ws/tab%09",
        long.as_str(),
    ] {
        let ada = server
            .try_connect(Join::raw("").at_path(path))
            .await
            .unwrap();
        ada.is_closed_with(close::BAD_NAME).await;
        let denied = ada.look(|known| known.denied.clone());
        assert!(denied.is_some(), "{path}: a stock client is told why");
    }
    let longest = format!("/ws/{}", "n".repeat(1024));
    let ada = server.connect(Join::stock("").at_path(&longest)).await;
    ada.types("fits");
}

#[tokio::test]
async fn an_http_request_to_a_document_is_told_what_to_do() {
    let server = TestServer::start().await;
    let answer = server.get("/ws/notes").await;
    assert_eq!(answer.status, 426);
    assert!(answer.body.contains("WebSocket"), "{}", answer.body);
}
