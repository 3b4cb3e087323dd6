//! Sessions as clients are shown them: the roster, and the welcome of each.

use baton_presence::{ClientKind, Presence, Rights, SessionHealth, SessionId, SessionRole};
use baton_sync::compressed_update::DEFLATE_RAW;
use baton_sync::control_channel::{PeerStatus, PeerView, ServerMessage, TimingsMs, User, VERSION};

use super::lock_messages::lock_view;
use crate::channel_types::{millis, rights, user};
use crate::context::Context;

/// Returns a session as clients are shown it, also one that has just left.
pub(super) fn peer(session: SessionId, cx: Context<'_>) -> PeerView {
    let person = cx.state.people().known(session);
    let peer = cx.state.locks().peer(session);
    let state = match peer {
        None => PeerStatus::Gone,
        Some(peer) if peer.presence != Presence::Live => PeerStatus::Offline,
        Some(_) => match cx.sessions.health(session, cx.now) {
            SessionHealth::Online => PeerStatus::Online,
            SessionHealth::Shaky => PeerStatus::Shaky,
            SessionHealth::Offline => PeerStatus::Offline,
        },
    };
    PeerView {
        session: session.0,
        user: person.map_or_else(User::default, |person| user(&person.profile)),
        client: person.and_then(|person| person.client),
        state,
        lock: peer.is_some_and(|peer| peer.client_kind == ClientKind::LockAware),
        observer: peer.is_some_and(|peer| peer.role == SessionRole::Observer),
        read_only: peer.is_some_and(|peer| !peer.can_write()),
    }
}

/// Returns the first message to a session, with everything that it has to know, and its resume
/// token in hexadecimal.
pub(super) fn welcome(
    session: SessionId,
    token: String,
    resumed: bool,
    cx: Context<'_>,
) -> ServerMessage {
    let timings = &cx.options.timings;
    let people = cx.state.people().sessions();
    let peer_here = cx.state.locks().peer(session);
    let mine = peer_here.map_or(Rights::NONE, |peer| peer.rights);
    let connection = cx.sessions.connection_of(session);
    let compressed = connection.is_some_and(|here| cx.sessions.takes_compressed(here));
    ServerMessage::Welcome {
        version: VERSION,
        session: session.0,
        token,
        resumed,
        epoch: cx.options.lock_settings.epoch,
        timings: TimingsMs {
            beat_every: millis(timings.beat_every_idle),
            server_silent_after: millis(timings.offline_after),
            offline_after: millis(timings.offline_after),
            offer: millis(timings.offer),
            grace: millis(timings.grace),
            client_stop: millis(timings.client_stop),
            drain: millis(timings.drain),
            request: millis(timings.request),
            idle_yield: millis(timings.idle_yield),
        },
        rights: rights(mine),
        roster: people.map(|here| peer(here, cx)).collect(),
        lock: lock_view(cx.state),
        parks: cx.state.park_views(session),
        encoding: compressed.then(|| DEFLATE_RAW.to_owned()),
    }
}
