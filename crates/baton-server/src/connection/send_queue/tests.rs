use baton_sync::y_websocket::PayloadKind;

use super::*;

fn frame(text: &str) -> Frame {
    Frame::copied(PayloadKind::Baton, text.as_bytes())
}

fn long(bytes: usize) -> Frame {
    Frame::copied(PayloadKind::Baton, &vec![b'x'; bytes])
}

/// An edit of this client that inserts `length` units from `clock` on.
fn edit(client: u8, clock: u8, length: u8) -> BroadcastUpdate {
    // One block: a string in the root type "t".
    let mut update = vec![1, 1, client, clock, 4, 1, 1, b't', length];
    update.extend(std::iter::repeat_n(b'x', usize::from(length)));
    update.push(0);
    BroadcastUpdate::new(Frame::copied(PayloadKind::Update, &update))
}

/// A queue that takes so many edits, and has sent its first answer.
fn queue(edits: usize) -> SendQueue {
    let cost = Item::OVERHEAD + edit(1, 0, 10).frame.len();
    let mut queue = SendQueue::new(edits * cost);
    let _ = queue.send(frame("answer"), FrameClass::Answer);
    assert_eq!(payloads(&mut queue), ["answer"]);
    queue
}

fn all(queue: &mut SendQueue) -> (VecDeque<Item>, Taken) {
    let mut items = VecDeque::new();
    let taken = queue.take(&mut items);
    (items, taken)
}

/// Takes what can be written now, as text; pings and catching up by name.
fn payloads(queue: &mut SendQueue) -> Vec<String> {
    let text = |item: Item| match item {
        Item::Frame(frame, _) => Some(String::from_utf8_lossy(frame.payload()).into_owned()),
        Item::Raw(_) => Some("raw".to_owned()),
        Item::Ping => Some("ping".to_owned()),
        Item::Probe(mark) => Some(format!("probe {mark}")),
        Item::Replaced => None,
        Item::CatchUp => Some("catch-up".to_owned()),
    };
    all(queue).0.into_iter().filter_map(text).collect()
}

fn ending(queue: &mut SendQueue) -> u16 {
    match all(queue) {
        (items, Taken::Last(ending)) => {
            assert!(items.is_empty(), "what waited is dropped");
            ending.code
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn frames_leave_in_order_and_together_and_a_ping_first() {
    let mut queue = SendQueue::new(1000);
    let _ = queue.send(frame("a"), FrameClass::Required);
    let _ = queue.ping();
    let _ = queue.probe(7);
    let _ = queue.raw(Bytes::from_static(b"pong"));
    let _ = queue.send(frame("b"), FrameClass::Required);
    assert_eq!(payloads(&mut queue), ["probe 7", "ping", "a", "raw", "b"]);
    assert_eq!(all(&mut queue).1, Taken::Nothing);
}

#[test]
fn who_reads_too_slowly_misses_updates_and_is_caught_up_where_the_first_of_them_stood() {
    let mut queue = queue(4);
    let _ = queue.send(frame("before"), FrameClass::Required);
    let _ = queue.edit(&edit(1, 20, 10));
    let _ = queue.send(frame("told of it"), FrameClass::Required);
    let _ = queue.edit(&edit(2, 5, 10));
    assert_eq!(queue.edit(&edit(1, 10, 10)), NeedsFlush::Yes);
    assert!(queue.is_behind());
    // Withheld, and noted.
    let _ = queue.edit(&edit(3, 7, 10));
    let _ = queue.send(frame("cursor"), FrameClass::Awareness);
    let _ = queue.send(frame("later"), FrameClass::Required);

    assert_eq!(queue.behind(), None, "something goes before it");
    assert_eq!(payloads(&mut queue), ["before"]);
    assert_eq!(all(&mut queue).1, Taken::Behind);
    let behind = queue.behind().unwrap();
    let mut missed = MissedUpdates::default();
    for one in [edit(1, 10, 1), edit(2, 5, 1), edit(3, 7, 1)] {
        missed.add(one.missed());
    }
    assert_eq!(behind.missed, missed);
    assert!(behind.awareness);

    let frames = [frame("difference"), frame("awareness")];
    assert_eq!(queue.caught_up(frames), NeedsFlush::Yes);
    let _ = queue.edit(&edit(1, 30, 1));
    let came = payloads(&mut queue);
    assert_eq!(
        came[..4],
        ["difference", "awareness", "told of it", "later"]
    );
    assert_eq!(came.len(), 5, "in step again");
    assert!(!queue.is_behind());
}

#[test]
fn an_queue_that_was_caught_up_falls_behind_again() {
    let mut queue = queue(2);
    for round in 0..3 {
        for _ in 0..9 {
            let _ = queue.edit(&edit(1, 10 + round, 10));
        }
        assert_eq!(all(&mut queue).1, Taken::Behind);
        let behind = queue.behind().unwrap();
        assert_eq!(behind.missed, *edit(1, 10 + round, 1).missed());
        assert!(!behind.awareness);
        let _ = queue.caught_up([frame("difference")]);
        assert_eq!(payloads(&mut queue), ["difference"]);
    }
}

#[test]
fn a_reader_that_stalls_costs_no_more_than_its_limit() {
    let mut queue = queue(10);
    for clock in 0..100 {
        let _ = queue.edit(&edit(1, clock, 10));
        assert!(queue.bytes <= queue.limit);
        assert!(queue.items.len() <= 10);
    }
    assert!(!queue.has_ending());
}

#[test]
fn what_cannot_be_made_up_for_is_dropped_only_with_the_connection() {
    let mut queue = queue(10);
    let _ = queue.edit(&edit(1, 0, 10));
    while !queue.has_ending() {
        let _ = queue.send(frame("told"), FrameClass::Required);
    }
    assert!(
        queue
            .slow_reader()
            .is_some_and(|why| why.contains("max_outbox"))
    );
    assert_eq!(ending(&mut queue), 1013);
}

#[test]
fn who_sends_pings_and_reads_no_answer_is_told_to_come_again() {
    let mut queue = queue(10);
    for _ in 0..100 {
        let _ = queue.raw(Bytes::from_static(b"pong"));
        let _ = queue.ping();
    }
    assert_eq!(
        all(&mut queue).1,
        Taken::Last(Ending {
            code: 1013,
            reason: format!(
                "this connection reads too slowly: more than {} bytes (max_outbox) were waiting; reconnect later",
                queue.limit
            ),
        })
    );
}

#[test]
fn one_message_may_be_longer_than_the_limit() {
    let mut queue = SendQueue::new(100);
    let _ = queue.send(long(4096), FrameClass::Required);
    assert!(!queue.has_ending());
    let _ = queue.send(frame("x"), FrameClass::Required);
    assert_eq!(ending(&mut queue), 1013);
}

#[test]
fn one_answer_may_be_as_large_as_the_document_but_not_a_hundred() {
    let mut queue = SendQueue::new(100);
    for _ in 0..3 {
        let _ = queue.send(long(4096), FrameClass::AnswerPart);
    }
    let _ = queue.send(long(4096), FrameClass::Answer);
    assert!(!queue.has_ending());
    let _ = queue.send(long(4096), FrameClass::AnswerPart);
    let _ = queue.send(long(4096), FrameClass::Answer);
    assert_eq!(ending(&mut queue), 1013);
}

#[test]
fn the_next_answer_is_free_again_when_the_first_is_taken() {
    let mut queue = SendQueue::new(100);
    for _ in 0..3 {
        let _ = queue.send(long(4096), FrameClass::AnswerPart);
        let _ = queue.send(long(4096), FrameClass::Answer);
        assert_eq!(payloads(&mut queue).len(), 2);
    }
    assert!(!queue.has_ending());
}

#[test]
fn what_leaves_at_once_is_bounded_because_it_cannot_be_dropped_any_more() {
    let mut queue = SendQueue::new(usize::MAX);
    for _ in 0..10 {
        let _ = queue.send(long(TAKEN / 2), FrameClass::Required);
    }
    assert_eq!(all(&mut queue).0.len(), 2);
    assert!(queue.can_write());
}

#[test]
fn an_update_that_the_first_answer_will_hold_is_not_sent_before_it() {
    let mut queue = SendQueue::new(1000);
    let _ = queue.edit(&edit(1, 0, 1));
    let _ = queue.send(frame("piece"), FrameClass::AnswerPart);
    let _ = queue.edit(&edit(1, 1, 1));
    let _ = queue.send(frame("answer"), FrameClass::Answer);
    let taken = payloads(&mut queue);
    assert_eq!(
        (taken.len(), &*taken[0], &*taken[2]),
        (3, "piece", "answer")
    );
}

#[test]
fn of_several_views_of_a_thing_the_newest_goes_out_behind_what_came_before_it() {
    let mut queue = SendQueue::new(1000);
    let _ = queue.send(frame("locks 1"), FrameClass::Latest(ViewOf::Locks));
    let _ = queue.send(frame("park 1"), FrameClass::Latest(ViewOf::Park(7)));
    let _ = queue.send(frame("lost"), FrameClass::Required);
    let _ = queue.send(frame("locks 2"), FrameClass::Latest(ViewOf::Locks));
    let _ = queue.send(
        frame("park of another"),
        FrameClass::Latest(ViewOf::Park(8)),
    );
    let expected = ["park 1", "lost", "locks 2", "park of another"];
    assert_eq!(payloads(&mut queue), expected);
    // A written view cannot be replaced any more.
    let _ = queue.send(frame("locks 3"), FrameClass::Latest(ViewOf::Locks));
    assert_eq!(payloads(&mut queue), ["locks 3"]);
}

/// The places of views are counted from the first item ever, and falling behind and catching up
/// shift them.
#[test]
fn views_are_replaced_also_while_a_connection_is_behind_and_after_it() {
    let mut queue = queue(4);
    let _ = queue.edit(&edit(1, 0, 10));
    let _ = queue.send(frame("locks 1"), FrameClass::Latest(ViewOf::Locks));
    for _ in 0..4 {
        let _ = queue.edit(&edit(1, 0, 10));
    }
    assert!(queue.is_behind());
    let _ = queue.send(frame("lost"), FrameClass::Required);
    let _ = queue.send(frame("locks 2"), FrameClass::Latest(ViewOf::Locks));
    let _ = queue.caught_up(["difference", "awareness"].map(frame));
    let _ = queue.send(frame("locks 3"), FrameClass::Latest(ViewOf::Locks));
    let expected = ["difference", "awareness", "lost", "locks 3"];
    assert_eq!(payloads(&mut queue), expected);
}

#[test]
fn a_reader_that_stalls_under_many_views_costs_no_more_than_its_limit() {
    let mut queue = queue(4);
    for round in 0..2 {
        for number in 0..1000 {
            let view = frame(&number.to_string());
            let _ = queue.send(view, FrameClass::Latest(ViewOf::Locks));
        }
        assert!(queue.items.len() < 10);
        assert!(!queue.has_ending());
        // And the same for one that is behind.
        assert_eq!(queue.is_behind(), round == 1);
        for _ in 0..4 {
            let _ = queue.edit(&edit(1, 0, 10));
        }
    }
    let _ = queue.caught_up([frame("difference")]);
    assert_eq!(payloads(&mut queue), ["difference", "999"]);
}

#[test]
fn the_first_ending_stands_and_who_is_behind_goes_without_the_difference() {
    let mut queue = queue(1);
    for _ in 0..3 {
        let _ = queue.edit(&edit(1, 0, 10));
    }
    let _ = queue.send(frame("denied"), FrameClass::Required);
    queue.end(4503, "going away");
    queue.end(4400, "too late");
    queue.end_slow_reader("too late as well".to_owned());
    assert_eq!(queue.slow_reader(), None);
    let _ = queue.send(frame("nobody reads this"), FrameClass::Required);
    assert_eq!(queue.behind(), None);
    let (items, taken) = all(&mut queue);
    assert_eq!(
        items.len(),
        2,
        "the place of what is missing, and the denial"
    );
    let Taken::Last(ending) = taken else {
        panic!("{taken:?}");
    };
    assert_eq!(ending.code, 4503);
    assert_eq!(all(&mut queue).1, Taken::Nothing);
}
