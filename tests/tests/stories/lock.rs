//! The edit lock: who gets it, who waits, and how it passes on.

use std::time::{Duration, Instant};

use baton_server::{Settings, Switch};
use baton_sync::control_channel::{ClientMessage, FencingToken, Outcome, PeerStatus};
use baton_tests::{
    Beats, Join, LockState, Memory, RawClient, ServerProcess, TestServer, converge, millis,
    one_machine,
};

async fn member(server: &TestServer, name: &str) -> RawClient {
    server.connect(Join::member("notes", name)).await
}

fn back(name: &str, memory: Memory) -> Join {
    Join::member("notes", name).remembering(memory)
}

fn queue(client: &RawClient) -> Vec<u64> {
    client.look(|known| known.queue())
}

async fn sees_queue(client: &RawClient, wanted: &[u64]) {
    client
        .until(&format!("the queue {wanted:?}"), |known| {
            let waiting = known.lock.as_ref()?.waiting as usize;
            (known.queue() == wanted && waiting == wanted.len()).then_some(())
        })
        .await;
}

/// A moment before which the silence of this client has not begun, and soon after which it can.
async fn answers_a_beat(client: &RawClient) -> Instant {
    let began = Instant::now();
    let before = client.look(|known| known.beats.0);
    client
        .until("another beat", |known| {
            (known.beats.0 > before).then_some(())
        })
        .await;
    began
}

/// As long as a grace lasts, shown by another document where somebody waits for its end.
async fn a_grace_passes(server: &TestServer) {
    let cut_off = server.connect(Join::member("clock", "Cut off")).await;
    let waiting = server.connect(Join::member("clock", "Waiting")).await;
    cut_off.takes_lock().await;
    waiting.acquires().await;
    cut_off.vanishes().await;
    waiting.claims().await;
}

#[tokio::test]
async fn a_free_lock_is_offered_and_granted_and_all_see_it() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    assert_eq!(bob.sees_lock(LockState::Held).await, Some(ada.session()));
    bob.until("the fence in the view", |known| {
        (known.fence_shown() == Some(fence)).then_some(())
    })
    .await;
    assert_eq!(ada.releases(fence).await, Outcome::Done);
    bob.sees_lock(LockState::Free).await;
    let carol = member(&server, "Carol").await;
    carol.sees_lock(LockState::Free).await;
}

#[tokio::test]
async fn who_waits_gets_it_in_turn_under_growing_fences() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let carol = member(&server, "Carol").await;
    let first = ada.takes_lock().await;
    assert_eq!(carol.acquires().await, Outcome::Queued);
    assert_eq!(bob.acquires().await, Outcome::Queued);
    sees_queue(&ada, &[carol.session(), bob.session()]).await;
    assert_eq!(ada.releases(first).await, Outcome::Done);
    let second = carol.claims().await;
    sees_queue(&ada, &[bob.session()]).await;
    carol.releases(second).await;
    let third = bob.claims().await;
    sees_queue(&ada, &[]).await;
    assert!(first < second && second < third);
}

#[tokio::test]
async fn to_ask_twice_is_to_ask_once() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    assert_eq!(ada.acquires().await, Outcome::Done, "it has it already");
    assert_eq!(bob.acquires().await, Outcome::Queued);
    assert_eq!(bob.acquires().await, Outcome::Queued);
    sees_queue(&ada, &[bob.session()]).await;
    assert_eq!(ada.look(|known| known.fence()), Some(fence));
}

#[tokio::test]
async fn who_cancels_is_passed_by() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let carol = member(&server, "Carol").await;
    let fence = ada.takes_lock().await;
    bob.acquires().await;
    carol.acquires().await;
    let outcome = bob.operates(|nonce| ClientMessage::Cancel { nonce }).await;
    assert_eq!(outcome, Outcome::Done);
    sees_queue(&ada, &[carol.session()]).await;
    ada.releases(fence).await;
    carol.claims().await;
}

#[tokio::test]
async fn to_cancel_an_offer_passes_it_on() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let carol = member(&server, "Carol").await;
    let fence = ada.takes_lock().await;
    bob.acquires().await;
    carol.acquires().await;
    ada.releases(fence).await;
    let offer = bob.is_offered().await;
    bob.operates(|nonce| ClientMessage::Cancel { nonce }).await;
    bob.loses(offer).await;
    carol.claims().await;
    sees_queue(&ada, &[]).await;
}

#[tokio::test]
async fn a_try_takes_a_free_lock_and_never_waits() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let tried = ada
        .operates(|nonce| ClientMessage::Try {
            nonce,
            paths: Vec::new(),
        })
        .await;
    assert_eq!(tried, Outcome::Done);
    let fence = ada.claims().await;
    let tried = bob
        .operates(|nonce| ClientMessage::Try {
            nonce,
            paths: Vec::new(),
        })
        .await;
    assert_eq!(tried, Outcome::Busy);
    assert!(queue(&bob).is_empty());
    ada.releases(fence).await;
    bob.sees_lock(LockState::Free).await;
}

#[tokio::test]
async fn only_the_holder_releases_and_only_the_present_grant() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let old = ada.takes_lock().await;
    assert_eq!(bob.releases(old).await, Outcome::Stale);
    ada.releases(old).await;
    let fence = ada.takes_lock().await;
    assert_eq!(ada.releases(old).await, Outcome::Stale);
    bob.says(&ClientMessage::Claim { fence });
    assert_eq!(
        bob.acquires().await,
        Outcome::Queued,
        "nothing came of that claim"
    );
    assert_eq!(bob.sees_lock(LockState::Held).await, Some(ada.session()));
}

#[tokio::test]
async fn an_observer_is_not_given_the_lock() {
    let server = TestServer::start().await;
    let ada = server
        .connect(Join::member("notes", "Ada").observing())
        .await;
    assert_eq!(ada.acquires().await, Outcome::Forbidden);
    let bob = member(&server, "Bob").await;
    bob.takes_lock().await;
}

#[tokio::test]
async fn an_offer_that_is_declined_goes_on_and_the_ticket_stays_only_if_it_is_wanted_later() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let carol = member(&server, "Carol").await;
    let fence = ada.takes_lock().await;
    bob.acquires().await;
    carol.acquires().await;
    ada.releases(fence).await;
    let offer = bob.is_offered().await;
    let later = true;
    bob.says(&ClientMessage::Decline {
        fence: offer,
        later,
    });
    bob.loses(offer).await;
    let fence = carol.claims().await;
    sees_queue(&ada, &[bob.session()]).await;
    carol.releases(fence).await;
    let offer = bob.is_offered().await;
    let later = false;
    bob.says(&ClientMessage::Decline {
        fence: offer,
        later,
    });
    sees_queue(&ada, &[]).await;
    ada.sees_lock(LockState::Free).await;
}

/// A page that was busy for a moment: nobody but it waits, and somebody who comes later is no excuse.
#[tokio::test]
async fn a_waiter_that_missed_an_offer_is_offered_the_lock_again_and_before_a_newcomer() {
    let server = TestServer::with(|settings| {
        settings.offer = millis(300);
        settings.offer_again = millis(300);
    })
    .await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let carol = member(&server, "Carol").await;
    let fence = ada.takes_lock().await;
    bob.acquires().await;
    ada.releases(fence).await;
    let missed = bob.is_offered().await;
    bob.loses(missed).await;
    let again = bob.is_offered().await;
    assert!(again > missed);
    bob.loses(again).await;
    sees_queue(&ada, &[bob.session()]).await;
    carol.acquires().await;
    let before_carol = bob.claims().await;
    assert!(before_carol > again);
    bob.releases(before_carol).await;
    carol.claims().await;
}

#[tokio::test]
async fn an_offer_that_nobody_claims_goes_on_in_time_and_the_ticket_stays() {
    let server = TestServer::with(|settings| settings.offer = millis(300)).await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let carol = member(&server, "Carol").await;
    let fence = ada.takes_lock().await;
    bob.acquires().await;
    carol.acquires().await;
    let began = Instant::now();
    ada.releases(fence).await;
    let offer = bob.is_offered().await;
    let fence = carol.claims().await;
    let passed = began.elapsed();
    assert!(passed >= Duration::from_millis(250), "after {passed:?}");
    bob.loses(offer).await;
    sees_queue(&ada, &[bob.session()]).await;
    bob.says(&ClientMessage::Claim { fence: offer });
    carol.releases(fence).await;
    let second = bob.claims().await;
    assert!(
        second > fence,
        "the late claim of the first offer came to nothing"
    );
}

#[tokio::test]
async fn a_lock_that_is_released_with_nobody_waiting_is_free() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    ada.releases(fence).await;
    bob.sees_lock(LockState::Free).await;
    assert!(
        bob.look(|known| known.fence().is_none()),
        "nobody is made a holder"
    );
}

#[tokio::test]
async fn who_says_goodbye_with_the_lock_passes_it_at_once() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    ada.takes_lock().await;
    bob.acquires().await;
    let began = Instant::now();
    ada.leaves().await;
    bob.claims().await;
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "no grace was waited for"
    );
}

#[tokio::test]
async fn a_cut_off_holder_that_comes_back_in_time_holds_on_with_the_same_fence() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    bob.acquires().await;
    let memory = ada.vanishes().await;
    bob.sees_lock(LockState::Suspect).await;
    let ada = server.connect(back("Ada", memory)).await;
    assert_eq!(ada.is_granted().await, fence);
    assert_eq!(bob.sees_lock(LockState::Held).await, Some(ada.session()));
    ada.types("still mine");
    bob.sees("still mine").await;
    ada.releases(fence).await;
    bob.claims().await;
}

#[tokio::test]
async fn a_cut_off_holder_that_stays_away_loses_it_to_the_first_in_the_queue() {
    let server = TestServer::with(|settings| TestServer::graced(settings, 300)).await;
    let ada = member(&server, "Ada").await;
    let _bob = member(&server, "Bob").await;
    let carol = member(&server, "Carol").await;
    let fence = ada.takes_lock().await;
    carol.acquires().await;
    let began = Instant::now();
    let memory = ada.vanishes().await;
    let next = carol.claims().await;
    let passed = began.elapsed();
    assert!(next > fence);
    assert!(
        passed > Duration::from_millis(200) && passed < Duration::from_secs(3),
        "passed after {passed:?}"
    );
    let ada = server.connect(back("Ada", memory)).await;
    ada.loses(fence).await;
    assert_eq!(ada.sees_lock(LockState::Held).await, Some(carol.session()));
}

/// The socket of a holder is lost right after the grant, and it does not notice: for as long as it may go on, on a clock
/// at two thirds of the speed, nobody else is offered the lock.
#[tokio::test]
async fn a_holder_that_is_lost_right_after_the_grant_is_waited_for_until_it_has_stopped() {
    let server = TestServer::with(|settings| {
        TestServer::brisk(settings);
        settings.grace = millis(100);
        settings.wait_out_lease = Switch::On;
    })
    .await;
    let bob = member(&server, "Bob").await;
    let ada = member(&server, "Ada").await;
    let began = Instant::now();
    ada.takes_lock().await;
    bob.acquires().await;
    ada.vanishes().await;
    bob.claims().await;
    let passed = began.elapsed();
    let lease = Settings::default().timings().lease();
    let brisk = baton_server::TimingProfile::Fast.timings().lease();
    assert!(brisk < lease && passed >= brisk, "passed after {passed:?}");
    assert!(passed < brisk + Duration::from_secs(4), "after {passed:?}");
}

/// The baton of a relay race: it passes also to somebody who never asked.
#[tokio::test]
async fn a_lost_holders_lock_passes_to_who_has_been_here_longest() {
    let server = TestServer::with(|settings| TestServer::graced(settings, 300)).await;
    let _watching = server
        .connect(Join::member("notes", "Watching").observing())
        .await;
    let _stock = server.connect(Join::stock("notes")).await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let carol = member(&server, "Carol").await;
    ada.takes_lock().await;
    ada.vanishes().await;
    bob.claims().await;
    assert_eq!(carol.sees_lock(LockState::Held).await, Some(bob.session()));
}

#[tokio::test]
async fn an_automatic_offer_that_is_missed_goes_to_the_next() {
    let server = TestServer::with(|settings| {
        TestServer::graced(settings, 300);
        settings.offer = millis(300);
    })
    .await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let carol = member(&server, "Carol").await;
    ada.takes_lock().await;
    ada.vanishes().await;
    let missed = bob.is_offered().await;
    carol.claims().await;
    bob.loses(missed).await;
}

#[tokio::test]
async fn without_auto_pass_a_lost_holders_lock_waits_for_somebody_who_asks() {
    let server = TestServer::with(|settings| {
        TestServer::graced(settings, 200);
        settings.auto_pass = Switch::Off;
    })
    .await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    ada.vanishes().await;
    bob.sees_lock(LockState::Suspect).await;
    a_grace_passes(&server).await;
    bob.sees_lock(LockState::Suspect).await;
    bob.acquires().await;
    assert!(bob.claims().await > fence);
}

#[tokio::test]
async fn a_holder_whom_nobody_could_follow_keeps_it() {
    let server = TestServer::with(|settings| TestServer::graced(settings, 200)).await;
    let ada = member(&server, "Ada").await;
    let watching = server
        .connect(Join::member("notes", "Watching").observing())
        .await;
    let fence = ada.takes_lock().await;
    let memory = ada.vanishes().await;
    watching.sees_lock(LockState::Suspect).await;
    a_grace_passes(&server).await;
    let ada = server.connect(back("Ada", memory)).await;
    assert_eq!(ada.is_granted().await, fence);
}

#[tokio::test]
async fn a_waiter_that_is_away_is_skipped_and_keeps_its_place() {
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let carol = member(&server, "Carol").await;
    let first = ada.takes_lock().await;
    bob.acquires().await;
    carol.acquires().await;
    let session = bob.session();
    let memory = bob.vanishes().await;
    ada.sees_peer("Bob", PeerStatus::Offline).await;
    ada.releases(first).await;
    let second = carol.claims().await;
    sees_queue(&carol, &[session]).await;
    let bob = server.connect(back("Bob", memory)).await;
    ada.acquires().await;
    carol.releases(second).await;
    bob.claims().await;
}

/// Pongs go on, beats are not answered: the page is frozen, and somebody waits.
#[tokio::test]
async fn a_silent_holder_loses_it_when_somebody_waits() {
    let server = TestServer::with(TestServer::brisk).await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    bob.acquires().await;
    let began = answers_a_beat(&ada).await;
    ada.set_beats(Beats::Ignored);
    bob.claims().await;
    let passed = began.elapsed();
    ada.loses(fence).await;
    assert!(
        passed > Duration::from_millis(1400) && passed < Duration::from_secs(7),
        "passed after {passed:?}, where 2 s and at most 3 s were meant"
    );
}

/// Nothing comes through in either direction, and no end of the connection is seen.
#[tokio::test]
async fn a_holder_in_a_black_hole_loses_it_after_silence_and_grace() {
    let server = TestServer::with(TestServer::brisk).await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    let began = answers_a_beat(&ada).await;
    ada.stalls();
    assert!(bob.claims().await > fence);
    let passed = began.elapsed();
    assert!(
        passed > Duration::from_millis(1400) && passed < Duration::from_secs(8),
        "passed after {passed:?}, where 2 s and at most 3 s were meant"
    );
}

#[tokio::test]
async fn a_silent_holder_who_is_alone_keeps_it_until_somebody_comes() {
    let server = TestServer::with(TestServer::brisk).await;
    let watching = server
        .connect(Join::member("notes", "Watching").observing())
        .await;
    let ada = member(&server, "Ada").await;
    ada.takes_lock().await;
    ada.set_beats(Beats::Ignored);
    watching.sees_peer("Ada", PeerStatus::Offline).await;
    assert_eq!(
        watching.sees_lock(LockState::Held).await,
        Some(ada.session())
    );
    let bob = member(&server, "Bob").await;
    bob.claims().await;
}

#[tokio::test]
async fn a_holder_that_answers_keeps_it_however_long_others_wait() {
    let server = TestServer::with(TestServer::brisk).await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    bob.acquires().await;
    ada.until("ten beats, each confirmed", |known| {
        (known.beats.0 >= 10 && known.beats.1 > 0).then_some(())
    })
    .await;
    assert_eq!(ada.look(|known| known.fence()), Some(fence));
    assert_eq!(bob.sees_lock(LockState::Held).await, Some(ada.session()));
}

#[tokio::test]
async fn a_holder_resumes_after_a_restart_with_the_same_fence() {
    one_machine!(Restart);
    let server = TestServer::start().await;
    let ada = member(&server, "Ada").await;
    let fence = ada.takes_lock().await;
    ada.types("before");
    ada.is_saved().await;
    let memory = ada.vanishes().await;
    let server = server.restart().await;
    let bob = member(&server, "Bob").await;
    bob.sees_lock(LockState::Recovering).await;
    let ada = server.connect(back("Ada", memory)).await;
    assert_eq!(ada.is_granted().await, fence);
    bob.sees_lock(LockState::Held).await;
    ada.types(" and after");
    bob.sees("before and after").await;
}

#[tokio::test]
async fn a_holder_resumes_after_a_kill_with_the_same_fence() {
    one_machine!(Process);
    let mut server = ServerProcess::start(&[]).await;
    let ada = server.connect(Join::member("notes", "Ada")).await;
    let fence = ada.takes_lock().await;
    server.kill().await;
    ada.ends().await;
    let memory = ada.vanishes().await;
    server.start_again().await;
    let ada = server.connect(back("Ada", memory)).await;
    assert!(ada.look(|known| known.resumed));
    assert_eq!(ada.is_granted().await, fence);
}

#[tokio::test]
async fn after_a_restart_another_gets_it_when_the_holder_stays_away() {
    one_machine!(Restart);
    let server = TestServer::with(|settings| {
        settings.recovery = millis(900);
        settings.client_stop = millis(500);
        settings.beat_every = millis(200);
    })
    .await;
    let ada = member(&server, "Ada").await;
    let bob = member(&server, "Bob").await;
    let fence = ada.takes_lock().await;
    bob.acquires().await;
    let memory = bob.vanishes().await;
    drop(ada);
    let server = server.restart().await;
    let carol = member(&server, "Carol").await;
    carol.sees_lock(LockState::Recovering).await;
    let bob = server.connect(back("Bob", memory)).await;
    assert!(bob.look(|known| known.resumed));
    let next = bob.claims().await;
    assert!(next > fence);
    assert!(
        carol.look(|known| known.fence().is_none()),
        "the ticket went first"
    );
}

#[tokio::test]
async fn fences_grow_over_restarts() {
    let mut server = TestServer::start().await;
    let mut last: Option<FencingToken> = None;
    for round in 0..3 {
        let ada = member(&server, "Ada").await;
        let fence = ada.takes_lock().await;
        assert!(last < Some(fence), "round {round}: {last:?} then {fence:?}");
        ada.releases(fence).await;
        ada.leaves().await;
        last = Some(fence);
        server = server.restart().await;
    }
}

/// The relay: many who want it, each edits under it and passes it on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_goes_round_reaches_all_and_parks_nothing() {
    let server = TestServer::start().await;
    let mut runners = Vec::new();
    for runner in 0..8 {
        runners.push(member(&server, &format!("R{runner}")).await);
    }
    let legs = runners
        .iter()
        .enumerate()
        .map(|(runner, client)| async move {
            let mut fences = Vec::new();
            for lap in 0..5 {
                client.acquires().await;
                let fence = client.claims().await;
                client.types(&format!("[{runner}.{lap}]"));
                client.releases(fence).await;
                fences.push(fence);
            }
            fences
        });
    let mut fences: Vec<FencingToken> = futures_util::future::join_all(legs)
        .await
        .into_iter()
        .flatten()
        .collect();
    let all: Vec<&RawClient> = runners.iter().collect();
    converge(&all).await;
    assert_eq!(runners[0].text().matches('[').count(), 40);
    fences.sort();
    fences.dedup();
    assert_eq!(fences.len(), 40, "no grant twice");
    drop(runners);
    assert_eq!(server.stop().await.room("notes").state().parks().count(), 0);
}

#[tokio::test]
async fn the_clocks_that_a_client_is_told_are_the_servers() {
    let server = TestServer::with(|settings| settings.offer = millis(1234)).await;
    let ada = member(&server, "Ada").await;
    let told = ada
        .hears("the welcome", |message| match message {
            baton_sync::control_channel::ServerMessage::Welcome { timings, .. } => Some(*timings),
            _ => None,
        })
        .await;
    let settings = Settings::default();
    assert_eq!(told.offer, 1234);
    assert_eq!(u128::from(told.grace), settings.grace.0.as_millis());
    assert_eq!(
        u128::from(told.client_stop),
        settings.client_stop.0.as_millis()
    );
}
