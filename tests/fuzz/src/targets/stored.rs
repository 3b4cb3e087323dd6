//! What a room reads from its log: a snapshot and records that a disk, or whoever had a hand on the data folder, may have
//! changed below the checksums. It opens or it does not; one that opened can be used, stored and opened again.

use baton_presence::{Rights, Time};
use baton_room::{ConnectionId, Incoming, Record, ResumeToken, Room, RoomOptions};
use baton_testkit::LoggedRoom;
use bytes::Bytes;

use super::script::Script;

/// The first step is the snapshot, unless it is empty; each of the others is a record, of which some lie behind a hole.
pub(crate) fn room_stored(input: &[u8]) {
    let mut snapshot = None;
    let mut tail = Vec::new();
    let mut position = 0_u64;
    for (index, (step, body)) in Script::new(input).take(128).enumerate() {
        position += 1 + u64::from(step % 16 == 15);
        let body = Bytes::copy_from_slice(body);
        if index == 0 {
            snapshot = (!body.is_empty()).then_some((position, body));
        } else {
            tail.push((position, body));
        }
    }
    open(snapshot.as_ref(), &tail, position);
    // Of records nobody can read one opens nothing; of those that can be read alone, more.
    tail.retain(|(_, bytes)| Record::decode(bytes).is_ok());
    open(None, &tail, position);
}

fn open(snapshot: Option<&(u64, Bytes)>, tail: &[(u64, Bytes)], last: u64) {
    let (options, now) = (RoomOptions::default(), Time::ZERO);
    let Ok(mut host) = LoggedRoom::open(options, snapshot.cloned(), tail.to_vec(), now) else {
        return;
    };
    let room = &host.room;
    assert!(room.state().position() <= last);
    let stored = room.state().snapshot().unwrap();
    let position = room.state().position();
    let normal = as_loaded(position, stored);
    assert_eq!(as_loaded(position, normal.clone()), normal);

    // It goes on: somebody comes, looks, and time passes.
    let somebody = ConnectionId(1);
    host.settle();
    host.room.connect(somebody, Rights::ALL);
    let token = ResumeToken::new([7; 16]);
    host.room
        .receive(somebody, Incoming::Step1(&[0]), token, now);
    host.settle();
    for _ in 0..8 {
        let Some(due) = host.room.poll_timeout() else {
            break;
        };
        host.next_deadline(due);
        host.settle();
    }
    host.room.state().snapshot().unwrap();
}

/// What a room stores that was opened from this snapshot: the same, but for where the document library cuts runs of text.
pub(super) fn as_loaded(position: u64, snapshot: Bytes) -> Bytes {
    let stored = (position, snapshot);
    let room = Room::open(RoomOptions::default(), Some(&stored), &[], Time::ZERO).unwrap();
    assert_eq!(room.state().position(), position);
    room.state().snapshot().unwrap()
}
