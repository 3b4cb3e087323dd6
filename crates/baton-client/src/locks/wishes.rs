//! What a program asks for, as it is asked: from then on it is so, whatever the answer. Sends nothing.

use baton_sync::channel::Fence;

use super::{Locks, Stage};
use crate::scope::Scope;

/// Take-overs whose offers have not come, which are remembered at the same time; the oldest are forgotten.
const MAX_TAKEN: usize = 16;

impl Locks {
    /// A ticket for this is asked for; it replaces the one before.
    pub(crate) fn asked(&mut self, nonce: u64, scope: &Scope) {
        let before = self.wanted.replace(scope.clone());
        if let Some(before) = before.filter(|before| before != scope) {
            self.superseded.insert(nonce, vec![before]);
        }
    }

    /// The ticket is given back, and what is being taken is not wanted any more.
    pub(crate) fn cancelled(&mut self, nonce: u64) {
        let mut before = std::mem::take(&mut self.taken);
        before.extend(self.wanted.take());
        self.offers
            .retain(|_, offer| !before.contains(&offer.scope));
        self.superseded.insert(nonce, before);
    }

    /// The server answered what replaced or withdrew a wish: from now on its offers know of it.
    pub(crate) fn answered_wish(&mut self, nonce: u64) {
        self.superseded.remove(&nonce);
    }

    /// The server refused the wish for this; a ticket from before may stand.
    pub(crate) fn refused(&mut self, scope: &Scope) {
        if self.wanted.take_if(|wanted| wanted == scope).is_some() {
            self.follow_queue();
        }
    }

    pub(crate) fn taking(&mut self, scope: &Scope) {
        self.not_taking(scope);
        self.taken.push(scope.clone());
        if self.taken.len() > MAX_TAKEN {
            self.taken.remove(0);
        }
    }

    pub(crate) fn not_taking(&mut self, scope: &Scope) {
        self.taken.retain(|taken| taken != scope);
    }

    pub(crate) fn release_sent(&mut self, fence: Fence) {
        if let Some(grant) = self.grants.get_mut(&fence) {
            grant.stage = Stage::Releasing;
        }
    }

    /// The server took the release, or does not know the grant that we gave back.
    pub(crate) fn released(&mut self, fence: Fence) {
        self.end(fence, "given back");
    }
}
