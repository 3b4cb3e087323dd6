use baton_sync::y_websocket::PayloadKind;
use futures_util::FutureExt;

use super::*;

fn send(outbox: &Outbox, text: &str) -> NeedsFlush {
    let frame = Frame::copied(PayloadKind::Baton, text.as_bytes());
    outbox.send(frame, FrameClass::Required)
}

/// Writes everything in the batch to nowhere. Returns the bytes.
fn written(batch: &mut WriteBatch) -> usize {
    std::iter::from_fn(|| batch.next_piece())
        .map(|piece| piece.len())
        .sum()
}

/// A task that finds another one writing leaves its items to it. Were the batch given back a moment
/// after the queue was found empty, an item queued in between would wait until the next one.
#[test]
fn items_that_are_queued_while_a_task_writes_are_taken_by_that_task() {
    let outbox = Outbox::new(1000);
    assert_eq!(send(&outbox, "a"), NeedsFlush::Yes);
    let mut batch = outbox.borrow_batch().unwrap();
    let first = written(&mut batch);
    assert_eq!(send(&outbox, "b"), NeedsFlush::Yes);
    assert!(outbox.borrow_batch().is_none(), "another task writes");
    let mut batch = outbox.refill_or_give_back(batch, first).unwrap();
    let second = written(&mut batch);
    let turn = first + second;
    assert!(outbox.refill_or_give_back(batch, turn).is_none());
    assert_eq!(outbox.written(), turn as u64);
    assert!(outbox.borrow_batch().is_none(), "nothing waits");
    assert_eq!(send(&outbox, "c"), NeedsFlush::Yes);
    assert!(outbox.borrow_batch().is_some(), "it was given back");
}

#[test]
fn a_batch_that_is_not_written_whole_is_written_on_by_the_next_task() {
    let outbox = Outbox::new(1000);
    let _ = send(&outbox, "a");
    let batch = outbox.borrow_batch().unwrap();
    outbox.give_back(batch, 0);
    let mut batch = outbox.borrow_batch().unwrap();
    assert!(written(&mut batch) > 0);
}

#[test]
fn the_ending_wakes_its_waiter_and_is_the_last_of_the_batch() {
    let outbox = Outbox::new(1000);
    let _ = send(&outbox, "a");
    let mut ended = Box::pin(outbox.ended());
    assert!(ended.as_mut().now_or_never().is_none());
    outbox.end(4503, "going away");
    assert!(ended.now_or_never().is_some());
    let mut batch = outbox.borrow_batch().unwrap();
    assert!(batch.is_last());
    assert!(written(&mut batch) > 0);
    assert!(batch.is_written());
    outbox.give_back(batch, 0);
    // The connection's own task learns from it that there is nothing more to write.
    assert!(outbox.borrow_batch().is_some_and(|batch| batch.is_last()));
}

#[test]
fn both_events_reach_the_reading_side() {
    let outbox = Outbox::new(1);
    let edit = BroadcastUpdate::new(Frame::copied(PayloadKind::Update, &[0, 0]));
    let _ = outbox.send(
        Frame::copied(PayloadKind::Step2, &[0, 0]),
        FrameClass::Answer,
    );
    for _ in 0..3 {
        let _ = outbox.edit(&edit);
    }
    assert!(outbox.is_behind());
    assert_eq!(outbox.news().now_or_never(), None);
    let mut batch = outbox.borrow_batch().unwrap();
    outbox.tell_alive();
    let bytes = written(&mut batch);
    assert!(outbox.refill_or_give_back(batch, bytes).is_none());
    assert_eq!(outbox.news().now_or_never(), Some(WriterEvent::Alive));
    assert_eq!(outbox.news().now_or_never(), Some(WriterEvent::Behind));
    assert_eq!(outbox.news().now_or_never(), None);
}
