use baton_auth::{Access, Permissions};

use super::*;
use crate::access::{AccessRequest, Caller};

const ID: ConnectionId = ConnectionId(7);

fn sessions() -> Arc<OpenSessions> {
    let settings = Settings::default();
    let authorizer = Arc::new(Authorizer::new(&settings).unwrap());
    let refusals = Arc::new(RejectionCounters::default());
    Arc::new(OpenSessions::new(&settings, authorizer, refusals))
}

fn grant(access: Access) -> AccessGrant {
    let caller = Caller::at([127, 0, 0, 1].into());
    let request = AccessRequest::new(None, "notes", &caller);
    AccessGrant::of(request, Arc::new(access)).unwrap()
}

fn of_user(user: &str, permissions: Permissions) -> AccessGrant {
    let access = Access::to_every_document(permissions);
    grant(access.with_user(TokenUser::new(user).unwrap()))
}

/// A recheck took its time, and ended or set back a session whose client had shown a new token
/// meanwhile.
#[tokio::test]
async fn what_a_look_finds_counts_for_the_access_that_was_looked_at() {
    let (sessions, mut orders) = (sessions(), SessionOrders::default());
    let first = Arc::new(of_user("ada", Permissions::WRITE));
    let _place = sessions
        .enter(ID, WireName::YWebsocket, &first, None)
        .unwrap();
    let newer = Arc::new(of_user("ada", Permissions::LOCK));
    let renewed = sessions.renew(ID, None, &newer, &mut orders);
    assert_eq!(renewed, Renewal::Changed);
    let found = Ok(of_user("ada", Permissions::READ));
    let late = sessions.judge(ID, &first, found, &mut orders);
    assert_eq!(late, Renewal::Unchanged);
    let late = sessions.judge(ID, &first, Err(SessionEnd::Revoked), &mut orders);
    assert_eq!(late, Renewal::Unchanged);
    assert!(Arc::ptr_eq(&sessions.grant(ID).unwrap(), &newer));
    let found = Ok(of_user("ada", Permissions::READ));
    let timely = sessions.judge(ID, &newer, found, &mut orders);
    assert_eq!(timely, Renewal::Changed);
    assert_eq!(sessions.grant(ID).unwrap().permissions(), Permissions::READ);
}

#[tokio::test]
async fn a_look_that_finds_another_user_ends_the_session() {
    let (sessions, mut orders) = (sessions(), SessionOrders::default());
    let first = Arc::new(of_user("ada", Permissions::WRITE));
    let _place = sessions
        .enter(ID, WireName::YWebsocket, &first, None)
        .unwrap();
    let found = Ok(of_user("eve", Permissions::WRITE));
    let judged = sessions.judge(ID, &first, found, &mut orders);
    assert_eq!(judged, Renewal::Ended);
    assert!(
        sessions
            .page(ConnectionId(0), &SessionFilter::default(), 9)
            .is_empty()
    );
}

/// A revocation that came between the decision about a token and the entry of its session.
#[tokio::test]
async fn a_session_whose_token_was_revoked_meanwhile_does_not_enter() {
    let (sessions, mut orders) = (sessions(), SessionOrders::default());
    let first = Arc::new(of_user("ada", Permissions::WRITE));
    sessions
        .revocations()
        .revoke_user("ada", unix_ms())
        .unwrap();
    let entered = sessions.enter(ID, WireName::YWebsocket, &first, None);
    assert_eq!(entered.err(), Some(SessionEnd::Revoked));
    assert_eq!(sessions.len(), 0);
    let ended = sessions.end(ID, None, &SessionEnd::Revoked, &mut orders);
    assert!(!ended);
}
