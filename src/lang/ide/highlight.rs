//! Colours as kinds: every visible piece of a text with what it is. Linear in the text, never fails.

use std::ops::Range;

use super::Mode;
use super::place::{Place, Walk, is_number};
use super::query::{QueryWalk, Step, is_name};
use crate::lang::syntax::lexer::{Kind, Lexeme, is_keyword, lexemes};

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HighlightKind {
    /// `and`, `scan`, `expect`: words of the language.
    Keyword,
    /// A known token of a query.
    Token,
    /// A key of a block.
    Key,
    /// Any other bare word: enum words, bare values.
    Word,
    /// `:`, `=`, `..`, `,`.
    Operator,
    /// Parentheses, brackets, braces.
    Bracket,
    /// A quoted text.
    String,
    /// A number, duration, rate, date or address.
    Number,
    /// A name after `@` or `let`.
    Reference,
    /// A comment.
    Comment,
    /// What cannot be right: an open quote or comment, a stray character, a closing bracket without an opening one.
    Error,
}

/// The pieces in order; white space is left out. Ranges are bytes of `text`, and never overlap.
pub fn highlight(text: &str, mode: Mode) -> Vec<(Range<u32>, HighlightKind)> {
    let mut walk = Walk::new(text, mode);
    let mut open: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for lexeme in lexemes(text) {
        let kind = match lexeme.kind {
            Kind::Newline => None,
            Kind::Comment { closed: true } => Some(HighlightKind::Comment),
            Kind::Quoted { closed: true } => Some(HighlightKind::String),
            Kind::Comment { closed: false } | Kind::Quoted { closed: false } | Kind::Unknown => {
                Some(HighlightKind::Error)
            }
            Kind::Operator => Some(HighlightKind::Operator),
            Kind::Open | Kind::Close => Some(bracket(lexeme.text(text), &mut open)),
            Kind::Word => Some(word(lexeme.text(text), &walk)),
        };
        if let Some(kind) = kind {
            found.push((lexeme_range(&lexeme), kind));
        }
        walk.push(&lexeme);
    }
    found
}

pub(super) fn lexeme_range(lexeme: &Lexeme) -> Range<u32> {
    lexeme.start as u32..lexeme.end as u32
}

fn bracket<'t>(text: &'t str, open: &mut Vec<&'t str>) -> HighlightKind {
    let opening = match text {
        ")" => "(",
        "]" => "[",
        "}" => "{",
        _ => {
            open.push(text);
            return HighlightKind::Bracket;
        }
    };
    if open.last() == Some(&opening) {
        open.pop();
        HighlightKind::Bracket
    } else {
        HighlightKind::Error
    }
}

fn word(word: &str, walk: &Walk<'_>) -> HighlightKind {
    if walk.resumes(word) {
        return HighlightKind::Keyword;
    }
    match walk.place() {
        Place::Top => HighlightKind::Keyword,
        Place::Entry { block, .. } => {
            let verb = block.is_some_and(|b| b.blocks.contains(&word) || b.statements.contains(&word));
            if verb { HighlightKind::Keyword } else { HighlightKind::Key }
        }
        Place::Name { head: "let", depth: 0 } => HighlightKind::Reference,
        Place::Name { .. } | Place::Named => HighlightKind::Word,
        Place::Operand { statement, .. } if statement.words.contains(&word) => HighlightKind::Keyword,
        Place::Operand { .. } | Place::Value { .. } => number_or_word(word),
        Place::Query(query) => query_word(word, query),
    }
}

fn query_word(word: &str, query: &QueryWalk) -> HighlightKind {
    match &query.step {
        _ if is_keyword(word) => HighlightKind::Keyword,
        Step::Reference => HighlightKind::Reference,
        Step::Operand if is_name(&query.full_name(word)) => HighlightKind::Token,
        _ => number_or_word(word),
    }
}

fn number_or_word(word: &str) -> HighlightKind {
    if is_number(word) { HighlightKind::Number } else { HighlightKind::Word }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, mode: Mode) -> String {
        let parts: Vec<String> = highlight(text, mode)
            .into_iter()
            .map(|(r, k)| format!("{}={k:?}", text.get(r.start as usize..r.end as usize).unwrap()))
            .collect();
        parts.join(" ")
    }

    #[test]
    fn a_query() {
        assert_eq!(
            shown("NOT azure.vm.state:RUNNING and x > 3 # c", Mode::Query),
            "NOT=Keyword azure.vm.state=Token :=Operator RUNNING=Word and=Keyword x=Word >=Operator 3=Number # c=Comment"
        );
        assert_eq!(
            shown("aws.tags: (key: \"a\" and value: b) or @mine ]", Mode::Query),
            "aws.tags=Token :=Operator (=Bracket key=Token :=Operator \"a\"=String and=Keyword value=Token :=Operator \
             b=Word )=Bracket or=Keyword @=Operator mine=Reference ]=Error"
        );
        assert_eq!(shown("name: \"open", Mode::Query), "name=Token :=Operator \"open=Error");
    }

    #[test]
    fn a_job_file() {
        assert_eq!(
            shown(
                "let a = name: x\n\tor name: y\nscan \"s\" { connector = \"c\"; targets { where = name: z\nipv6 = true } }",
                Mode::Job
            ),
            "let=Keyword a=Reference ==Operator name=Token :=Operator x=Word or=Keyword name=Token :=Operator y=Word \
             scan=Keyword \"s\"=String {=Bracket connector=Key ==Operator \"c\"=String ;=Operator targets=Keyword \
             {=Bracket where=Key ==Operator name=Token :=Operator z=Word ipv6=Key ==Operator true=Word }=Bracket }=Bracket"
        );
        assert_eq!(
            shown(
                "policy \"p\" { expect tcp 443 { tls = \">= 1.2\" }\nwaive tcp 1 on name: x { until = 2026-12-31 } }",
                Mode::Job
            ),
            "policy=Keyword \"p\"=String {=Bracket expect=Keyword tcp=Keyword 443=Number {=Bracket tls=Key ==Operator \
             \">= 1.2\"=String }=Bracket waive=Keyword tcp=Keyword 1=Number on=Keyword name=Token :=Operator x=Word \
             {=Bracket until=Key ==Operator 2026-12-31=Number }=Bracket }=Bracket"
        );
    }
}
