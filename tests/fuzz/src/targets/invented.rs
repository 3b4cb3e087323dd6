//! Updates that nobody would make: as odd as the byte rules allow, going on mostly where a document ends, and referring
//! to anything that is there. Chance alone seldom gets past the state rules; these do.

use arbitrary::{Result, Unstructured};
use baton_sync::lib0::{write_var_buf, write_var_string, write_var_uint};
use baton_sync::{Clock, ReplicaIndex};

/// Clients and the clock where each ends.
type Clocks = Vec<(u64, Clock)>;

const ROOTS: [&str; 4] = ["t", "text", "map", ""];

/// An update of at most three clients, with some deletions.
pub(super) fn update(u: &mut Unstructured<'_>, state: &ReplicaIndex) -> Result<Vec<u8>> {
    let known = state.clocks();
    let mut clocks: Clocks = known.map(|(client, clock)| (client.get(), clock)).collect();
    for client in [1, 2, 3] {
        if !clocks.iter().any(|(known, _)| *known == client) {
            clocks.push((client, 0));
        }
    }
    clocks.sort_unstable();
    clocks.truncate(64);
    let mut writers = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        let writer = u.choose_index(clocks.len())?;
        if !writers.contains(&writer) {
            writers.push(writer);
        }
    }
    writers.sort_unstable();
    let mut sections = Vec::new();
    for writer in &writers {
        let (client, end) = clocks[*writer];
        // Mostly where the document ends; sometimes before it, seldom behind it.
        let start = match u.arbitrary::<u8>()? {
            0..200 => end,
            shift @ 200..245 => end.saturating_sub(u32::from(shift - 199)),
            shift => end + u32::from(shift - 244),
        };
        clocks[*writer].1 = start;
        let count: u64 = u.int_in_range(1..=4)?;
        let mut blocks = Vec::new();
        for _ in 0..count {
            clocks[*writer].1 += block(u, &clocks, &mut blocks)?;
        }
        sections.push((client, start, count, blocks));
    }
    let mut out = Vec::new();
    write_var_uint(&mut out, sections.len() as u64);
    for (client, start, count, blocks) in sections.iter().rev() {
        write_var_uint(&mut out, *count);
        write_var_uint(&mut out, *client);
        write_var_uint(&mut out, u64::from(*start));
        out.extend_from_slice(blocks);
    }
    deletions(u, &clocks, &mut out)?;
    Ok(out)
}

/// Some unit that is there, or will be after this update; seldom another.
fn id(u: &mut Unstructured<'_>, clocks: &Clocks, out: &mut Vec<u8>) -> Result<()> {
    let (client, clock) = *u.choose(clocks)?;
    write_var_uint(out, client);
    let back: u8 = u.arbitrary()?;
    let at = match back {
        0..240 => clock.saturating_sub(1 + u32::from(back) % clock.clamp(1, 24)),
        _ => clock + u32::from(back - 240),
    };
    write_var_uint(out, u64::from(at));
    Ok(())
}

/// A block, and how many units it has.
fn block(u: &mut Unstructured<'_>, clocks: &Clocks, out: &mut Vec<u8>) -> Result<Clock> {
    if u.ratio(1, 25)? {
        let len = u.int_in_range(1..=3)?;
        out.extend([if u.ratio(1, 6)? { 10 } else { 0 }, len]);
        return Ok(Clock::from(len));
    }
    let content = *u.choose(&[1, 3, 4, 4, 4, 5, 6, 7, 7, 8, 8, 9])?;
    let flags = *u.choose(&[0x00, 0x80, 0x80, 0x40, 0xc0, 0xc0, 0x20, 0xa0, 0x60, 0xe0])?;
    out.push(content | flags);
    if flags & 0x80 != 0 {
        id(u, clocks, out)?;
    }
    if flags & 0x40 != 0 {
        id(u, clocks, out)?;
    }
    if flags & 0xc0 == 0 {
        if u.arbitrary()? {
            out.push(1);
            write_var_string(out, u.choose(&ROOTS)?);
        } else {
            out.push(0);
            id(u, clocks, out)?;
        }
        if flags & 0x20 != 0 {
            write_var_string(out, u.choose(&["k", "key", ""])?);
        }
    }
    self::content(u, content, out)
}

fn content(u: &mut Unstructured<'_>, content: u8, out: &mut Vec<u8>) -> Result<Clock> {
    let few: u8 = u.int_in_range(1..=4)?;
    match content {
        1 => {
            // A deleted run may be as long as clocks go, and costs nothing on the wire.
            let len = if u.ratio(1, 16)? {
                u.int_in_range(1..=1 << 30)?
            } else {
                u32::from(few)
            };
            write_var_uint(out, u64::from(len));
            return Ok(len);
        }
        3 => write_var_buf(out, u.bytes(usize::from(few).min(u.len()))?),
        4 => {
            let text = *u.choose(&["a", "ab", "😀", "a😀b", "ö", "hello", "e\u{301}"])?;
            write_var_string(out, text);
            return Ok(text.encode_utf16().count() as Clock);
        }
        5 => write_var_string(
            out,
            u.choose(&["{\"a\":1}", "[]", "\"x\"", "{\"a\":[null]}"])?,
        ),
        6 => {
            write_var_string(out, u.choose(&["bold", "href", ""])?);
            write_var_string(out, u.choose(&["true", "null", "\"x\"", "{}"])?);
        }
        7 => match *u.choose(&[0, 1, 2, 3, 4, 6])? {
            3 => {
                out.push(3);
                write_var_string(out, "p");
            }
            kind => out.push(kind),
        },
        8 => {
            out.push(few);
            for _ in 0..few {
                any(u, 3, out)?;
            }
            return Ok(Clock::from(few));
        }
        _ => {
            write_var_string(out, u.choose(&["sub", ""])?);
            out.extend([118, 1]);
            write_var_string(out, "autoLoad");
            out.push(120);
        }
    }
    Ok(1)
}

/// A value of `Any` content, at most so deep.
fn any(u: &mut Unstructured<'_>, deep: u8, out: &mut Vec<u8>) -> Result<()> {
    match u.int_in_range(if deep == 0 { 2 } else { 0 }..=11)? {
        0 => {
            out.extend([117, 2]);
            any(u, deep - 1, out)?;
            any(u, deep - 1, out)?;
        }
        1 => {
            out.extend([118, 1]);
            write_var_string(out, u.choose(&["k", "", "__proto__"])?);
            any(u, deep - 1, out)?;
        }
        2 => out.push(127),
        3 => out.push(126),
        4 => {
            out.push(125);
            out.push(u.arbitrary::<u8>()? & 0x7f);
        }
        5 => {
            out.push(124);
            out.extend(u.arbitrary::<[u8; 4]>()?);
        }
        6 => {
            out.push(123);
            out.extend(u.arbitrary::<[u8; 8]>()?);
        }
        7 => {
            out.push(122);
            out.extend(u.arbitrary::<[u8; 8]>()?);
        }
        8 => out.push(121),
        9 => out.push(120),
        10 => {
            out.push(119);
            write_var_string(out, u.choose(&["", "x", "😀"])?);
        }
        _ => {
            out.push(116);
            write_var_buf(out, u.bytes(2.min(u.len()))?);
        }
    }
    Ok(())
}

fn deletions(u: &mut Unstructured<'_>, clocks: &Clocks, out: &mut Vec<u8>) -> Result<()> {
    let mut deleted = Vec::new();
    for (client, clock) in clocks {
        if *clock > 0 && u.ratio(1, 4)? {
            deleted.push((*client, *clock));
        }
    }
    write_var_uint(out, deleted.len() as u64);
    for (client, clock) in deleted {
        write_var_uint(out, client);
        let mut ranges = Vec::new();
        let mut at = u.int_in_range(0..=clock - 1)?;
        while at < clock && ranges.len() < 3 {
            let most = (clock - at).min(4);
            let past = u32::from(u.ratio(1, 30)?);
            let len = u.int_in_range(1..=most)? + past;
            ranges.push((at, len));
            at += len + u.int_in_range(0..=7)?;
        }
        write_var_uint(out, ranges.len() as u64);
        for (start, len) in ranges {
            write_var_uint(out, u64::from(start));
            write_var_uint(out, u64::from(len));
        }
    }
    Ok(())
}
