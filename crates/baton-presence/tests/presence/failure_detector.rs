//! Heartbeats in virtual time: shaky and silent sessions, and the effect on their locks.

use std::time::Duration;

use baton_presence::{
    AutoPass, BeatVerdict, Change, ClientKind, Event, FailureDetector, LockState, Proposal, Rights,
    Scope, SessionHealth, SessionId, Time, Timings,
};

use crate::harness::{A, B, C, D, Manner, NewestLock, Room, acquire, joined_with, path, resumed};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn room() -> Room {
    Room::new(Timings::default(), AutoPass::On)
}

/// Returns a room in which `A` holds the lock and all sessions have answered for a while.
fn room_with_holder(others: &[SessionId]) -> Room {
    let mut room = room();
    room.join(A, ClientKind::LockAware);
    for other in others {
        room.join(*other, ClientKind::LockAware);
    }
    room.record(acquire(A));
    room.pass(secs(60));
    assert!(matches!(room.state(), NewestLock::Held { by: A, .. }));
    room
}

fn granted(session: SessionId) -> impl Fn(&Change) -> bool {
    move |change| matches!(change, Change::Granted { to, .. } if *to == session)
}

fn lost(session: SessionId) -> impl Fn(&Change) -> bool {
    move |change| *change == Change::Lost { session }
}

#[test]
fn a_session_that_answers_is_never_called_silent() {
    let mut room = room();
    for id in 1..=50 {
        let client_kind = if id % 2 == 0 {
            ClientKind::LockUnaware
        } else {
            ClientKind::LockAware
        };
        room.join(SessionId(id), client_kind);
    }
    room.record(acquire(A));
    let since = room.now;
    room.pass(secs(600));
    assert_eq!(
        room.first(since, |c| matches!(c, Change::Lost { .. })),
        None
    );
    let shaky = |p: &Proposal| matches!(p, Proposal::Health { .. } | Proposal::Dead { .. });
    assert_eq!(room.proposed(since, shaky), None);
}

#[test]
fn a_silent_peer_walks_from_online_through_shaky_to_offline_and_is_closed() {
    let mut room = room();
    room.join(A, ClientKind::LockUnaware);
    room.pass(secs(30));
    room.manners.insert(A, Manner::Dead);
    room.detector.heard(A, room.now);
    let since = room.now;
    room.pass(secs(20));
    let health = SessionHealth::Shaky;
    let shaky = |p: &Proposal| *p == Proposal::Health { session: A, health };
    assert_eq!(room.proposed(since, shaky), Some(secs(6)));
    assert_eq!(room.first(since, lost(A)), Some(secs(10)));
    let dead = |p: &Proposal| *p == Proposal::Dead { session: A };
    assert_eq!(room.proposed(since, dead), Some(secs(10)));
    assert_eq!(room.detector.health(A, room.now), SessionHealth::Offline);
}

#[test]
fn anything_received_makes_a_shaky_peer_steady_again_at_once() {
    let mut room = room();
    room.join(A, ClientKind::LockUnaware);
    room.manners.insert(A, Manner::Dead);
    room.pass(secs(7));
    assert_eq!(room.detector.health(A, room.now), SessionHealth::Shaky);
    let since = room.now;
    room.detector.heard(A, room.now);
    room.pass(millis(1));
    let health = SessionHealth::Online;
    let steady = |p: &Proposal| *p == Proposal::Health { session: A, health };
    assert_eq!(room.proposed(since, steady), Some(Duration::ZERO));
}

#[test]
fn every_session_is_pinged_every_five_seconds_and_not_all_at_once() {
    let mut room = room();
    for id in 1..=100 {
        room.join(SessionId(id), ClientKind::LockUnaware);
    }
    let since = room.now;
    room.pass(secs(50));
    let pings = |session: SessionId| {
        room.proposals
            .iter()
            .filter(|(_, p)| *p == Proposal::Ping { session })
            .map(|(at, _)| *at)
            .collect::<Vec<_>>()
    };
    for id in 1..=100 {
        let pings = pings(SessionId(id));
        assert_eq!(pings.len(), 10);
        assert!(pings.windows(2).all(|two| two[1].since(two[0]) == secs(5)));
    }
    let in_the_first = |part: Duration| {
        room.proposals
            .iter()
            .filter(|(at, _)| at.since(since) <= part)
            .count()
    };
    assert!(in_the_first(secs(1)) > 10 && in_the_first(secs(1)) < 30);
}

#[test]
fn the_lock_of_a_dead_holder_is_the_others_within_ten_seconds() {
    let mut room = room_with_holder(&[B]);
    room.manners.insert(A, Manner::Dead);
    let since = room.now;
    room.pass(secs(20));
    let taken = room.first(since, granted(B)).expect("B gets the lock");
    assert!(taken <= secs(10), "{taken:?}");
}

#[test]
fn a_frozen_tab_loses_the_lock_but_not_its_connection_and_is_back_when_it_thaws() {
    let mut room = room_with_holder(&[B]);
    room.manners.insert(A, Manner::Frozen);
    let since = room.now;
    room.pass(secs(30));
    assert!(
        room.first(since, granted(B))
            .is_some_and(|at| at <= secs(10))
    );
    assert!(room.first(since, lost(A)).is_some_and(|at| at <= secs(10)));
    assert_eq!(
        room.proposed(since, |p| matches!(p, Proposal::Dead { .. })),
        None
    );
    room.manners.insert(A, Manner::Well);
    let since = room.now;
    room.pass(secs(10));
    let back = room.first(since, |c| *c == Change::Back { session: A });
    assert!(back.is_some_and(|at| at <= secs(5)), "{back:?}");
    assert!(matches!(room.state(), NewestLock::Held { by: B, .. }));
}

#[test]
fn a_frozen_tab_that_is_alone_keeps_its_lock_and_its_fence() {
    let mut room = room_with_holder(&[]);
    let before = room.state();
    room.manners.insert(A, Manner::Frozen);
    room.pass(secs(600));
    assert_eq!(room.state(), before);
    room.manners.insert(A, Manner::Well);
    let since = room.now;
    room.pass(secs(5));
    assert_eq!(room.state(), before);
    assert!(
        room.first(since, |c| matches!(c, Change::Resumed { by: A, .. }))
            .is_some()
    );
}

#[test]
fn a_lock_unaware_session_is_judged_by_its_connection_alone() {
    let mut room = room();
    room.join(A, ClientKind::LockUnaware);
    room.manners.insert(A, Manner::Frozen);
    room.pass(secs(120));
    assert_eq!(room.detector.health(A, room.now), SessionHealth::Online);
    let beaten = |p: &Proposal| matches!(p, Proposal::Beat { .. });
    assert_eq!(room.proposed(Time::ZERO, beaten), None);
    assert_eq!(
        room.detector.answered(A, 1, Duration::ZERO, room.now),
        BeatVerdict::Stale
    );
}

#[test]
fn the_holder_and_the_next_in_line_are_beaten_often_and_the_rest_seldom() {
    let room = {
        let mut room = room_with_holder(&[B, C]);
        room.proposals.clear();
        room.pass(secs(100));
        room
    };
    let beats = |session: SessionId| {
        room.proposals
            .iter()
            .filter(|(_, p)| matches!(p, Proposal::Beat { session: s, .. } if *s == session))
            .count()
    };
    assert_eq!((beats(A), beats(B), beats(C)), (50, 50, 20));
}

#[test]
fn a_session_that_becomes_holder_is_beaten_at_once() {
    let mut room = room();
    room.join(A, ClientKind::LockAware);
    room.join(B, ClientKind::LockAware);
    room.join(C, ClientKind::LockAware);
    room.record(acquire(A));
    room.pass(secs(31));
    let since = room.now;
    room.manners.insert(C, Manner::Frozen);
    room.record(acquire(C));
    let fence = room.log.fence();
    room.record(Event::Release { session: A, fence });
    assert!(matches!(room.state(), NewestLock::Offered { to: C, .. }));
    room.pass(millis(2_000));
    let beat = |p: &Proposal| matches!(p, Proposal::Beat { session: C, .. });
    let first = room.proposed(since, beat).expect("a beat");
    assert!(first < secs(2), "{first:?}");
}

#[test]
fn an_answer_counts_only_for_a_recent_beat_of_this_connection_and_once() {
    let lock_state = room().log.lock_state;
    let mut detector = FailureDetector::new(Timings::default()).expect("the timings fit");
    let mut now = Time::from_millis(1_000);
    detector.attached(A, ClientKind::LockAware, now);
    let mut beats = Vec::new();
    while beats.len() < 3 {
        now = detector.poll_timeout().expect("a deadline");
        let mut out = Vec::new();
        detector.handle_timeout(now, &lock_state, 0, &mut out);
        beats.extend(out.iter().filter_map(|p| match p {
            Proposal::Beat { n, .. } => Some(*n),
            _ => None,
        }));
        detector.heard(A, now);
    }
    assert!(beats.is_sorted());
    let newest = beats[2];
    assert_eq!(
        detector.answered(A, newest + 1, Duration::ZERO, now),
        BeatVerdict::Stale,
        "a guess"
    );
    let late = now + millis(5_001);
    assert_eq!(
        detector.answered(A, newest, Duration::ZERO, late),
        BeatVerdict::Stale,
        "too late"
    );
    let in_time = now + millis(5_000);
    assert_eq!(
        detector.answered(A, newest, Duration::ZERO, in_time),
        BeatVerdict::Counts
    );
    assert_eq!(next_beat(&mut detector, &lock_state), Some(newest));
    assert_eq!(
        detector.answered(A, newest, Duration::ZERO, in_time),
        BeatVerdict::Stale,
        "twice"
    );
    assert_eq!(
        detector.answered(A, beats[1], Duration::ZERO, in_time),
        BeatVerdict::Stale,
        "older"
    );
    detector.attached(A, ClientKind::LockAware, in_time);
    assert_eq!(
        detector.answered(A, newest, Duration::ZERO, in_time),
        BeatVerdict::Stale,
        "old link"
    );
    assert_eq!(next_beat(&mut detector, &lock_state), Some(0));
}

/// Returns the answer that the next beat confirms.
fn next_beat(detector: &mut FailureDetector, lock_state: &LockState) -> Option<u64> {
    let mut out = Vec::new();
    while out.is_empty() {
        let now = detector.poll_timeout()?;
        detector.handle_timeout(now, lock_state, 0, &mut out);
        out.retain(|proposal| matches!(proposal, Proposal::Beat { .. }));
    }
    match out[..] {
        [Proposal::Beat { confirmed, .. }] => Some(confirmed),
        _ => None,
    }
}

/// Found by the simulation: the notice of a loss waits until its record is durable. A confirmation
/// that overtakes it would let the old holder edit on while the next one begins.
#[test]
fn answers_are_not_confirmed_before_the_notice_of_a_loss_is_sent() {
    let mut room = room_with_holder(&[B]);
    let lost = room.log.fence();
    room.tells = false;
    room.manners.insert(A, Manner::Frozen);
    room.pass(secs(11));
    assert!(matches!(room.state(), NewestLock::Held { by: B, .. }));
    let before = room.confirmed(A);
    room.manners.insert(A, Manner::Well);
    room.pass(secs(20));
    assert_eq!(room.detector.health(A, room.now), SessionHealth::Online);
    assert_eq!(room.confirmed(A), before);
    // A new connection changes nothing while the client still believes in the old fence.
    room.resume(A, &[lost]);
    room.pass(secs(20));
    assert_eq!(room.confirmed(A), None);
    // The notice is sent, so the answers given in the meantime are confirmed.
    room.tells = true;
    room.pass(secs(6));
    assert!(room.confirmed(A) > before);
}

/// The everyday case: a session that held the lock before answers for the grant that it holds now.
#[test]
fn a_lock_that_comes_back_is_confirmed_to_its_holder_again_and_again() {
    let mut room = room_with_holder(&[B]);
    for round in 0..10 {
        let (from, to) = if round % 2 == 0 { (A, B) } else { (B, A) };
        let fence = room.log.fence();
        let session = from;
        room.record(Event::Transfer { session, fence, to });
        assert!(
            matches!(room.state(), NewestLock::Held { by, .. } if by == to),
            "round {round}: {:?}",
            room.state()
        );
        for _ in 0..3 {
            let before = room.confirmed(to);
            room.pass(secs(6));
            assert!(room.confirmed(to) > before, "round {round}");
        }
    }
}

/// A session has one lease for all its locks; the loss of one lock must not end another.
#[test]
fn a_session_that_read_of_one_lost_lock_keeps_the_other() {
    let mut room = room();
    for session in [A, B] {
        room.join(session, ClientKind::LockAware);
    }
    for scope in [path("a"), path("b")] {
        room.record(Event::Acquire { session: A, scope });
    }
    let mine: Vec<_> = room
        .log
        .lock_state
        .held_by(A)
        .map(|grant| grant.fence)
        .collect();
    room.pass(secs(10));
    room.tells = false;
    room.drains = false;
    let (session, to) = (A, B);
    let fence = mine[0];
    room.record(Event::Transfer { session, fence, to });
    let before = room.confirmed(A);
    room.pass(secs(10));
    assert!(
        room.log
            .lock_state
            .held_by(B)
            .any(|grant| grant.scope == path("a"))
    );
    assert_eq!(room.confirmed(A), before);
    room.tells = true;
    room.pass(secs(3));
    assert!(room.confirmed(A) > before);
    assert!(
        room.log
            .lock_state
            .held_by(A)
            .any(|grant| grant.fence == mine[1])
    );
}

/// A session claims an offer after nine seconds of silence. The claim comes from its page, so its
/// ten seconds, and the client's own stop, count from the claim.
#[test]
fn a_claim_is_as_good_as_an_answer() {
    let mut room = room_with_holder(&[B, C]);
    room.record(acquire(B));
    room.manners.insert(B, Manner::Frozen);
    room.pass(secs(9));
    assert_eq!(room.detector.health(B, room.now), SessionHealth::Shaky);
    let fence = room.log.fence();
    room.record(Event::Release { session: A, fence });
    let fence = room.log.fence();
    room.record(Event::Claim { session: B, fence });
    assert_eq!(room.detector.health(B, room.now), SessionHealth::Online);
    let since = room.now;
    room.pass(secs(30));
    assert!(room.first(since, lost(B)).is_some_and(|at| at >= secs(10)));
}

/// Lets A hold the lock for `held` and lose its connection. Returns the time until B has the lock.
fn passes_after(timings: Timings, held: Duration) -> Duration {
    let mut room = Room::new(timings, AutoPass::On);
    room.join(A, ClientKind::LockAware);
    room.join(B, ClientKind::LockAware);
    room.record(acquire(A));
    room.pass(held);
    let since = room.now;
    room.disconnect(A);
    room.pass(secs(60));
    room.first(since, granted(B)).expect("B has it")
}

#[test]
fn a_closed_connection_costs_the_lock_after_the_grace() {
    for grace in [0, 5, 30] {
        let timings = Timings {
            grace: secs(grace),
            wait_out_lease: false,
            ..Timings::default()
        };
        assert_eq!(passes_after(timings, secs(10)), secs(grace));
    }
}

/// S5 with a short grace: a client that does not notice its lost connection may edit on for
/// `client_stop` after the last confirmed answer, on a clock at two thirds of the speed.
#[test]
fn a_closed_connection_costs_the_lock_not_before_its_holder_has_stopped() {
    let lease = Timings::default().lease();
    assert_eq!(lease, millis(9_750));
    for grace in [0, 5] {
        let timings = Timings {
            grace: secs(grace),
            ..Timings::default()
        };
        assert_eq!(passes_after(timings, Duration::ZERO), lease, "just granted");
        // The last answer that a beat has confirmed is two to four seconds old.
        for held in 0..40 {
            let took = passes_after(timings, secs(20) + millis(50 * held));
            let bounds = lease - secs(4)..=lease - secs(2);
            assert!(bounds.contains(&took), "{took:?}");
        }
    }
    let timings = Timings {
        grace: secs(30),
        ..Timings::default()
    };
    assert_eq!(passes_after(timings, secs(20)), secs(30));
}

#[test]
fn a_reload_within_the_grace_keeps_the_lock() {
    let mut room = room_with_holder(&[B]);
    let before = room.state();
    room.disconnect(A);
    room.pass(millis(4_999));
    room.resume(A, &[]);
    room.pass(secs(60));
    assert_eq!(room.state(), before);
}

/// The grace of a holder that flaps begins anew with each lost connection, although the state of
/// the lock looks the same each time.
#[test]
fn a_second_lost_connection_has_a_grace_of_its_own() {
    let mut room = room_with_holder(&[B]);
    let fence = room.log.fence();
    room.disconnect(A);
    room.pass(secs(4));
    // Both records are applied before the failure detector follows.
    let mut changes = room.log.say(resumed(A, &[fence]));
    changes.extend(room.log.say(Event::Disconnected { session: A }));
    room.detector
        .follow(&room.log.lock_state, &changes, room.now);
    room.changes.clear();
    let since = room.now;
    room.pass(secs(20));
    assert_eq!(room.first(since, granted(B)), Some(secs(5)));
}

#[test]
fn an_offer_that_is_not_claimed_moves_on_after_two_seconds() {
    let mut room = room_with_holder(&[B, C]);
    room.record(acquire(B));
    room.record(acquire(C));
    room.manners.insert(B, Manner::Frozen);
    let since = room.now;
    let fence = room.log.fence();
    room.record(Event::Release { session: A, fence });
    room.pass(secs(5));
    assert_eq!(room.first(since, granted(C)), Some(secs(2)));
}

#[test]
fn two_dead_waiters_cost_two_seconds_each() {
    let mut room = room_with_holder(&[B, C, SessionId(9)]);
    for session in [B, C, SessionId(9)] {
        room.record(acquire(session));
    }
    for session in [A, B, C] {
        room.manners.insert(session, Manner::Frozen);
    }
    let since = room.now;
    room.pass(secs(30));
    let taken = room.first(since, granted(SessionId(9))).expect("taken");
    assert!(taken <= secs(14), "{taken:?}");
}

#[test]
fn after_a_restart_the_holder_has_ten_seconds() {
    for resumes in [true, false] {
        let mut room = room_with_holder(&[B]);
        let fence = room.log.fence();
        let snapshot = room.log.lock_state.snapshot();
        room.log.lock_state = LockState::restore(&snapshot).expect("a good snapshot");
        room.detector = FailureDetector::new(Timings::default()).expect("the timings fit");
        let since = room.now;
        room.manners.clear();
        room.record(Event::Restarted);
        room.pass(millis(100));
        room.resume(B, &[]);
        room.pass(secs(9));
        if resumes {
            room.resume(A, &[fence]);
        }
        room.pass(secs(60));
        if resumes {
            assert_eq!(room.state(), NewestLock::Held { by: A, fence });
        } else {
            assert_eq!(room.first(since, granted(B)), Some(secs(10)));
        }
    }
}

#[test]
fn a_session_without_a_connection_is_forgotten_after_its_tickets_life() {
    let mut room = room_with_holder(&[B]);
    room.record(acquire(B));
    let since = room.now;
    room.disconnect(B);
    room.pass(secs(40));
    let gone = room.first(since, |c| *c == Change::Gone { session: B });
    assert_eq!(gone, Some(secs(30)));
    assert_eq!(room.detector.load().sessions, 1);
}

#[test]
fn a_holder_is_not_forgotten_before_it_has_lost_the_lock() {
    let mut room = room_with_holder(&[]);
    room.disconnect(A);
    room.pass(secs(300));
    assert!(matches!(room.state(), NewestLock::Suspect { by: A, .. }));
    let since = room.now;
    room.join(B, ClientKind::LockAware);
    assert!(matches!(room.state(), NewestLock::Held { by: B, .. }));
    room.pass(secs(31));
    assert!(
        room.first(since, |c| *c == Change::Gone { session: A })
            .is_some()
    );
}

/// Sessions that had no connection when the snapshot was made must be forgotten, too.
#[test]
fn a_restart_starts_the_ticket_life_of_everybody() {
    let mut room = room_with_holder(&[B]);
    room.disconnect(B);
    room.pass(secs(1));
    room.detector = FailureDetector::new(Timings::default()).expect("the timings fit");
    let since = room.now;
    room.record(Event::Restarted);
    room.pass(secs(40));
    let gone = room.first(since, |c| *c == Change::Gone { session: B });
    assert_eq!(gone, Some(secs(30)));
}

/// L5: the pauses grow, and end at thirty seconds.
#[test]
fn a_waiter_that_misses_offers_is_offered_the_lock_again_after_growing_pauses() {
    let mut room = room();
    for session in [A, B] {
        room.join(session, ClientKind::LockAware);
    }
    room.claims = false;
    room.record(acquire(B));
    let mut pauses = Vec::new();
    let mut free_since = None;
    for _ in 0..1_500 {
        room.pass(millis(100));
        match (room.state(), free_since) {
            (NewestLock::Free, None) => free_since = Some(room.now),
            (NewestLock::Offered { to: B, .. }, Some(since)) => {
                pauses.push(room.now.since(since).as_secs());
                free_since = None;
            }
            _ => {}
        }
    }
    assert_eq!(pauses[..6], [2, 4, 8, 16, 30, 30], "{pauses:?}");
    // A granted lock resets the pauses.
    room.claims = true;
    room.pass(secs(33));
    let fence = room.log.fence();
    assert!(matches!(room.state(), NewestLock::Held { by: B, .. }));
    room.claims = false;
    room.record(Event::Release { session: B, fence });
    room.record(acquire(B));
    room.pass(millis(4_100));
    assert!(matches!(room.state(), NewestLock::Offered { to: B, .. }));
}

/// The first waiter's pause ends while the second is offered the lock: the third has its turn
/// first.
#[test]
fn a_missed_offer_is_repeated_when_all_others_had_their_turn() {
    let mut room = room();
    for session in [A, B, C, D] {
        room.join(session, ClientKind::LockAware);
    }
    room.claims = false;
    let since = room.now;
    for session in [A, B, C, D] {
        room.record(acquire(session));
    }
    room.pass(secs(11));
    let offers = room.changes.iter().filter(|(at, _)| *at >= since);
    let offers: Vec<_> = offers
        .filter_map(|(_, change)| match change {
            Change::Offered { to, .. } => Some(*to),
            _ => None,
        })
        .collect();
    assert_eq!(offers[..5], [A, B, C, D, A], "{offers:?}");
}

/// L5: B missed two offers, the second because C came. Its late claim of the second ended the pause,
/// and the first still counted: B waited for ever beside the free lock.
#[test]
fn a_late_claim_of_the_newest_missed_offer_leaves_a_pause_for_the_earlier_one() {
    let mut room = room();
    for session in [A, B, C] {
        room.join(session, ClientKind::LockAware);
    }
    room.claims = false;
    room.record(acquire(B));
    room.pass(millis(2_500));
    assert_eq!(room.state(), NewestLock::Free);
    room.record(acquire(C));
    assert!(matches!(room.state(), NewestLock::Offered { to: B, .. }));
    let fence = room.log.fence();
    room.pass(millis(2_100));
    assert!(matches!(room.state(), NewestLock::Offered { to: C, .. }));
    room.record(Event::Done { session: C });
    room.record(Event::Claim { session: B, fence });
    assert_eq!(room.state(), NewestLock::Free);
    let since = room.now;
    room.pass(secs(31));
    let offered = room.first(since, |change| {
        matches!(change, Change::Offered { to: B, .. })
    });
    assert!(offered.is_some_and(|after| after <= secs(4)), "{offered:?}");
}

#[test]
fn a_proposal_that_got_lost_is_made_again() {
    let mut room = room_with_holder(&[B]);
    room.manners.insert(A, Manner::Frozen);
    room.manners.insert(B, Manner::Frozen);
    let mut lost = 0;
    let mut out = Vec::new();
    let until = room.now + secs(30);
    while let Some(next) = room.detector.poll_timeout().filter(|next| *next <= until) {
        room.now = next;
        room.detector.heard(A, next);
        room.detector.heard(B, next);
        out.clear();
        room.detector
            .handle_timeout(room.now, &room.log.lock_state, u64::MAX, &mut out);
        lost += out
            .iter()
            .filter(|p| **p == Proposal::Record(Event::Lost { session: A }))
            .count();
    }
    assert!(lost > 3, "{lost}");
}

#[test]
fn a_peer_that_was_called_lost_by_mistake_is_called_back() {
    let mut room = room_with_holder(&[B]);
    let since = room.now;
    // A sign of life overtook the proposal.
    room.record(Event::Lost { session: B });
    room.pass(secs(1));
    let back = room.first(since, |c| *c == Change::Back { session: B });
    assert_eq!(back, Some(Duration::ZERO));
}

#[test]
fn early_calls_are_harmless() {
    let mut often = room_with_holder(&[B, C]);
    let mut seldom = room_with_holder(&[B, C]);
    for room in [&mut often, &mut seldom] {
        room.manners.insert(A, Manner::Dead);
        room.manners.insert(C, Manner::Frozen);
    }
    for _ in 0..3_000 {
        often.pass(millis(10));
        often.handle_timeout();
    }
    seldom.pass(secs(30));
    assert_eq!(often.changes, seldom.changes);
    assert_eq!(often.proposals, seldom.proposals);
}

/// The server's loop stood still for a minute; the heartbeats of that minute lie in its sockets.
#[test]
fn a_stalled_server_evicts_no_session_before_it_has_listened() {
    let mut room = room_with_holder(&[B]);
    room.record(acquire(B));
    let since = room.now;
    room.now = room.now + secs(60);
    room.handle_timeout();
    room.pass(secs(60));
    assert_eq!(
        room.first(since, |c| matches!(c, Change::Lost { .. })),
        None
    );
    assert!(matches!(room.state(), NewestLock::Held { by: A, .. }));
}

#[test]
fn a_server_that_slept_gives_an_open_offer_its_time() {
    let mut room = room_with_holder(&[B]);
    room.manners.insert(B, Manner::Frozen);
    room.record(acquire(B));
    let fence = room.log.fence();
    room.record(Event::Release { session: A, fence });
    room.now = room.now + secs(20);
    room.handle_timeout();
    assert!(matches!(room.state(), NewestLock::Offered { to: B, .. }));
    room.pass(secs(3));
    assert_eq!(room.state(), NewestLock::Free);
}

/// A stall does not revive dead sessions: the silence before it still counts.
#[test]
fn a_server_that_slept_still_finds_the_dead() {
    let mut room = room_with_holder(&[B]);
    room.manners.insert(A, Manner::Dead);
    room.pass(secs(5));
    room.now = room.now + secs(60);
    room.handle_timeout();
    let since = room.now;
    room.pass(secs(30));
    let taken = room.first(since, granted(B)).expect("B gets the lock");
    assert!(taken <= secs(6), "{taken:?}");
}

/// A session was silent for nine seconds when the server stalled, and its answer lies in the
/// socket. The answer is read before any session is judged.
#[test]
fn a_stalled_server_judges_no_session_before_it_has_read_its_sockets() {
    let mut room = room_with_holder(&[B]);
    room.record(acquire(B));
    room.manners.insert(A, Manner::Dead);
    room.pass(millis(9_900));
    let since = room.now;
    room.now = room.now + secs(20);
    // It answers the present beat, but the server reads that only after its first look at the
    // clock.
    room.manners.insert(A, Manner::Well);
    room.handle_timeout();
    room.pass(secs(20));
    assert_eq!(room.first(since, lost(A)), None);
}

/// A record comes first after the stall, before the timer, and already notices the stall.
#[test]
fn a_stall_is_noticed_by_the_first_call_after_it() {
    let mut room = room_with_holder(&[B]);
    room.record(acquire(B));
    let since = room.now;
    room.now = room.now + secs(20);
    room.disconnect(A);
    assert_eq!(room.detector.health(B, room.now), SessionHealth::Online);
    room.handle_timeout();
    let anybody = room.first(since, |c| matches!(c, Change::Lost { .. }));
    assert_eq!(anybody, None);
}

/// The server runs for a tenth of a second between stalls of two seconds. It hears nothing of a
/// dead holder, and does not wait for it for ever: three stalls lengthen the silence, and five more
/// put the judgement off.
#[test]
fn a_server_that_sleeps_again_and_again_finds_the_dead_all_the_same() {
    let mut room = room_with_holder(&[B]);
    room.record(acquire(B));
    room.manners.insert(A, Manner::Dead);
    let since = room.now;
    for _ in 0..20 {
        room.now = room.now + secs(2);
        room.handle_timeout();
        // Healthy sessions are heard in between.
        room.pass(millis(100));
    }
    let found = room.first(since, lost(A));
    assert!(found.is_some_and(|found| found < secs(30)), "{found:?}");
    assert_eq!(room.first(since, lost(B)), None);
}

/// Found by the simulation: a stall shortened the silence of a session that was called lost before.
/// So it was back without a word, and lost again ten milliseconds later, with its answer unread.
#[test]
fn a_stall_brings_no_lost_session_back() {
    // In a crowd a deadline comes soon after the stall began, so that most of it is seen.
    let others: Vec<_> = (2..30).map(SessionId).collect();
    for lasts in [secs(2), secs(18), secs(60)] {
        let mut room = room_with_holder(&others);
        room.manners.insert(A, Manner::Frozen);
        let since = room.now;
        while room.first(since, lost(A)).is_none() {
            room.pass(millis(10));
        }
        room.now = room.now + lasts;
        let since = room.now;
        room.handle_timeout();
        room.pass(millis(400));
        let back = |change: &Change| *change == Change::Back { session: A };
        assert_eq!(room.first(since, back), None);
        assert_eq!(room.detector.health(A, room.now), SessionHealth::Offline);
        read_answer(&mut room);
        room.pass(secs(20));
        assert!(room.first(since, back).is_some());
        assert_eq!(room.first(since, lost(A)), None);
    }
}

/// Returns a room with a waiter B, whose holder A was silent for 9.9 seconds. Its answer to the
/// newest beat lies in the socket from now on.
fn room_with_unread_answer() -> Room {
    let mut room = room_with_holder(&[B]);
    room.record(acquire(B));
    room.manners.insert(A, Manner::Dead);
    room.pass(millis(9_900));
    room
}

/// Lets the server read the answer of A to the newest beat. From now on A answers at once.
fn read_answer(room: &mut Room) {
    let beats = room.proposals.iter().rev();
    let mut beats = beats.filter_map(|(_, proposal)| match *proposal {
        Proposal::Beat { session: A, n, .. } => Some(n),
        _ => None,
    });
    let newest = beats.next().expect("A was beaten");
    let verdict = room.detector.answered(A, newest, Duration::ZERO, room.now);
    assert_eq!(verdict, BeatVerdict::Counts);
    room.manners.insert(A, Manner::Well);
}

/// A server stood still for 20 seconds, ran for a moment, and stood still for 0.6 seconds more. That
/// used up the half second for reading, and the holder was called lost before the server had read
/// anything.
#[test]
fn a_second_pause_does_not_use_up_the_time_for_reading() {
    let mut room = room_with_unread_answer();
    let since = room.now;
    for pause in [secs(20), millis(600)] {
        room.now = room.now + pause;
        room.handle_timeout();
    }
    room.pass(millis(400));
    read_answer(&mut room);
    room.pass(secs(20));
    assert_eq!(room.first(since, lost(A)), None);
}

#[test]
fn a_pause_that_is_too_short_for_a_stall_has_its_time_for_reading_too() {
    let mut room = room_with_unread_answer();
    let since = room.now;
    room.now = room.now + millis(600);
    room.handle_timeout();
    assert_eq!(room.detector.health(A, room.now), SessionHealth::Shaky);
    room.pass(millis(400));
    read_answer(&mut room);
    room.pass(secs(20));
    assert_eq!(room.first(since, lost(A)), None);
}

/// Three stalls may lengthen one silence. The fourth does not, and its backlog is read all the
/// same.
#[test]
fn the_backlog_of_every_stall_in_a_row_is_read() {
    let mut room = room_with_unread_answer();
    let since = room.now;
    for _ in 0..4 {
        room.now = room.now + secs(20);
        room.handle_timeout();
        room.pass(millis(10));
    }
    room.pass(millis(400));
    read_answer(&mut room);
    room.pass(secs(20));
    assert_eq!(room.first(since, lost(A)), None);
}

/// The claim of an offer lay in the socket when the offer's time was over.
#[test]
fn a_pause_ends_no_offer_before_its_claim_is_read() {
    let mut room = room_with_holder(&[B]);
    room.claims = false;
    room.record(acquire(B));
    let fence = room.log.fence();
    room.record(Event::Release { session: A, fence });
    room.pass(millis(1_900));
    room.now = room.now + millis(600);
    room.handle_timeout();
    room.pass(millis(400));
    let fence = room.log.fence();
    room.record(Event::Claim { session: B, fence });
    assert!(matches!(room.state(), NewestLock::Held { by: B, .. }));
}

/// An overloaded server meets every deadline late. It gives a dead holder more time, but not for
/// ever.
#[test]
fn a_server_that_is_always_late_finds_the_dead_all_the_same() {
    for late in [millis(50), millis(150), millis(900)] {
        let mut room = room_with_holder(&[B]);
        room.record(acquire(B));
        room.manners.insert(A, Manner::Dead);
        let since = room.now;
        while room.now.since(since) < secs(30) {
            let next = room.detector.poll_timeout().expect("a deadline");
            room.now = room.now.max(next) + late;
            room.handle_timeout();
        }
        let found = room.first(since, lost(A));
        assert!(
            found.is_some_and(|found| found < secs(20)),
            "{late:?}: {found:?}"
        );
        assert_eq!(room.first(since, lost(B)), None);
    }
}

/// The client gave up a silent server and is about to return, so it is waited for without a grace,
/// too.
#[test]
fn a_client_that_gave_up_a_stalled_server_is_waited_for_without_a_grace_too() {
    let timings = Timings {
        grace: Duration::ZERO,
        ..Timings::default()
    };
    let mut room = Room::new(timings, AutoPass::On);
    room.join(A, ClientKind::LockAware);
    room.join(B, ClientKind::LockAware);
    room.record(acquire(A));
    let fence = room.log.fence();
    room.record(acquire(B));
    room.now = room.now + secs(20);
    room.disconnect(A);
    room.handle_timeout();
    room.pass(secs(2));
    room.resume(A, &[fence]);
    assert!(matches!(room.state(), NewestLock::Held { by: A, .. }));
}

#[test]
fn heartbeats_neither_move_the_next_deadline_nor_grow_anything() {
    let mut room = room_with_holder(&[B, C]);
    let (load, next) = (room.detector.load(), room.detector.poll_timeout());
    for _ in 0..100_000 {
        room.detector.heard(A, room.now);
        room.detector.heard(B, room.now);
    }
    assert_eq!(room.detector.load(), load);
    assert_eq!(room.detector.poll_timeout(), next);
}

/// Alternating acquire and cancel moves the beats of two sessions forward again and again.
#[test]
fn a_session_that_flips_its_wish_cannot_grow_the_heap() {
    let mut room = room_with_holder(&[B, C]);
    for _ in 0..10_000 {
        room.record(acquire(C));
        room.record(Event::Cancel { session: C });
        room.pass(millis(1));
        room.changes.clear();
        room.proposals.clear();
    }
    let load = room.detector.load();
    assert!(load.deadlines < 100, "{load:?}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn timings_that_do_not_fit_name_the_two_limits_and_the_remedy() {
    assert_eq!(Timings::default().validate(), Ok(()));
    assert_eq!(Timings::strict().validate(), Ok(()));
    assert_eq!(Timings::fast().validate(), Ok(()));
    let bad = [
        (
            "ping_every",
            Timings {
                ping_every: secs(7),
                ..Timings::default()
            },
        ),
        (
            "beat_every_idle",
            Timings {
                beat_every_idle: secs(6),
                ..Timings::default()
            },
        ),
        (
            "beat_every",
            Timings {
                beat_every: secs(6),
                ..Timings::default()
            },
        ),
        (
            "shaky_after",
            Timings {
                shaky_after: secs(10),
                ..Timings::default()
            },
        ),
        (
            "beat_every_idle + answer_within",
            Timings {
                answer_within: secs(6),
                ..Timings::default()
            },
        ),
        // Equal time-outs on client and server: one of the broken models.
        (
            "client_stop x 1.5",
            Timings {
                client_stop: secs(10),
                ..Timings::default()
            },
        ),
        (
            "client_stop x 1.5",
            Timings {
                recovery: secs(9),
                ..Timings::default()
            },
        ),
        (
            "beat_every x 2",
            Timings {
                client_stop: secs(3),
                ..Timings::default()
            },
        ),
        (
            "grace",
            Timings {
                grace: secs(61),
                ticket_life: secs(90),
                ..Timings::default()
            },
        ),
        (
            "grace",
            Timings {
                grace: secs(31),
                ..Timings::default()
            },
        ),
        (
            "beat_every",
            Timings {
                idle_warning: secs(2),
                ..Timings::default()
            },
        ),
        (
            "idle_warning",
            Timings {
                idle_warning: secs(90),
                ..Timings::default()
            },
        ),
        (
            "drain",
            Timings {
                drain: secs(31),
                ..Timings::default()
            },
        ),
        (
            "zero",
            Timings {
                offer: Duration::ZERO,
                ..Timings::default()
            },
        ),
    ];
    for (one, timings) in bad {
        let error = timings.validate().expect_err(one);
        assert_eq!(error.one, one);
        assert!(error.to_string().contains(error.other), "{error}");
        assert_eq!(FailureDetector::new(timings).err(), Some(error));
    }
}

// Handoffs

fn draining(by: SessionId) -> impl Fn(&Change) -> bool {
    move |change| matches!(change, Change::Draining { by: of, .. } if *of == by)
}

#[test]
fn a_holder_that_does_not_say_that_it_is_done_has_three_seconds() {
    for (drains, takes) in [(true, Duration::ZERO), (false, secs(3))] {
        let mut room = room_with_holder(&[B]);
        room.drains = drains;
        let fence = room.log.fence();
        let (session, to) = (A, B);
        let since = room.now;
        room.record(Event::Transfer { session, fence, to });
        room.pass(secs(10));
        assert_eq!(room.first(since, granted(B)), Some(takes));
    }
}

/// Nothing shows that the holder has read the notice; one that has gets three seconds, as above.
#[test]
fn a_holder_that_is_not_heard_of_is_given_the_time_in_which_it_may_believe() {
    for (wait_out_lease, bounds) in [
        (true, millis(5_750)..=millis(7_750)),
        (false, secs(3)..=secs(3)),
    ] {
        let timings = Timings {
            wait_out_lease,
            ..Timings::default()
        };
        let mut room = Room::new(timings, AutoPass::On);
        room.join(A, ClientKind::LockAware);
        room.join(B, ClientKind::LockAware);
        room.record(acquire(A));
        room.pass(secs(20));
        room.manners.insert(A, Manner::Dead);
        let fence = room.log.fence();
        let (session, to) = (A, B);
        let since = room.now;
        room.record(Event::Transfer { session, fence, to });
        assert_eq!(room.detector.state_left(fence, room.now), Some(secs(3)));
        room.pass(secs(10));
        let took = room.first(since, granted(B)).expect("B has it");
        assert!(bounds.contains(&took), "{took:?}");
    }
}

#[test]
fn a_request_is_over_after_thirty_seconds_and_its_clock_can_be_read() {
    let mut room = room_with_holder(&[B]);
    let fence = room.log.fence();
    let since = room.now;
    let (session, scope) = (B, Scope::WHOLE);
    room.record(Event::Request { session, scope });
    room.pass(secs(10));
    assert_eq!(room.detector.request_left(fence, room.now), Some(secs(20)));
    room.pass(secs(50));
    assert_eq!(room.first(since, draining(A)), Some(secs(30)));
    assert_eq!(room.first(since, granted(B)), Some(secs(30)));
}

#[test]
fn a_request_that_is_void_never_runs_out() {
    let mut room = room_with_holder(&[B]);
    let (session, scope) = (B, Scope::WHOLE);
    room.record(Event::Request { session, scope });
    room.pass(secs(20));
    room.record(Event::Cancel { session });
    room.pass(secs(60));
    assert!(matches!(room.state(), NewestLock::Held { by: A, .. }));
    // A new request has its whole time.
    let since = room.now;
    let scope = Scope::WHOLE;
    room.record(Event::Request { session, scope });
    room.pass(secs(60));
    assert_eq!(room.first(since, draining(A)), Some(secs(30)));
}

/// Lets B request the lock of A and lose its connection five seconds later.
fn room_with_gone_requester() -> Room {
    let mut room = room_with_holder(&[B]);
    let (session, scope) = (B, Scope::WHOLE);
    room.record(Event::Request { session, scope });
    room.pass(secs(5));
    room.disconnect(B);
    room
}

fn request_void(change: &Change) -> bool {
    matches!(change, Change::RequestVoid { by: A, .. })
}

#[test]
fn a_requester_that_is_gone_binds_the_holder_for_ten_seconds_and_keeps_its_ticket() {
    let mut room = room_with_gone_requester();
    let (fence, since) = (room.log.fence(), room.now);
    assert!(room.detector.request_left(fence, room.now).is_some());
    room.pass(secs(20));
    assert_eq!(room.first(since, request_void), Some(secs(10)));
    assert_eq!(room.detector.request_left(fence, room.now), None);
    assert!(room.log.lock_state.waiters().any(|(waits, _)| waits == B));
}

#[test]
fn a_requester_that_returns_in_time_goes_on_requesting() {
    let mut room = room_with_gone_requester();
    let since = room.now;
    room.pass(secs(8));
    room.resume(B, &[]);
    room.pass(secs(60));
    assert_eq!(room.first(since, request_void), None);
    assert_eq!(room.first(since, draining(A)), Some(secs(25)));
}

#[test]
fn a_requester_that_is_called_silent_has_had_its_time() {
    let mut room = room_with_holder(&[B]);
    let (session, scope) = (B, Scope::WHOLE);
    room.record(Event::Request { session, scope });
    room.manners.insert(B, Manner::Frozen);
    let since = room.now;
    room.pass(secs(20));
    let silent = room.first(since, lost(B)).expect("B is lost");
    assert_eq!(room.first(since, request_void), Some(silent));
}

/// The requester returned while the server stood still, which the server reads after the stall.
#[test]
fn a_stalled_server_reads_its_sockets_before_it_gives_a_requester_up() {
    let mut room = room_with_gone_requester();
    let since = room.now;
    room.pass(millis(9_900));
    room.now = room.now + secs(20);
    room.handle_timeout();
    room.pass(millis(400));
    room.resume(B, &[]);
    room.pass(secs(10));
    assert_eq!(room.first(since, request_void), None);
}

/// A server that crashed starts with requesters that are all gone.
#[test]
fn a_requester_has_ten_seconds_to_return_after_a_restart() {
    let mut room = room_with_gone_requester();
    room.detector = FailureDetector::new(Timings::default()).expect("the timings fit");
    room.record(Event::Restarted);
    let fence = room.log.fence();
    room.resume(A, &[fence]);
    let since = room.now;
    room.pass(secs(20));
    assert_eq!(room.first(since, request_void), Some(secs(10)));
}

#[test]
fn an_idle_holder_is_warned_and_yields_to_a_waiter_only() {
    let mut room = room_with_holder(&[B]);
    room.inputs.insert(A, room.now);
    let since = room.now;
    room.pass(secs(60));
    room.record(acquire(B));
    room.pass(secs(60));
    let warned = room.proposed(since, |p| matches!(p, Proposal::IdleWarning { .. }));
    assert_eq!(warned, Some(secs(75)));
    let yields = room.first(since, draining(A));
    assert_eq!(yields, Some(secs(90)));

    let mut room = room_with_holder(&[B]);
    room.inputs.insert(A, room.now);
    room.pass(secs(600));
    assert!(matches!(room.state(), NewestLock::Held { by: A, .. }));
    // Now a session waits, and the holder is still warned before it yields.
    let since = room.now;
    room.record(acquire(B));
    room.pass(secs(60));
    assert_eq!(room.first(since, draining(A)), Some(secs(15)));
}

#[test]
fn a_holder_that_was_warned_and_does_something_stays() {
    let mut room = room_with_holder(&[B]);
    room.inputs.insert(A, room.now);
    room.record(acquire(B));
    let since = room.now;
    room.pass(secs(80));
    room.inputs.insert(A, room.now);
    room.pass(secs(60));
    assert!(matches!(room.state(), NewestLock::Held { by: A, .. }));
    room.pass(secs(60));
    let warnings = room
        .proposals
        .iter()
        .filter(|(_, p)| matches!(p, Proposal::IdleWarning { .. }))
        .count();
    assert_eq!(warnings, 2);
    assert!(
        room.first(since, draining(A))
            .is_some_and(|at| at >= secs(170) && at <= secs(173))
    );
}

#[test]
fn after_a_take_over_only_the_other_sessions_have_to_wait() {
    let mut room = room();
    for session in [A, B, C] {
        room.manners.insert(session, Manner::Well);
        room.detector
            .attached(session, ClientKind::LockAware, room.now);
        room.record(joined_with(session, Rights::ALL, 1));
    }
    room.record(acquire(A));
    assert_eq!(room.detector.take_over_ready(C, room.now), Ok(()));
    let (session, scope) = (B, Scope::WHOLE);
    room.record(Event::TakeOver { session, scope });
    assert!(matches!(room.state(), NewestLock::Held { by: B, .. }));
    room.pass(secs(20));
    assert_eq!(room.detector.take_over_ready(C, room.now), Err(secs(40)));
    assert_eq!(room.detector.take_over_ready(B, room.now), Ok(()));
    room.pass(secs(40));
    assert_eq!(room.detector.take_over_ready(C, room.now), Ok(()));
}

/// One late beat of a fifth of the sessions points to the server's network, not to theirs.
#[test]
fn when_many_fall_silent_at_once_none_is_given_up_for_three_times_as_long() {
    let lost_after = |silent: u64| {
        let mut room = room();
        for id in 1..=10 {
            room.join(SessionId(id), ClientKind::LockUnaware);
        }
        room.pass(secs(60));
        for id in 1..=silent {
            room.manners.insert(SessionId(id), Manner::Dead);
            room.detector.heard(SessionId(id), room.now);
        }
        let since = room.now;
        room.pass(secs(60));
        room.first(since, lost(A))
    };
    assert_eq!(lost_after(1), Some(secs(10)));
    assert_eq!(lost_after(2), Some(secs(10)));
    assert_eq!(lost_after(3), Some(secs(30)));
}
