//! Locks on parts of a document, and how they pass on in good order, over real sockets.

use std::time::Instant;

use baton_sync::control_channel::{ClientMessage, LockMode, Outcome, ServerMessage};
use baton_sync::document::yrs::{GetString, ReadTxn, Text, WriteTxn};
use baton_tests::{Join, LockState, RawClient, TestServer, millis};

async fn member(server: &TestServer, name: &str) -> RawClient {
    server.connect(Join::member("notes", name)).await
}

fn types_in(client: &RawClient, root: &str, what: &str) {
    client.edits(|txn| {
        let text = txn.get_or_insert_text(root);
        text.push(txn, what);
    });
}

async fn sees_in(client: &RawClient, root: &str, what: &str) {
    client
        .until(&format!("{what:?} in {root}"), |known| {
            let text = known.memory.document.read(|txn| {
                let text = txn.get_text(root);
                text.map(|text| text.get_string(txn)).unwrap_or_default()
            });
            text.unwrap().contains(what).then_some(())
        })
        .await;
}

#[tokio::test]
async fn two_people_write_in_two_parts_at_the_same_time() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    ada.takes_part(&["title"]).await;
    bob.takes_part(&["body"]).await;
    types_in(&ada, "title", "hers");
    types_in(&bob, "body", "his");
    sees_in(&bob, "title", "hers").await;
    sees_in(&ada, "body", "his").await;
    types_in(&bob, "title", " and his");
    bob.is_parked().await;
    let room = server.stop().await.room("notes");
    assert_eq!(room.state().parks().count(), 1);
}

/// Everything that the holder has typed is with the next one when it may write, however busy it was.
#[tokio::test]
async fn a_lock_that_is_handed_over_under_typing_parks_nothing() {
    let server = TestServer::with(|settings| settings.take_over_cooldown = millis(0)).await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let mut fence = ada.takes_lock().await;
    let mut words = 0;
    let (mut holder, mut other) = (&ada, &bob);
    for round in 0..12 {
        for _ in 0..10 {
            holder.types(&format!("w{words} "));
            words += 1;
        }
        let began = Instant::now();
        if round % 2 == 0 {
            let to = other.session();
            holder.says(&ClientMessage::Transfer {
                nonce: 9,
                fence,
                to,
            });
        } else {
            let taken = other
                .operates(|nonce| ClientMessage::TakeOver {
                    nonce,
                    paths: Vec::new(),
                })
                .await;
            assert_eq!(taken, Outcome::Done);
        }
        holder.is_told_to_drain(fence).await;
        holder.types(&format!("w{words} "));
        words += 1;
        holder.is_drained(fence);
        let next = other.claims().await;
        assert!(next > fence && began.elapsed() < std::time::Duration::from_secs(2));
        assert_eq!(
            other.text().split_whitespace().count(),
            words,
            "all of it before the grant"
        );
        fence = next;
        std::mem::swap(&mut holder, &mut other);
    }
    let room = server.stop().await.room("notes");
    assert_eq!(room.state().parks().count(), 0);
}

#[tokio::test]
async fn a_request_reaches_the_holder_with_its_note_and_is_granted_in_time() {
    let server = TestServer::with(|settings| {
        TestServer::brisk(settings);
        settings.request = millis(900);
    })
    .await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    let note = "two words only".to_owned();
    let asked = bob
        .operates(|nonce| ClientMessage::Request {
            nonce,
            paths: Vec::new(),
            note: note.clone(),
        })
        .await;
    assert_eq!(asked, Outcome::Queued);
    let heard = ada
        .hears("the request", |message| match message {
            ServerMessage::Requested { by, note, .. } => Some((*by, note.clone())),
            _ => None,
        })
        .await;
    assert_eq!(heard, (bob.session(), note));
    ada.is_told_to_drain(fence).await;
    ada.is_drained(fence);
    assert!(bob.claims().await > fence);
}

#[tokio::test]
async fn a_holder_that_does_not_drain_is_not_waited_for_for_ever() {
    let server = TestServer::with(TestServer::brisk).await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    bob.operates(|nonce| ClientMessage::TakeOver {
        nonce,
        paths: Vec::new(),
    })
    .await;
    bob.sees_lock(LockState::Draining).await;
    bob.claims().await;
    ada.loses(fence).await;
}

#[tokio::test]
async fn a_lock_moves_to_the_same_users_other_tab() {
    let secret = "sixteen bytes and some more";
    let server = TestServer::start().await;
    let tab = |name: &str| Join::member("notes", name).of_user(secret);
    let one = server.connect(tab("one")).await;
    let two = server.connect(tab("two")).await;
    let stranger = member(&server, "Stranger").await;
    let fence = one.takes_lock().await;
    let here = |nonce| ClientMessage::MoveHere {
        nonce,
        paths: Vec::new(),
    };
    assert_eq!(stranger.operates(here).await, Outcome::NotAllowed);
    assert_eq!(two.operates(here).await, Outcome::Done);
    one.is_told_to_drain(fence).await;
    one.types("finished ");
    one.is_drained(fence);
    two.claims().await;
    assert_eq!(two.text(), "finished ");
}

#[tokio::test]
async fn a_mode_is_changed_while_people_are_at_it() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    ada.takes_lock().await;
    let open = |nonce| ClientMessage::SetMode {
        nonce,
        mode: LockMode::Open,
    };
    assert_eq!(bob.operates(open).await, Outcome::Done);
    ada.until("the mode", |known| {
        (known.lock.as_ref()?.mode == LockMode::Open).then_some(())
    })
    .await;
    bob.types("in the open ");
    ada.sees("in the open ").await;
    // It is the document's, not the server's.
    drop((ada, bob));
    let server = server.restart().await;
    let carol = member(&server, "Carol").await;
    assert_eq!(
        carol.look(|known| known.lock.as_ref().map(|lock| lock.mode)),
        Some(LockMode::Open)
    );
}
