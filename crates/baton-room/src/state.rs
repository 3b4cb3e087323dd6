//! What the log makes true: the document, who holds the lock, who is here, what is parked.
//!
//! Owns the replicated half of a room. Records in order go in, effects come out; the same records give the same
//! state on every machine and after every restart. Knows no connection, no time and no disk.

use std::collections::{BTreeMap, BTreeSet};

use baton_presence::{
    AutoPass, Change, Event, Fence, LockSettings, LockSnapshot, LockState, Mode, SessionId,
};
use baton_sync::channel::{Outcome, ParkView};
use baton_sync::{Applied, History, Replica, StateVector};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::admission::Way;
use crate::draft::Draft;
use crate::faults::LoadError;
use crate::park::{Park, ParkReason, ParkState};
use crate::parks::{Author, Parks};
use crate::record::{Profile, Record, RecordError, UNRELEASED};
use crate::token::TokenHash;

/// First byte of every snapshot.
pub(crate) const SNAPSHOT_FORMAT: u8 = 2;

/// How every log begins; what is set up otherwise is said by records.
const FRESH: LockSettings = LockSettings {
    epoch: 1,
    auto_pass: AutoPass::On,
    mode: Mode::ExclusiveWhenHeld,
};

/// What the log says of a session beside its presence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) token: TokenHash,
    pub(crate) profile: Profile,
    pub(crate) client: Option<u64>,
}

/// What a record changed.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The update is in the document and was not before.
    Applied(Bytes),
    /// The update added nothing, or could not be applied at its position: records before it had changed what it was
    /// judged by. It is judged again.
    Nothing(Bytes),
    /// The update stands in the park of this id.
    Parked { id: u64, update: Bytes },
    /// A park is new, grew, or was decided.
    Park(Box<ParkView>),
    /// What was asked for was not done, and why.
    Denied(Outcome, String),
    /// Roster or lock.
    Presence(Change),
    /// A record about roster or lock of which nobody is told anything; what is timed may be another thing all the same.
    Quiet,
    /// A name or colour.
    Renamed(SessionId),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) document: Bytes,
    fold: LockSnapshot,
    people: BTreeMap<SessionId, Box<Person>>,
    parks: Vec<Park>,
    last_at: u64,
}

impl Stored {
    /// A document, and nothing beside it.
    pub(crate) fn without_people(document: Bytes, fold: LockSnapshot) -> Self {
        Self {
            document,
            fold,
            people: BTreeMap::new(),
            parks: Vec::new(),
            last_at: 0,
        }
    }
}

/// The newest time that is stored of a document, in milliseconds of Unix time: at which a session began or went on, or an
/// edit was parked. `None` if there is none, or if it cannot be read.
#[must_use]
pub fn last_joined_ms(snapshot: Option<&[u8]>, tail: &[Bytes]) -> Option<u64> {
    let stored = snapshot.and_then(|bytes| match bytes.split_first() {
        Some((&SNAPSHOT_FORMAT, rest)) => postcard::from_bytes::<Stored>(rest).ok(),
        _ => None,
    });
    let records = tail.iter().filter_map(|bytes| Record::decode(bytes).ok());
    let said = records.filter_map(|record| match record {
        Record::Joined { at_ms, .. } | Record::Resumed { at_ms, .. } => Some(at_ms),
        Record::Update { at_ms, .. } => at_ms,
        _ => None,
    });
    let newest = said.chain(stored.map(|stored| stored.last_at)).max();
    newest.filter(|at| *at > 0)
}

pub(crate) struct State {
    pub(crate) position: u64,
    pub(crate) document: Replica,
    pub(crate) fold: LockState,
    pub(crate) people: BTreeMap<SessionId, Box<Person>>,
    pub(crate) parks: Parks,
    /// The newest time that a record said, in milliseconds of Unix time.
    pub(crate) last_at: u64,
    /// Who left last, so that the others can be told who that was.
    departed: Option<(SessionId, Box<Person>)>,
    changes: Vec<Change>,
}

impl State {
    /// Opens from what is stored: a snapshot (with its position) and the records after it. Nothing of it depends on today's
    /// settings: what was done under others must not be judged by these.
    pub(crate) fn load(
        snapshot: Option<&(u64, Bytes)>,
        tail: &[(u64, Bytes)],
    ) -> Result<Self, LoadError> {
        let mut state = Self::restore(snapshot)?;
        state.replay(tail)?;
        Ok(state)
    }

    fn restore(snapshot: Option<&(u64, Bytes)>) -> Result<Self, LoadError> {
        let Some(&(position, ref bytes)) = snapshot else {
            return Ok(Self {
                position: 0,
                document: Replica::new(),
                fold: LockState::new(FRESH),
                people: BTreeMap::new(),
                parks: Parks::default(),
                last_at: 0,
                departed: None,
                changes: Vec::new(),
            });
        };
        let wrong = |message: String| LoadError::Snapshot { position, message };
        let stored: Stored = match bytes.split_first() {
            Some((&SNAPSHOT_FORMAT, rest)) => {
                postcard::from_bytes(rest).map_err(|error| wrong(error.to_string()))?
            }
            Some((&UNRELEASED, _)) => return Err(wrong(RecordError::Unreleased.to_string())),
            Some((other, _)) => return Err(wrong(format!("format {other} is not known"))),
            None => return Err(wrong("it is empty".to_owned())),
        };
        let document = Replica::load(stored.document).map_err(|error| wrong(error.to_string()))?;
        let parks = Parks::restore(stored.parks, document.state());
        Ok(Self {
            position,
            document,
            fold: LockState::restore(&stored.fold).map_err(|error| wrong(error.to_string()))?,
            people: stored.people,
            parks,
            last_at: stored.last_at,
            departed: None,
            changes: Vec::new(),
        })
    }

    fn replay(&mut self, tail: &[(u64, Bytes)]) -> Result<(), LoadError> {
        let mut effects = Vec::new();
        for (position, bytes) in tail {
            let record = Record::decode(bytes).map_err(|source| LoadError::Record {
                position: *position,
                source,
            })?;
            self.apply(*position, record, &mut effects);
            effects.clear();
        }
        Ok(())
    }

    /// Who a session is, or was if it has just left.
    pub(crate) fn person(&self, session: SessionId) -> Option<&Person> {
        let departed = self.departed.as_ref().filter(|(id, _)| *id == session);
        let here = self.people.get(&session).map(Box::as_ref);
        here.or(departed.map(|(_, person)| person.as_ref()))
    }

    /// What a snapshot is made from, which stands for all records up to [`State::position`].
    pub(crate) fn draft(&mut self, history: History) -> Draft {
        let document = self.document.everything();
        self.draft_of(document, history)
    }

    /// [`State::draft`] with a copy of the document's bytes.
    pub(crate) fn copied_draft(&self, history: History) -> Draft {
        self.draft_of(self.document.difference(&StateVector::new()), history)
    }

    fn draft_of(&self, document: Bytes, history: History) -> Draft {
        let stored = Stored {
            document,
            fold: self.fold.snapshot(),
            people: self.people.clone(),
            parks: self.parks.iter().cloned().collect(),
            last_at: self.last_at,
        };
        Draft {
            position: self.position,
            stored,
            history,
        }
    }

    /// Applies the record at `position`.
    pub(crate) fn apply(&mut self, position: u64, record: Record, effects: &mut Vec<Effect>) {
        self.position = position;
        match record {
            Record::Joined {
                client_kind,
                role,
                rights,
                user,
                token,
                profile,
                client,
                at_ms,
            } => {
                self.last_at = self.last_at.max(at_ms);
                let session = SessionId(position);
                let person = Person {
                    token,
                    profile,
                    client,
                };
                self.people.insert(session, Box::new(person));
                let joined = Event::Joined {
                    session,
                    client_kind,
                    role,
                    rights,
                    user,
                };
                self.presence(position, &joined, effects);
            }
            Record::Resumed {
                session,
                fences,
                rights,
                token,
                profile,
                client,
                at_ms,
            } => {
                self.last_at = self.last_at.max(at_ms);
                if let Some(person) = self.people.get_mut(&session) {
                    **person = Person {
                        token,
                        profile,
                        client,
                    };
                }
                let resumed = Event::Resumed {
                    session,
                    fences,
                    rights,
                };
                self.presence(position, &resumed, effects);
            }
            Record::Renamed { session, profile } => {
                if let Some(person) = self.people.get_mut(&session) {
                    person.profile = profile;
                    effects.push(Effect::Renamed(session));
                }
            }
            Record::Epoch(epoch) => self.enter(epoch),
            Record::Presence(event) => self.presence(position, &event, effects),
            Record::Update {
                session,
                update,
                at_ms,
                placing,
            } => {
                self.last_at = self.last_at.max(at_ms.unwrap_or(0));
                let author = self.author(session, placing);
                self.update(position, author, update, effects);
            }
            Record::ParkDecided {
                id,
                by,
                decision,
                at_ms,
            } => {
                self.last_at = self.last_at.max(at_ms);
                self.decide_park(id, by, decision, at_ms, effects);
            }
        }
    }

    /// One that is not larger than the present epoch was overtaken, and changes nothing.
    fn enter(&mut self, epoch: u32) {
        let entered = self.fold.snapshot().into_epoch(epoch);
        if let Ok(fold) = entered.and_then(|snapshot| LockState::restore(&snapshot)) {
            self.fold = fold;
            self.people.clear();
        }
    }

    fn presence(&mut self, position: u64, event: &Event, effects: &mut Vec<Effect>) {
        self.fold.apply(position, event, &mut self.changes);
        if self.changes.is_empty() {
            effects.push(Effect::Quiet);
        }
        for change in self.changes.drain(..) {
            if let Change::Gone { session, .. } = change {
                let person = self.people.remove(&session);
                self.departed = person.map(|person| (session, person));
            }
            effects.push(Effect::Presence(change));
        }
    }

    fn update(&mut self, position: u64, author: Author, update: Bytes, effects: &mut Vec<Effect>) {
        if let Way::Park { now } = self.way(author, &update) {
            return self.park(position, author, update, now, effects);
        }
        match self.document.apply(&update) {
            Ok(Applied::Added) => {
                effects.push(Effect::Applied(update));
                self.close_parks(effects);
            }
            // What does not fit here was overtaken by another record.
            Ok(Applied::Known) | Err(_) => effects.push(Effect::Nothing(update)),
        }
    }

    fn park(
        &mut self,
        position: u64,
        author: Author,
        update: Bytes,
        fence_now: Option<Fence>,
        effects: &mut Vec<Effect>,
    ) {
        let session = author.session;
        let person = self.people.get(&session);
        let peer = self.fold.peer(session);
        let fresh = Park {
            id: position,
            session,
            author: person
                .map(|person| person.profile.clone())
                .unwrap_or_default(),
            user: peer.and_then(|peer| peer.user),
            reason: ParkReason::Locked,
            state: ParkState::Open,
            at_ms: self.last_at,
            fence_seen: peer.and_then(|peer| peer.fence_seen),
            fence_now,
            roots: BTreeSet::new(),
            inserted: 0,
            deleted: 0,
            updates: Vec::new(),
        };
        let is_gone = |session| self.fold.peer(session).is_none();
        let document = self.document.state();
        let id = self
            .parks
            .add(fresh, author, document, update.clone(), is_gone);
        effects.push(Effect::Parked { id, update });
        self.tell_park(id, effects);
    }
}
