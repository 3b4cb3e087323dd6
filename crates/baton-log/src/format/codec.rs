//! Numbers and checksums, as they are written in rows.

/// Bound of positions and commit numbers: counting on from a smaller one never overflows. A larger
/// one is damage, even under a correct checksum.
pub(crate) const NUMBERS_END: u64 = 1 << 62;

/// The reason why a row is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadRow(pub(crate) &'static str);

/// Returns the CRC-32 over a row's key and the parts of its value.
pub(crate) fn checksum(key: u64, parts: &[&[u8]]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&key.to_be_bytes());
    for part in parts {
        crc.update(part);
    }
    crc.finalize()
}

/// Reads numbers from the front of a slice.
pub(crate) struct RowReader<'a>(pub(crate) &'a [u8]);

impl<'a> RowReader<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], BadRow> {
        let (head, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(BadRow("the row is too short"))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadRow> {
        let (head, rest) = self
            .0
            .split_first_chunk()
            .ok_or(BadRow("the row is too short"))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, BadRow> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, BadRow> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, BadRow> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, BadRow> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                break;
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(BadRow("a number has more than 64 bits"))
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
