//! Hover: what the word under the cursor means.

use std::ops::Range;

use super::highlight::lexeme_range;
use super::place::{Place, Walk};
use super::query::{Step, known_token};
use super::symbol::kind_of_name;
use super::{Mode, boundary, unquoted};
use crate::base::codes;
use crate::inventory::catalogue::{self, Token, TokenType};
use crate::inventory::region::{region_by_code, region_by_name};
use crate::lang::analyze::schema;
use crate::lang::syntax::lexer::{Kind, Lexeme, is_keyword, lexemes};

/// What to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    /// The bytes it is about.
    pub span: Range<u32>,
    /// One line: the thing and its kind.
    pub title: String,
    /// Plain text, several lines.
    pub text: String,
}

/// The documentation of what stands at an offset: a token, a key, a block, a verb, a keyword, a name, a diagnostic
/// code (in comments too). None where there is nothing to say.
pub fn hover(text: &str, offset: u32, mode: Mode) -> Option<Hover> {
    let at = boundary(text, offset);
    let mut walk = Walk::new(text, mode);
    for lexeme in lexemes(text) {
        if lexeme.start <= at && at < lexeme.end {
            return code(&lexeme, text, at).or_else(|| lexeme_hover(&lexeme, text, &walk));
        }
        if lexeme.start > at {
            return None;
        }
        walk.push(&lexeme);
    }
    None
}

/// A diagnostic code such as `P0101` under the cursor.
fn code(lexeme: &Lexeme, source: &str, at: usize) -> Option<Hover> {
    let text = lexeme.text(source);
    text.match_indices('P').find_map(|(start, _)| {
        let name = text.get(start..start + 5)?;
        let (from, to) = (lexeme.start + start, lexeme.start + start + 5);
        let doc = codes::find(name).filter(|_| from <= at && at < to)?;
        let title = format!("{}: {}", doc.code, doc.title);
        Some(Hover { span: from as u32..to as u32, title, text: doc.explanation.to_owned() })
    })
}

fn lexeme_hover(lexeme: &Lexeme, source: &str, walk: &Walk<'_>) -> Option<Hover> {
    let word = lexeme.text(source);
    let (title, text) = match lexeme.kind {
        Kind::Quoted { .. } => quoted(&unquoted(word), walk)?,
        Kind::Word if walk.resumes(word) => keyword(word)?,
        Kind::Word => bare(word, walk)?,
        _ => return None,
    };
    Some(Hover { span: lexeme_range(lexeme), title, text })
}

fn bare(word: &str, walk: &Walk<'_>) -> Option<(String, String)> {
    match walk.place() {
        Place::Top if word == "let" => {
            Some(("let".into(), "names a value or a query; @NAME in a query stands for it: let west = westus".into()))
        }
        Place::Top => schema::of(word).map(block),
        Place::Entry { keys, block: parent, .. } => {
            if let Some(key) = keys.iter().find(|k| k.name == word) {
                let need = if key.required { ", required" } else { "" };
                return Some((format!("{word}: key{need}"), key.doc.to_owned()));
            }
            let parent = parent?;
            if let Some(statement) = schema::statement(parent.kind, word) {
                return Some((format!("{word}: statement of {}", parent.kind), statement.doc.to_owned()));
            }
            parent.blocks.iter().find(|b| **b == word).and_then(|b| schema::of(b)).map(block)
        }
        Place::Query(query) => match &query.step {
            _ if is_keyword(word) => keyword(word),
            Step::Operand => {
                let name = query.full_name(word);
                known_token(&name).map(token).or_else(|| group(&name))
            }
            Step::Value(name) => value(word, name),
            Step::Reference => Some((format!("@{word}"), "stands for what `let` gives this name".into())),
            _ => None,
        },
        Place::Name { .. } | Place::Named | Place::Operand { .. } | Place::Value { .. } => None,
    }
}

fn quoted(text: &str, walk: &Walk<'_>) -> Option<(String, String)> {
    if let Some(kind) = kind_of_name(walk) {
        return Some((format!("{kind} `{text}`"), schema::of(kind).map_or("", |b| b.doc).to_owned()));
    }
    match walk.place() {
        Place::Value { key: Some(key), .. } if key.refers == "region" => region(text),
        Place::Query(query) => match &query.step {
            Step::Value(token) => value(text, token),
            _ => None,
        },
        _ => None,
    }
}

fn region(text: &str) -> Option<(String, String)> {
    let code = region_by_name(text).unwrap_or(text);
    region_by_code(code).map(|name| (format!("AWS region {code}"), name.to_owned()))
}

fn block(schema: &schema::BlockSchema) -> (String, String) {
    let mut lines = vec![schema.doc.to_owned()];
    lines.extend(schema.keys.iter().map(|k| format!("{}: {}", k.name, k.doc)));
    if !schema.blocks.is_empty() {
        lines.push(format!("blocks: {}", schema.blocks.join(", ")));
    }
    if !schema.statements.is_empty() {
        lines.push(format!("statements: {}", schema.statements.join(", ")));
    }
    (format!("{}: block", schema.kind), lines.join("\n"))
}

/// How a type is called in words.
pub(super) fn type_name(ty: TokenType) -> &'static str {
    match ty {
        TokenType::Enum(_) => "one of a few values",
        TokenType::Keyword => "keyword",
        TokenType::Text => "text",
        TokenType::Number => "number",
        TokenType::Date => "date",
        TokenType::Bool => "true or false",
        TokenType::Ip => "address",
    }
}

fn token(token: &Token) -> (String, String) {
    let many = if token.many { ", several" } else { "" };
    let mut lines = vec![token.doc.to_owned(), format!("example: {}", token.example)];
    if let TokenType::Enum(values) = token.ty {
        lines.push(format!("values: {}", values.join(", ")));
    }
    if let Some(provider) = token.provider {
        lines.push(format!("only {} assets have it", provider.as_str()));
    }
    if !token.aliases.is_empty() {
        lines.push(format!("also spelled {}", token.aliases.join(", ")));
    }
    (format!("{}: {}{many}", token.name, type_name(token.ty)), lines.join("\n"))
}

fn group(name: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = catalogue::group(name).into_iter().map(|id| catalogue::token(id).name).collect();
    let text = format!("{name}: (… and …) asks that one element passes all tests; its parts are {}", parts.join(", "));
    (!parts.is_empty()).then(|| (format!("{name}: group"), text))
}

fn value(text: &str, token: &str) -> Option<(String, String)> {
    let row = known_token(token)?;
    let TokenType::Enum(values) = row.ty else { return None };
    let known = values.iter().find(|v| v.eq_ignore_ascii_case(text))?;
    Some((format!("{known}: value of {}", row.name), format!("values: {}", values.join(", "))))
}

fn keyword(word: &str) -> Option<(String, String)> {
    let text = match word.to_ascii_lowercase().as_str() {
        "and" => "both sides hold; binds tighter than `or`",
        "or" => "one side holds; binds loosest",
        "not" => "the plain complement of the one test that follows: it holds where the token has no value too",
        "is" | "null" => "`t is null`: no value; `t is not null`: at least one",
        "in" => "one of a list: t in [a, b]",
        _ => return None,
    };
    Some((word.to_ascii_lowercase(), text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(text: &str, needle: &str, mode: Mode) -> Option<String> {
        hover(text, text.find(needle).unwrap() as u32, mode).map(|h| h.title)
    }

    #[test]
    fn every_kind_of_thing() {
        let query = "not azure.vm.state: running and aws.tags: (key: x) # P0101";
        assert_eq!(title(query, "not", Mode::Query).as_deref(), Some("not"));
        assert_eq!(title(query, "azure", Mode::Query).as_deref(), Some("azure.vm.state: one of a few values"));
        assert_eq!(title(query, "running", Mode::Query).as_deref(), Some("RUNNING: value of azure.vm.state"));
        assert_eq!(title(query, "aws.tags", Mode::Query).as_deref(), Some("aws.tags: group"));
        assert_eq!(title(query, "key", Mode::Query).as_deref(), Some("aws.tags.key: keyword, several"));
        assert!(title(query, "P0101", Mode::Query).is_some_and(|t| t.starts_with("P0101: ")));
        assert_eq!(title(query, " azure", Mode::Query), None);
        let job =
            "scan \"s\" { connector = \"c\"\n targets { regions = [\"us-east-1\"] } }\npolicy \"p\" { deny port 1 }";
        assert_eq!(title(job, "scan", Mode::Job).as_deref(), Some("scan: block"));
        assert_eq!(title(job, "connector", Mode::Job).as_deref(), Some("connector: key, required"));
        assert_eq!(title(job, "\"c\"", Mode::Job).as_deref(), Some("connector `c`"));
        assert_eq!(title(job, "targets", Mode::Job).as_deref(), Some("targets: block"));
        assert_eq!(title(job, "\"us-east-1\"", Mode::Job).as_deref(), Some("AWS region us-east-1"));
        assert_eq!(title(job, "deny", Mode::Job).as_deref(), Some("deny: statement of policy"));
    }
}
