//! All time limits of presence, with the check that they fit each other.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Every time limit of presence. `Default` gives the values named here.
///
/// The limits depend on each other. [`Timings::validate`] checks that, and
/// [`FailureDetector::new`](crate::FailureDetector::new) refuses values that do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Timings {
    /// Interval of the pings to each connection. 5 s.
    pub ping_every: Duration,
    /// Silence after which a session is shown as shaky. 6 s.
    pub shaky_after: Duration,
    /// Silence of the connection, or of the client's program, after which a session is lost. 10 s.
    pub offline_after: Duration,
    /// Interval of the beats to holders, receivers of offers, and the next in line. 2 s.
    pub beat_every: Duration,
    /// Interval of the beats to all other sessions with the lock protocol. 5 s.
    pub beat_every_idle: Duration,
    /// Age of a beat up to which its answer counts. 5 s.
    pub answer_within: Duration,
    /// Time that an offer waits for its claim. 2 s.
    pub offer: Duration,
    /// Pause of a live waiter that missed an offer, once all others had their turn. It doubles with
    /// each further miss. 2 s.
    pub offer_again: Duration,
    /// Longest pause: no live waiter stands beside a free lock for longer. 30 s.
    pub offer_again_most: Duration,
    /// Time that a holder without a connection keeps its lock while others wait. 5 s; 0 to 60 s.
    pub grace: Duration,
    /// Time without a connection after which a session is forgotten, with its ticket. 30 s.
    pub ticket_life: Duration,
    /// Time that a holder has to resume after a server's start. 10 s.
    pub recovery: Duration,
    /// Time that a holder has to send its last edits after it was told to stop. 3 s.
    pub drain: Duration,
    /// Time after which a holder has to give a requested lock up. 30 s.
    pub request: Duration,
    /// Time without input after which a holder gives its lock to a waiter. 90 s.
    pub idle_yield: Duration,
    /// Time before the idle yield at which the holder is warned. 15 s.
    pub idle_warning: Duration,
    /// Time after a take-over in which no other session may take over a lock of the document. 60 s;
    /// may be 0.
    pub take_over_cooldown: Duration,
    /// Time, on the client's clock, between sending the last answer that the server confirmed and
    /// the client's stop of editing. Clients are told. 6.5 s.
    pub client_stop: Duration,
    /// If true, a lock stays with its holder until its [lease](Timings::lease) is over, however
    /// short grace and drain are. If false, the edits that the holder makes until then are parked.
    /// True.
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

/// Largest ratio of the server's clock rate to a client's: a client's clock runs at two thirds of
/// the server's speed at the slowest (invariant S5).
const CLOCK_RATIO: (u32, u32) = (3, 2);

/// Longest grace that may be configured.
const MAX_GRACE: Duration = Duration::from_secs(60);

impl Timings {
    /// Returns the time, by the server's clock, for which a holder's client may go on editing:
    /// `client_stop` on the slowest allowed clock. 9.75 s with the defaults.
    ///
    /// It counts from the receipt of the message that last prolonged the lease: an answer that was
    /// confirmed since, a claim, or a hello.
    #[must_use]
    pub fn lease(&self) -> Duration {
        let (fast, slow) = CLOCK_RATIO;
        self.client_stop.saturating_mul(fast) / slow
    }

    /// Returns the defaults with grace and drain as long as the offline time. A holder that lost
    /// its connection has that long to return, a draining one to send its last edits.
    ///
    /// In every profile but [`Timings::fast`] a lock is offered only after its holder's client has
    /// stopped editing (S5). The exception in all profiles is a *take-over* from a holder without a
    /// connection.
    #[must_use]
    pub fn strict() -> Self {
        let timings = Self::default();
        Self {
            grace: timings.offline_after,
            drain: timings.offline_after,
            ..timings
        }
    }

    /// Returns about a fifth of the defaults, with no grace, and no waiting for a lost holder's
    /// lease. For a local network, where messages take milliseconds, and for tests.
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
    /// The two values that conflict, and the remedy. The configuration is at fault.
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

    /// Checks the limits of handoffs: a holder is asked for its input before it is called idle, and
    /// warned in time.
    fn validate_handoff(&self) -> Result<(), TimingsError> {
        less(
            "beat_every",
            self.beat_every,
            "idle_warning",
            self.idle_warning,
            "leave a warned holder the time to show input",
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
            "the longest pause must not be shorter than the first",
        )?;
        at_most(
            "drain",
            self.drain,
            "request",
            self.request,
            "give a request at least the time of its drain",
        )
    }

    /// Checks the limits of silences: a session is asked in time before it is called silent.
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
            "beat holders at least as often as the others",
        )?;
        less(
            "shaky_after",
            shaky,
            "offline_after",
            self.offline_after,
            "show a peer as shaky before it is offline",
        )?;
        at_most(
            "beat_every_idle + answer_within",
            self.beat_every_idle.saturating_add(self.answer_within),
            "offline_after",
            self.offline_after,
            "leave the last beat its time to be answered",
        )
    }

    /// Checks that a client on the slowest allowed clock stops before the server passes its lock
    /// on.
    fn validate_lease(&self) -> Result<(), TimingsError> {
        let stop = self.lease();
        let help = "let the client stop earlier, or the server pass the lock on later";
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
            "let a holder resume during its whole grace",
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

/// Two time limits that do not fit each other. The configuration is at fault; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimingsError {
    /// Name of the value that is too large.
    pub one: &'static str,
    /// The value that is too large.
    pub one_is: Duration,
    /// Name of the value that it must stay below, or must not exceed.
    pub other: &'static str,
    /// The value that it must stay below, or must not exceed.
    pub other_is: Duration,
    /// Remedy.
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
