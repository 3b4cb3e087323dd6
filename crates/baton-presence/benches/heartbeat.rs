//! Cost of a heartbeat with a million or a thousand watched sessions: a received frame, an accepted
//! answer, and the timeouts with all that they send.
//!
//! `cargo bench -p baton-presence`
//!
//! After each measurement the capacities of the failure detector must be unchanged: nothing
//! allocated.

use std::hint::black_box;
use std::time::Duration;

use baton_presence::{
    ClientKind, DetectorLoad, FailureDetector, LockSettings, LockState, Proposal, SessionId, Time,
    Timings,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// A crowd, and the largest usual document, whose table and heap fit the caches.
const CROWDS: [u64; 2] = [1_000_000, 1_000];

/// Interval at which the bench calls the failure detector.
const STEP: Duration = Duration::from_millis(10);

struct Crowd {
    detector: FailureDetector,
    lock_state: LockState,
    now: Time,
    out: Vec<Proposal>,
    /// Any permutation will do, as long as successive sessions are not neighbours in memory.
    next: u64,
    peers: u64,
}

impl Crowd {
    /// Creates sessions, half of them with the lock protocol, and runs until every deadline came up
    /// once.
    fn new(peers: u64) -> Self {
        let mut crowd = Self {
            detector: FailureDetector::new(Timings::default()).expect("the defaults fit"),
            lock_state: LockState::new(LockSettings::default()),
            now: Time::ZERO,
            out: Vec::with_capacity(200_000),
            next: 0,
            peers,
        };
        for id in 0..peers {
            let client_kind = if id % 2 == 0 {
                ClientKind::LockAware
            } else {
                ClientKind::LockUnaware
            };
            crowd
                .detector
                .attached(SessionId(id), client_kind, crowd.now);
        }
        for _ in 0..2_000 {
            crowd.step();
        }
        crowd
    }

    fn someone(&mut self) -> SessionId {
        self.next = (self.next + 611_953) % self.peers;
        SessionId(self.next)
    }

    /// Calls the failure detector once, and answers its pings and beats. Returns their number.
    fn step(&mut self) -> u64 {
        self.now = self.now + STEP;
        self.out.clear();
        self.detector
            .handle_timeout(self.now, &self.lock_state, u64::MAX, &mut self.out);
        for proposal in &self.out {
            match *proposal {
                Proposal::Ping { session } => self.detector.heard(session, self.now),
                Proposal::Beat { session, n, .. } => {
                    black_box(self.detector.answered(session, n, Duration::ZERO, self.now));
                }
                ref other => unreachable!("all are well: {other:?}"),
            }
        }
        self.out.len() as u64
    }

    fn capacities(&self) -> (usize, usize) {
        let load: DetectorLoad = self.detector.load();
        assert!(load.deadlines <= load.deadline_capacity);
        (load.session_capacity, load.deadline_capacity)
    }
}

fn heartbeats(criterion: &mut Criterion) {
    for peers in CROWDS {
        heartbeats_among(peers, criterion);
    }
}

fn heartbeats_among(peers: u64, criterion: &mut Criterion) {
    let mut crowd = Crowd::new(peers);
    let before = crowd.capacities();
    let mut group = criterion.benchmark_group(format!("{peers} peers"));
    group.sample_size(20);

    group.throughput(Throughput::Elements(1));
    group.bench_function("heard", |bencher| {
        bencher.iter(|| {
            let session = crowd.someone();
            crowd.detector.heard(black_box(session), crowd.now);
        });
    });

    group.bench_function("answered, refused as stale", |bencher| {
        bencher.iter(|| {
            let session = crowd.someone();
            black_box(
                crowd
                    .detector
                    .answered(session, 1, Duration::ZERO, crowd.now),
            )
        });
    });

    // A due ping or beat, sent and answered: deadline, check, next deadline, answer.
    group.bench_function("heartbeat, there and back", |bencher| {
        bencher.iter_custom(|wanted| {
            let (mut done, mut took) = (0, Duration::ZERO);
            while done < wanted {
                let start = started();
                done += crowd.step();
                took += start.elapsed();
            }
            // The loop may do more than `wanted`; the cost of `wanted` is reported.
            took.mul_f64(wanted as f64 / done as f64)
        });
    });
    group.finish();
    assert_eq!(crowd.capacities(), before, "a heartbeat must not allocate");
    let load = crowd.detector.load();
    eprintln!("after the measurements: {load:?}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the crate knows no clock; its bench must"
)]
fn started() -> std::time::Instant {
    std::time::Instant::now()
}

criterion_group!(benches, heartbeats);
criterion_main!(benches);
