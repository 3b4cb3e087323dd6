//! Stories of the driver: sessions that speak for themselves, and those for which it speaks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use baton_presence::{
    Change, Driver, DriverOutput, Event, Fence, LockSettings, Rights, Scope, SessionHealth,
    SessionId, SessionOptions, Time, Timings, WriteRight,
};

#[path = "../../examples/chat.rs"]
#[expect(dead_code, reason = "its main is not run here")]
mod chat;

struct Story {
    driver: Driver,
    now: Time,
    /// Sessions whose clients answer.
    answer: Vec<SessionId>,
    changes: Vec<Change>,
    closed: Vec<SessionId>,
    beaten: usize,
}

impl Story {
    fn new() -> Self {
        let driver = Driver::new(LockSettings::default(), Timings::default());
        Self::of(driver.expect("the default timings"))
    }

    fn of(driver: Driver) -> Self {
        Self {
            driver,
            now: Time::ZERO,
            answer: Vec::new(),
            changes: Vec::new(),
            closed: Vec::new(),
            beaten: 0,
        }
    }

    fn joins(&mut self, options: SessionOptions) -> SessionId {
        let session = self.driver.join(options, self.now);
        self.answer.push(session);
        self.follow();
        session
    }

    fn acquires(&mut self, session: SessionId) {
        self.driver.acquire(session, Scope::WHOLE, self.now);
        self.follow();
    }

    fn falls_silent(&mut self, session: SessionId) {
        self.answer.retain(|other| *other != session);
    }

    fn follow(&mut self) {
        while let Some(output) = self.driver.next_output() {
            match output {
                DriverOutput::Changed(change) => self.changes.push(change),
                DriverOutput::Ping { session } if self.answer.contains(&session) => {
                    self.driver.heard(session, self.now);
                }
                DriverOutput::Beat { session, n, .. } => {
                    self.beaten += 1;
                    if self.answer.contains(&session) {
                        self.driver.answered(session, n, Duration::ZERO, self.now);
                    }
                }
                DriverOutput::Close { session } => self.closed.push(session),
                _ => {}
            }
        }
    }

    fn passes(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.driver.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.driver.handle_timeout(self.now);
            self.follow();
        }
        self.now = until;
    }

    fn holds(&self, session: SessionId) -> bool {
        let right = self.driver.lock_state().may_write(session, ["text"]);
        matches!(right, WriteRight::Holder(_))
    }

    fn offer(&self, session: SessionId) -> Option<Fence> {
        self.changes.iter().rev().find_map(|change| match change {
            Change::Offered { to, fence, .. } if *to == session => Some(*fence),
            _ => None,
        })
    }
}

#[test]
fn the_lock_of_a_plain_session_passes_when_nothing_comes_from_it() {
    let mut story = Story::new();
    let (ann, ben) = (
        story.joins(SessionOptions::plain()),
        story.joins(SessionOptions::plain()),
    );
    story.acquires(ann);
    story.acquires(ben);
    assert!(story.holds(ann) && !story.holds(ben));
    story.passes(Duration::from_secs(60));
    assert!(story.holds(ann), "both answer");
    story.falls_silent(ann);
    story.passes(Duration::from_secs(30));
    assert!(story.holds(ben) && !story.holds(ann));
    assert_eq!(story.closed, [ann]);
    assert_eq!(story.driver.health(ann, story.now), SessionHealth::Offline);
    assert_eq!(story.beaten, 0, "a plain client knows no beats");
}

#[test]
fn a_session_that_speaks_for_itself_claims_and_drains_itself() {
    let mut story = Story::new();
    let aware = SessionOptions::lock_aware();
    let (ann, ben) = (story.joins(aware), story.joins(aware));
    story.acquires(ann);
    assert!(!story.holds(ann), "the offer waits for its claim");
    let fence = story.offer(ann).expect("an offer");
    let claim = Event::Claim {
        session: ann,
        fence,
    };
    story.driver.apply(claim, story.now);
    assert!(story.holds(ann));
    let transfer = Event::Transfer {
        session: ann,
        fence,
        to: ben,
    };
    story.driver.apply(transfer, story.now);
    story.follow();
    assert_eq!(story.offer(ben), None, "she has not drained");
    let drained = Event::Drained {
        session: ann,
        fence,
    };
    story.driver.apply(drained, story.now);
    story.follow();
    let fence = story.offer(ben).expect("an offer");
    story.driver.apply(
        Event::Claim {
            session: ben,
            fence,
        },
        story.now,
    );
    assert!(story.holds(ben));
    story.passes(Duration::from_secs(30));
    assert!(story.beaten > 0 && story.holds(ben));
}

#[test]
fn a_session_that_comes_back_in_time_goes_on_and_one_that_leaves_does_not() {
    let mut story = Story::new();
    let plain = SessionOptions::plain();
    let (ann, ben) = (story.joins(plain), story.joins(plain));
    story.acquires(ann);
    story.acquires(ben);
    story.driver.disconnected(ann, story.now);
    story.passes(Duration::from_secs(1));
    assert!(story.driver.attach(ann, plain, story.now));
    story.passes(Duration::from_secs(60));
    assert!(story.holds(ann));
    story.driver.leave(ann, story.now);
    assert!(story.holds(ben));
    assert!(!story.driver.attach(ann, plain, story.now), "it has left");
    let carl = story.joins(plain);
    assert!(carl > ben, "ids are never used again");
}

#[test]
fn after_a_restart_locks_wait_for_their_holders_and_then_pass() {
    let mut story = Story::new();
    let plain = SessionOptions::plain();
    let (ann, ben) = (story.joins(plain), story.joins(plain));
    story.acquires(ann);
    story.acquires(ben);
    let snapshot = story.driver.lock_state().snapshot();
    let driver = Driver::restore(&snapshot, Timings::default(), Time::ZERO);
    let mut story = Story::of(driver.expect("an own snapshot"));
    assert!(story.driver.attach(ben, plain, story.now));
    story.answer.push(ben);
    story.follow();
    assert!(!story.holds(ben));
    story.passes(Duration::from_secs(60));
    assert!(story.holds(ben) && !story.holds(ann));
    let fresh = story.joins(plain);
    assert!(fresh > ben, "{fresh:?}");
}

#[test]
fn a_take_over_needs_its_right_and_gives_the_lock_at_once_among_plain_sessions() {
    let mut story = Story::new();
    let ann = story.joins(SessionOptions::plain());
    let chair = SessionOptions::plain().with_rights(Rights::ALL);
    let chair = story.joins(chair);
    let watcher = story.joins(SessionOptions::plain().as_observer());
    story.acquires(ann);
    let now = story.now;
    assert_eq!(story.driver.take_over(watcher, Scope::WHOLE, now), Ok(()));
    story.follow();
    assert!(story.holds(ann), "the watcher was refused");
    assert_eq!(story.driver.take_over(chair, Scope::WHOLE, now), Ok(()));
    assert!(story.holds(chair) && !story.holds(ann));
    story.driver.release(chair, now);
    assert!(!story.holds(chair));
}

/// A user of the chat: reads lines until one says what is waited for.
struct Talker(BufReader<TcpStream>);

impl Talker {
    fn says(&mut self, words: &str) {
        writeln!(self.0.get_mut(), "{words}").expect("the chat runs");
    }

    fn reads(&mut self, wanted: &str) {
        let mut line = String::new();
        while line.trim() != wanted {
            line.clear();
            let read = self.0.read_line(&mut line).expect("a line within a minute");
            assert_ne!(read, 0, "the chat ended before \"{wanted}\"");
        }
    }
}

/// Starts the chat of the example, and returns a function with which users come to it.
#[expect(
    clippy::disallowed_methods,
    reason = "the example serves until the test ends"
)]
fn chat_of_the_example(timings: Timings) -> impl Fn() -> Talker {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || chat::serve(listener, timings).map_err(|_| ()));
    move || {
        let line = TcpStream::connect(address).expect("the chat listens");
        let patience = Some(Duration::from_secs(60));
        line.set_read_timeout(patience).expect("a time");
        Talker(BufReader::new(line))
    }
}

#[test]
fn the_chat_of_the_example_gives_the_floor_to_one_at_a_time() {
    let come = chat_of_the_example(Timings::default());
    let mut ann = come();
    ann.reads("1 is here");
    let mut ben = come();
    ben.reads("2 is here");
    ann.says("hello?");
    ann.reads("ask for the floor: /floor");
    ann.says("/floor");
    ben.reads("1 has the floor");
    ann.says("hello");
    ben.reads("1: hello");
    ben.says("/floor");
    ben.says("I wait");
    ben.reads("ask for the floor: /floor");
    drop(ann);
    ben.reads("2 has the floor");
    ben.says("now me");
    ben.reads("2: now me");
}

/// The example only dropped its half of the connection: the thread that reads it kept it open, so
/// that a silent user was offline for ever, and what the user typed then was lost without a word.
#[test]
fn the_chat_of_the_example_closes_the_connection_of_a_silent_user() {
    let come = chat_of_the_example(Timings::fast());
    let mut silent = come();
    silent.reads("1 is here");
    let mut rest = String::new();
    let end = silent.0.read_to_string(&mut rest);
    assert!(end.is_ok(), "{end:?} after {rest}");
    let is_said = |line| ["ping", "1 is offline"].contains(&line);
    assert!(rest.lines().all(is_said), "{rest}");
}
