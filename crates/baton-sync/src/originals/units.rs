//! The code units of a text, in which clocks count.

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

    /// Returns true between the two units of a character.
    pub(super) const fn is_torn(&self) -> bool {
        self.low.is_some()
    }

    pub(super) fn peek(&self) -> Option<u16> {
        self.clone().next()
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
