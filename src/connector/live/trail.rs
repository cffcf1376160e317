//! The way from page to page: a next page that was asked for before is a circle, which would never end.

use std::hash::{BuildHasher, RandomState};

use crate::base::fast::FastSet;

/// Marks of the pages of one listing, by their hashes: marks are long, and listings may be too.
#[derive(Debug, Default)]
pub(super) struct Trail {
    seen: FastSet<u64>,
    hasher: RandomState,
}

impl Trail {
    /// Takes note of a mark; false where it has led here before.
    pub(super) fn is_new(&mut self, mark: &str) -> bool {
        self.seen.insert(self.hasher.hash_one(mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_seen_whatever_its_length() {
        let mut trail = Trail::default();
        assert!((0..1_000).all(|n| trail.is_new(&format!("page {n}"))));
        assert!(!trail.is_new("page 0") && !trail.is_new("page 999") && trail.is_new("page 1000"));
    }
}
