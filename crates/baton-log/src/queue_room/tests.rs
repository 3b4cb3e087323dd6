use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

fn room() -> Arc<QueueRoom> {
    Arc::new(QueueRoom::new(&LogOptions {
        queue_bytes: 10_000_000,
        max_record_bytes: 5_000_000,
        document_queue_bytes: 5_000_000,
        small_queue_bytes: 1_000_000,
        ..LogOptions::default()
    }))
}

fn part(room: &Arc<QueueRoom>) -> Arc<DocumentShare> {
    Arc::new(DocumentShare::new(Arc::clone(room)))
}

/// Reserves without waiting, if that is possible.
fn now(part: &Arc<DocumentShare>, bytes: usize) -> Option<Reservation> {
    at_once(pin!(part.reserve(bytes))).map(|reserved| reserved.expect("the room is open"))
}

fn at_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

#[test]
fn large_reservations_leave_the_small_lane_alone() {
    let room = room();
    let (one, other) = (part(&room), part(&room));
    let large = now(&one, 5_000_000).unwrap();
    let larger = now(&other, 5_000_000).unwrap();
    assert!(now(&one, 70_000).is_none(), "all of the large lane is held");
    let small = now(&one, SMALL_BYTES).unwrap();
    drop((large, larger, small));
    assert_eq!(room.used(), 0);
}

#[test]
fn a_document_holds_a_part_of_each_lane_and_others_go_on() {
    let room = room();
    let (one, other) = (part(&room), part(&room));
    let mut held = vec![now(&one, 4_000_000).unwrap()];
    assert!(now(&one, 2_000_000).is_none(), "its part of the large lane");
    held.extend(now(&other, 4_000_000));
    while let Some(more) = now(&one, 50_000) {
        held.push(more);
    }
    assert_eq!(held.len(), 2 + 5, "its part of the small lane");
    held.extend(now(&other, 50_000));
    assert_eq!(held.len(), 2 + 6);
    drop(held);
    assert_eq!(room.used(), 0);
}

#[test]
fn what_is_overdrawn_is_paid_back_before_anything_else_is_reserved() {
    let room = room();
    let (one, other) = (part(&room), part(&room));
    let little = now(&one, 100_000).unwrap();
    let record = little.spend(30_000_000);
    assert_eq!(record.charge, 30_000_000);
    assert_eq!(room.used(), 30_000_000);
    let mut waiting = Box::pin(other.reserve(100_000));
    assert!(at_once(waiting.as_mut()).is_none());
    assert!(now(&other, 1).is_some(), "the other lane is not concerned");
    drop(record);
    assert!(at_once(waiting.as_mut()).is_some());
    drop(waiting);
    assert_eq!(room.used(), 0);
    let parts = now(&one, 5_000_000);
    assert!(parts.is_some(), "the document's own part is whole again");
}

#[test]
fn a_debt_is_paid_by_whatever_is_given_back_first() {
    let room = room();
    let (one, other) = (part(&room), part(&room));
    let held = now(&other, 5_000_000).unwrap();
    let over = one.nothing(1_000_000).spend(9_000_000);
    // 14 MB of 10 MB are used.
    drop(held);
    assert_eq!(room.used(), 9_000_000);
    assert!(now(&other, 2_000_000).is_none());
    assert!(now(&other, 1_000_000).is_some());
    drop(over);
    assert!(now(&other, 5_000_000).is_some());
    assert_eq!(room.used(), 0);
}

#[test]
fn parts_of_a_reservation_cover_what_it_did() {
    let room = room();
    let mut all = now(&part(&room), 900).unwrap();
    let first = all.take(300);
    assert_eq!((all.bytes(), first.bytes()), (600, 300));
    let rest = all.take(601);
    assert_eq!((all.bytes(), rest.bytes()), (0, 600));
    assert_eq!(room.used(), 900);
    drop(first.spend(10));
    drop((all, rest));
    assert_eq!(room.used(), 0);
}
