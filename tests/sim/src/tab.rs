//! A program with Baton's client: the real core, and the shell that a socket and a timer would be.
//!
//! Owns the shell. What the core decides is the core's; what the person wants is the workload's.

use std::collections::VecDeque;

use baton_client::sans_io::{ConnectionPhase, Moment, SansIoClient, SocketWrite};
use baton_client::{
    ClaimPolicy, ClientEnded, ClientEvent, ClientOptions, ClientRole, DivergencePolicy,
    FencingToken, ResumeTicket,
};
use baton_sync::ClientId;

use crate::content::Token;
use crate::ledger::Fate;
use crate::net::Packet;
use crate::oracles::brings_more;
use crate::people::App;
use crate::seen::Seen;
use crate::world::{Action, World};

/// See the module.
pub(crate) struct Tab {
    pub(crate) machine: SansIoClient,
    /// Yjs client id of its copy.
    pub(crate) author: u64,
    pub(crate) role: ClientRole,
    pub(crate) claim: ClaimPolicy,
    /// Edits not known to be saved: the core's count, and what was typed.
    pub(crate) unsaved: VecDeque<(u64, Token)>,
    pub(crate) numbers: u64,
    /// The last attempt that was made.
    attempted: u64,
    /// The edits that are not known to be saved.
    pub(crate) under: Vec<Under>,
    pub(crate) divergence: DivergencePolicy,
}

/// An edit, and under what it was made.
#[derive(Debug)]
pub(crate) struct Under {
    /// The core's count.
    pub(crate) edits: u64,
    /// The grants; none if there was none, or nobody knows.
    pub(crate) grants: Vec<FencingToken>,
    /// The root type.
    pub(crate) root: &'static str,
}

/// What a tab starts with.
#[derive(Debug, Default)]
pub(crate) struct Luggage {
    pub(crate) ticket: Option<ResumeTicket>,
    pub(crate) copy: Vec<u8>,
    pub(crate) epoch: Option<u32>,
    pub(crate) role: ClientRole,
    pub(crate) claim: ClaimPolicy,
    pub(crate) divergence: DivergencePolicy,
}

impl World {
    /// Opens a tab on this person's machine, in the place of whatever was there.
    pub(crate) fn open_tab(&mut self, person: usize, luggage: Luggage) {
        let author = self.ledger.copy();
        let now = self.people[person].moment(self.now);
        let mut options = ClientOptions::new("ws://sim/ws", "d")
            .with_role(luggage.role)
            .with_claim(luggage.claim)
            .with_divergence(luggage.divergence)
            .with_copy(luggage.copy, luggage.epoch);
        options.user_key = self.people[person].user.clone();
        options.resume = luggage.ticket;
        let (role, claim, divergence) = (options.role, options.claim, options.divergence);
        // What a copy brings beyond the document was typed under who knows what.
        let under = if options.copy.is_empty() {
            Vec::new()
        } else {
            vec![Under {
                edits: 1,
                grants: Vec::new(),
                root: "",
            }]
        };
        let client = ClientId::new(author).unwrap_or(ClientId::MAX);
        let machine = SansIoClient::new(options, client, self.random.bits(), now);
        let Ok(mut machine) = machine else {
            self.violate("copies load", format!("person {person}: a copy is damaged"));
            return;
        };
        machine.connect(now);
        self.note("opens", person as u64, author);
        self.people[person].app = App::Tab(Box::new(Tab {
            machine,
            author,
            role,
            claim,
            unsaved: VecDeque::new(),
            numbers: 0,
            attempted: 0,
            under,
            divergence,
        }));
        self.tend_tab(person);
    }

    /// Lets the core take a step, and does what it wants done.
    pub(crate) fn with_tab<R>(
        &mut self,
        person: usize,
        step: impl FnOnce(&mut SansIoClient, Moment) -> R,
    ) -> Option<R> {
        let moment = self.people[person].moment(self.now);
        let result = step(&mut self.people[person].tab_mut()?.machine, moment);
        self.tend_tab(person);
        Some(result)
    }

    fn tend_tab(&mut self, person: usize) {
        let moment = self.people[person].moment(self.now);
        let Some(tab) = self.people[person].tab_mut() else {
            return;
        };
        let turn = tab.machine.take_output(moment);
        let diverged = |event: &ClientEvent| matches!(event, ClientEvent::Diverged { .. });
        if !turn.events.iter().any(diverged) {
            self.tab_saved(person);
        }
        for event in turn.events {
            self.see(&Seen::Told {
                person,
                event: &event,
            });
            self.tab_told(person, &event);
        }
        self.tab_sends(person);
        self.tab_phase(person);
    }

    fn tab_told(&mut self, person: usize, event: &ClientEvent) {
        match event {
            ClientEvent::Granted { fence, .. } => {
                self.note("granted", person as u64, fence.position);
            }
            ClientEvent::Lost { fence, .. } => self.note("lost", person as u64, fence.position),
            // A new session holds nothing, whatever the one before it held: another tab may have it.
            ClientEvent::Welcome { resumed: false, .. } => {
                if let Some(tab) = self.people[person].tab_mut() {
                    tab.under.iter_mut().for_each(|under| under.grants.clear());
                }
            }
            ClientEvent::Parked { id, .. } => {
                self.note("parked", person as u64, *id);
                let lost = self.edits_lost > 0;
                let tab = self.people[person].tab();
                if lost && tab.is_some_and(|tab| brings_more(self, *id, tab)) {
                    self.note("bystander", person as u64, *id);
                }
                if self.people[person]
                    .tab()
                    .is_some_and(|tab| tab.divergence == DivergencePolicy::Stop)
                {
                    // The copy stays with its owner, and the document is opened afresh.
                    self.with_tab(person, |machine, now| machine.close(now));
                }
            }
            ClientEvent::Diverged { .. } => self.tab_diverged(person),
            ClientEvent::DraftDropped(draft) => {
                // All of it is elsewhere, then.
                let author = draft.client.get();
                self.ledger.fate(author, Fate::Alive);
                self.note("draft dropped", person as u64, author);
            }
            ClientEvent::Draining { fence, .. } => {
                self.note("drains", person as u64, fence.position);
            }
            ClientEvent::Requested(requested) => {
                self.note("requested", person as u64, requested.fence.position);
            }
            _ => {}
        }
    }

    /// The copy became a draft, and its program goes on with a fresh one.
    fn tab_diverged(&mut self, person: usize) {
        let Some(tab) = self.people[person].tab_mut() else {
            return;
        };
        let draft = std::mem::replace(&mut tab.author, tab.machine.client().get());
        let author = tab.author;
        tab.numbers = 0;
        tab.unsaved.clear();
        tab.under.clear();
        self.ledger.fate(draft, Fate::Draft);
        self.ledger.fate(author, Fate::Alive);
        self.note("diverges", person as u64, author);
    }

    fn tab_saved(&mut self, person: usize) {
        let Some(tab) = self.people[person].tab_mut() else {
            return;
        };
        let mut saved = Vec::new();
        while let Some((_, token)) = tab
            .unsaved
            .pop_front_if(|(edits, _)| tab.machine.is_durable(*edits))
        {
            saved.push(token);
        }
        let machine = &tab.machine;
        tab.under.retain(|under| !machine.is_durable(under.edits));
        for token in saved {
            if let Some(typed) = self.ledger.typed.get_mut(&token) {
                typed.saved = true;
            }
            self.note("saved", token.author, token.number);
        }
    }

    fn tab_sends(&mut self, person: usize) {
        let Some(tab) = self.people[person].tab_mut() else {
            return;
        };
        let outgoing = tab.machine.outgoing(usize::MAX);
        for out in outgoing {
            match out {
                SocketWrite::Frame(frame) => self.send_up(person, Packet::Frame(frame)),
                SocketWrite::Close(code) => self.send_up(person, Packet::Close(Some(code))),
            }
        }
    }

    fn tab_phase(&mut self, person: usize) {
        let moment = self.people[person].moment(self.now);
        let Some(tab) = self.people[person].tab_mut() else {
            return;
        };
        let (phase, attempt) = (tab.machine.phase(), tab.machine.attempt());
        let fresh = std::mem::replace(&mut tab.attempted, attempt) != attempt;
        let timeout = tab.machine.next_timeout(moment);
        let ready = tab.machine.is_ready();
        let diverged = matches!(tab.machine.ended(), Some(ClientEnded::Diverged));
        match phase {
            ConnectionPhase::Open | ConnectionPhase::Retiring | ConnectionPhase::Leaving => {}
            ConnectionPhase::Connecting => {
                if fresh {
                    self.replace(person);
                    self.after(2, 80, Action::Attempt(person, attempt));
                }
            }
            ConnectionPhase::Over => {
                self.hang_up(person);
                self.put_away(person, if diverged { Fate::Draft } else { Fate::Alive });
                return;
            }
            // Idle, or waiting: there is no connection.
            _ => self.hang_up(person),
        }
        if ready {
            self.drop_before(person);
        }
        let person_at = &mut self.people[person];
        // One that is earlier than needed is harmless, and sets the next.
        if let Some(at) = timeout.map(|local| person_at.after(local, self.now))
            && person_at.timer.is_none_or(|armed| at < armed)
        {
            person_at.timer = Some(at);
            self.at(at, Action::Timer(person));
        }
    }

    /// The tab is at its end: its owner opens the document afresh after a while.
    fn put_away(&mut self, person: usize, fate: Fate) {
        let Some(tab) = self.people[person].tab() else {
            return;
        };
        let author = tab.author;
        // Whatever ended it did so before its owner's eyes, who still has what stands there.
        let kept = !tab.unsaved.is_empty() || fate == Fate::Draft;
        let fate = if kept { Fate::Draft } else { Fate::Dead };
        self.ledger.fate(author, fate);
        self.note("over", person as u64, author);
        self.people[person].app = App::Away;
        self.people[person].timer = None;
        self.after(300, 6_000, Action::Return(person));
    }

    /// The process is gone, with whatever it had not sent.
    pub(crate) fn kill_tab(&mut self, person: usize) {
        if let Some((author, _)) = self.people[person].copy() {
            self.ledger.fate(author, Fate::Dead);
            self.note("dies", person as u64, author);
        }
        self.people[person].app = App::Away;
        self.people[person].timer = None;
        self.people[person].inbox.clear();
    }
}
