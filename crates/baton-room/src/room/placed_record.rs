//! A record at its position: its effects on the owners of a room, and what follows from them.

use baton_presence::{Change, Event, Time};

use super::reactions::carry_out;
use super::{Room, erasure, other_hosts};
use crate::context::context;
use crate::intake::{judge_placed, judge_returned, own_merges};
use crate::message::{ConnectionId, Departure, Ending};
use crate::reaction::{Origin, ProposedRecord};
use crate::replica::{CheckedUpdate, Effect, Record};
use crate::sessions::Channel;
use crate::token::ResumeToken;

/// A record that has its position in the log.
pub(super) struct PlacedRecord {
    pub(super) position: u64,
    pub(super) record: Record,
    /// Its update, if it came from a client.
    pub(super) checked: Option<CheckedUpdate>,
    pub(super) origin: Origin,
    /// The end of its connection, if that came while it was in flight.
    pub(super) left: Option<Departure>,
}

impl PlacedRecord {
    /// A record that this room has not proposed.
    pub(super) const fn of_another(position: u64, record: Record) -> Self {
        Self {
            position,
            record,
            checked: None,
            origin: Origin::Unanswered,
            left: None,
        }
    }

    /// Applies it, and lets sessions, intake and outbound follow, in this order.
    pub(super) fn apply_to(self, room: &mut Room, now: Time) {
        let Self {
            position,
            record,
            checked,
            origin,
            left,
        } = self;
        room.now = now;
        if matches!(record, Record::Erased { .. }) {
            return erasure::carry_out(room, position, record, now);
        }
        if let Record::HostLost { host, .. } = record {
            other_hosts::remove_awareness(room, host, now);
        }
        if let (Origin::Streamed(connection, streamed), Some(update)) = (&origin, &checked) {
            let mut out = Vec::new();
            let cx = context!(room, now);
            judge_placed(
                &mut room.intake,
                *connection,
                *streamed,
                update,
                cx,
                &mut out,
            );
            carry_out(room, out, now);
        }
        let note = record.note();
        let note = note.map(|(session, note)| (session, note.to_owned()));
        let mut effects = std::mem::take(&mut room.effects);
        room.state.apply(position, record, checked, &mut effects);
        let changes: Vec<Change> = effects.iter().filter_map(Effect::change).cloned().collect();
        let mut locks_changed = effects.iter().any(Effect::is_about_presence);
        if locks_changed {
            room.sessions.follow(&room.state, &changes, now);
        }
        // Before the others are told, so that they are told of a session that is here.
        match &origin {
            Origin::Update(connection) | Origin::Streamed(connection, _) => {
                let inboxes = room.intake.inboxes_mut();
                let streamed = matches!(origin, Origin::Streamed(..));
                locks_changed |= inboxes.settle_update(*connection, position, streamed, &effects);
            }
            Origin::Join(connection, token) => {
                attach(room, (*connection, left), *token, &changes, now);
            }
            Origin::Resume(connection, resumption) => {
                attach(room, (*connection, left), resumption.token, &changes, now);
                if let Some(session) = room.sessions.session_of(*connection) {
                    room.sessions.keep_unproven(session, resumption.shown);
                }
            }
            Origin::Unanswered
            | Origin::Operation(..)
            | Origin::Request(..)
            | Origin::FenceMessage(_) => {}
        }
        if room.options.host.is_some() {
            other_hosts::follow(room, &origin, &changes, now);
        }
        // Of a request at another host, whose holder may be here.
        if let Some((session, note)) = note {
            room.outbound.keep_note(session, &note, &effects);
        }
        let updated = room.intake.inboxes_mut().wake(&effects, origin.author());
        let inboxes = room.intake.inboxes();
        room.outbound
            .notify(&effects, &origin, inboxes, context!(room, now));
        propose_further(room, &changes);
        let mut out = std::mem::take(&mut room.reactions);
        let cx = context!(room, now);
        for change in &changes {
            if let Change::Rights { session, .. } = change
                && let Some(connection) = cx.sessions.connection_of(*session)
            {
                room.intake.follow_rights(connection, cx, &mut out);
            }
        }
        if let Some(author) = origin.author() {
            judge_returned(&mut room.intake, author, cx, &mut out);
        }
        room.intake
            .follow_record(updated, locks_changed, cx, &mut out);
        carry_out(room, out, now);
        if !changes.is_empty() {
            room.outbound.show_locks(context!(room, now));
        }
        effects.clear();
        room.effects = effects;
    }
}

/// Proposes the records that changes of locks bring with them.
fn propose_further(room: &mut Room, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Granted { to, .. } | Change::Resumed { by: to, .. }
                if other_hosts::judges(room, *to) =>
            {
                let merges = own_merges(&room.state, *to, room.options.unix_ms(room.now));
                let merges = merges.into_iter().map(ProposedRecord::unanswered);
                room.proposals.extend(merges);
            }
            Change::Unsettled => room
                .proposals
                .push_back(ProposedRecord::event(Event::Settle)),
            _ => {}
        }
    }
}

/// Gives a connection the session that its record made. An older connection is superseded. A
/// session whose connection has gone meanwhile ends: its client never hears of it, but may have
/// another token for one that went on.
fn attach(
    room: &mut Room,
    (connection, left): (ConnectionId, Option<Departure>),
    token: ResumeToken,
    changes: &[Change],
    now: Time,
) {
    let Some(attachment) = room.sessions.attach(connection, changes, now) else {
        // Another connection of the session was faster, or the session is gone.
        let reason = "this session is gone; connect again".to_owned();
        return room.close(connection, Ending::Unavailable, reason, now);
    };
    if let Some(older) = attachment.superseded {
        let reason = "this session went on over another connection".to_owned();
        room.close(older, Ending::Superseded, reason, now);
    }
    let session = attachment.session;
    let Some(channel) = attachment.channel else {
        let event = if attachment.resumed && left != Some(Departure::Done) {
            Event::Disconnected { session }
        } else {
            Event::Done { session }
        };
        return room.proposals.push_back(ProposedRecord::event(event));
    };
    if attachment.resumed {
        let until = now + room.options.timings.offline_after;
        room.intake.expect_resync(connection, until);
    }
    if channel != Channel::Closed {
        let cx = context!(room, now);
        room.outbound.welcome(connection, &attachment, token, cx);
    }
    // They may have changed while the session was on its way.
    let event = room.sessions.rights_event(connection, &room.state);
    room.proposals.extend(event.map(ProposedRecord::event));
    let edits = room.in_flight.take_unattached(connection);
    room.proposals.extend(edits);
}
