//! `saved`: told when it is true, and counted right.

use std::time::{Duration, Instant};

use baton_tests::{Join, ServerProcess, TestServer, millis, one_machine};

#[tokio::test]
async fn saved_counts_every_sync_message_of_the_connection() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    // The answer to the server's Step1 was the first.
    ada.until("the Step2 to be saved", |known| {
        (known.sent == 1 && known.saved == 1).then_some(())
    })
    .await;
    let number = ada.types("one");
    assert_eq!(number, 2);
    ada.is_saved().await;
    for _ in 0..20 {
        ada.types("more ");
    }
    ada.until("all to be saved", |known| (known.saved == 22).then_some(()))
        .await;
}

#[tokio::test]
async fn what_adds_nothing_counts_as_saved_too() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let update = ada.edits_in_silence(|txn| {
        use baton_sync::document::yrs::{Text, WriteTxn};
        let text = txn.get_or_insert_text("t");
        text.push(txn, "twice");
    });
    ada.sends_update(&update);
    ada.sends_update(&update);
    ada.is_saved().await;
    assert_eq!(ada.look(|known| known.sent), 3);
}

/// The wait of a commit is long here, so that a `saved` before it would be seen.
#[tokio::test]
async fn saved_is_not_told_before_the_commit() {
    one_machine!(OwnLog);
    let server = TestServer::with(|settings| settings.commit_delay = millis(400)).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    // Welcomed, so that his own record, which is committed at once, does not take the edit along.
    let bob = server.connect(Join::member("notes", "Bob")).await;
    ada.is_saved().await;
    let began = Instant::now();
    ada.types("slow to disk");
    bob.sees("slow to disk").await;
    let seen = began.elapsed();
    ada.is_saved().await;
    let saved = began.elapsed();
    assert!(saved >= Duration::from_millis(350), "saved after {saved:?}");
    assert!(
        seen < saved,
        "others see it ({seen:?}) before it is saved ({saved:?})"
    );
}

#[tokio::test]
async fn what_was_called_saved_is_there_after_a_kill() {
    one_machine!(Process);
    let mut server = ServerProcess::start(&[]).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    ada.types("precious");
    ada.is_saved().await;
    server.kill().await;
    server.start_again().await;
    let bob = server.connect(Join::stock("notes")).await;
    assert_eq!(bob.text(), "precious");
}

#[tokio::test]
async fn a_stock_client_is_never_sent_the_channel() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::stock("notes")).await;
    let bob = server.connect(Join::member("notes", "Bob")).await;
    ada.types("hello");
    bob.sees("hello").await;
    let fence = bob.takes_lock().await;
    bob.types(" again");
    ada.sees("again").await;
    bob.releases(fence).await;
    bob.types(" and again");
    ada.sees("and again").await;
    assert!(ada.look(|known| known.channel.is_empty() && known.session.is_none()));
}
