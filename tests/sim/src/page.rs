//! A program with a stock Yjs client: a document and the y-websocket provider's habits, without a word of the lock.
//!
//! Owns those habits, as docs/protocol.md of this project and the public packages describe them: Step1 at the open, the
//! answer to the server's, updates as they are made, awareness each 15 s, a watchdog of 30 s, a backoff up to 2.5 s.

use std::time::Duration;

use baton_presence::Time;
use baton_sync::lib0::{write_var_string, write_var_uint};
use baton_sync::y_websocket::{self, Message};
use baton_sync::{ApplyError, ClientId, Document, DocumentOptions, StateVector};
use bytes::Bytes;

use crate::ledger::Fate;
use crate::net::Packet;
use crate::people::App;
use crate::world::{Action, World};

/// Without any message for so long, the provider connects anew.
const WATCHDOG: Duration = Duration::from_secs(30);

/// Awareness is said again this often.
const RENEW: Duration = Duration::from_secs(15);

/// Where the provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting(Time),
    Connecting,
    Open,
}

/// See the module.
pub(crate) struct Page {
    pub(crate) document: Document,
    /// Yjs client id of its document.
    pub(crate) author: u64,
    pub(crate) numbers: u64,
    stage: Stage,
    attempt: u64,
    failures: u32,
    heard: Time,
    renew: Time,
    clock: u64,
    /// Updates that build on something which has not come: Yjs keeps them until it has.
    pending: Vec<Bytes>,
}

impl Page {
    pub(crate) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    fn awareness(&mut self) -> Bytes {
        self.clock += 1;
        let mut payload = Vec::new();
        write_var_uint(&mut payload, 1);
        write_var_uint(&mut payload, self.author);
        write_var_uint(&mut payload, self.clock);
        write_var_string(&mut payload, "{\"user\":{}}");
        y_websocket::awareness(&payload)
    }

    fn apply(&mut self, update: &[u8]) -> Result<(), ApplyError> {
        self.pending.push(Bytes::copy_from_slice(update));
        // Each one that fits may make another fit.
        loop {
            let before = self.pending.len();
            let mut kept = Vec::new();
            for update in std::mem::take(&mut self.pending) {
                match self.document.apply(&update) {
                    Ok(_) => {}
                    Err(ApplyError::NotAdmitted(_)) => kept.push(update),
                    Err(error) => return Err(error),
                }
            }
            self.pending = kept;
            if self.pending.len() == before || self.pending.is_empty() {
                return Ok(());
            }
        }
    }
}

impl World {
    /// Opens a page on this person's machine, with an empty document.
    pub(crate) fn open_page(&mut self, person: usize) {
        let author = self.ledger.copy();
        let client = ClientId::new(author).unwrap_or(ClientId::MAX);
        self.note("opens", person as u64, author);
        self.people[person].app = App::Page(Box::new(Page {
            document: Document::new(&DocumentOptions::new(client)),
            author,
            numbers: 0,
            stage: Stage::Waiting(self.now),
            attempt: 0,
            failures: 0,
            heard: self.now,
            renew: Time::ZERO,
            clock: 0,
            pending: Vec::new(),
        }));
        self.page_timer(person);
    }

    /// Looks at the provider's timers.
    pub(crate) fn page_timer(&mut self, person: usize) {
        let now = self.now;
        let Some(page) = self.people[person].page_mut() else {
            return;
        };
        match page.stage {
            Stage::Waiting(at) if now >= at => {
                page.stage = Stage::Connecting;
                page.attempt += 1;
                page.heard = now;
                let attempt = page.attempt;
                self.after(2, 80, Action::Attempt(person, attempt));
            }
            Stage::Open | Stage::Connecting if now.since(page.heard) >= WATCHDOG => {
                self.hang_up(person);
                self.page_lost(person, None);
            }
            Stage::Open if now >= page.renew => {
                page.renew = now + RENEW;
                let awareness = page.awareness();
                self.send_up(person, Packet::Frame(awareness));
            }
            _ => {}
        }
        self.page_arms(person);
    }

    fn page_arms(&mut self, person: usize) {
        let Some(page) = self.people[person].page_mut() else {
            return;
        };
        let at = match page.stage {
            Stage::Waiting(at) => at,
            Stage::Connecting => page.heard + WATCHDOG,
            Stage::Open => (page.heard + WATCHDOG).min(page.renew),
        };
        let at = at.max(self.now);
        if self.people[person].timer != Some(at) {
            self.people[person].timer = Some(at);
            self.at(at, Action::Timer(person));
        }
    }

    /// Whether this attempt is still wanted.
    pub(crate) fn page_wants(&mut self, person: usize, attempt: u64) -> bool {
        let page = self.people[person].page_mut();
        page.is_some_and(|page| page.stage == Stage::Connecting && page.attempt == attempt)
    }

    pub(crate) fn page_opened(&mut self, person: usize) {
        let now = self.now;
        let Some(page) = self.people[person].page_mut() else {
            return;
        };
        page.stage = Stage::Open;
        page.heard = now;
        page.renew = now + RENEW;
        let step1 = y_websocket::step1(&page.document.state().vector());
        let awareness = page.awareness();
        self.send_up(person, Packet::Frame(step1));
        self.send_up(person, Packet::Frame(awareness));
        self.page_arms(person);
    }

    pub(crate) fn page_lost(&mut self, person: usize, code: Option<u16>) {
        let stubborn = matches!(
            self.people[person].kind,
            crate::people::Kind::Stock { stubborn: true }
        );
        let now = self.now;
        let delay = self.random.millis(0, 60);
        let Some(page) = self.people[person].page_mut() else {
            return;
        };
        if code.is_some_and(|code| (4400..4500).contains(&code)) && !stubborn {
            let author = page.author;
            self.ledger.fate(author, Fate::Draft);
            self.note("over", person as u64, author);
            self.people[person].app = App::Away;
            self.people[person].timer = None;
            self.after(300, 6_000, Action::Return(person));
            return;
        }
        let backoff =
            Duration::from_millis(200 << page.failures.min(4)).min(Duration::from_millis(2500));
        page.failures += 1;
        page.stage = Stage::Waiting(now + backoff + delay);
        self.page_arms(person);
    }

    pub(crate) fn page_frame(&mut self, person: usize, frame: &[u8]) {
        let now = self.now;
        let Some(page) = self.people[person].page_mut() else {
            return;
        };
        page.heard = now;
        page.failures = 0;
        let applied = match y_websocket::decode(frame) {
            Ok(Message::Step1(vector)) => {
                let vector = StateVector::decode(vector).unwrap_or_default();
                let step2 = page
                    .document
                    .diff(&vector)
                    .map(|update| y_websocket::step2(&update));
                if let Ok(step2) = step2 {
                    self.send_up(person, Packet::Frame(step2));
                }
                Ok(())
            }
            Ok(Message::Step2(update) | Message::Update(update)) => page.apply(update),
            Ok(_) => Ok(()),
            Err(error) => {
                self.violate(
                    "wire",
                    format!("a stock client cannot read a frame: {error}"),
                );
                return;
            }
        };
        if let Err(error) = applied {
            self.violate(
                "convergence",
                format!("a stock client cannot take an update: {error}"),
            );
        }
        self.page_arms(person);
    }
}
