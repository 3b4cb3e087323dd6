//! Several locks at once, and all ways to hand one over on purpose, as the lock state decides them.
//! Nothing here knows time.

use baton_presence::{
    AutoPass, Change, ClientKind, DrainReason, Event, Fence, GrantState, LockRefusal, LockState,
    LossReason, MAX_PATHS, Mode, OfferEnd, Path, Rights, Scope, ScopeError, SessionId, SessionRole,
    WriteRight,
};

use crate::harness::{
    A, B, C, D, Log, NewestLock, acquire, acquire_of, joined, joined_as, joined_with, path, paths,
    resumed,
};

fn request(session: SessionId, scope: &Scope) -> Event {
    let scope = scope.clone();
    Event::Request { session, scope }
}

fn take_over(session: SessionId, scope: &Scope) -> Event {
    let scope = scope.clone();
    Event::TakeOver { session, scope }
}

fn move_here(session: SessionId, scope: &Scope) -> Event {
    let scope = scope.clone();
    Event::MoveHere { session, scope }
}

fn offers(changes: &[Change]) -> Vec<(SessionId, Scope)> {
    let offer = |change: &Change| match change {
        Change::Offered { to, scope, .. } => Some((*to, scope.clone())),
        _ => None,
    };
    changes.iter().filter_map(offer).collect()
}

fn refused(session: SessionId, why: LockRefusal) -> Vec<Change> {
    vec![Change::Refused { session, why }]
}

const TAKER: Rights = Rights::EDIT.union(Rights::TAKE_OVER);

fn drains(log: &Log, fence: Fence) -> Option<(Option<SessionId>, DrainReason)> {
    match log.lock_state.grant(fence)?.state {
        GrantState::Draining { to, why } => Some((to, why)),
        _ => None,
    }
}

fn drained(log: &mut Log, session: SessionId, fence: Fence) -> Vec<Change> {
    log.say(Event::Drained { session, fence })
}

/// Creates sessions with the right to take over, each of another user.
fn with_rights(sessions: &[SessionId]) -> Log {
    let mut log = Log::new(AutoPass::On);
    for (user, session) in sessions.iter().enumerate() {
        let user = u8::try_from(user).expect("few users");
        log.say(joined_with(*session, TAKER, user));
    }
    log
}

// Scopes

#[test]
fn a_scope_is_canonical_and_refuses_invalid_paths() {
    assert_eq!(paths(&["b", "a/x", "a", "a/y", "b"]), paths(&["a", "b"]));
    assert_eq!(Scope::of([vec![], vec!["a"]]), Err(ScopeError::NoPath));
    assert_eq!(Scope::of::<[&str; 1], _>([]), Err(ScopeError::NoPath));
    assert_eq!(Path::new::<String>([]), Err(ScopeError::NoPath));
    assert_eq!(Path::new(["a", ""]), Err(ScopeError::EmptySegment));
    let long = "x".repeat(257);
    assert_eq!(Path::new([long]), Err(ScopeError::SegmentTooLong(257)));
    assert_eq!(Path::new(["a"; 9]), Err(ScopeError::TooManySegments));
    assert!(Path::new(["a"; 8]).is_ok());
    let many = |count: usize| Scope::of((0..count).map(|index| [format!("p{index}")]));
    assert!(many(MAX_PATHS).is_ok());
    assert_eq!(many(MAX_PATHS + 1), Err(ScopeError::TooManyPaths));
}

#[test]
fn scopes_conflict_when_one_lies_in_the_other() {
    let conflicts = |one: &Scope, two: &Scope| {
        assert_eq!(one.conflicts(two), two.conflicts(one));
        one.conflicts(two)
    };
    assert!(conflicts(&Scope::WHOLE, &path("a")));
    assert!(conflicts(&path("a"), &path("a/x")));
    assert!(conflicts(&paths(&["a/x", "b"]), &paths(&["b/y", "c"])));
    assert!(!conflicts(&path("a/x"), &path("a/y")));
    // Paths compare by segments, not by letters.
    assert!(!conflicts(&path("a"), &path("ab")));
    assert!(paths(&["a", "b"]).covers(&paths(&["a/x", "b"])));
    assert!(!paths(&["a", "b"]).covers(&Scope::WHOLE));
    assert!(Scope::WHOLE.covers(&path("a")));
}

#[test]
fn locks_that_do_not_conflict_are_held_at_once() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    let one = log.hold_of(A, &path("a/x"));
    let two = log.hold_of(B, &path("a/y"));
    assert!(one < two);
    assert_eq!(log.lock_state.grants().count(), 2);
    let may =
        |session, roots: &[&'static str]| log.lock_state.may_write(session, roots.iter().copied());
    // Both hold a path in root a: among them the locks are advisory there.
    assert_eq!(may(A, &["a"]), WriteRight::Holder(one));
    assert_eq!(may(B, &["a"]), WriteRight::Holder(two));
    let now = Some(two);
    assert_eq!(may(C, &["a"]), WriteRight::Refused { fence_now: now });
    assert_eq!(may(C, &["b"]), WriteRight::Free);
    assert_eq!(may(A, &["a", "b"]), WriteRight::Holder(one));
    assert_eq!(may(C, &["b", "a"]), WriteRight::Refused { fence_now: now });
    assert_eq!(may(C, &[]), WriteRight::Free);
}

#[test]
fn modes_say_what_a_lock_means() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold_of(A, &path("a"));
    let may = |log: &Log, session, root| log.lock_state.may_write(session, [root]);
    log.say(Event::ModeSet(Mode::Open));
    assert_eq!(may(&log, B, "a"), WriteRight::Free);
    assert_eq!(may(&log, A, "a"), WriteRight::Holder(fence));
    let changes = log.say(Event::ModeSet(Mode::Required));
    assert_eq!(changes, vec![Change::Mode(Mode::Required)]);
    assert_eq!(may(&log, A, "a"), WriteRight::Holder(fence));
    let none = WriteRight::Refused { fence_now: None };
    assert_eq!(may(&log, B, "b"), none);
    assert_eq!(may(&log, A, "b"), none);
    let restored = LockState::restore(&log.lock_state.snapshot()).expect("a good snapshot");
    assert_eq!(restored.mode(), Mode::Required);
}

#[test]
fn several_paths_are_had_all_or_nothing() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    let a = log.hold_of(A, &path("a"));
    let both = paths(&["a", "b"]);
    let queued = vec![Change::Queued { session: B }];
    assert_eq!(log.say(acquire_of(B, &both)), queued);
    // B waits and is live, so no later waiter gets the scope that it needs.
    assert_eq!(
        log.say(acquire_of(C, &path("b"))),
        vec![Change::Queued { session: C }]
    );
    let changes = log.say(Event::Release {
        session: A,
        fence: a,
    });
    assert_eq!(offers(&changes), [(B, both)]);
    let both = log.claim(B);
    let changes = log.say(Event::Release {
        session: B,
        fence: both,
    });
    assert_eq!(offers(&changes), [(C, path("b"))]);
}

#[test]
fn a_waiter_that_is_not_live_holds_no_other_up() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    log.hold_of(A, &path("a"));
    log.say(acquire_of(B, &paths(&["a", "b"])));
    log.say(acquire_of(C, &path("b")));
    let changes = log.say(Event::Lost { session: B });
    assert_eq!(offers(&changes), [(C, path("b"))]);
    assert_eq!(log.lock_state.queue_position(B), Some(0));
}

#[test]
fn another_scope_replaces_the_ticket_at_the_back() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    log.hold_of(A, &Scope::WHOLE);
    log.say(acquire_of(B, &path("a")));
    log.say(acquire_of(C, &path("b")));
    log.say(acquire_of(B, &path("c")));
    let queue: Vec<_> = log
        .lock_state
        .waiters()
        .map(|(who, what)| (who, what.clone()))
        .collect();
    assert_eq!(queue, [(C, path("b")), (B, path("c"))]);
}

#[test]
fn one_record_makes_one_offer_and_says_that_there_is_more() {
    let mut log = Log::with(AutoPass::On, &[A, B, C, D]);
    let fence = log.hold(A);
    for (session, what) in [(B, "b"), (C, "c"), (D, "d")] {
        log.say(acquire_of(session, &path(what)));
    }
    let changes = log.say(Event::Release { session: A, fence });
    assert_eq!(offers(&changes), [(B, path("b"))]);
    assert_eq!(changes.last(), Some(&Change::Unsettled));
    let changes = log.say(Event::Settle);
    assert_eq!(offers(&changes), [(C, path("c"))]);
    assert_eq!(changes.last(), Some(&Change::Unsettled));
    // Any record makes the next offer.
    let changes = log.say(Event::Back { session: B });
    assert_eq!(offers(&changes), [(D, path("d"))]);
    assert!(!changes.contains(&Change::Unsettled));
    assert_eq!(log.say(Event::Settle), vec![]);
}

// A holder never waits

#[test]
fn a_holder_gets_more_at_once_or_not_at_all() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let a = log.hold_of(A, &path("a"));
    log.hold_of(A, &path("b"));
    assert_eq!(log.lock_state.held_by(A).count(), 2);
    log.hold_of(B, &path("c"));
    let why = LockRefusal::WouldWait { by: B };
    assert_eq!(log.say(acquire_of(A, &path("c"))), refused(A, why));
    assert_eq!(log.say(request(A, &path("c"))), refused(A, why));
    assert_eq!(log.lock_state.waiter_count(), 0);
    // Its own lock is in the way of a larger scope.
    let why = LockRefusal::WouldWait { by: A };
    assert_eq!(log.say(acquire(A)), refused(A, why));
    // For a scope that it holds, the grant is repeated.
    let (to, fence, scope) = (A, a, path("a"));
    assert_eq!(
        log.say(acquire_of(A, &path("a/x"))),
        vec![Change::Granted { to, fence, scope }]
    );
}

/// It is as with a holder: it gets more at once, and only once.
#[test]
fn a_session_that_is_offered_a_lock_unasked_does_not_wait_for_another() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    log.hold_of(A, &path("a"));
    let changes = log.say(Event::Lost { session: A });
    assert_eq!(offers(&changes), [(B, path("a"))]);
    let unasked = log.fence();
    assert_eq!(
        offers(&log.say(acquire_of(B, &path("b")))),
        [(B, path("b"))]
    );
    let asked = log.fence();
    assert_eq!(log.lock_state.queue_position(B), None);
    for fence in [unasked, asked] {
        let session = B;
        log.say(Event::OfferExpired { session, fence });
    }
    // No place in the queue is kept for it, so a newcomer does not overtake it.
    log.say(joined(C));
    assert_eq!(offers(&log.acquire(C)), [(C, Scope::WHOLE)]);
}

#[test]
fn auto_pass_skips_a_session_that_waits_for_something_else() {
    let mut log = Log::with(AutoPass::On, &[A, B, C, D]);
    log.hold_of(D, &path("d"));
    log.hold_of(C, &path("c"));
    log.say(acquire_of(A, &path("c")));
    let changes = log.say(Event::Lost { session: D });
    assert_eq!(offers(&changes), [(B, path("d"))]);
}

#[test]
fn trying_something_else_gives_up_the_ticket_when_it_is_had() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    log.hold_of(A, &path("a"));
    log.say(acquire_of(B, &path("a")));
    let (session, scope) = (B, path("b"));
    log.say(Event::Try { session, scope });
    assert_eq!(log.lock_state.queue_position(B), Some(0));
    let fence = log.fence();
    let changes = log.say(Event::Claim { session, fence });
    assert!(changes.contains(&Change::Dequeued { session: B }));
    assert_eq!(log.lock_state.waiter_count(), 0);
}

#[test]
fn a_missed_offer_of_one_place_does_not_count_for_another() {
    let mut log = Log::with(AutoPass::On, &[A, B, C, D]);
    log.hold_of(D, &path("c"));
    log.say(acquire_of(B, &path("b")));
    log.say(acquire_of(C, &path("b/x")));
    let fence = log.fence();
    let changes = log.say(Event::OfferExpired { session: B, fence });
    assert_eq!(offers(&changes), [(C, path("b/x"))]);
    // A grant in another scope begins no new round for b; one in conflict does.
    let b = log.fence();
    log.hold_of(A, &path("a"));
    log.claim_of(C, b);
    let changes = log.say(Event::Release {
        session: C,
        fence: b,
    });
    assert_eq!(offers(&changes), [(B, path("b"))]);
}

// Transfer

#[test]
fn a_transfer_drains_and_then_offers_to_the_one_named() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    let fence = log.hold(A);
    log.acquire(C);
    let (session, to) = (A, B);
    let changes = log.say(Event::Transfer { session, fence, to });
    let scope = Scope::WHOLE;
    let (to, why) = (Some(B), DrainReason::Transfer);
    let draining = Change::Draining {
        by: A,
        fence,
        scope,
        to,
        why,
    };
    assert_eq!(changes, vec![draining.clone()]);
    // It sends its last edits; no other session may write.
    assert_eq!(log.may_write(A), WriteRight::Holder(fence));
    assert!(matches!(log.may_write(B), WriteRight::Refused { .. }));
    // A reload only repeats the notice.
    log.say(Event::Disconnected { session: A });
    assert_eq!(drains(&log, fence), Some((to, why)));
    assert!(log.say(resumed(A, &[fence])).contains(&draining));
    let changes = drained(&mut log, A, fence);
    assert_eq!(offers(&changes), [(B, Scope::WHOLE)]);
    assert!(matches!(changes[0], Change::Released { by: A, .. }));
}

#[test]
fn a_transfer_to_a_session_that_cannot_take_it_is_refused() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    log.say(joined_as(D, ClientKind::LockUnaware, SessionRole::Writer));
    log.hold_of(C, &path("c"));
    log.say(acquire_of(B, &path("c")));
    let fence = log.hold_of(A, &path("a"));
    let session = A;
    for to in [A, B, D, SessionId(9)] {
        let why = LockRefusal::NoSuchTarget;
        let transfer = Event::Transfer { session, fence, to };
        assert_eq!(log.say(transfer), refused(A, why), "{to}");
    }
    let fence = log.hold_of(A, &path("x"));
    let to = C;
    let theft = Event::Transfer {
        session: B,
        fence,
        to,
    };
    assert!(matches!(
        log.say(theft)[..],
        [Change::Refused {
            why: LockRefusal::StaleFence { .. },
            ..
        }]
    ));
}

#[test]
fn a_lock_transferred_to_a_session_that_is_gone_goes_by_ticket_or_is_free() {
    for waits in [true, false] {
        let mut log = Log::with(AutoPass::On, &[A, B, C]);
        let fence = log.hold(A);
        let (session, to) = (A, B);
        log.say(Event::Transfer { session, fence, to });
        if waits {
            log.acquire(C);
        }
        log.say(Event::Lost { session: B });
        let over = Event::DrainOver { session, fence };
        let changes = log.say(over);
        let lost = |change: &Change| {
            matches!(
                change,
                Change::LockLost {
                    why: LossReason::DrainOver,
                    ..
                }
            )
        };
        assert!(lost(&changes[0]));
        if waits {
            assert_eq!(offers(&changes), [(C, Scope::WHOLE)]);
        } else {
            assert_eq!(changes.last(), Some(&Change::Freed { fence }));
        }
    }
}

#[test]
fn a_restart_forgets_the_named_successor() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold(A);
    let (session, to) = (A, B);
    log.say(Event::Transfer { session, fence, to });
    log.say(Event::Restarted);
    assert_eq!(log.state(), NewestLock::Recovering { by: A, fence });
    log.say(resumed(A, &[fence]));
    assert_eq!(log.state(), NewestLock::Held { by: A, fence });
}

// Requests

#[test]
fn a_request_asks_every_holder_in_its_way_and_runs_out_in_the_askers_favour() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    let a = log.hold_of(A, &path("a"));
    let b = log.hold_of(B, &path("b"));
    let both = paths(&["a", "b"]);
    let changes = log.say(request(C, &both));
    let asked = |by, fence| Change::Requested { by, fence, from: C };
    assert_eq!(
        changes,
        vec![Change::Queued { session: C }, asked(A, a), asked(B, b)]
    );
    // A repetition changes nothing.
    assert_eq!(
        log.say(request(C, &both)),
        vec![Change::Queued { session: C }]
    );
    let over = |session, fence| Event::RequestOver { session, fence };
    log.say(over(A, a));
    assert_eq!(drains(&log, a), Some((None, DrainReason::Requested)));
    assert_eq!(offers(&drained(&mut log, A, a)), []);
    let changes = log.say(Event::Release {
        session: B,
        fence: b,
    });
    assert_eq!(offers(&changes), [(C, both)]);
}

#[test]
fn a_request_is_void_when_the_asker_wants_nothing_any_more() {
    for gives_up in [
        Event::Cancel { session: B },
        Event::Done { session: B },
        acquire_of(B, &path("elsewhere")),
    ] {
        let mut log = Log::with(AutoPass::On, &[A, B, C]);
        let fence = log.hold_of(A, &path("a"));
        log.say(request(B, &path("a")));
        log.say(acquire_of(C, &path("a")));
        let changes = log.say(gives_up);
        assert!(changes.contains(&Change::RequestVoid { by: A, fence }));
        assert_eq!(log.say(Event::RequestOver { session: A, fence }), vec![]);
        assert_eq!(drains(&log, fence), None);
    }
}

#[test]
fn no_lock_drains_without_a_waiter() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold(A);
    assert_eq!(log.say(Event::IdleYield { session: A, fence }), vec![]);
    log.say(request(B, &Scope::WHOLE));
    log.say(Event::Lost { session: B });
    assert_eq!(log.say(Event::RequestOver { session: A, fence }), vec![]);
    log.say(Event::Back { session: B });
    log.say(Event::IdleYield { session: A, fence });
    assert_eq!(drains(&log, fence), Some((None, DrainReason::Idle)));
    assert_eq!(offers(&drained(&mut log, A, fence)), [(B, Scope::WHOLE)]);
}

// Take-over

#[test]
fn taking_over_needs_the_right() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    log.hold(A);
    let refusal = refused(B, LockRefusal::NotAllowed);
    assert_eq!(log.say(take_over(B, &Scope::WHOLE)), refusal);
    assert!(matches!(log.state(), NewestLock::Held { by: A, .. }));
    // The rights of the newest connection count.
    let (session, fences, rights) = (B, vec![], TAKER);
    log.say(Event::Resumed {
        session,
        fences,
        rights,
    });
    log.say(take_over(B, &Scope::WHOLE));
    assert!(matches!(log.state(), NewestLock::Draining { by: A, .. }));
}

#[test]
fn there_must_be_something_to_take() {
    let mut log = with_rights(&[A, B]);
    log.hold_of(A, &path("a"));
    let refusal = refused(B, LockRefusal::NothingToTake);
    assert_eq!(log.say(take_over(B, &path("b"))), refusal);
}

#[test]
fn a_take_over_of_several_locks_gets_all_of_it_once_the_last_has_drained() {
    let mut log = with_rights(&[A, B, C, D]);
    let a = log.hold_of(A, &path("a"));
    let b = log.hold_of(B, &path("b"));
    log.say(acquire_of(D, &path("a")));
    let changes = log.say(take_over(C, &Scope::WHOLE));
    let scope = Scope::WHOLE;
    assert_eq!(changes[0], Change::TakenOver { by: C, scope });
    // D waits for a, which is free now, and kept for C.
    let changes = drained(&mut log, A, a);
    assert_eq!(offers(&changes), []);
    assert_eq!(changes.last(), Some(&Change::Freed { fence: a }));
    // Another session with the right has to wait.
    let busy = refused(D, LockRefusal::Busy { by: C });
    assert_eq!(log.say(take_over(D, &path("b"))), busy);
    let changes = log.say(Event::DrainOver {
        session: B,
        fence: b,
    });
    assert_eq!(offers(&changes), [(C, Scope::WHOLE)]);
}

#[test]
fn a_holder_that_cannot_be_reached_is_not_waited_for() {
    for gone in [Event::Disconnected { session: A }, Event::Restarted] {
        let mut log = with_rights(&[A, B]);
        log.say(Event::AutoPassSet(AutoPass::Off));
        let fence = log.hold(A);
        log.say(gone);
        let (session, fences, rights) = (B, vec![], TAKER);
        log.say(Event::Resumed {
            session,
            fences,
            rights,
        });
        let changes = log.say(take_over(B, &Scope::WHOLE));
        let (by, scope, why) = (A, Scope::WHOLE, LossReason::TakenOver);
        assert!(changes.contains(&Change::LockLost {
            by,
            fence,
            scope,
            why
        }));
        assert_eq!(offers(&changes), [(B, Scope::WHOLE)]);
    }
}

#[test]
fn an_open_offer_can_be_taken_over() {
    let mut log = with_rights(&[A, B]);
    log.acquire(A);
    let changes = log.say(take_over(B, &path("a")));
    let taken = |change: &Change| {
        matches!(
            change,
            Change::OfferEnded {
                why: OfferEnd::TakenOver,
                ..
            }
        )
    };
    assert!(changes.iter().any(taken));
    assert_eq!(offers(&changes), [(B, path("a"))]);
    assert_eq!(log.lock_state.queue_position(A), Some(0));
}

#[test]
fn a_taker_that_changes_its_mind_or_is_gone_leaves_it_to_the_queue() {
    for gone in [Event::Cancel { session: B }, Event::Done { session: B }] {
        let mut log = with_rights(&[A, B, C]);
        let fence = log.hold(A);
        log.say(acquire(C));
        log.say(take_over(B, &Scope::WHOLE));
        log.say(gone);
        assert_eq!(drains(&log, fence), Some((None, DrainReason::TakenOver)));
        assert_eq!(offers(&drained(&mut log, A, fence)), [(C, Scope::WHOLE)]);
    }
}

// Move here

#[test]
fn only_the_same_user_moves_its_lock() {
    let mut log = Log::new(AutoPass::On);
    log.say(joined_with(A, Rights::EDIT, 7));
    log.say(joined_with(B, Rights::EDIT, 7));
    log.say(joined_with(C, Rights::EDIT, 8));
    log.say(joined_as(D, ClientKind::LockAware, SessionRole::Writer));
    let fence = log.hold_of(A, &path("a"));
    let refusal = refused(C, LockRefusal::OtherUser { by: A });
    assert_eq!(log.say(move_here(C, &path("a"))), refusal);
    let refusal = refused(D, LockRefusal::NoUser);
    assert_eq!(log.say(move_here(D, &path("a"))), refusal);
    log.say(move_here(B, &path("a")));
    assert_eq!(drains(&log, fence), Some((Some(B), DrainReason::Moved)));
    assert_eq!(offers(&drained(&mut log, A, fence)), [(B, path("a"))]);
    // Two sessions that named no user do not have the same user.
    let mut log = Log::with(AutoPass::On, &[A, B]);
    log.hold(A);
    let refusal = refused(B, LockRefusal::NoUser);
    assert_eq!(log.say(move_here(B, &Scope::WHOLE)), refusal);
}

// S11 and its exception

#[test]
fn a_lost_holder_gives_way_to_lock_unaware_writers_if_no_other_session_could_take_it() {
    let unaware = |role| joined_as(B, ClientKind::LockUnaware, role);
    for (mode, auto_pass, event, gives_way) in [
        (
            Mode::ExclusiveWhenHeld,
            AutoPass::On,
            unaware(SessionRole::Writer),
            true,
        ),
        (
            Mode::ExclusiveWhenHeld,
            AutoPass::On,
            unaware(SessionRole::Observer),
            false,
        ),
        (
            Mode::ExclusiveWhenHeld,
            AutoPass::Off,
            unaware(SessionRole::Writer),
            false,
        ),
        (
            Mode::Required,
            AutoPass::On,
            unaware(SessionRole::Writer),
            false,
        ),
        (
            Mode::Open,
            AutoPass::On,
            unaware(SessionRole::Writer),
            false,
        ),
    ] {
        let mut log = Log::with(auto_pass, &[A]);
        log.say(Event::ModeSet(mode));
        let fence = log.hold(A);
        log.say(event);
        let changes = log.say(Event::Lost { session: A });
        let lost = changes.iter().any(|c| matches!(c, Change::LockLost { .. }));
        assert_eq!(lost, gives_way, "{mode:?} {auto_pass:?}");
        assert_eq!(changes.contains(&Change::Freed { fence }), gives_way);
        // A session that can take the lock is preferred.
        let mut log = Log::with(auto_pass, &[A, C]);
        log.hold(A);
        log.say(unaware(SessionRole::Writer));
        log.say(acquire(C));
        assert_eq!(
            offers(&log.say(Event::Lost { session: A })),
            [(C, Scope::WHOLE)]
        );
    }
}

#[test]
fn one_ticket_may_replace_several_lost_holders_but_no_live_one() {
    let mut log = Log::with(AutoPass::Off, &[A, B, C, D]);
    log.hold_of(A, &path("a"));
    log.hold_of(B, &path("b"));
    log.say(acquire_of(D, &paths(&["a", "b"])));
    log.say(Event::Lost { session: A });
    assert_eq!(log.lock_state.grants().count(), 2);
    let changes = log.say(Event::Lost { session: B });
    assert_eq!(offers(&changes), [(D, paths(&["a", "b"]))]);
    let lost = |c: &&Change| {
        matches!(
            c,
            Change::LockLost {
                why: LossReason::Silent,
                ..
            }
        )
    };
    assert_eq!(changes.iter().filter(lost).count(), 2);
}

// Resume

#[test]
fn a_resume_keeps_the_locks_that_it_names_and_loses_the_rest() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let one = log.hold_of(A, &path("a"));
    let two = log.hold_of(A, &path("b"));
    let old = Fence {
        epoch: 1,
        position: 1,
    };
    log.say(Event::Disconnected { session: A });
    let changes = log.say(resumed(A, &[two, old]));
    let stale = LockRefusal::StaleFence {
        named: old,
        now: Some(two),
    };
    assert!(changes.contains(&Change::Refused {
        session: A,
        why: stale
    }));
    let (by, scope) = (A, path("a"));
    let why = LossReason::OtherFence;
    assert!(changes.contains(&Change::LockLost {
        by,
        fence: one,
        scope,
        why
    }));
    let scope = path("b");
    assert!(changes.contains(&Change::Resumed {
        by,
        fence: two,
        scope
    }));
    assert_eq!(log.lock_state.held_by(A).count(), 1);
    // A resume that names no fence keeps all locks.
    let third = log.hold_of(B, &path("c"));
    log.say(Event::Disconnected { session: B });
    log.say(resumed(B, &[]));
    assert!(log.lock_state.held_by(B).any(|grant| grant.fence == third));
}
