//! Reading binary answers with bounds: what is not there is `None`, and nothing is ever read beyond the end.

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Octets<'a>(pub(super) &'a [u8]);

impl<'a> Octets<'a> {
    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (front, back) = self.0.split_at_checked(n)?;
        self.0 = back;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[b]| b)
    }

    pub(super) fn be16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn be32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn le16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn le32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Up to the next zero byte, which is passed over.
    pub(super) fn until_zero(&mut self) -> Option<&'a [u8]> {
        let n = self.0.iter().position(|b| *b == 0)?;
        let text = self.take(n)?;
        self.take(1)?;
        Some(text)
    }
}

/// Characters of a text that are kept.
const TEXT_CHARS: usize = 256;

/// Text as it is kept: no control characters, not longer than a line.
pub(super) fn text(bytes: &[u8]) -> String {
    let all = String::from_utf8_lossy(bytes);
    all.chars().take(TEXT_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// True for one or more printable ASCII characters and nothing else.
pub(super) fn printable(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| (b' '..=b'~').contains(b))
}

/// The value after `"name":` in a JSON text, whatever holds it: the text of a string without its escapes, or the digits
/// or word. Enough for the few flat answers that are read here; bounded by the answer.
pub(super) fn json<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let marked = format!("\"{name}\"");
    body.match_indices(&marked).find_map(|(at, _)| {
        let rest = body.get(at + marked.len()..)?.trim_start().strip_prefix(':')?.trim_start();
        match rest.strip_prefix('"') {
            Some(inner) => inner.split('"').next(),
            None => rest.split([',', '}', ']', '\r', '\n', ' ']).next().filter(|w| !w.is_empty()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let mut octets = Octets(&[1, 0, 2, b'a', 0, 9]);
        assert_eq!((octets.byte(), octets.be16(), octets.until_zero()), (Some(1), Some(2), Some(&b"a"[..])));
        assert_eq!((octets.le32(), octets.byte(), octets.byte(), octets.until_zero()), (None, Some(9), None, None));
        assert_eq!(octets.take(usize::MAX), None);
    }

    #[test]
    fn fields_are_found_by_name() {
        let body = "{\"a\" : \"x\", \"b\":true,\"c\":{\"version\":{\"number\" : \"8.1\"}}, \"cut\":\"";
        for (name, want) in
            [("a", Some("x")), ("b", Some("true")), ("number", Some("8.1")), ("cut", Some("")), ("d", None)]
        {
            assert_eq!(json(body, name), want, "{name}");
        }
    }
}
