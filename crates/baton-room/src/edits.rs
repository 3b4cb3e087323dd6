//! Updates on their way in: judged, admitted, set aside or refused.
//!
//! Owns the step from an update to a proposal. Against what the document knows, or under somebody else's lock against
//! the document with the session's park laid over it. Applying is not done here: only a record is applied.

use std::sync::Arc;
use std::time::Duration;

use baton_presence::{SessionId, Time};
use baton_sync::channel::{ErrorCode, ServerMessage};
use baton_sync::handshake::{Basis, HandshakeError, Incomplete, Kind, Verdict};
use baton_sync::originals::{Clash, Contents};
use baton_sync::scan::{scan, scan_within};
use baton_sync::state::{Judgement, State as Known};
use bytes::Bytes;

use crate::admission::Way;
use crate::connection::{Channel, Held};
use crate::output::{ConnectionId, Ending, Outgoing};
use crate::park_limits::ParkFull;
use crate::parks::Author;
use crate::record::Placing;
use crate::room::Room;
use crate::state::{Effect, State};
use crate::token::Source;

/// Time that a large update which is kept aside waits after something changed for it: it is not looked through again at
/// every letter that comes.
const LARGE_AGAIN: Duration = Duration::from_millis(250);

const KEPT: &str = "an edit builds on something that neither you nor the document has; it is kept aside until somebody brings that, and is not saved yet";

const TOO_LARGE: &str = "an edit builds on something that the document does not have yet, and is too large to be kept aside until that comes (max_aside): it was not taken, and nothing from it on is called saved on this connection. It is asked for again when it can come; to hear of it as saved, connect again";

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
            // Before anything looks into it: what it may cost is bounded by what it may hold.
            if let Err(error) = scan_within(update, &self.options.handshake.update) {
                let fault = HandshakeError::from(error);
                return self.malformed(connection, &fault.to_string(), now);
            }
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
        let basis = self.state.basis(author, update);
        let Some(here) = self.connections.get_mut(&connection) else {
            return false;
        };
        let verdict = here.handshake.incoming(update.clone(), kind, basis);
        if here.channel != Channel::Closed {
            self.unsaved.insert(connection);
        }
        let mut proposed = self.follow_verdict(connection, verdict, Some(update), now);
        proposed |= self.retry_one(connection, now);
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
            Verdict::Refuse(HandshakeError::Clash(clash)) => self.clashed(connection, clash, now),
            Verdict::Refuse(fault) => self.malformed(connection, &fault.to_string(), now),
        }
        false
    }

    /// Another client writes under the same id. A stock client can only be told by a denial and a final close.
    fn clashed(&mut self, connection: ConnectionId, clash: Clash, now: Time) {
        if self.is_stock(connection) {
            self.send(connection, Outgoing::Denied(clash.to_string()));
            self.close(connection, Ending::Protocol, clash.to_string(), now);
        } else {
            self.complain_of_edit(connection, ErrorCode::ClientId, clash.to_string(), false);
        }
    }

    /// Complains of an edit, which may have come before its sender's welcome is durable.
    fn complain_of_edit(
        &mut self,
        connection: ConnectionId,
        code: ErrorCode,
        message: String,
        retry: bool,
    ) {
        let here = self.connections.get(&connection);
        if here.is_some_and(|here| here.channel == Channel::Opening) {
            let error = ServerMessage::Error {
                code,
                message,
                retry,
            };
            self.hold(Held::To(connection, Arc::new(error)));
        } else {
            self.complain(connection, code, message, retry);
        }
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
            if !self.may_store(connection, &update, now) {
                return false;
            }
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
            self.refuse_edit(connection, update, &full, now);
            return false;
        }
        if !self.may_store(connection, &update, now) {
            return false;
        }
        let at = self.unix_ms(now);
        self.propose_update(connection, update, Some(at));
        true
    }

    /// An edit can be neither applied nor kept. A stock client can only be told by a denial and a final close.
    fn refuse_edit(&mut self, connection: ConnectionId, update: Bytes, full: &ParkFull, now: Time) {
        if let Some(here) = self.connections.get_mut(&connection) {
            here.handshake.refused(update);
        }
        if self.is_stock(connection) {
            self.send(connection, Outgoing::Denied(full.to_string()));
            self.close(connection, Ending::Locked, full.to_string(), now);
        } else {
            self.complain_of_edit(connection, ErrorCode::ParkFull, full.to_string(), false);
        }
    }

    /// The record of an edit has its position. An edit that neither entered the document nor a park there was overtaken
    /// by another record, and is judged again.
    pub(crate) fn settle_update(
        &mut self,
        connection: ConnectionId,
        position: u64,
        effects: &[Effect],
    ) {
        let Some(sender) = self.connections.get_mut(&connection) else {
            return;
        };
        let nothing = effects.iter().find_map(|effect| match effect {
            Effect::Nothing(update) => Some(update.clone()),
            _ => None,
        });
        match nothing {
            Some(update) => {
                sender.handshake.overtaken(update);
                self.aside.insert(connection);
            }
            None => sender.handshake.settled(position),
        }
    }

    /// This update is in the document, or in the park of one connection's session: what is kept aside for want of it
    /// is to be judged again.
    pub(crate) fn wake_aside(&mut self, update: &[u8], only: Option<ConnectionId>) {
        if self.aside.is_empty() {
            return;
        }
        let Ok(scanned) = scan(update) else {
            return;
        };
        for connection in &self.aside {
            let meant = only.is_none_or(|only| only == *connection);
            let Some(here) = self.connections.get_mut(connection).filter(|_| meant) else {
                continue;
            };
            for range in scanned.inserts() {
                here.handshake.changed(range.client, range.end);
            }
        }
    }

    /// Takes up what was kept aside and can come now.
    pub(crate) fn retry_aside(&mut self, now: Time) {
        let waiting: Vec<ConnectionId> = self.aside.iter().copied().collect();
        for connection in waiting {
            self.judge_again |= self.retry_one(connection, now);
        }
    }

    /// Takes up what one connection has aside, up to the first piece that becomes a record: that brings the next. Says
    /// whether one does.
    fn retry_one(&mut self, connection: ConnectionId, now: Time) -> bool {
        let mut proposed = false;
        let author = self.author_of(connection);
        while !proposed {
            let state = &self.state;
            let Some(here) = self.connections.get_mut(&connection) else {
                return false;
            };
            let verdict = here.handshake.retry(|update| state.basis(author, update));
            let Some(verdict) = verdict else {
                break;
            };
            proposed = self.follow_verdict(connection, verdict, None, now);
        }
        self.tell_incomplete(connection);
        let Some(here) = self.connections.get(&connection) else {
            return proposed;
        };
        if here.handshake.is_waiting() {
            self.aside.insert(connection);
        } else if !proposed {
            self.aside.remove(&connection);
        }
        if here.handshake.has_large() && self.large_due.is_none() {
            self.large_due = Some(now + LARGE_AGAIN);
        }
        if !here.deferred.is_empty() && !here.handshake.awaits_answer() && here.withheld.is_empty()
        {
            self.take_up_deferred(connection, now);
        }
        proposed
    }

    /// Large updates that are kept aside are judged again, if some were woken and their time has come.
    pub(crate) fn retry_large(&mut self, now: Time) {
        if self.large_due.is_none_or(|due| now < due) {
            return;
        }
        self.large_due = None;
        for connection in &self.aside {
            if let Some(here) = self.connections.get_mut(connection) {
                here.handshake.take_large();
            }
        }
        self.retry_aside(now);
    }

    fn tell_incomplete(&mut self, connection: ConnectionId) {
        let here = self.connections.get_mut(&connection);
        let Some(incomplete) = here.and_then(|here| here.handshake.take_complaint()) else {
            return;
        };
        let message = match incomplete {
            Incomplete::Kept => KEPT,
            Incomplete::TooLarge => TOO_LARGE,
        };
        self.complain_of_edit(connection, ErrorCode::Incomplete, message.to_owned(), true);
    }
}

impl State {
    /// The states and blocks by which an update of this author is judged.
    fn basis(&self, author: Author, update: &Bytes) -> Basis<'_> {
        let admission = self.admission(author, update);
        let contents = Contents::of(&self.document);
        Basis {
            document: self.document.state(),
            park: admission.over.as_ref().map(|park| park.known),
            contents: Some(match &admission.over {
                Some(park) => contents.with(park.originals),
                None => contents,
            }),
        }
    }
}

fn is_known(document: &Known, update: &[u8]) -> bool {
    scan(update).is_ok_and(|scanned| matches!(document.judge(&scanned), Judgement::Known))
}
