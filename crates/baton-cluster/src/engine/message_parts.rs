//! Snapshots longer than one stored message may be: split when written, joined when read.
//!
//! The parts are written in one atomic batch, so they are all stored or none is. Records are split
//! by their [envelope](crate::core::Envelope), because parts of several records share a batch.

use async_nats::{HeaderMap, HeaderName};
use bytes::{Bytes, BytesMut};

use super::error::EngineError;

/// Header `index/count` of a part, from `1/n` to `n/n`. A message of one part has none.
const PART: HeaderName = HeaderName::from_static("baton-part");

/// Returns the number of parts of a message of this length.
pub(crate) fn count(len: usize, part_bytes: usize) -> usize {
    len.div_ceil(part_bytes).max(1)
}

/// Returns the parts of a message, in order, without copying.
pub(crate) fn split(payload: &Bytes, part_bytes: usize) -> impl Iterator<Item = Bytes> + '_ {
    (0..count(payload.len(), part_bytes)).map(move |index| {
        let from = index * part_bytes;
        payload.slice(from..payload.len().min(from + part_bytes))
    })
}

/// Marks a part of several.
pub(crate) fn mark(headers: &mut HeaderMap, index: usize, count: usize) {
    if count > 1 {
        headers.insert(PART, format!("{}/{count}", index + 1).as_str());
    }
}

/// Joins the parts of messages that are read in the order of the stream.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    open: Option<OpenMessage>,
}

#[derive(Debug)]
struct OpenMessage {
    subject: String,
    parts: usize,
    count: usize,
    payload: BytesMut,
}

impl Assembler {
    /// Takes the next stored message; returns the payload of the message that it completes.
    pub(crate) fn push(
        &mut self,
        subject: &str,
        sequence: u64,
        headers: Option<&HeaderMap>,
        payload: Bytes,
    ) -> Result<Option<Bytes>, EngineError> {
        let wrong = |what| {
            Err(EngineError::Foreign {
                place: format!("sequence {sequence} of {subject}"),
                what,
            })
        };
        let part = headers.and_then(|headers| headers.get(PART));
        let Some(part) = part else {
            return if self.open.take().is_some() {
                wrong("a message stands between the parts of another")
            } else {
                Ok(Some(payload))
            };
        };
        let Some((index, count)) = read_part(part.as_str()) else {
            return wrong("the mark of a part is not index/count");
        };
        let mut open = match self.open.take() {
            Some(open) => open,
            None => OpenMessage {
                subject: subject.to_owned(),
                parts: 0,
                count,
                payload: BytesMut::new(),
            },
        };
        if open.subject != subject || open.count != count || open.parts + 1 != index {
            return wrong("the parts of a message do not follow each other");
        }
        open.parts = index;
        open.payload.extend_from_slice(&payload);
        if index == count {
            return Ok(Some(open.payload.freeze()));
        }
        self.open = Some(open);
        Ok(None)
    }

    /// Returns true if a message is read in part.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

fn read_part(text: &str) -> Option<(usize, usize)> {
    let (index, count) = text.split_once('/')?;
    let (index, count) = (index.parse().ok()?, count.parse().ok()?);
    (1 <= index && index <= count).then_some((index, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(payload: &'static [u8], part_bytes: usize) -> Vec<(HeaderMap, Bytes)> {
        let payload = Bytes::from_static(payload);
        let count = count(payload.len(), part_bytes);
        let parts = split(&payload, part_bytes).enumerate();
        parts
            .map(|(index, part)| {
                let mut headers = HeaderMap::new();
                mark(&mut headers, index, count);
                (headers, part)
            })
            .collect()
    }

    #[test]
    fn a_message_comes_back_whole_at_its_last_part() {
        for (payload, parts) in [(&b""[..], 1), (b"abc", 1), (b"abcd", 2), (b"abcdefg", 3)] {
            let written = written(payload, 3);
            assert_eq!(written.len(), parts);
            let mut assembler = Assembler::default();
            for (index, (headers, part)) in written.into_iter().enumerate() {
                let sequence = index as u64 + 1;
                let whole = assembler.push("s", sequence, Some(&headers), part);
                let expected = (index + 1 == parts).then(|| Bytes::from_static(payload));
                assert_eq!(whole.unwrap(), expected);
            }
            assert!(!assembler.is_open());
        }
    }

    #[test]
    fn parts_that_do_not_follow_each_other_are_an_error() {
        let written = written(b"abcdef", 2);
        let pushed = |order: &[(&str, usize)]| {
            let mut assembler = Assembler::default();
            let mut last = Ok(None);
            for &(subject, index) in order {
                let (headers, part) = &written[index];
                last = assembler.push(subject, 1, Some(headers), part.clone());
            }
            last
        };
        assert!(pushed(&[("s", 0), ("s", 1), ("s", 2)]).is_ok());
        assert!(pushed(&[("s", 0), ("s", 2)]).is_err());
        assert!(pushed(&[("s", 1)]).is_err());
        assert!(pushed(&[("s", 0), ("t", 1)]).is_err());
        let mut assembler = Assembler::default();
        let (headers, part) = &written[0];
        let open = assembler.push("s", 1, Some(headers), part.clone());
        assert!(open.is_ok() && assembler.is_open());
        assert!(assembler.push("s", 2, None, Bytes::new()).is_err());
    }
}
