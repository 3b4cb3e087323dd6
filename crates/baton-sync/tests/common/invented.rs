//! Updates that are as odd as the rules of scanner and state allow.

use baton_sync::lib0::{write_var_string, write_var_uint};
use baton_sync::{Clock, ReplicaIndex};

use super::Dice;

/// An update of few blocks by few clients, that mostly goes on where the document ends and refers
/// to what is there, but to anything that is there.
pub fn invented(dice: &mut Dice, state: &ReplicaIndex) -> Vec<u8> {
    let mut clocks: Vec<(u64, Clock)> = state
        .clocks()
        .map(|(client, clock)| (client.get(), clock))
        .collect();
    for client in [1, 2, 3] {
        if !clocks.iter().any(|(known, _)| *known == client) {
            clocks.push((client, 0));
        }
    }
    clocks.sort_unstable();
    let mut writers: Vec<usize> = (0..clocks.len()).filter(|_| dice.one_in(3)).collect();
    writers.truncate(3);
    let mut sections = Vec::new();
    for writer in &writers {
        let mut blocks = Vec::new();
        let (client, start) = clocks[*writer];
        let shift = if dice.one_in(12) { dice.below(3) } else { 0 };
        let start = if dice.one_in(2) {
            start + shift
        } else {
            start.saturating_sub(shift)
        };
        clocks[*writer].1 = start;
        let count = 1 + dice.below(4);
        for _ in 0..count {
            let len = write_block(dice, &clocks, &mut blocks);
            clocks[*writer].1 += len;
        }
        sections.push((client, start, count, blocks));
    }
    let mut out = Vec::new();
    write_var_uint(&mut out, sections.len() as u64);
    for (client, start, count, blocks) in sections.iter().rev() {
        write_var_uint(&mut out, u64::from(*count));
        write_var_uint(&mut out, *client);
        write_var_uint(&mut out, u64::from(*start));
        out.extend_from_slice(blocks);
    }
    write_deletes(dice, &clocks, &mut out);
    out
}

/// Some unit that is there, or will be after this update; seldom another.
fn write_id(dice: &mut Dice, clocks: &[(u64, Clock)], out: &mut Vec<u8>) {
    let (client, clock) = *dice.pick(clocks);
    write_var_uint(out, client);
    let near = clock.saturating_sub(1 + dice.below(5));
    let past = u32::from(dice.one_in(30) || clock == 0);
    let any = dice.below(clock + past);
    write_var_uint(out, u64::from(if dice.one_in(3) { near } else { any }));
}

fn write_block(dice: &mut Dice, clocks: &[(u64, Clock)], out: &mut Vec<u8>) -> Clock {
    if dice.one_in(25) {
        let len = 1 + dice.below(3);
        out.extend([if dice.one_in(6) { 10 } else { 0 }, len as u8]);
        return len;
    }
    let content = match *dice.pick(&[1, 3, 4, 4, 4, 5, 6, 7, 7, 8, 8, 9]) {
        8 if dice.beyond_yrs && dice.one_in(2) => 2,
        content => content,
    };
    let flags = *dice.pick(&[0x00, 0x80, 0x80, 0x40, 0xc0, 0xc0, 0x20, 0xa0, 0x60, 0xe0]);
    out.push(content | flags);
    if flags & 0x80 != 0 {
        write_id(dice, clocks, out);
    }
    if flags & 0x40 != 0 {
        write_id(dice, clocks, out);
    }
    if flags & 0xc0 == 0 {
        if dice.one_in(2) {
            out.push(1);
            write_var_string(out, dice.word(&["text", "map", "array", "xml"]));
        } else {
            out.push(0);
            write_id(dice, clocks, out);
        }
        if flags & 0x20 != 0 {
            write_var_string(out, dice.word(&["k", "key", ""]));
        }
    }
    write_content(dice, content, out)
}

fn write_content(dice: &mut Dice, content: u8, out: &mut Vec<u8>) -> Clock {
    let few = 1 + dice.below(4);
    match content {
        1 => {
            out.push(few as u8);
            return few;
        }
        2 => {
            out.push(few as u8);
            for _ in 0..few {
                let text = ["undefined", "[1]", "-0", "\"\\ud83d\""];
                write_var_string(out, dice.word(&text));
            }
            return few;
        }
        3 => out.extend([2, 1, 2]),
        4 => {
            let text = *dice.pick(&["a", "ab", "😀", "a😀b", "ö", "hello"]);
            write_var_string(out, text);
            return text.encode_utf16().count() as Clock;
        }
        5 => write_var_string(out, "{\"a\":1}"),
        6 => {
            write_var_string(out, dice.word(&["bold", "href"]));
            write_var_string(out, dice.word(&["true", "null", "\"x\""]));
        }
        7 => match *dice.pick(&[0, 1, 2, 3, 4, 6]) {
            4 if dice.beyond_yrs => {
                out.push(5);
                write_var_string(out, "hook");
            }
            3 => {
                out.push(3);
                write_var_string(out, "p");
            }
            kind => out.push(kind),
        },
        8 => {
            out.push(few as u8);
            for _ in 0..few {
                super::any(dice, 2).encode(out);
            }
            return few;
        }
        _ => {
            write_var_string(out, "sub");
            out.extend([118, 1]);
            write_var_string(out, "autoLoad");
            out.push(120);
        }
    }
    1
}

fn write_deletes(dice: &mut Dice, clocks: &[(u64, Clock)], out: &mut Vec<u8>) {
    let deleters: Vec<_> = clocks
        .iter()
        .filter(|(_, clock)| *clock > 0 && dice.one_in(4))
        .copied()
        .collect();
    write_var_uint(out, deleters.len() as u64);
    for (client, clock) in deleters {
        write_var_uint(out, client);
        let mut ranges = Vec::new();
        let mut at = dice.below(clock);
        while at < clock && ranges.len() < 3 {
            let len = 1 + dice.below((clock - at).min(4));
            let past = u32::from(dice.one_in(30));
            ranges.push((at, len + past));
            at += len + past + dice.below(8);
        }
        write_var_uint(out, ranges.len() as u64);
        for (start, len) in ranges {
            write_var_uint(out, u64::from(start));
            write_var_uint(out, u64::from(len));
        }
    }
}
