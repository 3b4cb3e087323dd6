//! The code units of a text, in which clocks count.

use crate::scan::utf16_len;
use crate::state_vector::Clock;

/// Half of a character that was cut in two: Yjs puts this in place of each half.
const REPLACEMENT: u16 = 0xfffd;

/// A text as UTF-16 code units.
#[derive(Clone)]
pub(super) struct Units<'a> {
    text: &'a [u8],
    /// Bytes that were read.
    pub(super) at: usize,
    /// The second unit of a character, of which the first was read.
    low: Option<u16>,
}

impl<'a> Units<'a> {
    pub(super) const fn of(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            low: None,
        }
    }

    pub(super) fn peek(&self) -> Option<u16> {
        self.clone().next()
    }

    /// Goes on to the end of the first character that is at least `bytes` further, and returns the
    /// units in between. `None` if the text ends before; then nothing has changed.
    pub(super) fn skip(&mut self, bytes: usize) -> Option<Clock> {
        let mut to = self.at.checked_add(bytes)?;
        while self.text.get(to).is_some_and(|byte| byte & 0xc0 == 0x80) {
            to += 1;
        }
        let skipped = self.text.get(self.at..to)?;
        self.at = to;
        let units = utf16_len(skipped) + u64::from(self.low.take().is_some());
        // A text is no longer than an update, which has less than 2^32 bytes.
        Clock::try_from(units).ok()
    }

    /// The text was found to be UTF-8.
    pub(super) fn next(&mut self) -> Option<u16> {
        if let Some(low) = self.low.take() {
            return Some(low);
        }
        let rest = self.text.get(self.at..)?;
        let first = *rest.first()?;
        let tail = |index: usize| u32::from(rest.get(index).copied().unwrap_or(0) & 0x3f);
        let (scalar, len) = match first {
            0..=0x7f => (u32::from(first), 1),
            0x80..=0xdf => (u32::from(first & 0x1f) << 6 | tail(1), 2),
            0xe0..=0xef => (u32::from(first & 0xf) << 12 | tail(1) << 6 | tail(2), 3),
            _ => {
                let high = u32::from(first & 7) << 18 | tail(1) << 12;
                (high | tail(2) << 6 | tail(3), 4)
            }
        };
        self.at += len;
        if len < 4 {
            return u16::try_from(scalar).ok();
        }
        let above = scalar.wrapping_sub(0x1_0000);
        self.low = Some(0xdc00 | (above & 0x3ff) as u16);
        Some(0xd800 | (above >> 10 & 0x3ff) as u16)
    }
}

/// Returns true for equal code units, and for half of a character beside its replacement.
pub(super) fn same_unit(a: u16, b: u16) -> bool {
    let half = |unit| (0xd800..0xe000).contains(&unit);
    a == b || (a == REPLACEMENT && half(b)) || (b == REPLACEMENT && half(a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipping_counts_the_same_units_as_reading_them_one_by_one() {
        let text = "aé\u{20ac}\u{1f600}b".repeat(50);
        for bytes in 0..text.len() + 2 {
            let (mut skipping, mut reading) =
                (Units::of(text.as_bytes()), Units::of(text.as_bytes()));
            let units = skipping.skip(bytes);
            let mut read = 0;
            while reading.at < bytes || reading.low.is_some() {
                if reading.next().is_none() {
                    break;
                }
                read += 1;
            }
            if bytes > text.len() {
                assert_eq!((units, skipping.at), (None, 0));
            } else {
                assert_eq!((units, skipping.at), (Some(read), reading.at), "{bytes}");
            }
        }
    }

    #[test]
    fn the_second_unit_of_a_character_counts_when_the_first_was_read() {
        let mut units = Units::of("\u{1f600}abc".as_bytes());
        units.next();
        assert_eq!(units.skip(2), Some(3));
        assert_eq!(units.next(), Some(u16::from(b'c')));
    }
}
