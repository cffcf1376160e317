//! Which assets have which tags: static tags by id, dynamic tags by query, chained ones after those they refer to.

use std::sync::Arc;

use jiff::Timestamp;
use roaring::RoaringBitmap;

use super::predicate::{Membership, Moment};
use crate::inventory::catalogue::ids;
use crate::inventory::partition::Gap;
use crate::inventory::snapshot::{Snapshot, ValueRef};
use crate::lang::job::{Tag, TagRule};

/// The tags of a workspace over one snapshot.
#[derive(Debug, Clone, Default)]
pub struct TagMembership {
    names: Vec<Arc<str>>,
    members: Vec<Membership>,
    /// What each tag's unread rows wait for.
    gaps: Vec<Vec<(u32, Vec<Gap>)>>,
}

impl TagMembership {
    /// Evaluates all tags; they come in an order in which each stands after those it refers to.
    pub fn assign(tags: &[Tag], snapshot: &Snapshot, now: Timestamp) -> Self {
        let mut assigned = Self::default();
        for tag in tags {
            let (members, gaps) = match &tag.rule {
                TagRule::Static { assets } => {
                    let matched = assets.iter().filter_map(|id| snapshot.row_of(id)).collect();
                    (Membership { matched, ..Membership::default() }, Vec::new())
                }
                TagRule::Dynamic { query, provider } => {
                    let moment = Moment { now, tags: Some(&assigned) };
                    let mut members = query.evaluate(snapshot, &moment);
                    if let Some(provider) = provider {
                        // A provider-scoped tag has its provider as an implicit conjunct. query-language.md 4.
                        let column = snapshot.column(ids::PROVIDER);
                        let code =
                            (0..column.codes()).filter(|c| column.value(*c) == Some(ValueRef::Str(provider.as_str())));
                        let rows = column.rows_with(&code.collect());
                        members.matched &= &rows;
                        members.cannot_tell &= &rows;
                    }
                    let unsure = members.cannot_tell.iter();
                    let gaps = unsure.map(|row| (row, query.gaps(snapshot, row, &moment))).collect();
                    (members, gaps)
                }
            };
            assigned.names.push(tag.name.value.as_str().into());
            assigned.members.push(members);
            assigned.gaps.push(gaps);
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
        let chosen = self.names.iter().zip(&self.gaps).filter(|(name, _)| passes(name));
        chosen
            .flat_map(|(_, gaps)| gaps.iter().filter(|(r, _)| *r == row).flat_map(|(_, g)| g.iter().cloned()))
            .collect()
    }
}
