//! A handoff without a server: three users, one lock, and virtual time.
//!
//! `cargo run -p baton-presence --example handoff`

#![expect(clippy::print_stdout, reason = "an example tells its story")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use baton_presence::{
    Change, ClientKind, Event, FailureDetector, LockSettings, LockState, Proposal, Rights, Scope,
    SessionHealth, SessionId, SessionRole, Time, Timings,
};

const ANNA: SessionId = SessionId(1);
const BEN: SessionId = SessionId(2);
const CARL: SessionId = SessionId(3);

/// Behaviour of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Well,
    /// The browser answers pings; the page answers no beats and claims no offers.
    Frozen,
    /// The client sends nothing any more, and its connection was not closed.
    Unplugged,
}

struct Story {
    lock_state: LockState,
    detector: FailureDetector,
    position: u64,
    now: Time,
    bodies: BTreeMap<SessionId, Body>,
}

impl Story {
    fn body(&self, session: SessionId) -> Body {
        self.bodies
            .get(&session)
            .copied()
            .unwrap_or(Body::Unplugged)
    }

    fn say(&self, what: &str) {
        println!("{:>7.2} s  {what}", self.now.0.as_secs_f64());
    }

    fn join(&mut self, session: SessionId) {
        let (client_kind, role) = (ClientKind::LockAware, SessionRole::Writer);
        self.bodies.insert(session, Body::Well);
        self.detector.attached(session, client_kind, self.now);
        self.record(Event::Joined {
            session,
            client_kind,
            role,
            rights: Rights::EDIT,
            user: None,
        });
    }

    /// Applies a record and prints its changes. Healthy clients claim what they are offered.
    #[expect(clippy::needless_pass_by_value, reason = "it reads better without")]
    fn record(&mut self, event: Event) {
        let mut changes = Vec::new();
        self.position += 1;
        self.lock_state.apply(self.position, &event, &mut changes);
        self.detector.follow(&self.lock_state, &changes, self.now);
        for change in &changes {
            self.say(&tell(change));
        }
        for change in changes {
            match change {
                Change::Offered { to, fence, .. } if self.body(to) == Body::Well => {
                    self.record(Event::Claim { session: to, fence });
                }
                Change::Draining { by, fence, .. } if self.body(by) == Body::Well => {
                    self.record(Event::Drained { session: by, fence });
                }
                Change::Unsettled => self.record(Event::Settle),
                _ => {}
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.detector.poll_timeout().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            let mut proposals = Vec::new();
            let told = self.lock_state.position().unwrap_or_default();
            self.detector
                .handle_timeout(self.now, &self.lock_state, told, &mut proposals);
            for proposal in proposals {
                self.carry_out(proposal);
            }
        }
        self.now = until;
    }

    fn carry_out(&mut self, proposal: Proposal) {
        match proposal {
            Proposal::Record(event) => self.record(event),
            Proposal::Ping { session } => {
                if self.body(session) != Body::Unplugged {
                    self.detector.heard(session, self.now);
                }
            }
            Proposal::Beat { session, n, .. } => {
                if self.body(session) == Body::Well {
                    self.detector.answered(session, n, Duration::ZERO, self.now);
                }
            }
            Proposal::Health { session, health } => {
                let looks = if health == SessionHealth::Shaky {
                    "shaky"
                } else {
                    "steady"
                };
                self.say(&format!("{} looks {looks}", name(session)));
            }
            Proposal::IdleWarning { session, left, .. } => {
                self.say(&format!("{} is warned: {left:?} left", name(session)));
            }
            Proposal::Dead { session } => {
                self.say(&format!("{}'s connection is closed", name(session)));
                self.detector.detached(session, self.now);
                self.record(Event::Disconnected { session });
            }
        }
    }
}

fn name(session: SessionId) -> &'static str {
    match session {
        ANNA => "Anna",
        BEN => "Ben",
        _ => "Carl",
    }
}

fn tell(change: &Change) -> String {
    match *change {
        Change::Joined { session } => format!("{} is here", name(session)),
        Change::Gone { session } => format!("{} is gone", name(session)),
        Change::Lost { session } => format!("{} is offline", name(session)),
        Change::Back { session } => format!("{} is back", name(session)),
        Change::Detached { session } => format!("{} has no connection", name(session)),
        Change::Queued { session } => format!("{} waits for the lock", name(session)),
        Change::Offered {
            to,
            fence,
            ref scope,
        } => {
            format!("{scope} is offered to {}, fence {fence}", name(to))
        }
        Change::Draining { by, .. } => format!("{} is to stop", name(by)),
        Change::OfferEnded { to, why, .. } => format!("{}'s offer ends: {why:?}", name(to)),
        Change::Granted { to, .. } => format!("{} HOLDS THE LOCK", name(to)),
        Change::Released { by, .. } => format!("{} gives it back", name(by)),
        Change::LockLost { by, why, .. } => format!("{} loses it: {why:?}", name(by)),
        Change::Freed { .. } => "the lock is free".to_owned(),
        ref other => format!("{other:?}"),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut story = Story {
        lock_state: LockState::new(LockSettings::default()),
        detector: FailureDetector::new(Timings::default())?,
        position: 0,
        now: Time::ZERO,
        bodies: BTreeMap::new(),
    };
    for session in [ANNA, BEN, CARL] {
        story.join(session);
    }
    let whole = |session| {
        let scope = Scope::WHOLE;
        Event::Acquire { session, scope }
    };
    story.record(whole(ANNA));
    story.pass(Duration::from_secs(20));

    println!("\n  Carl would like the lock; Anna's tab is frozen by her browser.");
    story.record(whole(CARL));
    story.bodies.insert(ANNA, Body::Frozen);
    story.pass(Duration::from_secs(12));

    println!("\n  Anna's tab wakes up.");
    story.bodies.insert(ANNA, Body::Well);
    story.pass(Duration::from_secs(6));

    println!(
        "\n  Carl's cable is pulled, and Anna's tab froze a moment before. Nobody had queued."
    );
    story.bodies.insert(ANNA, Body::Frozen);
    story.pass(Duration::from_secs(3));
    story.bodies.insert(CARL, Body::Unplugged);
    story.pass(Duration::from_secs(45));

    println!("\n  Ben hands it to Anna, whose tab is awake again.");
    story.bodies.insert(ANNA, Body::Well);
    story.pass(Duration::from_secs(6));
    let held = story.lock_state.grants().next();
    if let Some((session, fence)) = held.map(|grant| (grant.party, grant.fence)) {
        let to = ANNA;
        story.record(Event::Transfer { session, fence, to });
    }
    Ok(())
}
