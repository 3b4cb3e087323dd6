//! Looks at the access of every open session anew: at the keys of today, the webhook's answer of
//! now, and the list of revoked tokens.
//!
//! Owns the order: one look at a time, and callers that wait for it share the next one. A session
//! whose access cannot be decided, because a webhook or a key server does not answer, stays as it
//! is: an outage throws out no client that is in, and lets no new one in.

use std::fmt::{self, Display};
use std::sync::Arc;

use baton_room::ConnectionId;
use futures_util::StreamExt;
use futures_util::stream;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::access::{AccessDenied, AccessGrant, Authorizer};
use crate::sessions::enforcement::SessionOrders;
use crate::sessions::open_sessions::{OpenSessions, Renewal};
use crate::sessions::session_end::SessionEnd;

/// Sessions that are looked at together.
const TOGETHER: usize = 32;

/// Sessions in a row that cannot be decided, after which the look is given up: each may have waited
/// for a time-out.
const GIVE_UP_AFTER: usize = TOGETHER;

/// The result of a look at all sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct RecheckReport {
    /// Sessions whose access was decided anew.
    pub(crate) checked: usize,
    /// Those that have other rights now.
    pub(crate) changed: usize,
    /// Those that were ended.
    pub(crate) ended: usize,
    /// Sessions whose access could not be decided; they stay as they are.
    pub(crate) undecided: usize,
}

impl Display for RecheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            checked,
            changed,
            ended,
            undecided,
        } = self;
        write!(
            f,
            "{checked} sessions were checked: {changed} have other rights, {ended} were ended; {undecided} could not be decided and stay as they are"
        )
    }
}

/// Looks at all sessions, one after the other.
pub(crate) struct Rechecks {
    turn: Semaphore,
    last: Mutex<Option<(Instant, RecheckReport)>>,
}

impl Default for Rechecks {
    fn default() -> Self {
        Self {
            turn: Semaphore::new(1),
            last: Mutex::default(),
        }
    }
}

impl Rechecks {
    /// Looks at the access of all sessions, and lets what it finds take effect. A caller that had
    /// to wait for a look that began after its call has the result of that one.
    pub(crate) async fn run(
        &self,
        sessions: &Arc<OpenSessions>,
        authorizer: &Authorizer,
    ) -> RecheckReport {
        let asked = Instant::now();
        // Never closed.
        let _turn = self.turn.acquire().await;
        let last = *self.last.lock();
        if let Some((began, report)) = last
            && began > asked
        {
            return report;
        }
        let began = Instant::now();
        let report = look_at_all(sessions, authorizer).await;
        *self.last.lock() = Some((began, report));
        tracing::info!("{report}");
        report
    }
}

async fn look_at_all(sessions: &Arc<OpenSessions>, authorizer: &Authorizer) -> RecheckReport {
    authorizer.forget_answers();
    let mut report = RecheckReport::default();
    let mut after = ConnectionId(0);
    let mut undecided_in_a_row = 0;
    loop {
        let some = sessions.held_after(after);
        let Some((last, _)) = some.last() else {
            return report;
        };
        after = *last;
        if undecided_in_a_row >= GIVE_UP_AFTER {
            report.undecided += some.len();
            continue;
        }
        let mut orders = SessionOrders::default();
        let looks = some.into_iter().map(|(id, grant)| async move {
            let found = look(authorizer, &grant).await;
            (id, grant, found)
        });
        let mut looks = stream::iter(looks).buffer_unordered(TOGETHER);
        while let Some((id, grant, found)) = looks.next().await {
            let Some(found) = decided(found) else {
                report.undecided += 1;
                undecided_in_a_row += 1;
                continue;
            };
            undecided_in_a_row = 0;
            report.checked += 1;
            match sessions.judge(id, &grant, found, &mut orders) {
                Renewal::Unchanged => {}
                Renewal::Changed => report.changed += 1,
                Renewal::Ended => report.ended += 1,
            }
        }
        drop(looks);
        orders.start();
    }
}

async fn look(authorizer: &Authorizer, grant: &AccessGrant) -> Result<AccessGrant, AccessDenied> {
    // Some signatures take a third of a millisecond to verify: others have their turn in between.
    tokio::task::yield_now().await;
    authorizer.recheck(grant).await
}

/// Returns what a look has found, or `None` if it could not decide.
fn decided(found: Result<AccessGrant, AccessDenied>) -> Option<Result<AccessGrant, SessionEnd>> {
    match found {
        Ok(grant) => Some(Ok(grant)),
        Err(denied) if denied.is_temporary() => None,
        Err(denied) => Some(Err(SessionEnd::Denied(denied))),
    }
}
