//! Predicates to bitmaps: each test finds the dictionary's matching values, then their rows; Kleene's rules join them.

use roaring::RoaringBitmap;

use super::matcher::Matcher;
use super::predicate::{Clause, Membership, Moment, Predicate, TokenTest};
use crate::inventory::catalogue::{self, TokenId, TokenType, ids};
use crate::inventory::partition::Gap;
use crate::inventory::snapshot::Snapshot;

impl Predicate {
    /// All rows at once.
    pub fn evaluate(&self, snapshot: &Snapshot, moment: &Moment) -> Membership {
        evaluate(&self.clause, snapshot, moment)
    }

    /// What was not read and would be needed to tell about a row.
    pub fn gaps(&self, snapshot: &Snapshot, row: u32, moment: &Moment) -> Vec<Gap> {
        let mut gaps = Vec::new();
        collect_gaps(&self.clause, snapshot, row, moment, &mut gaps);
        gaps.sort();
        gaps.dedup();
        gaps
    }
}

fn all(snapshot: &Snapshot) -> RoaringBitmap {
    let mut rows = RoaringBitmap::new();
    rows.insert_range(0..snapshot.len());
    rows
}

pub(super) fn evaluate(clause: &Clause, snapshot: &Snapshot, moment: &Moment) -> Membership {
    match clause {
        Clause::And(parts) => {
            let mut joined: Option<Membership> = None;
            for part in parts {
                let next = evaluate(part, snapshot, moment);
                joined = Some(match joined {
                    None => next,
                    Some(so_far) => and(so_far, &next),
                });
                if joined.as_ref().is_some_and(|j| j.matched.is_empty() && j.cannot_tell.is_empty()) {
                    break;
                }
            }
            joined.unwrap_or_default()
        }
        Clause::Or(parts) => parts.iter().fold(Membership::default(), |mut so_far, part| {
            let next = evaluate(part, snapshot, moment);
            so_far.matched |= next.matched;
            so_far.cannot_tell |= next.cannot_tell;
            so_far.cannot_tell -= &so_far.matched;
            so_far
        }),
        Clause::Not(inner) => {
            let inner = evaluate(inner, snapshot, moment);
            let mut matched = all(snapshot);
            matched -= inner.matched;
            matched -= &inner.cannot_tell;
            Membership { matched, cannot_tell: inner.cannot_tell }
        }
        Clause::Test(test) => one(test, snapshot, moment),
        Clause::Absent(test) => {
            let present = one(test, snapshot, moment);
            let mut matched = all(snapshot);
            matched -= present.matched;
            matched -= &present.cannot_tell;
            Membership { matched, cannot_tell: present.cannot_tell }
        }
        Clause::SameElement { tokens, inner, .. } => same_element(tokens, inner, snapshot, moment),
        Clause::Free(test) => free(test, snapshot, moment),
    }
}

fn and(a: Membership, b: &Membership) -> Membership {
    let possible_b = &b.matched | &b.cannot_tell;
    let mut possible = a.matched.clone();
    possible |= a.cannot_tell;
    possible &= possible_b;
    let mut matched = a.matched;
    matched &= &b.matched;
    possible -= &matched;
    Membership { matched, cannot_tell: possible }
}

/// Dictionary codes that pass.
fn codes(token: TokenId, matcher: &Matcher, snapshot: &Snapshot, moment: &Moment) -> RoaringBitmap {
    let column = snapshot.column(token);
    let matcher = matcher.at(moment.now);
    (0..column.codes()).filter(|c| column.value(*c).is_some_and(|v| matcher.matches(&v))).collect()
}

fn one(test: &TokenTest, snapshot: &Snapshot, moment: &Moment) -> Membership {
    if test.token == ids::TAGS_NAME {
        return moment.tags.map(|tags| tags.matching(|name| test.matcher.matches_text(name))).unwrap_or_default();
    }
    let column = snapshot.column(test.token);
    let matched = match test.matcher {
        Matcher::Present => column.present(),
        _ => column.rows_with(&codes(test.token, &test.matcher, snapshot, moment)),
    };
    Membership { matched, cannot_tell: column.unread() }
}

impl Matcher {
    pub(super) fn matches_text(&self, text: &str) -> bool {
        self.matches(&crate::inventory::snapshot::ValueRef::Str(text))
    }
}

/// Text tokens that free text searches: all but tag names and vulnerability titles. query-language.md 5.4.
fn searched() -> impl Iterator<Item = TokenId> {
    catalogue::all_ids().filter(|id| {
        let token = catalogue::token(*id);
        matches!(token.ty, TokenType::Text | TokenType::Keyword | TokenType::Enum(_))
            && *id != ids::TAGS_NAME
            && !token.name.ends_with(".title")
    })
}

fn free(test: &TokenTest, snapshot: &Snapshot, moment: &Moment) -> Membership {
    let mut matched = RoaringBitmap::new();
    for token in searched() {
        matched |= snapshot.column(token).rows_with(&codes(token, &test.matcher, snapshot, moment));
    }
    Membership { matched, cannot_tell: RoaringBitmap::new() }
}

/// The tests inside a group with the codes that pass each.
struct Inner<'a> {
    snapshot: &'a Snapshot,
    /// Codes that pass, by the test's address within the clause: tests are visited in one fixed order.
    passing: Vec<RoaringBitmap>,
}

fn same_element(tokens: &[TokenId], inner: &Clause, snapshot: &Snapshot, moment: &Moment) -> Membership {
    let mut passing = Vec::new();
    prepare(inner, snapshot, moment, &mut passing);
    let inner_state = Inner { snapshot, passing };
    let mut candidates = RoaringBitmap::new();
    let mut cannot_tell = RoaringBitmap::new();
    for token in tokens {
        let column = snapshot.column(*token);
        candidates |= column.present();
        cannot_tell |= column.unread();
    }
    let matched: RoaringBitmap = candidates
        .iter()
        .filter(|row| {
            let mut elements: Vec<u16> =
                tokens.iter().flat_map(|t| snapshot.column(*t).cells(*row).map(|c| c.element)).collect();
            elements.sort_unstable();
            elements.dedup();
            elements.iter().any(|e| element_passes(inner, &inner_state, *row, *e, &mut 0))
        })
        .collect();
    cannot_tell -= &matched;
    Membership { matched, cannot_tell }
}

fn prepare(clause: &Clause, snapshot: &Snapshot, moment: &Moment, passing: &mut Vec<RoaringBitmap>) {
    match clause {
        Clause::And(parts) | Clause::Or(parts) => parts.iter().for_each(|p| prepare(p, snapshot, moment, passing)),
        Clause::Not(inner) | Clause::SameElement { inner, .. } => prepare(inner, snapshot, moment, passing),
        Clause::Test(test) | Clause::Absent(test) | Clause::Free(test) => {
            passing.push(codes(test.token, &test.matcher, snapshot, moment));
        }
    }
}

/// Whether one element of one row passes. `at` counts tests in the order that [`prepare`] met them, so every branch is
/// walked, whatever the outcome.
fn element_passes(clause: &Clause, state: &Inner<'_>, row: u32, element: u16, at: &mut usize) -> bool {
    match clause {
        Clause::And(parts) => parts.iter().fold(true, |ok, p| element_passes(p, state, row, element, at) && ok),
        Clause::Or(parts) => parts.iter().fold(false, |ok, p| element_passes(p, state, row, element, at) || ok),
        Clause::Not(inner) => !element_passes(inner, state, row, element, at),
        Clause::SameElement { inner, .. } => element_passes(inner, state, row, element, at),
        Clause::Test(test) | Clause::Absent(test) | Clause::Free(test) => {
            let passing = state.passing.get(*at);
            *at += 1;
            let found = state
                .snapshot
                .column(test.token)
                .cells(row)
                .any(|cell| cell.element == element && passing.is_some_and(|p| p.contains(cell.code)));
            found != matches!(clause, Clause::Absent(_))
        }
    }
}

fn collect_gaps(clause: &Clause, snapshot: &Snapshot, row: u32, moment: &Moment, gaps: &mut Vec<Gap>) {
    match clause {
        Clause::And(parts) | Clause::Or(parts) => {
            parts.iter().for_each(|p| collect_gaps(p, snapshot, row, moment, gaps));
        }
        Clause::Not(inner) => collect_gaps(inner, snapshot, row, moment, gaps),
        Clause::Test(test) | Clause::Absent(test) => match moment.tags {
            Some(tags) if test.token == ids::TAGS_NAME => {
                gaps.extend(tags.gaps(row, |name| test.matcher.matches_text(name)));
            }
            _ => gaps.extend(snapshot.column(test.token).gaps(row)),
        },
        Clause::SameElement { tokens, .. } => {
            tokens.iter().for_each(|t| gaps.extend(snapshot.column(*t).gaps(row)));
        }
        Clause::Free(_) => {}
    }
}
