//! What the published clients show as confirmed is there after any crash.
//!
//! Each writer computes its sign as the published client does, from what it is sent. The server loses at a crash what is
//! not on its disk; the writers stay away while the document is looked at.

use std::collections::BTreeSet;

use baton_room::Receipts;
use baton_testkit::Random;

use super::*;
use crate::receipts::Stock;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Sign {
    /// Hocuspocus counts: up for each edit, 1 when it connects, down for each status that is true.
    /// What it queued while it was offline it sends after that, uncounted.
    Count,
    /// y-sweet counts versions, and is told up to which all is saved.
    Barrier,
    /// An edit that comes back.
    Echo,
}

struct Writer {
    sign: Sign,
    stock: Stock,
    online: bool,
    unsynced: u64,
    queue: Vec<Bytes>,
    version: u8,
    /// Its words.
    own: Vec<String>,
    shown: BTreeSet<String>,
}

impl Writer {
    fn new(table: &mut Table, sign: Sign, client: u64) -> Self {
        let mut writer = Self {
            sign,
            stock: Stock::come(table, Receipts::None, client),
            online: true,
            unsynced: 0,
            queue: Vec::new(),
            version: 0,
            own: Vec::new(),
            shown: BTreeSet::new(),
        };
        writer.goes(table);
        writer.comes(table);
        writer
    }

    fn goes(&mut self, table: &mut Table) {
        if std::mem::replace(&mut self.online, false) {
            table.leave(self.stock.id, Departure::Dropped);
        }
    }

    fn comes(&mut self, table: &mut Table) {
        table.receipts = match self.sign {
            Sign::Count => Receipts::EachUpdate,
            Sign::Barrier => Receipts::None,
            Sign::Echo => Receipts::Echo,
        };
        self.stock.id = table.connect();
        table.receipts = Receipts::None;
        self.online = true;
        self.unsynced = 1;
        let vector = self.stock.document.state().vector().encode();
        table.receive(self.stock.id, Incoming::Step1(&vector));
        for update in self.queue.drain(..) {
            self.stock.sends(table, SyncKind::Update, update);
        }
        if self.sign == Sign::Count {
            table.receive(self.stock.id, Incoming::QueueSent);
        }
        if self.sign == Sign::Barrier {
            table.receive(self.stock.id, Incoming::Barrier(&[self.version]));
        }
    }

    fn types(&mut self, table: &mut Table, word: String) {
        let update = insert(&mut self.stock.document, &word);
        self.own.push(word);
        self.unsynced += 1;
        self.version += 1;
        if !self.online && self.sign == Sign::Count {
            self.queue.push(update);
        } else if self.online {
            self.stock.sends(table, SyncKind::Update, update);
            if self.sign == Sign::Barrier {
                table.receive(self.stock.id, Incoming::Barrier(&[self.version]));
            }
        }
    }

    /// Takes in what it was sent. Returns false if it was closed for good.
    fn reads(&mut self, table: &mut Table) -> bool {
        for seen in table.look(self.stock.id) {
            match seen {
                Seen::Message(Outgoing::Step1(vector)) => {
                    let since = StateVector::decode(&vector).unwrap();
                    let lacking = self.stock.document.diff(&since).unwrap();
                    self.stock.sends(table, SyncKind::Step2, lacking);
                }
                Seen::Message(Outgoing::Step2(update) | Outgoing::Update(update)) => {
                    // What came before its Step2 comes again with that.
                    let _early = self.stock.document.apply(&update);
                }
                Seen::Message(Outgoing::Echo(update)) => {
                    let is_in = |word: &&String| {
                        let word = word.as_bytes();
                        update.windows(word.len()).any(|bytes| bytes == word)
                    };
                    let back = self.own.iter().filter(is_in).cloned();
                    self.shown.extend(back);
                }
                Seen::Message(Outgoing::SyncStatus(true)) => {
                    self.unsynced = self.unsynced.saturating_sub(1);
                    if self.unsynced == 0 {
                        self.shown.extend(self.own.iter().cloned());
                    }
                }
                Seen::Message(Outgoing::Barrier(version)) if version[0] == self.version => {
                    self.shown.extend(self.own.iter().cloned());
                }
                Seen::Closed(_) => return false,
                _ => {}
            }
        }
        true
    }
}

#[test]
fn what_a_client_shows_as_confirmed_is_there_after_any_crash() {
    let (mut confirmed, mut crashes, mut closed) = (0, 0, 0);
    for seed in 0..150 {
        let mut random = Random::from_seed(seed);
        let mut table = Table::new();
        let mut writers: Vec<Writer> = [Sign::Count, Sign::Barrier, Sign::Echo, Sign::Count]
            .into_iter()
            .zip(10..)
            .map(|(sign, client)| Writer::new(&mut table, sign, client))
            .collect();
        let mut holder = None;
        let (mut words, mut clients) = (0, 20);
        for step in 0..80 {
            let who = random.below(writers.len());
            let writer = &mut writers[who];
            match random.below(18) {
                0..=6 => {
                    writer.types(&mut table, format!("<{words}>"));
                    words += 1;
                }
                7 => table.disk(Disk::Stalled),
                8 | 9 => table.disk(Disk::Quick),
                10 => {
                    crashes += 1;
                    table.crash();
                    holder = None;
                    let text = table.text();
                    for writer in &mut writers {
                        writer.online = false;
                        for word in &writer.shown {
                            assert!(
                                text.contains(word.as_str()),
                                "seed {seed}, step {step}: {:?} showed {word} as confirmed",
                                writer.sign
                            );
                        }
                    }
                }
                11 => writer.goes(&mut table),
                12..=14 if !writer.online => writer.comes(&mut table),
                15 if holder.is_none() && random.one_in(3) => {
                    table.disk(Disk::Quick);
                    let ada = Peer::join(&mut table, "Ada", 1);
                    let acquire = ClientMessage::Acquire {
                        nonce: 1,
                        paths: Vec::new(),
                    };
                    ada.says(&mut table, &acquire);
                    holder = ada.claims(&mut table).map(|fence| (fence, ada));
                }
                15 => {
                    if let Some((fence, ada)) = holder.take() {
                        ada.says(&mut table, &ClientMessage::Release { nonce: 3, fence });
                    }
                }
                _ => {}
            }
            for writer in &mut writers {
                if random.one_in(2) && !writer.reads(&mut table) {
                    // It was parked or refused: it opens the document afresh.
                    closed += 1;
                    clients += 1;
                    writer.online = false;
                    writer.stock.document = document(clients);
                    writer.own.clear();
                    writer.queue.clear();
                    writer.version = 0;
                }
            }
        }
        // In the end all that is typed is there, and shown.
        table.crash();
        table.pass(seconds(60), &[]);
        for _ in 0..3 {
            for writer in &mut writers {
                writer.goes(&mut table);
                writer.comes(&mut table);
                while !table.seen(writer.stock.id).is_empty() {
                    let goes_on = writer.reads(&mut table);
                    assert!(goes_on, "seed {seed}: {:?} was closed", writer.sign);
                }
            }
        }
        for writer in &writers {
            for word in &writer.own {
                // An echo that was lost with its connection does not come again: the server has the
                // edit, so that the client's next answer leaves it out.
                let shown = writer.sign == Sign::Echo || writer.shown.contains(word);
                assert!(
                    shown && table.text().contains(word.as_str()),
                    "seed {seed}: {:?} never saw {word} confirmed",
                    writer.sign
                );
            }
            confirmed += writer.shown.len();
        }
    }
    assert!(
        confirmed > 1000 && crashes > 200 && closed > 20,
        "{confirmed} confirmed, {crashes} crashes, {closed} closed"
    );
}
