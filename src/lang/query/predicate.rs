//! The typed query. Only `check` makes one, so it cannot fail at run time.

use jiff::Timestamp;
use roaring::RoaringBitmap;

use super::matcher::Matcher;
use super::tags::TagMembership;
use crate::base::source::Span;
use crate::inventory::catalogue::TokenId;

/// A checked query.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicate {
    /// Where it was written.
    pub span: Span,
    pub(super) clause: Clause,
    pub(super) text: String,
    pub(super) tags: Vec<String>,
}

impl Predicate {
    /// Canonical text, names expanded or not as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names that its `tags.name` tests ask for, whole and without wildcards.
    pub fn tag_names(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().map(String::as_str)
    }
}

/// A part of a predicate.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Clause {
    And(Vec<Clause>),
    Or(Vec<Clause>),
    Not(Box<Clause>),
    /// A test of a token's values.
    Test(TokenTest),
    /// `is null`.
    Absent(TokenTest),
    /// One element of a group passes all tests inside.
    SameElement {
        tokens: Vec<TokenId>,
        inner: Box<Clause>,
        span: Span,
        text: String,
    },
    /// Text anywhere.
    Free(TokenTest),
}

/// A token, what is asked of its values, and how that was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TokenTest {
    pub(super) token: TokenId,
    pub(super) matcher: Matcher,
    pub(super) span: Span,
    pub(super) text: String,
}

/// When and with which tags a predicate is asked. One `now` holds for the whole evaluation.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The instant that `now` means.
    pub now: Timestamp,
    /// What `tags.name` is answered from.
    pub tags: Option<&'a TagMembership>,
}

/// Rows of a snapshot by Kleene's rules: in, cannot tell, and (all others) out. The two bitmaps are disjoint.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Membership {
    /// Rows that match.
    pub matched: RoaringBitmap,
    /// Rows whose answer depends on something that was not read.
    pub cannot_tell: RoaringBitmap,
}

/// One row's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// In.
    In,
    /// Out.
    Out,
    /// Depends on something that was not read.
    CannotTell,
}

impl Truth {
    /// Kleene's `and`: out beats cannot tell beats in.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Out, _) | (_, Self::Out) => Self::Out,
            (Self::In, Self::In) => Self::In,
            _ => Self::CannotTell,
        }
    }

    /// Kleene's `or`: in beats cannot tell beats out.
    pub fn or(self, other: Self) -> Self {
        !((!self).and(!other))
    }
}

impl std::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::In => Self::Out,
            Self::Out => Self::In,
            Self::CannotTell => Self::CannotTell,
        }
    }
}

impl Membership {
    /// One row's answer.
    pub fn of(&self, row: u32) -> Truth {
        if self.matched.contains(row) {
            Truth::In
        } else if self.cannot_tell.contains(row) {
            Truth::CannotTell
        } else {
            Truth::Out
        }
    }
}
