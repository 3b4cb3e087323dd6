//! Updates on their way in: judged, admitted, set aside or refused.
//!
//! Owns the step from an update to a proposal. Against what the document knows, or under somebody else's lock against
//! the document with the session's park laid over it. Applying is not done here: only a record is applied.

use baton_presence::{SessionId, Time};
use baton_sync::channel::ErrorCode;
use baton_sync::handshake::{Basis, Kind, Verdict};
use baton_sync::scan::scan;
use baton_sync::state::{Judgement, State};
use bytes::Bytes;

use crate::admission::Way;
use crate::connection::Channel;
use crate::output::{ConnectionId, Ending, Outgoing};
use crate::park_limits::ParkFull;
use crate::parks::Author;
use crate::record::Placing;
use crate::room::Room;
use crate::token::Source;

impl Room {
    /// An update came over a connection.
    pub(crate) fn update(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        update: &Bytes,
        now: Time,
    ) {
        if self.connections.contains_key(&connection) {
            let kept = self.withhold(connection, kind, update, now);
            let proposed = !kept && self.judge(connection, kind, update, now);
            if kind == Kind::Step2 {
                self.brought(connection, proposed, now);
            }
        }
    }

    /// Judges an update. Says whether something was proposed.
    pub(crate) fn judge(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        update: &Bytes,
        now: Time,
    ) -> bool {
        let author = self.author_of(connection);
        let admission = self.state.admission(author, update);
        let Some(here) = self.connections.get_mut(&connection) else {
            return false;
        };
        let basis = Basis {
            document: self.state.document.state(),
            park: admission.over,
        };
        let before = here.handshake.is_incomplete();
        let verdict = here.handshake.incoming(update.clone(), kind, basis);
        let turned_incomplete = !before && here.handshake.is_incomplete();
        if here.channel != Channel::Closed {
            self.unsaved.insert(connection);
        }
        if here.handshake.is_incomplete() {
            self.aside.insert(connection);
        }
        let proposed = self.follow_verdict(connection, verdict, Some(update), now);
        if turned_incomplete {
            let message = "an edit builds on something that neither you nor the document has; it is kept aside until somebody brings that, and is not saved yet";
            self.complain(connection, ErrorCode::Incomplete, message.to_owned(), true);
        }
        proposed
    }

    /// Whose the edits of a connection are. One whose session has not got its record yet holds nothing; a stock client's
    /// first message is judged before that.
    fn author_of(&self, connection: ConnectionId) -> Author {
        if let Some(session) = self.session_of(connection) {
            return self.state.author(session, Placing::ByAuthor);
        }
        let here = self.connections.get(&connection);
        let stock = here.filter(|here| here.channel == Channel::Closed);
        Author {
            session: SessionId(0),
            user: None,
            is_stock: stock.is_some(),
            source: stock.and_then(|here| here.source).map(Source::key),
        }
    }

    /// Does what a handshake wants. `came` is the message it judged, if one came. Says whether something
    /// was proposed.
    fn follow_verdict(
        &mut self,
        connection: ConnectionId,
        verdict: Verdict,
        came: Option<&Bytes>,
        now: Time,
    ) -> bool {
        match verdict {
            Verdict::Known => self.known(connection, came),
            Verdict::Admit(update) => return self.admit(connection, update, now),
            Verdict::Ask => {
                let vector = self.state.document.encoded_vector();
                self.send(connection, Outgoing::Step1(vector));
            }
            Verdict::Wait => {}
            Verdict::Refuse(fault) => self.malformed(connection, &fault.to_string(), now),
        }
        false
    }

    /// Everything in it was here already: it is saved as soon as everything up to now is.
    fn known(&mut self, connection: ConnectionId, came: Option<&Bytes>) {
        // Known to its own park only: its author is told again, since it may have come with a new connection.
        let document = self.state.document.state();
        if let Some(update) = came
            && !is_known(document, update)
            && let Some(id) = self.state.parks.holding(document, update)
        {
            self.tell_parked_again(connection, id);
        }
        self.settle_here(connection);
    }

    /// What is parked already may be durable already, and then no commit comes to tell it. Before the message is called
    /// saved: its author must not take a park for the document.
    fn tell_parked_again(&mut self, connection: ConnectionId, id: u64) {
        self.tell_parked(connection, id);
        self.let_go_durable(self.now);
    }

    fn settle_here(&mut self, connection: ConnectionId) {
        let position = self.state.position;
        if let Some(here) = self.connections.get_mut(&connection) {
            here.handshake.settled(position);
        }
        // What is known may be durable already, and then no commit comes to tell it.
        self.tell_saved_to(connection);
    }

    fn admit(&mut self, connection: ConnectionId, update: Bytes, now: Time) -> bool {
        let author = self.author_of(connection);
        // Judged for these bytes: they may be a part of what came.
        let Way::Park { .. } = self.state.way(author, &update) else {
            self.propose_update(connection, update, None);
            return true;
        };
        let document = self.state.document.state();
        let parks = &self.state.parks;
        let held = parks.holding(document, &update);
        if let Some(id) = held.or_else(|| parks.alike(author, &update)) {
            // The same edit over a new session, or what a stock client from there wrote before: it is parked once.
            self.tell_parked_again(connection, id);
            self.settle_here(connection);
            return false;
        }
        let limits = &self.options.parks;
        let full = self.state.parks.room_for(author, document, &update, limits);
        if let Err(full) = full {
            self.refuse_edit(connection, &full, now);
            return false;
        }
        let at = self.unix_ms(now);
        self.propose_update(connection, update, Some(at));
        true
    }

    /// An edit can be neither applied nor kept. A stock client can only be told by a denial and a final close.
    fn refuse_edit(&mut self, connection: ConnectionId, full: &ParkFull, now: Time) {
        if self.is_stock(connection) {
            self.send(connection, Outgoing::Denied(full.to_string()));
            self.close(connection, Ending::Locked, full.to_string(), now);
        } else {
            self.complain(connection, ErrorCode::ParkFull, full.to_string(), false);
        }
    }

    /// Takes up what was kept aside and can come now, after the document changed. One piece for each connection: its
    /// own record brings the next.
    pub(crate) fn retry_aside(&mut self, now: Time) {
        let waiting: Vec<ConnectionId> = self.aside.iter().copied().collect();
        for connection in waiting {
            let document = self.state.document.state();
            let Some(here) = self.connections.get_mut(&connection) else {
                continue;
            };
            let verdict = here.handshake.retry(document);
            if !here.handshake.is_incomplete() {
                self.aside.remove(&connection);
            }
            match verdict {
                Some(verdict) => {
                    self.judge_again |= self.follow_verdict(connection, verdict, None, now);
                }
                None => continue,
            }
        }
    }
}

fn is_known(document: &State, update: &[u8]) -> bool {
    scan(update).is_ok_and(|scanned| matches!(document.judge(&scanned), Judgement::Known))
}
