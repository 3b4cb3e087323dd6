//! What was observed in a run, as plain data: the oracle and the report see nothing else.
//!
//! Owns the types and the clock of a run. Judges nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use baton_client::{FencingToken, GrantStatus, HandoverReason};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::content::{Contents, Place};
use crate::fault_log::FaultLog;
use crate::part::Part;
use crate::scenario::Scenario;

/// A run, as it was observed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// What was to be.
    pub scenario: Scenario,
    /// How long it took with all, in milliseconds.
    pub millis: u64,
    /// When chaos and edits ended, in milliseconds.
    pub quiet_from: u64,
    /// Whether the server spoke Baton's channel; without it there is no lock and no acknowledgement to judge.
    pub locks: bool,
    /// For how long two clients may both believe that they hold the lock, in milliseconds, by the server's own clocks: a
    /// holder whose connection is lost goes on until its client's time is over, and a short grace ends before that where
    /// the server does not wait for it (`wait_out_lease`). Its edits are parked then.
    #[serde(default)]
    pub overlap: u64,
    /// The clients, in order.
    pub people: Vec<Person>,
    /// The documents, and how they ended.
    pub documents: Vec<Ending>,
    /// What happened, in order of observation.
    pub moments: Vec<Moment>,
}

/// A client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Person {
    /// Its name, which its elements begin with.
    pub name: String,
    /// Its document, by number.
    pub document: usize,
}

/// How a document ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ending {
    /// Its name.
    pub name: String,
    /// Each client's last copy.
    pub copies: Vec<Copy>,
    /// What somebody got who came afterwards; `None` when nobody could come.
    pub newcomer: Option<Contents>,
    /// What newcomers got at the other nodes, in their order, where there are several.
    #[serde(default)]
    pub elsewhere: Vec<Option<Contents>>,
    /// What the server has on its disk, where the lab could look.
    pub stored: Option<Stored>,
}

/// A client's copy at the end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Copy {
    /// Whose, by number.
    pub who: usize,
    /// What it holds; `None` when it could not be read.
    pub contents: Option<Contents>,
    /// Whether it had edits that were not known to be durable.
    pub unsaved: bool,
}

/// What is on a server's disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stored {
    /// The document.
    pub contents: Contents,
    /// Elements that stand in parks about which nothing was decided.
    pub parked: Vec<String>,
    /// Elements that stand in parks that were discarded, and can be recovered.
    #[serde(default)]
    pub discarded: Vec<String>,
    /// Parks that could not be read.
    pub unreadable: usize,
}

/// Something that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Moment {
    /// Milliseconds since the run began.
    pub at: u64,
    /// Which client; `None` for the server.
    pub who: Option<usize>,
    /// Which of its copies: it opens the document afresh when one has diverged.
    pub copy: u32,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the fields say what the variants' lines say")]
pub enum What {
    /// An element was put in. `regardless`: the lock was not asked.
    Insert {
        edit: u64,
        element: String,
        place: Place,
        regardless: bool,
    },
    /// One was taken out.
    Delete { edit: u64, element: String },
    /// The common key was set.
    Touch { edit: u64 },
    /// The server acknowledged these edits as durable.
    Saved { edits: Vec<u64> },
    /// A connection was welcomed.
    Welcome { session: u64, resumed: bool },
    /// A connection ended.
    Closed { code: Option<u16>, reason: String },
    /// The client left on purpose, and comes back.
    Left,
    /// It came back.
    Returned,
    /// Its connections were reset.
    Dropped,
    /// Something else was done to it, for so long.
    Disturbed { how: String, millis: u64 },
    /// The client's process stopped; nothing of it runs until it is thawed.
    Frozen,
    /// It goes on, and may edit as the holder of these grants.
    Thawed { holds: Vec<FencingToken> },
    /// The client ended with the power, and this copy with it.
    Dark,
    /// So many events were missed, because the lab itself was too slow: what this client saw has a hole.
    Missed { events: u64 },
    /// The server was killed.
    Killed,
    /// The server was killed, and all clients with it.
    Blackout,
    /// It was started again.
    Started,
    /// A lock was asked for.
    Asked { part: Part },
    /// Whoever had it was asked for it; that the lock was, too, was said before.
    Requesting { part: Part },
    /// The client set out to take it from whoever had it.
    TakingOver { part: Part },
    /// The client set out to take from its own earlier session what that held.
    MovingHere { part: Part },
    /// The wish was taken back.
    Cancelled,
    /// A lock was offered.
    Offered { fence: FencingToken, part: Part },
    /// An offer ended.
    OfferEnded { fence: FencingToken },
    /// It was granted; `kept` when the grant survived a lost connection.
    Granted {
        fence: FencingToken,
        part: Part,
        kept: bool,
    },
    /// Somebody asks for it, by session.
    Requested { fence: FencingToken, by: u64 },
    /// The client began to give it back.
    Releasing { fence: FencingToken },
    /// It gave it back, and the server said that it was its to give.
    Released { fence: FencingToken },
    /// The client told the server to hand it to this session.
    HandingOver { fence: FencingToken, to: u64 },
    /// The server said that it was its to hand over.
    HandedOver { fence: FencingToken },
    /// It passes on, and the client stopped editing there; to whom, by session, if that was settled.
    Draining {
        fence: FencingToken,
        reason: HandoverReason,
        to: Option<u64>,
    },
    /// The client was told that it has it no more.
    Lost { fence: FencingToken, reason: String },
    /// The grants under which the client may edit as the holder changed; these are all.
    Holder { holds: Vec<FencingToken> },
    /// The grants and offers that the server showed.
    View { version: u64, grants: Vec<Shown> },
    /// The server merged a park for the client.
    Merged { park: u64 },
    /// The server discarded one for it.
    Discarded { park: u64 },
    /// The server took a discarded one back for it.
    Recovered { park: u64 },
    /// An edit of this copy was parked, and the client was told.
    Parked { id: u64, reason: String },
    /// The server refused an edit, and said so.
    Refused { reason: String },
    /// The client gave this copy up and opened another.
    Afresh,
}

/// A lock that is offered or held, as the server shows it to everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Its fence.
    pub fence: FencingToken,
    /// Who has it, by session.
    pub session: u64,
    /// Of what.
    pub part: Part,
    /// How.
    pub state: GrantStatus,
}

/// Where a run is, for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Since the beginning.
    pub elapsed: Duration,
    /// Edits made.
    pub edits: u64,
    /// Edits acknowledged.
    pub saved: u64,
    /// Grants of locks.
    pub grants: u64,
    /// Times that somebody was told of a park.
    pub parked: u64,
    /// Disturbances, kills among them.
    pub disturbances: u64,
    /// Whether chaos is over, and everybody is coming back.
    pub settling: bool,
}

/// Takes down what happens.
#[derive(Debug)]
pub(crate) struct Recorder {
    start: Instant,
    moments: Mutex<Vec<Moment>>,
    edits: AtomicU64,
    saved: AtomicU64,
    grants: AtomicU64,
    parked: AtomicU64,
    disturbances: AtomicU64,
}

impl Recorder {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            moments: Mutex::default(),
            edits: AtomicU64::new(0),
            saved: AtomicU64::new(0),
            grants: AtomicU64::new(0),
            parked: AtomicU64::new(0),
            disturbances: AtomicU64::new(0),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn millis(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn note(&self, who: Option<usize>, copy: u32, what: What) {
        self.note_since(None, who, copy, what);
    }

    /// Something that happened between this moment and now, and counts from its beginning.
    pub(crate) fn note_since(&self, began: Option<u64>, who: Option<usize>, copy: u32, what: What) {
        let (counter, by) = match &what {
            What::Insert { .. } | What::Delete { .. } | What::Touch { .. } => (&self.edits, 1),
            What::Saved { edits } => (&self.saved, edits.len() as u64),
            What::Granted { kept: false, .. } => (&self.grants, 1),
            What::Parked { .. } => (&self.parked, 1),
            What::Dropped | What::Disturbed { .. } | What::Killed | What::Blackout => {
                (&self.disturbances, 1)
            }
            _ => (&self.edits, 0),
        };
        counter.fetch_add(by, Ordering::Relaxed);
        let mut moments = self.moments.lock();
        // Under the lock, so that the order of the list is that of the times.
        let at = began.unwrap_or_else(|| self.millis());
        moments.push(Moment {
            at,
            who,
            copy,
            what,
        });
    }

    pub(crate) fn progress(&self, settling: bool) -> Progress {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        Progress {
            elapsed: self.elapsed(),
            edits: count(&self.edits),
            saved: count(&self.saved),
            grants: count(&self.grants),
            parked: count(&self.parked),
            disturbances: count(&self.disturbances),
            settling,
        }
    }

    /// Takes all moments, with the faults among them.
    pub(crate) fn take_with(&self, faults: &FaultLog) -> Vec<Moment> {
        let mut moments = std::mem::take(&mut *self.moments.lock());
        moments.extend(faults.moments_since(self.start));
        moments.sort_by_key(|moment| moment.at);
        moments
    }
}
