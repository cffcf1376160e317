//! From a tree to a typed predicate, with every problem told at once.

use super::lint;
use super::predicate::{Clause, Predicate, TokenTest};
use crate::base::diagnostic::{Diagnostic, has_errors};
use crate::base::nearest::did_you_mean;
use crate::base::source::{Span, Spanned};
use crate::inventory::asset::Provider;
use crate::inventory::catalogue::{self, Lookup, TokenId, ids};
use crate::lang::format::{format_expr, format_query};
use crate::lang::syntax::ast::{CompareOp, Expr, Query, Quote, Scalar, Term, Test};

/// Which forms are taken. language.md 2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// The whole language.
    #[default]
    Default,
    /// Only what is attested for AssetView.
    Strict,
}

/// What a query may refer to.
pub struct Scope<'a> {
    /// The query that a `let` name stands for.
    pub lets: &'a dyn Fn(&str) -> Option<&'a Query>,
    /// The values that a `let` name stands for.
    pub values: &'a dyn Fn(&str) -> Option<&'a [Scalar]>,
    /// Names of `let` definitions, for suggestions.
    pub let_names: Vec<&'a str>,
    /// Tags of the workspace; none where tag names are not checked.
    pub known_tags: Option<Vec<&'a str>>,
    /// The provider the query is limited to anyway.
    pub provider: Option<Provider>,
    /// Whether values without a token are taken.
    pub free_text: bool,
    /// Dialect.
    pub dialect: Dialect,
    /// Say what could not be pasted back into AssetView.
    pub portable: bool,
}

/// Terms after all names are expanded; more are refused, so that names cannot multiply without bound.
const MAX_EXPANDED: usize = 10_000;

/// Checks a query; with an error there is no predicate.
pub fn check(query: &Query, scope: &Scope<'_>) -> (Option<Predicate>, Vec<Diagnostic>) {
    let mut checker = Checker { scope, found: Vec::new(), stack: Vec::new(), tags: Vec::new(), budget: MAX_EXPANDED };
    let clause = checker.expr(&query.expr, "");
    lint::lint(query, scope, &mut checker.found);
    let predicate = clause.filter(|_| !has_errors(&checker.found)).map(|clause| Predicate {
        span: query.span,
        clause,
        text: format_query(query),
        tags: std::mem::take(&mut checker.tags),
    });
    (predicate, checker.found)
}

pub(super) struct Checker<'s, 'a> {
    pub(super) scope: &'s Scope<'a>,
    pub(super) found: Vec<Diagnostic>,
    /// `let` names being expanded.
    stack: Vec<String>,
    tags: Vec<String>,
    budget: usize,
}

impl Checker<'_, '_> {
    pub(super) fn fail<T>(
        &mut self,
        code: &'static str,
        message: String,
        span: Span,
        help: impl Into<String>,
    ) -> Option<T> {
        self.found.push(Diagnostic::error(code, message, span, "").help(help));
        None
    }

    /// `prefix` is the group's token, with a dot, or empty.
    fn expr(&mut self, expr: &Expr, prefix: &str) -> Option<Clause> {
        match expr {
            Expr::Or(parts) => self.all(parts, prefix).map(Clause::Or),
            Expr::And(parts) => self.all(parts, prefix).map(Clause::And),
            Expr::Not(inner, _) => self.expr(inner, prefix).map(|c| Clause::Not(Box::new(c))),
            Expr::Paren(inner, _) => self.expr(inner, prefix),
            Expr::Term(term) => self.term(term, prefix),
            Expr::Ref(name) => self.reference(name),
            Expr::Free(value) => self.free(value),
        }
    }

    /// All operands, so that each one's problems are told.
    fn all(&mut self, parts: &[Expr], prefix: &str) -> Option<Vec<Clause>> {
        let checked: Vec<Option<Clause>> = parts.iter().map(|p| self.expr(p, prefix)).collect();
        checked.into_iter().collect()
    }

    fn reference(&mut self, name: &Spanned<String>) -> Option<Clause> {
        let bare = name.value.trim_start_matches('@').to_owned();
        if let Some(at) = self.stack.iter().position(|n| *n == bare) {
            let mut chain: Vec<String> = self.stack.iter().skip(at).map(|n| format!("`@{n}`")).collect();
            chain.push(format!("`@{bare}`"));
            let message = format!("the names refer to each other: {}", chain.join(" -> "));
            return self.fail("P0115", message, name.span, "break the loop");
        }
        let Some(query) = (self.scope.lets)(&bare) else {
            let help = did_you_mean(&bare, self.scope.let_names.iter().copied())
                .unwrap_or_else(|| "define it with `let NAME = QUERY`".into());
            return self.fail("P0114", format!("there is no query named `{bare}`"), name.span, help);
        };
        self.stack.push(bare);
        let clause = self.expr(&query.expr, "");
        self.stack.pop();
        clause
    }

    fn free(&mut self, value: &Scalar) -> Option<Clause> {
        if !self.scope.free_text {
            let near = did_you_mean(&value.text, catalogue::tokens().iter().map(|t| t.name));
            let help = near.unwrap_or_else(|| "write `token: value`; `palisade tokens` lists the tokens".into());
            let message = format!("`{}` stands without a token", value.text);
            return self.fail("P0116", message, value.span, help);
        }
        let text = format_expr(&Expr::Free(value.clone()));
        let matcher = self.value(ids::NAME, value)?;
        Some(Clause::Free(TokenTest { token: ids::NAME, matcher, span: value.span, text }))
    }

    fn term(&mut self, term: &Term, prefix: &str) -> Option<Clause> {
        self.budget = match self.budget.checked_sub(1) {
            Some(left) => left,
            None => {
                let help = "names used in names multiply; use tags instead";
                return self.fail("P0115", format!("more than {MAX_EXPANDED} terms after expansion"), term.span, help);
            }
        };
        let name = format!("{prefix}{}", term.token.value);
        if let Test::Group(inner) = &term.test {
            return self.group(term, inner, &name);
        }
        let token = self.token(&name, term.token.span)?;
        let text = format_expr(&Expr::Term(Term {
            token: Spanned::new(catalogue::token(token).name.into(), term.token.span),
            ..term.clone()
        }));
        let test = |matcher| TokenTest { token, matcher, span: term.span, text };
        let matcher = match &term.test {
            Test::IsNull { negated } => {
                let test = test(super::matcher::Matcher::Present);
                return Some(if *negated { Clause::Test(test) } else { Clause::Absent(test) });
            }
            Test::Is(value) => {
                self.tag_name(token, value);
                self.value(token, value)
            }
            Test::Compare(op, value) => {
                if *op == CompareOp::Equal || *op == CompareOp::NotEqual {
                    self.tag_name(token, value);
                }
                let matcher = self.compare(token, *op, value, term.span)?;
                let test = Clause::Test(test(matcher));
                return Some(if *op == CompareOp::NotEqual { Clause::Not(Box::new(test)) } else { test });
            }
            Test::AnyOf(values) | Test::Alternatives(values) => {
                values.iter().for_each(|v| self.tag_name(token, v));
                self.any_of(token, values, term.span)
            }
            Test::Range { low, high, inclusive } => {
                self.range(token, (low.as_ref(), high.as_ref()), *inclusive, term.span)
            }
            Test::Group(_) => None,
        }?;
        Some(Clause::Test(test(matcher)))
    }

    fn group(&mut self, term: &Term, inner: &Expr, name: &str) -> Option<Clause> {
        if catalogue::group(name).is_empty() && self.token_below(name).is_none() {
            let groups: Vec<&str> = catalogue::tokens().iter().map(|t| t.group()).collect();
            let help = did_you_mean(name, groups).unwrap_or_else(|| {
                "groups are `aws.tags`, `azure.tags`, `gcp.tags`, `interfaces`, `openPorts`, `vulnerabilities`".into()
            });
            return self.fail("P0117", format!("`{name}` has no parts that a group could test"), term.token.span, help);
        }
        let inner = self.expr(inner, &format!("{name}."))?;
        let mut tokens = Vec::new();
        tokens_of(&inner, &mut tokens);
        tokens.sort();
        tokens.dedup();
        let text = format_expr(&Expr::Term(term.clone()));
        Some(Clause::SameElement { tokens, inner: Box::new(inner), span: term.span, text })
    }

    /// An alias below a prefix, such as `asset` of `asset.lastBoot`.
    fn token_below(&self, prefix: &str) -> Option<TokenId> {
        let below = format!("{}.", prefix.to_lowercase());
        catalogue::all_ids()
            .find(|id| catalogue::token(*id).aliases.iter().any(|a| a.to_lowercase().starts_with(&below)))
    }

    fn token(&mut self, name: &str, span: Span) -> Option<TokenId> {
        match catalogue::look_up(name) {
            Lookup::Exact(id) => Some(id),
            Lookup::Alias(id) | Lookup::Case(id) => {
                let canonical = catalogue::token(id).name;
                let short = match canonical.len().checked_sub(span.len() as usize) {
                    // Within a group only the part after the prefix was written.
                    _ if name.len() > span.len() as usize => canonical.rsplit('.').next().unwrap_or(canonical),
                    _ => canonical,
                };
                self.found.push(
                    Diagnostic::warning("P0102", format!("`{name}` is another spelling of `{canonical}`"), span, "")
                        .fix(format!("write {short}"), span, short),
                );
                Some(id)
            }
            Lookup::Unknown(near) => {
                let mut found = Diagnostic::error("P0101", format!("there is no token `{name}`"), span, "");
                found = match near.as_slice() {
                    [only] if name.len() == span.len() as usize => {
                        found.help(format!("did you mean `{only}`?")).fix(format!("write {only}"), span, *only)
                    }
                    [] => found.help(by_prefix(name)),
                    several => {
                        let names: Vec<String> = several.iter().map(|n| format!("`{n}`")).collect();
                        found.help(format!("did you mean {}?", names.join(" or ")))
                    }
                };
                self.found.push(found);
                None
            }
        }
    }

    fn tag_name(&mut self, token: TokenId, value: &Scalar) {
        if token != ids::TAGS_NAME || !value.wildcards.is_empty() {
            return;
        }
        let Some(known) = &self.scope.known_tags else { return };
        // Words of a name match too, so only a value that no tag can match is a mistake.
        let wanted = value.text.to_lowercase();
        if let Some(name) = known.iter().find(|t| t.to_lowercase() == wanted) {
            self.tags.push((*name).to_owned());
        } else if value.quote == Quote::Backtick || !known.iter().any(|t| t.to_lowercase().contains(&wanted)) {
            let help = did_you_mean(&value.text, known.iter().copied())
                .unwrap_or_else(|| "define it with `tag \"name\" { query = … }`".into());
            self.fail::<()>("P0113", format!("there is no tag `{}`", value.text), value.span, help);
        } else {
            let parts = known.iter().filter(|t| t.to_lowercase().contains(&wanted));
            self.tags.extend(parts.map(|t| (*t).to_owned()));
        }
    }
}

/// Where no name is near: the tokens that share a prefix.
fn by_prefix(name: &str) -> String {
    let front = name.rsplit_once('.').map_or(name, |(front, _)| front);
    match catalogue::group(front).len() {
        0 => "`palisade tokens` lists the tokens".into(),
        n => format!("`palisade tokens {front}` lists the {n} tokens below `{front}`"),
    }
}

fn tokens_of(clause: &Clause, tokens: &mut Vec<TokenId>) {
    match clause {
        Clause::And(parts) | Clause::Or(parts) => parts.iter().for_each(|p| tokens_of(p, tokens)),
        Clause::Not(inner) | Clause::SameElement { inner, .. } => tokens_of(inner, tokens),
        Clause::Test(test) | Clause::Absent(test) | Clause::Free(test) => tokens.push(test.token),
    }
}
