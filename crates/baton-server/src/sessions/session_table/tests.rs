use baton_auth::{Access, Permissions};

use super::*;
use crate::access::{AccessRequest, Caller};

const NOW: u64 = 1_800_000_000_000;
const ALL: ConnectionId = ConnectionId(0);

fn grant(document: &str, access: Access) -> Arc<AccessGrant> {
    let caller = Caller::at([127, 0, 0, 1].into());
    let request = AccessRequest::new(None, document, &caller);
    Arc::new(AccessGrant::of(request, Arc::new(access)).unwrap())
}

fn reader() -> Access {
    Access::to_every_document(Permissions::READ)
}

fn until(end: u64) -> Arc<AccessGrant> {
    grant("notes", reader().with_expiry(end))
}

/// A table with one session, which has joined the document "d" unless it is to stay outside.
fn table(grant: Arc<AccessGrant>, joined: bool) -> (SessionTable<&'static str>, ConnectionId) {
    let mut table = SessionTable::new(30_000);
    let id = ConnectionId(7);
    let wire = WireName::YWebsocket;
    table.enter(id, NewSession { wire, grant }, NOW);
    if joined {
        table.take_seat(id, "d").unwrap();
    }
    (table, id)
}

#[test]
fn a_session_is_told_before_its_access_ends_and_then_forgotten() {
    let (mut table, id) = table(until(NOW + 100_000), true);
    assert_eq!(table.next_deadline(), Some(NOW + 70_000));
    assert!(table.take_due(NOW + 69_999, 9).is_empty());
    let notice = Due::Notice { left_ms: 29_999 };
    assert_eq!(table.take_due(NOW + 70_001, 9), [("d", id, notice)]);
    assert_eq!(table.next_deadline(), Some(NOW + 100_000));
    assert_eq!(table.take_due(NOW + 100_000, 9), [("d", id, Due::Expired)]);
    assert_eq!((table.next_deadline(), table.len()), (None, 0));
    assert_eq!(table.leave(id), None, "its connection ends later");
}

#[test]
fn a_short_access_is_announced_after_half_of_it() {
    let (mut table, id) = table(until(NOW + 2_000), true);
    let due = table.take_due(NOW + 1_000, 9);
    assert_eq!(due, [("d", id, Due::Notice { left_ms: 1_000 })]);
    // A server that slept through both says the end alone.
    let (mut table, id) = self::table(until(NOW + 2_000), true);
    assert_eq!(table.take_due(NOW + 9_000, 9), [("d", id, Due::Expired)]);
}

#[test]
fn another_access_moves_the_deadline_and_sets_the_rights() {
    let (mut table, id) = table(until(NOW + 2_000), true);
    let rights = table.take_seat(id, "d").unwrap();
    let more = Access::to_every_document(Permissions::WRITE);
    let renewed = table.renew(id, grant("notes", more), NOW + 1_500).unwrap();
    assert_eq!(renewed.document, Some("d"));
    assert_eq!(renewed.before, Rights::NONE);
    assert_eq!(rights.get(), Rights::WRITE);
    assert_eq!(table.next_deadline(), None);
    assert!(table.take_due(NOW + 9_000, 9).is_empty());
    assert!(table.renew(ConnectionId(8), until(NOW), NOW).is_none());
}

/// A decision that fell while the document was opened was missed once the session was in.
#[test]
fn what_is_decided_while_a_session_joins_counts_when_it_is_in() {
    let (mut ended, id) = table(until(NOW + 2_000), false);
    assert_eq!(ended.end(id, SessionEnd::Revoked), None);
    assert_eq!(ended.take_seat(id, "d").unwrap_err(), SessionEnd::Revoked);
    let (mut expired, id) = table(until(NOW + 2_000), false);
    assert!(expired.take_due(NOW + 1_000, 9).is_empty());
    assert!(expired.take_due(NOW + 2_000, 9).is_empty());
    assert!(!expired.is_open(id) && expired.next_deadline().is_none());
    assert_eq!(expired.take_seat(id, "d").unwrap_err(), SessionEnd::Expired);
    assert_eq!(expired.len(), 0);
    let (mut changed, id) = table(until(NOW + 2_000), false);
    let more = Access::to_every_document(Permissions::WRITE);
    assert!(changed.renew(id, grant("notes", more), NOW).is_some());
    assert_eq!(changed.take_seat(id, "d").unwrap().get(), Rights::WRITE);
}

#[test]
fn sessions_are_found_by_what_their_tokens_say_and_paged_by_number() {
    let mut table = SessionTable::new(0);
    let user = |id: &str| reader().with_user(TokenUser::new(id).unwrap());
    for number in 1..=5 {
        let name = if number % 2 == 0 { "even" } else { "odd" };
        let access = user(name).with_token_id(&format!("t{number}")).unwrap();
        let grant = grant(name, access.with_tenant("acme", None).unwrap());
        let wire = WireName::YWebsocket;
        table.enter(ConnectionId(number), NewSession { wire, grant }, NOW);
        table.take_seat(ConnectionId(number), "d").unwrap();
    }
    let found = |after, filter: &SessionFilter, most| -> Vec<u64> {
        let page = table.page(after, filter, most);
        page.into_iter().map(|view| view.id).collect()
    };
    let all = SessionFilter::default();
    assert_eq!(found(ALL, &all, 2), [1, 2]);
    assert_eq!(found(ConnectionId(2), &all, 9), [3, 4, 5]);
    let named = |name: &str| Some(name.to_owned());
    let by_user = SessionFilter {
        user: named("odd"),
        ..all.clone()
    };
    assert_eq!(found(ALL, &by_user, 2), [1, 3]);
    let by_document = SessionFilter {
        document: named("even"),
        ..all.clone()
    };
    assert_eq!(found(ALL, &by_document, 9), [2, 4]);
    let by_token = SessionFilter {
        token_id: named("t4"),
        tenant: named("acme"),
        ..all.clone()
    };
    assert_eq!(found(ALL, &by_token, 9), [4]);
    let by_both = SessionFilter {
        user: named("odd"),
        ..by_token
    };
    assert!(found(ALL, &by_both, 9).is_empty());
    table.end(ConnectionId(3), SessionEnd::Revoked);
    assert_eq!(table.held_after(ConnectionId(1), 2).len(), 2);
    assert_eq!(table.page(ConnectionId(2), &all, 9).len(), 2);
}
