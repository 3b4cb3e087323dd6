//! The flaws that are in what a server does with the fold: what it changes behind its back, and what it
//! says in the name of others.

use baton_presence::{Change, Event, LockRefusal, LockSnapshot, Ticket};

use crate::Flaw;

/// What is changed behind the back of the fold after a record.
pub(crate) fn after(
    fold: &mut LockSnapshot,
    before: &LockSnapshot,
    event: &Event,
    changes: &[Change],
    flaw: Flaw,
) {
    match flaw {
        Flaw::FenceReset => {
            let released = changes.iter().any(|c| matches!(c, Change::Released { .. }));
            let waiting = fold.peers.iter().any(|peer| peer.ticket.is_some());
            if released && fold.grants.is_empty() && !waiting {
                (fold.position, fold.last_fence) = (None, None);
            }
        }
        Flaw::Overtake => let_overtake(fold, before),
        Flaw::RevokedKeeps => let_keep(fold, before, event),
        Flaw::WaitWhileHolding => wait_while_holding(fold, event, changes),
        _ => {}
    }
}

/// Who loses the right to lock goes on holding what it holds.
fn let_keep(fold: &mut LockSnapshot, before: &LockSnapshot, event: &Event) {
    let Event::RightsSet { session, .. } = event else {
        return;
    };
    for grant in fold.grants.iter_mut().filter(|g| g.party == *session) {
        let mut had = before.grants.iter();
        if let Some(had) = had.find(|had| had.fence == grant.fence) {
            *grant = had.clone();
        }
    }
}

/// A new ticket changes places with the oldest.
fn let_overtake(fold: &mut LockSnapshot, before: &LockSnapshot) {
    let tickets = fold.peers.iter().filter_map(|peer| peer.ticket);
    let oldest = tickets.min();
    let newest = fold.peers.iter().filter_map(|peer| peer.ticket).max();
    let known = |ticket: &Ticket| before.peers.iter().any(|peer| peer.ticket == Some(*ticket));
    if newest.is_none_or(|newest| known(&newest)) {
        return;
    }
    for peer in &mut fold.peers {
        if peer.ticket == oldest {
            peer.ticket = newest;
        } else if peer.ticket == newest {
            peer.ticket = oldest;
        }
    }
}

/// Who holds something and wants something else gets a ticket, where it should be refused.
fn wait_while_holding(fold: &mut LockSnapshot, event: &Event, changes: &[Change]) {
    let Event::Acquire { session, scope } = event else {
        return;
    };
    let refused = |change: &Change| {
        matches!(
            change,
            Change::Refused {
                why: LockRefusal::WouldWait { .. },
                ..
            }
        )
    };
    let peer = fold.peers.iter_mut().find(|peer| peer.session == *session);
    if let (Some(peer), Some(position), true) = (peer, fold.position, changes.iter().any(refused)) {
        peer.ticket = Some(Ticket(position));
        peer.wants = Some(scope.clone());
    }
}

/// What is recorded at once behind a record.
pub(crate) fn next(changes: &[Change], flaw: Flaw) -> Vec<Event> {
    let mut next = Vec::new();
    for change in changes {
        match *change {
            Change::Unsettled => next.push(Event::Settle),
            Change::Offered {
                to: session, fence, ..
            } if flaw == Flaw::NoClaim => next.push(Event::Claim { session, fence }),
            Change::Draining {
                by: session, fence, ..
            } if flaw == Flaw::DrainAtOnce => next.push(Event::DrainOver { session, fence }),
            Change::Draining {
                by: session, fence, ..
            } if flaw == Flaw::DrainForHim => next.push(Event::Drained { session, fence }),
            _ => {}
        }
    }
    next
}
