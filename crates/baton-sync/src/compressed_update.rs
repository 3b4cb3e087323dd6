//! An update in its compressed form, for a client that asked for one: its length, and a raw DEFLATE
//! stream (RFC 1951) of it, which every browser can read by itself.
//!
//! Owns that form, and its bounds on both sides. The receiver allocates what the sender states, and
//! never more than its own limit; a statement that no stream of that size can keep is refused
//! unread. Compressing takes tens of nanoseconds a byte, so the caller decides which thread does
//! it.

use bytes::Bytes;
use miniz_oxide::deflate::core as deflate;
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, TDEFLStatus};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core as inflate;
use miniz_oxide::inflate::core::DecompressorOxide;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;

use crate::lib0::{self, Reader, write_var_uint};

/// Name of this form in a hello and a welcome; also its name in a browser's `DecompressionStream`.
pub const DEFLATE_RAW: &str = "deflate-raw";

/// Largest update that is compressed, in bytes: that of a frame on every published client.
pub const MAX_UPDATE: usize = 64 * 1024 * 1024;

/// Most bytes that one byte of a DEFLATE stream can stand for: 258 for each two bits, about.
const MAX_RATIO: usize = 1032;

/// Part of an update that compression must save, or the update is sent as it is: one of so many.
const WORTHWHILE: usize = 8;

/// A window of the format without header and checksum.
const RAW: i32 = -15;

/// The choice of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// Effort, from 1 (fast) to 9 (small).
    pub level: u8,
    /// Size of an update, in bytes, below which it is sent as it is.
    pub least: usize,
}

impl Default for Compression {
    /// Level 4, from 1 KiB on: measured in `docs/decisions/0049-compressed-first-sync.md`.
    fn default() -> Self {
        Self {
            level: 4,
            least: 1024,
        }
    }
}

impl Compression {
    /// Compresses an update. `None` if it is to be sent as it is: it is too short, too long, or
    /// hardly gets smaller.
    #[must_use]
    pub fn compress(&self, update: &[u8]) -> Option<CompressedUpdate> {
        let length = update.len();
        if length < self.least.max(WORTHWHILE) || length > MAX_UPDATE {
            return None;
        }
        let mut payload = Vec::new();
        write_var_uint(&mut payload, length as u64);
        let head = payload.len();
        // A result that saves too little finds no room and is given up.
        payload.resize(length - length / WORTHWHILE, 0);
        let flags = deflate::create_comp_flags_from_zip_params(self.level.into(), RAW, 0);
        // On the heap: it is a quarter of a megabyte.
        let mut state = Box::new(CompressorOxide::new(flags));
        let room = payload.get_mut(head..)?;
        let (status, _, written) = deflate::compress(&mut state, update, room, TDEFLFlush::Finish);
        if status != TDEFLStatus::Done {
            return None;
        }
        payload.truncate(head + written);
        payload.shrink_to_fit();
        Some(CompressedUpdate {
            payload: payload.into(),
            length,
        })
    }
}

/// See the module. A clone shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompressedUpdate {
    payload: Bytes,
    length: usize,
}

impl CompressedUpdate {
    /// Returns its bytes, for [`decompress`].
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Returns the number of bytes by which it is shorter than the update.
    #[must_use]
    pub fn saved(&self) -> usize {
        self.length.saturating_sub(self.payload.len())
    }
}

/// Reason for which a compressed update was not read. Its sender is at fault; nothing of it may be
/// applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecompressError {
    /// It does not begin with a length.
    #[error("a compressed update is malformed: {0}")]
    Malformed(#[from] lib0::DecodeError),
    /// It states more than the receiver takes.
    #[error("a compressed update states {length} bytes, more than {most}")]
    TooLong {
        /// The length that it states.
        length: u64,
        /// The receiver's limit.
        most: usize,
    },
    /// It states a length that its bytes cannot stand for.
    #[error("a compressed update of {bytes} bytes states {length}, which they cannot hold")]
    Impossible {
        /// Bytes of the stream.
        bytes: usize,
        /// The length that it states.
        length: usize,
    },
    /// The stream is damaged, ends early or has another length than it states.
    #[error("a compressed update is damaged, or is not of the {length} bytes that it states")]
    Damaged {
        /// The length that it states.
        length: usize,
    },
}

/// Returns the update that a payload stands for, of at most `most` bytes. All of the payload is
/// read, or it is an error.
///
/// # Errors
/// See [`DecompressError`]; the sender is at fault.
pub fn decompress(payload: &[u8], most: usize) -> Result<Vec<u8>, DecompressError> {
    let mut reader = Reader::new(payload);
    let stated = reader.var_uint()?;
    let too_long = DecompressError::TooLong {
        length: stated,
        most,
    };
    let length = usize::try_from(stated).map_err(|_| too_long)?;
    if length > most {
        return Err(too_long);
    }
    let stream = reader.rest();
    if length > stream.len().saturating_mul(MAX_RATIO) {
        let bytes = stream.len();
        return Err(DecompressError::Impossible { bytes, length });
    }
    let mut update = vec![0; length];
    let mut state = Box::new(DecompressorOxide::new());
    let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, read, written) = inflate::decompress(&mut state, stream, &mut update, 0, flags);
    if status == TINFLStatus::Done && read == stream.len() && written == length {
        Ok(update)
    } else {
        Err(DecompressError::Damaged { length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: Compression = Compression { level: 6, least: 1 };

    fn compressed(update: &[u8]) -> Vec<u8> {
        SMALL.compress(update).unwrap().payload().to_vec()
    }

    #[test]
    fn a_text_gets_smaller_and_comes_back() {
        let text = "the quick brown fox jumps over the lazy dog; ".repeat(200);
        for level in 1..=9 {
            let update = Compression { level, least: 1024 }.compress(text.as_bytes());
            let update = update.unwrap();
            assert!(update.payload().len() < text.len() / 20);
            assert_eq!(update.saved(), text.len() - update.payload().len());
            let read = decompress(update.payload(), text.len()).unwrap();
            assert_eq!(read, text.as_bytes());
        }
    }

    #[test]
    fn short_updates_and_those_that_get_no_smaller_go_as_they_are() {
        let long = vec![7; 1024];
        assert!(Compression::default().compress(&long).is_some());
        assert!(Compression::default().compress(&long[1..]).is_none());
        assert!(SMALL.compress(&[]).is_none());
        let noise: Vec<u8> = (0..5000_u32)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
            .scan(17_u8, |last, byte| {
                *last = last.wrapping_mul(31).wrapping_add(byte).rotate_left(3);
                Some(*last)
            })
            .collect();
        assert!(SMALL.compress(&noise).is_none());
        assert!(SMALL.compress(&vec![0; MAX_UPDATE + 1]).is_none());
    }

    #[test]
    fn a_bomb_is_refused_by_what_it_states() {
        let bomb = compressed(&vec![0; 1 << 20]);
        assert!(bomb.len() < 1200);
        let refused = decompress(&bomb, (1 << 20) - 1).unwrap_err();
        let (length, most) = (1 << 20, (1 << 20) - 1);
        assert_eq!(refused, DecompressError::TooLong { length, most });
    }

    #[test]
    fn a_bomb_that_states_less_ends_at_its_statement() {
        let bomb = compressed(&vec![0; 1 << 20]);
        let mut reader = Reader::new(&bomb);
        reader.var_uint().unwrap();
        for length in [0, 10, 100_000, (1 << 20) - 1] {
            let mut lie = Vec::new();
            write_var_uint(&mut lie, length);
            lie.extend_from_slice(reader.rest());
            let length = length as usize;
            let refused = decompress(&lie, MAX_UPDATE).unwrap_err();
            assert_eq!(refused, DecompressError::Damaged { length });
        }
    }

    #[test]
    fn a_statement_that_cannot_be_true_allocates_nothing() {
        let mut lie = Vec::new();
        write_var_uint(&mut lie, MAX_UPDATE as u64);
        lie.extend_from_slice(&[3, 0]);
        let refused = decompress(&lie, MAX_UPDATE).unwrap_err();
        let (bytes, length) = (2, MAX_UPDATE);
        assert_eq!(refused, DecompressError::Impossible { bytes, length });
    }

    #[test]
    fn truncated_or_followed_by_more_it_is_damaged() {
        let text = "some words and some more words; ".repeat(50);
        let whole = compressed(text.as_bytes());
        for end in 0..whole.len() {
            assert!(decompress(&whole[..end], MAX_UPDATE).is_err(), "{end}");
        }
        let more = [&whole[..], &[0]].concat();
        let length = text.len();
        let refused = decompress(&more, MAX_UPDATE).unwrap_err();
        assert_eq!(refused, DecompressError::Damaged { length });
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_the_limit_or_refused(bytes: Vec<u8>, most in 0_usize..5000) {
            if let Ok(update) = decompress(&bytes, most) {
                prop_assert!(update.len() <= most);
            }
        }

        #[test]
        fn what_is_compressed_is_read_again(
            word in proptest::collection::vec(any::<u8>(), 1..50),
            times in 1_usize..300,
            level in 1_u8..10,
        ) {
            let update = word.repeat(times);
            if let Some(compressed) = (Compression { level, least: 1 }).compress(&update) {
                prop_assert!(compressed.payload().len() < update.len());
                prop_assert_eq!(decompress(compressed.payload(), update.len()), Ok(update));
            }
        }
    }
}
