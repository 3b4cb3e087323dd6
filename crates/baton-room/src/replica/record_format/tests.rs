use baton_presence::{Event, Fence, Rights, SessionId};

use super::*;
use crate::replica::{Decision, Profile};

/// The rights to write and to lock came later. A session of before had both.
#[test]
fn the_rights_of_older_records_read_as_those_of_an_editor() {
    let old = [
        (0, Rights::EDIT),
        (1, Rights::EDIT.union(Rights::TAKE_OVER)),
        (2, Rights::EDIT.union(Rights::MANAGE)),
        (3, Rights::ALL),
    ];
    let new = [(4, Rights::LOCK), (8, Rights::WRITE), (12, Rights::NONE)];
    for (bits, rights) in old.into_iter().chain(new) {
        let session = SessionId(7);
        let record = Record::Presence(Event::RightsSet { session, rights });
        let bytes = [FORMAT, 3, 32, 7, bits];
        assert_eq!(record.encode().unwrap()[..], bytes);
        assert_eq!(Record::decode(&bytes).unwrap(), record);
    }
}

#[test]
fn the_user_of_a_token_stands_behind_the_rest_of_a_record() {
    let session = SessionId(7);
    let renamed = |user_id| {
        let (name, color) = ("Ada".to_owned(), String::new());
        let profile = Profile {
            name,
            color,
            user_id,
        };
        Record::Renamed { session, profile }
    };
    let without = [FORMAT, 2, 7, 3, b'A', b'd', b'a', 0];
    let with = [IDENTIFIED, 2, 7, 3, b'A', b'd', b'a', 0, 2, b'u', b'1'];
    for (bytes, user_id) in [(&without[..], None), (&with, Some("u1".to_owned()))] {
        let record = renamed(user_id);
        assert_eq!(record.encode().unwrap()[..], *bytes);
        assert_eq!(Record::decode(bytes).unwrap(), record);
    }
    // A record without its user is damaged, not one without a user.
    assert!(Record::decode(&with[..8]).is_err());
}

/// The examples of docs/storage-format.md: a frame, then the record in its own format.
#[test]
fn a_host_of_a_cluster_puts_a_frame_around_a_record() {
    let session = SessionId(7);
    let done = Box::new(Record::Presence(Event::Done { session }));
    let renamed = Box::new(Record::Renamed {
        session,
        profile: Profile {
            user_id: Some("u1".to_owned()),
            ..Profile::default()
        },
    });
    let since = 300;
    let resumed = Box::new(Record::Presence(Event::Settle));
    let (host, from, shown) = (HostId(5), 9, None);
    let framed: [(Record, &[u8]); 8] = [
        (
            Record::Since {
                session,
                since,
                note: String::new(),
                record: done.clone(),
            },
            &[FRAMED, 1, 7, 0xac, 2, FORMAT, 3, 3, 7],
        ),
        (
            Record::Since {
                session,
                since,
                note: String::new(),
                record: renamed,
            },
            &[FRAMED, 1, 7, 0xac, 2, IDENTIFIED, 2, 7, 0, 0, 2, b'u', b'1'],
        ),
        (
            Record::AttachedTo {
                host,
                from,
                shown,
                record: resumed,
            },
            &[FRAMED, 0, 5, 9, 0, FORMAT, 3, 24],
        ),
        (
            Record::Since {
                session,
                since,
                note: "now?".to_owned(),
                record: done,
            },
            &[
                FRAMED, 3, 7, 0xac, 2, 4, b'n', b'o', b'w', b'?', FORMAT, 3, 3, 7,
            ],
        ),
        (
            Record::Erased {
                epoch: 300,
                unread: true,
            },
            &[FRAMED, 4, 0xac, 2, 1],
        ),
        (
            Record::HostLost {
                host,
                overdue_to: 0,
            },
            &[FRAMED, 2, 5],
        ),
        (
            Record::HostLost {
                host,
                overdue_to: 300,
            },
            &[FRAMED, 5, 5, 0xac, 2],
        ),
        (Record::InitialMode(Mode::Required), &[FRAMED, 6, 2]),
    ];
    for (record, bytes) in framed {
        let erases = matches!(record, Record::Erased { .. });
        assert_eq!(Record::is_erasure(bytes), erases);
        assert_eq!(record.encode().unwrap()[..], *bytes, "{record:?}");
        assert_eq!(Record::decode(bytes).unwrap(), record);
    }
    // A frame is around a record, never around another frame.
    let twice = [FRAMED, 1, 7, 1, FRAMED, 1, 7, 1, FORMAT, 3, 3, 7];
    assert!(matches!(
        Record::decode(&twice),
        Err(RecordError::Format(FRAMED))
    ));
    assert!(Record::decode(&[FRAMED, 1, 7]).is_err());
}

#[test]
fn a_merge_of_an_older_version_is_read_as_one() {
    for (number, decision) in [(0, Decision::OldMerge), (4, Decision::Merge)] {
        let record = Record::ParkDecided {
            id: 9,
            by: Some(SessionId(7)),
            decision,
            at_ms: 3,
        };
        let bytes = [FORMAT, 6, 9, 1, 7, number, 3];
        assert_eq!(record.encode().unwrap()[..], bytes);
        assert_eq!(Record::decode(&bytes).unwrap(), record);
    }
}

/// Variants are numbered in their order: what older servers wrote must keep its number, and its
/// meaning.
#[test]
fn what_older_servers_wrote_of_offers_reads_as_what_it_meant() {
    let session = SessionId(7);
    let fence = Fence {
        epoch: 1,
        position: 9,
    };
    let old = [
        (
            [FORMAT, 3, 12, 7, 1, 9],
            Event::OldDecline { session, fence },
        ),
        (
            [FORMAT, 3, 18, 7, 1, 9],
            Event::OldOfferExpired { session, fence },
        ),
    ];
    for (bytes, event) in old {
        let record = Record::Presence(event);
        assert_eq!(Record::decode(&bytes).unwrap(), record);
        assert_eq!(record.encode().unwrap()[..], bytes);
    }
    let later = true;
    let new = [
        (
            [FORMAT, 3, 29, 7, 1, 9].as_slice(),
            Event::OfferExpired { session, fence },
        ),
        (
            &[FORMAT, 3, 30, 7, 1, 9],
            Event::PauseOver { session, fence },
        ),
        (
            &[FORMAT, 3, 28, 7, 1, 9, 1],
            Event::Decline {
                session,
                fence,
                later,
            },
        ),
    ];
    for (bytes, event) in new {
        assert_eq!(Record::Presence(event).encode().unwrap()[..], *bytes);
    }
}
