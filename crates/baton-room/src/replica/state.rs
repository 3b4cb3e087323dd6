//! The state that the log makes: the document, the locks, the sessions, the parks.

use std::collections::BTreeSet;

use baton_presence::{Fence, LockState, SessionId};
use baton_sync::compact::Compacted;
use baton_sync::compressed_update::Compression;
use baton_sync::handshake::Basis;
use baton_sync::replica::{RetiredReplica, SyncPieces};
use baton_sync::scan::OwnedScan;
use baton_sync::{ApplyOutcome, History, Replica, StateVector};
use bytes::Bytes;

use super::author::Author;
use super::checked_update::CheckedUpdate;
use super::effect::Effect;
use super::entrance::Entrance;
use super::erasure::{self, Erasure};
use super::hosts::{HostId, Hosts};
use super::membership::{Attaching, Membership};
use super::park::Park;
use super::parks::Parks;
use super::people::People;
use super::record::{Placing, Record};
use super::snapshot::SnapshotDraft;
use super::stored::Stored;
use super::write_check::{Admission, Destination, WriteCheck};
use crate::error::{LoadError, SnapshotError};

/// The replicated half of a room: records in, effects out. Read-only outside of this crate.
pub struct ReplicatedState {
    position: u64,
    pub(super) document: Replica,
    pub(super) membership: Membership,
    pub(super) parks: Parks,
    /// The newest time that a record stated, in milliseconds of Unix time.
    pub(super) last_at: u64,
    /// The last erasure by a record that no loaded snapshot stands for.
    pub(super) erasure: Option<Erasure>,
    /// Fate of deleted content in snapshots: a setting, which no record depends on.
    history: History,
}

impl ReplicatedState {
    /// Loads a stored snapshot, with its position, and the records after it. Today's settings do
    /// not matter: records that were written under others must not be judged by these.
    pub(crate) fn load(
        snapshot: Option<&(u64, Bytes)>,
        tail: &[(u64, Bytes)],
        history: History,
    ) -> Result<Self, LoadError> {
        let mut state = Self::restore(snapshot, history)?;
        let mut effects = Vec::new();
        for &(position, ref bytes) in tail {
            let record =
                Record::decode(bytes).map_err(|source| LoadError::Record { position, source })?;
            state.apply(position, record, None, &mut effects);
            effects.clear();
        }
        Ok(state)
    }

    fn restore(snapshot: Option<&(u64, Bytes)>, history: History) -> Result<Self, LoadError> {
        let (position, stored) = match snapshot {
            Some((position, bytes)) => (*position, Stored::read(bytes)),
            None => (0, Ok(Stored::fresh())),
        };
        let wrong = |message: String| LoadError::Snapshot { position, message };
        let stored = stored.map_err(wrong)?;
        let document = Replica::load(stored.document).map_err(|error| wrong(error.to_string()))?;
        let locks = LockState::restore(&stored.fold).map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            position,
            parks: Parks::restore(stored.parks, document.state()),
            document,
            membership: Membership::restore(locks, stored.people, stored.hosts, stored.mode_chosen),
            last_at: stored.last_at,
            erasure: None,
            history,
        })
    }

    /// Position of the last record applied.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The epoch of this document: the store's, or a later one since it was erased.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.locks().epoch()
    }

    /// The document: its index and its bytes. To read its content, make a
    /// [`Document`](baton_sync::Document) of [`Replica::difference`] to nothing.
    #[must_use]
    pub const fn document(&self) -> &Replica {
        &self.document
    }

    /// The parks of this document.
    pub fn parks(&self) -> impl Iterator<Item = &Park> {
        self.parks.iter()
    }

    /// Bytes of all parked edits.
    #[must_use]
    pub fn parked_bytes(&self) -> usize {
        self.parks.iter().map(Park::bytes).sum()
    }

    /// Writes the whole state for the log to start from next time, without deleted content, for all
    /// records up to [`Self::position`]. A [`Snapshots::draft`](crate::Snapshots::draft) keeps the
    /// room waiting for less.
    ///
    /// # Errors
    /// It could not be encoded: a fault of this crate.
    pub fn snapshot(&self) -> Result<Bytes, SnapshotError> {
        let document = self.document.difference(&StateVector::new());
        Ok(self.draft_of(document).write()?.bytes)
    }

    /// Returns the last erasure by a record after the loaded snapshot.
    #[must_use]
    pub const fn erasure(&self) -> Option<&Erasure> {
        self.erasure.as_ref()
    }

    /// The locks, and the sessions that are here.
    #[must_use]
    pub const fn locks(&self) -> &LockState {
        self.membership.locks()
    }

    pub(crate) const fn all_parks(&self) -> &Parks {
        &self.parks
    }

    /// The sessions that are here, as people.
    pub(crate) const fn people(&self) -> &People {
        self.membership.people()
    }

    /// The hosts that the sessions here are attached to.
    pub(crate) const fn attachments(&self) -> &Hosts {
        self.membership.hosts()
    }

    /// Returns the hosts of the sessions that have a connection, as the log says.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<HostId> {
        self.membership.connected_hosts()
    }

    /// Returns the author behind a session.
    pub(crate) fn author(&self, session: SessionId) -> Author {
        Author::of(self.locks(), session, Placing::ByAuthor)
    }

    /// Returns the parts by which writes are checked.
    pub(crate) const fn write_check(&self) -> WriteCheck<'_> {
        WriteCheck {
            position: self.position,
            locks: self.locks(),
            document: self.document.state(),
            parks: &self.parks,
        }
    }

    /// Returns the states and blocks by which an update with this admission is judged.
    pub(crate) fn basis(&self, admission: Admission) -> Basis<'_> {
        let park = admission.over.and_then(|id| self.parks.basis_of(id));
        let contents = self.document.contents();
        Basis {
            document: self.document.state(),
            park: park.as_ref().map(|park| park.known),
            contents: Some(match &park {
                Some(park) => contents.with(park.originals),
                None => contents,
            }),
        }
    }

    /// Takes the source of a snapshot, which stands for all records up to the present position.
    pub(crate) fn draft(&mut self) -> SnapshotDraft {
        let document = self.document.everything();
        self.draft_of(document)
    }

    fn draft_of(&self, document: Bytes) -> SnapshotDraft {
        let fold = self.membership.lock_snapshot();
        let mut stored = Stored::without_people(document, fold);
        self.membership.store(&mut stored);
        stored.parks = self.parks.iter().cloned().collect();
        stored.last_at = self.last_at;
        SnapshotDraft {
            position: self.position,
            stored,
            history: self.history,
        }
    }

    /// Goes on with the compacted form of the document. Returns the former one; `None` if the
    /// document has changed since.
    pub(crate) fn adopt(&mut self, compacted: Compacted) -> Option<RetiredReplica> {
        self.document.adopt(compacted).ok()
    }

    /// Returns the whole document as one update, which is encoded once and shared.
    pub(crate) fn everything(&mut self) -> Bytes {
        self.document.everything()
    }

    /// Returns what a client with this state vector lacks, in pieces of about `most` bytes.
    pub(crate) fn pieces(
        &mut self,
        since: &StateVector,
        most: usize,
        compression: Option<Compression>,
    ) -> SyncPieces {
        self.document.pieces(since, most, compression)
    }

    /// Drops the encodings that were kept for further newcomers.
    pub(crate) fn drop_answers(&mut self) {
        self.document.drop_answers();
    }

    /// Applies the record at `position`. `checked` is the update of a record that came from a
    /// client, as the intake checked it.
    pub(crate) fn apply(
        &mut self,
        position: u64,
        record: Record,
        checked: Option<CheckedUpdate>,
        effects: &mut Vec<Effect>,
    ) {
        match record {
            Record::AttachedTo {
                host,
                from,
                shown,
                record,
            } => self.enter(
                position,
                *record,
                Some(&Attaching { host, from, shown }),
                effects,
            ),
            Record::Since {
                session,
                since,
                record,
                ..
            } if self.attachments().since(session) != since => {
                effects.push(Effect::late(*record));
            }
            Record::Since { record, .. } => {
                self.membership.note_mode(&record);
                self.decide(position, *record, checked, effects);
            }
            Record::Erased { epoch, unread } => {
                self.last_at = 0;
                let contents = (&mut self.document, &mut self.membership, &mut self.parks);
                self.erasure = Some(erasure::erase(contents, position, epoch, unread));
            }
            Record::HostLost { host, overdue_to } => self
                .membership
                .lose_host(position, host, overdue_to, effects),
            record => self.decide(position, record, checked, effects),
        }
        self.position = position;
    }

    /// Applies a record that counts at its position.
    fn decide(
        &mut self,
        position: u64,
        record: Record,
        checked: Option<CheckedUpdate>,
        effects: &mut Vec<Effect>,
    ) {
        self.last_at = self.last_at.max(record.at_ms());
        match record {
            Record::Joined { .. } | Record::Resumed { .. } => {
                self.enter(position, record, None, effects);
            }
            Record::Renamed { session, profile } => {
                if self.membership.rename(session, profile) {
                    effects.push(Effect::Renamed(session));
                }
            }
            Record::Epoch(epoch) => self.membership.begin_epoch(epoch),
            Record::Presence(event) => self.membership.apply(position, &event, effects),
            Record::InitialMode(mode) => self.membership.begin_mode(position, mode, effects),
            Record::Update {
                session,
                update,
                placing,
                ..
            } => {
                let author = Author::of(self.locks(), session, placing);
                self.edit(position, author, update, false, checked, effects);
            }
            Record::Suggested {
                session, update, ..
            } => {
                let author = self.author(session);
                self.edit(position, author, update, true, checked, effects);
            }
            Record::ParkDecided {
                id,
                by,
                decision,
                at_ms,
            } => self.decide_park(id, by, decision, at_ms, effects),
            // A record that `apply` takes is not read from a log within a frame.
            Record::AttachedTo { .. } | Record::Since { .. } => {}
            Record::HostLost { .. } | Record::Erased { .. } => {}
        }
    }

    /// Lets a session begin or go on.
    fn enter(
        &mut self,
        position: u64,
        record: Record,
        attaching: Option<&Attaching>,
        effects: &mut Vec<Effect>,
    ) {
        self.last_at = self.last_at.max(record.at_ms());
        if let Some(entrance) = Entrance::of(position, record)
            && !self
                .membership
                .enter(position, entrance, attaching, effects)
        {
            effects.push(Effect::overtaken());
        }
    }

    fn edit(
        &mut self,
        position: u64,
        author: Author,
        update: Bytes,
        is_suggestion: bool,
        checked: Option<CheckedUpdate>,
        effects: &mut Vec<Effect>,
    ) {
        let checked = checked.filter(|checked| checked.is_of(&update));
        let read = checked.map_or_else(|| CheckedUpdate::reread(update.clone()), Ok);
        let Ok(mut read) = read else {
            return effects.push(Effect::Nothing(update));
        };
        let destination = read.admission(author, &self.write_check()).destination;
        let scan = read.into_scan();
        match (destination, is_suggestion) {
            (Destination::Document, false) => self.apply_update(scan, effects),
            (Destination::Park { now }, false) => self.park(position, author, scan, now, effects),
            (Destination::Suggestion, true) => self.park(position, author, scan, None, effects),
            // A record before it has changed the rights of its session.
            (Destination::Suggestion, false)
            | (Destination::Document | Destination::Park { .. }, true) => {
                effects.push(Effect::Nothing(update));
            }
        }
    }

    fn apply_update(&mut self, update: OwnedScan, effects: &mut Vec<Effect>) {
        match self.document.apply_scanned(&update.as_scan()) {
            Ok(ApplyOutcome::Added) => {
                effects.push(Effect::Applied(update));
                self.close_parks(effects);
            }
            // An earlier record has overtaken an update that does not fit here.
            Ok(ApplyOutcome::Known) | Err(_) => {
                effects.push(Effect::Nothing(update.bytes().clone()));
            }
        }
    }

    fn park(
        &mut self,
        position: u64,
        author: Author,
        update: OwnedScan,
        fence_now: Option<Fence>,
        effects: &mut Vec<Effect>,
    ) {
        let mut fresh = self.membership.new_park(position, author, self.last_at);
        fresh.fence_now = fence_now;
        let locks = self.membership.locks();
        let is_gone = |session| locks.peer(session).is_none();
        let document = self.document.state();
        let id = self.parks.add(fresh, author, document, &update, is_gone);
        effects.push(Effect::Parked { id, update });
        self.show_park(id, effects);
    }
}
