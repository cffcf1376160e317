//! A new reading held against the last one: what came, went and changed, and what must be kept because its own
//! partition was not completely read.
//!
//! INVARIANT: an asset is gone only where the new reading is complete for the partition that the asset was read in. A
//! provider's error never removes a record. product.md part 3, wants 2 and 3.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;

use super::asset::{Asset, Field, Provider, Value};
use super::catalogue::{self, TokenId};
use super::load_balancer::LoadBalancer;
use super::partition::{Kind, Partition, PartitionId, PartitionState};
use super::snapshot::SnapshotInput;
use super::stale::{RecordKey, StaleRecord};
use crate::base::fast::FastMap;

/// What became of one record.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// It was not there before.
    Came,
    /// A complete reading of its partition no longer has it.
    Went,
    /// The connector no longer reads its account or region.
    Left,
    /// It was not seen, and its partition was not completely read: the record is kept.
    Kept {
        /// When it was last seen.
        since: Timestamp,
    },
    /// Values of these tokens differ.
    Changed(Vec<TokenChange>),
}

impl What {
    /// `came`, `went`, `left`, `kept`, `changed`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Came => "came",
            Self::Went => "went",
            Self::Left => "left",
            Self::Kept { .. } => "kept",
            Self::Changed(_) => "changed",
        }
    }
}

/// One token's values before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenChange {
    /// The token.
    pub token: TokenId,
    /// Before.
    pub before: Vec<Value>,
    /// After.
    pub after: Vec<Value>,
}

/// One record's change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Whose cloud.
    pub provider: Provider,
    /// Provider resource id.
    pub id: Arc<str>,
    /// Name for people.
    pub name: Option<Arc<str>>,
    /// Account, subscription or project it was read in.
    pub account: Arc<str>,
    /// Region it was read in.
    pub region: Arc<str>,
    /// Asset or load balancer.
    pub kind: Kind,
    /// What became of it.
    pub what: What,
}

/// A reading with what had to be kept of the last one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reconciled {
    /// The inventory as it is known now.
    pub input: SnapshotInput,
    /// Differences to the last one, by provider and id.
    pub changes: Vec<Change>,
}

/// Holds one connector's new reading against its last one. `reads` says whether the connector reads an account and
/// region at all.
pub fn reconcile(old: Option<SnapshotInput>, new: SnapshotInput, reads: &dyn Fn(&str, &str) -> bool) -> Reconciled {
    let old = old.unwrap_or_default();
    let mut work = Work::new(&old, new, reads);
    work.assets();
    work.load_balancers();
    work.changes.sort_by(|a, b| (a.provider, a.kind, &a.id).cmp(&(b.provider, b.kind, &b.id)));
    Reconciled { input: work.input, changes: work.changes }
}

struct Work<'a> {
    old: &'a SnapshotInput,
    reads: &'a dyn Fn(&str, &str) -> bool,
    /// Whether each partition was completely read, before any was added.
    read: HashMap<Place, bool>,
    /// Where each partition of the input is.
    places: HashMap<Place, PartitionId>,
    /// What stands beside the instances of a partition and was not completely read.
    missing: HashMap<PartitionId, Rc<[Kind]>>,
    input: SnapshotInput,
    changes: Vec<Change>,
}

/// Kind, account, region.
type Place = (Kind, Arc<str>, Arc<str>);

/// How a reading went at one place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    Complete,
    NotComplete,
    Absent,
}

impl<'a> Work<'a> {
    fn new(old: &'a SnapshotInput, input: SnapshotInput, reads: &'a dyn Fn(&str, &str) -> bool) -> Self {
        let mut work = Self {
            old,
            reads,
            read: HashMap::new(),
            places: HashMap::new(),
            missing: HashMap::new(),
            input,
            changes: Vec::new(),
        };
        for (i, p) in work.input.partitions.iter().enumerate() {
            let place = (p.kind, Arc::clone(&p.account), Arc::clone(&p.region));
            *work.read.entry(place.clone()).or_insert(true) &= p.state == PartitionState::Complete;
            work.places.entry(place).or_insert(PartitionId(u32::try_from(i).unwrap_or(u32::MAX)));
        }
        work
    }

    /// Every partition that covers the place must be complete, and there must be one. An account-wide or connector-wide
    /// partition covers all places in it.
    fn read(&self, account: &Arc<str>, region: &Arc<str>, kind: Kind) -> Read {
        let all: Arc<str> = "".into();
        let mut found = Read::Absent;
        for (account, region) in [(account, region), (account, &all), (&all, region), (&all, &all)] {
            match self.read.get(&(kind, Arc::clone(account), Arc::clone(region))) {
                Some(false) => return Read::NotComplete,
                Some(true) => found = Read::Complete,
                None => {}
            }
        }
        found
    }

    /// The partition of a place, made as not asked where the new reading has none.
    fn partition(&mut self, like: &Partition) -> PartitionId {
        let next = PartitionId(u32::try_from(self.input.partitions.len()).unwrap_or(u32::MAX));
        let place = (like.kind, Arc::clone(&like.account), Arc::clone(&like.region));
        let id = *self.places.entry(place).or_insert(next);
        if id == next {
            self.input.partitions.push(Partition { state: PartitionState::NotAsked, ..like.clone() });
        }
        id
    }

    fn assets(&mut self) {
        let mut fresh: FastMap<(Provider, Arc<str>), usize> = FastMap::default();
        fresh.reserve(self.input.assets.len());
        for (at, asset) in self.input.assets.iter().enumerate() {
            fresh.entry((asset.provider, Arc::clone(&asset.id))).or_insert(at);
        }
        for asset in &self.old.assets {
            match fresh.remove(&(asset.provider, Arc::clone(&asset.id))) {
                Some(at) => self.seen_again(asset, at),
                None => self.not_seen(asset),
            }
        }
        // The rest has no earlier record.
        let mut came: Vec<usize> = fresh.into_values().collect();
        came.sort_unstable();
        for at in came {
            if let Some(asset) = self.input.assets.get(at) {
                let place = self.input.partitions.get(asset.partition.0 as usize).cloned();
                let change = change(asset, place.as_ref(), What::Came);
                self.changes.push(change);
            }
        }
    }

    fn place<'o>(&self, old: &'o SnapshotInput, partition: PartitionId) -> Option<&'o Partition> {
        old.partitions.get(partition.0 as usize)
    }

    /// When a partition's old records were true.
    fn since(&self, partition: PartitionId) -> Timestamp {
        self.old.stale.since.get(&partition).copied().unwrap_or(self.old.taken_at)
    }

    fn not_seen(&mut self, asset: &Asset) {
        let old: &SnapshotInput = self.old;
        let place = self.place(old, asset.partition).cloned();
        let (account, region) = ends(place.as_ref());
        if !(self.reads)(&account, &region) {
            return self.changes.push(change(asset, place.as_ref(), What::Left));
        }
        if self.read(&account, &region, Kind::Instances) == Read::Complete {
            return self.changes.push(change(asset, place.as_ref(), What::Went));
        }
        // A record that was whole before is as old as the last reading, an older one as old as it was.
        let key = key(asset);
        let since = if old.stale.is_whole(&key) { self.since(asset.partition) } else { old.taken_at };
        let Some(like) = place else { return };
        let id = self.partition(&like);
        self.input.stale.note(id, since);
        self.input.stale.records.insert(key, StaleRecord::Whole);
        self.input.assets.push(Asset { partition: id, ..asset.clone() });
        self.changes.push(change(asset, Some(&like), What::Kept { since }));
    }

    fn seen_again(&mut self, before: &Asset, at: usize) {
        // Of a million assets, nearly all are as they were.
        let Some(partition) = self.input.assets.get(at).filter(|a| !same_values(before, a)).map(|a| a.partition) else {
            return;
        };
        let missing = self.missing(partition);
        let Some(after) = self.input.assets.get(at) else { return };
        let place = self.input.partitions.get(partition.0 as usize);
        let kept = kept_values(before, after, &missing);
        // Values of which a part was not read are no measure of change until they are read again; then they are.
        let unread = |token| catalogue::token(token).needs.iter().any(|k| missing.contains(k));
        let changes = differences(before, after, &unread);
        if !changes.is_empty() {
            self.changes.push(change(after, place, What::Changed(changes)));
        }
        if !kept.is_empty() {
            self.keep_values(before, at, kept);
        }
    }

    /// Gives values of the old record to the new one, marked with their age.
    fn keep_values(&mut self, before: &Asset, at: usize, kept: BTreeMap<TokenId, Kind>) {
        let stale_before = match self.old.stale.records.get(&key(before)) {
            Some(StaleRecord::Tokens(tokens)) => tokens.clone(),
            _ => BTreeSet::new(),
        };
        let Some((partition, key)) = self.input.assets.get(at).map(|a| (a.partition, key(a))) else { return };
        let place = self.input.partitions.get(partition.0 as usize).cloned();
        let mut tokens = BTreeSet::new();
        let mut fields: Vec<Field> = Vec::new();
        for (token, kind) in kept {
            fields.extend(before.fields.iter().filter(|f| f.token == token).cloned());
            tokens.insert(token);
            if let Some(place) = &place {
                let own = self.partition(&Partition { kind, ..place.clone() });
                let of_old = self
                    .old
                    .partitions
                    .iter()
                    .position(|p| p.kind == kind && p.account == place.account && p.region == place.region);
                let since = match of_old {
                    Some(i) if stale_before.contains(&token) => self.since(PartitionId(i as u32)),
                    _ => self.old.taken_at,
                };
                self.input.stale.note(own, since);
            }
        }
        self.input.stale.records.insert(key, StaleRecord::Tokens(tokens));
        if let Some(asset) = self.input.assets.get_mut(at) {
            asset.fields.extend(fields);
        }
    }

    /// What stands beside the instances of a partition and was not completely read.
    fn missing(&mut self, partition: PartitionId) -> Rc<[Kind]> {
        if let Some(known) = self.missing.get(&partition) {
            return Rc::clone(known);
        }
        let (account, region) = ends(self.input.partitions.get(partition.0 as usize));
        let kinds = [Kind::Interfaces, Kind::Addresses, Kind::InstanceView];
        let missing = kinds.into_iter().filter(|k| self.read(&account, &region, *k) == Read::NotComplete).collect();
        Rc::clone(self.missing.entry(partition).or_insert(missing))
    }

    /// An id is unique only within account and region: Amazon's classic load balancers have none but their name.
    fn load_balancers(&mut self) {
        let old: &SnapshotInput = self.old;
        let identity = |l: &LoadBalancer, input: &SnapshotInput| {
            let (account, _) = ends(input.partitions.get(l.partition.0 as usize));
            (Arc::clone(&l.id), account, Arc::clone(&l.region))
        };
        let fresh: Vec<_> = self.input.load_balancers.iter().map(|l| (identity(l, &self.input), l.clone())).collect();
        let seen: BTreeSet<_> = fresh.iter().map(|(id, _)| id.clone()).collect();
        let mut known = BTreeSet::new();
        for before in &old.load_balancers {
            let id = identity(before, old);
            if !seen.contains(&id) {
                self.balancer_not_seen(before);
            }
            known.insert(id);
        }
        for (id, balancer) in fresh {
            if known.insert(id) {
                let place = self.input.partitions.get(balancer.partition.0 as usize).cloned();
                self.changes.push(balancer_change(&balancer, place.as_ref(), What::Came));
            }
        }
    }

    fn balancer_not_seen(&mut self, before: &LoadBalancer) {
        let old: &SnapshotInput = self.old;
        let place = self.place(old, before.partition).cloned();
        let (account, region) = ends(place.as_ref());
        let what = if !(self.reads)(&account, &region) {
            What::Left
        } else if self.read(&account, &region, Kind::LoadBalancers) == Read::Complete {
            What::Went
        } else {
            let key = (Arc::clone(&before.connector), Arc::clone(&before.id));
            let was_kept = old.stale.load_balancers.contains(&key);
            let since = if was_kept { self.since(before.partition) } else { old.taken_at };
            let Some(like) = &place else { return };
            let id = self.partition(like);
            self.input.stale.note(id, since);
            self.input.stale.load_balancers.insert(key);
            self.input.load_balancers.push(LoadBalancer { partition: id, ..before.clone() });
            What::Kept { since }
        };
        self.changes.push(balancer_change(before, place.as_ref(), what));
    }
}

/// Account and region of a partition.
fn ends(place: Option<&Partition>) -> (Arc<str>, Arc<str>) {
    place.map(|p| (Arc::clone(&p.account), Arc::clone(&p.region))).unwrap_or_default()
}

/// Tokens of which only the old record has values, where a partition that they need was not completely read; with that
/// partition's kind.
fn kept_values(before: &Asset, after: &Asset, missing: &[Kind]) -> BTreeMap<TokenId, Kind> {
    let known: BTreeSet<TokenId> = after.fields.iter().map(|f| f.token).collect();
    let lost = before.fields.iter().map(|f| f.token).filter(|t| !known.contains(t));
    lost.filter_map(|t| {
        let needs = catalogue::token(t).needs;
        missing.iter().find(|k| needs.contains(k)).map(|k| (t, *k))
    })
    .collect()
}

fn key(asset: &Asset) -> RecordKey {
    RecordKey { provider: asset.provider, id: Arc::clone(&asset.id), connector: Arc::clone(&asset.connector) }
}

fn change(asset: &Asset, place: Option<&Partition>, what: What) -> Change {
    Change {
        provider: asset.provider,
        id: Arc::clone(&asset.id),
        name: asset.name.clone(),
        account: place.map(|p| Arc::clone(&p.account)).unwrap_or_default(),
        region: place.map(|p| Arc::clone(&p.region)).unwrap_or_default(),
        kind: Kind::Instances,
        what,
    }
}

fn balancer_change(balancer: &LoadBalancer, place: Option<&Partition>, what: What) -> Change {
    Change {
        provider: balancer.provider,
        id: Arc::clone(&balancer.id),
        name: Some(Arc::clone(&balancer.name)),
        account: place.map(|p| Arc::clone(&p.account)).unwrap_or_default(),
        region: Arc::clone(&balancer.region),
        kind: Kind::LoadBalancers,
        what,
    }
}

/// Whether two records hold the same values in the same order; where they do not, they may still mean the same.
fn same_values(before: &Asset, after: &Asset) -> bool {
    fn by_token(asset: &Asset) -> Vec<&Field> {
        let mut fields: Vec<&Field> = asset.fields.iter().collect();
        fields.sort_by_key(|f| f.token);
        fields
    }
    before.fields.len() == after.fields.len() && by_token(before) == by_token(after)
}

/// Tokens whose values differ. Providers deliver lists in any order, so elements are compared as a set: each is all its
/// tokens together, so that tags whose values are swapped differ.
fn differences(before: &Asset, after: &Asset, skip: &dyn Fn(TokenId) -> bool) -> Vec<TokenChange> {
    let (old, new) = (elements(before), elements(after));
    let groups: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let mut tokens: BTreeSet<TokenId> = BTreeSet::new();
    for group in groups.into_iter().filter(|g| old.get(g) != new.get(g)) {
        let own = |asset: &Asset| -> BTreeSet<TokenId> {
            asset.fields.iter().map(|f| f.token).filter(|t| group_of(*t) == group).collect()
        };
        let all: BTreeSet<TokenId> = own(before).union(&own(after)).copied().collect();
        let by_value: BTreeSet<TokenId> =
            all.iter().copied().filter(|t| sorted(before, *t) != sorted(after, *t)).collect();
        // The same values in other elements: the group as a whole differs.
        tokens.extend(if by_value.is_empty() { all } else { by_value });
    }
    let values = |asset: &Asset, token: TokenId| {
        asset.fields.iter().filter(|f| f.token == token).map(|f| f.value.clone()).collect::<Vec<_>>()
    };
    let changed = tokens.into_iter().filter(|t| !skip(*t));
    changed.map(|token| TokenChange { token, before: values(before, token), after: values(after, token) }).collect()
}

/// The group within which values belong together; single values are a group of their own.
fn group_of(token: TokenId) -> &'static str {
    let row = catalogue::token(token);
    let tags = matches!(row.group(), "aws.tags" | "azure.tags" | "gcp.tags" | "interfaces");
    if tags { row.group() } else { row.name }
}

/// Each group's elements, sorted, as comparable text.
fn elements(asset: &Asset) -> BTreeMap<&'static str, Vec<Vec<String>>> {
    let mut found: BTreeMap<&'static str, BTreeMap<u16, Vec<String>>> = BTreeMap::new();
    for field in &asset.fields {
        let group = group_of(field.token);
        let element = if group == catalogue::token(field.token).name { 0 } else { field.element };
        let text = format!("{}={:?}", field.token.0, field.value);
        found.entry(group).or_default().entry(element).or_default().push(text);
    }
    let sorted = |elements: BTreeMap<u16, Vec<String>>| {
        let mut elements: Vec<Vec<String>> = elements.into_values().collect();
        elements.iter_mut().for_each(|e| {
            e.sort();
            e.dedup();
        });
        elements.sort();
        elements
    };
    found.into_iter().map(|(group, elements)| (group, sorted(elements))).collect()
}

fn sorted(asset: &Asset, token: TokenId) -> Vec<String> {
    let mut values: Vec<String> =
        asset.fields.iter().filter(|f| f.token == token).map(|f| format!("{:?}", f.value)).collect();
    values.sort();
    values.dedup();
    values
}
