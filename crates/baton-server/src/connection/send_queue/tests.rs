use baton_sync::y_websocket::Carries;

use super::*;

fn frame(text: &str) -> Frame {
    Frame::copied(Carries::Baton, text.as_bytes())
}

fn long(bytes: usize) -> Frame {
    Frame::copied(Carries::Baton, &vec![b'x'; bytes])
}

/// An edit of this client that inserts `length` units from `clock` on.
fn edit(client: u8, clock: u8, length: u8) -> Edit {
    // One block: a string in the root type "t".
    let mut update = vec![1, 1, client, clock, 4, 1, 1, b't', length];
    update.extend(std::iter::repeat_n(b'x', usize::from(length)));
    update.push(0);
    Edit::new(Frame::copied(Carries::Update, &update))
}

/// An outbox that takes so many edits, and has sent its first answer.
fn outbox(edits: usize) -> Outbox {
    let cost = PLACE + edit(1, 0, 10).frame.len();
    let outbox = Outbox::new(edits * cost);
    let _ = outbox.send(frame("answer"), Weight::Answer);
    assert_eq!(payloads(&outbox), ["answer"]);
    outbox
}

fn all(outbox: &Outbox) -> (VecDeque<Item>, Taken) {
    let mut items = VecDeque::new();
    let taken = outbox.take(&mut items);
    (items, taken)
}

/// What can be taken now, as text; pings and catching up by name.
fn payloads(outbox: &Outbox) -> Vec<String> {
    let text = |item: Item| match item {
        Item::Frame(frame, _) => Some(String::from_utf8_lossy(frame.payload()).into_owned()),
        Item::Raw(_) => Some("raw".to_owned()),
        Item::Ping => Some("ping".to_owned()),
        Item::Probe(mark) => Some(format!("probe {mark}")),
        Item::Replaced => None,
        Item::CatchUp => Some("catch-up".to_owned()),
    };
    all(outbox).0.into_iter().filter_map(text).collect()
}

fn ending(outbox: &Outbox) -> u16 {
    match all(outbox) {
        (items, Taken::Last(ending)) => {
            assert!(items.is_empty(), "what waited is dropped");
            ending.code
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn frames_leave_in_order_and_together_and_a_ping_first() {
    let outbox = Outbox::new(1000);
    let _ = outbox.send(frame("a"), Weight::Counted);
    let _ = outbox.ping();
    let _ = outbox.probe(7);
    let _ = outbox.raw(Bytes::from_static(b"pong"));
    let _ = outbox.send(frame("b"), Weight::Counted);
    assert_eq!(payloads(&outbox), ["probe 7", "ping", "a", "raw", "b"]);
    assert_eq!(all(&outbox).1, Taken::Nothing);
}

#[test]
fn who_reads_too_slowly_misses_updates_and_is_caught_up_where_the_first_of_them_stood() {
    let outbox = outbox(4);
    let _ = outbox.send(frame("before"), Weight::Counted);
    let _ = outbox.edit(&edit(1, 20, 10));
    let _ = outbox.send(frame("told of it"), Weight::Counted);
    let _ = outbox.edit(&edit(2, 5, 10));
    assert_eq!(outbox.edit(&edit(1, 10, 10)), Waits::Newly);
    assert!(outbox.is_behind());
    // Withheld, and noted.
    let _ = outbox.edit(&edit(3, 7, 10));
    let _ = outbox.send(frame("cursor"), Weight::Awareness);
    let _ = outbox.send(frame("later"), Weight::Counted);

    assert_eq!(outbox.behind(), None, "something goes before it");
    assert_eq!(payloads(&outbox), ["before"]);
    assert_eq!(all(&outbox).1, Taken::Behind);
    let behind = outbox.behind().unwrap();
    let mut missed = Missed::default();
    for one in [edit(1, 10, 1), edit(2, 5, 1), edit(3, 7, 1)] {
        missed.add(one.missed());
    }
    assert_eq!(behind.missed, missed);
    assert!(behind.awareness);

    let frames = [frame("difference"), frame("awareness")];
    assert_eq!(outbox.caught_up(frames), Waits::Newly);
    let _ = outbox.edit(&edit(1, 30, 1));
    let came = payloads(&outbox);
    assert_eq!(
        came[..4],
        ["difference", "awareness", "told of it", "later"]
    );
    assert_eq!(came.len(), 5, "in step again");
    assert!(!outbox.is_behind());
}

#[test]
fn an_outbox_that_was_caught_up_falls_behind_again() {
    let outbox = outbox(2);
    for round in 0..3 {
        for _ in 0..9 {
            let _ = outbox.edit(&edit(1, 10 + round, 10));
        }
        assert_eq!(all(&outbox).1, Taken::Behind);
        let behind = outbox.behind().unwrap();
        assert_eq!(behind.missed, *edit(1, 10 + round, 1).missed());
        assert!(!behind.awareness);
        let _ = outbox.caught_up([frame("difference")]);
        assert_eq!(payloads(&outbox), ["difference"]);
    }
}

#[test]
fn a_reader_that_stalls_costs_no_more_than_its_limit() {
    let outbox = outbox(10);
    for clock in 0..100 {
        let _ = outbox.edit(&edit(1, clock, 10));
        let queue = outbox.queue.lock();
        assert!(queue.bytes <= outbox.limit);
        assert!(queue.items.len() <= 10);
    }
    assert!(!outbox.has_ending());
}

#[test]
fn what_cannot_be_made_up_for_is_dropped_only_with_the_connection() {
    let outbox = outbox(10);
    let _ = outbox.edit(&edit(1, 0, 10));
    while !outbox.has_ending() {
        let _ = outbox.send(frame("told"), Weight::Counted);
    }
    assert_eq!(ending(&outbox), 1013);
}

#[test]
fn who_sends_pings_and_reads_no_answer_is_told_to_come_again() {
    let outbox = outbox(10);
    for _ in 0..100 {
        let _ = outbox.raw(Bytes::from_static(b"pong"));
        let _ = outbox.ping();
    }
    assert_eq!(
        all(&outbox).1,
        Taken::Last(Ending {
            code: 1013,
            reason: format!(
                "this connection reads too slowly: more than {} bytes (max_outbox) were waiting; come again",
                outbox.limit
            ),
        })
    );
}

#[test]
fn one_message_may_be_longer_than_the_limit() {
    let outbox = Outbox::new(100);
    let _ = outbox.send(long(4096), Weight::Counted);
    assert!(!outbox.has_ending());
    let _ = outbox.send(frame("x"), Weight::Counted);
    assert_eq!(ending(&outbox), 1013);
}

#[test]
fn one_answer_may_be_as_large_as_the_document_but_not_a_hundred() {
    let outbox = Outbox::new(100);
    for _ in 0..3 {
        let _ = outbox.send(long(4096), Weight::Piece);
    }
    let _ = outbox.send(long(4096), Weight::Answer);
    assert!(!outbox.has_ending());
    let _ = outbox.send(long(4096), Weight::Piece);
    let _ = outbox.send(long(4096), Weight::Answer);
    assert_eq!(ending(&outbox), 1013);
}

#[test]
fn the_next_answer_is_free_again_when_the_first_is_taken() {
    let outbox = Outbox::new(100);
    for _ in 0..3 {
        let _ = outbox.send(long(4096), Weight::Piece);
        let _ = outbox.send(long(4096), Weight::Answer);
        assert_eq!(payloads(&outbox).len(), 2);
    }
    assert!(!outbox.has_ending());
}

#[test]
fn what_leaves_at_once_is_bounded_because_it_cannot_be_dropped_any_more() {
    let outbox = Outbox::new(usize::MAX);
    for _ in 0..10 {
        let _ = outbox.send(long(TAKEN / 2), Weight::Counted);
    }
    assert_eq!(all(&outbox).0.len(), 2);
    assert!(outbox.can_write());
}

#[test]
fn an_update_that_the_first_answer_will_hold_is_not_sent_before_it() {
    let outbox = Outbox::new(1000);
    let _ = outbox.edit(&edit(1, 0, 1));
    let _ = outbox.send(frame("piece"), Weight::Piece);
    let _ = outbox.edit(&edit(1, 1, 1));
    let _ = outbox.send(frame("answer"), Weight::Answer);
    let taken = payloads(&outbox);
    assert_eq!(
        (taken.len(), &*taken[0], &*taken[2]),
        (3, "piece", "answer")
    );
}

#[test]
fn of_several_views_of_a_thing_the_newest_goes_out_behind_what_came_before_it() {
    let outbox = Outbox::new(1000);
    let _ = outbox.send(frame("locks 1"), Weight::View(ViewOf::Locks));
    let _ = outbox.send(frame("park 1"), Weight::View(ViewOf::Park(7)));
    let _ = outbox.send(frame("lost"), Weight::Counted);
    let _ = outbox.send(frame("locks 2"), Weight::View(ViewOf::Locks));
    let _ = outbox.send(frame("park of another"), Weight::View(ViewOf::Park(8)));
    let expected = ["park 1", "lost", "locks 2", "park of another"];
    assert_eq!(payloads(&outbox), expected);
    // What was written cannot be replaced any more.
    let _ = outbox.send(frame("locks 3"), Weight::View(ViewOf::Locks));
    assert_eq!(payloads(&outbox), ["locks 3"]);
}

/// The places of views are counted from the first item ever, and falling behind and catching up shift them.
#[test]
fn views_are_replaced_also_while_a_connection_is_behind_and_after_it() {
    let outbox = outbox(4);
    let _ = outbox.edit(&edit(1, 0, 10));
    let _ = outbox.send(frame("locks 1"), Weight::View(ViewOf::Locks));
    for _ in 0..4 {
        let _ = outbox.edit(&edit(1, 0, 10));
    }
    assert!(outbox.is_behind());
    let _ = outbox.send(frame("lost"), Weight::Counted);
    let _ = outbox.send(frame("locks 2"), Weight::View(ViewOf::Locks));
    let _ = outbox.caught_up(["difference", "awareness"].map(frame));
    let _ = outbox.send(frame("locks 3"), Weight::View(ViewOf::Locks));
    let expected = ["difference", "awareness", "lost", "locks 3"];
    assert_eq!(payloads(&outbox), expected);
}

#[test]
fn a_reader_that_stalls_under_many_views_costs_no_more_than_its_limit() {
    let outbox = outbox(4);
    for round in 0..2 {
        for number in 0..1000 {
            let view = frame(&number.to_string());
            let _ = outbox.send(view, Weight::View(ViewOf::Locks));
        }
        assert!(outbox.queue.lock().items.len() < 10);
        assert!(!outbox.has_ending());
        // And the same for one that is behind.
        assert_eq!(outbox.is_behind(), round == 1);
        for _ in 0..4 {
            let _ = outbox.edit(&edit(1, 0, 10));
        }
    }
    let _ = outbox.caught_up([frame("difference")]);
    assert_eq!(payloads(&outbox), ["difference", "999"]);
}

#[test]
fn the_first_ending_stands_and_who_is_behind_goes_without_the_difference() {
    let outbox = outbox(1);
    for _ in 0..3 {
        let _ = outbox.edit(&edit(1, 0, 10));
    }
    let _ = outbox.send(frame("denied"), Weight::Counted);
    outbox.end(4503, "going away");
    outbox.end(4400, "too late");
    outbox.cut(4400, "too late as well");
    let _ = outbox.send(frame("nobody reads this"), Weight::Counted);
    assert_eq!(outbox.behind(), None);
    let (items, taken) = all(&outbox);
    assert_eq!(
        items.len(),
        2,
        "the place of what is missing, and the denial"
    );
    let Taken::Last(ending) = taken else {
        panic!("{taken:?}");
    };
    assert_eq!(ending.code, 4503);
    assert_eq!(all(&outbox).1, Taken::Nothing);
}
