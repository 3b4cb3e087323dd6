//! What people say, valid by construction: fences that were given out, sessions that exist, names of root types.

use arbitrary::{Result, Unstructured};
use baton_sync::control_channel::{ClientMessage, FencingToken, LockMode, Paths, Resume, User};
use baton_sync::lib0::{write_var_string, write_var_uint};

use super::table::{PEOPLE, Table};
use baton_room::Incoming;

/// Somebody comes: as itself, as somebody else, with a token that is no token.
pub(super) fn hello(table: &mut Table, who: usize, u: &mut Unstructured<'_>) -> Result<()> {
    if table.people[who].connection.is_none() || u.ratio(1, 4)? {
        table.connect(who, u.arbitrary()?);
    }
    let resume = match u.int_in_range(0..=5)? {
        0 | 1 => table.people[who].resume.clone(),
        2 => table.people[u.choose_index(PEOPLE)?].resume.clone(),
        3 => Some(Resume {
            session: u.int_in_range(0..=9)?,
            token: u.choose(&["", "00", "no token"])?.to_string(),
        }),
        _ => None,
    };
    let key = ["a secret of ours", "another one of theirs", "short"];
    let hello = ClientMessage::Hello {
        version: if u.ratio(1, 32)? { 2 } else { 1 },
        resume,
        epoch: if u.ratio(1, 16)? {
            u.arbitrary()?
        } else {
            None
        },
        fences: table.people[who]
            .fences
            .iter()
            .rev()
            .take(3)
            .copied()
            .collect(),
        locks: None,
        user: user(u)?,
        user_key: match u.int_in_range(0..=4)? {
            index @ 0..=2 => Some(key[index].to_owned()),
            _ => None,
        },
        client: if u.arbitrary()? {
            Some(u.int_in_range(0..=9)?)
        } else {
            None
        },
        observer: u.ratio(1, 8)?,
        encodings: Vec::new(),
    };
    table.say(who, Incoming::Channel(&hello.encode()));
    Ok(())
}

fn user(u: &mut Unstructured<'_>) -> Result<User> {
    let name = *u.choose(&["Ada", "", "Bob", "\u{202e}mirrored", "😀"])?;
    let long = u.ratio(1, 32)?;
    Ok(User {
        name: name.repeat(if long { 400 } else { 1 }),
        color: "#abc".to_owned(),
        ..User::default()
    })
}

/// Anything but a hello; seldom a second one.
pub(super) fn message(
    table: &Table,
    who: usize,
    u: &mut Unstructured<'_>,
) -> Result<ClientMessage> {
    let nonce = u64::from(u.arbitrary::<u8>()?);
    let fence = fence(table, who, u)?;
    let id = park(table, u)?;
    Ok(match u.int_in_range(0..=21)? {
        0..=2 => ClientMessage::Acquire {
            nonce,
            paths: paths(u)?,
        },
        3 => ClientMessage::Try {
            nonce,
            paths: paths(u)?,
        },
        4 => ClientMessage::Cancel { nonce },
        5 | 6 => ClientMessage::Release { nonce, fence },
        7..=9 => ClientMessage::Claim { fence },
        10 => ClientMessage::Decline {
            fence,
            later: u.arbitrary()?,
        },
        11 => {
            let to = table.people[u.choose_index(PEOPLE)?].resume.as_ref();
            let to = to.map_or(3, |resume| resume.session);
            ClientMessage::Transfer { nonce, fence, to }
        }
        12 => ClientMessage::Request {
            nonce,
            paths: paths(u)?,
            note: "may I?".repeat(usize::from(u.arbitrary::<u8>()?)),
        },
        13 => ClientMessage::TakeOver {
            nonce,
            paths: paths(u)?,
        },
        14 => ClientMessage::MoveHere {
            nonce,
            paths: paths(u)?,
        },
        15 => ClientMessage::Drained { fence },
        16 => ClientMessage::SetMode {
            nonce,
            mode: *u.choose(&[
                LockMode::Open,
                LockMode::ExclusiveWhenHeld,
                LockMode::Required,
            ])?,
        },
        17 => ClientMessage::MergePark { nonce, id },
        18 => ClientMessage::DiscardPark { nonce, id },
        19 => ClientMessage::RecoverPark { nonce, id },
        20 => ClientMessage::ShowPark { nonce, id },
        _ => match u.int_in_range(0..=1)? {
            0 => ClientMessage::Profile { user: user(u)? },
            _ => ClientMessage::Answer {
                n: nonce,
                visible: true,
                idle_ms: u.arbitrary()?,
            },
        },
    })
}

fn fence(table: &Table, who: usize, u: &mut Unstructured<'_>) -> Result<FencingToken> {
    let whose = if u.ratio(1, 8)? {
        u.choose_index(PEOPLE)?
    } else {
        who
    };
    let back = usize::from(u.ratio(1, 4)?);
    let known = table.people[whose].fences.iter().rev().nth(back).copied();
    match known {
        Some(fence) => Ok(fence),
        None => Ok(FencingToken {
            epoch: 1,
            position: u.int_in_range(0..=40)?,
        }),
    }
}

fn park(table: &Table, u: &mut Unstructured<'_>) -> Result<u64> {
    let ids: Vec<u64> = table
        .host
        .room
        .state()
        .parks()
        .map(|park| park.id)
        .collect();
    if ids.is_empty() {
        return u.int_in_range(0..=40);
    }
    Ok(*u.choose(&ids)?)
}

fn paths(u: &mut Unstructured<'_>) -> Result<Paths> {
    let mut paths = Vec::new();
    let many = if u.ratio(1, 64)? { 20 } else { 2 };
    for _ in 0..u.int_in_range(0..=many)? {
        let mut path = Vec::new();
        for _ in 0..u.int_in_range(0..=2)? {
            path.push(
                u.choose(&["t", "title", "body", "7", "map", ""])?
                    .to_string(),
            );
        }
        paths.push(path);
    }
    Ok(paths)
}

pub(super) fn awareness(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut payload = Vec::new();
    let count: u64 = u.int_in_range(0..=4)?;
    write_var_uint(&mut payload, count);
    for _ in 0..count {
        write_var_uint(&mut payload, u.int_in_range(0..=9)?);
        let clock: u64 = if u.ratio(1, 16)? {
            u.arbitrary()?
        } else {
            u.int_in_range(0..=5)?
        };
        write_var_uint(&mut payload, clock);
        let state = *u.choose(&[
            "null",
            "{}",
            "{\"cursor\":1}",
            " null ",
            "[",
            "{\"a\":[[[]]]}",
        ])?;
        write_var_string(&mut payload, state);
    }
    Ok(payload)
}
