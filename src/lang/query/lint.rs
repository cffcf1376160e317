//! What parses and types, and still is probably not meant.

use super::check::{Dialect, Scope};
use crate::base::diagnostic::{Diagnostic, Severity};
use crate::inventory::asset::Provider;
use crate::inventory::catalogue::{self, Lookup, ids};
use crate::lang::format::format_expr;
use crate::lang::syntax::ast::{CompareOp, Expr, Query, Term, Test};

pub(super) fn lint(query: &Query, scope: &Scope<'_>, found: &mut Vec<Diagnostic>) {
    walk(&query.expr, None, scope, found);
    if scope.portable || scope.dialect == Dialect::Strict {
        portable(&query.expr, scope.dialect, found);
    }
}

fn provider_of(term: &Term) -> Option<Provider> {
    match catalogue::look_up(&term.token.value) {
        Lookup::Exact(id) | Lookup::Alias(id) | Lookup::Case(id) => catalogue::token(id).provider,
        Lookup::Unknown(_) => {
            let below = catalogue::group(&term.token.value);
            below.first().and_then(|id| catalogue::token(*id).provider)
        }
    }
}

/// `siblings` are the operands that hold together with this one.
fn walk(expr: &Expr, siblings: Option<&[Expr]>, scope: &Scope<'_>, found: &mut Vec<Diagnostic>) {
    match expr {
        Expr::Or(parts) => {
            for part in parts {
                if let Expr::And(_) = part {
                    let fixed = format!("({})", format_expr(part));
                    found.push(
                        Diagnostic::warning(
                            "P0118",
                            "`and` and `or` stand at one level",
                            part.span(),
                            "`and` binds tighter, so this is one operand",
                        )
                        .fix("add parentheses", part.span(), fixed),
                    );
                }
                walk(part, None, scope, found);
            }
        }
        Expr::And(parts) => {
            flat_pair(parts, found);
            parts.iter().for_each(|p| walk(p, Some(parts), scope, found));
        }
        Expr::Not(inner, span) => {
            if let Expr::Term(term) = bare(inner) {
                unguarded(term, *span, siblings, scope, found);
            }
            walk(inner, None, scope, found);
        }
        Expr::Paren(inner, _) => walk(inner, siblings, scope, found),
        Expr::Term(_) | Expr::Ref(_) | Expr::Free(_) => {}
    }
}

fn bare(expr: &Expr) -> &Expr {
    let mut expr = expr;
    while let Expr::Paren(inner, _) = expr {
        expr = inner;
    }
    expr
}

/// `not aws.ec2.x: v` also holds for every asset of the other providers.
fn unguarded(
    term: &Term,
    span: crate::base::source::Span,
    siblings: Option<&[Expr]>,
    scope: &Scope<'_>,
    found: &mut Vec<Diagnostic>,
) {
    let Some(provider) = provider_of(term).filter(|_| scope.provider.is_none()) else { return };
    if matches!(term.test, Test::IsNull { .. }) {
        return;
    }
    let guards = |e: &Expr| match bare(e) {
        Expr::Term(t) => provider_of(t) == Some(provider) || t.token.value.eq_ignore_ascii_case("provider"),
        Expr::Not(inner, _) => {
            matches!(bare(inner), Expr::Term(t) if matches!(t.test, Test::IsNull { .. }) && provider_of(t) == Some(provider))
        }
        Expr::Or(_) | Expr::And(_) | Expr::Paren(..) | Expr::Ref(_) | Expr::Free(_) => false,
    };
    if siblings.is_some_and(|s| s.iter().any(guards)) {
        return;
    }
    let name = provider.as_str();
    found.push(
        Diagnostic::warning("P0119", format!("this also holds for every asset that is not {name}"), span, "")
            .help(format!("add `and provider: {name}` if only {name} assets are meant")),
    );
}

/// `aws.tags.key: env and aws.tags.value: prod` may be met by two different tags.
fn flat_pair(parts: &[Expr], found: &mut Vec<Diagnostic>) {
    let pairs = [
        (ids::AWS_TAG_KEY, ids::AWS_TAG_VALUE),
        (ids::AZURE_TAG_NAME, ids::AZURE_TAG_VALUE),
        (ids::GCP_TAG_KEY, ids::GCP_TAG_VALUE),
    ];
    let term = |id| {
        parts.iter().find_map(|p| match p {
            Expr::Term(t) if catalogue::look_up(&t.token.value) == Lookup::Exact(id) => Some(t),
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
            match &term.test {
                Test::IsNull { negated: true } => ours("`is not null`", term.span, "write `not token is null`"),
                Test::Compare(CompareOp::NotEqual, _) => ours("`!=`", term.span, "write `not token: value`"),
                Test::Range { low: None, .. } | Test::Range { high: None, .. } => {
                    ours("an open range", term.span, "write a comparison");
                }
                Test::Group(inner) => portable(inner, dialect, found),
                Test::IsNull { .. }
                | Test::Is(_)
                | Test::Compare(..)
                | Test::AnyOf(_)
                | Test::Range { .. }
                | Test::Alternatives(_) => {}
            }
        }
    }
}
