//! One lock that goes round three people again and again, in every way in which it can pass: each grant of it is as good as
//! the first.

use std::time::Duration;

use baton_room::{Departure, RoomOptions};
use baton_sync::control_channel::{
    ClientMessage, FencingToken, HandoverReason, Outcome, ServerMessage,
};

use crate::seconds;
use crate::table::{Coming, Peer, Table, offered};

/// A way in which a lock passes on.
#[derive(Debug, Clone, Copy)]
enum Way {
    Released,
    Transferred,
    RequestedInVain,
    TakenOver,
    MovedHere,
    Idle,
    Silent,
    Gone,
    ResumedThenReleased,
    Done,
}

const WAYS: [Way; 10] = [
    Way::Released,
    Way::Transferred,
    Way::RequestedInVain,
    Way::TakenOver,
    Way::MovedHere,
    Way::Idle,
    Way::Silent,
    Way::Gone,
    Way::ResumedThenReleased,
    Way::Done,
];

/// Three tabs of one person, so that a lock can also be moved.
struct Relay {
    table: Table,
    runners: [Peer; 3],
    /// Yjs client ids given out.
    clients: u64,
}

impl Relay {
    fn new() -> Self {
        let mut options = RoomOptions::default();
        options.timings.take_over_cooldown = Duration::ZERO;
        let mut table = Table::with(options);
        let runners = [1, 2, 3].map(|client| comes(&mut table, client));
        let clients = 3;
        Self {
            table,
            runners,
            clients,
        }
    }

    fn passes(&mut self, time: Duration) {
        let alive = [0, 1, 2].map(|runner| self.runners[runner].id);
        self.table.pass(time, &alive);
    }

    fn passes_until_offered(&mut self, runner: usize) {
        let id = self.runners[runner].id;
        for _ in 0..30 {
            self.passes(Duration::from_millis(500));
            if offered(&self.table.told_still(id)).is_some() {
                return;
            }
        }
        panic!("no offer in 15 s");
    }

    fn waits(&mut self, runner: usize) {
        let acquire = ClientMessage::Acquire {
            nonce: 77,
            paths: Vec::new(),
        };
        let asked = self.runners[runner].asks(&mut self.table, &acquire);
        assert_eq!(asked, Outcome::Queued);
    }

    /// The holder was told to stop for this reason, and does.
    fn drains(&mut self, runner: usize, why: HandoverReason, fence: FencingToken) {
        let holder = &self.runners[runner];
        let told = self.table.told(holder.id);
        let drain = |message: &ServerMessage| matches!(message, ServerMessage::Drain { reason, .. } if *reason == why);
        assert!(told.iter().any(drain), "{why:?}: {told:?}");
        holder.says(&mut self.table, &ClientMessage::Drained { fence });
    }

    /// The lock goes from one to the other.
    fn hands_over(&mut self, way: Way, fence: FencingToken, from: usize, to: usize) {
        let paths = Vec::new;
        let nonce = 77;
        match way {
            Way::Released => {
                self.waits(to);
                let release = ClientMessage::Release { nonce, fence };
                self.runners[from].says(&mut self.table, &release);
            }
            Way::Transferred => {
                let to = self.runners[to].session;
                let transfer = ClientMessage::Transfer { nonce, fence, to };
                let said = self.runners[from].asks(&mut self.table, &transfer);
                assert_eq!(said, Outcome::Done);
                self.drains(from, HandoverReason::Transfer, fence);
            }
            Way::RequestedInVain => {
                let request = ClientMessage::Request {
                    nonce,
                    paths: paths(),
                    note: "may I?".to_owned(),
                };
                let asked = self.runners[to].asks(&mut self.table, &request);
                assert_eq!(asked, Outcome::Queued);
                self.passes(seconds(31));
                self.drains(from, HandoverReason::Requested, fence);
            }
            Way::TakenOver | Way::MovedHere => {
                let (take, why) = if matches!(way, Way::TakenOver) {
                    let paths = paths();
                    let take = ClientMessage::TakeOver { nonce, paths };
                    (take, HandoverReason::TakenOver)
                } else {
                    let paths = paths();
                    let take = ClientMessage::MoveHere { nonce, paths };
                    (take, HandoverReason::Moved)
                };
                let taken = self.runners[to].asks(&mut self.table, &take);
                assert_eq!(taken, Outcome::Done);
                self.drains(from, why, fence);
            }
            Way::Idle => {
                self.table.idles(self.runners[from].id);
                self.waits(to);
                self.passes(seconds(91));
                self.drains(from, HandoverReason::Idle, fence);
                self.table.wakes(self.runners[from].id);
            }
            Way::Silent => {
                self.waits(to);
                self.table.freeze(self.runners[from].id);
                self.passes_until_offered(to);
                self.table.thaw();
            }
            Way::Gone => {
                self.waits(to);
                self.table.leave(self.runners[from].id, Departure::Dropped);
                self.passes_until_offered(to);
                self.resumes(from, &[fence]);
            }
            Way::ResumedThenReleased => {
                self.waits(to);
                self.table.leave(self.runners[from].id, Departure::Dropped);
                self.passes(seconds(2));
                self.resumes(from, &[fence]);
                self.is_confirmed(from, "after the resume");
                let release = ClientMessage::Release { nonce, fence };
                self.runners[from].says(&mut self.table, &release);
            }
            Way::Done => {
                self.waits(to);
                self.table.leave(self.runners[from].id, Departure::Done);
                self.runners[from] = self.comes_anew();
            }
        }
    }

    fn comes_anew(&mut self) -> Peer {
        self.clients += 1;
        comes(&mut self.table, 100 + self.clients)
    }

    fn resumes(&mut self, runner: usize, fences: &[FencingToken]) {
        let spare = self.comes_anew();
        let gone = std::mem::replace(&mut self.runners[runner], spare);
        let spare = std::mem::replace(
            &mut self.runners[runner],
            gone.resume(&mut self.table, fences),
        );
        self.table.leave(spare.id, Departure::Done);
        assert!(self.runners[runner].resumed);
    }

    /// Beats confirm more and more of its answers.
    fn is_confirmed(&mut self, runner: usize, when: &str) {
        let id = self.runners[runner].id;
        for _ in 0..3 {
            let before = self.table.confirmed(id);
            self.passes(seconds(5));
            let now = self.table.confirmed(id);
            assert!(now > before, "{when}: {before} and then {now}");
        }
    }
}

fn comes(table: &mut Table, client: u64) -> Peer {
    let coming = Coming {
        name: "runner",
        client,
        user_key: Some("sixteen bytes and some more"),
        ..Coming::default()
    };
    Peer::come(table, coming)
}

#[test]
fn a_lock_goes_round_three_people_in_every_way_and_each_grant_is_confirmed() {
    let mut relay = Relay::new();
    let mut fence = relay.runners[0].takes_the_lock(&mut relay.table);
    let mut holder = 0;
    relay.is_confirmed(holder, "at first");
    // Three is prime to ten: each of them passes it on in each way.
    for round in 0..30 {
        let way = WAYS[round % WAYS.len()];
        let next = (holder + 1) % 3;
        relay.hands_over(way, fence, holder, next);
        let granted = relay.runners[next].claims(&mut relay.table);
        let granted = granted.unwrap_or_else(|| panic!("round {round}, {way:?}: no offer"));
        assert!(granted > fence);
        (holder, fence) = (next, granted);
        relay.is_confirmed(holder, &format!("round {round}, {way:?}"));
        let word = format!("<{round}>");
        relay.runners[holder].types(&mut relay.table, &word);
        assert!(relay.table.text().contains(&word), "round {round}, {way:?}");
    }
    assert_eq!(relay.table.room.state().parks().count(), 0);
}
