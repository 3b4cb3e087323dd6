//! Every row of the table of states, as the lock state decides it. Nothing here knows time.

use crate::harness::{A, B, C, D, Log, NewestLock, acquire, joined, joined_as, resumed, try_now};
use baton_presence::{
    AutoPass, Change, ClientKind, Event, Fence, Lateness, LockRefusal, LockSnapshot,
    LockSnapshotError, LockState, LossReason, OfferEnd, Presence, Scope, SessionId, SessionRole,
    WriteRight,
};

fn ends_free(changes: &[Change]) -> bool {
    matches!(changes.last(), Some(Change::Freed { .. }))
}

fn offered_to(changes: &[Change]) -> Option<SessionId> {
    changes.iter().rev().find_map(|change| match change {
        Change::Offered { to, .. } => Some(*to),
        _ => None,
    })
}

fn away(log: &mut Log, session: SessionId) -> Vec<Change> {
    log.say(Event::Disconnected { session })
}

fn grace_over(log: &mut Log, session: SessionId) -> Vec<Change> {
    let fence = log.fence();
    log.say(Event::GraceOver { session, fence })
}

fn expire(log: &mut Log, session: SessionId) -> Vec<Change> {
    let fence = log.fence();
    log.say(Event::OfferExpired { session, fence })
}

// Free

#[test]
fn a_free_lock_is_offered_to_the_first_session_that_asks_under_a_new_fence() {
    let mut log = Log::with(AutoPass::On, &[A]);
    assert_eq!(log.may_write(A), WriteRight::Free);
    let changes = log.acquire(A);
    let fence = log.here();
    assert_eq!(
        changes,
        vec![Change::Offered {
            to: A,
            fence,
            scope: Scope::WHOLE
        }]
    );
    assert_eq!(log.state(), NewestLock::Offered { to: A, fence });
    assert_eq!(
        log.may_write(A),
        WriteRight::Refused {
            fence_now: Some(fence)
        }
    );
}

#[test]
fn only_a_writer_that_can_claim_may_ask() {
    let mut log = Log::new(AutoPass::On);
    log.say(joined_as(A, ClientKind::LockUnaware, SessionRole::Writer));
    log.say(joined_as(B, ClientKind::LockAware, SessionRole::Observer));
    for (session, why) in [
        (A, LockRefusal::CannotClaim),
        (B, LockRefusal::Observer),
        (C, LockRefusal::UnknownSession),
    ] {
        let refused = vec![Change::Refused { session, why }];
        assert_eq!(log.say(acquire(session)), refused);
        assert_eq!(log.say(try_now(session)), refused);
    }
    assert_eq!(log.state(), NewestLock::Free);
}

#[test]
fn a_session_without_a_connection_must_resume_before_it_asks() {
    let mut log = Log::with(AutoPass::On, &[A]);
    away(&mut log, A);
    let why = LockRefusal::NotLive;
    assert_eq!(log.acquire(A), vec![Change::Refused { session: A, why }]);
}

// Offered

#[test]
fn a_claim_with_the_offers_fence_makes_the_holder_and_uses_the_ticket_up() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold(A);
    assert_eq!(log.state(), NewestLock::Held { by: A, fence });
    assert_eq!(log.lock_state.queue_position(A), None);
    assert_eq!(log.may_write(A), WriteRight::Holder(fence));
    let refused = WriteRight::Refused {
        fence_now: Some(fence),
    };
    assert_eq!(log.may_write(B), refused);
    assert_eq!(
        log.lock_state.peer(A).and_then(|a| a.fence_seen),
        Some(fence)
    );
}

#[test]
fn an_offer_that_expires_moves_on_and_its_ticket_stays() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    log.hold(A);
    log.acquire(B);
    log.acquire(C);
    let fence = log.fence();
    log.say(Event::Release { session: A, fence });
    let offer = log.fence();
    let changes = expire(&mut log, B);
    let why = OfferEnd::Expired;
    assert_eq!(
        changes,
        vec![
            Change::OfferEnded {
                to: B,
                fence: offer,
                why,
                scope: Scope::WHOLE
            },
            Change::Offered {
                to: C,
                fence: log.here(),
                scope: Scope::WHOLE
            },
        ]
    );
    assert!(log.here() > offer);
    // It goes on waiting, behind the other waiters.
    assert_eq!(
        (
            log.lock_state.queue_position(C),
            log.lock_state.queue_position(B)
        ),
        (Some(0), Some(1))
    );
}

#[test]
fn an_offer_that_no_other_session_can_take_leaves_the_lock_free() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    log.acquire(A);
    let changes = expire(&mut log, A);
    assert!(ends_free(&changes));
    assert_eq!(log.state(), NewestLock::Free);
    assert_eq!(log.lock_state.queue_position(A), Some(0));
}

#[test]
fn the_one_offered_is_gone_so_the_offer_moves_on_at_once() {
    for gone in [
        Event::Disconnected { session: A },
        Event::Lost { session: A },
        Event::Done { session: A },
    ] {
        let mut log = Log::with(AutoPass::On, &[A, B]);
        log.acquire(A);
        log.acquire(B);
        let changes = log.say(gone.clone());
        assert_eq!(offered_to(&changes), Some(B), "{gone:?}");
        let ended = |change: &Change| {
            matches!(
                change,
                Change::OfferEnded {
                    to: A,
                    why: OfferEnd::Unreachable,
                    ..
                }
            )
        };
        assert!(changes.iter().any(ended), "{gone:?}");
    }
}

fn decline(session: SessionId, fence: Fence, later: bool) -> Event {
    Event::Decline {
        session,
        fence,
        later,
    }
}

/// Ends the pause after the newest offer.
fn pause_over(log: &mut Log, session: SessionId) -> Vec<Change> {
    let fence = log.lock_state.last_fence().expect("something was offered");
    log.say(Event::PauseOver { session, fence })
}

#[test]
fn a_waiter_that_declines_leaves_the_queue() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    log.acquire(A);
    log.acquire(B);
    let fence = log.fence();
    let changes = log.say(decline(A, fence, false));
    assert_eq!(offered_to(&changes), Some(B));
    assert!(changes.contains(&Change::Dequeued { session: A }));
    assert_eq!(log.lock_state.queue_position(A), None);
    let fence = log.fence();
    assert!(ends_free(&log.say(decline(B, fence, false))));
    assert_eq!(log.lock_state.waiter_count(), 0);
    assert_eq!(pause_over(&mut log, B), vec![]);
    log.say(joined(C));
    assert_eq!(log.state(), NewestLock::Free);
}

#[test]
fn a_waiter_that_declines_for_now_waits_behind_the_others_and_is_offered_it_again() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    log.acquire(A);
    log.acquire(B);
    let fence = log.fence();
    assert_eq!(offered_to(&log.say(decline(A, fence, true))), Some(B));
    assert_eq!(
        (
            log.lock_state.queue_position(B),
            log.lock_state.queue_position(A)
        ),
        (Some(0), Some(1))
    );
    let fence = log.fence();
    // Both had their offer; without a pause the lock would alternate between them.
    assert!(ends_free(&log.say(decline(B, fence, true))));
    assert_eq!(offered_to(&pause_over(&mut log, B)), Some(A), "longer here");
    assert_eq!(offered_to(&expire(&mut log, A)), Some(B));
}

/// L5: a free lock with a live waiter is offered again and again.
#[test]
fn a_sole_waiter_that_missed_an_offer_is_offered_it_again_and_again() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    log.acquire(B);
    for _ in 0..5 {
        let missed = log.fence();
        assert!(ends_free(&expire(&mut log, B)));
        assert_eq!(log.lock_state.queue_position(B), Some(0));
        assert_eq!(offered_to(&pause_over(&mut log, B)), Some(B));
        // The repeated record is overtaken.
        let (session, fence) = (B, missed);
        assert_eq!(log.say(Event::PauseOver { session, fence }), vec![]);
    }
    log.claim(B);
}

#[test]
fn no_later_waiter_is_served_before_one_in_its_pause() {
    let mut log = Log::with(AutoPass::On, &[A, B, C, D]);
    log.acquire(A);
    log.acquire(B);
    assert_eq!(offered_to(&expire(&mut log, A)), Some(B));
    assert!(ends_free(&expire(&mut log, B)));
    // A session that comes later does not overtake the waiters, and is offered nothing.
    let changes = log.say(try_now(D));
    let why = LockRefusal::Busy { by: A };
    assert_eq!(changes, vec![Change::Refused { session: D, why }]);
    assert_eq!(log.state(), NewestLock::Free);
    // A new waiter wakes those before it, each once.
    assert_eq!(offered_to(&log.acquire(C)), Some(A));
    assert_eq!(offered_to(&expire(&mut log, A)), Some(B));
    assert_eq!(offered_to(&expire(&mut log, B)), Some(C));
    log.claim(C);
}

/// A session that never asked does not become the holder either.
#[test]
fn a_lost_holders_lock_waits_for_a_waiter_in_its_pause() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    log.hold(A);
    log.acquire(C);
    assert_eq!(offered_to(&log.say(Event::Lost { session: A })), Some(C));
    assert!(ends_free(&expire(&mut log, C)));
    assert_eq!(offered_to(&pause_over(&mut log, C)), Some(C));
}

/// Two sessions that never asked are each offered a lost holder's lock once.
#[test]
fn a_session_that_never_asked_and_missed_an_offer_is_not_offered_it_again() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    log.hold(A);
    assert_eq!(offered_to(&log.say(Event::Lost { session: A })), Some(B));
    assert_eq!(offered_to(&expire(&mut log, B)), Some(C));
    let fence = log.fence();
    assert!(ends_free(&log.say(decline(C, fence, true))));
    for session in [B, C] {
        assert!(
            log.lock_state
                .peer(session)
                .is_some_and(|peer| peer.ticket.is_none())
        );
    }
    log.say(joined(D));
    assert_eq!(offered_to(&log.acquire(D)), Some(D));
}

/// Records of an older server must lead to the same state as then: the newcomer had the lock.
#[test]
fn records_from_before_the_pauses_mean_what_they_meant() {
    for old_decline in [true, false] {
        let mut log = Log::with(AutoPass::On, &[A, B]);
        log.acquire(A);
        let (session, fence) = (A, log.fence());
        assert!(ends_free(&log.say(if old_decline {
            Event::OldDecline { session, fence }
        } else {
            Event::OldOfferExpired { session, fence }
        })));
        assert_eq!(offered_to(&log.acquire(B)), Some(B));
        log.claim(B);
        assert_eq!(log.lock_state.queue_position(A), Some(0));
    }
}

#[test]
fn a_skipped_session_is_offered_a_free_lock_again_when_it_acts() {
    let acts = [
        vec![acquire(A)],
        vec![try_now(A)],
        vec![Event::Lost { session: A }, Event::Back { session: A }],
        vec![Event::Disconnected { session: A }, resumed(A, &[])],
    ];
    for act in acts {
        let mut log = Log::with(AutoPass::On, &[A]);
        log.acquire(A);
        let missed = log.fence();
        expire(&mut log, A);
        for event in &act {
            log.say(event.clone());
        }
        let now = log.fence();
        assert_eq!(log.state(), NewestLock::Offered { to: A, fence: now });
        assert!(now > missed, "{act:?}");
    }
}

/// A page that was busy for three seconds claims too late. If the claim did not count as a sign of
/// life, the page would wait for ever with the oldest ticket of a free lock.
#[test]
fn a_claim_that_comes_too_late_is_refused_and_ends_the_passing_over() {
    let mut log = Log::with(AutoPass::On, &[A]);
    log.acquire(A);
    let missed = log.fence();
    expire(&mut log, A);
    let claim = Event::Claim {
        session: A,
        fence: missed,
    };
    let changes = log.say(claim.clone());
    let why = LockRefusal::StaleFence {
        named: missed,
        now: Some(missed),
    };
    let fence = log.here();
    assert_eq!(
        changes,
        vec![
            Change::Refused { session: A, why },
            Change::Offered {
                to: A,
                fence,
                scope: Scope::WHOLE
            }
        ]
    );
    // A repeated claim proves nothing new.
    log.say(Event::OfferExpired { session: A, fence });
    log.say(claim);
    assert_eq!(log.state(), NewestLock::Free);
}

/// B missed one offer, and then waited alive through a whole grant. If the missed offer still
/// counted, the dead holder would stay although B waits.
#[test]
fn a_missed_offer_is_forgiven_once_another_session_was_granted_the_lock() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    log.acquire(B);
    log.acquire(A);
    expire(&mut log, B);
    log.claim(A);
    let changes = log.say(Event::Lost { session: A });
    assert_eq!(offered_to(&changes), Some(B));
}

#[test]
fn asking_again_while_offered_tells_the_same_offer() {
    let mut log = Log::with(AutoPass::On, &[A]);
    log.acquire(A);
    let told = vec![Change::Offered {
        to: A,
        fence: log.fence(),
        scope: Scope::WHOLE,
    }];
    assert_eq!(log.acquire(A), told);
    assert_eq!(log.say(try_now(A)), told);
}

/// Found by the simulation: a peer that was offered the lock by auto-pass asked for it four times,
/// missed the offer, and was not in the queue.
#[test]
fn asking_during_an_offer_that_came_by_itself_takes_a_ticket() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    log.hold(A);
    log.say(Event::Lost { session: A });
    assert_eq!(log.lock_state.queue_position(B), None);
    log.acquire(B);
    assert_eq!(log.lock_state.queue_position(B), Some(0));
    expire(&mut log, B);
    assert_eq!(log.lock_state.queue_position(B), Some(0));
}

#[test]
fn cancelling_turns_an_open_offer_down_and_gives_the_ticket_up() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    log.acquire(A);
    log.acquire(B);
    let changes = log.say(Event::Cancel { session: A });
    assert_eq!(changes.first(), Some(&Change::Dequeued { session: A }));
    assert_eq!(offered_to(&changes), Some(B));
    assert_eq!(log.lock_state.queue_position(A), None);
}

/// Auto-pass offered the lock and the session cancelled; auto-pass must not offer it again at once.
#[test]
fn cancelling_an_offer_that_came_by_itself_does_not_bring_it_back() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    log.hold(A);
    log.say(Event::Lost { session: A });
    let changes = log.say(Event::Cancel { session: B });
    assert!(ends_free(&changes));
}

// Held

#[test]
fn a_silent_holder_is_replaced_when_a_session_waits() {
    let mut log = Log::with(AutoPass::Off, &[A, B]);
    let fence = log.hold(A);
    log.acquire(B);
    let changes = log.say(Event::Lost { session: A });
    let why = LossReason::Silent;
    assert_eq!(
        changes,
        vec![
            Change::Lost { session: A },
            Change::LockLost {
                by: A,
                fence,
                why,
                scope: Scope::WHOLE
            },
            Change::Offered {
                to: B,
                fence: log.here(),
                scope: Scope::WHOLE
            },
        ]
    );
}

#[test]
fn a_silent_holder_keeps_the_lock_until_a_session_can_take_it_and_then_loses_it_at_once() {
    let takes: [(AutoPass, Event); 4] = [
        (AutoPass::On, joined(C)),
        (AutoPass::Off, acquire(B)),
        (AutoPass::Off, try_now(B)),
        (AutoPass::Off, Event::AutoPassSet(AutoPass::On)),
    ];
    for (auto_pass, take) in takes {
        let mut log = Log::with(auto_pass, &[A]);
        let fence = log.hold(A);
        if auto_pass == AutoPass::Off {
            log.say(joined(B));
        }
        log.say(joined_as(D, ClientKind::LockUnaware, SessionRole::Observer));
        let changes = log.say(Event::Lost { session: A });
        assert_eq!(changes, vec![Change::Lost { session: A }]);
        assert_eq!(log.state(), NewestLock::Held { by: A, fence });
        assert_eq!(log.may_write(A), WriteRight::Holder(fence));
        let changes = log.say(take.clone());
        assert!(offered_to(&changes).is_some(), "{take:?}: {changes:?}");
    }
}

#[test]
fn a_silent_holder_that_comes_back_in_time_has_its_fence_as_it_was() {
    let mut log = Log::with(AutoPass::On, &[A]);
    let fence = log.hold(A);
    log.say(Event::Lost { session: A });
    let changes = log.say(Event::Back { session: A });
    assert_eq!(
        changes,
        vec![
            Change::Back { session: A },
            Change::Resumed {
                by: A,
                fence,
                scope: Scope::WHOLE
            }
        ]
    );
    log.say(joined(B));
    assert_eq!(log.state(), NewestLock::Held { by: A, fence });
}

#[test]
fn a_peer_that_comes_back_takes_the_lock_of_a_silent_holder() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    log.hold(A);
    log.say(Event::Lost { session: B });
    assert_eq!(offered_to(&log.say(Event::Lost { session: A })), None);
    let changes = log.say(Event::Back { session: B });
    assert_eq!(offered_to(&changes), Some(B));
}

#[test]
fn a_release_passes_by_ticket_only() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    let fence = log.hold(B);
    let changes = log.say(Event::Release { session: B, fence });
    assert_eq!(
        changes,
        vec![
            Change::Released {
                by: B,
                fence,
                scope: Scope::WHOLE
            },
            Change::Freed { fence }
        ]
    );
    let fence = log.hold(B);
    log.acquire(C);
    let changes = log.say(Event::Release { session: B, fence });
    assert_eq!(offered_to(&changes), Some(C));
}

/// The session that is offered the lock after a release does not take it: no other becomes holder.
#[test]
fn an_offer_after_a_release_that_is_not_taken_does_not_become_an_auto_pass() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    let fence = log.hold(A);
    log.acquire(B);
    log.say(Event::Release { session: A, fence });
    let changes = expire(&mut log, B);
    assert!(ends_free(&changes));
}

#[test]
fn a_holder_that_is_done_releases_and_leaves() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold(A);
    log.acquire(B);
    let changes = log.say(Event::Done { session: A });
    assert_eq!(changes.first(), Some(&Change::Gone { session: A }));
    assert!(changes.contains(&Change::Released {
        by: A,
        fence,
        scope: Scope::WHOLE
    }));
    assert_eq!(offered_to(&changes), Some(B));
    assert!(log.lock_state.peer(A).is_none());
}

#[test]
fn a_holder_that_asks_again_is_told_again() {
    let mut log = Log::with(AutoPass::On, &[A]);
    let fence = log.hold(A);
    let told = vec![Change::Granted {
        to: A,
        fence,
        scope: Scope::WHOLE,
    }];
    assert_eq!(log.acquire(A), told);
    assert_eq!(log.say(try_now(A)), told);
    assert_eq!(log.say(Event::Claim { session: A, fence }), told);
    assert_eq!(log.lock_state.waiter_count(), 0);
}

#[test]
fn going_offline_passes_to_the_oldest_ticket_before_the_oldest_peer() {
    let mut log = Log::with(AutoPass::On, &[A, B, C, D]);
    log.hold(D);
    log.acquire(C);
    let changes = log.say(Event::Lost { session: D });
    assert_eq!(offered_to(&changes), Some(C));
    // C declines and no other session waits, so the peer that joined first is next.
    let fence = log.fence();
    assert_eq!(offered_to(&log.say(decline(C, fence, false))), Some(A));
}

#[test]
fn auto_pass_skips_sessions_that_cannot_hold_or_are_not_live() {
    let mut log = Log::new(AutoPass::On);
    log.say(joined_as(A, ClientKind::LockUnaware, SessionRole::Writer));
    log.say(joined_as(B, ClientKind::LockAware, SessionRole::Observer));
    log.say(joined(C));
    log.say(joined(D));
    let (e, f) = (SessionId(5), SessionId(6));
    log.say(joined(e));
    log.say(joined(f));
    log.hold(f);
    log.say(Event::Lost { session: C });
    log.say(Event::Disconnected { session: D });
    let changes = log.say(Event::Lost { session: f });
    assert_eq!(offered_to(&changes), Some(e));
}

#[test]
fn without_auto_pass_only_a_ticket_counts() {
    let mut log = Log::with(AutoPass::Off, &[A, B]);
    let fence = log.hold(A);
    away(&mut log, A);
    grace_over(&mut log, A);
    assert_eq!(log.state(), NewestLock::Suspect { by: A, fence });
    assert_eq!(offered_to(&log.acquire(B)), Some(B));
}

// Suspect

#[test]
fn a_closed_connection_starts_the_grace_even_if_a_session_waits() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold(A);
    log.acquire(B);
    let changes = away(&mut log, A);
    assert_eq!(
        changes,
        vec![
            Change::Detached { session: A },
            Change::Suspected {
                by: A,
                fence,
                scope: Scope::WHOLE
            }
        ]
    );
    let refused = WriteRight::Refused {
        fence_now: Some(fence),
    };
    assert_eq!(log.may_write(A), refused);
}

#[test]
fn a_resume_within_the_grace_gives_the_same_fence_back() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold(A);
    log.acquire(B);
    for named in [vec![fence], vec![]] {
        away(&mut log, A);
        let changes = log.say(resumed(A, &named));
        assert_eq!(
            changes,
            vec![
                Change::Attached { session: A },
                Change::Resumed {
                    by: A,
                    fence,
                    scope: Scope::WHOLE
                }
            ]
        );
        assert_eq!(log.state(), NewestLock::Held { by: A, fence });
    }
}

#[test]
fn a_grace_that_is_over_passes_the_lock_on() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold(A);
    away(&mut log, A);
    let changes = grace_over(&mut log, A);
    let why = LossReason::GraceOver;
    assert_eq!(
        changes.first(),
        Some(&Change::LockLost {
            by: A,
            fence,
            why,
            scope: Scope::WHOLE
        })
    );
    assert_eq!(offered_to(&changes), Some(B));
}

#[test]
fn a_grace_that_is_over_waits_for_the_first_session_that_can_take_the_lock() {
    let mut log = Log::with(AutoPass::On, &[A]);
    let fence = log.hold(A);
    away(&mut log, A);
    assert_eq!(grace_over(&mut log, A), vec![]);
    assert_eq!(
        log.lock_state.grant(fence).map(|grant| grant.lateness),
        Some(Lateness::Overdue)
    );
    // Until then the holder itself may return.
    let resumed = resumed(A, &[fence]);
    let mut other = log.clone();
    other.say(resumed.clone());
    assert_eq!(other.state(), NewestLock::Held { by: A, fence });
    assert_eq!(offered_to(&log.say(joined(B))), Some(B));
    let changes = log.say(resumed);
    let why = LockRefusal::StaleFence {
        named: fence,
        now: log.lock_state.last_fence(),
    };
    assert!(changes.contains(&Change::Refused { session: A, why }));
}

/// The holder was silent for ten seconds already; a further grace would only add to the bound.
#[test]
fn a_silent_holder_whose_connection_then_closes_gets_no_further_grace() {
    let mut log = Log::with(AutoPass::On, &[A]);
    log.hold(A);
    log.say(Event::Lost { session: A });
    away(&mut log, A);
    assert_eq!(offered_to(&log.say(joined(B))), Some(B));
}

#[test]
fn a_resume_with_another_fence_does_not_give_the_lock_back() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let old = log.hold(A);
    log.say(Event::Release {
        session: A,
        fence: old,
    });
    let fence = log.hold(A);
    log.acquire(B);
    away(&mut log, A);
    let changes = log.say(resumed(A, &[old]));
    let why = LossReason::OtherFence;
    assert!(changes.contains(&Change::LockLost {
        by: A,
        fence,
        why,
        scope: Scope::WHOLE
    }));
    let why = LockRefusal::StaleFence {
        named: old,
        now: Some(fence),
    };
    assert!(changes.contains(&Change::Refused { session: A, why }));
    assert_eq!(offered_to(&changes), Some(B));
}

#[test]
fn a_session_that_does_not_hold_and_resumes_with_a_fence_is_refused_the_fence_only() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold(A);
    log.say(Event::Lost { session: A });
    log.claim(B);
    away(&mut log, A);
    let changes = log.say(resumed(A, &[fence]));
    let now = log.lock_state.last_fence();
    let why = LockRefusal::StaleFence { named: fence, now };
    assert_eq!(
        changes,
        vec![
            Change::Attached { session: A },
            Change::Refused { session: A, why }
        ]
    );
    assert_eq!(
        log.lock_state.peer(A).map(|a| a.presence),
        Some(Presence::Live)
    );
}

#[test]
fn a_new_connection_of_the_one_offered_is_told_the_offer_again() {
    let mut log = Log::with(AutoPass::On, &[A]);
    log.acquire(A);
    let fence = log.fence();
    let changes = log.say(resumed(A, &[]));
    assert!(changes.contains(&Change::Offered {
        to: A,
        fence,
        scope: Scope::WHOLE
    }));
}

// Recovering

#[test]
fn a_restart_remembers_the_holder_and_the_one_offered() {
    for claimed in [true, false] {
        let mut log = Log::with(AutoPass::On, &[A, B]);
        log.acquire(A);
        let fence = log.fence();
        if claimed {
            log.claim(A);
        }
        let changes = log.say(Event::Restarted);
        assert!(changes.contains(&Change::Recovering {
            by: A,
            fence,
            scope: Scope::WHOLE
        }));
        assert_eq!(log.state(), NewestLock::Recovering { by: A, fence });
        let refused = WriteRight::Refused {
            fence_now: Some(fence),
        };
        assert_eq!(log.may_write(B), refused);
        assert!(
            log.lock_state
                .peers()
                .all(|peer| peer.presence == Presence::Away)
        );
        log.say(resumed(A, &[fence]));
        assert_eq!(log.state(), NewestLock::Held { by: A, fence });
        assert_eq!(log.lock_state.queue_position(A), None);
    }
}

#[test]
fn a_recovery_that_is_over_passes_the_lock_on_or_waits() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold(A);
    log.say(Event::Restarted);
    let over = Event::RecoveryOver { session: A, fence };
    assert_eq!(log.say(over), vec![]);
    assert_eq!(log.state(), NewestLock::Recovering { by: A, fence });
    let changes = log.say(resumed(B, &[]));
    let why = LossReason::RecoveryOver;
    assert!(changes.contains(&Change::LockLost {
        by: A,
        fence,
        why,
        scope: Scope::WHOLE
    }));
    assert_eq!(offered_to(&changes), Some(B));
}

#[test]
fn a_second_restart_gives_the_holder_its_time_again() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold(A);
    log.say(Event::Restarted);
    log.say(Event::RecoveryOver { session: A, fence });
    log.say(Event::Restarted);
    log.say(resumed(B, &[]));
    assert_eq!(log.state(), NewestLock::Recovering { by: A, fence });
}

// The queue

#[test]
fn waiters_are_served_in_ticket_order_and_the_dead_are_skipped_not_dropped() {
    let mut log = Log::with(AutoPass::On, &[A, B, C, D]);
    let fence = log.hold(A);
    for session in [D, B, C] {
        assert_eq!(log.acquire(session), vec![Change::Queued { session }]);
    }
    assert_eq!(log.acquire(B), vec![Change::Queued { session: B }]);
    assert_eq!(
        log.lock_state
            .waiters()
            .map(|(who, _)| who)
            .collect::<Vec<_>>(),
        [D, B, C]
    );
    assert_eq!(log.lock_state.queue_position(C), Some(2));
    log.say(Event::Disconnected { session: D });
    let changes = log.say(Event::Release { session: A, fence });
    assert_eq!(offered_to(&changes), Some(B));
    let fence = log.claim(B);
    log.say(resumed(D, &[]));
    assert_eq!(log.lock_state.queue_position(D), Some(0));
    let changes = log.say(Event::Release { session: B, fence });
    assert_eq!(offered_to(&changes), Some(D));
}

#[test]
fn a_waiter_that_comes_back_to_a_free_lock_is_offered_it() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold(A);
    log.acquire(B);
    log.say(Event::Lost { session: B });
    log.say(Event::Release { session: A, fence });
    assert_eq!(log.state(), NewestLock::Free);
    let changes = log.say(Event::Back { session: B });
    assert_eq!(offered_to(&changes), Some(B));
}

#[test]
fn try_never_queues() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let fence = log.hold(A);
    let why = LockRefusal::Busy { by: A };
    assert_eq!(
        log.say(try_now(B)),
        vec![Change::Refused { session: B, why }]
    );
    log.say(Event::Release { session: A, fence });
    assert_eq!(offered_to(&log.say(try_now(B))), Some(B));
    assert_eq!(log.lock_state.waiter_count(), 0);
    assert!(ends_free(&expire(&mut log, B)));
}

#[test]
fn a_forgotten_session_goes_with_its_ticket_but_never_with_the_lock() {
    let mut log = Log::with(AutoPass::On, &[A, B, C]);
    log.hold(A);
    log.acquire(B);
    let forget = |session| Event::Forgotten { session };
    // The session has a connection again, which overtook the proposal.
    assert_eq!(log.say(forget(B)), vec![]);
    away(&mut log, B);
    assert_eq!(log.say(forget(B)), vec![Change::Gone { session: B }]);
    assert_eq!(log.lock_state.waiter_count(), 0);
    away(&mut log, A);
    assert_eq!(log.say(forget(A)), vec![]);
    assert!(log.lock_state.peer(A).is_some());
}

// Overtaken records

#[test]
fn stale_fences_and_overtaken_proposals_change_nothing() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    let old = log.hold(A);
    log.say(Event::Release {
        session: A,
        fence: old,
    });
    let fence = log.hold(A);
    log.acquire(B);
    let stale = |named| LockRefusal::StaleFence {
        named,
        now: Some(fence),
    };
    let before = log.lock_state.snapshot();
    let asks = [
        Event::Release {
            session: A,
            fence: old,
        },
        Event::Claim {
            session: A,
            fence: old,
        },
        decline(A, old, false),
        decline(A, old, true),
    ];
    for ask in asks {
        let why = stale(old);
        assert_eq!(
            log.say(ask.clone()),
            vec![Change::Refused { session: A, why }],
            "{ask:?}"
        );
    }
    // Another session's fence is as stale as an old one.
    let theft = Event::Release { session: B, fence };
    let why = stale(fence);
    assert_eq!(log.say(theft), vec![Change::Refused { session: B, why }]);
    let overtaken = [
        Event::OfferExpired { session: A, fence },
        Event::PauseOver { session: A, fence },
        Event::GraceOver { session: A, fence },
        Event::RecoveryOver { session: A, fence },
        Event::Back { session: A },
        Event::Forgotten { session: A },
    ];
    for proposal in overtaken {
        assert_eq!(log.say(proposal.clone()), vec![], "{proposal:?}");
    }
    let after = log.lock_state.snapshot();
    let position = before.position;
    assert_eq!(LockSnapshot { position, ..after }, before);
}

#[test]
fn a_record_that_a_snapshot_contains_is_not_applied_again() {
    let mut log = Log::with(AutoPass::On, &[A]);
    log.acquire(A);
    let mut lock_state = LockState::restore(&log.lock_state.snapshot()).expect("a good snapshot");
    let mut changes = Vec::new();
    let last = log.position;
    let done = Event::Done { session: A };
    for position in [last, last - 1] {
        changes.clear();
        lock_state.apply(position, &done, &mut changes);
        assert_eq!(changes, vec![Change::OutOfOrder { position, last }]);
    }
    assert_eq!(lock_state, log.lock_state);
}

#[test]
fn joining_twice_is_refused() {
    let mut log = Log::with(AutoPass::On, &[A]);
    let why = LockRefusal::AlreadyJoined;
    assert_eq!(
        log.say(joined(A)),
        vec![Change::Refused { session: A, why }]
    );
}

// Snapshots

#[test]
fn a_snapshot_that_contradicts_itself_is_an_error_never_an_empty_document() {
    let mut log = Log::with(AutoPass::On, &[A, B]);
    log.hold(A);
    log.acquire(B);
    let good = log.lock_state.snapshot();
    assert!(LockState::restore(&good).is_ok());

    let mut bad = good.clone();
    bad.peers.remove(0);
    assert_eq!(
        LockState::restore(&bad),
        Err(LockSnapshotError::HolderUnknown(A))
    );

    let mut bad = good.clone();
    bad.peers.reverse();
    assert_eq!(
        LockState::restore(&bad),
        Err(LockSnapshotError::PeersOutOfOrder)
    );

    let mut bad = good.clone();
    bad.peers[0].ticket = bad.peers[1].ticket;
    assert!(matches!(
        LockState::restore(&bad),
        Err(LockSnapshotError::TicketTwice(_))
    ));

    let mut bad = good.clone();
    bad.peers[0].presence = Presence::Away;
    assert_eq!(
        LockState::restore(&bad),
        Err(LockSnapshotError::HolderElsewhere(A))
    );

    let mut bad = good.clone();
    bad.last_fence = None;
    assert!(matches!(
        LockState::restore(&bad),
        Err(LockSnapshotError::FenceTooNew(_))
    ));

    let mut bad = good.clone();
    bad.peers[1].wants = None;
    assert_eq!(
        LockState::restore(&bad),
        Err(LockSnapshotError::TicketForNothing(B))
    );

    let mut bad = good.clone();
    let twin = bad.grants[0].clone();
    bad.grants.push(twin.clone());
    assert_eq!(
        LockState::restore(&bad),
        Err(LockSnapshotError::GrantsOutOfOrder)
    );
    bad.grants[1].fence.position += 1;
    bad.last_fence = Some(bad.grants[1].fence);
    let (one, other) = (twin.fence, bad.grants[1].fence);
    assert_eq!(
        LockState::restore(&bad),
        Err(LockSnapshotError::GrantsConflict(one, other))
    );

    let mut bad = good;
    bad.grants[0].lateness = Lateness::Overdue;
    assert_eq!(
        LockState::restore(&bad),
        Err(LockSnapshotError::NothingOverdue)
    );
}

#[test]
fn a_new_epoch_forgets_the_sessions_and_has_larger_fences() {
    let mut log = Log::with(AutoPass::On, &[A]);
    let old = log.hold(A);
    let snapshot = log.lock_state.snapshot();
    assert!(snapshot.clone().into_epoch(1).is_err());
    let next = snapshot.into_epoch(2).expect("a larger epoch");
    log.lock_state = LockState::restore(&next).expect("a good snapshot");
    log.position = 0;
    assert!(log.lock_state.is_empty());
    log.say(joined(B));
    log.acquire(B);
    assert!(log.fence() > old);
}
