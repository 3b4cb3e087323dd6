//! Conversions between the types of Baton's channel and those of the lock state. Fences and modes
//! convert with `From`, by a feature of `baton-sync`.

use std::time::Duration;

use baton_presence::{self as presence, GrantState as LockPhase, Scope};
use baton_sync::control_channel::{GrantStatus, GrantView, HandoverReason, Paths, Right, User};

use crate::message::Identity;
use crate::replica::Profile;

/// Bytes of a name, and of a colour.
const PROFILE_BYTES: (usize, usize) = (256, 64);

/// Returns the name and colour that are shown of a client: those of its token, or the kept part of
/// what it says. Longer texts are cut at a character.
pub(crate) fn profile(user: &User, identity: Option<&Identity>) -> Profile {
    let stated = |identity: &Identity| {
        let color = identity.color().map_or(user.color.clone(), str::to_owned);
        (identity.name().to_owned(), color)
    };
    let (name, color) = identity.map_or((user.name.clone(), user.color.clone()), stated);
    let (most_name, most_color) = PROFILE_BYTES;
    Profile {
        name: cut(name, most_name),
        color: cut(color, most_color),
        user_id: identity.map(|identity| cut(identity.id().to_owned(), most_name)),
    }
}

/// Returns a profile as clients are shown it.
pub(crate) fn user(profile: &Profile) -> User {
    User {
        name: profile.name.clone(),
        color: profile.color.clone(),
        id: profile.user_id.clone(),
    }
}

/// Cuts a text to at most `most` bytes, at a character.
pub(crate) fn cut(mut text: String, most: usize) -> String {
    while text.len() > most {
        text.pop();
    }
    text
}

/// Converts the paths of a scope.
pub(crate) fn paths(scope: &Scope) -> Paths {
    let paths = scope.paths().iter();
    paths.map(|path| path.segments().to_vec()).collect()
}

/// Converts the reason of a drain.
pub(crate) const fn drain_reason(why: presence::DrainReason) -> HandoverReason {
    match why {
        presence::DrainReason::Transfer => HandoverReason::Transfer,
        presence::DrainReason::TakenOver => HandoverReason::TakenOver,
        presence::DrainReason::Moved => HandoverReason::Moved,
        presence::DrainReason::Requested => HandoverReason::Requested,
        presence::DrainReason::Idle => HandoverReason::Idle,
        presence::DrainReason::Revoked => HandoverReason::Revoked,
    }
}

/// Converts a set of rights.
pub(crate) fn rights(rights: presence::Rights) -> Vec<Right> {
    [
        (presence::Rights::WRITE, Right::Write),
        (presence::Rights::LOCK, Right::Lock),
        (presence::Rights::TAKE_OVER, Right::TakeOver),
        (presence::Rights::MANAGE, Right::Manage),
    ]
    .into_iter()
    .filter(|(right, _)| rights.contains(*right))
    .map(|(_, shown)| shown)
    .collect()
}

/// Converts a grant.
pub(crate) fn grant_view(grant: &presence::Grant) -> GrantView {
    let (state, to, why) = match grant.state {
        LockPhase::Offered => (GrantStatus::Offered, None, None),
        LockPhase::Held => (GrantStatus::Held, None, None),
        LockPhase::Suspect => (GrantStatus::Suspect, None, None),
        LockPhase::Recovering => (GrantStatus::Recovering, None, None),
        LockPhase::Draining { to, why } => (GrantStatus::Draining, to, Some(why)),
    };
    GrantView {
        paths: paths(&grant.scope),
        state,
        session: grant.party.0,
        fence: grant.fence.into(),
        requested_by: grant.requested_by.map(|from| from.0),
        to: to.map(|to| to.0),
        reason: why.map(drain_reason),
    }
}

/// Returns a duration in milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
