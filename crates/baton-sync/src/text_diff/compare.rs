//! Comparison of two texts: runs that are equal, deleted or inserted.
//!
//! Passes over the common beginning and end, then compares lines, then the words of the lines that
//! differ, each by the greedy algorithm of E. Myers (1986). [`STEPS`] bounds the work, whatever the
//! texts are; text that is not reached counts as replaced. (The diff crates bound their work by the
//! clock, or not at all: two texts of 500 KB without much in common took one of them minutes.)

use std::collections::HashMap;
use std::ops::Range;

use super::part::DiffKind;
use crate::document::render::Rendering;

/// Most steps of one comparison, each of a few nanoseconds.
const STEPS: usize = 4_000_000;

/// Bytes that are split into lines or words in one step.
const SPLIT_PER_STEP: usize = 16;

/// Most lines or words that are compared at once: each needs some 50 bytes.
const PIECES: usize = 1_000_000;

/// Most insertions and deletions that are looked for at once. The memory needed is their square.
const EDITS: usize = 1000;

/// Longest word, in bytes, so that a text without spaces is not replaced as a whole.
const WORD: usize = 64;

/// Largest distance of two replacements that read better as one, in bytes.
const SLIVER: usize = 2;

/// Returns the runs, in order: equal and deleted ones make `before`, equal and inserted ones make
/// `after`. No run is empty.
pub(super) fn compare<'a>(before: &'a Rendering, after: &'a Rendering) -> Vec<(DiffKind, &'a str)> {
    let (old, new) = (before.text.as_str(), after.text.as_str());
    let by_lines = before.lines || after.lines;
    let next: fn(&str) -> usize = if by_lines { line } else { word };
    let head = common_head(old, new, next);
    let tail = common_tail(&old[head..], &new[head..], by_lines);
    let middle = Hunk {
        old: head..old.len() - tail,
        new: head..new.len() - tail,
    };
    let mut comparison = Comparison {
        old,
        new,
        steps: STEPS,
    };
    let mut hunks = comparison.refine(vec![middle], line);
    if !by_lines {
        hunks = joined(comparison.refine(hunks, word));
    }
    let mut runs = Vec::new();
    let mut push = |kind, text: &'a str| {
        if !text.is_empty() {
            runs.push((kind, text));
        }
    };
    let mut past = 0;
    for hunk in hunks {
        push(DiffKind::Equal, &old[past..hunk.old.start]);
        past = hunk.old.end;
        push(DiffKind::Delete, &old[hunk.old]);
        push(DiffKind::Insert, &new[hunk.new]);
    }
    push(DiffKind::Equal, &old[past..]);
    runs
}

/// A replacement: ranges of bytes in the two texts.
#[derive(Debug, Clone)]
struct Hunk {
    old: Range<usize>,
    new: Range<usize>,
}

/// Two texts, and the steps that are left.
struct Comparison<'a> {
    old: &'a str,
    new: &'a str,
    steps: usize,
}

impl Comparison<'_> {
    /// Looks for equal text inside of the hunks.
    fn refine(&mut self, hunks: Vec<Hunk>, next: fn(&str) -> usize) -> Vec<Hunk> {
        let mut refined = Vec::new();
        for hunk in hunks {
            if hunk.old.is_empty() && hunk.new.is_empty() {
                continue;
            }
            match self.inside(&hunk, next) {
                Some(inside) => refined.extend(inside),
                None => refined.push(hunk),
            }
        }
        refined
    }

    fn inside(&mut self, hunk: &Hunk, next: fn(&str) -> usize) -> Option<Vec<Hunk>> {
        // Splitting costs less than comparing, but not nothing.
        let size = hunk.old.len() + hunk.new.len();
        self.steps = self.steps.checked_sub(size / SPLIT_PER_STEP)?;
        let old = splits_of(self.old, &hunk.old, next)?;
        let new = splits_of(self.new, &hunk.new, next)?;
        let mut numbers = HashMap::new();
        let a = number(self.old, &old, &mut numbers);
        let b = number(self.new, &new, &mut numbers);
        let edits = edits(&a, &b, &mut self.steps)?;
        let hunk = |(a, b): (Range<usize>, Range<usize>)| Hunk {
            old: old[a.start]..old[a.end],
            new: new[b.start]..new[b.end],
        };
        Some(edits.into_iter().map(hunk).collect())
    }
}

/// Numbers the pieces; equal pieces have the same number.
fn number<'a>(text: &'a str, places: &[usize], numbers: &mut HashMap<&'a str, u32>) -> Vec<u32> {
    let pieces = places.windows(2).map(|pair| &text[pair[0]..pair[1]]);
    let number = |piece| {
        let next = numbers.len() as u32;
        *numbers.entry(piece).or_insert(next)
    };
    pieces.map(number).collect()
}

/// Returns the shortest edit script between two sequences, as ranges that replace each other;
/// `None` if it is longer than [`EDITS`] or takes more steps than are left.
fn edits(a: &[u32], b: &[u32], steps: &mut usize) -> Option<Vec<(Range<usize>, Range<usize>)>> {
    // `rows[d][k]` is the farthest position in `a` after d edits, on the diagonal whose position in
    // `a` is `2k - d` ahead of that in `b`.
    let mut rows: Vec<Vec<usize>> = Vec::new();
    loop {
        let d = rows.len();
        if d > EDITS {
            return None;
        }
        let mut row = Vec::with_capacity(d + 1);
        for k in 0..=d {
            let start = step(rows.last(), k, d);
            let x = start.map_or(0, |(x, _)| x);
            let x = follow(a, b, x, y(x, k, d), steps)?;
            row.push(x);
            if x >= a.len() && y(x, k, d) >= b.len() {
                rows.push(row);
                return Some(trace(&rows, k));
            }
        }
        rows.push(row);
    }
}

/// Returns the position in `b` at position `x` of `a`, on the diagonal `2k - d`.
const fn y(x: usize, k: usize, d: usize) -> usize {
    (x + d).wrapping_sub(2 * k)
}

/// Returns the position in `a` right after the `d`th edit on diagonal `k`, and the entry of the row
/// before from which the edit comes.
fn step(before: Option<&Vec<usize>>, k: usize, d: usize) -> Option<(usize, usize)> {
    let before = before?;
    // The edit deletes an element of `a`, from the diagonal below, or inserts one of `b`, from the
    // diagonal above.
    let deleted = k.checked_sub(1).map(|from| (before[from] + 1, from));
    let inserted = (k < d).then(|| (before[k], k));
    match (deleted, inserted) {
        (Some(deleted), Some(inserted)) if deleted.0 <= inserted.0 => Some(inserted),
        (None, inserted) => inserted,
        (deleted, _) => deleted,
    }
}

/// Returns the position in `a` at which the equal elements of both end.
fn follow(a: &[u32], b: &[u32], x: usize, y: usize, steps: &mut usize) -> Option<usize> {
    let rest = a.get(x..).unwrap_or_default().iter();
    let equal = rest.zip(b.get(y..).unwrap_or_default());
    let equal = equal.take_while(|(a, b)| a == b).count();
    *steps = steps.checked_sub(equal + 1)?;
    Some(x + equal)
}

/// Returns the edits on the way back from the end.
fn trace(rows: &[Vec<usize>], mut k: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let mut edits: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    for d in (1..rows.len()).rev() {
        let Some((x, from)) = step(Some(&rows[d - 1]), k, d) else {
            break;
        };
        let (to_x, to_y) = (x, y(x, k, d));
        let from_x = rows[d - 1][from];
        let from_y = y(from_x, from, d - 1);
        match edits.last_mut() {
            Some((old, new)) if old.start == to_x && new.start == to_y => {
                (old.start, new.start) = (from_x, from_y);
            }
            _ => edits.push((from_x..to_x, from_y..to_y)),
        }
        k = from;
    }
    edits.reverse();
    edits
}

/// Joins replacements with next to nothing between them.
fn joined(hunks: Vec<Hunk>) -> Vec<Hunk> {
    let mut joined: Vec<Hunk> = Vec::new();
    let replaces = |hunk: &Hunk| !hunk.old.is_empty() && !hunk.new.is_empty();
    for hunk in hunks {
        match joined.last_mut() {
            Some(last)
                if replaces(last) && replaces(&hunk) && hunk.old.start - last.old.end <= SLIVER =>
            {
                (last.old.end, last.new.end) = (hunk.old.end, hunk.new.end);
            }
            _ => joined.push(hunk),
        }
    }
    joined
}

/// Returns the places at which a range of the text is split: its start, and the end of each piece.
/// `None` if there are more than [`PIECES`].
fn splits_of(text: &str, range: &Range<usize>, next: fn(&str) -> usize) -> Option<Vec<usize>> {
    let mut places = vec![range.start];
    let mut at = range.start;
    while at < range.end {
        if places.len() > PIECES {
            return None;
        }
        at += next(&text[at..range.end]);
        places.push(at);
    }
    Some(places)
}

/// Returns the length of the common beginning, in whole words or lines of both.
fn common_head(old: &str, new: &str, next: fn(&str) -> usize) -> usize {
    let equal = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b);
    let equal = equal.count();
    let mut at = 0;
    while at < equal {
        let step = next(&old[at..]);
        if at + step > equal || next(&new[at..]) != step {
            break;
        }
        at += step;
    }
    at
}

/// Returns the length of the common end, in whole words or lines of both.
fn common_tail(old: &str, new: &str, by_lines: bool) -> usize {
    let pairs = old.bytes().rev().zip(new.bytes().rev());
    let mut equal = pairs.take_while(|(a, b)| a == b).count();
    let splits = |text: &str, equal: usize| {
        let at = text.len() - equal;
        let Some((before, behind)) = text.split_at_checked(at) else {
            return true;
        };
        match (before.chars().next_back(), behind.chars().next()) {
            (Some(before), Some(_)) if by_lines => before != '\n',
            (Some(before), Some(behind)) => !stands_alone(before) && !stands_alone(behind),
            _ => false,
        }
    };
    while equal > 0 && (splits(old, equal) || splits(new, equal)) {
        equal -= 1;
    }
    equal
}

/// Returns true if a character is a word of its own: it is no letter, or belongs to a script that
/// is written without spaces.
fn stands_alone(c: char) -> bool {
    !c.is_alphanumeric() || c >= '\u{2e80}'
}

/// Returns the length of the first line, with its end.
fn line(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |at| at + 1)
}

/// Returns the length of the first word, or of the first character if that stands alone.
fn word(text: &str) -> usize {
    let mut chars = text.char_indices();
    match chars.next() {
        None => 0,
        Some((_, first)) if stands_alone(first) => first.len_utf8(),
        Some(_) => chars
            .find(|(at, c)| stands_alone(*c) || *at >= WORD)
            .map_or(text.len(), |(at, _)| at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rendering(text: &str, lines: bool) -> Rendering {
        Rendering {
            text: text.to_owned(),
            lines,
            truncated: false,
        }
    }

    fn side(runs: &[(DiffKind, &str)], without: DiffKind) -> String {
        let there = runs.iter().filter(|(kind, _)| *kind != without);
        there.map(|(_, text)| *text).collect()
    }

    #[test]
    fn a_changed_word_is_one_word() {
        let (old, new) = (
            rendering("the old hat", false),
            rendering("the new hat", false),
        );
        let runs = compare(&old, &new);
        let expected = [
            (DiffKind::Equal, "the "),
            (DiffKind::Delete, "old"),
            (DiffKind::Insert, "new"),
            (DiffKind::Equal, " hat"),
        ];
        assert_eq!(runs, expected);
    }

    #[test]
    fn neighbouring_words_that_change_are_one_change() {
        let old = rendering("an old hat", false);
        let new = rendering("an new cap", false);
        let runs = compare(&old, &new);
        let changed = [(DiffKind::Delete, "old hat"), (DiffKind::Insert, "new cap")];
        assert_eq!(runs[1..], changed);
    }

    #[test]
    fn far_apart_changes_are_found_each() {
        let middle = "much stays as it is. ".repeat(20_000);
        let old = rendering(&format!("first {middle} last"), false);
        let new = rendering(&format!("First {middle} Last"), false);
        let runs = compare(&old, &new);
        assert_eq!(runs.len(), 5);
    }

    #[test]
    fn the_work_is_bounded() {
        let mut seed = 7_u64;
        let mut noise = |letters: u64| -> String {
            let letter = |_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                ['。', 'の', '\n', ' '][((seed >> 33) % letters) as usize]
            };
            (0..100_000).map(letter).collect()
        };
        for letters in [2, 3, 4] {
            let (old, new) = (
                rendering(&noise(letters), false),
                rendering(&noise(letters), false),
            );
            let runs = compare(&old, &new);
            assert_eq!(side(&runs, DiffKind::Insert), old.text);
            assert_eq!(side(&runs, DiffKind::Delete), new.text);
        }
        let (a, b): (Vec<u32>, Vec<u32>) = ((0..5000).collect(), (5000..10_000).collect());
        let mut steps = 1000;
        assert_eq!(edits(&a, &b, &mut steps), None);
        let mut steps = STEPS;
        assert_eq!(edits(&a, &b, &mut steps), None);
        assert!(steps > STEPS - 2 * EDITS * EDITS);
        // Equal elements cost steps as well.
        let same = [0; 100];
        assert_eq!(edits(&same, &same, &mut { 100 }), None);
        assert_eq!(edits(&same, &same, &mut { 101 }), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn the_runs_make_both_texts(
            old in "[ab \n日😀é,]{0,60}",
            new in "[ab \n日😀é,]{0,60}",
            same in "[a-z ]{0,200}",
            lines: bool,
        ) {
            let old = rendering(&format!("{same}{old}{same}"), lines);
            let new = rendering(&format!("{same}{new}{same}"), lines);
            let runs = compare(&old, &new);
            prop_assert_eq!(side(&runs, DiffKind::Insert), old.text.clone());
            prop_assert_eq!(side(&runs, DiffKind::Delete), new.text.clone());
            prop_assert!(runs.iter().all(|(_, text)| !text.is_empty()));
            let changed = runs.iter().any(|(kind, _)| *kind != DiffKind::Equal);
            prop_assert_eq!(changed, old.text != new.text);
        }
    }
}
