//! Updates that build on something that is not there.

use baton_server::close;
use baton_sync::StateVector;
use baton_sync::control_channel::ErrorCode;
use baton_sync::document::yrs::{self, Text, WriteTxn};
use baton_tests::{Join, RawClient, TestServer};
use bytes::Bytes;
use bytesize::ByteSize;

fn push(client: &RawClient, text: &'static str) -> Bytes {
    client.edits_in_silence(|txn| {
        let target = txn.get_or_insert_text("t");
        target.push(txn, text);
    })
}

/// A client that reconnects sends its newest edit before its Step2, so this is everyday.
#[tokio::test]
async fn an_update_beyond_a_gap_is_asked_back_and_then_all_of_it_is_there() {
    let server = TestServer::start().await;
    let bob = server.connect(Join::stock("notes")).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    push(&ada, "first ");
    let second = push(&ada, "second ");
    ada.sends_update(&second);
    ada.until("the server to ask", |known| {
        (known.asked == 2).then_some(())
    })
    .await;
    bob.sees("first second ").await;
    ada.is_saved().await;
    assert_eq!(ada.look(|known| known.asked), 2, "asked once");
}

#[tokio::test]
async fn while_an_answer_is_awaited_nobody_is_asked_again() {
    let server = TestServer::start().await;
    let bob = server.connect(Join::stock("notes")).await;
    let ada = server
        .connect(Join::member("notes", "Ada").unmannered())
        .await;
    ada.sends_step2(&[0, 0]);
    push(&ada, "1");
    for _ in 0..20 {
        let beyond = push(&ada, "x");
        ada.sends_update(&beyond);
    }
    ada.until("the one question", |known| (known.asked == 2).then_some(()))
        .await;
    // All of it comes with the answer.
    let all = ada.look(|known| {
        let nothing = StateVector::new();
        known.memory.document.diff(&nothing).unwrap()
    });
    ada.sends_step2(&all);
    bob.sees(&format!("1{}", "x".repeat(20))).await;
    ada.is_saved().await;
    assert_eq!(ada.look(|known| known.asked), 2);
}

#[tokio::test]
async fn what_its_sender_cannot_complete_waits_aside_and_comes_when_somebody_else_can() {
    let server = TestServer::start().await;
    let bob = server.connect(Join::stock("notes")).await;
    let ada = server
        .connect(Join::member("notes", "Ada").unmannered())
        .await;
    let author = server.connect(Join::stock("elsewhere")).await;
    let missing = push(&author, "missing ");
    let beyond = push(&author, "beyond ");
    let own = push(&ada, "own ");
    let answer = yrs::merge_updates_v1([&own, &beyond]).unwrap();
    ada.sends_step2(&answer);
    bob.sees("own ").await;
    let complaint = ada.is_told_off(ErrorCode::Incomplete).await;
    assert!(complaint.contains("not saved"), "{complaint}");
    assert_eq!(bob.text(), "own ", "the complete part, and no more");
    assert_eq!(ada.look(|known| (known.asked, known.saved)), (1, 0));
    bob.passes_on(&missing);
    bob.sees("missing beyond ").await;
    ada.is_saved().await;
}

/// Asking for what the client lacks as well would bring the same answer for ever.
#[tokio::test]
async fn a_client_that_cannot_complete_its_update_is_not_asked_in_a_loop() {
    let server = TestServer::start().await;
    let bob = server.connect(Join::stock("notes")).await;
    let ada = server
        .connect(Join::member("notes", "Ada").unmannered())
        .await;
    let author = server.connect(Join::stock("elsewhere")).await;
    push(&author, "missing ");
    let mut all = push(&author, "beyond ");
    ada.sends_step2(&all);
    ada.is_told_off(ErrorCode::Incomplete).await;
    for _ in 0..10 {
        let beyond = push(&author, "more ");
        ada.sends_update(&beyond);
        all = yrs::merge_updates_v1([all, beyond]).unwrap().into();
        ada.sends_step2(&all);
    }
    // Its own edits go on.
    let own = push(&ada, "own ");
    ada.sends_update(&own);
    bob.sees("own ").await;
    assert_eq!(bob.text(), "own ");
    assert_eq!(ada.look(|known| known.asked), 1);
}

#[tokio::test]
async fn what_was_kept_aside_goes_with_its_sender() {
    let server = TestServer::start().await;
    let bob = server.connect(Join::stock("notes")).await;
    let ada = server
        .connect(Join::member("notes", "Ada").unmannered())
        .await;
    let author = server.connect(Join::stock("elsewhere")).await;
    let missing = push(&author, "missing ");
    let beyond = push(&author, "beyond ");
    ada.sends_step2(&beyond);
    ada.is_told_off(ErrorCode::Incomplete).await;
    ada.vanishes().await;
    bob.passes_on(&missing);
    let carol = server.connect(Join::stock("notes")).await;
    carol.sees("missing ").await;
    assert_eq!(carol.text(), "missing ");
    bob.passes_on(&beyond);
    carol.sees("beyond ").await;
}

/// More than 100 bytes.
const BEYOND: &str = "beyond and so far beyond that nobody keeps it aside: not one who waits for what comes before it, nor a server";

#[tokio::test]
async fn what_is_too_large_to_keep_aside_is_asked_for_again_when_it_can_come() {
    // Enough for what waits for its place in a log of several nodes.
    let server = TestServer::with(|settings| settings.max_aside = ByteSize::b(100)).await;
    let bob = server.connect(Join::stock("notes")).await;
    let ada = server
        .connect(Join::member("notes", "Ada").unmannered())
        .await;
    let author = server.connect(Join::stock("elsewhere")).await;
    let missing = push(&author, "missing ");
    let beyond = push(&author, BEYOND);
    ada.sends_step2(&beyond);
    ada.is_told_off(ErrorCode::Incomplete).await;
    bob.passes_on(&missing);
    ada.until("the server to ask again", |known| {
        (known.asked == 2).then_some(())
    })
    .await;
    ada.sends_step2(&beyond);
    bob.sees("missing beyond ").await;
    // What was not taken holds the count back; over another connection it is known.
    assert_eq!(ada.look(|known| known.saved), 0);
    let memory = ada.vanishes().await;
    let ada = server
        .connect(Join::member("notes", "Ada").remembering(memory))
        .await;
    ada.is_saved().await;
}

/// One client has `ab..ef`, another `cd`.
#[tokio::test]
async fn what_one_has_beyond_a_gap_comes_when_another_closes_it() {
    let server = TestServer::start().await;
    let bob = server.connect(Join::stock("notes")).await;
    let ada = server
        .connect(Join::member("notes", "Ada").unmannered())
        .await;
    ada.sends_step2(&[0, 0]);
    let author = server.connect(Join::stock("elsewhere")).await;
    let ab = push(&author, "ab");
    let cd = push(&author, "cd");
    let ef = push(&author, "ef");
    ada.sends_update(&ab);
    ada.sends_update(&ef);
    ada.until("the server to ask, and to save what fits", |known| {
        (known.asked == 2 && known.saved >= 2).then_some(())
    })
    .await;
    assert_eq!(ada.look(|known| known.saved), 2);
    bob.passes_on(&cd);
    bob.sees("abcdef").await;
    ada.is_saved().await;
    let carol = server.connect(Join::stock("notes")).await;
    assert_eq!(carol.text(), "abcdef");
}

/// Neither an answer that was made before an edit nor an empty one is a copy of it.
#[tokio::test]
async fn an_answer_that_does_not_hold_an_edit_does_not_save_it() {
    let server = TestServer::start().await;
    let ada = server
        .connect(Join::member("notes", "Ada").unmannered())
        .await;
    push(&ada, "first ");
    let second = push(&ada, "second ");
    ada.sends_update(&second);
    for _ in 0..3 {
        ada.sends_step2(&[0, 0]);
    }
    let complaint = ada.is_told_off(ErrorCode::Incomplete).await;
    assert!(complaint.contains("not saved"), "{complaint}");
    assert_eq!(ada.look(|known| known.saved), 0);
    let memory = ada.vanishes().await;
    let bob = server.connect(Join::stock("notes")).await;
    assert_eq!(bob.text(), "");
    // It is with its author, who brings it.
    let ada = server
        .connect(Join::member("notes", "Ada").remembering(memory))
        .await;
    ada.is_saved().await;
    bob.sees("first second ").await;
}

#[tokio::test]
async fn a_gap_harms_neither_the_stock_client_that_sent_it_nor_the_others() {
    let server = TestServer::start().await;
    let bob = server.connect(Join::stock("notes")).await;
    let ada = server.connect(Join::stock("notes")).await;
    let author = server.connect(Join::stock("elsewhere")).await;
    push(&author, "missing ");
    let beyond = push(&author, "beyond ");
    ada.sends_update(&beyond);
    ada.types("ada ");
    bob.sees("ada ").await;
    bob.types("bob ");
    ada.sees("bob ").await;
    let ended = ada.look(|known| known.ended.clone());
    assert_ne!(ended.map(|ended| ended.code), Some(Some(close::PROTOCOL)));
}
