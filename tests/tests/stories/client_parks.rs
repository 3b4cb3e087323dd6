//! The Rust client package and parks: the copy that diverged is kept, the session goes on, and what was parked comes in
//! or goes as people decide.

use baton_client::{
    Client, ClientEnded, ClientEvent, ClientOptions, Draft, DraftLocation, EditPermission,
    LockScope, LockStatus, Outcome, ParkStatus, PartKind, UserSecret,
};
use baton_sync::document::yrs::{GetString, ReadTxn, Text, WriteTxn};
use baton_tests::{TestServer, millis, within};
use tokio::sync::broadcast::Receiver;

use crate::client_locks::{comes, comes_as, hears, root, sees, takes, text, types};

/// What it says when somebody else has the lock.
fn insists(client: &Client, name: &str, words: &str) {
    let done = client.edit_regardless(|txn| txn.get_or_insert_text(name).push(txn, words));
    done.unwrap();
}

/// Writes under another's lock; returns where that is kept.
async fn diverges(client: &Client, name: &str, words: &str) -> (u64, Draft) {
    let mut events = client.events();
    insists(client, name, words);
    let saved = within("the verdict", client.saved()).await;
    assert_eq!(saved, Err(ClientEnded::Diverged));
    let diverged = hears("the divergence", &mut events, |event| match event {
        ClientEvent::Diverged { park, draft } => Some((park, draft)),
        _ => None,
    })
    .await;
    within("the fresh copy", client.synced()).await.unwrap();
    (diverged.0.unwrap(), diverged.1)
}

async fn park_is(client: &Client, id: u64, state: ParkStatus) {
    let mut events = client.events();
    let told = async {
        while client.parks().get(&id).map(|park| park.state) != Some(state) {
            let _missed = events.recv().await;
        }
    };
    within(&format!("park {id} to be {state:?}"), told).await;
}

async fn draft_is_dropped(events: &mut Receiver<ClientEvent>, park: u64) {
    let dropped = |event| match event {
        ClientEvent::DraftDropped(draft) => (draft.park == Some(park)).then_some(()),
        _ => None,
    };
    hears("the end of the draft", events, dropped).await;
}

fn text_of(draft: &Draft, name: &str) -> String {
    let document = draft.document().unwrap();
    let read = document.read(|txn| txn.get_text(name).map(|text| text.get_string(txn)));
    read.unwrap().unwrap_or_default()
}

#[tokio::test]
async fn a_copy_that_diverged_is_a_draft_and_the_session_goes_on_afresh() {
    let server = TestServer::start().await;
    let ada = comes(&server, "Ada").await;
    let bob = comes(&server, "Bob").await;
    types(&ada, "t", "both ").unwrap();
    sees(&bob, "t", "both ").await;
    takes(&ada, &LockScope::whole()).await;
    let (session, id) = (bob.session(), bob.client_id());
    let (park, draft) = diverges(&bob, "t", "bob's").await;
    assert_eq!((draft.park, draft.client, draft.edits), (Some(park), id, 1));
    assert_eq!(text_of(&draft, "t"), "both bob's");
    assert_eq!(bob.session(), session);
    assert_ne!(bob.client_id(), id);
    assert_eq!(text(&bob, "t"), "both ");
    assert_eq!(bob.permission(), EditPermission::Theirs);
    let drafts = bob.drafts();
    assert_eq!(drafts.len(), 1);
    assert_eq!(drafts[0].location, DraftLocation::InPark);
    // Everybody sees that there is something, and what.
    park_is(&ada, park, ParkStatus::Open).await;
    let view = ada.parks()[&park].clone();
    assert_eq!(
        (Some(view.session), view.user.name.as_str()),
        (session, "Bob")
    );
    assert_eq!((view.edits, view.inserted, view.deleted), (1, 5, 0));
    let content = within("the content", ada.show_park(park)).await.unwrap();
    let inserted: Vec<_> = content
        .parts
        .iter()
        .filter(|part| part.kind == PartKind::Insert)
        .map(|part| (part.root.as_str(), part.text.as_str()))
        .collect();
    assert_eq!(inserted, [("t", "bob's")]);
    // The fresh copy is in step, and in its turn writes.
    types(&ada, "t", "ada's").unwrap();
    sees(&bob, "t", "both ada's").await;
}

#[tokio::test]
async fn the_holder_brings_a_park_in() {
    let server = TestServer::with(|settings| settings.rights = "none".parse().unwrap()).await;
    let ada = comes(&server, "Ada").await;
    let bob = comes(&server, "Bob").await;
    let carol = comes(&server, "Carol").await;
    takes(&ada, &root("t")).await;
    let mut of_bob = bob.events();
    let (park, _) = diverges(&bob, "t", "bob's").await;
    park_is(&carol, park, ParkStatus::Open).await;
    // It is for the holder to say, and for nobody who only looks on.
    let onlooker = within("a result", carol.merge_park(park)).await;
    assert!(
        matches!(onlooker, Ok(Outcome::NotAllowed | Outcome::Busy)),
        "{onlooker:?}"
    );
    let nothing = within("a result", ada.merge_park(park + 1_000)).await;
    assert_eq!(nothing, Ok(Outcome::Unknown));
    assert_eq!(
        within("a result", ada.merge_park(park)).await,
        Ok(Outcome::Done)
    );
    for client in [&ada, &bob, &carol] {
        sees(client, "t", "bob's").await;
        park_is(client, park, ParkStatus::Merged).await;
    }
    draft_is_dropped(&mut of_bob, park).await;
    assert_eq!(bob.drafts(), []);
}

#[tokio::test]
async fn what_was_discarded_can_be_had_back() {
    let server = TestServer::start().await;
    let ada = comes(&server, "Ada").await;
    let bob = comes(&server, "Bob").await;
    takes(&ada, &LockScope::whole()).await;
    let mut of_bob = bob.events();
    let (park, _) = diverges(&bob, "t", "bob's").await;
    park_is(&ada, park, ParkStatus::Open).await;
    let discarded = within("a result", ada.discard_park(park)).await;
    assert_eq!(discarded, Ok(Outcome::Done));
    draft_is_dropped(&mut of_bob, park).await;
    park_is(&ada, park, ParkStatus::Discarded).await;
    assert!(ada.parks()[&park].until_ms.is_some());
    let too_early = within("a result", ada.merge_park(park)).await;
    assert_eq!(too_early, Ok(Outcome::Stale), "it is to be recovered first");
    let recovered = within("a result", ada.recover_park(park)).await;
    assert_eq!(recovered, Ok(Outcome::Done));
    park_is(&bob, park, ParkStatus::Open).await;
    assert_eq!(
        within("a result", ada.merge_park(park)).await,
        Ok(Outcome::Done)
    );
    sees(&bob, "t", "bob's").await;
    assert_eq!(bob.drafts(), []);
}

#[tokio::test]
async fn what_was_parked_comes_in_when_its_author_holds_the_lock_next() {
    let server = TestServer::start().await;
    let ada = comes(&server, "Ada").await;
    let bob = comes(&server, "Bob").await;
    takes(&ada, &LockScope::whole()).await;
    let mut of_bob = bob.events();
    let (park, _) = diverges(&bob, "t", "bob's").await;
    types(&ada, "t", "ada's ").unwrap();
    // The fresh copy waits its turn like any other.
    assert_eq!(within("a place", bob.acquire()).await, Ok(Outcome::Queued));
    within("a result", ada.release()).await.unwrap();
    within("Bob's grant", bob.granted()).await.unwrap();
    sees(&bob, "t", "bob's").await;
    sees(&ada, "t", "bob's").await;
    draft_is_dropped(&mut of_bob, park).await;
    park_is(&ada, park, ParkStatus::Merged).await;
    types(&bob, "t", " and more").unwrap();
    sees(&ada, "t", "and more").await;
}

/// The same user comes with another client, in another session: the park is theirs all the same.
#[tokio::test]
async fn an_author_is_known_by_the_key_of_the_user() {
    let server = TestServer::start().await;
    let key = |options: &mut ClientOptions| {
        options.user_key = Some(UserSecret::new("a secret of Bob alone").unwrap());
    };
    let ada = comes(&server, "Ada").await;
    let bob = comes_as(&server, "Bob", key).await;
    takes(&ada, &root("t")).await;
    let (park, _) = diverges(&bob, "t", "bob's").await;
    bob.close().await;
    let again = comes_as(&server, "Bob", key).await;
    assert_eq!(again.parks()[&park].state, ParkStatus::Open);
    within("a result", ada.lock_for(&root("t")).release())
        .await
        .unwrap();
    takes(&again, &root("t")).await;
    sees(&ada, "t", "bob's").await;
    park_is(&again, park, ParkStatus::Merged).await;
}

/// The fresh copy comes over a connection of its own, which takes the place of the old one while that is still open: even
/// where a lost connection loses the lock at once, what the session holds elsewhere is not lost.
#[tokio::test]
async fn a_lock_of_another_part_is_kept_while_the_copy_is_changed() {
    let server = TestServer::with(|settings| {
        TestServer::brisk(settings);
        settings.grace = millis(0);
    })
    .await;
    let ada = comes(&server, "Ada").await;
    let bob = comes(&server, "Bob").await;
    takes(&ada, &root("body")).await;
    let fence = takes(&bob, &root("title")).await;
    let mut of_bob = bob.events();
    diverges(&bob, "body", "bob's").await;
    let kept = hears("the grant, kept", &mut of_bob, |event| match event {
        ClientEvent::Lost { reason, .. } => panic!("lost: {reason}"),
        ClientEvent::Granted { fence, kept, .. } => Some((fence, kept)),
        _ => None,
    })
    .await;
    assert_eq!(kept, (fence, true));
    let title = bob.lock_for(&root("title"));
    assert_eq!(
        (title.status(), title.permission()),
        (LockStatus::Mine, EditPermission::Holder)
    );
    types(&bob, "title", "still his").unwrap();
    sees(&ada, "title", "still his").await;
    within("everything saved", bob.saved()).await.unwrap();
}

/// What was typed offline meets a lock that came meanwhile.
#[tokio::test]
async fn who_comes_back_with_edits_under_anothers_lock_loses_none_of_them() {
    let server = TestServer::start().await;
    let ada = comes(&server, "Ada").await;
    let bob = comes(&server, "Bob").await;
    let mut of_bob = bob.events();
    bob.disconnect();
    hears("the end", &mut of_bob, |event| {
        matches!(event, ClientEvent::Closed { .. }).then_some(())
    })
    .await;
    for word in 0..20 {
        types(&bob, "t", &format!("{word} ")).unwrap();
    }
    takes(&ada, &LockScope::whole()).await;
    bob.reconnect();
    let (park, draft) = hears("the divergence", &mut of_bob, |event| match event {
        ClientEvent::Diverged { park, draft } => Some((park.unwrap(), draft)),
        _ => None,
    })
    .await;
    assert_eq!(draft.edits, 20);
    within("the fresh copy", bob.synced()).await.unwrap();
    assert_eq!(
        within("a result", ada.merge_park(park)).await,
        Ok(Outcome::Done)
    );
    sees(&bob, "t", &text_of(&draft, "t")).await;
    assert_eq!(text(&ada, "t"), text(&bob, "t"));
}
