//! Names: where they are defined, and which name a place refers to.

use std::ops::Range;

use super::highlight::lexeme_range;
use super::place::{Place, Walk};
use super::query::Step;
use super::{Mode, boundary, unquoted};
use crate::lang::syntax::lexer::{Kind, lexemes};

/// A definition: `kind "name" { … }`, or `let name = …` with the kind `let`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Kind of block, or `let`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The name's bytes, with quotes.
    pub span: Range<u32>,
}

/// A use of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Kind of block that is meant, or `let`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The bytes of the use, with quotes.
    pub span: Range<u32>,
}

/// All definitions of a job file, in order.
pub fn symbols(text: &str) -> Vec<Symbol> {
    let mut walk = Walk::new(text, Mode::Job);
    let mut found = Vec::new();
    for lexeme in lexemes(text) {
        if let Place::Name { head, depth: 0 } = walk.place() {
            let written = lexeme.text(text);
            let name = match (lexeme.kind, head) {
                (Kind::Word, "let") => Some(written.to_owned()),
                (Kind::Quoted { .. }, kind) if kind != "let" => Some(unquoted(written)),
                _ => None,
            };
            found.extend(name.map(|name| Symbol { kind: head.to_owned(), name, span: lexeme_range(&lexeme) }));
        }
        walk.push(&lexeme);
    }
    found
}

/// The name that the text at an offset refers to. Look it up among the symbols of all files to go to its definition.
pub fn reference_at(text: &str, offset: u32, mode: Mode) -> Option<Reference> {
    let at = boundary(text, offset);
    let mut walk = Walk::new(text, mode);
    for lexeme in lexemes(text) {
        if lexeme.start <= at && at <= lexeme.end && matches!(lexeme.kind, Kind::Word | Kind::Quoted { .. }) {
            let kind = kind_of_name(&walk)?;
            let written = lexeme.text(text);
            let name = if lexeme.kind == Kind::Word { written.to_owned() } else { unquoted(written) };
            return Some(Reference { kind: kind.to_owned(), name, span: lexeme_range(&lexeme) });
        }
        if lexeme.start > at {
            return None;
        }
        walk.push(&lexeme);
    }
    None
}

/// What kind of thing a text at this place names.
pub(super) fn kind_of_name(walk: &Walk<'_>) -> Option<&'static str> {
    let kind = match walk.place() {
        Place::Value { key: Some(key), .. } => key.refers,
        Place::Operand { statement, operands: 0 } => statement.refers,
        Place::Query(query) => match &query.step {
            Step::Reference => "let",
            Step::Value(token) => token_names(token),
            _ => "",
        },
        _ => "",
    };
    (!kind.is_empty() && kind != "region").then_some(kind)
}

/// The kind of block whose names are the values of a token.
pub(super) fn token_names(token: &str) -> &'static str {
    if token.eq_ignore_ascii_case("tags.name") {
        "tag"
    } else if token.eq_ignore_ascii_case("connectors.name") {
        "connector"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "let mine = name: x\ntag \"a \\\" b\" { query = tags.name: \"web\" and @mine }\n\
                        scan \"s\" { connector = \"c\"; targets { include = any [\"web\", \"db\"] } }\n\
                        test \"t\" { scan \"s\" counts { targets = 1 } }";

    #[test]
    fn definitions() {
        let names: Vec<(String, String)> = symbols(TEXT).into_iter().map(|s| (s.kind, s.name)).collect();
        let wanted = [("let", "mine"), ("tag", "a \" b"), ("scan", "s"), ("test", "t")];
        assert_eq!(names, wanted.map(|(k, n)| (k.to_owned(), n.to_owned())));
    }

    #[test]
    fn uses() {
        for (needle, kind, name) in [
            ("\"web\" and", "tag", "web"),
            ("mine }", "let", "mine"),
            ("\"c\"", "connector", "c"),
            ("\"db\"", "tag", "db"),
            ("\"s\" counts", "scan", "s"),
        ] {
            let at = TEXT.find(needle).unwrap() as u32 + 1;
            let found = reference_at(TEXT, at, Mode::Job).unwrap();
            assert_eq!((found.kind.as_str(), found.name.as_str()), (kind, name), "{needle}");
        }
        assert_eq!(reference_at(TEXT, 0, Mode::Job), None);
        assert_eq!(reference_at(TEXT, u32::MAX, Mode::Job), None);
    }
}
