//! Same-element groups: `aws.tags: (key: env and value: prod)` needs one tag that passes both tests.
//!
//! `not` inside a group is about the element. Where a token of the group was not read for a row, its tests cannot be
//! told on that row's elements; where no element was seen at all, there may be one, so the best answer is "cannot tell".

use roaring::RoaringBitmap;

use super::evaluate::View;
use super::matcher::Matcher;
use super::predicate::{Clause, Membership, TokenTest, Truth};
use crate::inventory::catalogue::TokenId;
use crate::inventory::snapshot::Column;

/// A clause of a group with what its tests need at hand.
enum Node<'a> {
    And(Vec<Node<'a>>),
    Or(Vec<Node<'a>>),
    Not(Box<Node<'a>>),
    Leaf {
        column: Column<'a>,
        absent: bool,
        /// By code: whether the value passes.
        passes: Vec<bool>,
        /// Rows that have a value which passes.
        rows: RoaringBitmap,
        /// Rows for which the token was not read.
        unread: RoaringBitmap,
    },
}

/// All rows of the view.
pub(super) fn evaluate(view: &View<'_>, tokens: &[TokenId], inner: &Clause) -> Membership {
    let mut candidates = RoaringBitmap::new();
    let mut unsure = RoaringBitmap::new();
    for token in tokens {
        candidates |= view.present(*token);
        unsure |= view.unread(*token);
    }
    let node = Node::prepare(view, inner);
    if let Some(possible) = node.possible() {
        candidates &= possible | &unsure;
    }
    candidates |= &unsure;
    let columns: Vec<Column<'_>> = tokens.iter().map(|t| view.snapshot.column(*t)).collect();
    let (mut matched, mut cannot_tell) = (Vec::new(), Vec::new());
    let mut elements: Vec<u16> = Vec::new();
    for row in candidates {
        elements.clear();
        columns.iter().for_each(|c| elements.extend(c.cells(row).map(|cell| cell.element)));
        elements.sort_unstable();
        elements.dedup();
        let open = !unsure.is_empty() && unsure.contains(row);
        match node.any(row, &elements, open) {
            Truth::In => matched.push(row),
            Truth::CannotTell => cannot_tell.push(row),
            Truth::Out => {}
        }
    }
    let bitmap = |rows: Vec<u32>| RoaringBitmap::from_sorted_iter(rows).unwrap_or_default();
    Membership { matched: bitmap(matched), cannot_tell: bitmap(cannot_tell) }
}

impl<'a> Node<'a> {
    fn prepare(view: &View<'a>, clause: &Clause) -> Self {
        let all = |parts: &[Clause]| parts.iter().map(|p| Self::prepare(view, p)).collect();
        match clause {
            Clause::And(parts) => Self::And(all(parts)),
            Clause::Or(parts) => Self::Or(all(parts)),
            Clause::Not(inner) => Self::Not(Box::new(Self::prepare(view, inner))),
            Clause::SameElement { inner, .. } => Self::prepare(view, inner),
            Clause::Test(test) | Clause::Free(test) => Self::leaf(view, test, false),
            Clause::Absent(test) => Self::leaf(view, test, true),
        }
    }

    fn leaf(view: &View<'a>, test: &TokenTest, absent: bool) -> Self {
        let column = view.snapshot.column(test.token);
        let codes = view.codes(test.token, &test.matcher);
        let mut passes = vec![false; column.codes() as usize];
        for code in &codes {
            if let Some(flag) = passes.get_mut(code as usize) {
                *flag = true;
            }
        }
        let rows = match test.matcher {
            Matcher::Present => view.present(test.token),
            _ => view.rows_with(test.token, &codes),
        };
        Self::Leaf { column, absent, passes, rows, unread: view.unread(test.token) }
    }

    /// Rows outside of which no read element passes; none where there is no such bound.
    fn possible(&self) -> Option<RoaringBitmap> {
        match self {
            Self::And(parts) => parts.iter().filter_map(Self::possible).reduce(|a, b| a & b),
            Self::Or(parts) => {
                let each: Option<Vec<RoaringBitmap>> = parts.iter().map(Self::possible).collect();
                each?.into_iter().reduce(|a, b| a | b)
            }
            Self::Not(_) | Self::Leaf { absent: true, .. } => None,
            Self::Leaf { absent: false, rows, .. } => Some(rows.clone()),
        }
    }

    /// Whether any element passes. With `open` some token of the group was not read for the row.
    fn any(&self, row: u32, elements: &[u16], open: bool) -> Truth {
        if elements.is_empty() {
            // There may be an element: its unread values cannot be told, the others are absent.
            return match self.one(row, None) {
                Truth::Out => Truth::Out,
                _ if open => Truth::CannotTell,
                _ => Truth::Out,
            };
        }
        let mut best = Truth::Out;
        for element in elements {
            match self.one(row, Some(*element)) {
                Truth::In => return Truth::In,
                Truth::CannotTell => best = Truth::CannotTell,
                Truth::Out => {}
            }
        }
        best
    }

    fn one(&self, row: u32, element: Option<u16>) -> Truth {
        match self {
            Self::And(parts) => parts.iter().fold(Truth::In, |so_far, p| match so_far {
                Truth::Out => Truth::Out,
                _ => so_far.and(p.one(row, element)),
            }),
            Self::Or(parts) => parts.iter().fold(Truth::Out, |so_far, p| match so_far {
                Truth::In => Truth::In,
                _ => so_far.or(p.one(row, element)),
            }),
            Self::Not(inner) => !inner.one(row, element),
            Self::Leaf { unread, .. } if !unread.is_empty() && unread.contains(row) => Truth::CannotTell,
            Self::Leaf { column, absent, passes, .. } => {
                let found = element.is_some_and(|element| {
                    column
                        .cells(row)
                        .any(|cell| cell.element == element && passes.get(cell.code as usize).copied().unwrap_or(false))
                });
                if found == *absent { Truth::Out } else { Truth::In }
            }
        }
    }
}

/// Whether one text passes all tests of a group with a single token, such as `tags: (name: a and not name: b)`.
pub(super) fn text_passes(clause: &Clause, text: &str) -> bool {
    match clause {
        Clause::And(parts) => parts.iter().all(|p| text_passes(p, text)),
        Clause::Or(parts) => parts.iter().any(|p| text_passes(p, text)),
        Clause::Not(inner) => !text_passes(inner, text),
        Clause::SameElement { inner, .. } => text_passes(inner, text),
        Clause::Test(test) | Clause::Free(test) => test.matcher.matches_text(text),
        Clause::Absent(test) => !test.matcher.matches_text(text),
    }
}
