//! The byte encoding of every Yjs wire (lib0): variable-length integers, buffers and strings.
//!
//! Owns the [`Reader`] and the write functions. It never allocates while reading, never panics on
//! any bytes, never reads past the end, and knows nothing of updates, frames or clients.
//!
//! The reader is strict: an integer has exactly one encoding, the shortest. Every Yjs
//! implementation writes that one, so nothing genuine is refused, and a second spelling of the same
//! bytes cannot be used to make two readers disagree.

/// Reason for which bytes could not be read. Their writer is at fault; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside a value.
    #[error("the input ends at byte {at}, inside a value")]
    UnexpectedEnd {
        /// Offset in bytes of the incomplete value.
        at: usize,
    },
    /// An integer that is not in its shortest form, or does not fit its type.
    #[error("the integer at byte {at} is not in its shortest form or is too large")]
    BadInteger {
        /// Offset in bytes of the integer.
        at: usize,
    },
    /// A string that is not UTF-8.
    #[error("the string at byte {at} is not UTF-8")]
    BadUtf8 {
        /// Offset in bytes of the string's first character.
        at: usize,
    },
    /// A count of things that cannot fit in the bytes that remain.
    #[error("a count of {count} is claimed, and only {remaining} bytes remain")]
    CountTooLarge {
        /// The count that the input claims.
        count: u64,
        /// Bytes that are left to read.
        remaining: usize,
    },
    /// A client id of 2^53 or more.
    #[error("client id {id} is not below 2^53")]
    ClientOutOfRange {
        /// The id that was read.
        id: u64,
    },
    /// A clock of 2^31 or more.
    #[error("clock {clock} is not below 2^31")]
    ClockOutOfRange {
        /// The clock that was read.
        clock: u64,
    },
    /// The same client is listed twice.
    #[error("client {id} is listed twice")]
    DuplicateClient {
        /// The client.
        id: u64,
    },
    /// A whole value was read and bytes are left.
    #[error("{count} bytes follow the end")]
    TrailingBytes {
        /// Number of these bytes.
        count: usize,
    },
}

/// A cursor over borrowed bytes. After an error its position is unspecified; drop it.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Bytes read so far.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Bytes left to read.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// Returns true if nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// Returns all bytes that have not been read, without reading them.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }

    /// Succeeds only at the end of the input.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`] if anything is left.
    pub const fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { count }),
        }
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`] at the end of the input.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        let byte = self.bytes.get(self.position).copied();
        let byte = byte.ok_or(DecodeError::UnexpectedEnd { at: self.position })?;
        self.position += 1;
        Ok(byte)
    }

    /// Reads exactly `len` bytes.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`] if fewer are left.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.rest();
        let taken = rest
            .get(..len)
            .ok_or(DecodeError::UnexpectedEnd { at: self.position })?;
        self.position += len;
        Ok(taken)
    }

    /// Reads an unsigned integer: seven bits a byte, low bits first; a high bit means that more
    /// follow.
    ///
    /// # Errors
    /// [`DecodeError::BadInteger`] if it is not in its shortest form or does not fit 64 bits, and
    /// [`DecodeError::UnexpectedEnd`].
    #[inline]
    pub fn var_uint(&mut self) -> Result<u64, DecodeError> {
        let at = self.position;
        let first = self.u8()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        self.magnitude(u64::from(first & 0x7f), 7, at)
    }

    /// Reads a signed integer: the first byte holds six bits and, in bit 6, the sign; the others
    /// seven.
    ///
    /// Negative zero is read as zero: JavaScript writes it.
    ///
    /// # Errors
    /// As [`Reader::var_uint`]; the magnitude must fit 63 bits.
    pub fn var_int(&mut self) -> Result<i64, DecodeError> {
        let at = self.position;
        let first = self.u8()?;
        let low = u64::from(first & 0x3f);
        let magnitude = if first < 0x80 {
            low
        } else {
            self.magnitude(low, 6, at)?
        };
        let value = i64::try_from(magnitude).map_err(|_| DecodeError::BadInteger { at })?;
        Ok(if first & 0x40 == 0 { value } else { -value })
    }

    /// Reads a length and that many bytes.
    ///
    /// # Errors
    /// As [`Reader::var_uint`] and [`Reader::bytes`].
    #[inline]
    pub fn var_buf(&mut self) -> Result<&'a [u8], DecodeError> {
        let at = self.position;
        let len = self.var_uint()?;
        let len = usize::try_from(len).map_err(|_| DecodeError::UnexpectedEnd { at })?;
        self.bytes(len)
    }

    /// Reads a length in bytes and that much UTF-8.
    ///
    /// # Errors
    /// As [`Reader::var_buf`], and [`DecodeError::BadUtf8`].
    #[inline]
    pub fn var_string(&mut self) -> Result<&'a str, DecodeError> {
        let bytes = self.var_buf()?;
        let at = self.position - bytes.len();
        std::str::from_utf8(bytes).map_err(|_| DecodeError::BadUtf8 { at })
    }

    /// Reads a count of items that take at least `smallest` bytes each (`smallest` is not zero).
    /// The count is refused if the items cannot all be there, so the input bounds what a caller
    /// reserves.
    ///
    /// # Errors
    /// As [`Reader::var_uint`], and [`DecodeError::CountTooLarge`].
    #[inline]
    pub fn count(&mut self, smallest: usize) -> Result<usize, DecodeError> {
        let count = self.var_uint()?;
        let remaining = self.remaining();
        match usize::try_from(count) {
            Ok(wanted) if wanted <= remaining / smallest.max(1) => Ok(wanted),
            _ => Err(DecodeError::CountTooLarge { count, remaining }),
        }
    }

    /// Reads the bytes after an integer's first one.
    fn magnitude(&mut self, low: u64, bits: u32, at: usize) -> Result<u64, DecodeError> {
        let mut value = low;
        let mut shift = bits;
        loop {
            let byte = self.u8().map_err(|_| DecodeError::UnexpectedEnd { at })?;
            let part = u64::from(byte & 0x7f);
            if shift > 63 || (part << shift) >> shift != part {
                return Err(DecodeError::BadInteger { at });
            }
            value |= part << shift;
            shift += 7;
            if byte == 0 {
                return Err(DecodeError::BadInteger { at });
            }
            if byte < 0x80 {
                return Ok(value);
            }
        }
    }
}

/// Appends an unsigned integer in its shortest form.
#[inline]
pub fn write_var_uint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length and the bytes.
pub fn write_var_buf(out: &mut Vec<u8>, bytes: &[u8]) {
    write_var_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a length in bytes and the text.
pub fn write_var_string(out: &mut Vec<u8>, text: &str) {
    write_var_buf(out, text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_second_spelling_of_a_number_is_refused() {
        for spelling in [&[0x80, 0x00][..], &[0xff, 0x80, 0x00], &[0x81, 0x00]] {
            assert_eq!(
                Reader::new(spelling).var_uint(),
                Err(DecodeError::BadInteger { at: 0 })
            );
            assert_eq!(
                Reader::new(spelling).var_int(),
                Err(DecodeError::BadInteger { at: 0 })
            );
        }
    }

    #[test]
    fn a_number_beyond_64_bits_is_refused() {
        let max = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Reader::new(&max).var_uint(), Ok(u64::MAX));
        let over = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(
            Reader::new(&over).var_uint(),
            Err(DecodeError::BadInteger { at: 0 })
        );
        let longer = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x01,
        ];
        assert_eq!(
            Reader::new(&longer).var_uint(),
            Err(DecodeError::BadInteger { at: 0 })
        );
    }

    #[test]
    fn signed_numbers_are_read_as_lib0_writes_them() {
        // Traced from lib0: 0, -0, 63, -63, 64, -64, -1.
        let traced: [(&[u8], i64); 7] = [
            (&[0x00], 0),
            (&[0x40], 0),
            (&[0x3f], 63),
            (&[0x7f], -63),
            (&[0x80, 0x01], 64),
            (&[0xc0, 0x01], -64),
            (&[0x41], -1),
        ];
        for (bytes, value) in traced {
            assert_eq!(Reader::new(bytes).var_int(), Ok(value));
        }
    }

    #[test]
    fn a_claimed_length_or_count_cannot_exceed_what_remains() {
        let bomb = [0x80, 0x80, 0x80, 0x80, 0x01];
        assert_eq!(
            Reader::new(&bomb).var_buf(),
            Err(DecodeError::UnexpectedEnd { at: 5 })
        );
        let refused = DecodeError::CountTooLarge {
            count: 1 << 28,
            remaining: 0,
        };
        assert_eq!(Reader::new(&bomb).count(1), Err(refused));
        assert_eq!(Reader::new(&[2, 9, 9, 9]).count(2).ok(), None);
        assert_eq!(Reader::new(&[2, 9, 9, 9, 9]).count(2), Ok(2));
    }

    #[test]
    fn text_must_be_utf8() {
        assert_eq!(
            Reader::new(&[1, 0xff]).var_string(),
            Err(DecodeError::BadUtf8 { at: 1 })
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value: u64, buf: Vec<u8>, text: String) {
            let mut out = Vec::new();
            write_var_uint(&mut out, value);
            write_var_buf(&mut out, &buf);
            write_var_string(&mut out, &text);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.var_uint(), Ok(value));
            prop_assert_eq!(reader.var_buf(), Ok(&buf[..]));
            prop_assert_eq!(reader.var_string(), Ok(&text[..]));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn any_bytes_are_read_or_refused_and_what_is_read_has_one_spelling(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while !reader.is_empty() {
                let at = reader.position();
                let Ok(value) = reader.var_uint() else { break };
                let mut again = Vec::new();
                write_var_uint(&mut again, value);
                prop_assert_eq!(&again[..], &bytes[at..reader.position()]);
            }
            let _ = Reader::new(&bytes).var_int();
            let _ = Reader::new(&bytes).var_string();
        }
    }
}
