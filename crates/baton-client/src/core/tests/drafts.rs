//! Stories of drafts and parks: their decisions, their bounds, the edits that no park takes.

use super::divergence::{diverging, park, parks, text_of};
use baton_sync::control_channel::{
    ClientMessage, ErrorCode, GrantStatus, Outcome, ParkPart, ParkStatus, PartKind, ServerMessage,
};

use super::script::{SECOND, Script, Sent, free, nonce, text, view};
use crate::core::connection::ConnectionPhase;
use crate::core::operation::{Asked, Operation, ParkContent, ParkDecision, Reply};
use crate::draft::DraftLocation;
use crate::error::OperationError;
use crate::events::{ClientEvent, EditPermission};
use crate::scope::LockScope;

#[test]
fn a_draft_that_is_not_all_in_its_park_stays_when_the_park_is_decided() {
    for lost in [false, true] {
        let mut script = diverging();
        parks(&mut script, 4);
        if lost {
            script.loses_connection(None);
            assert_eq!(script.core.phase(), ConnectionPhase::Waiting);
        } else {
            // The server never reports it as durable.
            script.pass(2 * SECOND);
            assert_eq!(script.core.phase(), ConnectionPhase::Connecting);
        }
        script.joins(true, free(9));
        script.takes_events();
        script.says(&ServerMessage::Park {
            park: park(4, ParkStatus::Merged),
        });
        assert_eq!(
            script.takes_events(),
            [ClientEvent::Park(park(4, ParkStatus::Merged))]
        );
        let draft = script.core.drafts()[0].clone();
        assert_eq!(draft.location, DraftLocation::InDraft);
        script.act(|core, _| core.drop_draft(draft.client));
        assert_eq!(script.core.drafts(), []);
    }
}

#[test]
fn a_draft_is_dropped_when_its_park_is_merged_or_discarded() {
    for state in [ParkStatus::Merged, ParkStatus::Discarded] {
        let mut script = diverging();
        parks(&mut script, 4);
        script.says(&ServerMessage::Saved { updates: 3 });
        script.joins(true, free(9));
        for id in [3, 4] {
            script.says(&ServerMessage::Park {
                park: park(id, ParkStatus::Open),
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
            matches!(
                &events[..],
                [ClientEvent::Park(_), ClientEvent::DraftDropped(draft)] if draft.park == Some(4)
            ),
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
        park: park(4, ParkStatus::Merged),
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
    assert_eq!(script.core.phase(), ConnectionPhase::Connecting);
    script.joins(true, free(9));
    let [draft] = script.core.drafts() else {
        panic!("{:?}", script.core.drafts());
    };
    assert_eq!((draft.park, draft.location), (None, DraftLocation::InDraft));
    assert_eq!(text_of(draft), "before in time too late");
    assert_eq!(text(script.core.document()), "before in time ");
}

#[test]
fn a_copy_that_came_along_is_a_draft_as_a_whole() {
    let mut before = Script::new();
    before.writes("from yesterday");
    let copy = before.core.document().snapshot().unwrap();
    let mut script = Script::with(|options| options.copy = copy.to_vec());
    script.joins(false, view(2, GrantStatus::Held, 8));
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
        script.joins(round > 0, view(2, GrantStatus::Held, 8));
        script.writes("late");
        script.sent();
        parks(&mut script, round);
        script.says(&ServerMessage::Saved { updates: 2 });
    }
    assert_eq!(script.core.drafts().len(), 100);
    script.joins(true, view(2, GrantStatus::Held, 8));
    script.writes("too late");
    script.sent();
    parks(&mut script, 100);
    assert_eq!(
        script.core.permission(&LockScope::whole(), script.now),
        EditPermission::Diverged
    );
    assert_eq!(script.core.drafts().len(), 100);
    assert_eq!(text(script.core.document()), "too late");
}

#[test]
fn parks_are_decided_and_shown_by_their_number() {
    let mut script = Script::new();
    assert_eq!(
        script.asks_for(Operation::Show(4)),
        Asked::Known(Err(OperationError::Disconnected))
    );
    script.joins(false, free(1));
    let merged = nonce(script.asks_for(Operation::Decide(4, ParkDecision::Merge)));
    let discarded = nonce(script.asks_for(Operation::Decide(5, ParkDecision::Discard)));
    let recovered = nonce(script.asks_for(Operation::Decide(6, ParkDecision::Recover)));
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
    // A decision concerns the moment, so it is not repeated later.
    script.answers.clear();
    script.loses_connection(None);
    let ends = Err(OperationError::Disconnected);
    assert_eq!(
        script.answers,
        [(discarded, ends.clone()), (recovered, ends)]
    );
}
