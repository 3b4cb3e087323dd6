//! What may happen next: the model as the checker sees it.
//!
//! Nothing is decided here; it only lists what is possible and hands it to the server or a client.

use baton_presence::{Event, Fence, Presence, SessionId};
use baton_testkit::Area;
use stateright::{Model, Property};

use crate::client::{Client, Link};
use crate::messages::{Down, Message, Up};
use crate::places::{Place, Root};
use crate::properties;
use crate::state::State;
use crate::{Flaw, FreeEdits, Operation, Settings};

/// One step. Clients are numbered from 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// A client asks for a lock.
    Acquire(usize, Place),
    /// A client asks for a lock, and asks those who have it.
    Request(usize, Place),
    /// A client takes a lock.
    TakeOver(usize, Place),
    /// A client gives its lock to somebody.
    Transfer(usize, Fence, SessionId),
    /// A client gives a lock back.
    Release(usize, Fence),
    /// A client's user types, under a lock or none.
    Edit(usize, Root, Option<Fence>),
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
        vec![State::first(&self.0)]
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
            let untold = !state.tail.is_empty() || !state.unsaid.is_empty();
            if state.now != state.durable || untold {
                actions.push(Action::Durable);
            }
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        self.step(&mut state, action)?;
        self.lose_what_is_too_much(&mut state);
        state.normalize();
        let fits = state.net.len() <= self.0.in_flight;
        (fits && state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
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
        let (Link::Open, Some(session)) = (client.link, client.session) else {
            return;
        };
        for hold in &client.holds {
            actions.push(Action::Release(number, hold.fence));
        }
        let room = state.net.len() < self.0.in_flight;
        if room && state.presence(session) != Presence::Away {
            self.wishes(state, number, session, actions);
            self.edits(state, number, actions);
            if !client.holds.is_empty() || state.presence(session) == Presence::Silent {
                actions.push(Action::Answer(number));
            }
        }
    }

    /// What a client may ask for. Asking again changes nothing, except for one who is passed over.
    fn wishes(&self, state: &State, number: usize, session: SessionId, actions: &mut Vec<Action>) {
        let Settings {
            places, operations, ..
        } = self.0;
        let client = &state.clients[number];
        let fold = &state.now.fold;
        let Some(peer) = fold.peers.iter().find(|peer| peer.session == session) else {
            return;
        };
        let others = |place: Place| {
            fold.grants
                .iter()
                .any(|grant| grant.party != session && Place::of(&grant.scope).conflicts(place))
        };
        for place in places.iter().copied() {
            let covers = |hold: &crate::Hold| hold.place.covers(&place);
            if client.holds.len() == 2 || client.holds.iter().any(covers) {
                continue;
            }
            let wants = peer.wants.as_ref().map(Place::of);
            let again = wants == Some(place) && peer.missed_offers.is_empty();
            if !again {
                actions.push(Action::Acquire(number, place));
            }
            let asked = |grant: &baton_presence::Grant| grant.requested_by == Some(session);
            let asked = again && fold.grants.iter().any(asked);
            if operations.contains(&Operation::Request) && others(place) && !asked {
                actions.push(Action::Request(number, place));
            }
            if operations.contains(&Operation::TakeOver) && others(place) {
                actions.push(Action::TakeOver(number, place));
            }
        }
        if operations.contains(&Operation::Transfer) {
            for hold in &client.holds {
                for to in fold.peers.iter().filter(|peer| peer.session != session) {
                    actions.push(Action::Transfer(number, hold.fence, to.session));
                }
            }
        }
    }

    /// An edit changes nothing for the locks, so one under way finds all that several would.
    fn edits(&self, state: &State, number: usize, actions: &mut Vec<Action>) {
        let client = &state.clients[number];
        let edit = |message: &Message| matches!(message, Message::Up(_, Up::Edit(..)));
        if state.net.iter().any(edit) {
            return;
        }
        let among = self.0.places;
        for hold in client.believes() {
            for root in hold.place.roots(among) {
                actions.push(Action::Edit(number, root, Some(hold.fence)));
            }
        }
        if self.0.free_edits == FreeEdits::Too && client.holds.is_empty() {
            for root in Place::Whole.roots(among) {
                actions.push(Action::Edit(number, root, None));
            }
        }
    }

    /// Only so many messages may be under way. When there are more, the bad news is lost first: to whom it
    /// was sent goes on in good faith. (If that is not enough, the step is left out: it is as another one
    /// before which something was lost.)
    fn lose_what_is_too_much(&self, state: &mut State) {
        let bad = |message: &&Message| {
            matches!(message, Message::Down(_, Down::Lost(_) | Down::Drain(_)))
        };
        while state.net.len() > self.0.in_flight
            && let Some(message) = state.net.iter().find(bad).copied()
        {
            state.net.remove(&message);
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

    /// An orderly handoff is a release, or the word that all is sent, behind the last edit on one
    /// connection.
    fn in_order(&self, state: &State, message: &Message) -> bool {
        let session = match message {
            Message::Up(session, Up::Release(_) | Up::Drained(_)) => session,
            _ => return true,
        };
        let edit = |other: &Message| matches!(other, Message::Up(s, Up::Edit(..)) if s == session);
        self.0.flaw == Flaw::ReleaseOvertakes || !state.net.iter().any(edit)
    }

    fn step(&self, state: &mut State, action: Action) -> Option<()> {
        let settings = &self.0;
        match action {
            Action::Acquire(client, place) => self.say(state, client, Up::Acquire(place)),
            Action::Request(client, place) => self.say(state, client, Up::Request(place)),
            Action::TakeOver(client, place) => self.say(state, client, Up::TakeOver(place)),
            Action::Transfer(client, fence, to) => {
                self.say(state, client, Up::Transfer(fence, to));
            }
            Action::Release(client, fence) => {
                state.clients[client].give_up(fence);
                self.say(state, client, Up::Release(fence));
            }
            Action::Edit(client, root, fence) => self.say(state, client, Up::Edit(root, fence)),
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
            Action::Timeout(event) => state.record(&event, settings),
            Action::Durable => state.make_durable(settings),
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
            fences: client.fences(),
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
        for clock in state.clocks.values_mut() {
            *clock = (*clock + 1).min(self.0.server_pass);
        }
        for lease in state.leases.values_mut() {
            *lease = (*lease + 1).min(self.0.server_pass);
        }
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
