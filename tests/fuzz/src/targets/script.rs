//! Inputs that are a list of steps, each with bytes of its own. Written so that a genuine update stands in such an input
//! as it is: libFuzzer's changes to the input are then changes to the update, and seeds can be made of updates.
//!
//! `step u8 | length u16 little-endian | so many bytes`; a length beyond the end means the rest.

/// Reads the steps off an input.
#[derive(Debug, Clone)]
pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(crate) const fn new(input: &'a [u8]) -> Self {
        Self(input)
    }
}

impl<'a> Iterator for Script<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&step, rest) = self.0.split_first()?;
        let Some((length, rest)) = rest.split_first_chunk::<2>() else {
            self.0 = &[];
            return Some((step, &[]));
        };
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (body, rest) = rest.split_at(length);
        self.0 = rest;
        Some((step, body))
    }
}

/// Appends a step, as seeds are made.
pub(crate) fn write(script: &mut Vec<u8>, step: u8, body: &[u8]) {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    script.push(step);
    script.extend(length.to_le_bytes());
    script.extend(&body[..usize::from(length)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_as_it_was_written_and_never_beyond_its_end() {
        let mut script = Vec::new();
        write(&mut script, 3, b"abc");
        write(&mut script, 9, b"");
        let steps: Vec<_> = Script::new(&script).collect();
        assert_eq!(steps, [(3, &b"abc"[..]), (9, b"")]);
        assert_eq!(
            Script::new(&script[..5]).collect::<Vec<_>>(),
            [(3, &b"ab"[..])]
        );
        assert_eq!(Script::new(&[7, 1]).collect::<Vec<_>>(), [(7, &b""[..])]);
    }
}
