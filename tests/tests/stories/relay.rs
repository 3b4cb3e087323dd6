//! One lock that goes round three people in every way in which it can pass, over real sockets: each grant of it is as good
//! as the first.

use baton_sync::control_channel::{ClientMessage, FencingToken, Outcome};
use baton_tests::{Beats, Join, LockState, RawClient, TestServer, millis};

const SECRET: &str = "sixteen bytes and some more";

async fn comes(server: &TestServer, name: &str) -> RawClient {
    let join = Join::member("notes", name).of_user(SECRET);
    server.connect(join).await
}

async fn comes_back(server: &TestServer, name: &str, gone: RawClient) -> RawClient {
    let memory = gone.vanishes().await;
    let join = Join::member("notes", name).of_user(SECRET);
    server.connect(join.remembering(memory)).await
}

/// Beats confirm more and more of its answers.
async fn is_confirmed(client: &RawClient, when: &str) {
    for _ in 0..2 {
        let before = client.look(|known| known.beats.1);
        let what = format!("a newer answer than {before} to be confirmed {when}");
        client
            .until(&what, |known| (known.beats.1 > before).then_some(()))
            .await;
    }
}

async fn waits(client: &RawClient) {
    assert_eq!(client.acquires().await, Outcome::Queued);
}

async fn does(client: &RawClient, operation: impl FnOnce(u64) -> ClientMessage) {
    assert_eq!(client.operates(operation).await, Outcome::Done);
}

/// Told to stop, it does.
async fn drains(client: &RawClient, fence: FencingToken) {
    client.is_told_to_drain(fence).await;
    client.is_drained(fence);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_goes_round_three_people_in_every_way_and_each_grant_is_confirmed() {
    let server = TestServer::with(|settings| {
        TestServer::brisk(settings);
        settings.request = millis(900);
        settings.idle_yield = millis(1_200);
        settings.idle_warning = millis(600);
        settings.take_over_cooldown = millis(0);
    })
    .await;
    let mut ada = comes(&server, "Ada").await;
    let mut bob = comes(&server, "Bob").await;
    let cleo = comes(&server, "Cleo").await;
    let mut fence = ada.takes_lock().await;
    is_confirmed(&ada, "at first").await;

    for round in 0..2 {
        // Ada gives it back, and Bob waits.
        waits(&bob).await;
        assert_eq!(ada.releases(fence).await, Outcome::Done);
        fence = bob.claims().await;
        is_confirmed(&bob, &format!("after a release in round {round}")).await;

        // Bob hands it to Cleo.
        let to = cleo.session();
        does(&bob, |nonce| ClientMessage::Transfer { nonce, fence, to }).await;
        drains(&bob, fence).await;
        fence = cleo.claims().await;
        is_confirmed(&cleo, &format!("after a transfer in round {round}")).await;

        // Ada requests it, and Cleo does not answer.
        let requested = ada.operates(|nonce| ClientMessage::Request {
            nonce,
            paths: Vec::new(),
            note: String::new(),
        });
        assert_eq!(requested.await, Outcome::Queued);
        drains(&cleo, fence).await;
        fence = ada.claims().await;
        is_confirmed(&ada, &format!("after a request in round {round}")).await;

        // Bob takes it over; Cleo moves it to herself.
        let paths = Vec::new();
        does(&bob, |nonce| ClientMessage::TakeOver { nonce, paths }).await;
        drains(&ada, fence).await;
        fence = bob.claims().await;
        is_confirmed(&bob, &format!("after a take-over in round {round}")).await;
        let paths = Vec::new();
        does(&cleo, |nonce| ClientMessage::MoveHere { nonce, paths }).await;
        drains(&bob, fence).await;
        fence = cleo.claims().await;
        is_confirmed(&cleo, &format!("after a move in round {round}")).await;

        // Cleo does nothing for long, and Ada waits.
        cleo.set_idle_ms(5_000);
        waits(&ada).await;
        drains(&cleo, fence).await;
        ada.claims().await;
        cleo.set_idle_ms(0);
        is_confirmed(&ada, &format!("after a yield in round {round}")).await;

        // Ada's page freezes, and thaws when Bob has it.
        waits(&bob).await;
        ada.set_beats(Beats::Ignored);
        fence = bob.claims().await;
        ada.set_beats(Beats::Answered);
        is_confirmed(&bob, &format!("after a silence in round {round}")).await;

        // Bob's connection is lost, and he comes back in time; then too late.
        bob = comes_back(&server, "Bob", bob).await;
        assert_eq!(bob.is_granted().await, fence);
        is_confirmed(&bob, &format!("after a resume in round {round}")).await;
        waits(&cleo).await;
        let memory = bob.vanishes().await;
        fence = cleo.claims().await;
        let back = Join::member("notes", "Bob").of_user(SECRET);
        bob = server.connect(back.remembering(memory)).await;
        is_confirmed(&cleo, &format!("after a lost connection in round {round}")).await;

        // Cleo gives it to Ada, who begins the next round; nobody is shut out by now.
        waits(&ada).await;
        assert_eq!(cleo.releases(fence).await, Outcome::Done);
        fence = ada.claims().await;
        is_confirmed(&ada, &format!("at the end of round {round}")).await;
        bob.sees_lock(LockState::Held).await;
        ada = comes_back(&server, "Ada", ada).await;
        assert_eq!(ada.is_granted().await, fence);
    }
}
