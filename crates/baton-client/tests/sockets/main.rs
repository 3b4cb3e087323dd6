//! Clients over real sockets, against the real server in this process.
//!
//! Each wait ends with the event it waits for; the deadline only turns a hang into a failure.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod awareness;
mod harness;
mod refusals;

use std::net::SocketAddr;
use std::time::Duration;

use baton_client::yrs::{Text, WriteTxn};
use baton_client::{
    Client, ClientEnded, ClientEvent, ClientRole, CloseCause, DivergencePolicy, DraftLocation,
    EditPermission, HoldError, LockStatus, Outcome, PeerStatus, ReconnectPolicy,
};
use baton_log::{Log, LogOptions};
use baton_server::Settings;
use harness::{Running, agree, agree_that, append, hears, text, text_of, within};
use tempfile::TempDir;

#[tokio::test]
async fn two_clients_converge() {
    let running = Running::in_memory().await;
    let (ann, ben) = (running.join("Ann").await, running.join("Ben").await);
    for n in 0..100 {
        append(if n % 3 == 0 { &ben } else { &ann }, "x");
    }
    agree(&ann, &ben, 100).await;
    within("ann's edits to be saved", ann.saved())
        .await
        .unwrap();
    within("ben's edits to be saved", ben.saved())
        .await
        .unwrap();
    assert!(!ann.has_unsaved() && !ben.has_unsaved());
    let names: Vec<_> = ben
        .roster()
        .into_values()
        .map(|peer| (peer.user.name, peer.state))
        .collect();
    let here = |name: &str| (name.to_owned(), PeerStatus::Online);
    assert_eq!(names, [here("Ann"), here("Ben")]);
    ann.close().await;
    ben.close().await;
    running.stop().await;
}

/// A program that waited for its grant after a refused `acquire` waited for ever.
#[tokio::test]
async fn a_session_that_holds_waits_for_its_turn_and_a_refused_one_does_not_wait() {
    let running = Running::in_memory().await;
    let (ann, ben) = (running.join("Ann").await, running.join("Ben").await);
    let first = within("ann's lock", ann.hold()).await.unwrap();
    let waits = async { within("ben's lock", ben.hold()).await.unwrap() };
    let passes_on = async {
        let mut events = ann.events();
        while ann.locks().is_none_or(|locks| locks.queue.is_empty()) {
            events.recv().await.unwrap();
        }
        ann.release().await
    };
    let (second, released) = tokio::join!(waits, passes_on);
    assert_eq!(released, Ok(Outcome::Done));
    assert!(second > first && ben.may_edit());

    let watching = running.options("Eve").with_role(ClientRole::Observer);
    let eve = Client::connect(watching).unwrap();
    within("eve to be there", eve.ready()).await.unwrap();
    let refused = within("eve's answer", eve.hold()).await.unwrap_err();
    assert_eq!(refused, HoldError::Refused(Outcome::Forbidden));
    assert!(refused.to_string().contains("only watches"), "{refused}");
    for client in [ann, ben, eve] {
        client.close().await;
    }
    running.stop().await;
}

#[tokio::test]
async fn the_lock_passes_from_hand_to_hand() {
    let running = Running::in_memory().await;
    let (ann, ben) = (running.join("Ann").await, running.join("Ben").await);
    assert_eq!(ann.acquire().await, Ok(Outcome::Done));
    let first = within("ann's grant", ann.granted()).await.unwrap();
    let mut of_ben = ben.events();
    assert_eq!(ben.try_lock().await, Ok(Outcome::Busy));
    assert_eq!(ben.acquire().await, Ok(Outcome::Queued));
    assert_eq!(ben.permission(), EditPermission::Theirs);
    assert_eq!(ben.lock_status(), LockStatus::Waiting);
    append(&ann, "mine");
    assert_eq!(ann.release().await, Ok(Outcome::Done));
    let second = within("ben's grant", ben.granted()).await.unwrap();
    assert!(second > first);
    assert_eq!(ben.permission(), EditPermission::Holder);
    // The handover comes after the last edit of the former holder.
    assert_eq!(text(&ben), "mine");
    hears("the grant", &mut of_ben, |event| match event {
        ClientEvent::Granted { fence, kept, .. } => (fence == second && !kept).then_some(()),
        _ => None,
    })
    .await;
    // A client that leaves for good passes the lock on at once.
    assert_eq!(ann.acquire().await, Ok(Outcome::Queued));
    ben.close().await;
    let third = within("ann's second grant", ann.granted()).await.unwrap();
    assert!(third > second);
    assert_eq!(ann.cancel().await.map(drop), Ok(()));
    ann.close().await;
    running.stop().await;
}

#[tokio::test]
async fn a_holder_survives_a_restart_of_the_server_and_so_do_its_edits() {
    let data = TempDir::new().unwrap();
    let running = Running::stored(data.path(), SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let address = running.address;
    let (ann, ben) = (running.join("Ann").await, running.join("Ben").await);
    ann.acquire().await.unwrap();
    let fence = within("the grant", ann.granted()).await.unwrap();
    append(&ann, "before ");
    within("the first edit to be saved", ann.saved())
        .await
        .unwrap();
    let (session, mut events, mut of_ben) = (ann.session(), ann.events(), ben.events());
    running.stop().await;
    let going = |event| match event {
        ClientEvent::Closed { cause, reconnect } => Some((cause.code(), reconnect)),
        _ => None,
    };
    let (code, reconnect) = hears("the end of the connection", &mut events, going).await;
    assert_eq!(code, Some(4503));
    assert!(matches!(reconnect, ReconnectPolicy::After(delay) if delay < Duration::from_secs(2)));
    hears("the end of ben's connection", &mut of_ben, going).await;
    // The lease lasts for a while, and edits made meanwhile count.
    append(&ann, "meanwhile ");
    let running = Running::stored(data.path(), address).await;
    let resumed = hears("the welcome", &mut events, |event| match event {
        ClientEvent::Welcome { session, resumed } => Some((Some(session), resumed)),
        _ => None,
    })
    .await;
    assert_eq!(resumed, (session, true));
    hears("the lock, kept", &mut events, |event| match event {
        ClientEvent::Granted { fence, kept, .. } => Some((fence, kept)),
        _ => None,
    })
    .await;
    assert_eq!(ann.grant(), Some(fence));
    append(&ann, "after");
    within("all to be saved", ann.saved()).await.unwrap();
    within("ben to be back", ben.synced()).await.unwrap();
    agree(&ann, &ben, "before meanwhile after".len()).await;
    assert_eq!(text(&ben), "before meanwhile after");
    ann.close().await;
    ben.close().await;
    running.stop().await;
}

#[tokio::test]
async fn it_is_patient_until_the_server_is_there() {
    let running = Running::in_memory().await;
    let (address, options) = (running.address, running.options("Ann"));
    running.stop().await;
    let ann = Client::connect(options).unwrap();
    let mut events = ann.events();
    hears("a failed attempt", &mut events, |event| match event {
        ClientEvent::Closed {
            cause: CloseCause::Network(_),
            ..
        } => Some(()),
        _ => None,
    })
    .await;
    ann.edit_regardless(|txn| txn.get_or_insert_text("t").push(txn, "early"))
        .unwrap();
    let log = Log::in_memory(LogOptions::default()).unwrap();
    let running = Running::start(Settings::default(), log, address).await;
    within("the edit to be saved", ann.saved()).await.unwrap();
    ann.close().await;
    running.stop().await;
}

#[tokio::test]
async fn an_edit_under_anothers_lock_is_parked_and_a_copy_that_stops_goes_silent() {
    let running = Running::in_memory().await;
    let ann = running.join("Ann").await;
    let mut options = running.options("Ben");
    options.divergence = DivergencePolicy::Stop;
    let ben = Client::connect(options).unwrap();
    within("the first sync", ben.synced()).await.unwrap();
    ann.acquire().await.unwrap();
    within("the grant", ann.granted()).await.unwrap();
    ben.edit_regardless(|txn| txn.get_or_insert_text("t").push(txn, "too late"))
        .unwrap();
    // `Saved` would be wrong: until the park is reported, the edit is under way.
    let saved = within("the verdict", ben.saved()).await;
    assert_eq!(saved, Err(ClientEnded::Diverged));
    assert_eq!(ben.permission(), EditPermission::Diverged);
    append(&ann, "held");
    agree_that(&ben, "held").await;
    assert_eq!(text(&ann), "held");
    // The fresh copy has another client id.
    let again = running.join("Ben").await;
    agree(&ann, &again, "held".len()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_client_whose_edit_was_parked_goes_on_afresh_in_the_same_session() {
    let running = Running::in_memory().await;
    let (ann, ben) = (running.join("Ann").await, running.join("Ben").await);
    append(&ann, "before ");
    agree(&ann, &ben, "before ".len()).await;
    ann.acquire().await.unwrap();
    within("the grant", ann.granted()).await.unwrap();
    let (session, id, mut events) = (ben.session(), ben.client_id(), ben.events());
    ben.edit_regardless(|txn| txn.get_or_insert_text("t").push(txn, "too late"))
        .unwrap();
    let saved = within("the verdict", ben.saved()).await;
    assert_eq!(saved, Err(ClientEnded::Diverged));
    let (park, draft) = hears("the divergence", &mut events, |event| match event {
        ClientEvent::Diverged { park, draft } => Some((park, draft)),
        _ => None,
    })
    .await;
    within("the fresh copy", ben.synced()).await.unwrap();
    assert_eq!((ben.session(), text(&ben)), (session, text(&ann)));
    assert_ne!(ben.client_id(), id);
    assert_eq!((draft.park, draft.client, draft.edits), (park, id, 1));
    assert_eq!(text_of(&draft), "before too late");
    let kept: Vec<_> = ben.drafts().iter().map(|draft| draft.location).collect();
    assert_eq!(kept, [DraftLocation::InPark]);
    // Editing continues: Ann's edits arrive, and after her Ben edits, too.
    append(&ann, "held ");
    agree(&ann, &ben, "before held ".len()).await;
    ann.release().await.unwrap();
    ben.acquire().await.unwrap();
    within("the grant", ben.granted()).await.unwrap();
    append(&ben, "after");
    within("the edit to be saved", ben.saved()).await.unwrap();
    agree_that(&ann, "after").await;
    running.stop().await;
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_for_good() {
    let mut settings = Settings::default();
    settings.max_document_name = 8;
    let log = Log::in_memory(LogOptions::default()).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let running = Running::start(settings, log, address).await;
    let mut options = running.options("Ann");
    options.document = "longer than eight".to_owned();
    let ann = Client::connect(options).unwrap();
    let ended = within("the refusal", ann.synced()).await;
    assert!(
        matches!(&ended, Err(ClientEnded::Closed(cause)) if cause.code() == Some(4404)),
        "{ended:?}"
    );
    running.stop().await;
}

#[tokio::test]
async fn who_disconnects_keeps_the_session_and_comes_back_to_it() {
    let running = Running::in_memory().await;
    let ann = running.join("Ann").await;
    let session = ann.session();
    let mut events = ann.events();
    ann.disconnect();
    hears("the end", &mut events, |event| match event {
        ClientEvent::Closed { reconnect, .. } => {
            (reconnect == ReconnectPolicy::WhenAsked).then_some(())
        }
        _ => None,
    })
    .await;
    append(&ann, "offline");
    ann.reconnect();
    within("the edit to be saved", ann.saved()).await.unwrap();
    assert_eq!(ann.session(), session);
    // Another process resumes the same session.
    let mut options = running.options("Ann");
    options.resume = ann.ticket();
    drop(ann);
    let next = Client::connect(options).unwrap();
    within("the sync", next.synced()).await.unwrap();
    assert_eq!(next.session(), session);
    assert_eq!(text(&next), "offline");
    assert_eq!(next.lock_status(), LockStatus::Free);
    next.close().await;
    running.stop().await;
}
