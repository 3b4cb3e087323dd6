//! Handles the server's frames: the sync handshake and Baton's channel.
//!
//! Functions over the core's state. A frame that cannot be read ends the connection: it may have
//! been an edit, and only a new handshake brings the copy in step again.

use std::time::Duration;

use baton_sync::compressed_update::decompress;
use baton_sync::control_channel::{
    ClientMessage, ErrorCode, LockView, ParkView, PeerView, Right, ServerMessage, TimingsMs,
};
use baton_sync::y_websocket::{self, Message};
use baton_sync::{ApplyError, ClientId, StateVector};
use rand::RngExt;

use super::connection::ConnectionPhase;
use super::lifecycle::{end_broken, lost, renew, report_awareness, send_unsent};
use super::lock_messages;
use super::operation::ParkContent;
use super::state::CoreState;
use crate::close_cause::CloseCause;
use crate::dual_clock::Moment;
use crate::events::{ClientEvent, Visibility};
use crate::lock_tracker::{EditBlock, Welcomed};
use crate::options::{DivergencePolicy, ResumeTicket};

/// The message types that a server of this version sends. Another type is a newer server's, and is
/// ignored.
const TYPES: &[&str] = &[
    "welcome",
    "rights",
    "token-expiring",
    "beat",
    "peer",
    "lock",
    "offer",
    "granted",
    "lost",
    "drain",
    "requested",
    "request-over",
    "idle-warning",
    "result",
    "saved",
    "parked",
    "park",
    "park-content",
    "error",
];

/// The parts of a welcome that are kept.
struct Welcome {
    ticket: ResumeTicket,
    resumed: bool,
    epoch: u32,
    timings: TimingsMs,
    rights: Vec<Right>,
    roster: Vec<PeerView>,
    lock: LockView,
    parks: Vec<ParkView>,
}

/// Handles a binary message.
pub(super) fn frame(core: &mut CoreState, now: Moment, frame: &[u8]) {
    core.connection.heard(now);
    let phase = core.connection.phase();
    if !matches!(
        phase,
        ConnectionPhase::Open | ConnectionPhase::Retiring | ConnectionPhase::Leaving
    ) {
        return;
    }
    match y_websocket::decode(frame) {
        // These concern the copy that was set aside.
        Ok(
            Message::Step1(_)
            | Message::Step2(_)
            | Message::Update(_)
            | Message::CompressedStep2(_)
            | Message::CompressedUpdate(_),
        ) if core.connection.is_retiring() => {}
        Ok(Message::Step1(vector)) => match StateVector::decode(vector) {
            Ok(vector) => step1(core, &vector),
            Err(error) => give_up(core, now, &format!("its Step1 cannot be read: {error}")),
        },
        Ok(Message::Step2(update)) => step2(core, now, update),
        Ok(Message::Update(update)) => self::update(core, now, update),
        Ok(Message::CompressedStep2(payload)) => compressed(core, now, payload, step2),
        Ok(Message::CompressedUpdate(payload)) => compressed(core, now, payload, update),
        Ok(Message::Baton(payload)) => channel(core, now, payload),
        Ok(Message::AuthDenied(reason)) => core.out.event(ClientEvent::Error {
            code: ErrorCode::Protocol,
            message: format!("the server denies access: {reason}"),
            retry: false,
        }),
        Ok(Message::Awareness(payload)) => awareness(core, now, payload),
        Ok(Message::QueryAwareness) => core.awareness.queried(),
        Ok(Message::Barrier(_) | Message::Unknown(_)) => {}
        Err(error) => give_up(core, now, &error.to_string()),
    }
}

fn awareness(core: &mut CoreState, now: Moment, payload: &[u8]) {
    let own = core.copy.client();
    match core.awareness.receive(now.monotonic, own, payload) {
        Ok(change) => report_awareness(core, change),
        Err(error) => give_up(core, now, &format!("its awareness cannot be read: {error}")),
    }
}

/// Ends the connection, which is of no more use.
fn give_up(core: &mut CoreState, now: Moment, reason: &str) {
    core.out.fault(
        ErrorCode::Protocol,
        format!("the server is at fault ({reason}); nothing was lost; this client reconnects"),
    );
    lost(core, now, CloseCause::Protocol(reason.to_owned()));
}

fn step1(core: &mut CoreState, vector: &StateVector) {
    match core.copy.answer_step1(vector, &mut core.out) {
        Ok(()) => report_drained(core),
        Err(broken) => end_broken(core, &broken),
    }
}

fn step2(core: &mut CoreState, now: Moment, update: &[u8]) {
    let received = core.copy.receive_step2(update, &mut core.out);
    applied(core, now, received);
    note_health(core);
}

fn update(core: &mut CoreState, now: Moment, update: &[u8]) {
    let received = core.copy.receive_update(update, &mut core.out);
    applied(core, now, received);
}

/// Receives what a compressed update stands for. Nothing of a damaged one, or of one that is larger
/// than a message may be, is received.
fn compressed(
    core: &mut CoreState,
    now: Moment,
    payload: &[u8],
    receive: impl FnOnce(&mut CoreState, Moment, &[u8]),
) {
    match decompress(payload, core.options.max_message) {
        Ok(update) => receive(core, now, &update),
        Err(error) => give_up(core, now, &error.to_string()),
    }
}

/// Acts on the failure of an update, if it failed.
fn applied(core: &mut CoreState, now: Moment, received: Result<(), ApplyError>) {
    match received {
        Ok(()) => {}
        Err(ApplyError::Broken(broken)) => end_broken(core, &broken),
        Err(error) => give_up(core, now, &error.to_string()),
    }
}

/// Notes that all is well, and resets the delays between attempts, once the server has both
/// welcomed this client and sent its document. A server that welcomes and then sends rubbish is
/// otherwise tried again at once for ever.
fn note_health(core: &mut CoreState) {
    if core.copy.is_synced() && core.connection.is_welcomed() {
        core.connection.reset_failures();
        core.was_ready = true;
    }
}

fn channel(core: &mut CoreState, now: Moment, payload: &str) {
    match ServerMessage::decode(payload) {
        Ok(message) => server_message(core, now, message),
        Err(_) if is_newer(payload) => {}
        Err(error) => give_up(core, now, &error.to_string()),
    }
}

fn server_message(core: &mut CoreState, now: Moment, message: ServerMessage) {
    match message {
        ServerMessage::Welcome {
            version: _,
            session,
            token,
            resumed,
            epoch,
            timings,
            rights,
            roster,
            lock,
            parks,
            encoding: _,
        } => {
            let ticket = ResumeTicket {
                session,
                token,
                fences: Vec::new(),
            };
            let welcome = Welcome {
                ticket,
                resumed,
                epoch,
                timings,
                rights,
                roster,
                lock,
                parks,
            };
            welcomed(core, welcome);
        }
        ServerMessage::Rights { rights } => rights_changed(core, now, rights),
        ServerMessage::TokenExpiring { left_ms } => {
            let left = Duration::from_millis(left_ms);
            core.tokens.ask();
            core.out.event(ClientEvent::TokenExpiring { left });
        }
        ServerMessage::Beat { n, confirmed } => beat(core, now, n, confirmed),
        ServerMessage::Peer { peer } => {
            core.session.peer_changed(&peer);
            core.out.event(ClientEvent::Peer(peer));
        }
        ServerMessage::Result {
            nonce,
            outcome,
            message,
        } => {
            let (locks, out) = (&mut core.locks, &mut core.out);
            core.pending.result(nonce, outcome, message, locks, out);
        }
        ServerMessage::Saved { updates } => saved(core, now, updates),
        ServerMessage::Parked { id, reason } => {
            // Other notices concern later edits of a copy that was set aside already.
            if core.copy.is_step1_answered() {
                core.out.event(ClientEvent::Parked { id, reason });
                // A suggestion: a fresh copy of a reader could suggest the same again and again.
                if !core.session.is_read_only() {
                    diverge(core, now, Some(id));
                }
            }
        }
        ServerMessage::Park { park } => core.parked.park_changed(park, &mut core.out),
        ServerMessage::ParkContent {
            nonce,
            id: _,
            parts,
            truncated,
        } => {
            let content = ParkContent { parts, truncated };
            core.pending.park_content(nonce, content, &mut core.out);
        }
        ServerMessage::Error {
            code,
            message,
            retry,
        } => {
            core.out.event(ClientEvent::Error {
                code,
                message,
                retry,
            });
            let refused = matches!(code, ErrorCode::ParkFull | ErrorCode::ClientId);
            // The server takes nothing more of this copy: its parks are full, or its client id is
            // another client's. A fresh copy has a new id.
            if refused
                && core.copy.is_step1_answered()
                && core.options.divergence == DivergencePolicy::Afresh
            {
                diverge(core, now, None);
            }
        }
        about_locks => {
            let claim = core.options.claim;
            lock_messages::receive(&mut core.locks, &mut core.out, claim, now, about_locks);
            report_drained(core);
        }
    }
}

/// Follows a change of this session's rights. The server asks for edits that it did not take while
/// this session could only read; on a new connection it also counts them as saved.
fn rights_changed(core: &mut CoreState, now: Moment, rights: Vec<Right>) {
    let was_read_only = core.session.is_read_only();
    core.session.rights_changed(rights.clone());
    core.out.event(ClientEvent::Rights(rights));
    if core.session.holds_no_lock() {
        core.locks.right_lost();
    }
    if was_read_only && !core.session.is_read_only() && !core.copy.acks().all_durable() {
        lost(core, now, CloseCause::RightsReturned);
    }
}

fn welcomed(core: &mut CoreState, welcome: Welcome) {
    let Welcome {
        ticket,
        resumed,
        epoch,
        timings,
        rights,
        roster,
        lock,
        parks,
    } = welcome;
    let session = ticket.session;
    let silent_after = Duration::from_millis(timings.server_silent_after);
    core.tokens.welcomed();
    core.connection.welcomed(silent_after);
    note_health(core);
    core.session
        .welcomed(ticket, epoch, timings, rights, roster);
    let locks = core.locks.welcomed(&Welcomed {
        session,
        resumed,
        view: &lock,
        client_stop: Duration::from_millis(timings.client_stop),
    });
    core.out.event(ClientEvent::Welcome { session, resumed });
    core.out.event(ClientEvent::Lock(lock));
    core.parked.replace_parks(parks, &mut core.out);
    core.pending.send_again(&mut core.locks, &mut core.out);
    lock_messages::report(&mut core.out, locks.effects);
    if let Some(scope) = locks.ask_again {
        let (locks, out) = (&mut core.locks, &mut core.out);
        core.pending.acquire_again(scope, locks, out);
    }
    report_drained(core);
}

/// Answers a beat, and renews the leases by the answers that it confirms.
fn beat(core: &mut CoreState, now: Moment, n: u64, confirmed: u64) {
    let idle = now.since(&core.last_input);
    core.out.say(&ClientMessage::Answer {
        n,
        visible: core.visibility == Visibility::Visible,
        idle_ms: u64::try_from(idle.as_millis()).unwrap_or(u64::MAX),
    });
    core.locks.answered(n, now);
    core.locks.confirmed(confirmed);
}

/// Notes that the first `updates` sync messages of this connection are durable.
fn saved(core: &mut CoreState, now: Moment, updates: u64) {
    if !core.connection.is_retiring() {
        core.copy.acknowledged(updates, &mut core.out);
    } else if core.connection.carried_all_of_retired(updates) {
        core.parked.newest_draft_is_in_park(&mut core.out);
        renew(core, now);
    }
}

/// Tells the server of each grant that drains, once all edits made under it are on their way.
fn report_drained(core: &mut CoreState) {
    // Before the server's Step1, edits made offline are not on their way. A copy that was set aside
    // has sent all it had.
    let all_sent = core.copy.is_step1_answered() || core.connection.is_retiring();
    if !all_sent || !core.connection.is_welcomed() {
        return;
    }
    let undrained = core.locks.undrained();
    if !undrained.is_empty() {
        send_unsent(core);
    }
    for fence in undrained {
        core.out.say(&ClientMessage::Drained { fence });
        core.locks.drained(fence);
    }
}

/// Acts on edits of this copy that can never reach the document: sets the copy aside, or stops.
/// `park` has the edits; `None` if the server took none of them.
fn diverge(core: &mut CoreState, now: Moment, park: Option<u64>) {
    let afresh = core.options.divergence == DivergencePolicy::Afresh;
    if !afresh || !core.parked.has_room_for_draft() {
        core.copy.stop();
        core.locks.block_edits(EditBlock::Diverged);
        return;
    }
    let client = ClientId::from(core.rng.random::<u32>());
    let (draft, sent) = match core.copy.set_aside(park, client, &mut core.out) {
        Ok(set_aside) => set_aside,
        Err(broken) => return end_broken(core, &broken),
    };
    core.parked.add_draft(draft.clone());
    core.out.event(ClientEvent::Diverged { park, draft });
    // The server takes what comes on this connection for more of the old copy: the fresh copy is
    // filled over another one.
    core.connection.retire(now, sent);
    if park.is_none() {
        // The server will acknowledge nothing of the old copy, so there is nothing to wait for.
        renew(core, now);
    }
}

/// Returns true if this is a sound message of a type that is newer than this crate.
fn is_newer(payload: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(payload)
        .ok()
        .and_then(|value| Some(!TYPES.contains(&value.get("type")?.as_str()?)))
        .unwrap_or(false)
}
