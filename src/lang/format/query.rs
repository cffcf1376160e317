//! Queries in canonical form: lower-case keywords, `is not null`, parentheses where `and` and `or` mix.

use crate::lang::syntax::ast::{CompareOp, Expr, Query, Quote, Scalar, Term, Test};

/// A query on one line.
pub fn format_query(query: &Query) -> String {
    format_expr(&query.expr)
}

/// An expression on one line.
pub fn format_expr(expr: &Expr) -> String {
    match expr {
        Expr::Or(parts) => join(parts, " or ", |e| matches!(e, Expr::And(_))),
        Expr::And(parts) => join(parts, " and ", |e| matches!(e, Expr::Or(_))),
        Expr::Not(inner, _) => match bare(inner) {
            // `not x is null` is spelled `x is not null`, and the other way round.
            Expr::Term(Term { token, test: Test::IsNull { negated }, .. }) => null(&token.value, !negated),
            Expr::Or(_) | Expr::And(_) => format!("not ({})", format_expr(bare(inner))),
            // Two in a row would otherwise become `not x is not null`, which is not yet canonical.
            Expr::Not(twice, _) if is_null_below(twice) => format_expr(bare(twice)),
            inner => format!("not {}", format_expr(inner)),
        },
        Expr::Paren(inner, _) => match bare(inner) {
            Expr::Or(_) | Expr::And(_) => format!("({})", format_expr(bare(inner))),
            simple => format_expr(simple),
        },
        Expr::Term(term) => format_term(term),
        Expr::Ref(name) => format!("@{}", name.value.trim_start_matches('@')),
        Expr::Free(value) => scalar(value),
    }
}

/// Whether only `not`s stand before a null test.
fn is_null_below(expr: &Expr) -> bool {
    match bare(expr) {
        Expr::Not(inner, _) => is_null_below(inner),
        Expr::Term(term) => matches!(term.test, Test::IsNull { .. }),
        _ => false,
    }
}

/// The expression inside any number of parentheses.
fn bare(expr: &Expr) -> &Expr {
    let mut expr = expr;
    while let Expr::Paren(inner, _) = expr {
        expr = inner;
    }
    expr
}

fn join(parts: &[Expr], word: &str, mixed: impl Fn(&Expr) -> bool) -> String {
    let one = |e: &Expr| if mixed(e) { format!("({})", format_expr(e)) } else { format_expr(e) };
    parts.iter().map(one).collect::<Vec<_>>().join(word)
}

fn null(token: &str, negated: bool) -> String {
    format!("{token} is {}null", if negated { "not " } else { "" })
}

fn format_term(term: &Term) -> String {
    let token = &term.token.value;
    let list = |values: &[Scalar], joint: &str| values.iter().map(scalar).collect::<Vec<_>>().join(joint);
    match &term.test {
        Test::IsNull { negated } => null(token, *negated),
        Test::Is(value) => format!("{token}: {}", scalar(value)),
        Test::Compare(CompareOp::NotEqual, value) => format!("not {token}: {}", scalar(value)),
        Test::Compare(op, value) => format!("{token} {} {}", operator(*op), scalar(value)),
        Test::AnyOf(values) => format!("{token}: [{}]", list(values, ", ")),
        Test::Range { low, high, inclusive } => {
            let end = |e: &Option<Scalar>| e.as_ref().map_or("*".to_owned(), scalar);
            let (open, close) = if *inclusive { ("[", "]") } else { ("(", ")") };
            format!("{token}: {open}{} .. {}{close}", end(low), end(high))
        }
        Test::Group(inner) => format!("{token}: ({})", format_expr(bare(inner))),
        Test::Alternatives(values) => format!("{token}: [{}]", list(values, ", ")),
    }
}

fn operator(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Greater => ">",
        CompareOp::GreaterEqual => ">=",
        CompareOp::Less => "<",
        CompareOp::LessEqual => "<=",
        CompareOp::Equal => "=",
        CompareOp::NotEqual => "!=",
    }
}

/// A value as written; single and curly quotes become double ones.
fn scalar(value: &Scalar) -> String {
    let (open, escaped) = match value.quote {
        Quote::Bare => return value.text.clone(),
        Quote::Backtick => ('`', '`'),
        Quote::Double | Quote::Single | Quote::Curly => ('"', '"'),
    };
    let mut out = String::from(open);
    for (at, c) in value.text.char_indices() {
        let star = c == '*' && value.quote != Quote::Backtick && !value.wildcards.contains(&(at as u32));
        if c == escaped || c == '\\' || star {
            out.push('\\');
        }
        out.push(c);
    }
    out.push(open);
    out
}

/// A text in double quotes, as job files write it.
pub fn quote(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
