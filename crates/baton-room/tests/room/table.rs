//! A room with a log in memory, a disk that is as slow as the story wants, and clients that keep what they are sent.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use baton_presence::{Rights, Time};
use baton_room::{
    Arrival, ConnectionId, Departure, Ending, Identity, Incoming, Outgoing, Output, Receipts,
    ResumeToken, RoomOptions, Source, SyncKind,
};
use baton_sync::compressed_update::decompress;
use baton_sync::control_channel::{
    ClientMessage, FencingToken, LockView, Outcome, Paths, Resume, ServerMessage, User,
};
use baton_sync::document::yrs::{GetString, ReadTxn, Text, TransactionMut, WriteTxn};
use baton_sync::document::{Document, DocumentOptions};
use baton_sync::{ClientId, Replica, StateVector};
pub(crate) use baton_testkit::Disk;
use baton_testkit::LoggedRoom;
use bytes::Bytes;

/// What a client saw of its connection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    Message(Outgoing),
    Ping,
    Probe(u64),
    Closed(Ending),
}

/// A story's table: the room, its log, its disk, its people.
pub(crate) struct Table {
    host: LoggedRoom,
    seen: BTreeMap<ConnectionId, Vec<Seen>>,
    connections: u64,
    frozen: Option<ConnectionId>,
    /// Who stopped doing anything, and when.
    idle: BTreeMap<ConnectionId, Time>,
    /// The newest answer that a beat has confirmed to each.
    confirmed: BTreeMap<ConnectionId, u64>,
    /// What the server grants whoever connects from now on.
    pub(crate) rights: Rights,
    /// The user of whoever connects from now on, as a token says.
    pub(crate) identity: Option<Identity>,
    /// From where whoever connects from now on comes.
    pub(crate) source: Option<Source>,
    /// How whoever connects from now on is told that an edit is saved.
    pub(crate) receipts: Receipts,
    /// Whether the wire of whoever connects from now on has frames for compressed updates.
    pub(crate) compressed_frames: bool,
}

impl Deref for Table {
    type Target = LoggedRoom;

    fn deref(&self) -> &LoggedRoom {
        &self.host
    }
}

impl DerefMut for Table {
    fn deref_mut(&mut self) -> &mut LoggedRoom {
        &mut self.host
    }
}

impl Table {
    pub(crate) fn new() -> Self {
        Self::with(RoomOptions::default())
    }

    pub(crate) fn with(options: RoomOptions) -> Self {
        Self {
            host: LoggedRoom::new(options),
            seen: BTreeMap::new(),
            connections: 0,
            frozen: None,
            idle: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            rights: Rights::ALL,
            identity: None,
            source: None,
            receipts: Receipts::None,
            compressed_frames: true,
        }
    }

    pub(crate) fn disk(&mut self, disk: Disk) {
        self.set_disk(disk);
        self.settle();
    }

    /// The server is killed and starts again; what was not durable yet is lost, or not, as the disk was.
    pub(crate) fn restart(&mut self) {
        self.host.restart();
        self.seen.clear();
        self.settle();
    }

    /// The server is killed, and what is not on the disk is lost. It starts again with a quick disk.
    pub(crate) fn crash(&mut self) {
        self.host.crash();
        self.seen.clear();
        self.settle();
    }

    /// The document is erased, in this epoch, and opened again.
    pub(crate) fn erase(&mut self, epoch: u32) {
        let now = self.now;
        baton_room::erase(&mut self.room, epoch, now);
        self.settle();
        let state = self.room.state();
        assert!(state.erasure().unwrap().trouble.is_none());
        let remains = state.snapshot().unwrap();
        self.store(remains);
        self.restart();
    }

    /// What is stored in place of all records up to now.
    pub(crate) fn stored_snapshot(&self) -> &Bytes {
        &self.snapshot().unwrap().1
    }

    pub(crate) fn connect(&mut self) -> ConnectionId {
        self.connections += 1;
        let id = ConnectionId(self.connections);
        self.seen.insert(id, Vec::new());
        let arrival = Arrival::new(self.rights)
            .with_identity(self.identity.clone())
            .with_source(self.source)
            .with_receipts(self.receipts)
            .with_compression(self.compressed_frames);
        self.room.connect(id, arrival);
        self.settle();
        id
    }

    /// The client of a connection has other rights from now on.
    pub(crate) fn set_rights(&mut self, of: ConnectionId, rights: Rights) {
        let now = self.now;
        self.room.set_rights(of, rights, now);
        self.settle();
    }

    pub(crate) fn receive(&mut self, from: ConnectionId, message: Incoming<'_>) {
        let mut random = [0; 16];
        random[..8].copy_from_slice(&from.0.to_le_bytes());
        let now = self.now;
        self.room
            .receive(from, message, ResumeToken::new(random), now);
        self.settle();
    }

    pub(crate) fn say(&mut self, from: ConnectionId, message: &ClientMessage) {
        self.receive(from, Incoming::Channel(&message.encode()));
    }

    /// From now on its user does nothing, while its page goes on answering.
    pub(crate) fn idles(&mut self, who: ConnectionId) {
        self.idle.insert(who, self.now);
    }

    /// Its user is back.
    pub(crate) fn wakes(&mut self, who: ConnectionId) {
        self.idle.remove(&who);
    }

    /// The newest answer that a beat has confirmed to it; 0 for none.
    pub(crate) fn confirmed(&self, who: ConnectionId) -> u64 {
        self.confirmed.get(&who).copied().unwrap_or(0)
    }

    /// Whoever was frozen answers again.
    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
    }

    /// From now on it answers pings, but no beats.
    pub(crate) fn freeze(&mut self, who: ConnectionId) {
        self.frozen = Some(who);
    }

    pub(crate) fn leave(&mut self, who: ConnectionId, how: Departure) {
        let now = self.now;
        self.room.disconnect(who, how, now);
        self.settle();
    }

    /// Lets time pass, deadline by deadline. Whoever is in `alive` answers beats and pings at once.
    pub(crate) fn pass(&mut self, time: Duration, alive: &[ConnectionId]) {
        let end = self.now + time;
        // One that was silent until now answers first what lies in its socket.
        for id in alive {
            self.answer(*id);
        }
        while self.next_deadline(end) {
            self.settle();
            for id in alive {
                self.answer(*id);
            }
        }
    }

    fn answer(&mut self, id: ConnectionId) {
        let now = self.now;
        for seen in self.seen.get(&id).cloned().unwrap_or_default() {
            if seen == Seen::Ping {
                self.room.heard(id, None, now);
            }
            if let Seen::Probe(mark) = seen {
                self.room.heard(id, Some(mark), now);
            }
            if let Seen::Message(Outgoing::Channel(message)) = seen
                && let ServerMessage::Beat { n, .. } = *message
                && self.frozen != Some(id)
            {
                let since = self.idle.get(&id).copied().unwrap_or(self.now);
                let answer = ClientMessage::Answer {
                    n,
                    visible: true,
                    idle_ms: u64::try_from(self.now.since(since).as_millis()).unwrap(),
                };
                self.say(id, &answer);
            }
        }
        let beat = |seen: &Seen| match seen {
            Seen::Message(Outgoing::Channel(message)) => {
                matches!(**message, ServerMessage::Beat { .. })
            }
            Seen::Ping | Seen::Probe(_) => true,
            _ => false,
        };
        if let Some(inbox) = self.seen.get_mut(&id) {
            inbox.retain(|seen| !beat(seen));
        }
    }

    /// Everything that a client was sent since it last looked.
    pub(crate) fn look(&mut self, who: ConnectionId) -> Vec<Seen> {
        self.seen
            .get_mut(&who)
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// The same, without forgetting it.
    pub(crate) fn seen(&self, who: ConnectionId) -> Vec<Seen> {
        self.seen.get(&who).cloned().unwrap_or_default()
    }

    /// What a client was told over the channel since it last looked.
    pub(crate) fn told(&mut self, who: ConnectionId) -> Vec<ServerMessage> {
        self.look(who)
            .into_iter()
            .filter_map(|seen| match seen {
                Seen::Message(Outgoing::Channel(message)) => Some((*message).clone()),
                _ => None,
            })
            .collect()
    }

    /// The same, while what it was sent of the document stays: a client that loses a question or an
    /// update is none that there is.
    fn takes_what_it_was_told(&mut self, who: ConnectionId) -> Vec<ServerMessage> {
        let seen = self.seen(who);
        let told = self.told(who);
        let is_sync = |seen: &Seen| {
            use Outgoing::{Step1, Step2, Update};
            matches!(seen, Seen::Message(Step1(_) | Step2(_) | Update(_)))
        };
        self.seen
            .insert(who, seen.into_iter().filter(is_sync).collect());
        told
    }

    /// The same, without forgetting it.
    pub(crate) fn told_still(&mut self, who: ConnectionId) -> Vec<ServerMessage> {
        let seen = self.seen.get(&who).cloned().unwrap_or_default();
        let told = self.told(who);
        self.seen.insert(who, seen);
        told
    }

    fn settle(&mut self) {
        for output in self.host.settle() {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send { to, message } => self.put(to, Seen::Message(message)),
            Output::Multicast { to, message } => {
                for id in to {
                    self.put(id, Seen::Message(message.clone()));
                }
            }
            Output::Broadcast { except, message } => {
                let all: Vec<_> = self.seen.keys().copied().collect();
                for id in all.into_iter().filter(|id| Some(*id) != except) {
                    self.put(id, Seen::Message(message.clone()));
                }
            }
            Output::Show { to, preview } => self.put(to, Seen::Message(preview.render())),
            Output::Ping { to } => self.put(to, Seen::Ping),
            Output::Probe { to, mark } => self.put(to, Seen::Probe(mark)),
            Output::Relay(_) => {}
            Output::Close { to, why, .. } => self.put(to, Seen::Closed(why)),
        }
    }

    fn put(&mut self, to: ConnectionId, seen: Seen) {
        if let Seen::Message(Outgoing::Channel(message)) = &seen
            && let ServerMessage::Beat { confirmed, .. } = **message
        {
            self.confirmed.insert(to, confirmed);
        }
        if let Some(inbox) = self.seen.get_mut(&to) {
            inbox.push(seen);
        }
    }

    /// A copy of the server's document that can be read.
    pub(crate) fn document(&self) -> Document {
        readable(self.room.state().document())
    }

    /// The text of the server's document.
    pub(crate) fn text(&self) -> String {
        text(&self.document())
    }
}

/// Somebody who speaks the lock protocol.
pub(crate) struct Peer {
    pub(crate) id: ConnectionId,
    pub(crate) session: u64,
    pub(crate) token: String,
    pub(crate) resumed: bool,
    pub(crate) document: Document,
}

/// How somebody comes in.
#[derive(Default)]
pub(crate) struct Coming<'a> {
    pub(crate) name: &'a str,
    /// Of its Yjs document.
    pub(crate) client: u64,
    pub(crate) resume: Option<Resume>,
    pub(crate) fences: Vec<FencingToken>,
    pub(crate) user_key: Option<&'a str>,
    pub(crate) observer: bool,
    /// The compressed forms that it reads.
    pub(crate) encodings: &'a [&'a str],
}

impl Peer {
    pub(crate) fn join(table: &mut Table, name: &str, client: u64) -> Self {
        let coming = Coming {
            name,
            client,
            ..Coming::default()
        };
        Self::come(table, coming)
    }

    pub(crate) fn resume(self, table: &mut Table, fences: &[FencingToken]) -> Self {
        let resume = Resume {
            session: self.session,
            token: self.token.clone(),
        };
        let coming = Coming {
            name: "back",
            client: 9,
            resume: Some(resume),
            fences: fences.to_vec(),
            ..Coming::default()
        };
        let mut back = Self::come(table, coming);
        back.document = self.document;
        back
    }

    pub(crate) fn come(table: &mut Table, coming: Coming<'_>) -> Self {
        let id = table.connect();
        let hello = ClientMessage::Hello {
            version: 1,
            resume: coming.resume,
            epoch: None,
            fences: coming.fences,
            locks: None,
            user: User {
                name: coming.name.to_owned(),
                ..User::default()
            },
            user_key: coming.user_key.map(str::to_owned),
            client: None,
            observer: coming.observer,
            encodings: coming
                .encodings
                .iter()
                .map(|&name| name.to_owned())
                .collect(),
        };
        table.say(id, &hello);
        let mut peer = Self {
            id,
            session: 0,
            token: String::new(),
            resumed: false,
            document: Document::new(&DocumentOptions::new(ClientId::new(coming.client).unwrap())),
        };
        for seen in table.seen.get(&id).cloned().unwrap_or_default() {
            if let Seen::Message(Outgoing::Channel(message)) = seen
                && let ServerMessage::Welcome {
                    session,
                    token,
                    resumed,
                    ..
                } = (*message).clone()
            {
                (peer.session, peer.token, peer.resumed) = (session, token, resumed);
            }
        }
        peer.sync(table);
        peer
    }

    /// Asks for what it lacks, as every client does when it opens.
    pub(crate) fn sync(&mut self, table: &mut Table) {
        let vector = self.document.state().vector().encode();
        table.receive(self.id, Incoming::Step1(&vector));
    }

    /// Takes in the updates that it was sent.
    pub(crate) fn take(&mut self, table: &mut Table) {
        let inbox = table.seen.get(&self.id).cloned().unwrap_or_default();
        for seen in inbox {
            let update = match seen {
                Seen::Message(Outgoing::Step2(update) | Outgoing::Update(update)) => update,
                Seen::Message(
                    Outgoing::CompressedStep2(update) | Outgoing::CompressedUpdate(update),
                ) => decompress(update.payload(), 64 << 20).unwrap().into(),
                _ => continue,
            };
            self.document.apply(&update).unwrap();
        }
    }

    /// Types at the end of the text, and sends it.
    pub(crate) fn types(&mut self, table: &mut Table, what: &str) -> Bytes {
        self.types_in(table, "t", what)
    }

    /// Types at the end of that text, and sends it.
    pub(crate) fn types_in(&mut self, table: &mut Table, root: &str, what: &str) -> Bytes {
        let update = insert_in(&mut self.document, root, what);
        table.receive(self.id, Incoming::Sync(SyncKind::Update, update.clone()));
        update
    }

    /// Sends everything that it has, as in an answer to a Step1.
    pub(crate) fn sends_all(&mut self, table: &mut Table) {
        let all = self.document.diff(&StateVector::new()).unwrap();
        table.receive(self.id, Incoming::Sync(SyncKind::Step2, all));
    }

    pub(crate) fn says(&self, table: &mut Table, message: &ClientMessage) {
        table.say(self.id, message);
    }

    /// Asks for the lock and claims what it is offered.
    pub(crate) fn takes_the_lock(&self, table: &mut Table) -> FencingToken {
        self.takes(table, &[])
    }

    /// Asks for a lock of these paths and claims what it is offered.
    pub(crate) fn takes(&self, table: &mut Table, paths: &[&[&str]]) -> FencingToken {
        table.takes_what_it_was_told(self.id);
        let paths = self::paths(paths);
        let acquire = ClientMessage::Acquire {
            nonce: 1,
            paths: paths.clone(),
        };
        self.says(table, &acquire);
        let fence = offered(&table.takes_what_it_was_told(self.id)).unwrap();
        self.says(table, &ClientMessage::Claim { fence });
        let granted = ServerMessage::Granted { fence, paths };
        assert!(table.takes_what_it_was_told(self.id).contains(&granted));
        fence
    }

    /// Claims what it was offered since it last looked.
    pub(crate) fn claims(&self, table: &mut Table) -> Option<FencingToken> {
        let fence = offered(&table.told(self.id))?;
        self.says(table, &ClientMessage::Claim { fence });
        let granted = |message: &ServerMessage| matches!(message, ServerMessage::Granted { fence: now, .. } if *now == fence);
        table.told(self.id).iter().any(granted).then_some(fence)
    }

    /// What it is answered to something with the nonce 77.
    pub(crate) fn asks(&self, table: &mut Table, message: &ClientMessage) -> Outcome {
        table.look(self.id);
        self.says(table, message);
        let told = table.told_still(self.id);
        told.iter()
            .find_map(|message| match message {
                ServerMessage::Result {
                    nonce: 77, outcome, ..
                } => Some(*outcome),
                _ => None,
            })
            .unwrap()
    }
}

/// The fence that was offered.
pub(crate) fn offered(told: &[ServerMessage]) -> Option<FencingToken> {
    told.iter().find_map(|message| match message {
        ServerMessage::Offer { fence, .. } => Some(*fence),
        _ => None,
    })
}

/// The newest view of the locks.
pub(crate) fn locks(told: &[ServerMessage]) -> Option<LockView> {
    told.iter().rev().find_map(|message| match message {
        ServerMessage::Welcome { lock, .. } | ServerMessage::Lock { lock } => Some(lock.clone()),
        _ => None,
    })
}

pub(crate) fn paths(paths: &[&[&str]]) -> Paths {
    let owned = |path: &&[&str]| path.iter().map(|segment| (*segment).to_owned()).collect();
    paths.iter().map(owned).collect()
}

pub(crate) fn insert(document: &mut Document, what: &str) -> Bytes {
    insert_in(document, "t", what)
}

pub(crate) fn insert_in(document: &mut Document, root: &str, what: &str) -> Bytes {
    edit(document, |txn| {
        let text = txn.get_or_insert_text(root);
        let end = text.len(txn);
        text.insert(txn, end, what);
    })
}

/// What such an edit is to others.
pub(crate) fn edit(document: &mut Document, change: impl FnOnce(&mut TransactionMut<'_>)) -> Bytes {
    let (_, update) = document.transact(change).unwrap();
    update.unwrap()
}

/// A copy of a server's document that can be read.
pub(crate) fn readable(replica: &Replica) -> Document {
    Document::to_read(replica)
}

pub(crate) fn text(document: &Document) -> String {
    text_in(document, "t")
}

pub(crate) fn text_in(document: &Document, root: &str) -> String {
    let read = document.read(|txn| txn.get_text(root).map(|text| text.get_string(txn)));
    read.unwrap().unwrap_or_default()
}
