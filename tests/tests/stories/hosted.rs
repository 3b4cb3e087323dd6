//! Documents in process: a program reads and edits what its server serves, under the rules of all others.

use std::sync::Arc;

use baton_server::{
    HostedAuthor, HostedDocument, HostedEditError, HostedEvent, Server, Settings, close,
};
use baton_sync::control_channel::{GrantStatus, PeerStatus, ServerMessage};
use baton_tests::hosted::{text, types};
use baton_tests::{Join, LockState, TestServer, one_machine, within};
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;

/// Waits until the document has this text: what others write may be placed at another node first.
async fn shows(document: &HostedDocument, wanted: &str) {
    let mut events = document.events();
    while text(document).await != wanted {
        hears(&mut events, "an edit", |event| {
            (event == HostedEvent::Changed).then_some(())
        })
        .await;
    }
}

/// Waits for an event that fits.
async fn hears<T>(
    events: &mut Receiver<HostedEvent>,
    what: &str,
    mut pick: impl FnMut(HostedEvent) -> Option<T>,
) -> T {
    let hearing = async {
        loop {
            if let Some(found) = pick(events.recv().await.unwrap()) {
                return found;
            }
        }
    };
    within(what, hearing).await
}

#[tokio::test]
async fn an_edit_of_the_program_is_seen_by_others_and_theirs_by_the_program() {
    let server = TestServer::start().await;
    let stock = server.connect(Join::stock("notes")).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let document = server.document("notes").await;
    types(&document, "from the program").await.unwrap();
    stock.sees("from the program").await;
    // Its author is one for all of its edits.
    types(&document, ", twice").await.unwrap();
    ada.sees("from the program, twice").await;
    ada.types(" and Ada's");
    ada.is_saved().await;
    shows(&document, "from the program, twice and Ada's").await;
    // Another hand on the document, of a program beside another node if there is one.
    let again = server.document("notes").await;
    shows(&again, "from the program, twice and Ada's").await;
    types(&again, ".").await.unwrap();
    shows(&document, "from the program, twice and Ada's.").await;
}

#[tokio::test]
async fn an_edit_of_the_program_is_durable_when_its_future_ends() {
    one_machine!(OwnLog);
    let server = TestServer::start().await;
    let document = server.document("notes").await;
    types(&document, "from the program").await.unwrap();
    // At once: nothing is written that was not written before.
    let reopened = TempDir::new().unwrap();
    for file in std::fs::read_dir(server.data()).unwrap().flatten() {
        std::fs::copy(file.path(), reopened.path().join(file.file_name())).unwrap();
    }
    let again = Server::open(reopened.path(), Settings::default()).unwrap();
    let document = again.document("notes").await.unwrap();
    assert_eq!(text(&document).await, "from the program");
}

#[tokio::test]
async fn an_edit_of_the_program_is_refused_while_another_holds_the_lock() {
    let server = TestServer::start().await;
    let document = server.document("notes").await;
    types(&document, "a").await.unwrap();
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let fence = ada.takes_lock().await;
    assert_eq!(
        types(&document, "refused").await,
        Err(HostedEditError::Refused)
    );
    assert_eq!(text(&document).await, "a");
    ada.types("b");
    ada.is_saved().await;
    let mut events = document.events();
    ada.releases(fence).await;
    ada.sees_lock(LockState::Free).await;
    while document.locks().is_some_and(|view| !view.grants.is_empty()) {
        hears(&mut events, "that the lock is free", |event| {
            matches!(event, HostedEvent::Locks(_)).then_some(())
        })
        .await;
    }
    types(&document, "c").await.unwrap();
    assert_eq!(text(&document).await, "abc");
    // Nothing was set aside of what was refused.
    let parked = ada.take(|message| matches!(message, ServerMessage::Park { .. }).then_some(()));
    assert!(parked.is_empty());
    ada.sees("abc").await;
}

#[tokio::test]
async fn an_author_who_may_only_read_edits_nothing() {
    let server = TestServer::start().await;
    let author = HostedAuthor::new("reader", "Reader").unwrap().read_only();
    let document = server.document_as("notes", &author).await.unwrap();
    assert_eq!(types(&document, "x").await, Err(HostedEditError::Refused));
    assert_eq!(text(&document).await, "");
}

#[tokio::test]
async fn the_program_hears_edits_people_and_a_lock_that_passes_on() {
    let server = TestServer::start().await;
    let author = HostedAuthor::new("robot", "Robot").unwrap();
    let document = server.document_as("notes", &author).await.unwrap();
    let mut events = document.events();
    let ada = server.connect(Join::member("notes", "Ada")).await;
    hears(&mut events, "that Ada is here", |event| match event {
        HostedEvent::Peer(peer) if peer.user.name == "Ada" => Some(()),
        _ => None,
    })
    .await;
    ada.sees_peer("Robot", PeerStatus::Online).await;
    ada.types("hello");
    hears(&mut events, "an edit", |event| {
        (event == HostedEvent::Changed).then_some(())
    })
    .await;
    shows(&document, "hello").await;

    ada.takes_lock().await;
    let bob = server.connect(Join::member("notes", "Bob")).await;
    bob.acquires().await;
    let held_by = |wanted: u64| {
        move |event| match event {
            HostedEvent::Locks(view) => view.grants.iter().find_map(|grant| {
                let is_held = grant.state == GrantStatus::Held && grant.session == wanted;
                is_held.then_some(grant.fence)
            }),
            _ => None,
        }
    };
    let of_ada = hears(&mut events, "Ada's lock", held_by(ada.session())).await;
    let to = bob.session();
    ada.leaves().await;
    bob.claims().await;
    let of_bob = hears(&mut events, "that the lock passes on", held_by(to)).await;
    assert!(of_bob > of_ada);
    let shown = document.locks().unwrap();
    assert_eq!(shown.grants.first().map(|grant| grant.session), Some(to));
    assert!(
        document
            .people()
            .values()
            .any(|peer| peer.user.name == "Bob")
    );

    server.begins_to_stop().await.unwrap();
    let (code, _) = hears(&mut events, "the end", |event| match event {
        HostedEvent::Ended { code, reason } => Some((code, reason)),
        _ => None,
    })
    .await;
    assert_eq!(code, close::GOING_AWAY);
    let refused = types(&document, "too late").await;
    assert!(
        matches!(refused, Err(HostedEditError::Ended(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_program_with_many_edits_at_once_loses_none() {
    let server = TestServer::start().await;
    let ada = server.connect(Join::stock("notes")).await;
    let document = Arc::new(server.document("notes").await);
    let edits = (0..20).map(|_| {
        let document = Arc::clone(&document);
        tokio::spawn(async move { types(&document, "x").await })
    });
    for edit in edits.collect::<Vec<_>>() {
        edit.await.unwrap().unwrap();
    }
    ada.sees(&"x".repeat(20)).await;
    assert_eq!(text(&document).await, "x".repeat(20));
    let author = HostedAuthor::new("server", "server").unwrap();
    let name = server.document_as("no\nname", &author).await.err().unwrap();
    assert_eq!(name.code, close::BAD_NAME);
}
