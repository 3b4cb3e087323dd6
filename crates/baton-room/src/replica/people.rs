//! The sessions of a document as people: token, name and colour of each.

use std::collections::BTreeMap;

use baton_presence::SessionId;

use super::record::Profile;
use super::stored::Person;

/// The people of the sessions that are here, and of the one that left last.
#[derive(Debug)]
pub(crate) struct People {
    here: BTreeMap<SessionId, Box<Person>>,
    /// The session that left last, whose name the notice of it needs.
    departed: Option<(SessionId, Box<Person>)>,
}

impl People {
    pub(super) const fn restore(here: BTreeMap<SessionId, Box<Person>>) -> Self {
        let departed = None;
        Self { here, departed }
    }

    /// Returns the people who are here, to be stored.
    pub(super) const fn stored(&self) -> &BTreeMap<SessionId, Box<Person>> {
        &self.here
    }

    pub(super) fn join(&mut self, session: SessionId, person: Person) {
        self.here.insert(session, Box::new(person));
    }

    /// Replaces the person of a session that is here.
    pub(super) fn resume(&mut self, session: SessionId, person: Person) {
        if let Some(before) = self.here.get_mut(&session) {
            **before = person;
        }
    }

    /// Changes name and colour of a session. Returns false if it is not here.
    pub(super) fn rename(&mut self, session: SessionId, profile: Profile) -> bool {
        let person = self.here.get_mut(&session);
        person.map(|person| person.profile = profile).is_some()
    }

    pub(super) fn leave(&mut self, session: SessionId) {
        let person = self.here.remove(&session);
        self.departed = person.map(|person| (session, person));
    }

    pub(super) fn clear(&mut self) {
        self.here.clear();
    }

    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.here.keys().copied()
    }

    pub(crate) fn here(&self, session: SessionId) -> Option<&Person> {
        self.here.get(&session).map(Box::as_ref)
    }

    /// Returns the person of a session that is here, or has just left.
    pub(crate) fn known(&self, session: SessionId) -> Option<&Person> {
        let departed = self.departed.as_ref().filter(|(id, _)| *id == session);
        let departed = departed.map(|(_, person)| person.as_ref());
        self.here(session).or(departed)
    }
}
