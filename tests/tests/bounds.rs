//! The table of bounds in docs/benchmarks.md as it must hold on any machine: real processes and sockets, every way in
//! which a holder goes, and limits that leave room for a busy machine. `--example bounds` measures the same in numbers.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the story")]

use std::time::Duration;

use baton_server::Settings;
use baton_sync::document::yrs::{GetString, ReadTxn};
use baton_sync::document::{Document, DocumentOptions};
use baton_sync::{ClientId, StateVector};
use baton_tests::losses::{Waiter, passes_after_a_restart, releases, resumes_after_a_restart};
use baton_tests::{HolderProcess, Join, Loss, ServerProcess, TestServer};
use futures_util::future::join_all;

/// What a bound may be late by on a machine with two cores and other work.
const SLACK: Duration = Duration::from_secs(4);

/// A recovery of a fifth of the product's, and what has to go with it.
const BRISK_RECOVERY: [&str; 6] = [
    "--recovery",
    "2s",
    "--client-stop",
    "1300ms",
    "--beat-every",
    "400ms",
];

/// The clocks of silence at a half of the product's: a machine that stalls for three seconds does not show.
fn at_half_time(settings: &mut Settings) {
    for span in [
        &mut settings.ping_every,
        &mut settings.shaky_after,
        &mut settings.offline_after,
        &mut settings.beat_every,
        &mut settings.beat_every_idle,
        &mut settings.answer_within,
        &mut settings.client_stop,
    ] {
        span.0 /= 2;
    }
}

/// All at the same time, with the product's settings, in a document each.
async fn strike(losses: impl Iterator<Item = Loss>) -> Vec<(Loss, Duration)> {
    let server = ServerProcess::start(&[]).await;
    let address = server.address();
    let striking = losses.map(|loss| async move {
        let document = format!("{loss:?}");
        let took = loss.strikes(address, &document, Duration::ZERO).await;
        (loss, took)
    });
    let struck = join_all(striking).await;
    eprintln!("{struck:?}");
    struck
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_whose_end_is_seen_is_waited_for_until_it_may_not_believe_in_its_lock_and_no_longer()
 {
    let seen = Loss::ALL.into_iter().filter(|loss| loss.is_seen());
    for (loss, took) in strike(seen).await {
        let settings = Settings::default();
        let (_, hard) = loss.bounds(&settings);
        // It began before the server could know.
        let least = settings.grace.0;
        assert!(took >= least, "{loss:?}: passed on after {took:?} already");
        assert!(took < hard + SLACK, "{loss:?}: after {took:?}");
    }
}

/// That nobody is passed over who still believes in their lock is looked at by each of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_who_falls_silent_in_whatever_way_is_waited_for_ten_seconds() {
    let silent = Loss::ALL.into_iter().filter(|loss| !loss.is_seen());
    for (loss, took) in strike(silent).await {
        let (_, hard) = loss.bounds(&Settings::default());
        assert!(took < hard + SLACK, "{loss:?}: after {took:?}");
    }
}

#[tokio::test]
async fn without_a_grace_or_a_lease_a_killed_holders_lock_passes_at_once() {
    let server = ServerProcess::start(&["--grace", "0s", "--wait-out-lease", "off"]).await;
    let took = Loss::Kill
        .strikes(server.address(), "notes", Duration::ZERO)
        .await;
    // Anything but the silence, which would be the next to notice.
    assert!(took < SLACK, "after {took:?}");
}

#[tokio::test]
async fn a_released_lock_is_with_the_next_at_once() {
    let server = ServerProcess::start(&[]).await;
    let mut times = releases(server.address(), "notes", 100).await;
    times.sort_unstable();
    let half = times[times.len() / 2];
    // Two orders of magnitude above what it takes, and below every clock of the lock.
    assert!(
        half < Duration::from_millis(200),
        "half of them in {half:?}"
    );
}

#[tokio::test]
async fn a_holder_keeps_its_grant_over_a_kill_of_the_server() {
    let took = resumes_after_a_restart(&[]).await;
    let recovery = Settings::default().recovery.0;
    assert!(took < recovery, "after {took:?}");
}

#[tokio::test]
async fn a_holder_who_went_with_the_server_is_waited_for_as_long_as_the_recovery() {
    let took = passes_after_a_restart(&BRISK_RECOVERY).await;
    let recovery = Duration::from_secs(2);
    assert!(took >= recovery, "passed on after {took:?} already");
    // It begins when somebody opens the document, and a client tries again after 2.5 s at the latest.
    let back = Duration::from_millis(2500);
    assert!(took < recovery + back + SLACK, "after {took:?}");
}

/// Frozen between an edit and its sending: the process knows nothing of the time that passed, and the edit is late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_holder_that_goes_on_finds_out_that_it_lost_and_its_late_edit_is_parked() {
    let server = TestServer::with(at_half_time).await;
    let mut holder = HolderProcess::start(server.address(), "notes", "Ada").await;
    let waiter = Waiter::queues(server.address(), "notes").await;
    let witness = server.connect(Join::stock("notes")).await;
    witness.sees("<Ada 3>").await;
    holder.freezes_in_an_edit().await;
    waiter.is_granted().await;
    holder.thaws();
    holder.says_that_it_lost().await;
    let park = holder.says_that_it_was_parked().await;
    let words = holder.words("Ada").await;
    drop(holder);

    let shared = witness.text();
    let late = words.last().unwrap();
    assert!(!shared.contains(late.as_str()), "{late} is nobody's now");
    let base = witness.look(|known| known.memory.document.diff(&StateVector::new()).unwrap());
    drop(witness);
    drop(waiter);
    let room = server.stop().await.room("notes");
    let parks: Vec<_> = room.state().parks().collect();
    assert_eq!(parks.len(), 1);
    assert_eq!(parks[0].id, park);
    let client = ClientId::new(1).unwrap();
    let mut merged = Document::new(&DocumentOptions::new(client));
    for update in [base].iter().chain(&parks[0].updates) {
        merged.apply(update).unwrap();
    }
    let text = merged.read(|txn| txn.get_text("t").unwrap().get_string(txn));
    assert_eq!(text.unwrap(), words.concat(), "every word, once, in order");
}
