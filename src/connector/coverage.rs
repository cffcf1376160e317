//! Keeps the account of what was read: one partition for connector, account, region and kind, with its state.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::fast::FastMap;
use crate::inventory::partition::{Kind, Partition, PartitionId, PartitionState};

/// Distinct causes kept for one partition; further ones are counted by the last of them.
const CAUSES: usize = 4;

/// Partitions in the making.
#[derive(Debug)]
pub(super) struct Coverage {
    connector: Arc<str>,
    index: FastMap<(Kind, Arc<str>), FastMap<Arc<str>, PartitionId>>,
    list: Vec<Partition>,
    causes: FastMap<PartitionId, Vec<String>>,
    settled: FastMap<PartitionId, PartitionState>,
    /// The last partition of each kind: records of one place mostly come together.
    last: Vec<(Kind, Arc<str>, Arc<str>, PartitionId)>,
}

impl Coverage {
    /// Nothing read yet.
    pub(super) fn new(connector: Arc<str>) -> Self {
        Self {
            connector,
            index: FastMap::default(),
            list: Vec::new(),
            causes: FastMap::default(),
            settled: FastMap::default(),
            last: Vec::new(),
        }
    }

    /// The partition, made as not asked where it was not there.
    pub(super) fn of(&mut self, account: &Arc<str>, region: &Arc<str>, kind: Kind) -> PartitionId {
        let same = |l: &&(Kind, Arc<str>, Arc<str>, PartitionId)| {
            l.0 == kind && Arc::ptr_eq(&l.1, account) && Arc::ptr_eq(&l.2, region)
        };
        if let Some((.., id)) = self.last.iter().find(same) {
            return *id;
        }
        let id = self.look_up(account, region, kind);
        self.last.retain(|l| l.0 != kind);
        self.last.push((kind, Arc::clone(account), Arc::clone(region), id));
        id
    }

    fn look_up(&mut self, account: &Arc<str>, region: &Arc<str>, kind: Kind) -> PartitionId {
        let regions = self.index.entry((kind, Arc::clone(account))).or_default();
        if let Some(id) = regions.get(region) {
            return *id;
        }
        let id = PartitionId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        regions.insert(Arc::clone(region), id);
        let (connector, account, region) = (Arc::clone(&self.connector), Arc::clone(account), Arc::clone(region));
        self.list.push(Partition { connector, account, region, kind, state: PartitionState::NotAsked });
        id
    }

    /// Marks a partition as read; what was already known to be missing stays missing.
    pub(super) fn read(&mut self, account: &Arc<str>, region: &Arc<str>, kind: Kind) -> PartitionId {
        let id = self.of(account, region, kind);
        if let Some(p) = self.list.get_mut(id.0 as usize) {
            match &p.state {
                PartitionState::NotAsked => p.state = PartitionState::Complete,
                // Some of it is at hand after all.
                PartitionState::Denied { cause } => {
                    let cause = format!("denied: {cause}");
                    p.state = PartitionState::Complete;
                    self.partial(id, &cause);
                }
                _ => {}
            }
        }
        id
    }

    /// Marks a partition as partly read.
    pub(super) fn partial(&mut self, id: PartitionId, cause: &str) {
        let causes = self.causes.entry(id).or_default();
        if causes.len() < CAUSES && !causes.iter().any(|c| c == cause) {
            causes.push(cause.to_owned());
        }
        let cause: Arc<str> = causes.join("; ").into();
        if let Some(p) = self.list.get_mut(id.0 as usize) {
            match p.state {
                PartitionState::Denied { .. } | PartitionState::Throttled { .. } => {}
                _ => p.state = PartitionState::Partial { cause },
            }
        }
    }

    /// Marks a partition as refused by the provider; with records of it at hand it is partly read.
    pub(super) fn denied(&mut self, account: &Arc<str>, region: &Arc<str>, kind: Kind, cause: &str) {
        let id = self.of(account, region, kind);
        match self.list.get_mut(id.0 as usize) {
            Some(p) if p.state == PartitionState::NotAsked => p.state = PartitionState::Denied { cause: cause.into() },
            _ => self.partial(id, &format!("denied: {cause}")),
        }
    }

    /// Takes the word of whoever did the reading for how a partition went: it stands in the end, unless the records
    /// tell of something worse. True where this is new.
    pub(super) fn settle(&mut self, account: &Arc<str>, region: &Arc<str>, kind: Kind, state: PartitionState) -> bool {
        let id = self.of(account, region, kind);
        let known = self.settled.get(&id);
        let new = known != Some(&state);
        // Two words for one partition: the one that leaves a gap counts.
        if known.is_none_or(|k| *k == PartitionState::Complete) {
            self.settled.insert(id, state);
        }
        new
    }

    /// The account, region and state of every partition of a kind.
    pub(super) fn with_kind(&self, kind: Kind) -> Vec<(Arc<str>, Arc<str>)> {
        self.list.iter().filter(|p| p.kind == kind).map(|p| (Arc::clone(&p.account), Arc::clone(&p.region))).collect()
    }

    /// The partition of an id.
    pub(super) fn get(&self, id: PartitionId) -> Option<&Partition> {
        self.list.get(id.0 as usize)
    }

    /// The accounts and regions of some partitions.
    pub(super) fn places(&self, ids: &BTreeSet<PartitionId>) -> BTreeSet<(Arc<str>, Arc<str>)> {
        ids.iter().filter_map(|id| self.get(*id)).map(|p| (Arc::clone(&p.account), Arc::clone(&p.region))).collect()
    }

    /// All partitions so far, in the order of their ids; it begins anew.
    pub(super) fn take(&mut self) -> Vec<Partition> {
        self.index.clear();
        self.causes.clear();
        self.last.clear();
        std::mem::take(&mut self.list)
    }

    /// All partitions, in the order of their ids.
    pub(super) fn into_list(mut self) -> Vec<Partition> {
        for (id, word) in std::mem::take(&mut self.settled) {
            let Some(p) = self.list.get_mut(id.0 as usize) else { continue };
            match (&p.state, word) {
                (PartitionState::NotAsked | PartitionState::Complete, word) => p.state = word,
                (_, PartitionState::Complete) => {}
                (PartitionState::Partial { .. }, PartitionState::Partial { cause }) => self.partial(id, &cause),
                (_, word) => p.state = word,
            }
        }
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_news_stays() {
        let mut c = Coverage::new("lab".into());
        let (account, region): (Arc<str>, Arc<str>) = ("1".into(), "r".into());
        assert_eq!(c.of(&account, &region, Kind::Interfaces), PartitionId(0));
        let id = c.read(&account, &region, Kind::Instances);
        c.partial(id, "truncated at byte 9");
        c.partial(id, "truncated at byte 9");
        c.partial(id, "1 record dropped");
        c.read(&account, &region, Kind::Instances);
        c.denied(&account, &"s".into(), Kind::Instances, "AccessDenied");
        let gaps: Vec<_> =
            c.into_list().iter().filter_map(Partition::gap).map(|g| format!("{}: {}", g.partition, g.cause)).collect();
        assert_eq!(
            gaps,
            [
                "lab/1/r/interfaces: not asked",
                "lab/1/r/instances: partly read: truncated at byte 9; 1 record dropped",
                "lab/1/s/instances: denied: AccessDenied",
            ]
        );
    }
}
