//! What parses and types, and still is probably not meant.

use std::collections::BTreeMap;

use super::check::{Dialect, Scope};
use crate::base::diagnostic::{Diagnostic, Severity};
use crate::base::source::Span;
use crate::inventory::asset::Provider;
use crate::inventory::catalogue::{self, Lookup, TokenId, TokenType, ids};
use crate::lang::format::format_expr;
use crate::lang::syntax::ast::{CompareOp, Expr, Query, Quote, Scalar, Term, Test};

pub(super) fn lint(query: &Query, scope: &Scope<'_>, found: &mut Vec<Diagnostic>) {
    let guards: Vec<Provider> = scope.provider.into_iter().collect();
    walk(&query.expr, "", &guards, found);
    if let Some(provider) = scope.provider {
        foreign(&query.expr, provider, found);
    }
    if scope.portable || scope.dialect == Dialect::Strict {
        portable(&query.expr, scope.dialect, found);
    }
}

fn provider_of(term: &Term) -> Option<Provider> {
    match catalogue::look_up(&term.token.value) {
        Lookup::Exact(id) | Lookup::Alias(id) | Lookup::Case(id) => catalogue::token(id).provider,
        Lookup::Unknown(_) => {
            let below = catalogue::group(&term.token.value);
            let provider = below.first().and_then(|id| catalogue::token(*id).provider)?;
            below.iter().all(|id| catalogue::token(*id).provider == Some(provider)).then_some(provider)
        }
    }
}

/// `prefix` is the group around it; `guards` are the providers that what stands beside it is limited to.
fn walk(expr: &Expr, prefix: &str, guards: &[Provider], found: &mut Vec<Diagnostic>) {
    match expr {
        Expr::Or(parts) => {
            parts.iter().filter(|p| matches!(p, Expr::And(_))).for_each(|p| mixed(p, found));
            parts.iter().for_each(|p| walk(p, prefix, guards, found));
        }
        Expr::And(parts) => {
            if prefix.is_empty() {
                flat_pair(parts, found);
            }
            exclusive(parts, prefix, found);
            let mut guards = guards.to_vec();
            guards.extend(Provider::ALL.into_iter().filter(|p| parts.iter().any(|part| limits(part, *p))));
            parts.iter().for_each(|p| walk(p, prefix, &guards, found));
        }
        Expr::Not(inner, span) => {
            if prefix.is_empty() {
                unguarded(expr, *span, guards, found);
            }
            walk(inner, prefix, guards, found);
        }
        Expr::Paren(inner, _) => walk(inner, prefix, guards, found),
        Expr::Term(term) => match &term.test {
            Test::Group(inner) => walk(inner, &format!("{prefix}{}.", term.token.value), guards, found),
            Test::Compare(CompareOp::NotEqual, _) if prefix.is_empty() => unguarded(expr, term.span, guards, found),
            _ => {}
        },
        Expr::Ref(_) | Expr::Free(_) => {}
    }
}

fn mixed(part: &Expr, found: &mut Vec<Diagnostic>) {
    let message = "`and` and `or` stand at one level";
    let label = "`and` binds tighter, so this is one operand";
    let fixed = format!("({})", format_expr(part));
    found.push(Diagnostic::warning("P0118", message, part.span(), label).fix("add parentheses", part.span(), fixed));
}

fn bare(expr: &Expr) -> &Expr {
    let mut expr = expr;
    while let Expr::Paren(inner, _) = expr {
        expr = inner;
    }
    expr
}

/// Whether only assets of this provider can pass.
fn limits(expr: &Expr, provider: Provider) -> bool {
    match bare(expr) {
        Expr::And(parts) => parts.iter().any(|p| limits(p, provider)),
        Expr::Or(parts) => parts.iter().all(|p| limits(p, provider)),
        // Any test of `provider` shows that other providers were thought of.
        Expr::Term(term) if term.token.value.eq_ignore_ascii_case("provider") => true,
        // So does one of a connector: it is of one provider.
        Expr::Term(term) if term.token.value.eq_ignore_ascii_case("connectors.name") => true,
        expr => elsewhere(expr, provider) == Some(false),
    }
}

/// The answer for assets of other providers, where it can be known: they have none of this provider's tokens.
fn elsewhere(expr: &Expr, provider: Provider) -> Option<bool> {
    match bare(expr) {
        Expr::Not(inner, _) => elsewhere(inner, provider).map(|holds| !holds),
        Expr::And(parts) | Expr::Or(parts) => {
            let decisive = matches!(bare(expr), Expr::Or(_));
            let all: Vec<Option<bool>> = parts.iter().map(|p| elsewhere(p, provider)).collect();
            if all.contains(&Some(decisive)) {
                Some(decisive)
            } else {
                all.into_iter().collect::<Option<Vec<bool>>>().map(|_| !decisive)
            }
        }
        Expr::Term(term) if provider_of(term) == Some(provider) => match &term.test {
            Test::IsNull { negated } => Some(!negated),
            Test::Compare(CompareOp::NotEqual, _) => Some(true),
            _ => Some(false),
        },
        Expr::Term(_) | Expr::Ref(_) | Expr::Free(_) | Expr::Paren(..) => None,
    }
}

/// The providers whose values, not only their absence, it asks about.
fn asks(expr: &Expr, providers: &mut Vec<Provider>) {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|p| asks(p, providers)),
        Expr::Not(inner, _) | Expr::Paren(inner, _) => asks(inner, providers),
        Expr::Term(term) if !matches!(term.test, Test::IsNull { .. }) => providers.extend(provider_of(term)),
        Expr::Term(_) | Expr::Ref(_) | Expr::Free(_) => {}
    }
}

/// `not aws.ec2.x: v` also holds for every asset of the other providers, and so does `aws.ec2.x != v`.
fn unguarded(negation: &Expr, span: Span, guards: &[Provider], found: &mut Vec<Diagnostic>) {
    let mut providers = Vec::new();
    asks(negation, &mut providers);
    let open = |p: &Provider| !guards.contains(p) && elsewhere(negation, *p) == Some(true);
    let Some(name) = providers.into_iter().find(open).map(Provider::as_str) else { return };
    found.push(
        Diagnostic::warning("P0119", format!("this also holds for every asset that is not {name}"), span, "")
            .help(format!("add `and provider: {name}` if only {name} assets are meant")),
    );
}

/// Two different values asked of a token that has only one.
fn exclusive(parts: &[Expr], prefix: &str, found: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<TokenId, (&Scalar, Span)> = BTreeMap::new();
    for part in parts {
        let Expr::Term(Term { token, test: Test::Is(value), span }) = bare(part) else { continue };
        let id = match catalogue::look_up(&format!("{prefix}{}", token.value)) {
            Lookup::Exact(id) | Lookup::Alias(id) | Lookup::Case(id) => id,
            Lookup::Unknown(_) => continue,
        };
        let row = catalogue::token(id);
        let whole = matches!(row.ty, TokenType::Enum(_) | TokenType::Keyword | TokenType::Number | TokenType::Bool);
        let named = value.quote == Quote::Bare && value.text.starts_with('@');
        if !whole || named || !value.wildcards.is_empty() || row.many {
            continue;
        }
        let spelled = |v: &Scalar| catalogue::enum_alias(id, &v.text).map_or(v.text.to_lowercase(), str::to_lowercase);
        match seen.get(&id) {
            Some((first, at)) if spelled(first) != spelled(value) => {
                let message = format!("no asset has `{}` and `{}` as its `{}`", first.text, value.text, row.name);
                found.push(
                    Diagnostic::warning("P0127", message, *span, "excludes the other test")
                        .label(*at, "this test")
                        .help(format!("for either of them write `{}: [{}, {}]`", row.name, first.text, value.text)),
                );
            }
            Some(_) => {}
            None => {
                seen.insert(id, (value, *span));
            }
        }
    }
}

/// Tokens that no asset of the scope's provider has.
fn foreign(expr: &Expr, scope: Provider, found: &mut Vec<Diagnostic>) {
    match expr {
        Expr::Or(parts) | Expr::And(parts) => parts.iter().for_each(|p| foreign(p, scope, found)),
        Expr::Not(inner, _) | Expr::Paren(inner, _) => foreign(inner, scope, found),
        Expr::Term(term) => {
            if let Some(other) = provider_of(term).filter(|p| *p != scope) {
                let message = format!(
                    "`{}` is a token of {}, and only {} assets are asked",
                    term.token.value,
                    other.as_str(),
                    scope.as_str()
                );
                found.push(
                    Diagnostic::warning("P0128", message, term.token.span, "never has a value here")
                        .help("take the token of the right provider, or leave `provider` out"),
                );
            }
        }
        Expr::Ref(_) | Expr::Free(_) => {}
    }
}

/// `aws.tags.key: env and aws.tags.value: prod` may be met by two different tags.
fn flat_pair(parts: &[Expr], found: &mut Vec<Diagnostic>) {
    let pairs = [
        (ids::AWS_TAG_KEY, ids::AWS_TAG_VALUE),
        (ids::AZURE_TAG_NAME, ids::AZURE_TAG_VALUE),
        (ids::GCP_TAG_KEY, ids::GCP_TAG_VALUE),
    ];
    let term = |id| {
        parts.iter().find_map(|p| match bare(p) {
            Expr::Term(t) if !matches!(t.test, Test::IsNull { .. } | Test::Group(_)) => {
                let same = |found: TokenId| found == id;
                match catalogue::look_up(&t.token.value) {
                    Lookup::Exact(found) | Lookup::Alias(found) | Lookup::Case(found) => same(found).then_some(t),
                    Lookup::Unknown(_) => None,
                }
            }
            _ => None,
        })
    };
    for (key, value) in pairs {
        if let (Some(k), Some(v)) = (term(key), term(value)) {
            let group = catalogue::token(key).group();
            let short = |t: &Term, name: &str| {
                let mut t = t.clone();
                t.token.value = name.rsplit('.').next().unwrap_or(name).to_owned();
                format_expr(&Expr::Term(t))
            };
            let help = format!(
                "ask for one tag that has both: {group}: ({} and {})",
                short(k, catalogue::token(key).name),
                short(v, catalogue::token(value).name)
            );
            found.push(
                Diagnostic::warning("P0120", "key and value may come from two different tags", k.span, "")
                    .label(v.span, "this may match another tag's value")
                    .help(help),
            );
        }
    }
}

/// Forms that are ours alone. In the strict dialect they are errors.
fn portable(expr: &Expr, dialect: Dialect, found: &mut Vec<Diagnostic>) {
    let mut ours = |what: &str, span, instead: &str| {
        let severity = if dialect == Dialect::Strict { Severity::Error } else { Severity::Advice };
        let (code, message) = match dialect {
            Dialect::Strict => ("P0124", format!("{what} is not part of the strict dialect")),
            Dialect::Default => ("P0125", format!("{what} cannot be pasted into AssetView")),
        };
        found.push(Diagnostic { severity, ..Diagnostic::error(code, message, span, "").help(instead) });
    };
    match expr {
        Expr::Or(parts) | Expr::And(parts) => parts.iter().for_each(|p| portable(p, dialect, found)),
        Expr::Not(inner, _) | Expr::Paren(inner, _) => portable(inner, dialect, found),
        Expr::Ref(name) => ours("a named query", name.span, "write the query out"),
        Expr::Free(_) => {}
        Expr::Term(term) => {
            if let Lookup::Exact(id) = catalogue::look_up(&term.token.value)
                && catalogue::token(id).source == "ours"
            {
                ours("this token", term.token.span, "use a token of the vendor's model");
            }
            let ty = match catalogue::look_up(&term.token.value) {
                Lookup::Exact(id) | Lookup::Alias(id) | Lookup::Case(id) => Some(catalogue::token(id).ty),
                Lookup::Unknown(_) => None,
            };
            for value in values(&term.test) {
                if let Some((what, instead)) = ours_alone(ty, value) {
                    ours(what, value.span, instead);
                }
            }
            match &term.test {
                Test::IsNull { negated: true } => ours("`is not null`", term.span, "write `not token is null`"),
                Test::Compare(CompareOp::NotEqual, _) => ours("`!=`", term.span, "write `not token: value`"),
                Test::Range { low: None, .. } | Test::Range { high: None, .. } => {
                    ours("an open range", term.span, "write a comparison");
                }
                Test::Range { .. } if ty == Some(TokenType::Ip) => {
                    ours("a range of addresses", term.span, "use an IP address range tag");
                }
                Test::Alternatives(_) => ours("a group of values", term.span, "write a list, `token: [a, b]`"),
                Test::Group(inner) => portable(inner, dialect, found),
                Test::IsNull { .. } | Test::Is(_) | Test::Compare(..) | Test::AnyOf(_) | Test::Range { .. } => {}
            }
        }
    }
}

fn values(test: &Test) -> Vec<&Scalar> {
    match test {
        Test::IsNull { .. } | Test::Group(_) => Vec::new(),
        Test::Is(value) | Test::Compare(_, value) => vec![value],
        Test::AnyOf(values) | Test::Alternatives(values) => values.iter().collect(),
        Test::Range { low, high, .. } => low.iter().chain(high).collect(),
    }
}

/// A value in a form that is attested nowhere, and what to write instead.
fn ours_alone(ty: Option<TokenType>, value: &Scalar) -> Option<(&'static str, &'static str)> {
    let text = value.text.as_str();
    if value.quote == Quote::Bare && text.starts_with('@') {
        return Some(("a named value", "write the value out"));
    }
    match ty? {
        TokenType::Ip if text.contains('/') => Some(("a network", "use an IP address range tag")),
        TokenType::Ip if text.ends_with('.') => Some(("an octet prefix", "use an IP address range tag")),
        TokenType::Date if text.contains('/') => Some(("rounding", "write the date")),
        TokenType::Date if text.contains('+') && text.starts_with("now") => {
            Some(("a moment to come", "write the date"))
        }
        TokenType::Date if text.starts_with("now") && text.ends_with(['m', 'h', 'M', 'y']) => {
            Some(("this unit", "count in s, d or w"))
        }
        TokenType::Date if text.contains('T') => Some(("a time of day", "write the day")),
        _ => None,
    }
}
