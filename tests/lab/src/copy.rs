//! One copy of a document in a client's hands: all that the lab asks of `baton-client`.
//!
//! Owns the client, who waits for its acknowledgements, and the translation of its events into what is taken down. No
//! other module but `content` calls `baton-client`. Judges nothing.

use std::sync::Arc;
use std::time::Duration;

use baton_client::yrs::TransactionMut;
use baton_client::{
    Client, ClientEvent, ClientOptions, ConnectionStatus, DivergencePolicy, EditPermission,
    ErrorCode, FencingToken, LockScope, LockView, OperationError, Outcome, ParkStatus, PeerStatus,
    ReconnectPolicy, User, UserSecret,
};
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::content::{self, Contents, Place};
use crate::error::LabError;
use crate::line::Line;
use crate::part::Part;
use crate::plan::{Manners, Opinion, Wish};
use crate::record::{Recorder, Shown, What};
use crate::scenario::ClientWire;

/// Events that may wait for a client that is busy; past it the history has a hole, which is told.
const EVENTS: usize = 16 * 1024;

/// How long a server may take to show that it speaks Baton's channel, and to give a newcomer the document.
const PROBE: Duration = Duration::from_secs(4);
const NEWCOMER: Duration = Duration::from_secs(15);

/// How often a newcomer to a plain server is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Whether the server speaks Baton's channel, or only what any Yjs server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerKind {
    Baton,
    Plain,
}

/// Where and as whom a copy is opened.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// The client, by number.
    pub(crate) who: usize,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) document: String,
    pub(crate) wire: ClientWire,
    pub(crate) kind: ServerKind,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) window: Window,
}

/// Where a client's present copy can be looked at, from any thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window(Arc<Mutex<Option<OpenCopy>>>);

/// What is behind a window.
#[derive(Debug, Clone)]
struct OpenCopy {
    client: Arc<Client>,
    line: Arc<Line>,
}

/// What is seen through a window.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sight {
    /// `None` when it cannot be read.
    pub(crate) contents: Option<Contents>,
    /// Edits that are not known to be durable.
    pub(crate) unsaved: bool,
    /// The copy will send nothing any more.
    pub(crate) over: bool,
}

impl Window {
    pub(crate) fn look(&self, kind: ServerKind) -> Sight {
        let Some(OpenCopy { client, line }) = self.0.lock().clone() else {
            return Sight {
                unsaved: true,
                ..Sight::default()
            };
        };
        Sight {
            contents: client.read(content::read).ok(),
            unsaved: (kind == ServerKind::Baton && client.has_unsaved()) || !line.all_answered(),
            over: matches!(
                client.permission(),
                EditPermission::Diverged | EditPermission::Closed
            ),
        }
    }
}

/// What an event means for the client that opened the copy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    /// To be taken down.
    This(What),
    /// To be taken down, and the copy is of no more use.
    TheEnd(Vec<What>),
    /// Where it may edit as the holder may have changed.
    Rights,
    Nothing,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) number: u32,
    setup: Setup,
    client: Arc<Client>,
    line: Arc<Line>,
    events: broadcast::Receiver<ClientEvent>,
    pending: Arc<Mutex<Vec<u64>>>,
    edited: Arc<Notify>,
    /// What it asked for last.
    wanted: LockScope,
    /// Ends with the copy.
    helpers: JoinSet<()>,
}

impl Copy {
    pub(crate) fn open(setup: &Setup, number: u32) -> Result<Self, LabError> {
        let line = Line::open(setup.wire, &setup.url, &setup.document)?;
        let mut options = ClientOptions::new(line.url(), &setup.document);
        options.user = User {
            name: setup.name.clone(),
            color: String::new(),
            ..User::default()
        };
        options.event_capacity = EVENTS;
        // A copy that diverged is given up with its session, so that one that goes on never brings anything of it back.
        options.divergence = DivergencePolicy::Stop;
        options.user_key = Some(key(setup)?);
        if setup.kind == ServerKind::Plain {
            // Such a server never welcomes, and may be silent for long.
            options.silent_after = Duration::from_secs(3600);
        }
        let client = connect(options)?;
        let mut copy = Self {
            number,
            setup: setup.clone(),
            events: client.events(),
            pending: Arc::default(),
            edited: Arc::default(),
            wanted: LockScope::whole(),
            helpers: JoinSet::new(),
            client: Arc::new(client),
            line: Arc::new(line),
        };
        if setup.kind == ServerKind::Baton {
            copy.helpers.spawn(watch_saves(
                Arc::clone(&copy.client),
                Arc::clone(&copy.pending),
                Arc::clone(&copy.edited),
                Arc::clone(&setup.recorder),
                (setup.who, number),
            ));
        }
        *setup.window.0.lock() = Some(OpenCopy {
            client: Arc::clone(&copy.client),
            line: Arc::clone(&copy.line),
        });
        Ok(copy)
    }

    /// The next that happens.
    pub(crate) async fn next(&mut self) -> Seen {
        match self.events.recv().await {
            Ok(event) => seen(event),
            Err(RecvError::Lagged(events)) => Seen::This(What::Missed { events }),
            Err(RecvError::Closed) => Seen::TheEnd(Vec::new()),
        }
    }

    /// Makes an edit in this root type; whether it changed anything. Its acknowledgement is taken down under this number.
    pub(crate) fn edits(
        &self,
        number: u64,
        place: Place,
        manners: Manners,
        edit: impl FnOnce(&mut TransactionMut<'_>) -> bool,
    ) -> Made<'_> {
        // Before it is made: a thread may have to wait its turn between making an edit and taking it down, and it must not
        // seem to be from after a grant that it was made before.
        let began = self.setup.recorder.millis();
        let regardless = manners == Manners::Stubborn || self.setup.kind == ServerKind::Plain;
        let made = if regardless && !matches!(self.client.permission(), EditPermission::Diverged) {
            self.client.edit_regardless(edit)
        } else {
            let part = Part::of(&[place.root()]).scope();
            self.client.lock_for(&part).edit(edit)
        };
        Made {
            copy: self,
            began,
            number: matches!(made, Ok(true)).then_some(number),
        }
    }

    /// The grants under which it may edit as the holder at this moment.
    pub(crate) fn holds(&self) -> Vec<FencingToken> {
        let grants = self.client.grants();
        let held = grants.iter().filter(|(_, scope)| {
            self.client.lock_for(scope).permission() == EditPermission::Holder
        });
        held.map(|(fence, _)| *fence).collect()
    }

    /// What its grants cover, whatever it may do.
    pub(crate) fn parts(&self) -> Vec<Part> {
        self.client.grants().values().map(Part::from).collect()
    }

    /// Whether there is a lock to be asked for.
    pub(crate) fn locks(&self) -> bool {
        self.setup.kind == ServerKind::Baton
    }

    // ---- locks ----

    /// Asks for a lock; what comes of it is an event.
    pub(crate) fn wants(&mut self, part: &Part, wish: Wish) {
        self.wanted = part.scope();
        let lock = self.client.lock_for(&self.wanted);
        match wish {
            Wish::Waits => drop(lock.acquire()),
            Wish::Requests => drop(lock.request("it is wanted")),
            Wish::TakesOver => drop(lock.take_over()),
        }
    }

    /// Goes on where an earlier session of the same client was.
    pub(crate) fn moves_here(&self, part: &Part) {
        drop(self.client.lock_for(&part.scope()).move_here());
    }

    pub(crate) fn cancels(&self) {
        drop(self.client.lock_for(&self.wanted).cancel());
    }

    /// Gives back one of what it holds, if it holds anything, or hands it to somebody.
    pub(crate) fn gives(&mut self, pick: f64, to: Option<f64>) {
        let grants: Vec<_> = self.client.grants().into_iter().collect();
        let Some((fence, scope)) = picked(&grants, pick) else {
            return;
        };
        match to.and_then(|pick| self.somebody(pick)) {
            Some(to) => self.hands_over(*fence, scope, to),
            None => self.releases(*fence, scope),
        }
    }

    /// Gives up what somebody asked for.
    pub(crate) fn gives_up(&mut self, fence: FencingToken) {
        if let Some(scope) = self.client.grants().remove(&fence) {
            self.releases(fence, &scope);
        }
    }

    pub(crate) fn gives_all(&mut self) {
        for (fence, scope) in self.client.grants() {
            self.releases(fence, &scope);
        }
    }

    fn releases(&mut self, fence: FencingToken, scope: &LockScope) {
        self.notes(What::Releasing { fence });
        let answer = self.client.lock_for(scope).release();
        self.notes_if_done(answer, What::Released { fence });
    }

    fn hands_over(&mut self, fence: FencingToken, scope: &LockScope, to: u64) {
        self.notes(What::HandingOver { fence, to });
        let answer = self.client.lock_for(scope).transfer(to);
        self.notes_if_done(answer, What::HandedOver { fence });
    }

    /// The session of somebody else who is here and can hold a lock.
    fn somebody(&self, pick: f64) -> Option<u64> {
        let own = self.client.session();
        let roster = self.client.roster();
        let others = roster.values().filter(|peer| {
            Some(peer.session) != own && peer.state == PeerStatus::Online && peer.lock
        });
        let others: Vec<u64> = others.map(|peer| peer.session).collect();
        picked(&others, pick).copied()
    }

    // ---- parks ----

    /// Decides about a park, if it holds a lock and there is any.
    pub(crate) fn decides(&mut self, pick: f64, opinion: Opinion) {
        let parks: Vec<_> = self
            .client
            .parks()
            .into_values()
            .filter(|park| park.state != ParkStatus::Merged)
            .map(|park| (park.id, park.state))
            .collect();
        let Some(&(park, state)) = picked(&parks, pick) else {
            return;
        };
        if self.holds().is_empty() {
            return;
        }
        match (state, opinion) {
            (ParkStatus::Discarded, _) => {
                let answer = self.client.recover_park(park);
                self.notes_if_done(answer, What::Recovered { park });
            }
            (_, Opinion::Merge) => {
                let answer = self.client.merge_park(park);
                self.notes_if_done(answer, What::Merged { park });
            }
            (_, Opinion::Discard) => {
                let answer = self.client.discard_park(park);
                self.notes_if_done(answer, What::Discarded { park });
            }
        }
    }

    fn notes(&self, what: What) {
        let setup = &self.setup;
        setup.recorder.note(Some(setup.who), self.number, what);
    }

    fn notes_if_done(
        &mut self,
        answer: impl Future<Output = Result<Outcome, OperationError>> + Send + 'static,
        what: What,
    ) {
        let (who, number) = (Some(self.setup.who), self.number);
        let recorder = Arc::clone(&self.setup.recorder);
        // Those that have ended are not kept.
        while self.helpers.try_join_next().is_some() {}
        self.helpers.spawn(async move {
            if answer.await == Ok(Outcome::Done) {
                recorder.note(who, number, what);
            }
        });
    }

    // ---- coming and going ----

    pub(crate) fn leaves(&self) {
        self.client.disconnect();
    }

    pub(crate) fn returns(&self) {
        self.client.reconnect();
    }

    /// Another copy takes this one's place; this one leaves in order, beside what goes on.
    pub(crate) fn makes_way_for(&mut self, next: Self) {
        let Self { client, line, .. } = std::mem::replace(self, next);
        self.helpers.spawn(async move {
            client.close().await;
            drop(line);
        });
    }

    /// Ends without a word to anybody, and without sending anything more.
    pub(crate) async fn ends(mut self) {
        *self.setup.window.0.lock() = None;
        self.helpers.shutdown().await;
    }
}

/// An edit that was made, or not; it is sent already, and acknowledged only after it was [`Made::noted`].
pub(crate) struct Made<'a> {
    copy: &'a Copy,
    began: u64,
    number: Option<u64>,
}

impl Made<'_> {
    /// Takes it down, before anybody can take down its acknowledgement. Whether there was anything.
    pub(crate) fn noted(self, what: What) -> bool {
        let Some(number) = self.number else {
            return false;
        };
        let setup = &self.copy.setup;
        let (began, who) = (Some(self.began), Some(setup.who));
        setup
            .recorder
            .note_since(began, who, self.copy.number, what);
        self.copy.pending.lock().push(number);
        self.copy.edited.notify_one();
        true
    }
}

/// Takes down what becomes durable.
async fn watch_saves(
    client: Arc<Client>,
    pending: Arc<Mutex<Vec<u64>>>,
    edited: Arc<Notify>,
    recorder: Arc<Recorder>,
    (who, copy): (usize, u32),
) {
    loop {
        edited.notified().await;
        let edits = std::mem::take(&mut *pending.lock());
        // All of these were made before; it may wait for later ones, too, and then claims too little.
        if client.saved().await.is_err() {
            return;
        }
        recorder.note(Some(who), copy, What::Saved { edits });
    }
}

fn seen(event: ClientEvent) -> Seen {
    Seen::This(match event {
        ClientEvent::Welcome { session, resumed } => What::Welcome { session, resumed },
        ClientEvent::Closed { cause, reconnect } => {
            let closed = What::Closed {
                code: cause.code(),
                reason: cause.to_string(),
            };
            if reconnect == ReconnectPolicy::Never {
                let reason = "the server turned this copy away for good".to_owned();
                return Seen::TheEnd(vec![closed, What::Refused { reason }]);
            }
            closed
        }
        ClientEvent::Offer { fence, scope, .. } => What::Offered {
            fence,
            part: Part::from(&scope),
        },
        ClientEvent::OfferEnded { fence, .. } => What::OfferEnded { fence },
        ClientEvent::Granted { fence, scope, kept } => What::Granted {
            fence,
            part: Part::from(&scope),
            kept,
        },
        ClientEvent::Requested(asked) => What::Requested {
            fence: asked.fence,
            by: asked.by,
        },
        ClientEvent::Draining {
            fence, reason, to, ..
        } => What::Draining { fence, reason, to },
        ClientEvent::Lost { fence, reason, .. } => What::Lost { fence, reason },
        ClientEvent::MayEdit(_) | ClientEvent::MayEditThere { .. } => return Seen::Rights,
        ClientEvent::Lock(view) => shown(view),
        ClientEvent::Parked { id, reason } => {
            return Seen::TheEnd(vec![What::Parked { id, reason }]);
        }
        ClientEvent::Error {
            code: ErrorCode::ParkFull,
            message: reason,
            ..
        } => return Seen::TheEnd(vec![What::Refused { reason }]),
        _ => return Seen::Nothing,
    })
}

fn shown(view: LockView) -> What {
    let grants = view.grants.into_iter().map(|grant| Shown {
        fence: grant.fence,
        session: grant.session,
        part: Part(grant.paths),
        state: grant.state,
    });
    What::View {
        version: view.version,
        grants: grants.collect(),
    }
}

/// One of these, by a fraction.
fn picked<T>(of: &[T], pick: f64) -> Option<&T> {
    of.get((pick * of.len() as f64) as usize)
}

/// All copies of one client are one user's: parks find their author again, and a lock the one who had it.
fn key(setup: &Setup) -> Result<UserSecret, LabError> {
    UserSecret::new(format!("{} of the conflict lab", setup.name))
        .map_err(|error| LabError::Client(error.to_string()))
}

fn connect(options: ClientOptions) -> Result<Client, LabError> {
    Client::connect(options).map_err(|error| LabError::Address(error.to_string()))
}

/// Whether the server speaks Baton's channel, and for how long its clocks let two clients believe that they hold the lock.
pub(crate) async fn probe(
    wire: ClientWire,
    url: &str,
    document: &str,
) -> Result<(ServerKind, Duration), LabError> {
    let line = Line::open(wire, url, document)?;
    let client = connect(ClientOptions::new(line.url(), document))?;
    let mut events = client.events();
    let (mut open, mut last) = (false, "it does not answer".to_owned());
    let mut synced = std::pin::pin!(client.synced());
    let mut until = Instant::now() + PROBE;
    let mut again = true;
    let kind = loop {
        tokio::select! {
            synced = &mut synced => break if synced.is_ok() {
                ServerKind::Baton
            } else {
                ServerKind::Plain
            },
            event = events.recv() => match event {
                Ok(ClientEvent::Status(ConnectionStatus::Connected)) => {
                    open = true;
                    until = Instant::now() + PROBE;
                }
                Ok(ClientEvent::Closed { cause, .. }) => last = cause.to_string(),
                _ => {}
            },
            // It may have opened before anybody listened for that: on a busy machine once in a while.
            () = sleep_until(until), if !open && again => {
                again = false;
                client.disconnect();
                client.reconnect();
                until = Instant::now() + PROBE;
            }
            () = sleep_until(until), if open || !again => break ServerKind::Plain,
        }
    };
    let overlap = client.timings().map(|clocks| {
        let passed_on = clocks.grace.min(clocks.offline_after);
        Duration::from_millis(clocks.client_stop.saturating_sub(passed_on))
    });
    client.close().await;
    if kind == ServerKind::Plain && !open {
        return Err(LabError::Address(format!(
            "no WebSocket opens at {url}: {last}"
        )));
    }
    Ok((kind, overlap.unwrap_or_default()))
}

/// What somebody gets who comes now. A plain server does not say when all has come: there, `agreed` says when it has, and
/// else it is what there is after some time.
pub(crate) async fn newcomer(
    (wire, kind): (ClientWire, ServerKind),
    url: &str,
    document: &str,
    agreed: impl Fn(&Contents) -> bool,
) -> Result<Option<Contents>, LabError> {
    let line = Line::open(wire, url, document)?;
    let client = connect(ClientOptions::new(line.url(), document))?;
    if kind == ServerKind::Plain {
        let until = Instant::now() + NEWCOMER / 3;
        loop {
            let seen = client.read(content::read).ok();
            if Instant::now() > until || seen.as_ref().is_some_and(&agreed) {
                return Ok(seen);
            }
            sleep(LOOK).await;
        }
    }
    let contents = match timeout(NEWCOMER, client.synced()).await {
        Ok(Ok(())) => client.read(content::read).ok(),
        _ => None,
    };
    client.close().await;
    Ok(contents)
}
