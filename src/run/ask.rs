//! Ad-hoc questions to an inventory: a query's text to rows, counts, values and explanations.

use roaring::RoaringBitmap;

use crate::base::diagnostic::{Diagnostic, has_errors};
use crate::base::source::SourceMap;
use crate::inventory::catalogue::{self, Lookup, TokenId, TokenType};
use crate::inventory::partition::Gap;
use crate::lang::query::check::{Dialect, Scope, check};
use crate::lang::query::facts::seen;
use crate::lang::query::predicate::{Membership, Moment, Predicate};
use crate::lang::syntax::parse_query;

use super::env::Env;
use super::error::{Result, RunError};
use super::inventory::Loaded;
use super::workspace::Workspace;

/// A checked ad-hoc query with the texts its diagnostics point into.
pub struct Asked {
    /// The workspace's texts and the query's own.
    pub sources: SourceMap,
    /// None where it has errors.
    pub predicate: Option<Predicate>,
    /// Errors and lints.
    pub diagnostics: Vec<Diagnostic>,
}

/// Parses and checks a query typed by a person; free text is allowed, `let` names of the workspace are known.
pub fn ask(text: &str, workspace: &Workspace, env: &Env, dialect: Dialect) -> Asked {
    let mut sources = workspace.sources.clone();
    let file = sources.add("<query>", text);
    let (query, mut diagnostics) = parse_query(text, file, 0, &env.limits);
    let program = &workspace.program;
    let lets = |name: &str| program.lets.get(name);
    let values = |name: &str| program.values.get(name).map(Vec::as_slice);
    let tags = || program.tags.iter().map(|t| t.name.value.as_str()).collect();
    let scope = Scope {
        lets: &lets,
        values: &values,
        let_names: program.lets.keys().chain(program.values.keys()).map(String::as_str).collect(),
        known_tags: Some(&tags),
        provider: None,
        free_text: dialect == Dialect::Default,
        dialect,
        portable: dialect == Dialect::Strict,
    };
    let mut predicate = None;
    if let (Some(query), false) = (query, has_errors(&diagnostics)) {
        let (checked, found) = check(&query, &scope);
        diagnostics.extend(found);
        predicate = checked.filter(|_| !has_errors(&diagnostics));
    }
    Asked { sources, predicate, diagnostics }
}

/// The token of a name typed on the command line.
pub fn token(name: &str) -> Result<TokenId> {
    match catalogue::look_up(name) {
        Lookup::Exact(id) | Lookup::Alias(id) | Lookup::Case(id) => Ok(id),
        Lookup::Unknown(near) => Err(RunError::Unknown {
            kind: "token",
            name: name.to_owned(),
            hint: match near.as_slice() {
                [] => "; `palisade tokens` lists them".into(),
                near => format!(
                    "; did you mean {}?",
                    near.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" or ")
                ),
            },
        }),
    }
}

/// One asset of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Provider resource id.
    pub id: String,
    /// `AWS`, `AZURE`, `GCP`.
    pub provider: &'static str,
    /// The values of each column asked for; several joined by the caller.
    pub columns: Vec<Vec<String>>,
}

/// An asset about which nothing can be said, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsure {
    /// Provider resource id.
    pub id: String,
    /// What was not read.
    pub gaps: Vec<Gap>,
}

/// What a query found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Matches, in snapshot order.
    pub matched: Vec<Row>,
    /// Cannot tell.
    pub cannot_tell: Vec<Unsure>,
    /// Assets asked.
    pub assets: u32,
}

/// Evaluates a query, or takes every asset where there is none.
pub fn membership(loaded: &Loaded, predicate: Option<&Predicate>, moment: &Moment) -> Membership {
    match predicate {
        Some(predicate) => predicate.evaluate(&loaded.snapshot, moment),
        None => {
            let stale = loaded.snapshot.stale_rows().clone();
            let all: RoaringBitmap = (0..loaded.snapshot.len()).collect();
            Membership { matched: all - &stale, cannot_tell: stale }
        }
    }
}

/// The rows of a membership with the columns asked for.
pub fn answer(
    loaded: &Loaded,
    found: &Membership,
    predicate: Option<&Predicate>,
    columns: &[TokenId],
    moment: &Moment,
) -> Answer {
    let snapshot = &loaded.snapshot;
    let matched = found
        .matched
        .iter()
        .filter_map(|row| {
            let asset = snapshot.asset(row)?;
            Some(Row {
                id: asset.id().to_owned(),
                provider: asset.provider().as_str(),
                columns: columns.iter().map(|c| seen(snapshot, row, *c, moment)).collect(),
            })
        })
        .collect();
    let cannot_tell = found
        .cannot_tell
        .iter()
        .filter_map(|row| {
            let gaps = predicate.map_or_else(|| snapshot.stale_gaps(row), |p| p.gaps(snapshot, row, moment));
            Some(Unsure { id: snapshot.asset(row)?.id().to_owned(), gaps })
        })
        .collect();
    Answer { matched, cannot_tell, assets: snapshot.len() }
}

/// The word for a token's type.
pub fn type_word(ty: TokenType) -> &'static str {
    match ty {
        TokenType::Enum(_) => "enum",
        TokenType::Keyword => "keyword",
        TokenType::Text => "text",
        TokenType::Number => "number",
        TokenType::Date => "date",
        TokenType::Bool => "bool",
        TokenType::Ip => "ip",
    }
}
