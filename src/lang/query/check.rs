//! From a tree to a typed predicate, with every problem told at once.

use std::collections::{BTreeSet, HashSet};

use super::lint;
use super::matcher::Matcher;
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
    /// Tags of the workspace; none where tag names are not checked. Listed only for queries that name a tag, so that
    /// many queries over many tags stay linear.
    pub known_tags: Option<&'a dyn Fn() -> Vec<&'a str>>,
    /// The provider the query is limited to anyway.
    pub provider: Option<Provider>,
    /// Whether values without a token are taken.
    pub free_text: bool,
    /// Dialect.
    pub dialect: Dialect,
    /// Say what could not be pasted back into AssetView.
    pub portable: bool,
}

/// Terms and names after all names are expanded; more are refused, so that names cannot multiply without bound.
const MAX_EXPANDED: usize = 10_000;

/// Nesting after all names are expanded: checking and evaluation recurse this deep and no deeper.
const MAX_DEPTH: usize = 256;

/// Checks a query; with an error there is no predicate.
pub fn check(query: &Query, scope: &Scope<'_>) -> (Option<Predicate>, Vec<Diagnostic>) {
    let mut checker = Checker {
        scope,
        found: Vec::new(),
        stack: Vec::new(),
        tags: BTreeSet::new(),
        budget: MAX_EXPANDED,
        depth: 0,
        exhausted: false,
    };
    let clause = checker.expr(&query.expr, &Prefix::default());
    lint::lint(query, scope, &mut checker.found);
    let mut found = Vec::new();
    let mut told = HashSet::new();
    for d in std::mem::take(&mut checker.found) {
        // A name used twice would tell its problems twice.
        if told.insert((d.code, d.span(), d.message.clone())) {
            found.push(d);
        }
    }
    let predicate = clause.filter(|_| !has_errors(&found)).map(|clause| Predicate {
        span: query.span,
        clause: scoped(clause, scope.provider, query.span),
        text: format_query(query),
        tags: checker.tags.into_iter().collect(),
    });
    (predicate, found)
}

/// A provider scope is an implicit conjunct. query-language.md 4.
fn scoped(clause: Clause, provider: Option<Provider>, span: Span) -> Clause {
    let Some(provider) = provider.map(Provider::as_str) else { return clause };
    let test = TokenTest {
        token: ids::PROVIDER,
        matcher: Matcher::Same(provider.to_lowercase()),
        span,
        text: format!("provider: {provider}"),
    };
    Clause::And(vec![Clause::Test(test), clause])
}

/// What stands before the tokens of a group.
#[derive(Default, Clone)]
struct Prefix {
    /// The group's token with a dot; empty outside groups.
    text: String,
    /// Whether one element has to pass all tests; a group on a single object is only a short spelling.
    same_element: bool,
}

pub(super) struct Checker<'s, 'a> {
    pub(super) scope: &'s Scope<'a>,
    pub(super) found: Vec<Diagnostic>,
    /// `let` names being expanded.
    stack: Vec<String>,
    tags: BTreeSet<String>,
    budget: usize,
    depth: usize,
    /// Set once a limit is passed: nothing more is expanded, and nothing more is said about it.
    exhausted: bool,
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

    /// Counts a term or a name against the limit of expansion.
    fn spend(&mut self, span: Span) -> Option<()> {
        if self.exhausted {
            return None;
        }
        if let Some(left) = self.budget.checked_sub(1) {
            self.budget = left;
            return Some(());
        }
        self.exhausted = true;
        let help = "names used in names multiply; use tags instead";
        self.fail("P0115", format!("more than {MAX_EXPANDED} terms after expansion"), span, help)
    }

    fn expr(&mut self, expr: &Expr, prefix: &Prefix) -> Option<Clause> {
        if self.exhausted {
            return None;
        }
        if self.depth >= MAX_DEPTH {
            self.exhausted = true;
            let help = "names used in names nest; use tags instead";
            return self.fail("P0115", format!("deeper than {MAX_DEPTH} levels after expansion"), expr.span(), help);
        }
        self.depth += 1;
        let clause = match expr {
            Expr::Or(parts) => self.all(parts, prefix).map(Clause::Or),
            Expr::And(parts) => self.all(parts, prefix).map(Clause::And),
            Expr::Not(inner, _) => self.expr(inner, prefix).map(|c| Clause::Not(Box::new(c))),
            Expr::Paren(inner, _) => self.expr(inner, prefix),
            Expr::Term(term) => self.term(term, prefix),
            Expr::Ref(name) if prefix.text.is_empty() => self.reference(name),
            Expr::Free(value) if prefix.text.is_empty() => self.free(value),
            Expr::Ref(_) | Expr::Free(_) => {
                let group = prefix.text.trim_end_matches('.');
                let message = format!("this asks about the whole asset, not about one element of `{group}`");
                let help = "inside a group write `token: value`; put this beside the group";
                self.fail("P0117", message, expr.span(), help)
            }
        };
        self.depth -= 1;
        clause
    }

    /// All operands, so that each one's problems are told.
    fn all(&mut self, parts: &[Expr], prefix: &Prefix) -> Option<Vec<Clause>> {
        let checked: Vec<Option<Clause>> = parts.iter().map(|p| self.expr(p, prefix)).collect();
        checked.into_iter().collect()
    }

    fn reference(&mut self, name: &Spanned<String>) -> Option<Clause> {
        self.spend(name.span)?;
        let bare = name.value.trim_start_matches('@').to_owned();
        self.enter(&bare, name.span)?;
        let clause = self.named(&bare, name.span);
        self.stack.pop();
        clause
    }

    /// Notes that a name is being expanded, unless that would never end; the caller pops it off the stack.
    pub(super) fn enter(&mut self, name: &str, span: Span) -> Option<()> {
        if let Some(at) = self.stack.iter().position(|n| n == name) {
            let mut chain: Vec<String> = self.stack.iter().skip(at).map(|n| format!("`@{n}`")).collect();
            chain.push(format!("`@{name}`"));
            let message = format!("the names refer to each other: {}", chain.join(" -> "));
            return self.fail("P0115", message, span, "break the loop");
        }
        self.stack.push(name.to_owned());
        Some(())
    }

    /// The same for the values of a name, which may be names again.
    pub(super) fn expand_values(&mut self, name: &str, span: Span) -> Option<Vec<Scalar>> {
        self.spend(span)?;
        let Some(values) = (self.scope.values)(name) else {
            let help = did_you_mean(name, self.scope.let_names.iter().copied())
                .unwrap_or_else(|| "define it with `let NAME = VALUE`".into());
            return self.fail("P0114", format!("there is no value named `{name}`"), span, help);
        };
        self.enter(name, span)?;
        if self.stack.len() > MAX_DEPTH {
            self.stack.pop();
            return self.fail("P0115", format!("deeper than {MAX_DEPTH} names in names"), span, "use fewer names");
        }
        let mut all = Vec::new();
        for value in values {
            match value.text.strip_prefix('@').filter(|_| value.quote == Quote::Bare) {
                Some(inner) => all.extend(self.expand_values(inner, value.span).unwrap_or_default()),
                None => all.push(value.clone()),
            }
        }
        self.stack.pop();
        Some(all)
    }

    fn named(&mut self, bare: &str, span: Span) -> Option<Clause> {
        let Some(query) = (self.scope.lets)(bare) else {
            let help = did_you_mean(bare, self.scope.let_names.iter().copied())
                .unwrap_or_else(|| "define it with `let NAME = QUERY`".into());
            return self.fail("P0114", format!("there is no query named `{bare}`"), span, help);
        };
        self.expr(&query.expr, &Prefix::default())
    }

    fn free(&mut self, value: &Scalar) -> Option<Clause> {
        self.spend(value.span)?;
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

    fn term(&mut self, term: &Term, prefix: &Prefix) -> Option<Clause> {
        self.spend(term.span)?;
        if let Test::Group(inner) = &term.test {
            return self.group(term, inner, prefix);
        }
        let token = self.token(&term.token, prefix)?;
        let text = format_expr(&Expr::Term(Term {
            token: Spanned::new(catalogue::token(token).name.into(), term.token.span),
            ..term.clone()
        }));
        let test = |matcher| TokenTest { token, matcher, span: term.span, text };
        let matcher = match &term.test {
            Test::IsNull { negated } => {
                self.tag_names(token, &Matcher::Present, None);
                let test = test(Matcher::Present);
                return Some(if *negated { Clause::Test(test) } else { Clause::Absent(test) });
            }
            Test::Is(value) => self.tag_value(token, value),
            Test::Compare(op, value) => {
                let matcher = match op {
                    CompareOp::Equal | CompareOp::NotEqual => self.tag_value(token, value),
                    _ => self.compare(token, *op, value, term.span),
                }?;
                let test = Clause::Test(test(matcher));
                return Some(if *op == CompareOp::NotEqual { Clause::Not(Box::new(test)) } else { test });
            }
            Test::AnyOf(values) | Test::Alternatives(values) => {
                let matcher = self.any_of(token, values, term.span);
                values.iter().for_each(|v| {
                    // The value's problems were told already.
                    let told = self.found.len();
                    let matcher = self.value(token, v);
                    self.found.truncate(told);
                    if let Some(matcher) = matcher {
                        self.tag_names(token, &matcher, Some(v));
                    }
                });
                matcher
            }
            Test::Range { low, high, inclusive } => {
                self.range(token, (low.as_ref(), high.as_ref()), *inclusive, term.span)
            }
            Test::Group(_) => None,
        }?;
        Some(Clause::Test(test(matcher)))
    }

    fn group(&mut self, term: &Term, inner: &Expr, prefix: &Prefix) -> Option<Clause> {
        let name = format!("{}{}", prefix.text, term.token.value);
        let below = catalogue::group(&name);
        if below.is_empty() && self.token_below(&name).is_none() {
            let groups: Vec<&str> = catalogue::tokens().iter().map(|t| t.group()).filter(|g| !g.is_empty()).collect();
            let help = did_you_mean(&name, groups).unwrap_or_else(|| {
                "groups are `aws.tags`, `azure.tags`, `gcp.tags`, `interfaces`, `openPorts`, `vulnerabilities`".into()
            });
            return self.fail("P0117", format!("`{name}` has no parts that a group could test"), term.token.span, help);
        }
        let spelled = below.first().and_then(|id| catalogue::token(*id).name.get(prefix.text.len()..name.len()));
        if let Some(canonical) = spelled.filter(|s| *s != term.token.value) {
            self.found.push(
                Diagnostic::warning(
                    "P0102",
                    format!("`{}` is another spelling of `{canonical}`", term.token.value),
                    term.token.span,
                    "",
                )
                .fix(format!("write {canonical}"), term.token.span, canonical),
            );
        }
        // A group on a single object, such as `azure.vm: (…)`, is a short spelling of flat terms. query-language.md 4.
        let elements = !below.is_empty() && below.iter().all(|id| catalogue::token(*id).many);
        let same_element = elements || prefix.same_element;
        let inner = self.expr(inner, &Prefix { text: format!("{name}."), same_element })?;
        if !elements || prefix.same_element {
            return Some(inner);
        }
        let mut tokens = Vec::new();
        tokens_of(&inner, &mut tokens);
        tokens.sort();
        tokens.dedup();
        let text = format_expr(&Expr::Term(Term { token: Spanned::new(name, term.token.span), ..term.clone() }));
        Some(Clause::SameElement { tokens, inner: Box::new(inner), span: term.span, text })
    }

    /// An alias below a prefix, such as `asset` of `asset.lastBoot`.
    fn token_below(&self, prefix: &str) -> Option<TokenId> {
        let below = format!("{}.", prefix.to_lowercase());
        catalogue::all_ids()
            .find(|id| catalogue::token(*id).aliases.iter().any(|a| a.to_lowercase().starts_with(&below)))
    }

    fn token(&mut self, written: &Spanned<String>, prefix: &Prefix) -> Option<TokenId> {
        let (name, span) = (format!("{}{}", prefix.text, written.value), written.span);
        // In a group only the part after the prefix was written, so only that can be replaced.
        let short = |canonical: &'static str| {
            let front = canonical.get(..prefix.text.len())?;
            front.eq_ignore_ascii_case(&prefix.text).then(|| canonical.get(prefix.text.len()..))?
        };
        match catalogue::look_up(&name) {
            Lookup::Exact(id) => Some(id),
            Lookup::Alias(id) | Lookup::Case(id) => {
                let canonical = catalogue::token(id).name;
                let mut found =
                    Diagnostic::warning("P0102", format!("`{name}` is another spelling of `{canonical}`"), span, "");
                found = match short(canonical).filter(|s| *s != written.value) {
                    Some(short) => found.fix(format!("write {short}"), span, short),
                    None => found.help(format!("write `{canonical}` outside the group")),
                };
                // `AWS.TAGS: (key: a)`: the spelling of the group is told by its first token only.
                if short(canonical) != Some(&written.value) {
                    self.found.push(found);
                }
                Some(id)
            }
            Lookup::Unknown(near) => {
                let mut found = Diagnostic::error("P0101", format!("there is no token `{name}`"), span, "");
                found = match near.as_slice() {
                    [only] => {
                        let found = found.help(format!("did you mean `{only}`?"));
                        match short(only) {
                            Some(short) => found.fix(format!("write {short}"), span, short),
                            None => found,
                        }
                    }
                    [] => found.help(by_prefix(&name)),
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

    /// A value, and the tags it stands for where the token is `tags.name`.
    fn tag_value(&mut self, token: TokenId, value: &Scalar) -> Option<Matcher> {
        let matcher = self.value(token, value)?;
        self.tag_names(token, &matcher, Some(value));
        Some(matcher)
    }

    /// Notes which tags a test of `tags.name` builds on: every one that it can match.
    fn tag_names(&mut self, token: TokenId, matcher: &Matcher, value: Option<&Scalar>) {
        let Some(known) = self.scope.known_tags.filter(|_| token == ids::TAGS_NAME) else { return };
        let known = known();
        let matched: Vec<String> = known.iter().filter(|t| matcher.matches_text(t)).map(|t| (*t).to_owned()).collect();
        // A wildcard may be meant for tags to come; a name may not.
        if let Some(value) = value.filter(|v| matched.is_empty() && v.wildcards.is_empty()) {
            let help = did_you_mean(&value.text, known.iter().copied())
                .unwrap_or_else(|| "define it with `tag \"name\" { query = … }`".into());
            self.fail::<()>("P0113", format!("there is no tag `{}`", value.text), value.span, help);
        }
        self.tags.extend(matched);
    }
}

/// Where no name is near: the tokens that share a prefix.
fn by_prefix(name: &str) -> String {
    let below: Vec<String> =
        catalogue::group(name).iter().map(|id| format!("`{}`", catalogue::token(*id).name)).collect();
    if let [first, ..] = below.as_slice() {
        return match below.len() {
            1..=4 => format!("it is a group; its tokens are {}", below.join(", ")),
            n => format!("it is a group of {n} tokens, such as {first}"),
        };
    }
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
