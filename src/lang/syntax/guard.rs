//! What is checked before the parser runs: size, encoding, nesting. language.md 2.3.

use super::lexer::{Kind, Lexeme};
use crate::base::diagnostic::Diagnostic;
use crate::base::limits::Limits;
use crate::base::source::{FileId, Span};

use super::grammar::Place;

/// Bytes of a job file as text: a byte order mark is cut, line ends stay. None where they cannot be text.
pub fn decode(bytes: &[u8], file: FileId, limits: &Limits) -> (Option<String>, Vec<Diagnostic>) {
    let start = Span::new(file, 0, 0);
    if bytes.len() as u64 > limits.job_file_bytes {
        let message = format!("the file is larger than {} bytes, the limit for job files", limits.job_file_bytes);
        let found = Diagnostic::error("P0001", message, start, "")
            .help("split it: all `*.pal` files below a folder are one program");
        return (None, vec![found]);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let line = bytes.iter().take(at).filter(|b| **b == b'\n').count() + 1;
            let message = format!("the file is not UTF-8: byte {at} on line {line} fits no character");
            let found = Diagnostic::error("P0003", message, start, "").help("save it as UTF-8");
            return (None, vec![found]);
        }
    };
    if let Some(at) = text.find('\0') {
        let span = Span::new(file, at as u32, at as u32 + 1);
        let found = Diagnostic::error("P0002", format!("there is a NUL byte at byte {at}"), span, "")
            .help("job files are plain text; was this one written by another program?");
        return (Some(text.replace('\0', "\u{fffd}")), vec![found]);
    }
    (Some(text.to_owned()), Vec::new())
}

/// Nesting of brackets and runs of `not`, in one pass; the first place that is too deep.
pub(super) fn nesting(source: &str, lexemes: &[Lexeme], place: Place, limits: &Limits) -> Option<Diagnostic> {
    let (mut depth, mut nots) = (0usize, 0usize);
    // What each open bracket added: `not (…)` is two levels, and both end with it.
    let mut opened: Vec<usize> = Vec::new();
    for lexeme in lexemes {
        match lexeme.kind {
            Kind::Open => {
                opened.push(1 + nots);
                depth += 1 + nots;
                nots = 0;
            }
            Kind::Close => {
                depth = depth.saturating_sub(opened.pop().unwrap_or(0));
                nots = 0;
            }
            Kind::Word if lexeme.text(source).eq_ignore_ascii_case("not") => nots += 1,
            Kind::Newline | Kind::Comment { .. } => {}
            Kind::Word | Kind::Quoted { .. } | Kind::Operator | Kind::Unknown => nots = 0,
        }
        if depth + nots > limits.nesting_depth {
            let message = format!("nested deeper than {} levels", limits.nesting_depth);
            let span = place.span(lexeme.start, lexeme.end);
            return Some(
                Diagnostic::error("P0004", message, span, "the level that is too deep")
                    .help("name parts of the query with `let` and use them as `@NAME`"),
            );
        }
    }
    None
}
