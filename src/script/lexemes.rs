//! A light reading of a script's text, to know where things stand: rhai tells lines and columns of faults, but not where
//! its functions and its texts are.

use std::ops::Range;

/// A piece of a script; comments and blanks are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// A name or keyword.
    Name(&'t str),
    /// A quoted text, what stands between its quotes; interpolated and escaped ones are not plain.
    Text { inner: &'t str, plain: bool },
    /// Any other character.
    Other(char),
}

/// All pieces with their bytes.
pub(super) fn pieces(text: &str) -> Vec<(Piece<'_>, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|r| !r.is_empty()) {
        let Some(first) = rest.chars().next() else { break };
        let len = match first {
            c if c.is_whitespace() => c.len_utf8(),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment(rest),
            '"' | '`' | '\'' => {
                let len = quoted(rest, first);
                let inner = rest.get(1..len.saturating_sub(1)).unwrap_or("");
                let plain = len > 1 && !inner.contains(['\\', '\n']) && !(first == '`' && inner.contains("${"));
                found.push((Piece::Text { inner, plain }, at..at + len));
                len
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
                found.push((Piece::Name(rest.get(..len).unwrap_or("")), at..at + len));
                len
            }
            c => {
                found.push((Piece::Other(c), at..at + c.len_utf8()));
                c.len_utf8()
            }
        };
        at += len;
    }
    found
}

/// Length of a comment that may hold further comments.
fn comment(rest: &str) -> usize {
    let mut depth = 0usize;
    let mut last = '\0';
    for (i, c) in rest.char_indices() {
        match (last, c) {
            ('/', '*') => (depth, last) = (depth + 1, '\0'),
            ('*', '/') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return i + 1;
                }
                last = '\0';
            }
            _ => last = c,
        }
    }
    rest.len()
}

/// Length of a quoted text with its quotes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return i + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_passed_over_and_texts_are_found() {
        let text = "// fn no\nfn a(x) { /* \"no\" /* deep */ */ x.matches(\"p: q\") + `v${x}` + \"a\\\"b\" }";
        let found = pieces(text);
        let texts: Vec<_> = found
            .iter()
            .filter_map(|(p, r)| match p {
                Piece::Text { inner, plain } => Some((*inner, *plain, text.get(r.clone()).unwrap())),
                _ => None,
            })
            .collect();
        assert_eq!(texts, [("p: q", true, "\"p: q\""), ("v${x}", false, "`v${x}`"), ("a\\\"b", false, "\"a\\\"b\"")]);
        assert_eq!(found[0], (Piece::Name("fn"), 9..11));
    }

    #[test]
    fn unclosed_pieces_end_with_the_text() {
        for text in ["\"abc", "/* /* */", "`é", "'", "/", "é\"é"] {
            let found = pieces(text);
            assert!(found.iter().all(|(_, r)| text.get(r.clone()).is_some()), "{text}");
        }
    }
}
