//! All time limits of presence, with the check that they fit each other.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Every time limit of presence. `Default` gives the design's values.
///
/// They only work together; [`Timings::validate`] checks that, and [`crate::Watch::new`] asks for
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Timings {
    /// Each connection is pinged this often. 5 s.
    pub ping_every: Duration,
    /// Shown shaky after this much silence. 6 s.
    pub shaky_after: Duration,
    /// Lost after this much silence, of the connection or of the editor. 10 s.
    pub offline_after: Duration,
    /// Beats to the holder, to the one offered, and to the next in line. 2 s.
    pub beat_every: Duration,
    /// Beats to all other sessions that speak the lock protocol. 5 s.
    pub beat_every_idle: Duration,
    /// An answer counts only for a beat that was sent at most this long ago. 5 s.
    pub answer_within: Duration,
    /// An offer waits this long for its claim. 2 s.
    pub offer: Duration,
    /// A live waiter that missed an offer is offered the lock again after this long, when all
    /// others had their turn; each further time after twice as long. 2 s.
    pub offer_again: Duration,
    /// But after this long at most: so long stand a free lock and a live waiter beside each other.
    /// 30 s.
    pub offer_again_most: Duration,
    /// A holder whose connection is gone keeps the lock this long while others wait. 5 s; 0 to 60
    /// s.
    pub grace: Duration,
    /// A session without a connection is forgotten, with its ticket, after this long. 30 s.
    pub ticket_life: Duration,
    /// After a server's start, the holder of before has this long to resume. 10 s.
    pub recovery: Duration,
    /// A holder that was told to stop has this long to send what it has. 3 s.
    pub drain: Duration,
    /// A holder that was asked for its lock has this long before it must give it. 30 s.
    pub request: Duration,
    /// A holder without input for this long gives its lock to those who wait. 90 s.
    pub idle_yield: Duration,
    /// It is warned this long before. 15 s.
    pub idle_warning: Duration,
    /// After a take-over, nobody else takes anything over in the same document for this long. 60 s;
    /// may be 0.
    pub take_over_cooldown: Duration,
    /// Told to clients: stop editing this long, on your own clock, after you sent the last answer
    /// that the server confirmed. 6.5 s.
    pub client_stop: Duration,
    /// Whether a lock stays with a holder that may still believe in it ([`Timings::lease`]),
    /// however short the grace and the drain are. Off, what such a holder goes on typing is parked.
    /// On.
    pub wait_out_lease: bool,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            ping_every: Duration::from_secs(5),
            shaky_after: Duration::from_secs(6),
            offline_after: Duration::from_secs(10),
            beat_every: Duration::from_secs(2),
            beat_every_idle: Duration::from_secs(5),
            answer_within: Duration::from_secs(5),
            offer: Duration::from_secs(2),
            offer_again: Duration::from_secs(2),
            offer_again_most: Duration::from_secs(30),
            grace: Duration::from_secs(5),
            ticket_life: Duration::from_secs(30),
            recovery: Duration::from_secs(10),
            drain: Duration::from_secs(3),
            request: Duration::from_secs(30),
            idle_yield: Duration::from_secs(90),
            idle_warning: Duration::from_secs(15),
            take_over_cooldown: Duration::from_secs(60),
            client_stop: Duration::from_millis(6_500),
            wait_out_lease: true,
        }
    }
}

/// How much faster the server's clock may run than a client's, as a fraction: a client's clock runs
/// at two thirds of the server's speed at the slowest (invariant S5).
const CLOCK_RATIO: (u32, u32) = (3, 2);

/// The longest grace that may be configured.
const MAX_GRACE: Duration = Duration::from_secs(60);

impl Timings {
    /// How long after the server received what prolonged its lease last (an answer that was
    /// confirmed since, a claim, a hello) a holder's client may go on editing, by the server's
    /// clock: `client_stop` on the slowest clock that we allow for. 9.75 s.
    #[must_use]
    pub fn lease(&self) -> Duration {
        let (fast, slow) = CLOCK_RATIO;
        self.client_stop.saturating_mul(fast) / slow
    }

    /// The defaults with a grace and a drain as long as the offline time: a holder that lost its
    /// connection has all of that to come back, a draining one to send what it has. No profile but
    /// [`Timings::fast`] offers a lock to anybody before its holder's client has stopped editing
    /// (S5). (Somebody who *takes over* from a holder whose connection is gone does not wait for
    /// that, in any profile.)
    #[must_use]
    pub fn strict() -> Self {
        let timings = Self::default();
        Self {
            grace: timings.offline_after,
            drain: timings.offline_after,
            ..timings
        }
    }

    /// About a fifth of the defaults, without a grace, and without waiting for the end of a lost
    /// holder's lease: for a local network, where messages take milliseconds, and for tests.
    #[must_use]
    pub const fn fast() -> Self {
        Self {
            ping_every: Duration::from_secs(1),
            shaky_after: Duration::from_millis(1_200),
            offline_after: Duration::from_secs(2),
            beat_every: Duration::from_millis(400),
            beat_every_idle: Duration::from_secs(1),
            answer_within: Duration::from_secs(1),
            offer: Duration::from_millis(400),
            offer_again: Duration::from_millis(400),
            offer_again_most: Duration::from_secs(6),
            grace: Duration::ZERO,
            ticket_life: Duration::from_secs(6),
            recovery: Duration::from_secs(2),
            drain: Duration::from_millis(600),
            request: Duration::from_secs(6),
            idle_yield: Duration::from_secs(18),
            idle_warning: Duration::from_secs(3),
            take_over_cooldown: Duration::from_secs(12),
            client_stop: Duration::from_millis(1_300),
            wait_out_lease: false,
        }
    }

    /// Checks that the values fit each other.
    ///
    /// # Errors
    /// Names the two values that conflict, and what to do. The configuration is at fault.
    pub fn validate(&self) -> Result<(), TimingsError> {
        let zero = Duration::ZERO;
        for (name, value) in [
            ("ping_every", self.ping_every),
            ("beat_every", self.beat_every),
            ("beat_every_idle", self.beat_every_idle),
            ("answer_within", self.answer_within),
            ("offer", self.offer),
            ("offer_again", self.offer_again),
            ("ticket_life", self.ticket_life),
            ("recovery", self.recovery),
            ("drain", self.drain),
            ("request", self.request),
            ("client_stop", self.client_stop),
        ] {
            less("zero", zero, name, value, "make it longer than zero")?;
        }
        self.validate_silence()?;
        self.validate_handoff()?;
        self.validate_lease()
    }

    /// Nobody may be called idle whose input was not heard of, and a warning must be one.
    fn validate_handoff(&self) -> Result<(), TimingsError> {
        less(
            "beat_every",
            self.beat_every,
            "idle_warning",
            self.idle_warning,
            "leave who is warned the time to show that it is there",
        )?;
        less(
            "idle_warning",
            self.idle_warning,
            "idle_yield",
            self.idle_yield,
            "warn later, or yield later",
        )?;
        at_most(
            "offer_again",
            self.offer_again,
            "offer_again_most",
            self.offer_again_most,
            "the pause only grows",
        )?;
        at_most(
            "drain",
            self.drain,
            "request",
            self.request,
            "a request is not over before its drain could be",
        )
    }

    /// Nobody may be called silent who was not asked in time.
    fn validate_silence(&self) -> Result<(), TimingsError> {
        let shaky = self.shaky_after;
        let help = "ask more often, or wait longer";
        less("ping_every", self.ping_every, "shaky_after", shaky, help)?;
        less(
            "beat_every_idle",
            self.beat_every_idle,
            "shaky_after",
            shaky,
            help,
        )?;
        at_most(
            "beat_every",
            self.beat_every,
            "beat_every_idle",
            self.beat_every_idle,
            "holders are asked at least as often as the others",
        )?;
        less(
            "shaky_after",
            shaky,
            "offline_after",
            self.offline_after,
            "a peer is shaky before it is offline",
        )?;
        at_most(
            "beat_every_idle + answer_within",
            self.beat_every_idle.saturating_add(self.answer_within),
            "offline_after",
            self.offline_after,
            "leave the last beat its time to be answered",
        )
    }

    /// The client stops before the server passes on, on the slowest clock that we allow for.
    fn validate_lease(&self) -> Result<(), TimingsError> {
        let stop = self.lease();
        let help = "let the client stop earlier, or the server pass on later";
        less(
            "client_stop x 1.5",
            stop,
            "offline_after",
            self.offline_after,
            help,
        )?;
        less("client_stop x 1.5", stop, "recovery", self.recovery, help)?;
        at_most(
            "beat_every x 2",
            self.beat_every.saturating_mul(2),
            "client_stop",
            self.client_stop,
            "one late beat should not stop a client",
        )?;
        at_most(
            "grace",
            self.grace,
            "its limit",
            MAX_GRACE,
            "shorten the grace",
        )?;
        at_most(
            "grace",
            self.grace,
            "ticket_life",
            self.ticket_life,
            "a holder in its grace must still be able to resume",
        )
    }
}

fn less(
    one: &'static str,
    one_is: Duration,
    other: &'static str,
    other_is: Duration,
    help: &'static str,
) -> Result<(), TimingsError> {
    conflict(one_is < other_is, one, one_is, other, other_is, help)
}

fn at_most(
    one: &'static str,
    one_is: Duration,
    other: &'static str,
    other_is: Duration,
    help: &'static str,
) -> Result<(), TimingsError> {
    conflict(one_is <= other_is, one, one_is, other, other_is, help)
}

fn conflict(
    fits: bool,
    one: &'static str,
    one_is: Duration,
    other: &'static str,
    other_is: Duration,
    help: &'static str,
) -> Result<(), TimingsError> {
    if fits {
        return Ok(());
    }
    Err(TimingsError {
        one,
        one_is,
        other,
        other_is,
        help,
    })
}

/// Two time limits that do not fit each other. The configuration is at fault; nothing was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimingsError {
    /// The value that is too large.
    pub one: &'static str,
    /// What it is.
    pub one_is: Duration,
    /// The value that it must stay below (or not exceed).
    pub other: &'static str,
    /// What that is.
    pub other_is: Duration,
    /// What to do.
    pub help: &'static str,
}

impl fmt::Display for TimingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "timings: {} ({:?}) is too long for {} ({:?}): {}",
            self.one, self.one_is, self.other, self.other_is, self.help
        )
    }
}

impl Error for TimingsError {}
