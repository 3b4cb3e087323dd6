//! The invariants, as properties of a state; those of a step are in `book.rs`.

use baton_presence::{
    Change, Event, Fence, Grant, GrantState, Lateness, LockSnapshot, LockState, Peer, Presence,
    SessionId,
};

use crate::Flaw;
use crate::book::is_served;
use crate::places::Place;

/// The invariants of the design that this model checks; its own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Locks in conflict never have two parties.
    S1,
    /// Fences strictly grow, over crashes too.
    S2,
    /// An applied locked write carried the current fence of its session.
    S3,
    /// No two clients believe that they may edit the same.
    S5,
    /// An orderly handoff parks nothing, and nobody loses a draining lock but by its timer.
    S6,
    /// A take-over needs its right, a move the same user, and a lock the right to lock.
    S7,
    /// A resume does not change the fence.
    S8,
    /// Live waiters are served in ticket order.
    S9,
    /// Nobody waits while holding, and so nobody waits for himself.
    S10,
    /// A holder is not replaced by nobody.
    S11,
    /// From wherever it is, a lock comes to a live waiter within a few steps for each peer, unless
    /// somebody who is well holds it and was not asked; and it is never granted to a process that does
    /// not run and did not ask.
    L1,
    /// If whoever holds a lock gives it back some day, everybody who waits gets what he wants.
    L2,
    /// Every timed state leaves by its timer.
    L3,
    /// What a live waiter waits for is offered again when it lies free.
    L5,
    /// The answers of a holder who is well are confirmed, once what it lost before was told.
    L6,
    /// What the changes of the records say is what is.
    Told,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::S1,
        Self::S2,
        Self::S3,
        Self::S5,
        Self::S6,
        Self::S7,
        Self::S8,
        Self::S9,
        Self::S10,
        Self::S11,
        Self::L1,
        Self::L2,
        Self::L3,
        Self::L5,
        Self::L6,
        Self::Told,
    ];

    /// As the checker calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::S1 => "S1",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::S5 => "S5",
            Self::S6 => "S6",
            Self::S7 => "S7",
            Self::S8 => "S8",
            Self::S9 => "S9",
            Self::S10 => "S10",
            Self::S11 => "S11",
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
            Self::L5 => "L5",
            Self::L6 => "L6",
            Self::Told => "Told",
        }
    }
}

/// What happens when nothing is asked for any more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holders {
    /// Who holds and is well keeps it, until its time is over.
    Keep,
    /// Who holds gives it back.
    GiveBack,
}

/// Held, for S10. What is to be recovered may only have been offered; then its party is away, keeps its
/// ticket, and loses it as soon as it is here and so holds it.
const fn is_held(grant: &Grant) -> bool {
    grant.is_held() && !matches!(grant.state, GrantState::Recovering)
}

/// S7: a session without the right to lock waits for nothing, and has only what is about to end.
pub(crate) fn only_the_entitled_hold(fold: &LockSnapshot) -> bool {
    let ends = |grant: &Grant| {
        matches!(
            grant.state,
            GrantState::Draining { .. } | GrantState::Recovering
        )
    };
    fold.peers
        .iter()
        .filter(|peer| !peer.can_hold())
        .all(|peer| {
            let mut own = fold.grants.iter().filter(|g| g.party == peer.session);
            peer.ticket.is_none() && own.all(ends)
        })
}

/// S10: a session that waits holds nothing.
pub(crate) fn nobody_waits_while_holding(fold: &LockSnapshot) -> bool {
    let holds = |peer: &Peer| {
        let mut grants = fold.grants.iter();
        grants.any(|grant| grant.party == peer.session && is_held(grant))
    };
    !fold
        .peers
        .iter()
        .any(|peer| peer.ticket.is_some() && holds(peer))
}

/// S10, the harm: sessions that wait for each other, each for what the next one holds.
pub(crate) fn nobody_waits_for_himself(fold: &LockSnapshot) -> bool {
    let waits_for = |session: SessionId| {
        let peer = fold.peers.iter().find(|peer| peer.session == session);
        let wish = peer.and_then(|peer| peer.wants.as_ref()).map(Place::of);
        fold.grants
            .iter()
            .filter(move |grant| {
                wish.is_some_and(|wish| wish.conflicts(Place::of(&grant.scope)))
                    && is_held(grant)
                    && grant.party != session
            })
            .map(|grant| grant.party)
    };
    let comes_back = |first: SessionId| {
        let mut reached: Vec<SessionId> = waits_for(first).collect();
        let mut next = 0;
        while let Some(session) = reached.get(next).copied() {
            let further = waits_for(session).filter(|s| !reached.contains(s));
            let further: Vec<_> = further.collect();
            reached.extend(further);
            next += 1;
        }
        reached.contains(&first)
    };
    !fold.peers.iter().any(|peer| comes_back(peer.session))
}

/// The timers of one timed lock.
pub(crate) const fn timer(grant: &Grant) -> Option<Event> {
    let (session, fence) = (grant.party, grant.fence);
    match grant.state {
        GrantState::Offered => Some(Event::OfferExpired { session, fence }),
        GrantState::Suspect => Some(Event::GraceOver { session, fence }),
        GrantState::Recovering => Some(Event::RecoveryOver { session, fence }),
        GrantState::Draining { .. } => Some(Event::DrainOver { session, fence }),
        GrantState::Held => None,
    }
}

/// A fold that goes on from here on its own.
struct Ahead {
    fold: LockState,
    unsettled: bool,
    granted: Vec<SessionId>,
}

impl Ahead {
    fn of(snapshot: &LockSnapshot) -> Option<Self> {
        let fold = LockState::restore(snapshot).ok()?;
        Some(Self {
            fold,
            unsettled: true,
            granted: Vec::new(),
        })
    }

    fn apply(&mut self, event: &Event) {
        let mut changes = Vec::new();
        let position = self.fold.position().map_or(1, |last| last + 1);
        self.fold.apply(position, event, &mut changes);
        self.unsettled = changes.contains(&Change::Unsettled);
        self.granted
            .extend(changes.iter().filter_map(|change| match change {
                Change::Granted { to, .. } => Some(*to),
                _ => None,
            }));
    }

    fn settle(&mut self) {
        // Each settling makes an offer; there are not more than places.
        for _ in 0..8 {
            if self.unsettled {
                self.apply(&Event::Settle);
            }
        }
    }
}

/// L3: the timer of each timed lock, when it fires, ends that lock; or (S11) it stays, marked, because
/// nobody could take it.
pub(crate) fn timed_states_end(snapshot: &LockSnapshot) -> bool {
    snapshot.grants.iter().all(|grant| {
        let (Some(event), Some(mut ahead)) = (timer(grant), Ahead::of(snapshot)) else {
            return grant.state == GrantState::Held;
        };
        ahead.apply(&event);
        ahead.settle();
        if ahead.unsettled {
            return false;
        }
        match ahead.fold.grant(grant.fence) {
            None => true,
            Some(after) if after.lateness == Lateness::Overdue => {
                !could_be_replaced(&ahead.fold.snapshot(), grant.fence)
            }
            Some(_) => false,
        }
    })
}

/// The end of a waiter's pause: the newest offer of what it waits for that it let pass. While anything
/// is in its way, it goes on.
pub(crate) fn pause(fold: &LockSnapshot, peer: &Peer) -> Option<Event> {
    let (session, wish) = (peer.session, Place::of(peer.wants.as_ref()?));
    let free = |grant: &Grant| !Place::of(&grant.scope).conflicts(wish);
    if peer.presence != Presence::Live || !fold.grants.iter().all(free) {
        return None;
    }
    let missed = peer.missed_offers.iter();
    let missed = missed.filter(|missed| Place::of(&missed.scope).conflicts(wish));
    let fence = missed.map(|missed| missed.fence).max()?;
    Some(Event::PauseOver { session, fence })
}

/// The live waiters with nothing in the way of what they want, nor in that of those before them.
fn beside_what_is_free(fold: &LockSnapshot) -> Vec<(&Peer, Place)> {
    let mut waiters: Vec<(&Peer, Place)> = fold
        .peers
        .iter()
        .filter(|peer| peer.presence == Presence::Live)
        .filter_map(|peer| Some((peer, Place::of(peer.wants.as_ref()?))))
        .collect();
    waiters.sort_unstable_by_key(|(peer, _)| peer.ticket);
    let mut stuck: Vec<Place> = Vec::new();
    waiters.retain(|(_, wish)| {
        let grants = fold.grants.iter().map(|grant| Place::of(&grant.scope));
        let mut in_the_way = grants.chain(stuck.iter().copied());
        let is_free = !in_the_way.any(|place| place.conflicts(*wish));
        if !is_free {
            stuck.push(*wish);
        }
        is_free
    });
    waiters
}

/// L5: a live waiter beside what lies free is in a pause, at the end of which that is offered to it, or
/// a waiter before it has its turn. The latter may want another place: one who waits for `b` may keep
/// one for the whole document from its turn, and so one for `a`.
pub(crate) fn free_locks_are_offered(snapshot: &LockSnapshot, flaw: Flaw) -> bool {
    beside_what_is_free(snapshot)
        .into_iter()
        .all(|(peer, wish)| {
            let ticket = |session: SessionId| {
                let mut peers = snapshot.peers.iter();
                peers.find(|peer| peer.session == session)?.ticket
            };
            let before = |party| ticket(party).is_some_and(|one| Some(one) < peer.ticket);
            let taken = |fold: &LockSnapshot| {
                let mut grants = fold.grants.iter();
                grants.any(|grant| Place::of(&grant.scope).conflicts(wish) || before(grant.party))
            };
            let Some(mut ahead) = Ahead::of(snapshot) else {
                return false;
            };
            ahead.settle();
            if !taken(&ahead.fold.snapshot())
                && let Some(event) = pause(snapshot, peer).filter(|_| flaw != Flaw::NeverAgain)
            {
                ahead.apply(&event);
                ahead.settle();
            }
            taken(&ahead.fold.snapshot())
        })
}

/// Whether somebody could take this overdue lock.
fn could_be_replaced(fold: &LockSnapshot, fence: Fence) -> bool {
    let silent = |session: SessionId| {
        let mut peers = fold.peers.iter();
        peers.any(|peer| peer.session == session && peer.presence == Presence::Silent)
    };
    let over = |grant: &Grant| {
        grant.lateness == Lateness::Overdue
            || grant.state == GrantState::Held && silent(grant.party)
    };
    let is_free = |place: Place| {
        let mut grants = fold.grants.iter();
        grants.all(|grant| over(grant) || !Place::of(&grant.scope).conflicts(place))
    };
    let Some(place) = fold.grants.iter().find(|grant| grant.fence == fence) else {
        return false;
    };
    let place = Place::of(&place.scope);
    let mut waits: Vec<_> = fold
        .peers
        .iter()
        .filter_map(|peer| {
            let wish = Place::of(peer.wants.as_ref()?);
            is_served(fold, peer.session, wish).then_some((peer.ticket, wish))
        })
        .collect();
    waits.sort_unstable();
    // Somebody is to get something by name when it has drained; that comes first.
    let named = fold
        .grants
        .iter()
        .any(|grant| matches!(grant.state, GrantState::Draining { to: Some(_), .. }));
    let first = |index: usize, wish: Place| {
        let mut older = waits[..index].iter();
        !older.any(|(_, other)| other.conflicts(wish))
    };
    !named
        && waits.iter().enumerate().any(|(index, (_, wish))| {
            wish.conflicts(place) && is_free(*wish) && first(index, *wish)
        })
}

/// L1 and L2: live clients wait. The timers fire, offers to those who run are claimed, offers to the
/// others run out; soon whoever waits has what he wants, or it is with somebody who is well and keeps
/// it, or somebody is before him of whom the same is true.
pub(crate) fn waiters_are_served(
    snapshot: &LockSnapshot,
    runs: &dyn Fn(SessionId) -> bool,
    holders: Holders,
    flaw: Flaw,
) -> bool {
    let waits = |fold: &LockSnapshot| -> Vec<(SessionId, Place)> {
        let wishes = fold.peers.iter().filter_map(|peer| {
            let wish = Place::of(peer.wants.as_ref()?);
            let live = runs(peer.session) && is_served(fold, peer.session, wish);
            live.then_some((peer.ticket, peer.session, wish))
        });
        let mut wishes: Vec<_> = wishes.collect();
        wishes.sort_unstable();
        let wishes = wishes.into_iter();
        wishes.map(|(_, session, wish)| (session, wish)).collect()
    };
    let began = waits(snapshot);
    if began.is_empty() {
        return true;
    }
    let Some(mut ahead) = Ahead::of(snapshot) else {
        return false;
    };
    let mut steps = 4 * (snapshot.peers.len() + snapshot.grants.len()) + 4;
    while let Some(event) = what_comes(&ahead, runs, holders, flaw) {
        if steps == 0 {
            return false;
        }
        steps -= 1;
        ahead.apply(&event);
    }
    let after = ahead.fold.snapshot();
    let still = waits(&after);
    began.iter().all(|(session, wish)| {
        let kept = |place: Place| {
            after.grants.iter().any(|grant| {
                grant.state == GrantState::Held
                    && runs(grant.party)
                    && grant.requested_by.is_none()
                    && Place::of(&grant.scope).conflicts(place)
            })
        };
        let older = still.iter().take_while(|(other, _)| other != session);
        let behind = older.clone().any(|(_, other)| other.conflicts(*wish));
        ahead.granted.contains(session)
            || holders == Holders::Keep && (kept(*wish) || behind && !still.is_empty())
    })
}

/// What comes of itself.
fn what_comes(
    ahead: &Ahead,
    runs: &dyn Fn(SessionId) -> bool,
    holders: Holders,
    flaw: Flaw,
) -> Option<Event> {
    if ahead.unsettled {
        return Some(Event::Settle);
    }
    ahead.fold.grants().find_map(|grant| {
        let (session, fence) = (grant.party, grant.fence);
        let peer = ahead.fold.peer(session)?;
        match grant.state {
            GrantState::Offered if runs(session) => Some(Event::Claim { session, fence }),
            GrantState::Held if !runs(session) => {
                (peer.presence == Presence::Live).then_some(Event::Lost { session })
            }
            GrantState::Held if holders == Holders::GiveBack => {
                Some(Event::Release { session, fence })
            }
            GrantState::Held => {
                let asked = grant.requested_by.is_some() && flaw != Flaw::RequestForEver;
                (asked && ahead.fold.is_waited_for(fence))
                    .then_some(Event::RequestOver { session, fence })
            }
            _ if grant.lateness == Lateness::Overdue => None,
            _ => timer(grant),
        }
    })
}
