//! Why a row matches or not: the clauses with the values seen, and the smallest change that would turn the answer.

use std::collections::BTreeMap;

use super::evaluate::View;
use super::facts::{seen, text};
use super::matcher::Matcher;
use super::predicate::{Clause, Moment, Predicate, TokenTest, Truth};
use crate::base::source::Span;
use crate::inventory::catalogue::{self, ids};
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

    /// The fewest facts that would have to be otherwise for the row to match, each as the end of a sentence that
    /// begins "it would match if": `` `azure.vm.state` were RUNNING ``. Empty where it matches already.
    pub fn smallest_change(&self, snapshot: &Snapshot, row: u32, moment: &Moment<'_>) -> Vec<String> {
        flips(&self.clause, true, &View { snapshot, moment, row: Some(row) })
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
        Clause::Not(inner) => {
            let inner = explain(inner, snapshot, row, moment);
            match inner.parts.is_empty() {
                // One line is enough for `not token: value`.
                true => Explanation { text: negated(&inner.text), truth: answer, ..inner },
                false => node("not", vec![inner]),
            }
        }
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
            seen: elements(tokens, snapshot, row, moment),
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

/// `not x`, with the spelling of null tests that the formatter has.
fn negated(text: &str) -> String {
    if let Some(token) = text.strip_suffix(" is null") {
        return format!("{token} is not null");
    }
    match text.strip_suffix(" is not null") {
        Some(token) => format!("{token} is null"),
        None => text.strip_prefix("not ").map_or(format!("not {text}"), str::to_owned),
    }
}

/// What a row has for a test's token.
fn facts(test: &TokenTest, snapshot: &Snapshot, row: u32, moment: &Moment) -> Vec<String> {
    let name = catalogue::token(test.token).name;
    let values = seen(snapshot, row, test.token, moment);
    if !values.is_empty() && !snapshot.column(test.token).is_stale(row) {
        return vec![format!("{name}: {}", values.join(", "))];
    }
    let gaps = match moment.tags {
        Some(tags) if test.token == ids::TAGS_NAME => tags.gaps(row, |name| test.matcher.matches_text(name)),
        _ => snapshot.column(test.token).gaps(row),
    };
    if gaps.is_empty() {
        return vec![format!("{name} is null")];
    }
    gaps.iter().map(|g| format!("{name} was not read ({} {})", g.partition, g.cause)).collect()
}

/// The elements of a group, `key=env value=prod`; where a part was not read, the gap.
fn elements(tokens: &[catalogue::TokenId], snapshot: &Snapshot, row: u32, moment: &Moment<'_>) -> Vec<String> {
    if *tokens == [ids::TAGS_NAME] {
        return seen(snapshot, row, ids::TAGS_NAME, moment).into_iter().map(|n| format!("name={n}")).collect();
    }
    let mut by_element: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    let mut gaps: Vec<String> = Vec::new();
    for token in tokens {
        let column = snapshot.column(*token);
        let name = catalogue::token(*token).name;
        let short = name.rsplit('.').next().unwrap_or("");
        for cell in column.cells(row) {
            if let Some(value) = column.value(cell.code) {
                by_element.entry(cell.element).or_default().push(format!("{short}={}", text(&value)));
            }
        }
        gaps.extend(column.gaps(row).iter().map(|g| format!("{name} was not read ({} {})", g.partition, g.cause)));
    }
    by_element.into_values().map(|parts| parts.join(" ")).chain(gaps).collect()
}

/// The leaf changes that would give `wanted`: all failing operands of an `and`, the cheapest one of an `or`.
fn flips(clause: &Clause, wanted: bool, view: &View<'_>) -> Vec<String> {
    let unread = match view.truth(clause) {
        Truth::In if wanted => return Vec::new(),
        Truth::Out if !wanted => return Vec::new(),
        Truth::In | Truth::Out => "",
        Truth::CannotTell => " (it was not read)",
    };
    let each = |parts: &[Clause]| -> Vec<Vec<String>> { parts.iter().map(|p| flips(p, wanted, view)).collect() };
    match (clause, wanted) {
        (Clause::And(parts), true) | (Clause::Or(parts), false) => {
            let mut all: Vec<String> = Vec::new();
            for fact in each(parts).concat() {
                if !all.contains(&fact) {
                    all.push(fact);
                }
            }
            all
        }
        (Clause::And(parts), false) | (Clause::Or(parts), true) => {
            each(parts).into_iter().filter(|f| !f.is_empty()).min_by_key(Vec::len).unwrap_or_default()
        }
        (Clause::Not(inner), wanted) => flips(inner, !wanted, view),
        (Clause::Test(test), wanted) => vec![format!("{}{unread}", fact(test, wanted))],
        (Clause::Absent(test), wanted) => vec![format!("{}{unread}", presence(test, !wanted))],
        (Clause::SameElement { text, .. }, wanted) => {
            let (group, tests) = text.split_once(": ").unwrap_or((text, ""));
            let which = if wanted { "one element" } else { "no element" };
            vec![format!("{which} of `{group}` passed {tests}{unread}")]
        }
        (Clause::Free(test), true) => vec![format!("{} stood in any of its texts{unread}", test.text)],
        (Clause::Free(test), false) => vec![format!("{} stood in none of its texts{unread}", test.text)],
    }
}

fn presence(test: &TokenTest, wanted: bool) -> String {
    let name = catalogue::token(test.token).name;
    if wanted { format!("`{name}` had a value") } else { format!("`{name}` had no value") }
}

/// A test as a fact to wish for: `` `openPorts.port` had a value > 1024 ``, `` `azure.vm.state` were not RUNNING ``.
fn fact(test: &TokenTest, wanted: bool) -> String {
    if test.matcher == Matcher::Present {
        return presence(test, wanted);
    }
    let token = catalogue::token(test.token);
    let what = test.text.strip_prefix(token.name).unwrap_or(&test.text);
    let (is_value, what) = match what.strip_prefix(": ") {
        Some(value) => {
            let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            let plain = inner.filter(|v| !v.is_empty() && v.chars().all(|c| c.is_alphanumeric() || c == '_'));
            (!value.starts_with(['[', '(']), plain.unwrap_or(value))
        }
        None => (what.starts_with(" ="), what.trim_start().trim_start_matches("= ")),
    };
    let compares = what.starts_with(['>', '<']);
    let verb = if is_value || compares { "were" } else { "were in" };
    match (token.many, wanted) {
        (false, true) => format!("`{}` {verb} {what}", token.name),
        (false, false) => format!("`{}` {} {what}", token.name, verb.replace("were", "were not")),
        (true, true) => format!("one value of `{}` {verb} {what}", token.name),
        (true, false) => format!("no value of `{}` {verb} {what}", token.name),
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

impl Explanation {
    /// The tests that keep the row out, each with what was seen.
    pub fn failing(&self) -> Vec<String> {
        let mut out = Vec::new();
        self.collect_failing(false, &mut out);
        out
    }

    fn collect_failing(&self, negated: bool, out: &mut Vec<String>) {
        let bad = if negated { Truth::In } else { Truth::Out };
        if self.truth != bad {
            return;
        }
        if self.parts.is_empty() {
            let seen = if self.seen.is_empty() { String::new() } else { format!(" [{}]", self.seen.join("; ")) };
            let word = if negated { "holds" } else { "does not hold" };
            out.push(format!("`{}` {word}{seen}", self.text));
        }
        let negated = negated != (self.text == "not" && self.span.is_none());
        self.parts.iter().for_each(|p| p.collect_failing(negated, out));
    }
}
