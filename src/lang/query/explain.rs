//! Why a row matches or not: the clauses with the values seen, and the smallest change that would turn the answer.

use super::evaluate::View;
use super::facts::seen;
use super::predicate::{Clause, Moment, Predicate, TokenTest, Truth};
use crate::base::source::Span;
use crate::inventory::catalogue;
use crate::inventory::snapshot::Snapshot;

/// One clause's verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The clause in canonical text, or `and`, `or`, `not`.
    pub text: String,
    /// Where it was written, for tests of tokens.
    pub span: Option<Span>,
    /// Its answer.
    pub truth: Truth,
    /// `token: value` for what was seen; for unread values the gaps.
    pub seen: Vec<String>,
    /// Its operands.
    pub parts: Vec<Explanation>,
}

impl Predicate {
    /// Explains one row.
    pub fn explain(&self, snapshot: &Snapshot, row: u32, moment: &Moment) -> Explanation {
        explain(&self.clause, snapshot, row, moment)
    }

    /// The fewest facts that would have to be otherwise for the row to match; empty where it matches already.
    pub fn smallest_change(&self, snapshot: &Snapshot, row: u32, moment: &Moment) -> Vec<String> {
        flips(&self.clause, true, snapshot, row, moment)
    }
}

fn truth(clause: &Clause, snapshot: &Snapshot, row: u32, moment: &Moment) -> Truth {
    View { snapshot, moment, row: Some(row) }.truth(clause)
}

fn explain(clause: &Clause, snapshot: &Snapshot, row: u32, moment: &Moment) -> Explanation {
    let answer = truth(clause, snapshot, row, moment);
    let node = |text: &str, parts: Vec<Explanation>| Explanation {
        text: text.into(),
        span: None,
        truth: answer,
        seen: Vec::new(),
        parts,
    };
    match clause {
        Clause::And(parts) => node("and", parts.iter().map(|p| explain(p, snapshot, row, moment)).collect()),
        Clause::Or(parts) => node("or", parts.iter().map(|p| explain(p, snapshot, row, moment)).collect()),
        Clause::Not(inner) => node("not", vec![explain(inner, snapshot, row, moment)]),
        Clause::Test(test) | Clause::Absent(test) => Explanation {
            text: test.text.clone(),
            span: Some(test.span),
            truth: answer,
            seen: facts(test, snapshot, row, moment),
            parts: Vec::new(),
        },
        Clause::SameElement { tokens, span, text, .. } => Explanation {
            text: text.clone(),
            span: Some(*span),
            truth: answer,
            seen: elements(tokens, snapshot, row),
            parts: Vec::new(),
        },
        Clause::Free(test) => Explanation {
            text: test.text.clone(),
            span: Some(test.span),
            truth: answer,
            seen: Vec::new(),
            parts: Vec::new(),
        },
    }
}

/// What a row has for a test's token.
fn facts(test: &TokenTest, snapshot: &Snapshot, row: u32, moment: &Moment) -> Vec<String> {
    let name = catalogue::token(test.token).name;
    let values = seen(snapshot, row, test.token, moment);
    if !values.is_empty() {
        return vec![format!("{name}: {}", values.join(", "))];
    }
    let gaps = snapshot.column(test.token).gaps(row);
    if gaps.is_empty() {
        return vec![format!("{name} is null")];
    }
    gaps.iter().map(|g| format!("{name} was not read ({} {})", g.partition, g.cause)).collect()
}

/// The elements of a group, `key=env value=prod`.
fn elements(tokens: &[catalogue::TokenId], snapshot: &Snapshot, row: u32) -> Vec<String> {
    let mut by_element: std::collections::BTreeMap<u16, Vec<String>> = std::collections::BTreeMap::new();
    for token in tokens {
        let column = snapshot.column(*token);
        let short = catalogue::token(*token).name.rsplit('.').next().unwrap_or("");
        for cell in column.cells(row) {
            if let Some(value) = column.value(cell.code) {
                by_element.entry(cell.element).or_default().push(format!("{short}={}", super::facts::text(&value)));
            }
        }
    }
    by_element.into_values().map(|parts| parts.join(" ")).collect()
}

/// The leaf changes that would give `wanted`: all failing operands of an `and`, the cheapest one of an `or`.
fn flips(clause: &Clause, wanted: bool, snapshot: &Snapshot, row: u32, moment: &Moment) -> Vec<String> {
    let already = match truth(clause, snapshot, row, moment) {
        Truth::In => wanted,
        Truth::Out => !wanted,
        Truth::CannotTell => false,
    };
    if already {
        return Vec::new();
    }
    let each = |parts: &[Clause]| -> Vec<Vec<String>> {
        parts.iter().map(|p| flips(p, wanted, snapshot, row, moment)).collect()
    };
    match (clause, wanted) {
        (Clause::And(parts), true) | (Clause::Or(parts), false) => each(parts).concat(),
        (Clause::And(parts), false) | (Clause::Or(parts), true) => {
            each(parts).into_iter().filter(|f| !f.is_empty()).min_by_key(Vec::len).unwrap_or_default()
        }
        (Clause::Not(inner), wanted) => flips(inner, !wanted, snapshot, row, moment),
        (Clause::Test(test), true) => vec![format!("`{}` held", test.text)],
        (Clause::Test(test), false) => vec![format!("`{}` did not hold", test.text)],
        (Clause::Absent(test), true) => vec![format!("`{}` had no value", catalogue::token(test.token).name)],
        (Clause::Absent(test), false) => vec![format!("`{}` had a value", catalogue::token(test.token).name)],
        (Clause::SameElement { text, .. }, true) => vec![format!("`{text}` held")],
        (Clause::SameElement { text, .. }, false) => vec![format!("`{text}` did not hold")],
        (Clause::Free(test), _) => vec![format!("the text `{}` were found", test.text)],
    }
}

impl Explanation {
    /// Lines for people: a mark, the clause, and what was seen.
    pub fn render(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out
    }

    fn write(&self, depth: usize, out: &mut String) {
        let mark = match self.truth {
            Truth::In => "yes",
            Truth::Out => "no ",
            Truth::CannotTell => "?  ",
        };
        out.push_str(&format!("{mark} {}{}", "  ".repeat(depth), self.text));
        if !self.seen.is_empty() {
            out.push_str(&format!("    [{}]", self.seen.join("; ")));
        }
        out.push('\n');
        self.parts.iter().for_each(|p| p.write(depth + 1, out));
    }
}
