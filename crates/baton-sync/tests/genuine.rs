//! What Yjs implementations really send always scans, fits in causal order, and leaves the state
//! that yrs itself has.
#![allow(clippy::unwrap_used, reason = "a failure is to stop the run")]

mod common;

use std::collections::BTreeMap;

use baton_sync::yrs::{self, ReadTxn, Transact, updates::decoder::Decode};
use baton_sync::{
    ApplyError, ApplyOutcome, ClientId, Clock, Document, DocumentOptions, IdRange, Judgement,
    ReplicaIndex, StateVector, scan,
};
use common::{Dice, Session, contents, session};
use proptest::prelude::*;

fn document() -> Document {
    Document::new(&DocumentOptions::new(ClientId::from(999_999)))
}

/// yrs's own state vector and delete set, in our terms.
fn yrs_state(document: &Document) -> (BTreeMap<ClientId, Clock>, Vec<IdRange>) {
    document
        .read(|txn| {
            let snapshot = txn.snapshot();
            let id = |client: &yrs::ClientID| ClientId::new(client.get()).unwrap();
            let vector = snapshot
                .state_map
                .iter()
                .map(|(client, clock)| (id(client), *clock));
            let deletes = snapshot.delete_set.iter().flat_map(|(client, ranges)| {
                ranges.iter().map(move |range| IdRange {
                    client: id(client),
                    start: range.start,
                    end: range.end,
                })
            });
            (vector.collect(), deletes.collect())
        })
        .unwrap()
}

fn assert_same_as_yrs(document: &Document) {
    let (vector, deletes) = yrs_state(document);
    assert_eq!(
        document.state().clocks().collect::<BTreeMap<_, _>>(),
        vector
    );
    assert_eq!(
        document.state().deletes().iter().collect::<Vec<_>>(),
        deletes
    );
}

/// What a bare yrs document shows after the whole update.
fn shown(update: &[u8]) -> BTreeMap<String, String> {
    let doc = yrs::Doc::with_client_id(1);
    doc.transact_mut()
        .apply_update(yrs::Update::decode_v1(update).unwrap())
        .unwrap();
    contents(&doc)
}

fn everything(document: &Document) -> Vec<u8> {
    document.diff(&StateVector::new()).unwrap().to_vec()
}

fn random_session(seed: u64) -> (Dice, Session) {
    let mut dice = Dice::new(seed);
    let (peers, steps) = (1 + dice.below(5), 5 + dice.below(60));
    let session = session(&mut dice, peers, steps);
    (dice, session)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    #[test]
    fn updates_in_causal_order_fit_and_the_state_is_that_of_yrs(seed: u64) {
        let (_, session) = random_session(seed);
        let mut document = document();
        for update in &session.log {
            let scan = scan(update).unwrap();
            let judgement = document.state().judge(&scan);
            prop_assert!(matches!(judgement, Judgement::Fits | Judgement::Known), "{judgement:?}");
            document.apply_scanned(&scan).unwrap();
            assert_same_as_yrs(&document);
            prop_assert_eq!(document.state().judge(&scan), Judgement::Known);
        }
        let seen = session.outcome();
        let all = everything(&document);
        prop_assert_eq!(&shown(&all), &seen);

        // The whole, as one update, fits into an empty document, and nothing is lost by a snapshot.
        let mut newcomer = self::document();
        newcomer.apply(&all).unwrap();
        assert_same_as_yrs(&newcomer);
        prop_assert!(newcomer.state().covers(document.state()));
        prop_assert!(document.state().covers(newcomer.state()));
        let options = DocumentOptions::new(ClientId::from(7));
        let loaded = Document::load(&document.snapshot().unwrap(), &options).unwrap();
        assert_same_as_yrs(&loaded);
        prop_assert_eq!(loaded.state().vector(), document.state().vector());
        prop_assert_eq!(loaded.state().deletes(), document.state().deletes());
        prop_assert_eq!(&shown(&everything(&loaded)), &seen);
    }

    #[test]
    fn texts_cut_through_surrogate_pairs_keep_their_lengths(seed: u64) {
        let mut dice = Dice::new(seed);
        dice.through_pairs = true;
        let session = session(&mut dice, 3, 60);
        let mut document = document();
        for update in &session.log {
            document.apply(update).unwrap();
            assert_same_as_yrs(&document);
        }
        let mut newcomer = self::document();
        newcomer.apply(&everything(&document)).unwrap();
        assert_same_as_yrs(&newcomer);
        prop_assert_eq!(newcomer.state().vector(), document.state().vector());
    }

    #[test]
    fn updates_in_any_order_find_their_place_by_asking(seed: u64) {
        let (mut dice, session) = random_session(seed);
        let mut waiting: Vec<&Vec<u8>> = session.log.iter().collect();
        let mut document = document();
        while !waiting.is_empty() {
            let mut round = std::mem::take(&mut waiting);
            let before = round.len();
            while !round.is_empty() {
                let update = round.swap_remove(dice.below(round.len() as u32) as usize);
                match document.apply(update) {
                    Ok(_) => assert_same_as_yrs(&document),
                    Err(ApplyError::NotAdmitted(Judgement::Gap { missing })) => {
                        prop_assert!(!document.state().vector().covers(&missing));
                        waiting.push(update);
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            prop_assert!(waiting.len() < before, "a round of the whole log adds something");
        }
        let seen = session.outcome();
        prop_assert_eq!(shown(&everything(&document)), seen);
    }

    #[test]
    fn differences_bring_two_documents_together(seed: u64) {
        let (mut dice, session) = random_session(seed);
        let (mut a, mut b) = (document(), document());
        for update in &session.log {
            // Whatever fits: each document gets another part of the log.
            let chosen = if dice.one_in(2) { &mut a } else { &mut b };
            let _ = chosen.apply(update);
        }
        let to_b = a.diff(&b.state().vector()).unwrap();
        let to_a = b.diff(&a.state().vector()).unwrap();
        a.apply(&to_a).unwrap();
        b.apply(&to_b).unwrap();
        prop_assert_eq!(a.state().vector(), b.state().vector());
        prop_assert_eq!(shown(&everything(&a)), shown(&everything(&b)));
        // Both say all they know once more: nobody learns anything.
        prop_assert_eq!(a.apply(&everything(&b)), Ok(ApplyOutcome::Known));
        prop_assert_eq!(b.apply(&everything(&a)), Ok(ApplyOutcome::Known));
        // And with the rest of the log all is there.
        for update in &session.log {
            a.apply(update).unwrap();
        }
        prop_assert_eq!(shown(&everything(&a)), session.outcome());
    }

    #[test]
    fn the_closed_part_of_an_update_with_holes_fits(seed: u64) {
        let (mut dice, session) = random_session(seed);
        let known = dice.below(session.log.len() as u32 + 1) as usize;
        let mut document = document();
        for update in &session.log[..known] {
            document.apply(update).unwrap();
        }
        // Merging some of the others leaves Skips for those that were left out.
        let some: Vec<&Vec<u8>> = session.log.iter().filter(|_| !dice.one_in(4)).collect();
        let merged = yrs::merge_updates_v1(some.iter().map(|update| update.as_slice())).unwrap();
        let merged = scan(&merged).unwrap();
        let judgement = document.state().judge(&merged);
        match document.state().closed_part(&merged) {
            None => prop_assert!(judgement != Judgement::Fits),
            Some(part) => {
                let part = scan(&part).unwrap();
                prop_assert_eq!(document.state().judge(&part), Judgement::Fits);
                document.apply_scanned(&part).unwrap();
                assert_same_as_yrs(&document);
                prop_assert_eq!(document.state().closed_part(&part), None);
                // It was the largest: of the rest, nothing fits.
                prop_assert_eq!(document.state().closed_part(&merged), None);
            }
        }
    }

    #[test]
    fn a_park_laid_over_a_document_judges_like_one_that_has_both(seed: u64) {
        let (mut dice, session) = random_session(seed);
        let split = dice.below(session.log.len() as u32 + 1) as usize;
        let (mut base, mut both, mut park) = (ReplicaIndex::new(), ReplicaIndex::new(), ReplicaIndex::new());
        for update in &session.log[..split] {
            let scan = scan(update).unwrap();
            base.absorb(&scan);
            both.absorb(&scan);
        }
        for update in &session.log[split..] {
            let scan = scan(update).unwrap();
            let (over, one) = (base.judge_over(&park, &scan), both.judge(&scan));
            // A park does not know which values of the document its own ones replace.
            if (&over, &one) != (&Judgement::Fits, &Judgement::Known) || scan.inserts().any(|range| {
                range.end > base.clock(range.client).max(park.clock(range.client))
            }) {
                prop_assert_eq!(over, one);
            }
            park.absorb_over(&base, &scan);
            both.absorb(&scan);
            prop_assert_eq!(base.judge_over(&park, &scan), Judgement::Known);
            prop_assert!(both.covers(&park) && both.covers(&base));
        }
        // Of what updates state; what follows from both together is in neither.
        for update in &session.log {
            for range in scan(update).unwrap().deletes() {
                let known = (range.start..range.end).all(|clock| {
                    let of = |state: &ReplicaIndex| state.deletes().contains(range.client, clock, 1);
                    of(&base) || of(&park)
                });
                prop_assert!(known);
            }
        }
    }

    #[test]
    fn what_is_written_again_is_the_same_bytes(seed: u64) {
        let (_, session) = random_session(seed);
        let mut document = document();
        for update in &session.log {
            let scan = scan(update).unwrap();
            if let Some(part) = document.state().closed_part(&scan) {
                prop_assert_eq!(&part, update);
            }
            document.apply_scanned(&scan).unwrap();
        }
        let all = everything(&document);
        let again = ReplicaIndex::new().closed_part(&scan(&all).unwrap());
        prop_assert_eq!(again.unwrap_or(vec![0, 0]), all);
    }

    #[test]
    fn bytes_are_scanned_or_refused_and_a_cut_update_is_refused(seed: u64, noise: Vec<u8>) {
        let _ = scan(&noise);
        let (mut dice, session) = random_session(seed);
        for update in &session.log {
            for end in 0..update.len() {
                prop_assert!(scan(&update[..end]).is_err());
            }
            let mut flipped = update.clone();
            for _ in 0..8 {
                let at = dice.below(flipped.len() as u32) as usize;
                flipped[at] ^= 1 << dice.below(8);
                let _ = scan(&flipped).map(|scan| ReplicaIndex::new().judge(&scan));
            }
        }
    }

    #[test]
    fn the_scan_says_what_yrs_decodes(seed: u64) {
        let (_, session) = random_session(seed);
        for update in &session.log {
            let scan = scan(update).unwrap();
            let decoded = yrs::Update::decode_v1(update).unwrap();
            let ranges = |set: &yrs::IdSet| {
                let mut all: Vec<_> = set
                    .iter()
                    .flat_map(|(client, ranges)| {
                        let client = client.get();
                        ranges.iter().map(move |range| (client, range.start, range.end))
                    })
                    .collect();
                all.sort_unstable();
                all
            };
            let sort = |mut all: Vec<(u64, Clock, Clock)>| { all.sort_unstable(); all };
            let plain = |range: &IdRange| (range.client.get(), range.start, range.end);
            prop_assert_eq!(
                sort(scan.inserts().map(|range| plain(&range)).collect()),
                ranges(&decoded.insertions(true))
            );
            prop_assert_eq!(
                sort(scan.deletes().iter().map(plain).collect()),
                ranges(decoded.delete_set())
            );
            prop_assert_eq!(scan.is_empty(), decoded.is_empty());
        }
    }
}
