//! Queries: parsed by the grammar, lowered to the tree; what does not parse is diagnosed piece by piece.

use pest::iterators::Pair;

use super::ast::{CompareOp, Expr, Query, Quote, Scalar, Term, Test};
use super::diagnose;
use super::grammar::{Place, Rule, parse};
use super::guard;
use super::lexer::{Kind, Lexeme, lexemes};
use crate::base::diagnostic::Diagnostic;
use crate::base::limits::Limits;
use crate::base::source::{FileId, Span, Spanned};

/// Parses a query that stands at byte `offset` of a file. Every broken operand is reported; with an error there is no
/// tree.
pub fn parse_query(text: &str, file: FileId, offset: u32, limits: &Limits) -> (Option<Query>, Vec<Diagnostic>) {
    let place = Place { file, offset };
    let lexed = lexemes(text);
    if let Some(found) = diagnose::unclosed(text, &lexed, place) {
        return (None, vec![found]);
    }
    if let Some(found) = guard::nesting(text, &lexed, place, limits) {
        return (None, vec![found]);
    }
    let meaning: Vec<Lexeme> =
        lexed.into_iter().filter(|l| !matches!(l.kind, Kind::Comment { .. } | Kind::Newline)).collect();
    if meaning.is_empty() {
        let found = Diagnostic::error("P0023", "the query is empty", place.span(0, text.len()), "")
            .help("write a test such as `provider: AWS`, or leave the query out to take every asset");
        return (None, vec![found]);
    }
    match parse(Rule::query, text) {
        Ok(pair) => {
            let mut lower = Lower::new(place);
            let query = pair.into_inner().find(|p| p.as_rule() == Rule::or_expr).map(|p| lower.query(p));
            let Some(query) = query else { return (None, lower.found) };
            match too_many_terms(&query, limits) {
                Some(found) => (None, vec![found]),
                None => (Some(query), lower.found),
            }
        }
        Err(at) => (None, diagnose::query(text, &meaning, place, at)),
    }
}

/// More terms than a query may have.
pub(super) fn too_many_terms(query: &Query, limits: &Limits) -> Option<Diagnostic> {
    let n = terms(&query.expr);
    (n > limits.query_terms).then(|| {
        let message = format!("the query has {n} terms; the limit is {}", limits.query_terms);
        Diagnostic::error("P0005", message, query.span, "")
            .help("use a list, `token: [a, b, c]`, or split it into tags")
    })
}

fn terms(expr: &Expr) -> usize {
    match expr {
        Expr::Or(parts) | Expr::And(parts) => parts.iter().map(terms).sum(),
        Expr::Not(inner, _) | Expr::Paren(inner, _) => terms(inner),
        Expr::Term(Term { test: Test::Group(inner), .. }) => terms(inner),
        Expr::Term(_) | Expr::Ref(_) | Expr::Free(_) => 1,
    }
}

/// Turns pairs into the tree. Nesting was checked, so recursion is bounded.
pub(super) struct Lower {
    place: Place,
    /// Warnings met on the way.
    pub(super) found: Vec<Diagnostic>,
}

impl Lower {
    pub(super) fn new(place: Place) -> Self {
        Self { place, found: Vec::new() }
    }

    /// A query from an `or_expr` pair.
    pub(super) fn query(&mut self, pair: Pair<'_, Rule>) -> Query {
        let expr = self.expr(pair);
        let span = expr.span();
        Query { expr, span }
    }

    fn expr(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let span = self.place.of(&pair);
        match pair.as_rule() {
            Rule::or_expr => join(self.operands(pair), Expr::Or),
            Rule::and_expr => join(self.operands(pair), Expr::And),
            Rule::negation => Expr::Not(Box::new(self.only(pair)), span),
            Rule::paren => Expr::Paren(Box::new(self.only(pair)), span),
            Rule::reference => {
                let name = pair.into_inner().next().map_or(String::new(), |p| p.as_str().to_owned());
                Expr::Ref(Spanned::new(name, span))
            }
            Rule::term => Expr::Term(self.term(pair)),
            // `unary` and `free` wrap one pair.
            Rule::free => Expr::Free(self.scalar(pair)),
            _ => self.only(pair),
        }
    }

    fn operands(&mut self, pair: Pair<'_, Rule>) -> Vec<Expr> {
        let inner = pair.into_inner().filter(|p| matches!(p.as_rule(), Rule::and_expr | Rule::unary));
        inner.map(|p| self.expr(p)).collect()
    }

    /// The one operand of a pair that wraps another.
    fn only(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let span = self.place.of(&pair);
        match pair.into_inner().find(|p| p.as_rule() != Rule::kw_not) {
            Some(inner) => self.expr(inner),
            // INVARIANT: the grammar gives every wrapper an operand.
            None => Expr::Free(Scalar { text: String::new(), wildcards: Vec::new(), quote: Quote::Bare, span }),
        }
    }

    fn term(&mut self, pair: Pair<'_, Rule>) -> Term {
        let span = self.place.of(&pair);
        let mut token = Spanned::new(String::new(), span);
        let mut test = Test::IsNull { negated: false };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::token => token = Spanned::new(part.as_str().to_owned(), self.place.of(&part)),
                _ => test = self.test(part),
            }
        }
        Term { token, test, span }
    }

    fn test(&mut self, pair: Pair<'_, Rule>) -> Test {
        match pair.as_rule() {
            Rule::is_null => Test::IsNull { negated: pair.into_inner().any(|p| p.as_rule() == Rule::kw_not) },
            Rule::list | Rule::one_of => Test::AnyOf(self.scalars(pair)),
            Rule::choice => match <[Scalar; 1]>::try_from(self.scalars(pair)) {
                Ok([only]) => Test::Is(only),
                Err(several) => Test::Alternatives(several),
            },
            Rule::group => match pair.into_inner().next() {
                Some(inner) => Test::Group(Box::new(self.expr(inner))),
                None => Test::AnyOf(Vec::new()),
            },
            Rule::inclusive | Rule::exclusive => {
                let inclusive = pair.as_rule() == Rule::inclusive;
                let mut ends = self.scalars(pair).into_iter().map(open_end);
                Test::Range { low: ends.next().flatten(), high: ends.next().flatten(), inclusive }
            }
            Rule::compare => {
                let op = pair.clone().into_inner().find(|p| p.as_rule() == Rule::compare_op);
                let op = match op.map(|p| p.as_str()) {
                    Some(">") => CompareOp::Greater,
                    Some(">=") => CompareOp::GreaterEqual,
                    Some("<") => CompareOp::Less,
                    Some("<=") => CompareOp::LessEqual,
                    Some("!=") => CompareOp::NotEqual,
                    _ => CompareOp::Equal,
                };
                match self.scalars(pair).into_iter().next() {
                    Some(value) => Test::Compare(op, value),
                    None => Test::AnyOf(Vec::new()),
                }
            }
            Rule::scalar => Test::Is(self.scalar(pair)),
            // `colon` wraps the test itself.
            _ => match pair.into_inner().next() {
                Some(inner) => self.test(inner),
                None => Test::AnyOf(Vec::new()),
            },
        }
    }

    fn scalars(&mut self, pair: Pair<'_, Rule>) -> Vec<Scalar> {
        let mut values = Vec::new();
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::scalar => values.push(self.scalar(inner)),
                Rule::list => values.extend(self.scalars(inner)),
                _ => {}
            }
        }
        values
    }

    /// A value from a `scalar` pair, or from a pair that wraps one.
    fn scalar(&mut self, pair: Pair<'_, Rule>) -> Scalar {
        let span = self.place.of(&pair);
        let raw = pair.as_str();
        let quote = match raw.chars().next() {
            Some('"') => Quote::Double,
            Some('\'') => Quote::Single,
            Some('`') => Quote::Backtick,
            Some('\u{201c}' | '\u{201d}' | '\u{201e}') => Quote::Curly,
            _ => Quote::Bare,
        };
        if quote == Quote::Curly {
            let plain = format!("\"{}\"", raw.trim_matches(['\u{201c}', '\u{201d}', '\u{201e}']).replace('"', "\\\""));
            self.found.push(
                Diagnostic::warning("P0022", "typographic quotes are read as straight ones", span, "").fix(
                    format!("write {plain}"),
                    span,
                    plain.clone(),
                ),
            );
        }
        unescape(raw, quote, span)
    }
}

fn join(mut operands: Vec<Expr>, make: impl Fn(Vec<Expr>) -> Expr) -> Expr {
    match (operands.len(), operands.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            operands.push(last);
            make(operands)
        }
        (_, None) => make(operands),
    }
}

fn open_end(scalar: Scalar) -> Option<Scalar> {
    (!(scalar.text == "*" && scalar.quote == Quote::Bare)).then_some(scalar)
}

/// Cuts the quotes, resolves escapes, and notes which stars stand for anything.
fn unescape(raw: &str, quote: Quote, span: Span) -> Scalar {
    let inner = match quote {
        Quote::Bare => raw,
        Quote::Double | Quote::Single | Quote::Backtick => {
            let mut chars = raw.chars();
            chars.next();
            chars.next_back();
            chars.as_str()
        }
        Quote::Curly => raw.trim_matches(['\u{201c}', '\u{201d}', '\u{201e}']),
    };
    let mut scalar = Scalar { text: String::with_capacity(inner.len()), wildcards: Vec::new(), quote, span };
    let escapes = quote != Quote::Bare;
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if escapes => scalar.text.push(chars.next().unwrap_or('\\')),
            '*' if quote != Quote::Backtick => {
                scalar.wildcards.push(scalar.text.len() as u32);
                scalar.text.push('*');
            }
            c => scalar.text.push(c),
        }
    }
    scalar
}
