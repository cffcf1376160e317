//! Which assets have which tags: static tags by id, dynamic tags by query, chained ones after those they refer to.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use roaring::RoaringBitmap;

use super::evaluate::Waiting;
use super::predicate::{Membership, Moment};
use crate::inventory::partition::Gap;
use crate::inventory::snapshot::Snapshot;
use crate::lang::job::{Tag, TagRule};

/// The tags of a workspace over one snapshot.
#[derive(Debug, Clone, Default)]
pub struct TagMembership {
    names: Vec<Arc<str>>,
    members: Vec<Membership>,
    /// What each tag's uncertain rows wait for.
    waiting: Vec<Waiting>,
}

impl TagMembership {
    /// Evaluates all tags; they come in an order in which each stands after those it refers to.
    pub fn assign(tags: &[Tag], snapshot: &Snapshot, now: Timestamp) -> Self {
        let mut assigned = Self::default();
        for tag in tags {
            let (members, waiting) = match &tag.rule {
                TagRule::Static { assets } => {
                    let matched = assets.iter().filter_map(|id| snapshot.row_of(id)).collect();
                    (Membership { matched, ..Membership::default() }, Waiting::new())
                }
                // A provider scope is part of the checked query.
                TagRule::Dynamic { query, .. } => {
                    let moment = Moment { now, tags: Some(&assigned) };
                    let members = query.evaluate(snapshot, &moment);
                    let waiting = match members.cannot_tell.is_empty() {
                        true => Waiting::new(),
                        false => query.gap_rows(snapshot, &moment).into_iter().collect(),
                    };
                    (members, waiting)
                }
            };
            assigned.names.push(tag.name.value.as_str().into());
            assigned.members.push(members);
            assigned.waiting.push(waiting);
        }
        assigned
    }

    /// Tag names in evaluation order.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The members of a tag.
    pub fn of(&self, name: &str) -> Option<&Membership> {
        let at = self.names.iter().position(|n| &**n == name)?;
        self.members.get(at)
    }

    /// The tags a row certainly has, sorted by name.
    pub fn tags_of(&self, row: u32) -> Vec<Arc<str>> {
        let with = self.names.iter().zip(&self.members).filter(|(_, m)| m.matched.contains(row));
        let mut names: Vec<Arc<str>> = with.map(|(n, _)| Arc::clone(n)).collect();
        names.sort();
        names
    }

    /// Rows that have any tag whose name passes.
    pub(super) fn matching(&self, passes: impl Fn(&str) -> bool) -> Membership {
        let mut all = Membership::default();
        for (_, members) in self.names.iter().zip(&self.members).filter(|(name, _)| passes(name)) {
            all.matched |= &members.matched;
            all.cannot_tell |= &members.cannot_tell;
        }
        let matched: &RoaringBitmap = &all.matched;
        all.cannot_tell -= matched;
        all
    }

    /// Why it cannot be told whether a row has a tag whose name passes.
    pub fn gaps(&self, row: u32, passes: impl Fn(&str) -> bool) -> Vec<Gap> {
        let chosen = self.names.iter().zip(&self.waiting).filter(|(name, _)| passes(name));
        let waiting = chosen.flat_map(|(_, waiting)| waiting).filter(|(_, rows)| rows.contains(row));
        let gaps: BTreeSet<&Gap> = waiting.map(|(gap, _)| gap).collect();
        gaps.into_iter().cloned().collect()
    }

    /// The uncertain rows of all tags whose name passes, by gap.
    pub(super) fn waiting(&self, passes: impl Fn(&str) -> bool) -> Waiting {
        let mut all = Waiting::new();
        for (_, waiting) in self.names.iter().zip(&self.waiting).filter(|(name, _)| passes(name)) {
            for (gap, rows) in waiting {
                *all.entry(gap.clone()).or_default() |= rows;
            }
        }
        all
    }
}
