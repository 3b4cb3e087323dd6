//! What the lock does to edits: applied, or parked; never dropped, never both.

use baton_presence::SessionId;
use baton_room::Park;
use baton_server::close;
use baton_sync::control_channel::{ClientMessage, ErrorCode, FencingToken};
use baton_sync::document::yrs::{GetString, ReadTxn, Text, WriteTxn};
use baton_sync::document::{Document, DocumentOptions};
use baton_sync::{ClientId, StateVector};
use baton_tests::{
    Beats, Join, LockState, Memory, RawClient, ServerProcess, TestServer, one_machine,
};
use bytesize::ByteSize;

async fn member(server: &TestServer, name: &str) -> RawClient {
    server.connect(Join::member("notes", name)).await
}

/// What is parked, and the text of the document, as they are stored.
async fn stored(server: TestServer) -> (Vec<Park>, String) {
    let room = server.stop().await.room("notes");
    let text = Document::to_read(room.state().document()).read(|txn| {
        txn.get_text("t")
            .map_or_else(String::new, |text| text.get_string(txn))
    });
    (room.state().parks().cloned().collect(), text.unwrap())
}

/// The text that a park would bring into a document which has what it builds on.
fn text_of(park: &Park, base: &RawClient) -> String {
    let options = DocumentOptions::new(ClientId::new(1).unwrap());
    let mut document = Document::new(&options);
    let known = base.look(|known| known.memory.document.diff(&StateVector::new()).unwrap());
    document.apply(&known).unwrap();
    for update in &park.updates {
        document.apply(update).unwrap();
    }
    let read = document.read(|txn| txn.get_text("t").unwrap().get_string(txn));
    read.unwrap()
}

fn same(park: Option<baton_presence::Fence>, wire: FencingToken) -> bool {
    park.is_some_and(|fence| (fence.epoch, fence.position) == (wire.epoch, wire.position))
}

#[tokio::test]
async fn an_edit_under_somebody_elses_lock_is_parked_told_and_seen_by_nobody() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    ada.types("held ");
    bob.sees("held ").await;
    bob.types("too early ");
    let id = bob.is_parked().await;
    bob.is_saved().await;
    ada.types("on ");
    // Had the edit been broadcast, it would have come before this one.
    let carol = member(&server, "Carol").await;
    carol.sees("on ").await;
    assert_eq!(carol.text(), "held on ");
    assert_eq!(ada.text(), "held on ");
    let session = bob.session();
    let (parks, text) = stored(server).await;
    assert_eq!(text, "held on ");
    assert_eq!(parks.len(), 1);
    assert_eq!((parks[0].id, parks[0].session), (id, SessionId(session)));
    assert_eq!(parks[0].author.name, "Bob");
    assert!(same(parks[0].fence_now, fence) && parks[0].fence_seen.is_none());
    assert!(text_of(&parks[0], &ada).contains("too early "));
}

#[tokio::test]
async fn what_was_told_to_be_parked_survives_a_kill() {
    one_machine!(Process);
    let mut server = ServerProcess::start(&[]).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let bob = server.connect(Join::member("notes", "Bob")).await;
    ada.takes_lock().await;
    bob.types("kept");
    let id = bob.is_parked().await;
    server.kill().await;
    let room = server.room("notes");
    let parks: Vec<_> = room.state().parks().cloned().collect();
    assert_eq!(parks.iter().map(|park| park.id).collect::<Vec<_>>(), [id]);
    assert!(text_of(&parks[0], &ada).contains("kept"));
}

#[tokio::test]
async fn later_edits_of_that_session_go_to_the_same_park() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    ada.takes_lock().await;
    let mut ids = Vec::new();
    for word in ["one ", "two ", "three "] {
        bob.types(word);
        ids.push(bob.is_parked().await);
    }
    bob.is_saved().await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // It still receives all.
    ada.types("ada ");
    bob.sees("ada ").await;
    let (parks, _) = stored(server).await;
    assert_eq!((parks.len(), parks[0].updates.len()), (1, 3));
    assert!(text_of(&parks[0], &ada).contains("one two three "));
}

#[tokio::test]
async fn a_stock_client_is_denied_and_closed_and_its_edit_is_kept() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let stock = server.connect(Join::stock("notes")).await;
    ada.takes_lock().await;
    stock.types("unaware");
    let reason = stock.is_closed_with(close::LOCKED).await;
    assert!(stock.look(|known| known.denied.is_some()), "{reason}");
    ada.types("ada");
    let carol = member(&server, "Carol").await;
    assert_eq!(carol.text(), "ada");
    let (parks, text) = stored(server).await;
    assert_eq!((parks.len(), text.as_str()), (1, "ada"));
    assert!(text_of(&parks[0], &ada).contains("unaware"));
}

#[tokio::test]
async fn a_stock_client_that_comes_again_with_the_same_edit_is_parked_once() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    ada.takes_lock().await;
    let stock = server.connect(Join::stock("notes")).await;
    stock.types("again and again");
    stock.is_closed_with(close::LOCKED).await;
    let mut memory = stock.vanishes().await;
    for _ in 0..3 {
        let stock = server
            .try_connect(Join::stock("notes").remembering(memory))
            .await
            .unwrap();
        stock.is_closed_with(close::LOCKED).await;
        memory = stock.vanishes().await;
    }
    let (parks, _) = stored(server).await;
    assert_eq!(parks.len(), 1);
}

#[tokio::test]
async fn to_read_under_a_lock_disturbs_nobody() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let stock = server.connect(Join::stock("notes")).await;
    stock.types("before");
    ada.sees("before").await;
    ada.takes_lock().await;
    // It brings all that it has, deletions too, and none of it is new.
    let memory = stock.vanishes().await;
    let stock = server
        .connect(Join::stock("notes").remembering(memory))
        .await;
    let all = stock.look(|known| known.memory.document.diff(&StateVector::new()).unwrap());
    stock.sends_update(&all);
    ada.types(" and after");
    stock.sees("before and after").await;
    assert!(stock.look(|known| known.ended.is_none()));
    let (parks, _) = stored(server).await;
    assert_eq!(parks, []);
}

/// Nobody writes then: the one who lost it may still be typing, and the one who gets it must find what it saw.
#[tokio::test]
async fn while_the_lock_is_offered_edits_are_parked() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let carol = member(&server, "Carol").await;
    let fence = ada.takes_lock().await;
    bob.acquires().await;
    ada.releases(fence).await;
    let offer = bob.is_offered().await;
    ada.types("too late");
    ada.is_parked().await;
    bob.says(&ClientMessage::Claim { fence: offer });
    bob.is_granted().await;
    bob.types("mine");
    carol.sees("mine").await;
    assert_eq!(carol.text(), "mine");
    let (parks, _) = stored(server).await;
    assert_eq!(parks.len(), 1);
    assert!(same(parks[0].fence_seen, fence) && same(parks[0].fence_now, offer));
}

#[tokio::test]
async fn an_edit_that_comes_after_the_loss_is_parked_with_both_fences() {
    let server = TestServer::with(TestServer::brisk).await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let old = ada.takes_lock().await;
    ada.types("in time ");
    bob.acquires().await;
    ada.set_beats(Beats::Ignored);
    let new = bob.claims().await;
    ada.loses(old).await;
    ada.types("late ");
    ada.is_parked().await;
    bob.types("mine ");
    ada.sees("mine ").await;
    assert_eq!(bob.text(), "in time mine ");
    let (parks, text) = stored(server).await;
    assert_eq!((parks.len(), text.as_str()), (1, "in time mine "));
    assert!(same(parks[0].fence_seen, old) && same(parks[0].fence_now, new));
    assert!(text_of(&parks[0], &bob).contains("late "));
}

#[tokio::test]
async fn an_orderly_handoff_parks_nothing() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    bob.acquires().await;
    for word in 0..50 {
        ada.types(&format!("a{word} "));
    }
    // Not awaited: the release is ordered after the edits by the wire alone.
    ada.says(&ClientMessage::Release { nonce: 1, fence });
    bob.claims().await;
    assert_eq!(
        bob.text().split_whitespace().count(),
        50,
        "all of it before the grant"
    );
    bob.types("mine");
    ada.sees("mine").await;
    let (parks, _) = stored(server).await;
    assert_eq!(parks, []);
}

#[tokio::test]
async fn a_holder_that_resumes_with_edits_of_the_meantime_parks_nothing() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    let mut memory = ada.vanishes().await;
    bob.sees_lock(LockState::Suspect).await;
    type_alone(&mut memory, "meanwhile ");
    let ada = server
        .connect(Join::member("notes", "Ada").remembering(memory))
        .await;
    assert_eq!(ada.is_granted().await, fence);
    bob.sees("meanwhile ").await;
    let (parks, _) = stored(server).await;
    assert_eq!(parks, []);
}

#[tokio::test]
async fn a_holder_that_resumes_without_its_fence_has_lost_the_lock() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    let mut memory = ada.vanishes().await;
    bob.sees_lock(LockState::Suspect).await;
    memory.fences = vec![FencingToken {
        position: fence.position + 1000,
        ..fence
    }];
    let _ada = server
        .connect(Join::member("notes", "Ada").remembering(memory))
        .await;
    // Whoever has it now, it is not under the old grant that somebody edits.
    bob.until("the old grant to be over", |known| {
        (known.fence_shown() != Some(fence)).then_some(())
    })
    .await;
}

fn type_alone(memory: &mut Memory, text: &str) {
    let done = memory.document.transact(|txn| {
        let target = txn.get_or_insert_text("t");
        target.push(txn, text);
    });
    done.unwrap();
}

#[tokio::test]
async fn when_the_lock_is_free_again_the_author_brings_it_in_and_the_park_closes() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    bob.types("early ");
    bob.is_parked().await;
    ada.releases(fence).await;
    bob.sees_lock(LockState::Free).await;
    // It builds on what is parked, so the server asks, and the answer has both.
    bob.types("and later ");
    ada.sees("early and later ").await;
    bob.is_saved().await;
    let (parks, text) = stored(server).await;
    assert_eq!((parks, text.as_str()), (vec![], "early and later "));
}

#[tokio::test]
async fn who_opens_the_document_afresh_can_go_on_under_the_next_grant() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    bob.types("draft ");
    bob.is_parked().await;
    bob.vanishes().await;
    let bob = member(&server, "Bob").await;
    assert_eq!(bob.text(), "");
    bob.acquires().await;
    ada.releases(fence).await;
    bob.claims().await;
    bob.types("fresh ");
    ada.sees("fresh ").await;
    let (parks, text) = stored(server).await;
    assert_eq!(
        (parks.len(), text.as_str()),
        (1, "fresh "),
        "the draft stays until a person decides"
    );
}

#[tokio::test]
async fn a_session_that_parked_its_share_is_told_and_nothing_stored_is_dropped() {
    let server = TestServer::with(|settings| {
        settings.max_parked_per_session = ByteSize::b(200);
    })
    .await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    ada.takes_lock().await;
    bob.types("small");
    bob.is_parked().await;
    bob.types(&"x".repeat(300));
    let told = bob.is_told_off(ErrorCode::ParkFull).await;
    assert!(told.contains("max_parked_per_session"), "{told}");
    let (sent, saved) = bob.look(|known| (known.sent, known.saved));
    assert!(saved < sent, "what was refused is not called saved");
    let (parks, _) = stored(server).await;
    assert_eq!((parks.len(), parks[0].updates.len()), (1, 1));
}

#[tokio::test]
async fn a_document_keeps_more_parks_than_people_should_decide_and_no_more_than_fit() {
    let server = TestServer::with(|settings| {
        settings.max_parks = 1;
        // Each of them counts 16 KiB.
        settings.max_parked = ByteSize::kib(32);
    })
    .await;
    let ada = member(&server, "Ada").await;
    ada.takes_lock().await;
    for name in ["Bob", "Carol"] {
        let author = member(&server, name).await;
        author.types(name);
        author.is_parked().await;
    }
    let dan = member(&server, "Dan").await;
    dan.types("Dan");
    let told = dan.is_told_off(ErrorCode::ParkFull).await;
    assert!(told.contains("max_parked)"), "{told}");
    let (parks, text) = stored(server).await;
    assert_eq!((parks.len(), text.as_str()), (2, ""));
}

#[tokio::test]
async fn stock_clients_from_one_address_that_write_the_same_leave_one_park() {
    one_machine!(KnownLimit);
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    ada.takes_lock().await;
    for _ in 0..5 {
        let reader = server.connect(Join::stock("notes")).await;
        reader.types("written when it opens");
        reader.is_closed_with(close::LOCKED).await;
    }
    let other = server.connect(Join::stock("notes")).await;
    other.types("typed");
    other.is_closed_with(close::LOCKED).await;
    let (parks, text) = stored(server).await;
    assert_eq!((parks.len(), text.as_str()), (2, ""));
}

#[tokio::test]
async fn a_stock_client_whose_edit_cannot_be_parked_is_not_left_believing_otherwise() {
    let server = TestServer::with(|settings| settings.max_parked = ByteSize::kib(16)).await;
    let ada = member(&server, "Ada").await;
    ada.takes_lock().await;
    let bob = member(&server, "Bob").await;
    bob.types("first");
    bob.is_parked().await;
    let stock = server.connect(Join::stock("notes")).await;
    stock.types("one too many");
    stock.is_closed_with(close::LOCKED).await;
    assert!(stock.look(|known| known.denied.is_some()));
}

#[tokio::test]
async fn every_edit_is_in_the_document_or_in_a_park_and_never_in_both() {
    let server = TestServer::with(|settings| TestServer::graced(settings, 100)).await;
    let mut random = baton_testkit::Random::from_seed(11);
    let mut writers = Vec::new();
    for name in ["Ada", "Bob", "Carol"] {
        writers.push(member(&server, name).await);
    }
    let mut edits = Vec::new();
    for turn in 0..60 {
        let writer = &writers[random.below(3)];
        match random.below(4) {
            0 => {
                writer.acquires().await;
            }
            1 => {
                if let Some(fence) = writer.look(|known| known.fence()) {
                    writer.releases(fence).await;
                }
            }
            _ => {
                edits.push(format!("<{turn}>"));
                writer.types(&format!("<{turn}>"));
                writer.is_saved().await;
            }
        }
        let offer = writer.look(|known| {
            known
                .channel
                .iter()
                .rev()
                .find_map(|message| match message {
                    baton_sync::control_channel::ServerMessage::Offer { fence, .. } => Some(*fence),
                    _ => None,
                })
        });
        if let Some(fence) = offer {
            writer.says(&ClientMessage::Claim { fence });
        }
    }
    for writer in &writers {
        writer.is_saved().await;
    }
    let all: Vec<String> = writers.iter().map(RawClient::text).collect();
    let own: Vec<u64> = writers
        .iter()
        .map(|writer| writer.look(|known| known.memory.client.get()))
        .collect();
    drop(writers);
    let room = server.stop().await.room("notes");
    let text = Document::to_read(room.state().document())
        .read(|txn| txn.get_text("t").unwrap().get_string(txn));
    let text = text.unwrap();
    let mut parked = 0;
    for edit in &edits {
        let author_has_it = all.iter().any(|copy| copy.contains(edit));
        assert!(author_has_it, "{edit} was typed");
        let inside = text.contains(edit);
        let held = room.state().parks().any(|park| {
            park.updates
                .iter()
                .any(|update| String::from_utf8_lossy(update).contains(edit.as_str()))
        });
        parked += usize::from(held);
        assert!(
            inside != held,
            "{edit}: in the document {inside}, in a park {held}; of {own:?}"
        );
    }
    eprintln!("{} edits, {parked} of them parked", edits.len());
}
