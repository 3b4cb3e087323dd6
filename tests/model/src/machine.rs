//! What may happen next: the model as the checker sees it.
//!
//! Nothing is decided here; it only lists what is possible and hands it to the server or a client.

use baton_presence::{Event, Presence, SessionId};
use stateright::{Model, Property};

use crate::client::{Client, Link};
use crate::messages::{Message, Up};
use crate::rules;
use crate::state::State;
use crate::{Flaw, FreeEdits, Settings};

/// One step. Clients are numbered from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A client asks for the lock.
    Acquire(usize),
    /// A client gives the lock back.
    Release(usize),
    /// A client's user types.
    Edit(usize),
    /// A client answers a beat.
    Answer(usize),
    /// A client opens a new connection.
    Connect(usize),
    /// A client's process dies; what it had sent may still arrive.
    Kill(usize),
    /// It starts again, and knows nothing.
    Start(usize),
    /// A message arrives.
    Deliver(Message),
    /// A message is lost.
    Lose(Message),
    /// Time passes; the clock of at most one client misses it.
    Tick {
        /// Whose.
        slow: Option<usize>,
    },
    /// The server sees that a session's connection is gone.
    Disconnect(SessionId),
    /// A timer that has run out fires. It may be late; it is never early.
    Timeout(Event),
    /// The disk has everything, and what followed from it is said.
    Durable,
    /// The server dies and starts again.
    Crash,
}

/// The lock machine with its surroundings.
#[derive(Debug, Clone)]
pub struct LockModel(pub Settings);

impl Model for LockModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let Settings {
            clients,
            faults,
            crashes,
            ..
        } = self.0;
        vec![State::first(clients, faults, crashes)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken.is_some() {
            return;
        }
        let writable = state.tail.len() < self.0.tail;
        for number in 0..state.clients.len() {
            self.client_actions(state, number, actions);
        }
        for message in &state.net {
            let to_server = matches!(message, Message::Hello { .. } | Message::Up(..));
            if (writable || !to_server) && self.in_order(state, message) {
                actions.push(Action::Deliver(*message));
            }
            actions.push(Action::Lose(*message));
        }
        if writable {
            actions.extend(state.timers(&self.0).into_iter().map(Action::Timeout));
            for peer in &state.now.fold.peers {
                let unhurt = state.hung_up(peer.session);
                if peer.presence != Presence::Away && (unhurt || state.faults > 0) {
                    actions.push(Action::Disconnect(peer.session));
                }
            }
        }
        actions.push(Action::Tick { slow: None });
        for (number, client) in state.clients.iter().enumerate() {
            if !client.lagged && client.link != Link::Dead {
                actions.push(Action::Tick { slow: Some(number) });
            }
        }
        if state.crashes > 0 {
            actions.push(Action::Crash);
            if state.now != state.durable || !state.tail.is_empty() {
                actions.push(Action::Durable);
            }
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        self.step(&mut state, action)?;
        state.normalize();
        // As many messages as may be under way; a state with more is as one in which some were lost.
        let fits = state.net.len() <= self.0.in_flight;
        (fits && state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        rules::properties()
    }
}

impl LockModel {
    fn client_actions(&self, state: &State, number: usize, actions: &mut Vec<Action>) {
        let client = &state.clients[number];
        if client.link == Link::Dead {
            actions.push(Action::Start(number));
            return;
        }
        if state.faults > 0 {
            actions.push(Action::Kill(number));
        }
        if state.faults > 0 || self.is_cut_off(state, number) {
            actions.push(Action::Connect(number));
        }
        let room = state.net.len() < self.0.in_flight;
        let (Link::Open, Some(session)) = (client.link, client.session) else {
            return;
        };
        if client.fence.is_some() {
            actions.push(Action::Release(number));
        }
        if !room {
            return;
        }
        let peers = &state.now.fold.peers;
        let peer = peers.iter().find(|peer| peer.session == session);
        let Some(peer) = peer.filter(|peer| peer.presence != Presence::Away) else {
            return;
        };
        // Asking again changes nothing, except for one who is passed over.
        if client.fence.is_none() && (peer.ticket.is_none() || peer.passed_over.is_some()) {
            actions.push(Action::Acquire(number));
        }
        // An edit changes nothing for the lock, so one under way finds all that several would.
        let edit = |message: &Message| matches!(message, Message::Up(_, Up::Edit(_)));
        let free = self.0.free_edits == FreeEdits::Too && client.fence.is_none();
        if (client.believes() || free) && !state.net.iter().any(edit) {
            actions.push(Action::Edit(number));
        }
        if client.fence.is_some() || peer.presence == Presence::Silent {
            actions.push(Action::Answer(number));
        }
    }

    /// Whether a client has to connect again before anything can come of it.
    fn is_cut_off(&self, state: &State, number: usize) -> bool {
        let client = &state.clients[number];
        let concerns = |message: &Message| match message {
            Message::Hello { client, .. } | Message::Welcome { client, .. } => *client == number,
            _ => false,
        };
        let welcome_comes = state.net.iter().chain(&state.tail).any(concerns);
        match (client.link, client.session) {
            (Link::Dead, _) => false,
            (Link::Hello, _) => !welcome_comes,
            (Link::Open, Some(session)) => state.presence(session) == Presence::Away,
            (Link::Open, None) => true,
        }
    }

    /// An orderly handoff is a release behind the last edit, on one connection.
    fn in_order(&self, state: &State, message: &Message) -> bool {
        let Message::Up(session, Up::Release(_)) = message else {
            return true;
        };
        let edit = |other: &Message| matches!(other, Message::Up(s, Up::Edit(_)) if s == session);
        self.0.flaw == Flaw::ReleaseOvertakes || !state.net.iter().any(edit)
    }

    fn step(&self, state: &mut State, action: Action) -> Option<()> {
        let settings = &self.0;
        match action {
            Action::Acquire(client) => self.say(state, client, Up::Acquire),
            Action::Release(client) => {
                let up = state.clients[client].release()?;
                self.say(state, client, up);
            }
            Action::Edit(client) => {
                let fence = state.clients[client].fence;
                self.say(state, client, Up::Edit(fence));
            }
            Action::Answer(client) => {
                let left = settings.client_stop;
                self.say(state, client, Up::Answer { left });
            }
            Action::Connect(client) => {
                if !self.is_cut_off(state, client) {
                    state.faults -= 1;
                }
                self.hello(state, client);
            }
            Action::Kill(client) => {
                state.faults -= 1;
                self.forget_connection(state, client);
                state.clients[client] = Client::dead();
            }
            Action::Start(client) => self.hello(state, client),
            Action::Deliver(message) => {
                state.net.remove(&message);
                self.deliver(state, message);
            }
            Action::Lose(message) => {
                state.net.remove(&message);
            }
            Action::Tick { slow } => self.tick(state, slow),
            Action::Disconnect(session) => {
                if !state.hung_up(session) {
                    state.faults -= 1;
                }
                state.disconnect(session, settings);
            }
            Action::Timeout(event) => state.record(event, settings),
            Action::Durable => state.make_durable(),
            Action::Crash => state.crash(settings),
        }
        Some(())
    }

    /// What nobody listens to any more is lost at once.
    fn say(&self, state: &mut State, client: usize, up: Up) {
        if let Some(session) = state.clients[client].session
            && state.presence(session) != Presence::Away
        {
            state.net.insert(Message::Up(session, up));
        }
    }

    /// What was sent to the old connection of a client is not read; what came from it may still be,
    /// until the server hears the next hello.
    fn forget_connection(&self, state: &mut State, number: usize) {
        let session = state.clients[number].session;
        state.net.retain(|message| match message {
            Message::Down(to, _) => session != Some(*to),
            Message::Welcome { client, .. } | Message::Hello { client, .. } => *client != number,
            Message::Up(..) => true,
        });
        let for_it =
            |m: &Message| matches!(m, Message::Welcome { client, .. } if *client == number);
        state.tail.retain(|message| !for_it(message));
    }

    fn hello(&self, state: &mut State, number: usize) {
        self.forget_connection(state, number);
        let client = &mut state.clients[number];
        client.link = Link::Hello;
        client.hello = self.0.client_stop;
        state.net.insert(Message::Hello {
            client: number,
            resume: client.session,
            fence: client.fence,
        });
    }

    fn deliver(&self, state: &mut State, message: Message) {
        match message {
            Message::Welcome { client, session } => state.clients[client].welcomed(session),
            Message::Down(session, down) => {
                let Some(client) = state.client_of(session) else {
                    return;
                };
                if let Some(up) = state.clients[client].receive(down, &self.0) {
                    self.say(state, client, up);
                }
            }
            Message::Hello { .. } | Message::Up(..) => state.receive(message, &self.0),
        }
    }

    fn tick(&self, state: &mut State, slow: Option<usize>) {
        state.clock = (state.clock + 1).min(self.0.server_pass);
        for (number, client) in state.clients.iter_mut().enumerate() {
            if slow == Some(number) {
                client.lagged = true;
            } else {
                client.tick();
            }
        }
        let late = slow.and_then(|number| state.clients[number].session);
        let ageless = self.0.flaw == Flaw::LeaseFromReceipt;
        let age = |mut message: Message| {
            if !ageless
                && (late.is_none() || message.session() != late)
                && let Some(left) = message.left_mut()
            {
                *left = left.saturating_sub(1);
            }
            message
        };
        state.net = std::mem::take(&mut state.net)
            .into_iter()
            .map(age)
            .collect();
    }
}
