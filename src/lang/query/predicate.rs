//! The typed query. Only `check` makes one, so it cannot fail at run time.

use roaring::RoaringBitmap;

use crate::base::source::Span;

/// A checked query.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicate {
    /// Where it was written.
    pub span: Span,
}

/// Rows of a snapshot by Kleene's rules: in, cannot tell, and (all others) out. The two bitmaps are disjoint.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Membership {
    /// Rows that match.
    pub matched: RoaringBitmap,
    /// Rows whose answer depends on something that was not read.
    pub cannot_tell: RoaringBitmap,
}
