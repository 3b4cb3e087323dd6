//! The Rust client package hands locks on: transfer, request, take over, move here; parts, and several at once.
//!
//! Whoever could lose something by a handover types meanwhile, and nothing is parked.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use baton_client::{
    Client, ClientEvent, ClientOptions, EditError, EditPermission, HandoverReason, LockScope,
    LockStatus, Outcome, Right, UserSecret,
};
use baton_server::Settings;
use baton_sync::document::yrs::{GetString, ReadTxn, Text, WriteTxn};
use baton_tests::{TestServer, millis, within};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// Waits for the product's own clocks are cut short; they still fit each other.
fn brisk(settings: &mut Settings) {
    TestServer::brisk(settings);
    settings.request = millis(700);
    settings.take_over_cooldown = millis(400);
}

pub(crate) async fn comes(server: &TestServer, name: &str) -> Client {
    comes_as(server, name, |_| ()).await
}

pub(crate) async fn comes_as(
    server: &TestServer,
    name: &str,
    change: impl FnOnce(&mut ClientOptions),
) -> Client {
    let mut options = ClientOptions::new(format!("ws://{}/ws", server.address()), "notes");
    options.user.name = name.to_owned();
    options.event_capacity = 16 * 1024;
    change(&mut options);
    let client = Client::connect(options).unwrap();
    within("the first sync", client.synced()).await.unwrap();
    client
}

pub(crate) fn root(name: &str) -> LockScope {
    LockScope::root(name).unwrap()
}

/// Takes the lock of a scope that nobody else has.
pub(crate) async fn takes(client: &Client, scope: &LockScope) -> baton_client::FencingToken {
    let lock = client.lock_for(scope);
    let outcome = within("a result", lock.acquire()).await;
    assert_eq!(outcome, Ok(Outcome::Done));
    within("the grant", lock.granted()).await.unwrap()
}

/// Types at the end of a root under the lock of that root.
pub(crate) fn types(client: &Client, name: &str, words: &str) -> Result<(), EditError> {
    let lock = client.lock_for(&root(name));
    lock.edit(|txn| txn.get_or_insert_text(name).push(txn, words))
}

pub(crate) fn text(client: &Client, name: &str) -> String {
    let read = client.read(|txn| {
        txn.get_text(name)
            .map_or_else(String::new, |text| text.get_string(txn))
    });
    read.unwrap()
}

pub(crate) async fn sees(client: &Client, name: &str, part: &str) {
    let mut events = client.events();
    let seeing = async {
        while !text(client, name).contains(part) {
            // A reader that was too slow for the events looks again all the same.
            let _missed = events.recv().await;
        }
    };
    within(&format!("{part:?} in {name}"), seeing).await;
}

/// Waits for an event.
pub(crate) async fn hears<T>(
    what: &str,
    events: &mut Receiver<ClientEvent>,
    mut look: impl FnMut(ClientEvent) -> Option<T>,
) -> T {
    let hearing = async {
        loop {
            match events.recv().await {
                Ok(event) => {
                    if let Some(found) = look(event) {
                        return found;
                    }
                }
                Err(RecvError::Lagged(missed)) => panic!("{missed} events were missed"),
                Err(RecvError::Closed) => panic!("no more events before {what}"),
            }
        }
    };
    within(what, hearing).await
}

/// Waits until what is asked of the client's locks is so.
async fn until(what: &str, client: &Client, is_so: impl Fn(&Client) -> bool) {
    let mut events = client.events();
    let waiting = async {
        while !is_so(client) {
            let _missed = events.recv().await;
        }
    };
    within(what, waiting).await;
}

/// Everything of everybody is in the document.
async fn nothing_is_parked(clients: &[&Client]) {
    for client in clients {
        within("everything saved", client.saved()).await.unwrap();
        assert_eq!(client.parks(), std::collections::BTreeMap::new());
        assert_eq!(client.drafts(), []);
    }
}

/// Words that may be on their way: what a person types in a minute. A drain waits for so much, and not for whatever a
/// machine can produce faster than the server takes it.
const UNDER_WAY: usize = 50;

/// Types as fast as it may until it may not any more; returns how many words it was.
async fn types_until_it_may_not(client: &Client, name: &str) -> usize {
    for count in 0.. {
        match types(client, name, "w") {
            Ok(()) if usize::is_multiple_of(count, UNDER_WAY) => {
                within("saved", client.saved()).await.unwrap();
            }
            Ok(()) => tokio::task::yield_now().await,
            Err(EditError::NotNow(_)) => return count,
            Err(broken) => panic!("{broken}"),
        }
    }
    unreachable!()
}

fn drains(event: &ClientEvent) -> Option<(HandoverReason, Option<u64>)> {
    match event {
        ClientEvent::Draining { reason, to, .. } => Some((*reason, *to)),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_handed_to_somebody_named_past_the_queue() {
    let server = TestServer::start().await;
    let ada = comes(&server, "Ada").await;
    let bob = comes(&server, "Bob").await;
    let carol = comes(&server, "Carol").await;
    let first = takes(&ada, &LockScope::whole()).await;
    let queued = within("a place", carol.acquire()).await;
    assert_eq!(queued, Ok(Outcome::Queued));
    let mut of_ada = ada.events();
    let to = bob.session().unwrap();
    let began = Instant::now();
    let (handed, words) = tokio::join!(ada.lock().transfer(to), types_until_it_may_not(&ada, "t"));
    assert_eq!(handed, Ok(Outcome::Done));
    let reason = hears("the drain", &mut of_ada, |event| drains(&event)).await;
    assert_eq!(reason, (HandoverReason::Transfer, Some(to)));
    let second = within("Bob's grant", bob.granted()).await.unwrap();
    assert!(second > first);
    assert!(
        began.elapsed() < server_drain(),
        "it was passed on when it was drained, and not when the time was over"
    );
    // Whatever Ada typed came before the grant.
    assert_eq!(text(&bob, "t").len(), words);
    types(&bob, "t", "!").unwrap();
    assert_eq!(carol.lock().place(), Some(1));
    nothing_is_parked(&[&ada, &bob, &carol]).await;
    // Not to nobody, and not by somebody else.
    let nobody = within("a result", bob.lock().transfer(9_999)).await;
    assert_eq!(nobody, Ok(Outcome::Unknown));
    let stale = within("a result", ada.lock().transfer(to)).await;
    assert_eq!(stale, Ok(Outcome::Stale));
    assert_eq!(bob.lock_status(), LockStatus::Mine);
}

fn server_drain() -> Duration {
    Settings::default().drain.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_told_with_its_note_and_runs_out_in_the_waiters_favour() {
    let server = TestServer::with(brisk).await;
    let ada = comes(&server, "Ada").await;
    let bob = comes(&server, "Bob").await;
    takes(&ada, &LockScope::whole()).await;
    let mut of_ada = ada.events();
    let began = Instant::now();
    let asked = within("a result", bob.lock().request("may I?")).await;
    assert!(
        matches!(asked, Ok(Outcome::Queued | Outcome::Done)),
        "{asked:?}"
    );
    let request = hears("the request", &mut of_ada, |event| match event {
        ClientEvent::Requested(request) => Some(request),
        _ => None,
    })
    .await;
    assert_eq!(
        (request.by, request.note.as_str()),
        (bob.session().unwrap(), "may I?")
    );
    assert_eq!(ada.lock().requested().map(|of| of.by), bob.session());
    // Ada does not mind, and types on.
    let words = types_until_it_may_not(&ada, "t").await;
    assert!(began.elapsed() >= Duration::from_millis(600));
    let (reason, _) = hears("the drain", &mut of_ada, |event| drains(&event)).await;
    assert_eq!(reason, HandoverReason::Requested);
    within("Bob's grant", bob.granted()).await.unwrap();
    assert_eq!(text(&bob, "t").len(), words);
    nothing_is_parked(&[&ada, &bob]).await;
}

#[tokio::test]
async fn a_request_that_is_withdrawn_is_void_and_one_that_is_heard_is_quick() {
    let server = TestServer::start().await;
    let ada = comes(&server, "Ada").await;
    let bob = comes(&server, "Bob").await;
    takes(&ada, &LockScope::whole()).await;
    let mut of_ada = ada.events();
    let requested = |event| matches!(event, ClientEvent::Requested(_)).then_some(());
    within("a result", bob.lock().request("")).await.unwrap();
    hears("the request", &mut of_ada, requested).await;
    within("a result", bob.cancel()).await.unwrap();
    let over = |event| matches!(event, ClientEvent::RequestOver { .. }).then_some(());
    hears("its end", &mut of_ada, over).await;
    assert_eq!(ada.lock().requested(), None);
    within("a result", bob.lock().request("now")).await.unwrap();
    hears("the request", &mut of_ada, requested).await;
    types(&ada, "t", "done").unwrap();
    assert_eq!(within("a result", ada.release()).await, Ok(Outcome::Done));
    within("Bob's grant", bob.granted()).await.unwrap();
    assert_eq!(text(&bob, "t"), "done");
    nothing_is_parked(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_takes_a_lock_over_but_not_twice_in_a_row() {
    let server = TestServer::with(brisk).await;
    let ada = comes(&server, "Ada").await;
    let bob = comes(&server, "Bob").await;
    let carol = comes(&server, "Carol").await;
    takes(&ada, &LockScope::whole()).await;
    let mut of_ada = ada.events();
    let (taken, words) = tokio::join!(bob.lock().take_over(), types_until_it_may_not(&ada, "t"));
    assert_eq!(taken, Ok(Outcome::Done));
    let reason = hears("the drain", &mut of_ada, |event| drains(&event)).await;
    assert_eq!(reason, (HandoverReason::TakenOver, bob.session()));
    within("Bob's grant", bob.granted()).await.unwrap();
    assert_eq!(text(&bob, "t").len(), words);
    let mut of_carol = carol.events();
    let cold = within("a result", carol.lock().take_over()).await;
    assert_eq!(cold, Ok(Outcome::Cooldown));
    let message = hears("how long", &mut of_carol, |event| match event {
        ClientEvent::Explained { message, .. } => Some(message),
        _ => None,
    })
    .await;
    assert!(!message.is_empty());
    let again = async {
        // Nobody announces that it is over; a person would try again, too.
        while carol.lock().take_over().await == Ok(Outcome::Cooldown) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        carol.granted().await
    };
    within("Carol's grant", again).await.unwrap();
    assert_eq!(bob.permission(), EditPermission::Theirs);
    nothing_is_parked(&[&ada, &bob, &carol]).await;
}

#[tokio::test]
async fn without_the_right_nobody_takes_over_or_changes_the_mode() {
    let server = TestServer::with(|settings| settings.rights = "none".parse().unwrap()).await;
    let ada = comes(&server, "Ada").await;
    let bob = comes(&server, "Bob").await;
    takes(&ada, &LockScope::whole()).await;
    assert_eq!(bob.rights(), [Right::Write, Right::Lock]);
    let taken = within("a result", bob.lock().take_over()).await;
    assert_eq!(taken, Ok(Outcome::NotAllowed));
    let mode = within("a result", bob.set_mode(baton_client::LockMode::Open)).await;
    assert_eq!(mode, Ok(Outcome::NotAllowed));
    assert_eq!(ada.permission(), EditPermission::Holder);
}

#[tokio::test]
async fn a_lock_moves_to_the_same_users_other_client_and_to_nobody_elses() {
    let server = TestServer::start().await;
    let key = |of: &str| Some(UserSecret::new(format!("the secret of {of} alone")).unwrap());
    let desk = comes_as(&server, "Ada", |options| options.user_key = key("Ada")).await;
    let phone = comes_as(&server, "Ada", |options| options.user_key = key("Ada")).await;
    let bob = comes_as(&server, "Bob", |options| options.user_key = key("Bob")).await;
    let carol = comes(&server, "Carol").await;
    takes(&desk, &LockScope::whole()).await;
    types(&desk, "t", "from the desk ").unwrap();
    for other in [&bob, &carol] {
        let moved = within("a result", other.lock().move_here()).await;
        assert_eq!(moved, Ok(Outcome::NotAllowed));
    }
    let mut of_desk = desk.events();
    let moved = within("a result", phone.lock().move_here()).await;
    assert_eq!(moved, Ok(Outcome::Done));
    let reason = hears("the drain", &mut of_desk, |event| drains(&event)).await;
    assert_eq!(reason, (HandoverReason::Moved, phone.session()));
    within("the grant", phone.granted()).await.unwrap();
    types(&phone, "t", "from the phone").unwrap();
    sees(&desk, "t", "from the desk from the phone").await;
    nothing_is_parked(&[&desk, &phone]).await;
}

#[tokio::test]
async fn two_write_in_two_parts_at_once() {
    let server = TestServer::start().await;
    let ada = comes(&server, "Ada").await;
    let bob = comes(&server, "Bob").await;
    takes(&ada, &root("title")).await;
    takes(&bob, &root("body")).await;
    for _ in 0..50 {
        types(&ada, "title", "a").unwrap();
        types(&bob, "body", "b").unwrap();
    }
    until("the other's lock", &ada, |ada| {
        ada.lock_for(&root("body")).permission() == EditPermission::Theirs
    })
    .await;
    let theirs = Err(EditError::NotNow(EditPermission::Theirs));
    assert_eq!(types(&ada, "body", "x"), theirs);
    assert_eq!(
        ada.permission(),
        EditPermission::Theirs,
        "the whole is not hers"
    );
    // What nobody has is free, and the whole is not to be had.
    types(&ada, "notes", "free").unwrap();
    let carol = comes(&server, "Carol").await;
    assert_eq!(
        within("a result", carol.try_lock()).await,
        Ok(Outcome::Busy)
    );
    let nobodys = carol.lock_for(&root("notes"));
    assert_eq!(nobodys.status(), LockStatus::Free);
    assert_eq!(carol.lock_for(&root("title")).holders().len(), 1);
    sees(&carol, "title", &"a".repeat(50)).await;
    sees(&carol, "body", &"b".repeat(50)).await;
    nothing_is_parked(&[&ada, &bob, &carol]).await;
}

#[tokio::test]
async fn several_parts_are_had_at_once_or_not_at_all() {
    let server = TestServer::start().await;
    let ada = comes(&server, "Ada").await;
    let bob = comes(&server, "Bob").await;
    let carol = comes(&server, "Carol").await;
    takes(&bob, &root("notes")).await;
    let both = LockScope::of([["title"], ["notes"]]).unwrap();
    let queued = within("a place", ada.lock_for(&both).acquire()).await;
    assert_eq!(queued, Ok(Outcome::Queued));
    until("a place", &ada, |ada| {
        ada.lock_for(&both).place() == Some(1)
    })
    .await;
    // Half of it is not held back meanwhile: nobody holds and waits.
    types(&carol, "title", "still free").unwrap();
    sees(&ada, "title", "still free").await;
    within("a result", bob.lock_for(&root("notes")).release())
        .await
        .unwrap();
    let fence = within("both", ada.lock_for(&both).granted()).await.unwrap();
    assert_eq!(
        ada.grants().into_iter().collect::<Vec<_>>(),
        [(fence, both.clone())]
    );
    types(&ada, "title", "!").unwrap();
    types(&ada, "notes", "!").unwrap();
    // Who holds does not wait for more.
    takes(&bob, &root("body")).await;
    let more = within("a result", bob.lock_for(&root("title")).acquire()).await;
    assert_eq!(more, Ok(Outcome::WouldWait));
    let free = within("a result", bob.lock_for(&root("rows")).acquire()).await;
    assert_eq!(free, Ok(Outcome::Done));
    within("one more", bob.lock_for(&root("rows")).granted())
        .await
        .unwrap();
    assert_eq!(bob.grants().len(), 2);
    nothing_is_parked(&[&ada, &bob, &carol]).await;
}

/// A holder without input yields to who waits, is warned before, and any input keeps the lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_nothing_yields_to_who_waits_unless_it_stirs() {
    let server = TestServer::with(|settings| {
        brisk(settings);
        settings.idle_yield = millis(1500);
        settings.idle_warning = millis(700);
    })
    .await;
    let ada = comes(&server, "Ada").await;
    let bob = comes(&server, "Bob").await;
    takes(&ada, &LockScope::whole()).await;
    let mut of_ada = ada.events();
    let warned = |event| matches!(event, ClientEvent::IdleWarning { .. }).then(Instant::now);
    within("a place", bob.acquire()).await.unwrap();
    let first = hears("a warning", &mut of_ada, warned).await;
    ada.touched();
    let second = hears("another warning", &mut of_ada, warned).await;
    assert!(
        second - first > Duration::from_millis(300),
        "the touch counted"
    );
    let (reason, _) = hears("the drain", &mut of_ada, |event| drains(&event)).await;
    assert_eq!(reason, HandoverReason::Idle);
    within("Bob's grant", bob.granted()).await.unwrap();
    nothing_is_parked(&[&ada, &bob]).await;
}

/// The lock goes round in every way there is while everybody types whenever it may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_handover_parks_nothing_however_fast_the_typing() {
    let server = TestServer::with(|settings| {
        brisk(settings);
        settings.take_over_cooldown = millis(0);
    })
    .await;
    let key = UserSecret::new("all the same user").unwrap();
    let mut people = Vec::new();
    for name in ["Ada", "Bob", "Carol"] {
        let same = |options: &mut ClientOptions| options.user_key = Some(key.clone());
        people.push(std::sync::Arc::new(comes_as(&server, name, same).await));
    }
    takes(&people[0], &LockScope::whole()).await;
    let typists: Vec<_> = people
        .iter()
        .map(|client| {
            let client = std::sync::Arc::clone(client);
            tokio::spawn(async move {
                let mut words = 0_usize;
                let mut events = client.events();
                while words < 400 {
                    match types(&client, "t", "w") {
                        Ok(()) if words.is_multiple_of(UNDER_WAY) => {
                            within("saved", client.saved()).await.unwrap();
                            words += 1;
                        }
                        Ok(()) => words += 1,
                        Err(EditError::NotNow(_)) => {
                            let _changed = events.recv().await;
                        }
                        Err(broken) => panic!("{broken}"),
                    }
                    tokio::task::yield_now().await;
                }
                words
            })
        })
        .collect();
    let mut fences = BTreeSet::new();
    for round in 0..30 {
        let from = &people[round % 3];
        let to = &people[(round + 1) % 3];
        let outcome = match round % 4 {
            0 => from.lock().transfer(to.session().unwrap()).await,
            1 => to.lock().take_over().await,
            2 => to.lock().move_here().await,
            _ => to.lock().request("").await,
        };
        assert!(
            matches!(outcome, Ok(Outcome::Done | Outcome::Queued)),
            "{round}: {outcome:?}"
        );
        fences.insert(within("the next grant", to.granted()).await.unwrap());
    }
    assert_eq!(fences.len(), 30);
    within("a result", people[0].release()).await.unwrap();
    let mut words = 0;
    for typist in typists {
        words += within("everybody to have typed", typist).await.unwrap();
    }
    let all: Vec<_> = people.iter().map(std::sync::Arc::as_ref).collect();
    nothing_is_parked(&all).await;
    let witness = comes(&server, "Witness").await;
    assert_eq!(text(&witness, "t").len(), words);
}
