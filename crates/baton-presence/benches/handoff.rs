//! Cost of many locks of one document that pass on at once: 500 locks, each held and each waited
//! for, and half of the holders gone at the same moment.
//!
//! `cargo bench -p baton-presence --bench handoff`
//!
//! Measures from the end of their grace to the last claim: the lock state alone, and with a failure
//! detector that follows each record as in a room.

use std::hint::black_box;
use std::time::Duration;

use baton_presence::{
    Change, ClientKind, Event, FailureDetector, Fence, Grant, GrantState, LockSettings, LockState,
    Proposal, Rights, Scope, SessionId, SessionRole, Time, Timings,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// Default limit of locks in one document.
const LOCKS: u64 = 500;

/// A moment some milliseconds after the waiters came.
const LATER: Time = Time::from_millis(500);

/// Interval at which the failure detector is called in between.
const STEP: Duration = Duration::from_millis(500);

/// Tells if a failure detector follows the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Following {
    Alone,
    Detector,
}

#[derive(Clone)]
struct Scene {
    lock_state: LockState,
    detector: FailureDetector,
    following: Following,
    position: u64,
    changes: Vec<Change>,
    offered: Vec<(SessionId, Fence)>,
    claimed: u64,
}

impl Scene {
    /// Session n holds lock n; session `LOCKS` + n waits for it.
    fn new(following: Following) -> Self {
        let mut scene = Self {
            lock_state: LockState::new(LockSettings::default()),
            detector: FailureDetector::new(Timings::default()).expect("the defaults fit"),
            following,
            position: 0,
            changes: Vec::new(),
            offered: Vec::new(),
            claimed: 0,
        };
        for id in 0..2 * LOCKS {
            let session = SessionId(id);
            scene
                .detector
                .attached(session, ClientKind::LockAware, Time::ZERO);
            let joined = Event::Joined {
                session,
                client_kind: ClientKind::LockAware,
                role: SessionRole::Writer,
                rights: Rights::EDIT,
                user: None,
            };
            scene.record(&joined, Time::ZERO);
        }
        for id in 0..2 * LOCKS {
            let session = SessionId(id);
            let name = format!("section {}", id % LOCKS);
            let scope = Scope::of([["text", name.as_str()]]).expect("a path");
            scene.record(&Event::Acquire { session, scope }, Time::ZERO);
            scene.claim(Time::ZERO);
        }
        assert_eq!(scene.lock_state.lock_count() as u64, LOCKS);
        assert_eq!(scene.lock_state.waiter_count() as u64, LOCKS);
        scene.claimed = 0;
        scene
    }

    fn record(&mut self, event: &Event, now: Time) {
        self.position += 1;
        self.changes.clear();
        self.lock_state
            .apply(self.position, event, &mut self.changes);
        if self.following == Following::Detector {
            self.detector.follow(&self.lock_state, &self.changes, now);
        }
        for change in &self.changes {
            if let Change::Offered { to, fence, .. } = *change {
                self.offered.push((to, fence));
            }
        }
        if self.changes.contains(&Change::Unsettled) {
            self.record(&Event::Settle, now);
        }
    }

    fn claim(&mut self, now: Time) {
        for (session, fence) in std::mem::take(&mut self.offered) {
            self.record(&Event::Claim { session, fence }, now);
            self.claimed += 1;
        }
    }

    /// Lets every second holder lose its connection.
    fn half_of_them_die(&mut self) {
        for session in (0..LOCKS).step_by(2).map(SessionId) {
            self.detector.detached(session, LATER);
            self.record(&Event::Disconnected { session }, LATER);
        }
        // Called often enough not to look like a stall.
        let mut now = LATER;
        while now + STEP < LATER + Timings::default().grace {
            now = now + STEP;
            let mut due = Vec::new();
            self.detector
                .handle_timeout(now, &self.lock_state, u64::MAX, &mut due);
            let records = |due: &Proposal| matches!(due, Proposal::Record(_));
            assert!(!due.iter().any(records), "nothing is over yet");
        }
    }

    /// Ends the grace of the lost holders.
    fn they_are_replaced(&mut self) {
        let over = LATER + Timings::default().grace;
        let mut due = Vec::new();
        if self.following == Following::Detector {
            self.detector
                .handle_timeout(over, &self.lock_state, u64::MAX, &mut due);
        } else {
            let gone = |grant: &&Grant| grant.state == GrantState::Suspect;
            let gone = self.lock_state.grants().filter(gone);
            due.extend(gone.map(|grant| {
                let (session, fence) = (grant.party, grant.fence);
                Proposal::Record(Event::GraceOver { session, fence })
            }));
        }
        for proposal in due {
            if let Proposal::Record(event) = proposal {
                self.record(&event, over);
            }
        }
        self.claim(over + Duration::from_millis(1));
        assert_eq!(self.claimed, LOCKS / 2);
    }
}

fn handoffs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("{LOCKS} locks, {LOCKS} waiters"));
    group.sample_size(10);
    group.throughput(Throughput::Elements(LOCKS / 2));
    for (name, following) in [
        ("half pass on, lock state", Following::Alone),
        (
            "half pass on, lock state and failure detector",
            Following::Detector,
        ),
    ] {
        let mut scene = Scene::new(following);
        scene.half_of_them_die();
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || scene.clone(),
                |mut scene| {
                    scene.they_are_replaced();
                    black_box(scene)
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, handoffs);
criterion_main!(benches);
