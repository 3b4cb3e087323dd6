//! The parts of a text diff that are shown, within its limits.

use super::compare::compare;
use super::part::{DiffKind, DiffPart, TextDiff};
use crate::document::render::Rendering;

/// Largest text diff, in bytes of the texts and names of its parts.
pub const TEXT_DIFF_BYTES: usize = 32 * 1024;

/// Most root types that a text diff compares.
pub const TEXT_DIFF_ROOTS: usize = 64;

/// Bytes that a part is counted with beside its text and name.
const PART_OVERHEAD: usize = 32;

/// Longest part of a root type's name that is shown, in characters.
const NAME_SHOWN: usize = 64;

/// Length of the unchanged text beside a change, in characters.
const CONTEXT: usize = 80;

/// Longest changed texts, in bytes, if not everything fits: the first of these with which it does.
const CHANGED: [usize; 3] = [4096, 1024, 256];

/// Collector of root types, which makes a [`TextDiff`] of them.
#[derive(Debug, Default)]
pub(super) struct Builder {
    diff: TextDiff,
}

impl Builder {
    /// Adds a root type as it is before and after the updates.
    pub(super) fn root(&mut self, name: &str, before: &Rendering, after: &Rendering) {
        self.diff.truncated |= before.truncated || after.truncated;
        let name = beginning(name, NAME_SHOWN);
        let runs = compare(before, after);
        let last = runs.len().saturating_sub(1);
        for (index, (kind, text)) in runs.iter().enumerate() {
            let text = match kind {
                DiffKind::Equal if runs.len() == 1 => continue,
                DiffKind::Equal => context(text, index > 0, index < last),
                DiffKind::Insert => {
                    self.diff.inserted += utf16(text);
                    (*text).to_owned()
                }
                DiffKind::Delete => {
                    self.diff.deleted += utf16(text);
                    (*text).to_owned()
                }
            };
            self.diff.parts.push(DiffPart {
                root: name.clone(),
                kind: *kind,
                text,
            });
        }
    }

    /// Notes that there are more root types than are compared.
    pub(super) fn more_roots(&mut self) {
        self.diff.truncated = true;
    }

    pub(super) fn finish(mut self) -> TextDiff {
        let parts = &mut self.diff.parts;
        let mut limits = CHANGED.iter();
        while parts.iter().map(cost).sum::<usize>() > TEXT_DIFF_BYTES {
            self.diff.truncated = true;
            if let Some(limit) = limits.next() {
                for part in parts.iter_mut() {
                    if part.text.len() > *limit {
                        part.text = ends(&part.text, limit / 8, limit / 16);
                    }
                }
            } else {
                let mut left = TEXT_DIFF_BYTES;
                let fits = |part: &&DiffPart| match left.checked_sub(cost(part)) {
                    Some(rest) => {
                        left = rest;
                        true
                    }
                    None => false,
                };
                let count = parts.iter().take_while(fits).count();
                parts.truncate(count);
            }
        }
        self.diff
    }
}

fn cost(part: &DiffPart) -> usize {
    part.root.len() + part.text.len() + PART_OVERHEAD
}

fn utf16(text: &str) -> u64 {
    text.encode_utf16().count() as u64
}

/// Returns an unchanged text, shortened to the ends that are beside a change.
fn context(text: &str, changed_before: bool, changed_behind: bool) -> String {
    let head = if changed_before { CONTEXT } else { 0 };
    let tail = if changed_behind { CONTEXT } else { 0 };
    // A text that is hardly longer is easier to read as a whole.
    if text.chars().nth(head + tail + CONTEXT / 2).is_none() {
        return text.to_owned();
    }
    ends(text, head, tail)
}

/// Returns the first `head` and the last `tail` characters, with "…" between them if there are
/// more.
fn ends(text: &str, head: usize, tail: usize) -> String {
    let from = text.char_indices().nth(head).map(|(at, _)| at);
    let to = text.char_indices().nth_back(tail.saturating_sub(1));
    let to = to.map(|(at, _)| if tail == 0 { text.len() } else { at });
    match (from, to) {
        (Some(from), Some(to)) if from < to => format!("{}…{}", &text[..from], &text[to..]),
        _ => text.to_owned(),
    }
}

fn beginning(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    ends(text, most, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Rendering {
        Rendering {
            text: text.to_owned(),
            ..Rendering::default()
        }
    }

    fn between(before: &str, after: &str) -> TextDiff {
        let mut builder = Builder::default();
        builder.root("t", &words(before), &words(after));
        builder.finish()
    }

    #[test]
    fn only_what_stands_near_a_change_is_shown() {
        let long = "many words, ".repeat(100);
        let difference = between(&format!("{long}old {long}"), &format!("{long}new {long}"));
        let said: Vec<_> = difference
            .parts
            .iter()
            .map(|part| (part.kind, part.text.chars().count()))
            .collect();
        assert_eq!(
            said,
            [
                (DiffKind::Equal, CONTEXT + 1),
                (DiffKind::Delete, 3),
                (DiffKind::Insert, 3),
                (DiffKind::Equal, CONTEXT + 1),
            ]
        );
        assert!(difference.parts[0].text.starts_with('…'));
        assert!(difference.parts[3].text.ends_with('…'));
        // Shortening what is the same is no loss.
        assert!(!difference.truncated);
        assert_eq!((difference.inserted, difference.deleted), (3, 3));
    }

    #[test]
    fn what_is_equal_says_nothing() {
        assert_eq!(between("same", "same"), TextDiff::default());
    }

    #[test]
    fn units_are_those_of_utf16() {
        let difference = between("", "a😀");
        assert_eq!((difference.inserted, difference.deleted), (3, 0));
    }

    #[test]
    fn ends_are_cut_between_characters() {
        assert_eq!(ends("äöüß", 1, 1), "ä…ß");
        assert_eq!(ends("äöüß", 2, 2), "äöüß");
        assert_eq!(ends("äöüß", 0, 1), "…ß");
        assert_eq!(ends("äöüß", 1, 0), "ä…");
        assert_eq!(ends("", 0, 0), "");
    }

    #[test]
    fn a_long_deletion_does_not_hide_what_comes_behind_it() {
        let old = "gone ".repeat(20_000);
        let difference = between(&old, "come");
        assert!(difference.truncated);
        assert_eq!(difference.deleted, old.len() as u64);
        let inserted = |part: &&DiffPart| part.kind == DiffKind::Insert;
        assert!(difference.parts.iter().any(|part| inserted(&part)));
    }

    proptest! {
        #[test]
        fn what_is_shown_fits(changes in prop::collection::vec(("[a-z ]{0,40}", "[A-Z😀]{0,9}", 0..400_usize), 0..40)) {
            let long = |(same, new, times): (String, String, usize)| (same.repeat(5), new.repeat(times));
            let changes: Vec<_> = changes.into_iter().map(long).collect();
            let before: String = changes.iter().map(|(same, _)| same.as_str()).collect();
            let after: String = changes.iter().flat_map(|(same, new)| [same.as_str(), new]).collect();
            let difference = between(&before, &after);
            let size: usize = difference.parts.iter().map(cost).sum();
            prop_assert!(size <= TEXT_DIFF_BYTES);
            let new: u64 = changes.iter().map(|(_, new)| utf16(new)).sum();
            prop_assert!(difference.inserted >= new);
            prop_assert!(size > 0 || new == 0);
            prop_assert_eq!(difference.inserted - difference.deleted, utf16(&after) - utf16(&before));
        }
    }
}
