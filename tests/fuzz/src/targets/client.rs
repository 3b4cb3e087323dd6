//! The Rust client, as a machine without IO, against a server that says anything: frames of each kind with anything in
//! them, closings, silence. Its document must stay whole, and all that it sends must be such as a server reads.

use std::time::Duration;

use baton_client::sans_io::{
    ConnectionPhase, Moment, Operation, ParkDecision, SansIoClient, SocketWrite,
};
use baton_client::{ClaimPolicy, ClientOptions, CloseCause, DivergencePolicy, LockScope};
use baton_sync::control_channel::ClientMessage;
use baton_sync::y_websocket::{self, Message};
use baton_sync::yrs::{Text, WriteTxn};
use baton_sync::{ClientId, StateVector, scan};

use super::document::same_as_yrs;
use super::script::Script;

pub(crate) fn client(input: &[u8]) {
    let drawn = input.first().copied().unwrap_or(0);
    let mut now = Moment {
        monotonic: Duration::from_secs(100),
        wall: Duration::from_secs(1_800_000_000),
    };
    let mut options = ClientOptions::new("ws://server/ws", "d");
    options.max_queued = 512;
    if drawn & 1 == 1 {
        options.claim = ClaimPolicy::Ask;
    }
    if drawn & 2 == 2 {
        options.divergence = DivergencePolicy::Stop;
    }
    let mut machine = SansIoClient::new(options, ClientId::from(1), u64::from(drawn), now).unwrap();
    machine.connect(now);
    machine.opened(now);
    drain(&mut machine, now);
    for (step, body) in Script::new(input.get(1..).unwrap_or(&[])).take(128) {
        take(&mut machine, now, step, body);
        if step % 16 == 14 {
            let by = Duration::from_millis(u64::from(step) * 50 + body.len() as u64 * 100);
            now.monotonic += by;
            // The wall clock may jump.
            now.wall += if step & 16 == 0 { by } else { by * 60 };
            machine.timeout(now);
        }
        drain(&mut machine, now);
        if machine.phase() == ConnectionPhase::Connecting {
            machine.opened(now);
            drain(&mut machine, now);
        }
    }
    machine.close(now);
    drain(&mut machine, now);
}

fn take(machine: &mut SansIoClient, now: Moment, step: u8, body: &[u8]) {
    let text = || String::from_utf8_lossy(body);
    let scope = match step / 16 % 3 {
        0 => LockScope::whole(),
        1 => LockScope::root("title").unwrap(),
        _ => LockScope::root("body").unwrap(),
    };
    match step % 16 {
        0 => machine.frame(now, body),
        1..=4 => machine.frame(now, &y_websocket::baton(&text())),
        5 => machine.frame(now, &y_websocket::step1_bytes(body)),
        6 => machine.frame(now, &y_websocket::step2(body)),
        7 | 8 => machine.frame(now, &y_websocket::update(body)),
        9 => machine.frame(now, &y_websocket::awareness(body)),
        10 | 11 => {
            let edit = machine.edit_regardless(now, |txn| {
                let text = txn.get_or_insert_text("t");
                text.insert(txn, 0, "word");
            });
            // Refused only when all is over.
            assert!(edit.is_ok() || machine.ended().is_some());
        }
        12 => {
            let number = u64::from(body.first().copied().unwrap_or(0));
            let operation = match step / 16 {
                0..=2 => Operation::Acquire(scope),
                3 => Operation::Try(scope),
                4 => Operation::Cancel(scope),
                5 | 6 => Operation::Release(scope),
                7 => Operation::Transfer(scope, number),
                8 => Operation::Request(scope, text().into_owned()),
                9 => Operation::TakeOver(scope),
                10 => Operation::MoveHere(scope),
                11 | 12 => Operation::Decide(number, ParkDecision::Merge),
                13 => Operation::Decide(number, ParkDecision::Discard),
                _ => Operation::Show(number),
            };
            let _ = machine.ask(operation);
        }
        13 => {
            let code = body.first_chunk().map(|code| u16::from_le_bytes(*code));
            let reason = text().into_owned();
            let cause = match code {
                Some(status) if step & 16 == 0 => CloseCause::Refused {
                    status,
                    retry_after: None,
                },
                Some(code) => CloseCause::Closed { code, reason },
                None => CloseCause::Network(reason),
            };
            machine.lost(now, cause);
        }
        15 => {
            let offers: Vec<_> = machine.offers().collect();
            for fence in offers {
                if step & 16 == 0 {
                    machine.claim(now, fence);
                } else {
                    machine.decline(fence);
                }
            }
        }
        _ => machine.heard(now),
    }
}

/// What it wants sent is read as a server would.
fn drain(machine: &mut SansIoClient, now: Moment) {
    for out in machine.outgoing(usize::MAX) {
        let frame = match out {
            SocketWrite::Frame(frame) => frame,
            SocketWrite::Close(code) => {
                assert!(code == 1000 || (3000..5000).contains(&code), "{code}");
                continue;
            }
        };
        match y_websocket::decode(&frame).unwrap() {
            Message::Step1(vector) => drop(StateVector::decode(vector).unwrap()),
            Message::Step2(update) | Message::Update(update) => drop(scan(update).unwrap()),
            Message::Baton(payload) => drop(ClientMessage::decode(payload).unwrap()),
            Message::Awareness(_) | Message::QueryAwareness => {}
            other => panic!("a client never sends {other:?}"),
        }
    }
    machine.take_output(now);
    let _ = machine.next_timeout(now);
    same_as_yrs(machine.document());
    machine.document().snapshot().unwrap();
}
