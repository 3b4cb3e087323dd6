//! Owns how locks move from one session to the next: who is next, when, what it costs who had it.
//!
//! It never reads an event; the files of the steps do, and call in here. A step ends grants and names
//! heirs; after it [`Fold::settle`] makes the one offer that a record can make, and says so if there
//! could be more. When nothing is unsettled: no live waiter could be served, and no holder whose time
//! is over could be replaced.

use crate::roster::Missed;
use crate::{
    AutoPass, Change, Due, Fence, Fold, Grant, GrantState, Loss, Mode, OfferEnd, Passing, Peer,
    Presence, Scope, SessionId, Ticket,
};

/// What one record has done so far.
pub(crate) struct Step<'a> {
    changes: &'a mut Vec<Change>,
    /// What it offered, if it did: the position of the record can name one offer only.
    offered: Option<Scope>,
    /// The grants that it ended.
    ended: Vec<(Fence, Scope)>,
    /// What should go on to anybody who is here, since its holder went offline.
    orphans: Vec<Scope>,
    /// Who was to get what, and may if nothing is in the way any more.
    heirs: Vec<(SessionId, Scope)>,
}

impl<'a> Step<'a> {
    pub(crate) const fn new(changes: &'a mut Vec<Change>) -> Self {
        Self {
            changes,
            offered: None,
            ended: Vec::new(),
            orphans: Vec::new(),
            heirs: Vec::new(),
        }
    }

    pub(crate) fn say(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(crate) fn heir(&mut self, session: SessionId, scope: Scope) {
        self.heirs.push((session, scope));
    }

    pub(crate) const fn has_offered(&self) -> bool {
        self.offered.is_some()
    }

    /// The end of the record: says which ended grants were followed by nothing, then whether more
    /// could be offered.
    pub(crate) fn close(self, settled: Settled) {
        for (fence, scope) in self.ended {
            let follows = |offered: &Scope| offered.conflicts(&scope);
            if !self.offered.as_ref().is_some_and(follows) {
                self.changes.push(Change::Freed { fence });
            }
        }
        if settled == Settled::NotYet {
            self.changes.push(Change::Unsettled);
        }
    }
}

/// The next thing that follows from the state by itself.
enum Next {
    /// Offer this to that one, ending what is overdue there.
    Offer(SessionId, Scope),
    /// End this overdue grant in favour of those who cannot hold one (the exception of S11).
    GiveWay(Fence, Loss),
}

/// Whether nothing follows from the state by itself any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    Yes,
    NotYet,
}

impl Fold {
    /// Offers what can be offered, once a record.
    pub(crate) fn settle(&mut self, step: &mut Step<'_>) -> Settled {
        for (session, scope) in std::mem::take(&mut step.heirs) {
            self.offer_to_heir(session, scope, step);
        }
        for scope in step.orphans.clone() {
            if step.offered.is_none()
                && !self.is_wanted(&scope, None)
                && self.way_is_free(&scope, None)
                && let Some(next) = self.oldest_peer(&scope, None)
            {
                self.offer(next, scope, Passing::Offline, step);
            }
        }
        self.go_on_settling(step)
    }

    /// Does what follows from the state by itself, up to a second offer.
    pub(crate) fn go_on_settling(&mut self, step: &mut Step<'_>) -> Settled {
        while let Some(next) = self.next_step() {
            match next {
                Next::GiveWay(fence, why) => self.lose(fence, why, step),
                Next::Offer(..) if step.has_offered() => return Settled::NotYet,
                Next::Offer(to, scope) => self.take_for(to, scope, step),
            }
        }
        Settled::Yes
    }

    /// The one that was named gets what it wants, if it can take it and this was the last thing in its
    /// way; otherwise the wish is forgotten, and the queue decides.
    fn offer_to_heir(&mut self, session: SessionId, scope: Scope, step: &mut Step<'_>) {
        let able = self
            .roster
            .get(session)
            .is_some_and(|peer| peer.presence == Presence::Live && peer.can_hold());
        let kept = self.waits_for_other(session, &scope);
        if able && !kept && !step.has_offered() && self.way_is_free(&scope, Some(session)) {
            self.take_for(session, scope, step);
        }
    }

    fn waits_for_other(&self, session: SessionId, scope: &Scope) -> bool {
        self.wants(session)
            .is_some_and(|wants| !scope.covers(wants))
    }

    pub(crate) fn wants(&self, session: SessionId) -> Option<&Scope> {
        self.roster.get(session)?.wants.as_ref()
    }

    fn next_step(&mut self) -> Option<Next> {
        self.note_what_changed();
        if let Some((session, scope)) = self.next_by_ticket() {
            return Some(Next::Offer(session, scope));
        }
        let mut give_way = None;
        let mut free = None;
        for fence in self.grants.unsure() {
            let Some((grant, why)) = self
                .grants
                .get(fence)
                .and_then(|grant| Some((grant, self.overdue(grant)?)))
            else {
                self.grants.is_in_time(fence);
                continue;
            };
            let scope = &grant.scope;
            // Of hundreds of locks that wait for somebody, the same few are asked.
            let free = free.get_or_insert_with(|| self.free_peers());
            if !free.is_empty()
                && !self.is_wanted(scope, None)
                && self.way_is_free(scope, None)
                && let Some(next) = self.oldest_of(free, scope)
            {
                return Some(Next::Offer(next, scope.clone()));
            }
            give_way = give_way.or(Some((grant.fence, why)));
        }
        let (fence, why) = give_way?;
        let exception = self.auto_pass == AutoPass::On
            && self.mode == Mode::ExclusiveWhenHeld
            && self.roster.has_live_stock_writer();
        exception.then_some(Next::GiveWay(fence, why))
    }

    /// Who waits where something changed may be served now.
    fn note_what_changed(&mut self) {
        for session in self.roster.take_touched() {
            if let Some(wants) = self.roster.get(session).and_then(|peer| peer.wants.clone()) {
                self.reconsider(&wants);
            }
            self.grants.touch_with(session);
        }
        for scope in self.grants.take_touched() {
            self.reconsider(&scope);
        }
    }

    /// Whether no grant is in the way of this scope, but such as are overdue, and it is to go to
    /// nobody else.
    pub(crate) fn way_is_free(&self, scope: &Scope, asker: Option<SessionId>) -> bool {
        self.in_the_way(scope, asker).is_none()
    }

    /// Whoever is in the way of this scope.
    pub(crate) fn in_the_way(&self, scope: &Scope, asker: Option<SessionId>) -> Option<SessionId> {
        let held = self
            .grants
            .in_conflict(scope)
            .find(|grant| self.overdue(grant).is_none())
            .map(|grant| (grant.fence, grant.party));
        let promised = self.grants.promised().find_map(|grant| {
            let (heir, wants) = grant.heir()?;
            (Some(heir) != asker && wants.conflicts(scope)).then_some((grant.fence, heir))
        });
        match (held, promised) {
            (Some((fence, party)), Some((older, _))) if fence <= older => Some(party),
            (_, Some((_, heir))) => Some(heir),
            (held, None) => held.map(|(_, party)| party),
        }
    }

    /// The live writer that waits for nothing and has been in the document longest, if auto-pass is on.
    fn oldest_peer(&self, scope: &Scope, but: Option<SessionId>) -> Option<SessionId> {
        if self.auto_pass == AutoPass::Off {
            return None;
        }
        let fits = |peer: &&Peer| {
            Some(peer.session) != but && peer.ticket.is_none() && peer.can_take(scope)
        };
        self.roster
            .holders_to_be()
            .find(fits)
            .map(|peer| peer.session)
    }

    /// Those among whom the oldest peer is looked for.
    fn free_peers(&self) -> Vec<SessionId> {
        if self.auto_pass == AutoPass::Off {
            return Vec::new();
        }
        let free = |peer: &&Peer| peer.ticket.is_none() && peer.presence == Presence::Live;
        let peers = self.roster.holders_to_be().filter(free);
        peers.map(|peer| peer.session).collect()
    }

    fn oldest_of(&self, free: &[SessionId], scope: &Scope) -> Option<SessionId> {
        let mut free = free.iter().copied();
        free.find(|session| self.can_take(*session, scope))
    }

    /// Who would be offered something in place of this lock if its holder, or the one offered, went
    /// offline now.
    #[must_use]
    pub fn next_in_line(&self, fence: Fence) -> Option<SessionId> {
        let grant = self.grants.get(fence)?;
        if let Some((heir, _)) = grant.heir() {
            return Some(heir);
        }
        let party = Some(grant.party);
        self.waiter(&grant.scope, party)
            .or_else(|| self.oldest_peer(&grant.scope, party))
    }

    /// Why the holder could be replaced now, if it could.
    pub(crate) fn overdue(&self, grant: &Grant) -> Option<Loss> {
        let overdue = grant.due == Due::Overdue;
        match grant.state {
            GrantState::Held => self
                .roster
                .get(grant.party)
                .is_none_or(|peer| peer.presence != Presence::Live)
                .then_some(Loss::Silent),
            GrantState::Suspect => overdue.then_some(Loss::GraceOver),
            GrantState::Recovering => overdue.then_some(Loss::RecoveryOver),
            GrantState::Offered | GrantState::Draining { .. } => None,
        }
    }

    /// Takes what is overdue in this scope from those who have it, and offers the scope.
    pub(crate) fn take_for(&mut self, to: SessionId, scope: Scope, step: &mut Step<'_>) {
        let overdue: Vec<_> = self
            .grants
            .in_conflict(&scope)
            .filter_map(|grant| Some((grant.fence, self.overdue(grant)?)))
            .collect();
        let passing = if overdue.is_empty() {
            Passing::ByTicket
        } else {
            Passing::Offline
        };
        for (fence, why) in overdue {
            self.lose(fence, why, step);
        }
        self.offer(to, scope, passing, step);
    }

    fn offer(&mut self, to: SessionId, scope: Scope, passing: Passing, step: &mut Step<'_>) {
        let fence = Fence {
            epoch: self.epoch,
            position: self.here(),
        };
        // A lock that was set in motion by its holder's going offline stays so from offer to offer.
        let offline = step.orphans.iter().any(|orphan| orphan.conflicts(&scope));
        let passing = if offline { Passing::Offline } else { passing };
        self.last_fence = Some(fence);
        self.grants.insert(Grant {
            scope: scope.clone(),
            party: to,
            fence,
            state: GrantState::Offered,
            due: Due::InTime,
            passing,
            requested_by: None,
            heir_wants: None,
        });
        step.offered = Some(scope.clone());
        step.say(Change::Offered { to, fence, scope });
    }

    /// The holder loses this lock against its will.
    pub(crate) fn lose(&mut self, fence: Fence, why: Loss, step: &mut Step<'_>) {
        if let Some(grant) = self.end(fence, step) {
            let (by, scope) = (grant.party, grant.scope);
            step.say(Change::LockLost {
                by,
                fence,
                scope,
                why,
            });
        }
    }

    /// Of its own will.
    pub(crate) fn give_back(&mut self, fence: Fence, step: &mut Step<'_>) {
        if let Some(grant) = self.end(fence, step) {
            let (by, scope) = (grant.party, grant.scope);
            step.say(Change::Released { by, fence, scope });
        }
    }

    /// Ends this grant; who was named as the next is remembered to the end of the step.
    fn end(&mut self, fence: Fence, step: &mut Step<'_>) -> Option<Grant> {
        let grant = self.grants.remove(fence)?;
        step.ended.push((fence, grant.scope.clone()));
        if let Some((heir, wants)) = grant.heir() {
            step.heir(heir, wants.clone());
        }
        Some(grant)
    }

    /// What the holder of this lost by going offline goes on to anybody who is here.
    pub(crate) fn orphan(step: &mut Step<'_>, scope: Scope) {
        step.orphans.push(scope);
    }

    /// Ends an open offer. The ticket stays, unless the caller took it; who could have claimed and did
    /// not is passed over, so that two of them are not offered the lock in turns without a pause.
    pub(crate) fn end_offer(&mut self, fence: Fence, why: OfferEnd, step: &mut Step<'_>) {
        let Some(grant) = self.end(fence, step) else {
            return;
        };
        let (to, scope) = (grant.party, grant.scope);
        if !matches!(why, OfferEnd::Unreachable | OfferEnd::TakenOver) {
            let scope = scope.clone();
            self.roster.pass_over(to, Missed { fence, scope });
        }
        if grant.passing == Passing::Offline && why != OfferEnd::TakenOver {
            step.orphans.push(scope.clone());
        }
        step.say(Change::OfferEnded {
            to,
            fence,
            scope,
            why,
        });
    }

    /// The session holds this lock from here on, and waits no longer.
    pub(crate) fn hold(&mut self, fence: Fence, step: &mut Step<'_>) {
        let held = self.grants.change(fence, |grant| {
            grant.enter(GrantState::Held);
            (grant.party, grant.scope.clone())
        });
        let Some((by, scope)) = held else {
            return;
        };
        self.roster.acted(by);
        if let Some(peer) = self.roster.get_mut(by) {
            peer.fence_seen = peer.fence_seen.max(Some(fence));
        }
        self.roster.new_round(fence, &scope);
        if self
            .drop_ticket(by, step)
            .is_some_and(|wanted| !scope.covers(&wanted))
        {
            step.say(Change::Dequeued { session: by });
        }
    }

    /// The ticket that a record at the present position takes.
    pub(crate) fn new_ticket(&self) -> Ticket {
        Ticket(self.here())
    }

    /// Steps run inside `apply`, which has set the position.
    fn here(&self) -> u64 {
        self.position.unwrap_or_default()
    }
}
