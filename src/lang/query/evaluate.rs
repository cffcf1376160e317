//! Predicates to bitmaps: each test finds the dictionary's matching values, then their rows; Kleene's rules join them.
//! One row is asked in the same way, with every bitmap cut down to it.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use super::element;
use super::matcher::Matcher;
use super::predicate::{Clause, Membership, Moment, Predicate, TokenTest, Truth};
use crate::inventory::catalogue::{self, TokenId, TokenType, ids};
use crate::inventory::partition::{Gap, Kind};
use crate::inventory::snapshot::{Snapshot, ValueRef};

/// Rows whose answer waits for a gap, by gap.
pub(super) type Waiting = BTreeMap<Gap, RoaringBitmap>;

impl Predicate {
    /// All rows at once.
    pub fn evaluate(&self, snapshot: &Snapshot, moment: &Moment<'_>) -> Membership {
        let mut found = View { snapshot, moment, row: None }.evaluate(&self.clause);
        // An asset that nobody has seen since an earlier reading may be gone: it is never certainly in.
        let stale = snapshot.stale_rows() & &found.matched;
        found.matched -= &stale;
        found.cannot_tell |= stale;
        found
    }

    /// One row, without looking at the others.
    pub fn holds(&self, snapshot: &Snapshot, row: u32, moment: &Moment<'_>) -> Truth {
        match (View { snapshot, moment, row: Some(row) }.truth(&self.clause), snapshot.stale_rows().contains(row)) {
            (Truth::In, true) => Truth::CannotTell,
            (truth, _) => truth,
        }
    }

    /// What was not read and would be needed to tell about a row; empty where it can be told.
    pub fn gaps(&self, snapshot: &Snapshot, row: u32, moment: &Moment<'_>) -> Vec<Gap> {
        let (answer, waiting) = View { snapshot, moment, row: Some(row) }.waiting(&self.clause);
        match answer.of(row) {
            Truth::In => snapshot.stale_gaps(row),
            Truth::CannotTell | Truth::Out => waiting.into_keys().collect(),
        }
    }

    /// The rows about which it cannot be told, by what was not read. A row may wait for several gaps.
    pub fn gap_rows(&self, snapshot: &Snapshot, moment: &Moment<'_>) -> Vec<(Gap, RoaringBitmap)> {
        let (answer, mut waiting) = View { snapshot, moment, row: None }.waiting(&self.clause);
        for row in snapshot.stale_rows() & answer.matched {
            for gap in snapshot.stale_gaps(row) {
                waiting.entry(gap).or_default().insert(row);
            }
        }
        waiting.into_iter().collect()
    }
}

impl Matcher {
    pub(super) fn matches_text(&self, text: &str) -> bool {
        self.matches(&ValueRef::Str(text))
    }
}

/// Tokens that free text searches: all but tag names and vulnerability titles. query-language.md 5.4.
fn searched() -> impl Iterator<Item = TokenId> {
    catalogue::all_ids().filter(|id| {
        let token = catalogue::token(*id);
        matches!(token.ty, TokenType::Text | TokenType::Keyword | TokenType::Enum(_))
            && *id != ids::TAGS_NAME
            && !token.name.ends_with(".title")
    })
}

/// The same without scan results: that nothing was scanned yet does not make every search uncertain.
fn searched_in_inventory() -> impl Iterator<Item = TokenId> {
    searched().filter(|id| !catalogue::token(*id).needs.contains(&Kind::Results))
}

/// What is asked: all rows, or one.
pub(super) struct View<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) moment: &'a Moment<'a>,
    pub(super) row: Option<u32>,
}

impl View<'_> {
    /// The answer about the one row; `Out` where there is none.
    pub(super) fn truth(&self, clause: &Clause) -> Truth {
        self.row.map_or(Truth::Out, |row| self.evaluate(clause).of(row))
    }

    fn all(&self) -> RoaringBitmap {
        let mut rows = RoaringBitmap::new();
        match self.row {
            Some(row) => rows.insert(row),
            None => rows.insert_range(0..self.snapshot.len()) > 0,
        };
        rows
    }

    fn cut(&self, rows: RoaringBitmap) -> RoaringBitmap {
        match self.row {
            Some(row) => rows.contains(row).then_some(row).into_iter().collect(),
            None => rows,
        }
    }

    pub(super) fn evaluate(&self, clause: &Clause) -> Membership {
        match clause {
            Clause::And(parts) => {
                let mut joined: Option<Membership> = None;
                for part in parts {
                    let next = self.evaluate(part);
                    let so_far = joined.map_or(next.clone(), |j| and(&j, &next));
                    let decided = so_far.matched.is_empty() && so_far.cannot_tell.is_empty();
                    joined = Some(so_far);
                    if decided {
                        break;
                    }
                }
                joined.unwrap_or_default()
            }
            Clause::Or(parts) => parts.iter().fold(Membership::default(), |so_far, p| or(so_far, self.evaluate(p))),
            Clause::Not(inner) => self.not(self.evaluate(inner)),
            Clause::Test(test) => self.one(test),
            Clause::Absent(test) => self.not(self.one(test)),
            Clause::SameElement { tokens, inner, .. } if *tokens == [ids::TAGS_NAME] => {
                self.moment.tags.map_or_else(Membership::default, |tags| {
                    let found = tags.matching(|name| element::text_passes(inner, name));
                    Membership { matched: self.cut(found.matched), cannot_tell: self.cut(found.cannot_tell) }
                })
            }
            Clause::SameElement { tokens, inner, .. } => element::evaluate(self, tokens, inner),
            Clause::Free(test) => self.free(test),
        }
    }

    fn not(&self, inner: Membership) -> Membership {
        let mut matched = self.all();
        matched -= inner.matched;
        matched -= &inner.cannot_tell;
        Membership { matched, cannot_tell: inner.cannot_tell }
    }

    /// Dictionary codes that pass; of one row only its own are looked at.
    pub(super) fn codes(&self, token: TokenId, matcher: &Matcher) -> RoaringBitmap {
        let column = self.snapshot.column(token);
        let matcher = matcher.at(self.moment.now);
        let passes = |code: &u32| column.value(*code).is_some_and(|v| matcher.matches(&v));
        match self.row {
            Some(row) => column.cells(row).map(|c| c.code).filter(passes).collect(),
            None => {
                let codes: Vec<u32> = (0..column.codes()).filter(passes).collect();
                RoaringBitmap::from_sorted_iter(codes).unwrap_or_default()
            }
        }
    }

    /// Rows that have any of the codes.
    pub(super) fn rows_with(&self, token: TokenId, codes: &RoaringBitmap) -> RoaringBitmap {
        let column = self.snapshot.column(token);
        match self.row {
            Some(row) => {
                let has = !column.is_stale(row) && column.cells(row).any(|c| codes.contains(c.code));
                has.then_some(row).into_iter().collect()
            }
            None => column.rows_with(codes) - column.stale(),
        }
    }

    pub(super) fn present(&self, token: TokenId) -> RoaringBitmap {
        let column = self.snapshot.column(token);
        match self.row {
            Some(row) => {
                let known = column.cells(row).next().filter(|_| !column.is_stale(row));
                known.map(|_| row).into_iter().collect()
            }
            None => column.present() - column.stale(),
        }
    }

    pub(super) fn unread(&self, token: TokenId) -> RoaringBitmap {
        let column = self.snapshot.column(token);
        match self.row {
            Some(row) => (!column.gaps(row).is_empty()).then_some(row).into_iter().collect(),
            None => column.unread(),
        }
    }

    fn one(&self, test: &TokenTest) -> Membership {
        if test.token == ids::TAGS_NAME {
            let found = self.moment.tags.map(|tags| tags.matching(|name| test.matcher.matches_text(name)));
            let found = found.unwrap_or_default();
            return Membership { matched: self.cut(found.matched), cannot_tell: self.cut(found.cannot_tell) };
        }
        let matched = match test.matcher {
            Matcher::Present => self.present(test.token),
            _ => self.rows_with(test.token, &self.codes(test.token, &test.matcher)),
        };
        Membership { matched, cannot_tell: self.unread(test.token) }
    }

    fn free(&self, test: &TokenTest) -> Membership {
        let mut matched = RoaringBitmap::new();
        for token in searched() {
            matched |= self.rows_with(token, &self.codes(token, &test.matcher));
        }
        let mut cannot_tell = RoaringBitmap::new();
        searched_in_inventory().for_each(|token| cannot_tell |= self.unread(token));
        cannot_tell -= &matched;
        Membership { matched, cannot_tell }
    }

    /// A clause's answer, and which gaps its uncertain rows wait for: only those of parts that leave the answer open.
    pub(super) fn waiting(&self, clause: &Clause) -> (Membership, Waiting) {
        let mut waiting = Waiting::new();
        let answer = match clause {
            Clause::And(parts) | Clause::Or(parts) => {
                let mut joined: Option<Membership> = None;
                for part in parts {
                    let (next, more) = self.waiting(part);
                    merge(&mut waiting, more);
                    joined = Some(match (joined, clause) {
                        (None, _) => next,
                        (Some(so_far), Clause::And(_)) => and(&so_far, &next),
                        (Some(so_far), _) => or(so_far, next),
                    });
                }
                joined.unwrap_or_default()
            }
            Clause::Not(inner) => {
                let (inner, more) = self.waiting(inner);
                waiting = more;
                self.not(inner)
            }
            Clause::Test(test) | Clause::Absent(test) => {
                let answer = self.evaluate(clause);
                match self.moment.tags {
                    Some(tags) if test.token == ids::TAGS_NAME => {
                        merge(&mut waiting, tags.waiting(|name| test.matcher.matches_text(name)));
                    }
                    _ => self.column_gaps(test.token, &answer, &mut waiting),
                }
                answer
            }
            Clause::SameElement { tokens, inner, .. } => {
                let answer = self.evaluate(clause);
                match self.moment.tags {
                    Some(tags) if *tokens == [ids::TAGS_NAME] => {
                        merge(&mut waiting, tags.waiting(|name| element::text_passes(inner, name)));
                    }
                    _ => tokens.iter().for_each(|t| self.column_gaps(*t, &answer, &mut waiting)),
                }
                answer
            }
            Clause::Free(_) => {
                let answer = self.evaluate(clause);
                searched_in_inventory().for_each(|t| self.column_gaps(t, &answer, &mut waiting));
                answer
            }
        };
        waiting.values_mut().for_each(|rows| *rows &= &answer.cannot_tell);
        waiting.retain(|_, rows| !rows.is_empty());
        (answer, waiting)
    }

    fn column_gaps(&self, token: TokenId, answer: &Membership, waiting: &mut Waiting) {
        if answer.cannot_tell.is_empty() {
            return;
        }
        let column = self.snapshot.column(token);
        match self.row {
            Some(row) => {
                merge(waiting, column.gaps(row).into_iter().map(|g| (g, [row].into_iter().collect())).collect())
            }
            None => merge(waiting, column.gap_rows().into_iter().collect()),
        }
    }
}

fn merge(waiting: &mut Waiting, more: Waiting) {
    for (gap, rows) in more {
        *waiting.entry(gap).or_default() |= rows;
    }
}

fn and(a: &Membership, b: &Membership) -> Membership {
    let matched = &a.matched & &b.matched;
    if a.cannot_tell.is_empty() && b.cannot_tell.is_empty() {
        return Membership { matched, cannot_tell: RoaringBitmap::new() };
    }
    let mut possible = &a.matched | &a.cannot_tell;
    possible &= &b.matched | &b.cannot_tell;
    possible -= &matched;
    Membership { matched, cannot_tell: possible }
}

fn or(a: Membership, b: Membership) -> Membership {
    let matched = a.matched | b.matched;
    let mut cannot_tell = a.cannot_tell | b.cannot_tell;
    cannot_tell -= &matched;
    Membership { matched, cannot_tell }
}
