//! A tolerant scan into lexemes: never fails, linear time. The guards, error recovery, the formatter's comments and
//! highlighting stand on it; the grammar does the parsing.

/// What a lexeme is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A run of bare characters: word, number, address.
    Word,
    /// A quoted text; false where its end is missing.
    Quoted {
        /// Whether the closing quote is there.
        closed: bool,
    },
    /// A comment; false for a `/*` without its end.
    Comment {
        /// Whether the end is there.
        closed: bool,
    },
    /// `:`, `=`, `>`, `..`, `,`, `;`, `@`.
    Operator,
    /// `(`, `[`, `{`.
    Open,
    /// `)`, `]`, `}`.
    Close,
    /// A line end.
    Newline,
    /// A character that belongs nowhere.
    Unknown,
}

/// A piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lexeme {
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Lexeme {
    /// Its text.
    pub fn text<'a>(&self, source: &'a str) -> &'a str {
        source.get(self.start..self.end).unwrap_or("")
    }
}

/// True for characters of bare words.
fn is_bare(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '@' | '*' | '+' | '.' | '%')
}

/// All lexemes in order; white space other than line ends is left out.
pub fn lexemes(source: &str) -> Vec<Lexeme> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|r| !r.is_empty()) {
        let (kind, len) = next(rest);
        if let Some(kind) = kind {
            found.push(Lexeme { kind, start: at, end: at + len });
        }
        at += len.max(1);
    }
    found
}

fn next(rest: &str) -> (Option<Kind>, usize) {
    let Some(c) = rest.chars().next() else { return (None, 0) };
    match c {
        '\n' => (Some(Kind::Newline), 1),
        c if c.is_whitespace() || c == '\u{feff}' => (None, c.len_utf8()),
        '#' => (Some(Kind::Comment { closed: true }), line(rest)),
        '/' if rest.starts_with("//") => (Some(Kind::Comment { closed: true }), line(rest)),
        '/' if rest.starts_with("/*") => match rest.get(2..).and_then(|r| r.find("*/")) {
            Some(end) => (Some(Kind::Comment { closed: true }), end + 4),
            None => (Some(Kind::Comment { closed: false }), rest.len()),
        },
        '"' | '\'' | '`' => quoted(rest, c),
        '\u{201c}' | '\u{201d}' | '\u{201e}' => {
            match rest.char_indices().skip(1).find(|(_, c)| matches!(c, '\u{201c}' | '\u{201d}')) {
                Some((end, c)) => (Some(Kind::Quoted { closed: true }), end + c.len_utf8()),
                None => (Some(Kind::Quoted { closed: false }), line(rest)),
            }
        }
        '(' | '[' | '{' => (Some(Kind::Open), 1),
        ')' | ']' | '}' => (Some(Kind::Close), 1),
        '.' if rest.starts_with("...") => (Some(Kind::Operator), 3),
        '.' if rest.starts_with("..") => (Some(Kind::Operator), 2),
        ':' | ',' | ';' => (Some(Kind::Operator), 1),
        '@' => (Some(Kind::Operator), 1),
        '=' | '>' | '<' | '!' | '&' | '|' | '~' => {
            let len = rest.chars().take_while(|c| matches!(c, '=' | '>' | '<' | '!' | '&' | '|' | '~')).count();
            let known = matches!(rest.get(..len), Some("=" | ">" | "<" | ">=" | "<=" | "!="));
            (Some(if known { Kind::Operator } else { Kind::Unknown }), len)
        }
        c if is_bare(c) => (Some(Kind::Word), word(rest)),
        c => (Some(Kind::Unknown), c.len_utf8()),
    }
}

fn line(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

/// A quoted text ends at its quote; one that is never closed ends with its line.
fn quoted(rest: &str, quote: char) -> (Option<Kind>, usize) {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return (Some(Kind::Quoted { closed: true }), at + 1),
            _ => {}
        }
    }
    (Some(Kind::Quoted { closed: false }), line(rest))
}

/// The length of a bare word: two dots end it, and so does a comment mark.
fn word(rest: &str) -> usize {
    for (at, c) in rest.char_indices() {
        let here = rest.get(at..).unwrap_or("");
        if !is_bare(c) || here.starts_with("..") || (at > 0 && (here.starts_with("//") || here.starts_with("/*"))) {
            return at;
        }
    }
    rest.len()
}

/// True for `and or not is null in` in any case.
pub fn is_keyword(word: &str) -> bool {
    ["and", "or", "not", "is", "null", "in"].iter().any(|k| word.eq_ignore_ascii_case(k))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lexemes_of_a_query() {
        let text = "a.b:[now-3d...now] and c>=\"x\\\"y\" # done\n'open";
        let shown: Vec<&str> = lexemes(text).iter().map(|l| l.text(text)).collect();
        assert_eq!(
            shown,
            ["a.b", ":", "[", "now-3d", "...", "now", "]", "and", "c", ">=", "\"x\\\"y\"", "# done", "\n", "'open"]
        );
    }
}
