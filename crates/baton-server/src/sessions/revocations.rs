//! The list of revoked tokens and users.
//!
//! Owns the list, in memory: a restart forgets it. An entry is kept until the token would have
//! expired, so that a revoked token cannot come back, and the list has a limit.

use std::collections::HashMap;
use std::hash::Hash;

use baton_auth::{Access, Token, TokenFingerprint, TokenUser};
use parking_lot::Mutex;

use crate::config::Settings;

/// The list has no room. Nothing was added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the list of revoked tokens has its limit of {0} entries (max_revocations): what was revoked now can come back until it expires; raise the limit, or change the signing key"
)]
pub(crate) struct RevocationsFull(usize);

/// The list; see the module.
#[derive(Debug)]
pub(crate) struct Revocations {
    most: usize,
    /// Time for which an entry is kept whose token states no end, in milliseconds.
    kept_ms: u64,
    lists: Mutex<Lists>,
}

/// Entries, each with the Unix time in milliseconds until which it counts.
#[derive(Debug, Default)]
struct Lists {
    users: HashMap<Box<str>, RevokedUser>,
    token_ids: HashMap<Box<str>, u64>,
    /// Tokens without an id.
    tokens: HashMap<TokenFingerprint, u64>,
}

/// The revocation of all tokens that a user had at one moment.
#[derive(Debug, Clone, Copy)]
struct RevokedUser {
    /// A token that was issued after this moment is another one, in Unix milliseconds.
    at: u64,
    until: u64,
}

impl Revocations {
    /// Returns an empty list with the limits of these settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            most: settings.max_revocations,
            kept_ms: u64::try_from(settings.revoked_for.0.as_millis()).unwrap_or(u64::MAX),
            lists: Mutex::default(),
        }
    }

    /// Revokes all tokens that this user has at `now`, in Unix milliseconds. A token that is issued
    /// later counts again; one that does not say when it was issued does not, while this is kept.
    ///
    /// # Errors
    /// The list is full.
    pub(crate) fn revoke_user(&self, user: &str, now: u64) -> Result<(), RevocationsFull> {
        let until = now.saturating_add(self.kept_ms);
        let revoked = RevokedUser { at: now, until };
        let mut lists = self.lists.lock();
        lists.make_room(self.most, now, |lists| lists.users.contains_key(user))?;
        lists.users.insert(user.into(), revoked);
        Ok(())
    }

    /// Revokes all tokens with this id.
    ///
    /// # Errors
    /// The list is full.
    pub(crate) fn revoke_token_id(&self, id: &str, now: u64) -> Result<(), RevocationsFull> {
        self.add_token_id(id, now.saturating_add(self.kept_ms), now)
    }

    /// Revokes the token that gave this access, by its id if it has one. An access without a token
    /// cannot be revoked: nothing is added.
    ///
    /// # Errors
    /// The list is full.
    pub(crate) fn revoke(
        &self,
        access: &Access,
        token: Option<&Token>,
        now: u64,
    ) -> Result<(), RevocationsFull> {
        let kept = now.saturating_add(self.kept_ms);
        let until = access.expires_at().unwrap_or(kept);
        if let Some(id) = access.token_id() {
            return self.add_token_id(id, until, now);
        }
        let Some(token) = token else {
            return Ok(());
        };
        let print = token.fingerprint();
        let mut lists = self.lists.lock();
        lists.make_room(self.most, now, |lists| lists.tokens.contains_key(&print))?;
        raise(&mut lists.tokens, print, until);
        Ok(())
    }

    fn add_token_id(&self, id: &str, until: u64, now: u64) -> Result<(), RevocationsFull> {
        let mut lists = self.lists.lock();
        lists.make_room(self.most, now, |lists| lists.token_ids.contains_key(id))?;
        raise(&mut lists.token_ids, id.into(), until);
        Ok(())
    }

    /// Returns true if the token that gave this access is revoked.
    pub(crate) fn covers(&self, access: &Access, token: Option<&Token>, now: u64) -> bool {
        let lists = self.lists.lock();
        let user = access.user().map(TokenUser::id);
        let user = user.and_then(|user| lists.users.get(user));
        let issued = access.issued_at();
        if user.is_some_and(|revoked| {
            now < revoked.until && issued.is_none_or(|issued| issued <= revoked.at)
        }) {
            return true;
        }
        let counts = |until: &u64| now < *until;
        let id = access.token_id().and_then(|id| lists.token_ids.get(id));
        if id.is_some_and(counts) {
            return true;
        }
        match token {
            Some(token) if !lists.tokens.is_empty() => {
                lists.tokens.get(&token.fingerprint()).is_some_and(counts)
            }
            _ => false,
        }
    }

    /// Returns how many entries there are, also those whose time is over.
    pub(crate) fn len(&self) -> usize {
        self.lists.lock().len()
    }
}

impl Lists {
    fn len(&self) -> usize {
        self.users.len() + self.token_ids.len() + self.tokens.len()
    }

    /// Makes sure that one more entry fits, unless it is there already.
    fn make_room(
        &mut self,
        most: usize,
        now: u64,
        is_known: impl FnOnce(&Self) -> bool,
    ) -> Result<(), RevocationsFull> {
        if self.len() < most || is_known(self) {
            return Ok(());
        }
        self.users.retain(|_, revoked| now < revoked.until);
        self.token_ids.retain(|_, until| now < *until);
        self.tokens.retain(|_, until| now < *until);
        if self.len() < most {
            Ok(())
        } else {
            Err(RevocationsFull(most))
        }
    }
}

/// Adds an entry; one that is there is never shortened.
fn raise<K: Eq + Hash>(entries: &mut HashMap<K, u64>, key: K, until: u64) {
    let entry = entries.entry(key).or_insert(until);
    *entry = until.max(*entry);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use baton_auth::Permissions;

    use super::*;
    use crate::config::Span;

    const NOW: u64 = 1_800_000_000_000;
    const HOUR: u64 = 3_600_000;

    fn list(most: usize) -> Revocations {
        Revocations::new(&Settings {
            max_revocations: most,
            revoked_for: Span(Duration::from_millis(HOUR)),
            ..Settings::default()
        })
    }

    fn access() -> Access {
        Access::to_every_document(Permissions::READ).with_user(TokenUser::new("u1").unwrap())
    }

    fn token(text: &str) -> Option<Token> {
        Some(Token::new(text).unwrap())
    }

    #[test]
    fn a_user_comes_back_only_with_a_token_that_was_issued_later() {
        let list = list(10);
        list.revoke_user("u1", NOW).unwrap();
        let covers = |access: &Access, now| list.covers(access, None, now);
        assert!(covers(&access().with_issue_time(NOW - 1), NOW + 1));
        assert!(covers(&access().with_issue_time(NOW), NOW + 1));
        assert!(!covers(&access().with_issue_time(NOW + 1), NOW + 1));
        assert!(covers(&access(), NOW + HOUR - 1), "it may be an old one");
        assert!(!covers(&access(), NOW + HOUR));
        let other = TokenUser::new("u2").unwrap();
        let other = Access::to_every_document(Permissions::READ).with_user(other);
        assert!(!covers(&other, NOW));
        assert!(!covers(&Access::to_every_document(Permissions::READ), NOW));
    }

    #[test]
    fn a_token_is_kept_until_it_expires_and_known_by_its_id_or_its_text() {
        let list = list(10);
        let long = access().with_expiry(NOW + 9 * HOUR);
        let with_id = long.clone().with_token_id("t1").unwrap();
        list.revoke(&with_id, token("a").as_ref(), NOW).unwrap();
        let covers = |access: &Access, text, now| list.covers(access, token(text).as_ref(), now);
        assert!(covers(&with_id, "a", NOW + 9 * HOUR - 1));
        assert!(!covers(&with_id, "a", NOW + 9 * HOUR));
        assert!(covers(&with_id, "renewed, and of the same id", NOW));
        assert!(!covers(&long, "a", NOW), "it was revoked by its id");
        list.revoke(&long, token("b").as_ref(), NOW).unwrap();
        assert!(covers(&long, "b", NOW + 9 * HOUR - 1));
        assert!(!covers(&long, "c", NOW));
        // An id that an operator names is kept for the set time, and does not shorten the other.
        list.revoke_token_id("t1", NOW).unwrap();
        assert!(covers(&with_id, "a", NOW + 9 * HOUR - 1));
        list.revoke_token_id("t2", NOW).unwrap();
        let second = access().with_token_id("t2").unwrap();
        assert!(covers(&second, "x", NOW + HOUR - 1));
        assert!(!covers(&second, "x", NOW + HOUR));
    }

    #[test]
    fn the_list_has_a_limit_and_never_drops_what_still_counts() {
        let list = list(2);
        list.revoke_user("u1", NOW).unwrap();
        list.revoke_token_id("t1", NOW + 1).unwrap();
        let refused = list.revoke(&access(), token("a").as_ref(), NOW + 2);
        assert_eq!(refused, Err(RevocationsFull(2)));
        assert!(list.covers(&access(), None, NOW + 2));
        list.revoke_user("u1", NOW + 2).unwrap();
        assert_eq!(list.len(), 2);
        // That of the token is over now.
        list.revoke(&access(), token("a").as_ref(), NOW + 1 + HOUR)
            .unwrap();
        assert!(list.covers(&access(), None, NOW + 1 + HOUR));
        // Without a token there is nothing to keep.
        assert!(list.revoke(&access(), None, NOW).is_ok());
        assert_eq!(list.len(), 2);
    }
}
