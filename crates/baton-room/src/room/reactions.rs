//! The reactions of sessions and intake, as the room carries them out.

use baton_presence::Time;
use bytes::Bytes;

use super::Room;
use crate::context::context;
use crate::message::Outgoing;
use crate::outbound::Released;
use crate::output::Output;
use crate::park_preview::ParkPreview;
use crate::reaction::{Answer, Reaction};

/// Carries out reactions, in order.
pub(super) fn carry_out(room: &mut Room, mut reactions: Vec<Reaction>, now: Time) {
    for reaction in reactions.drain(..) {
        match reaction {
            Reaction::Propose(proposal) => room.proposals.push_back(proposal),
            Reaction::Close(connection, why, reason) => {
                room.close(connection, why, reason, now);
            }
            Reaction::Broadcast(message) => {
                room.outbound.broadcast(None, message, context!(room, now));
            }
            Reaction::Announce(payload) => announce(room, payload, now),
            Reaction::BeatAnswered(session, n, idle) => {
                room.sessions.answered(session, n, idle, now);
            }
            // A reaction of before may have closed it.
            Reaction::Answer(to, _) if !room.sessions.contains(to) => {}
            Reaction::Answer(to, answer) => match answer {
                Answer::Send(message) => room.outbound.send(to, message, now),
                Answer::Tell(message) => {
                    room.outbound.tell(to, message, context!(room, now));
                }
                Answer::Lacking(since) => {
                    let compression = room.sessions.compression_for(to, &room.options);
                    let (inboxes, asks) = (room.intake.inboxes_mut(), (to, &since));
                    let (state, options) = (&mut room.state, &room.options);
                    room.outbound
                        .send_lacking(asks, compression, inboxes, state, options, now);
                }
                Answer::Show { nonce, id, updates } => {
                    let preview = ParkPreview {
                        nonce,
                        id,
                        everything: room.state.everything(),
                        updates,
                    };
                    room.outbound.push(Output::Show { to, preview });
                }
                Answer::Probe(mark) => room.outbound.push(Output::Probe { to, mark }),
                Answer::ParkedBefore(id) => {
                    room.outbound.tell_parked(to, id, context!(room, now));
                    // It may be durable already, and then no commit comes to tell it.
                    release(room, now);
                }
                Answer::Echo(update) => {
                    room.outbound.hold_echo(to, update, context!(room, now));
                    release(room, now);
                }
                Answer::Receipts => {
                    let inboxes = room.intake.inboxes_mut();
                    room.outbound
                        .tell_receipts(to, inboxes, context!(room, now));
                }
            },
        }
    }
    room.reactions = reactions;
}

/// Tells everything that waited for the disk and is durable.
pub(super) fn release(room: &mut Room, now: Time) {
    while let Some(released) = room.outbound.release(context!(room, now)) {
        match released {
            Released::Welcome(to, message) => {
                room.sessions.open_channel(to);
                room.outbound
                    .send_channel(to, &message, context!(room, now));
            }
            Released::Close(to, why, reason) => room.close(to, why, reason, now),
        }
    }
}

/// Sends an awareness payload about clients here to every connection, and to the other hosts.
pub(super) fn announce(room: &mut Room, payload: Bytes, now: Time) {
    if room.options.host.is_some() {
        room.outbound.push(Output::Relay(payload.clone()));
    }
    let message = Outgoing::Awareness(payload);
    room.outbound.broadcast(None, message, context!(room, now));
}
