//! Cuts a stream of JSON into values without building them, so that one bad record costs one record and memory is
//! bounded by the largest record. Only structure is looked at here; each cut is parsed, with every check, by its reader.

use std::io::Read;
use std::ops::Range;

/// Bytes asked of the reader at a time.
const CHUNK: usize = 256 << 10;

/// Why a stream cannot be cut any further. Offsets count unpacked bytes from the start of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SplitError {
    /// The stream ends inside a value.
    #[error("truncated at byte {at}")]
    Truncated {
        /// Length of the stream.
        at: u64,
    },
    /// Something else than JSON.
    #[error("not JSON at byte {at}: expected {expected}, found {found}")]
    Syntax {
        /// Offset of the byte.
        at: u64,
        /// What may stand here.
        expected: &'static str,
        /// The byte, for people.
        found: String,
    },
    /// The reader failed.
    #[error("cannot be read after byte {at}: {text}")]
    Io {
        /// Bytes read before.
        at: u64,
        /// The reader's words.
        text: String,
    },
    /// The stream is longer than allowed.
    #[error("longer than the limit of {limit} bytes")]
    TooLong {
        /// The limit.
        limit: u64,
    },
}

/// A value cut out of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// It stands in this range of the buffer until the next call; see [`Splitter::bytes`].
    Whole(Range<usize>),
    /// It was longer than the limit and was skipped; this is how long it was.
    TooLong(u64),
}

/// The cutter. A call leaves it after the value it names, or in an undefined place where it fails.
pub(super) struct Splitter<R> {
    reader: R,
    buf: Vec<u8>,
    pos: usize,
    /// Offset in the stream of `buf[0]`.
    base: u64,
    eof: bool,
    /// Longest value kept, in bytes.
    piece_limit: usize,
    /// Longest stream read, in bytes.
    stream_limit: u64,
    /// Start of the value being cut, kept when the buffer moves.
    hold: Option<usize>,
}

impl<R: Read> Splitter<R> {
    /// A cutter that keeps values up to `piece_limit` bytes and reads at most `stream_limit` bytes.
    pub(super) fn new(reader: R, piece_limit: usize, stream_limit: u64) -> Self {
        Self { reader, buf: Vec::new(), pos: 0, base: 0, eof: false, piece_limit, stream_limit, hold: None }
    }

    /// Offset of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.pos as u64
    }

    /// The bytes of a piece; empty for a range that is no longer there.
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.buf.get(range).unwrap_or(&[])
    }

    /// Reads more; false at the end of the stream.
    fn fill(&mut self) -> Result<bool, SplitError> {
        if self.eof {
            return Ok(false);
        }
        let keep = self.hold.unwrap_or(self.pos).min(self.pos);
        if keep > 0 {
            self.buf.drain(..keep);
            self.base += keep as u64;
            self.pos -= keep;
            self.hold = self.hold.map(|h| h - keep);
        }
        let old = self.buf.len();
        self.buf.resize(old + CHUNK.max(old / 2), 0);
        let read = loop {
            match self.reader.read(self.buf.get_mut(old..).unwrap_or(&mut [])) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buf.truncate(old + read.as_ref().copied().unwrap_or(0));
        match read {
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(SplitError::Truncated { at: self.base + self.buf.len() as u64 })
            }
            Err(e) => Err(SplitError::Io { at: self.base + self.buf.len() as u64, text: e.to_string() }),
            Ok(0) => {
                self.eof = true;
                Ok(false)
            }
            Ok(_) if self.base + self.buf.len() as u64 > self.stream_limit => {
                Err(SplitError::TooLong { limit: self.stream_limit })
            }
            Ok(_) => Ok(true),
        }
    }

    /// The next byte, not consumed.
    fn byte(&mut self) -> Result<Option<u8>, SplitError> {
        loop {
            if let Some(b) = self.buf.get(self.pos) {
                return Ok(Some(*b));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// The next byte that is not white space, not consumed; nothing at the end of the stream.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, SplitError> {
        while let Some(b) = self.byte()? {
            if !matches!(b, b' ' | b'\t' | b'\r' | b'\n') {
                return Ok(Some(b));
            }
            self.pos += 1;
        }
        Ok(None)
    }

    /// As [`Self::peek`], over the separators that may stand between documents: white space and record separators.
    pub(super) fn next_document(&mut self) -> Result<Option<u8>, SplitError> {
        while let Some(b) = self.peek()? {
            if b != 0x1e {
                return Ok(Some(b));
            }
            self.pos += 1;
        }
        Ok(None)
    }

    /// An error about the next byte.
    fn unexpected<T>(&mut self, expected: &'static str) -> Result<T, SplitError> {
        match self.byte()? {
            None => Err(SplitError::Truncated { at: self.offset() }),
            Some(b) => Err(SplitError::Syntax {
                at: self.offset(),
                expected,
                found: if b.is_ascii_graphic() { format!("`{}`", char::from(b)) } else { format!("byte 0x{b:02x}") },
            }),
        }
    }

    /// Consumes an opening bracket.
    pub(super) fn open(&mut self, bracket: u8, expected: &'static str) -> Result<(), SplitError> {
        if self.peek()? == Some(bracket) {
            self.pos += 1;
            return Ok(());
        }
        self.unexpected(expected)
    }

    /// Moves to the next member of an array or object that has been opened; false where `close` was met and consumed.
    /// `first` is true before the first member and is cleared here.
    pub(super) fn member(&mut self, first: &mut bool, close: u8) -> Result<bool, SplitError> {
        let expected = if close == b']' { "`,` or `]`" } else { "`,` or `}`" };
        match self.peek()? {
            Some(b) if b == close => {
                self.pos += 1;
                return Ok(false);
            }
            Some(b',') if !*first => self.pos += 1,
            Some(_) if *first => {}
            _ => return self.unexpected(expected),
        }
        *first = false;
        Ok(true)
    }

    /// Reads a key and its colon.
    pub(super) fn key(&mut self) -> Result<String, SplitError> {
        if self.peek()? != Some(b'"') {
            return self.unexpected("a key in quotes");
        }
        let at = self.offset();
        let key = match self.value()? {
            Piece::Whole(range) => serde_json::from_slice::<String>(self.bytes(range)).ok(),
            Piece::TooLong(_) => None,
        };
        let Some(key) = key else {
            return Err(SplitError::Syntax {
                at,
                expected: "a key in quotes",
                found: "a string that is not UTF-8 or too long".into(),
            });
        };
        if self.peek()? != Some(b':') {
            return self.unexpected("`:`");
        }
        self.pos += 1;
        Ok(key)
    }

    /// Cuts the next value, whatever it is.
    pub(super) fn value(&mut self) -> Result<Piece, SplitError> {
        let first = self.peek()?;
        let start = self.offset();
        self.hold = Some(self.pos);
        let done = match first {
            Some(b'{' | b'[') => self.pass_nested(),
            Some(b'"') => self.pass_string(),
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => self.pass_scalar(),
            _ => self.unexpected("a value"),
        };
        let hold = self.hold.take();
        done?;
        Ok(match hold {
            Some(from) if self.pos - from <= self.piece_limit => Piece::Whole(from..self.pos),
            _ => Piece::TooLong(self.offset() - start),
        })
    }

    /// Reads more inside a value, giving up the value where it is too long to keep.
    fn fill_inside(&mut self) -> Result<(), SplitError> {
        if self.hold.is_some_and(|h| self.pos - h > self.piece_limit) {
            self.hold = None;
        }
        if self.fill()? { Ok(()) } else { Err(SplitError::Truncated { at: self.offset() }) }
    }

    fn pass_string(&mut self) -> Result<(), SplitError> {
        self.pos += 1;
        loop {
            let rest = self.buf.get(self.pos..).unwrap_or(&[]);
            match rest.iter().position(|b| matches!(b, b'"' | b'\\')) {
                None => {
                    self.pos = self.buf.len();
                    self.fill_inside()?;
                }
                Some(n) if rest.get(n) == Some(&b'"') => {
                    self.pos += n + 1;
                    return Ok(());
                }
                Some(n) => {
                    self.pos += n + 1;
                    if self.pos >= self.buf.len() {
                        self.fill_inside()?;
                    }
                    self.pos += 1;
                }
            }
        }
    }

    fn pass_nested(&mut self) -> Result<(), SplitError> {
        let mut depth = 0_u64;
        loop {
            let rest = self.buf.get(self.pos..).unwrap_or(&[]);
            match rest.iter().position(|b| matches!(b, b'"' | b'{' | b'}' | b'[' | b']')) {
                None => {
                    self.pos = self.buf.len();
                    self.fill_inside()?;
                }
                Some(n) => {
                    let b = rest.get(n).copied();
                    self.pos += n;
                    match b {
                        Some(b'"') => self.pass_string()?,
                        Some(b'{' | b'[') => {
                            depth += 1;
                            self.pos += 1;
                        }
                        _ => {
                            depth -= 1;
                            self.pos += 1;
                            if depth == 0 {
                                return Ok(());
                            }
                        }
                    }
                }
            }
        }
    }

    fn pass_scalar(&mut self) -> Result<(), SplitError> {
        while let Some(b) = self.byte()? {
            if !matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.') {
                break;
            }
            self.pos += 1;
            if self.hold.is_some_and(|h| self.pos - h > self.piece_limit) {
                self.hold = None;
            }
        }
        Ok(())
    }

    /// The first key of the object that comes next, without consuming anything; only what is in reach of one read.
    pub(super) fn first_key(&mut self) -> Result<Option<String>, SplitError> {
        if self.peek()? != Some(b'{') {
            return Ok(None);
        }
        if self.buf.len() - self.pos < 1024 {
            self.hold = Some(self.pos);
            let filled = self.fill();
            self.hold = None;
            filled?;
        }
        let rest = self.buf.get(self.pos + 1..).unwrap_or(&[]);
        let inner = rest.trim_ascii_start();
        let Some(quoted) = inner.strip_prefix(b"\"") else { return Ok(None) };
        let Some(end) = quoted.iter().position(|b| matches!(b, b'"' | b'\\')) else { return Ok(None) };
        Ok(quoted.get(..end).and_then(|k| std::str::from_utf8(k).ok()).map(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one byte at a time, so that every boundary is crossed.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let (Some(b), Some(slot)) = (self.0.first(), out.first_mut()) else { return Ok(0) };
            *slot = *b;
            self.0 = &self.0[1..];
            Ok(1)
        }
    }

    fn pieces(text: &[u8], limit: usize) -> Result<Vec<String>, SplitError> {
        let mut s = Splitter::new(Drip(text), limit, 1 << 20);
        let mut out = Vec::new();
        while s.next_document()?.is_some() {
            out.push(match s.value()? {
                Piece::Whole(r) => String::from_utf8_lossy(s.bytes(r)).into_owned(),
                Piece::TooLong(n) => format!("too long: {n}"),
            });
        }
        Ok(out)
    }

    #[test]
    fn concatenated_values_come_apart() {
        let got = pieces(br#" {"a":"}\"]"} [1,[2]]"x" -1.5e3 null"#, 100);
        assert_eq!(
            got,
            Ok(vec![r#"{"a":"}\"]"}"#.into(), "[1,[2]]".into(), "\"x\"".into(), "-1.5e3".into(), "null".into()])
        );
    }

    #[test]
    fn a_long_value_is_skipped_and_the_next_one_kept() {
        let text = format!("{{\"a\":\"{}\"}} 7", "x".repeat(50));
        assert_eq!(pieces(text.as_bytes(), 10), Ok(vec!["too long: 58".into(), "7".into()]));
    }

    #[test]
    fn truncation_says_where() {
        for text in ["{\"a\":[1", "[\"abc", "{\"a\":\"\\", "["] {
            assert_eq!(pieces(text.as_bytes(), 100), Err(SplitError::Truncated { at: text.len() as u64 }), "{text}");
        }
    }

    #[test]
    fn other_text_is_refused_at_its_byte() {
        let error = pieces(b"  <html>", 100).unwrap_err();
        assert_eq!(error.to_string(), "not JSON at byte 2: expected a value, found `<`");
    }

    #[test]
    fn members_and_keys() {
        let mut s = Splitter::new(Drip(br#"{"a" : [1 , 2], "b\n":{}}"#), 100, 1 << 20);
        s.open(b'{', "x").unwrap();
        let mut first = true;
        assert!(s.member(&mut first, b'}').unwrap());
        assert_eq!(s.key().unwrap(), "a");
        s.value().unwrap();
        assert!(s.member(&mut first, b'}').unwrap());
        assert_eq!(s.key().unwrap(), "b\n");
        s.value().unwrap();
        assert!(!s.member(&mut first, b'}').unwrap());
        assert_eq!(s.peek().unwrap(), None);
    }

    #[test]
    fn deep_nesting_needs_no_stack() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        let mut s = Splitter::new(deep.as_bytes(), 10, 1 << 20);
        assert_eq!(s.value(), Ok(Piece::TooLong(400_000)));
    }

    #[test]
    fn the_stream_limit_holds() {
        let mut s = Splitter::new(&br#"[1,2,3,4,5,6,7,8]"#[..], 100, 10);
        assert_eq!(s.value(), Err(SplitError::TooLong { limit: 10 }));
    }
}
