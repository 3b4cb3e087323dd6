//! A whole room: people come, say what a client could say and what none would, go, fall silent; the disk is late; the
//! server is killed, and starts again from its log. After every start the room is what it was.
//!
//! What is said is valid by construction (an edit goes on from its author's copy, a fence is one that was given out) and
//! then, sometimes, changed by a byte.

mod table;
mod words;

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use baton_room::{Departure, Ending, Incoming, SyncKind};
use bytes::Bytes;

use self::table::Table;
use super::invented;

pub(crate) fn room(input: &[u8]) {
    let mut u = Unstructured::new(input);
    let mut table = Table::new(u.arbitrary().unwrap_or_default());
    while !u.is_empty() && table.steps < 150 {
        table.steps += 1;
        if step(&mut table, &mut u).is_err() {
            break;
        }
        table.check();
    }
    table.disk_catches_up();
    table.restart();
    table.compact();
    table.restart();
}

fn step(table: &mut Table, u: &mut Unstructured<'_>) -> Result<()> {
    let who = u.choose_index(table::PEOPLE)?;
    match u.arbitrary::<u8>()? % 32 {
        0..=2 => table.connect(who, u.arbitrary()?),
        3..=5 => words::hello(table, who, u)?,
        6..=11 => {
            if let Some(update) = table.edit(who, u)? {
                let kind = kind(u)?;
                let update = hurt(u, update)?;
                table.say(who, Incoming::Sync(kind, Bytes::from(update)));
            }
        }
        12 => {
            let update = invented::update(u, table.host.room.state().document().state())?;
            let kind = kind(u)?;
            table.say(who, Incoming::Sync(kind, Bytes::from(update)));
        }
        // Everything that it has, as in an answer to a Step1; or an old piece of it, that comes too early.
        13 => {
            let all = table.people[who].everything();
            let all = hurt(u, all)?;
            table.say(who, Incoming::Sync(SyncKind::Step2, Bytes::from(all)));
        }
        14 | 15 => {
            let vector = table.people[who].vector();
            let vector = hurt(u, vector)?;
            table.say(who, Incoming::Step1(&vector));
        }
        16 => {
            let payload = words::awareness(u)?;
            let payload = hurt(u, payload)?;
            table.say(who, Incoming::Awareness(&payload));
        }
        17 => table.say(who, Incoming::QueryAwareness),
        18..=23 => {
            let message = words::message(table, who, u)?;
            let text =
                String::from_utf8_lossy(&hurt(u, message.encode().into_bytes())?).into_owned();
            table.say(who, Incoming::Channel(&text));
        }
        24 => {
            let how = if u.arbitrary()? {
                Departure::Done
            } else {
                Departure::Dropped
            };
            table.leave(who, how);
        }
        25 | 26 => table.pass(Duration::from_millis(u64::from(u.arbitrary::<u16>()?) / 2)),
        27 => table.stall(u.arbitrary()?),
        28 => table.compact(),
        29 => table.restart(),
        30 => table.crash(),
        _ => match u.int_in_range(0..=3)? {
            // Its bytes say how many sync messages it follows.
            0 if table.steps.is_multiple_of(2) => {
                let version = [table.people[who].sent()];
                table.say(who, Incoming::Barrier(&version));
            }
            0 => table.say(who, Incoming::Other),
            1 => table.heard(who),
            2 => table.malformed(who),
            _ => table.close_all(Ending::GoingAway),
        },
    }
    Ok(())
}

fn kind(u: &mut Unstructured<'_>) -> Result<SyncKind> {
    Ok(if u.ratio(1, 5)? {
        SyncKind::Step2
    } else {
        SyncKind::Update
    })
}

/// Sometimes changed by a byte.
fn hurt(u: &mut Unstructured<'_>, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    if !bytes.is_empty() && u.ratio(1, 8)? {
        let at = u.choose_index(bytes.len())?;
        match u.int_in_range(0..=3)? {
            0 => bytes[at] = u.arbitrary()?,
            1 => bytes.insert(at, u.arbitrary()?),
            2 => bytes.truncate(at),
            _ => drop(bytes.remove(at)),
        }
    }
    Ok(bytes)
}
