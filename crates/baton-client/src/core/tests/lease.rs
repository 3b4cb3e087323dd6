//! Stories of the lease: the time for which a holder may edit without news from the server.

use baton_sync::control_channel::{GrantStatus, ServerMessage};

use super::script::{SECOND, Script, fence, free, grants, view};
use crate::events::{ClientEvent, EditPermission};
use crate::scope::LockScope;

fn permission(script: &Script) -> EditPermission {
    script.core.permission(&LockScope::whole(), script.now)
}

#[test]
fn a_holder_without_news_stops_seven_seconds_after_it_sent_what_was_confirmed() {
    let mut script = Script::new();
    script.joins(false, free(1));
    grants(&mut script, 7);
    script.pass(2 * SECOND);
    script.beat(1, 0);
    script.pass(2 * SECOND);
    script.beat(2, 1); // confirms answer 1, which was sent two seconds ago
    script.pass(5 * SECOND - SECOND / 1000);
    assert_eq!(permission(&script), EditPermission::Holder);
    script.takes_events();
    script.pass(SECOND / 1000);
    assert_eq!(permission(&script), EditPermission::Unconfirmed);
    assert_eq!(
        script.takes_events(),
        [ClientEvent::MayEdit(EditPermission::Unconfirmed)]
    );
    // A new confirmation renews the lease.
    script.beat(3, 2);
    script.beat(4, 3);
    assert_eq!(permission(&script), EditPermission::Holder);
}

#[test]
fn a_sleep_that_the_monotonic_clock_missed_ends_the_lease() {
    let mut script = Script::new();
    script.joins(false, free(1));
    grants(&mut script, 7);
    script.now.wall += 7 * SECOND;
    assert_eq!(permission(&script), EditPermission::Unconfirmed);
}

#[test]
fn a_claim_counts_from_its_sending_and_not_from_the_grant() {
    let mut script = Script::new();
    script.joins(false, free(1));
    script.says(&ServerMessage::Offer {
        fence: fence(7),
        paths: Vec::new(),
        expires_ms: 2000,
    });
    script.pass(SECOND);
    script.says(&ServerMessage::Granted {
        fence: fence(7),
        paths: Vec::new(),
    });
    assert_eq!(
        script
            .core
            .locks()
            .lease_left(&LockScope::whole(), script.now),
        6 * SECOND
    );
}

#[test]
fn a_grant_counts_from_the_first_claim_of_an_offer_that_is_told_twice() {
    let mut script = Script::new();
    script.joins(false, free(1));
    let offer = ServerMessage::Offer {
        fence: fence(7),
        paths: Vec::new(),
        expires_ms: 2000,
    };
    script.says(&offer);
    // The confirmation arrived while this client slept; the lock has passed on since.
    script.now.wall += 20 * SECOND;
    script.says(&offer);
    script.says(&ServerMessage::Granted {
        fence: fence(7),
        paths: Vec::new(),
    });
    assert_eq!(permission(&script), EditPermission::Unconfirmed);
}

#[test]
fn a_resumed_holder_goes_on_and_counts_from_its_hello() {
    let mut script = Script::new();
    script.joins(false, free(1));
    grants(&mut script, 7);
    script.loses_connection(None);
    assert_eq!(permission(&script), EditPermission::Holder);
    script.pass(6 * SECOND);
    script.act(|core, now| core.opened(now));
    script.pass(SECOND);
    assert_eq!(permission(&script), EditPermission::Unconfirmed);
    script.takes_events();
    script.welcomes(5, true, view(7, GrantStatus::Held, 5));
    assert_eq!(permission(&script), EditPermission::Holder);
    assert_eq!(
        script
            .core
            .locks()
            .lease_left(&LockScope::whole(), script.now),
        6 * SECOND
    );
    let kept = ClientEvent::Granted {
        fence: fence(7),
        scope: LockScope::whole(),
        kept: true,
    };
    assert!(script.takes_events().contains(&kept));
}

#[test]
fn nothing_that_an_earlier_session_sent_counts_for_a_new_one() {
    let mut script = Script::new();
    script.joins(false, free(1));
    grants(&mut script, 7);
    script.beat(1, 0);
    script.loses_connection(None);
    script.joins(false, free(8));
    script.says(&ServerMessage::Granted {
        fence: fence(9),
        paths: Vec::new(),
    });
    script.beat(2, 1);
    assert_eq!(permission(&script), EditPermission::Unconfirmed);
    script.beat(3, 2);
    assert_eq!(permission(&script), EditPermission::Holder);
}
