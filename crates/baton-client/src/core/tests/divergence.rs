//! Stories of parks, drafts and the fresh copy.

use baton_sync::channel::{
    ClientMessage, ErrorCode, GrantState, Outcome, ParkPart, ParkReason, ParkState, ParkView,
    PartKind, ServerMessage, User,
};
use baton_sync::y_websocket;

use super::lock::{grants, nonce};
use super::script::{SECOND, Script, Sent, fence, free, text, view};
use crate::core::connection::Phase;
use crate::core::operation::{Asked, Decision, Guard, Operation, ParkContent, Reply};
use crate::draft::{Draft, Kept};
use crate::error::{EditError, Unanswered};
use crate::events::{EditRight, Event, Status};
use crate::options::Divergence;
use crate::scope::Scope;

fn park(id: u64, state: ParkState) -> ParkView {
    ParkView {
        id,
        session: 5,
        user: User::default(),
        at_ms: 0,
        reason: ParkReason::Locked,
        edits: 1,
        inserted: 8,
        deleted: 0,
        bytes: 20,
        state,
        by: None,
        until_ms: None,
    }
}

fn parks(script: &mut Script, id: u64) {
    script.says(&ServerMessage::Parked {
        id,
        reason: "somebody has the lock".to_owned(),
    });
}

/// A client whose edit "too late" met somebody's lock: three messages, of which the first two are durable.
fn diverging() -> Script {
    let mut script = Script::new();
    script.other_writes("before ");
    let opening = script.joins(false, view(2, GrantState::Held, 8));
    script.applies(&opening);
    script.writes("in time ");
    let sent = script.sent();
    script.applies(&sent);
    script.says(&ServerMessage::Saved { updates: 2 });
    script.writes("too late");
    script.sent();
    script.takes_events();
    script
}

fn text_of(draft: &Draft) -> String {
    text(&draft.document().unwrap())
}

#[test]
fn a_copy_whose_edit_was_parked_is_kept_and_the_session_goes_on_with_a_fresh_one() {
    let mut script = diverging();
    let (old, attempt) = (script.core.client(), script.core.attempt());
    parks(&mut script, 4);
    let events = script.takes_events();
    let [
        Event::Parked { id: 4, .. },
        Event::Diverged {
            park: Some(4),
            draft,
        },
        Event::MayEdit(EditRight::Connecting),
    ] = &events[..]
    else {
        panic!("told {events:?}");
    };
    assert_eq!(
        (draft.client, draft.edits, draft.kept),
        (old, 1, Kept::Here)
    );
    assert_eq!(text_of(draft), "before in time too late");
    // The difference is what the document lacks, and nothing that it has.
    let mut theirs = baton_sync::Document::load(
        &script.document.snapshot().unwrap(),
        &baton_sync::DocumentOptions { client: old },
    )
    .unwrap();
    theirs.apply(&draft.difference).unwrap();
    assert_eq!(text(&theirs), "before in time too late");
    assert!(draft.difference.len() < draft.copy.len());
    assert_ne!(script.core.client(), old);
    assert_eq!(text(script.core.document()), "");
    // The old connection stays until the park has everything.
    script.says(&ServerMessage::Saved { updates: 2 });
    assert_eq!(script.core.phase(), Phase::Retiring);
    script.says(&ServerMessage::Saved { updates: 3 });
    assert_eq!(script.core.phase(), Phase::Connecting);
    assert_eq!(script.core.attempt(), attempt + 1);
    assert_eq!(script.core.drafts()[0].kept, Kept::InPark);
    let fresh = script.core.client();
    let opening = script.opens();
    let Sent::Says(ClientMessage::Hello { resume, client, .. }) = &opening[0] else {
        panic!("opens with {opening:?}");
    };
    assert_eq!(resume.as_ref().map(|resume| resume.session), Some(5));
    assert_eq!(*client, Some(fresh.get()));
    script.welcomes(5, true, free(9));
    script.asks();
    // Nothing may be edited before it is known what is there.
    let edit = script.act(|core, now| core.edit(now, &Guard::Lock(Scope::whole()), |_| ()));
    assert_eq!(edit, Err(EditError::NotNow(EditRight::Connecting)));
    let all = script.document.snapshot().unwrap();
    script.frame(&y_websocket::step2(&all));
    assert_eq!(text(script.core.document()), "before in time ");
    assert_eq!(
        script.core.right(&Scope::whole(), script.now),
        EditRight::Free
    );
    script.writes("again");
    let sent = script.sent();
    script.applies(&sent);
    assert_eq!(text(&script.document), "before in time again");
    assert_eq!(script.core.ended(), None);
}

#[test]
fn what_was_edited_and_not_sent_goes_to_the_same_park() {
    let mut script = Script::with(|options| options.max_queued = 60);
    script.joins(false, view(2, GrantState::Held, 8));
    for _ in 0..20 {
        script.writes("late ");
    }
    parks(&mut script, 4);
    let sent = script.sent();
    // The server would put them into the park; here they show that nothing is missing.
    script.applies(&sent);
    assert_eq!(text(&script.document), "late ".repeat(20));
    assert_eq!(text_of(&script.core.drafts()[0]), "late ".repeat(20));
    assert_eq!(script.core.drafts()[0].edits, 20);
}

#[test]
fn nothing_that_comes_for_the_old_copy_counts_for_the_fresh_one() {
    let mut script = diverging();
    parks(&mut script, 4);
    script.sent();
    script.takes_events();
    // Told again for each edit that was under way.
    parks(&mut script, 4);
    let update = script.other_writes("others ");
    script.frame(&y_websocket::update(&update));
    script.asks();
    assert_eq!(script.sent(), []);
    assert_eq!(text(script.core.document()), "");
    assert_eq!(script.core.drafts().len(), 1);
    assert_eq!(script.takes_events(), []);
    // What is edited regardless meanwhile waits for the new connection.
    script.writes("early");
    assert_eq!(script.sent(), []);
    script.says(&ServerMessage::Saved { updates: 3 });
    let sent = script.joins(true, free(9));
    assert!(matches!(sent[..], [Sent::Step2(_)]));
    script.applies(&sent);
    assert!(text(&script.document).contains("early"));
}

#[test]
fn beats_and_locks_go_on_while_the_old_connection_retires() {
    let mut script = Script::new();
    script.joins(false, free(1));
    script.says(&ServerMessage::Offer {
        fence: fence(7),
        paths: super::script::scope("title").to_wire(),
        expires_ms: 2000,
    });
    script.says(&ServerMessage::Granted {
        fence: fence(7),
        paths: super::script::scope("title").to_wire(),
    });
    script.writes("too late");
    script.sent();
    parks(&mut script, 4);
    script.beat(1, 0);
    let drain = ServerMessage::Drain {
        fence: fence(7),
        reason: baton_sync::channel::DrainReason::Idle,
        to: None,
        expires_ms: 3000,
    };
    script.says(&drain);
    let drained = ClientMessage::Drained { fence: fence(7) };
    let sent = script.sent();
    assert!(
        matches!(&sent[..], [Sent::Says(ClientMessage::Answer { .. }), Sent::Says(said)] if *said == drained)
    );
}

#[test]
fn a_draft_that_is_not_all_in_its_park_stays_when_the_park_is_decided() {
    for lost in [false, true] {
        let mut script = diverging();
        parks(&mut script, 4);
        if lost {
            script.loses_connection(None);
            assert_eq!(script.core.phase(), Phase::Waiting);
        } else {
            // The server never says that it is durable.
            script.pass(2 * SECOND);
            assert_eq!(script.core.phase(), Phase::Connecting);
        }
        script.joins(true, free(9));
        script.takes_events();
        script.says(&ServerMessage::Park {
            park: park(4, ParkState::Merged),
        });
        assert_eq!(
            script.takes_events(),
            [Event::Park(park(4, ParkState::Merged))]
        );
        let draft = script.core.drafts()[0].clone();
        assert_eq!(draft.kept, Kept::Here);
        script.act(|core, _| core.drop_draft(draft.client));
        assert_eq!(script.core.drafts(), []);
    }
}

#[test]
fn a_draft_is_dropped_when_its_park_is_merged_or_discarded() {
    for state in [ParkState::Merged, ParkState::Discarded] {
        let mut script = diverging();
        parks(&mut script, 4);
        script.says(&ServerMessage::Saved { updates: 3 });
        script.joins(true, free(9));
        for id in [3, 4] {
            script.says(&ServerMessage::Park {
                park: park(id, ParkState::Open),
            });
        }
        script.says(&ServerMessage::Park {
            park: park(3, state),
        });
        assert_eq!(script.core.drafts().len(), 1);
        script.takes_events();
        script.says(&ServerMessage::Park {
            park: park(4, state),
        });
        let events = script.takes_events();
        assert!(
            matches!(&events[..], [Event::Park(_), Event::DraftDropped(draft)] if draft.park == Some(4)),
            "{events:?}"
        );
        assert_eq!(script.core.drafts(), []);
        assert_eq!(script.core.parks()[&4].state, state);
    }
}

#[test]
fn a_decision_before_the_last_word_of_durability_counts_too() {
    let mut script = diverging();
    parks(&mut script, 4);
    script.says(&ServerMessage::Park {
        park: park(4, ParkState::Merged),
    });
    assert_eq!(script.core.drafts().len(), 1);
    script.says(&ServerMessage::Saved { updates: 3 });
    assert_eq!(script.core.drafts(), []);
}

#[test]
fn an_edit_that_not_even_a_park_takes_is_kept_here() {
    let mut script = diverging();
    script.says(&ServerMessage::Error {
        code: ErrorCode::ParkFull,
        message: "100 parks".to_owned(),
        retry: false,
    });
    assert_eq!(script.core.phase(), Phase::Connecting);
    script.joins(true, free(9));
    let [draft] = script.core.drafts() else {
        panic!("{:?}", script.core.drafts());
    };
    assert_eq!((draft.park, draft.kept), (None, Kept::Here));
    assert_eq!(text_of(draft), "before in time too late");
    assert_eq!(text(script.core.document()), "before in time ");
}

#[test]
fn who_leaves_while_a_copy_is_set_aside_still_leaves() {
    let mut script = diverging();
    script.act(|core, now| core.disconnect(now));
    parks(&mut script, 4);
    assert_eq!(script.core.phase(), Phase::Leaving);
    assert_eq!(script.core.drafts().len(), 1);
    script.loses_connection(Some(3000));
    assert_eq!(script.core.phase(), Phase::Idle);
    let opening = script.joins(true, free(9));
    script.applies(&opening);
    assert_eq!(text(script.core.document()), "before in time ");
    // And while it retires.
    let mut script = diverging();
    parks(&mut script, 4);
    script.sent();
    script.act(|core, now| core.close(now));
    assert_eq!(script.sent(), [Sent::Close(1000)]);
    script.says(&ServerMessage::Saved { updates: 3 });
    assert_eq!(script.core.phase(), Phase::Leaving);
    script.pass(2 * SECOND);
    assert_eq!(script.core.phase(), Phase::Over);
    assert_eq!(script.core.drafts()[0].kept, Kept::InPark);
}

#[test]
fn a_copy_that_came_along_is_a_draft_as_a_whole() {
    let mut before = Script::new();
    before.writes("from yesterday");
    let copy = before.core.document().snapshot().unwrap();
    let mut script = Script::with(|options| options.copy = copy.to_vec());
    script.joins(false, view(2, GrantState::Held, 8));
    parks(&mut script, 4);
    let draft = &script.core.drafts()[0];
    assert_eq!(draft.difference, draft.copy);
    assert_eq!(text_of(draft), "from yesterday");
    assert_eq!(text(script.core.document()), "");
}

#[test]
fn more_drafts_than_can_be_kept_are_not_made() {
    let mut script = Script::new();
    for round in 0..100 {
        script.joins(round > 0, view(2, GrantState::Held, 8));
        script.writes("late");
        script.sent();
        parks(&mut script, round);
        script.says(&ServerMessage::Saved { updates: 2 });
    }
    assert_eq!(script.core.drafts().len(), 100);
    script.joins(true, view(2, GrantState::Held, 8));
    script.writes("too late");
    script.sent();
    parks(&mut script, 100);
    assert_eq!(
        script.core.right(&Scope::whole(), script.now),
        EditRight::Diverged
    );
    assert_eq!(script.core.drafts().len(), 100);
    assert_eq!(text(script.core.document()), "too late");
}

#[test]
fn a_copy_that_stops_makes_no_draft_and_still_drains() {
    let mut script = Script::with(|options| options.divergence = Divergence::Stop);
    script.joins(false, free(1));
    grants(&mut script, 7);
    parks(&mut script, 4);
    script.takes_events();
    assert_eq!(script.core.drafts(), []);
    script.says(&ServerMessage::Drain {
        fence: fence(7),
        reason: baton_sync::channel::DrainReason::Idle,
        to: None,
        expires_ms: 3000,
    });
    let drained = ClientMessage::Drained { fence: fence(7) };
    assert_eq!(script.sent(), [Sent::Says(drained)]);
}

#[test]
fn a_renewed_connection_is_no_failure() {
    let mut script = diverging();
    parks(&mut script, 4);
    script.says(&ServerMessage::Saved { updates: 3 });
    let closed = |event: &Event| matches!(event, Event::Closed { .. });
    let events = script.takes_events();
    assert!(!events.iter().any(closed));
    assert!(events.ends_with(&[
        Event::Status(Status::Disconnected),
        Event::Status(Status::Connecting),
    ]));
}

#[test]
fn parks_are_decided_and_shown_by_their_number() {
    let mut script = Script::new();
    assert_eq!(
        script.asks_for(Operation::Show(4)),
        Asked::Known(Err(Unanswered::Disconnected))
    );
    script.joins(false, free(1));
    let merged = nonce(script.asks_for(Operation::Decide(4, Decision::Merge)));
    let discarded = nonce(script.asks_for(Operation::Decide(5, Decision::Discard)));
    let recovered = nonce(script.asks_for(Operation::Decide(6, Decision::Recover)));
    let shown = nonce(script.asks_for(Operation::Show(7)));
    let said = [
        ClientMessage::MergePark {
            nonce: merged,
            id: 4,
        },
        ClientMessage::DiscardPark {
            nonce: discarded,
            id: 5,
        },
        ClientMessage::RecoverPark {
            nonce: recovered,
            id: 6,
        },
        ClientMessage::ShowPark {
            nonce: shown,
            id: 7,
        },
    ];
    assert_eq!(script.sent(), said.map(Sent::Says));
    let parts = vec![ParkPart {
        root: "t".to_owned(),
        kind: PartKind::Insert,
        text: "too late".to_owned(),
    }];
    script.says(&ServerMessage::ParkContent {
        nonce: shown,
        id: 7,
        parts: parts.clone(),
        truncated: true,
    });
    script.says(&ServerMessage::Result {
        nonce: merged,
        outcome: Outcome::Done,
        message: None,
    });
    let truncated = true;
    let content = Reply::Content(ParkContent { parts, truncated });
    let done = Reply::Outcome(Outcome::Done);
    assert_eq!(script.answers, [(shown, Ok(content)), (merged, Ok(done))]);
    // A decision is about this moment.
    script.answers.clear();
    script.loses_connection(None);
    let ends = Err(Unanswered::Disconnected);
    assert_eq!(
        script.answers,
        [(discarded, ends.clone()), (recovered, ends)]
    );
}
