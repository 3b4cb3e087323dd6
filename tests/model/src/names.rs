//! Owns the renaming of positions: the normal form of a fold and of the book beside it.
//!
//! The fold compares positions and never calculates with them. So the positions that occur in a state
//! become 1, 2, 3 ... in their order, and what cannot matter any more is forgotten. That makes the state
//! space finite without a bound on the number of records.

use std::collections::BTreeSet;

use baton_presence::{Fence, LockSnapshot};

use crate::book::Book;

/// What the fold keeps and does not use, or uses for what it says to a mistaken asker only.
pub(crate) fn forget(fold: &mut LockSnapshot, book: &Book) {
    for peer in &mut fold.peers {
        // For the park.
        peer.fence_seen = None;
        // The order of these means nothing.
        peer.missed_offers.sort_by_key(|missed| missed.fence);
    }
    fold.last_fence = fold.grants.iter().map(|grant| grant.fence).max();
    let tickets = fold.peers.iter().filter_map(|peer| peer.ticket);
    let missed = fold.peers.iter().flat_map(|peer| &peer.missed_offers);
    let fences = missed
        .map(|missed| missed.fence)
        .chain(fold.last_fence)
        .chain(book.locks.newest());
    let newest = fences.map(|fence| fence.position);
    // A gap in the positions means nothing.
    let newest = newest.chain(tickets.map(|ticket| ticket.0)).max();
    if fold.position > newest {
        fold.position = newest;
    }
}

/// Every position in a fold.
pub(crate) fn of_fold(fold: &mut LockSnapshot, visit: &mut dyn FnMut(&mut u64)) {
    fold.position.iter_mut().for_each(&mut *visit);
    for peer in &mut fold.peers {
        if let Some(ticket) = &mut peer.ticket {
            visit(&mut ticket.0);
        }
        for missed in &mut peer.missed_offers {
            visit(&mut missed.fence.position);
        }
    }
    for grant in &mut fold.grants {
        visit(&mut grant.fence.position);
    }
    if let Some(fence) = &mut fold.last_fence {
        visit(&mut fence.position);
    }
}

/// Every position in a book.
pub(crate) fn of_book(book: &mut Book, visit: &mut dyn FnMut(&mut u64)) {
    book.locks.visit_positions(visit);
    of_set(&mut book.released, visit);
    of_set(&mut book.excused, visit);
}

/// Every position in a set of fences.
pub(crate) fn of_set(fences: &mut BTreeSet<Fence>, visit: &mut dyn FnMut(&mut u64)) {
    let renamed = std::mem::take(fences).into_iter().map(|mut fence| {
        visit(&mut fence.position);
        fence
    });
    *fences = renamed.collect();
}

/// Renames all that `positions` visits, in order.
pub(crate) fn rename(mut positions: impl FnMut(&mut dyn FnMut(&mut u64))) {
    let mut seen = BTreeSet::new();
    positions(&mut |position| {
        seen.insert(*position);
    });
    let seen: Vec<u64> = seen.into_iter().collect();
    positions(&mut |position| {
        *position = 1 + seen.partition_point(|other| *other < *position) as u64;
    });
}
