//! The columnar snapshot: what was true at one moment, answered by column.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use roaring::RoaringBitmap;
use sha2::{Digest, Sha256};

use super::asset::{Asset, Interface, Provider};
use super::build::{self, SnapshotTooLarge};
use super::catalogue::{self, TokenId, TokenType, ids};
use super::column::{CellIter, ColumnData};
use super::file::{self, Parts};
use super::load_balancer::LoadBalancer;
use super::partition::{Gap, Kind, Partition, PartitionId, PartitionState};
use super::record::{Reader, Writer, read_interfaces, write_interfaces};
use super::stale::Stale;
use crate::base::limits::Limits;

pub use super::build::BuildNotice;
pub use super::column::{Cell, ValueRef};

/// What a snapshot is built from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SnapshotInput {
    /// When the provider's answers were true: the earliest of them.
    pub taken_at: Timestamp,
    /// When we learned them.
    pub learned_at: Timestamp,
    /// Assets in any order.
    pub assets: Vec<Asset>,
    /// What was read, and what was not.
    pub partitions: Vec<Partition>,
    /// Load balancers.
    pub load_balancers: Vec<LoadBalancer>,
    /// What of it is known from earlier readings only.
    pub stale: Stale,
}

impl SnapshotInput {
    /// Several connectors' answers as one: partition numbers are shifted, the earliest `taken_at` stands.
    pub fn merge(inputs: Vec<Self>) -> Self {
        let mut inputs = inputs.into_iter();
        let mut all = inputs.next().unwrap_or_default();
        for input in inputs {
            let shift = all.partitions.len() as u32;
            let moved = |p: PartitionId| PartitionId(p.0 + shift);
            all.assets.extend(input.assets.into_iter().map(|a| Asset { partition: moved(a.partition), ..a }));
            let balancers = input.load_balancers.into_iter();
            all.load_balancers.extend(balancers.map(|l| LoadBalancer { partition: moved(l.partition), ..l }));
            all.partitions.extend(input.partitions);
            all.stale.records.extend(input.stale.records);
            all.stale.load_balancers.extend(input.stale.load_balancers);
            all.stale.since.extend(input.stale.since.into_iter().map(|(p, at)| (moved(p), at)));
            all.taken_at = all.taken_at.min(input.taken_at);
            all.learned_at = all.learned_at.max(input.learned_at);
        }
        all
    }
}

/// Why a snapshot cannot be built or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// More assets than the limit.
    #[error("the inventory has {assets} assets; the limit is {limit}")]
    TooManyAssets {
        /// Assets delivered.
        assets: usize,
        /// The limit.
        limit: usize,
    },
    /// One column has more than 4 GiB of text.
    #[error("one column of the inventory holds more than 4 GiB of text")]
    ColumnTooLarge,
    /// Not a snapshot file.
    #[error("this is not a palisade snapshot file")]
    NotASnapshot,
    /// Written by a newer version.
    #[error("the snapshot has format version {found}; this version reads {known}")]
    Version {
        /// In the file.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The bytes are not what was written.
    #[error("the snapshot file is damaged: {0}")]
    Damaged(&'static str),
}

impl From<SnapshotTooLarge> for SnapshotError {
    fn from(_: SnapshotTooLarge) -> Self {
        Self::ColumnTooLarge
    }
}

/// The bytes of a snapshot file: owned, or a map that the store holds.
pub type SnapshotBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A snapshot. Columns of an opened file are decoded when first asked for.
pub struct Snapshot {
    pub(super) id: Arc<str>,
    pub(super) parts: Parts,
    pub(super) columns: Vec<OnceLock<ColumnData>>,
    bytes: Option<SnapshotBytes>,
    /// Rows by (connector, account, region), for gaps.
    groups: OnceLock<Vec<Group>>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot({}, {} assets)", self.id, self.len())
    }
}

/// Rows that share a partition, and what is missing for them.
#[derive(Debug)]
struct Group {
    /// The instance partition.
    partition: u32,
    rows: RoaringBitmap,
    /// Kinds that were not completely read, with the gap.
    missing: Vec<(Kind, Gap)>,
}

impl Snapshot {
    /// Builds a snapshot; notices say which records were merged or cut.
    pub fn build(input: SnapshotInput, limits: &Limits) -> Result<(Self, Vec<BuildNotice>), SnapshotError> {
        if input.assets.len() > limits.assets {
            return Err(SnapshotError::TooManyAssets { assets: input.assets.len(), limit: limits.assets });
        }
        let mut notices = Vec::new();
        let assets = build::order(input.assets, &input.stale, &mut notices);
        let columns = build::columns(&assets, limits, &mut notices)?;
        let stale = build::stale_rows(&assets, &input.load_balancers, &input.stale);
        let learned_at = input.learned_at;
        let mut parts = Parts {
            stale,
            taken_at: input.taken_at,
            learned_at: Timestamp::UNIX_EPOCH,
            partitions: input.partitions,
            load_balancers: input.load_balancers,
            ..Parts::default()
        };
        let mut interfaces = Writer::default();
        for asset in &assets {
            parts.id_text.push_str(&asset.id);
            parts.id_ends.push(u32::try_from(parts.id_text.len()).map_err(|_| SnapshotError::ColumnTooLarge)?);
            parts.providers.push(asset.provider as u8);
            parts.row_partitions.push(asset.partition.0);
            parts.connector_names.push(Arc::clone(&asset.connector));
            write_interfaces(&mut interfaces, &asset.interfaces);
            parts
                .interface_ends
                .push(u32::try_from(interfaces.bytes.len()).map_err(|_| SnapshotError::ColumnTooLarge)?);
        }
        parts.interfaces = interfaces.bytes;
        if assets.len() >= build::ASSETS_FOR_THREADS {
            // Giving 65,536 assets back piece by piece takes tens of milliseconds, and nobody has to wait for it.
            drop(std::thread::Builder::new().spawn(move || drop(assets)));
        }
        parts.intern_connectors();
        let mut snapshot = Self {
            id: "".into(),
            parts,
            columns: columns.into_iter().map(OnceLock::from).collect(),
            bytes: None,
            groups: OnceLock::new(),
        };
        // The id is that of the content, whenever it was learned.
        snapshot.id = snapshot.content_id();
        snapshot.parts.learned_at = learned_at;
        Ok((snapshot, notices))
    }

    /// `snap-` and 16 hex digits of a SHA-256 over everything but the time of learning.
    fn content_id(&self) -> Arc<str> {
        let mut hash = Sha256::new();
        let times = (self.parts.taken_at, Timestamp::UNIX_EPOCH);
        file::write(&self.parts, times, |id| self.data(id), &mut |bytes| hash.update(bytes));
        let digest = hash.finalize();
        let hex: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
        format!("snap-{hex}").into()
    }

    /// Opens a file's bytes: checks magic, version and checksum, reads the small tables, leaves the columns for later.
    pub fn from_bytes(bytes: SnapshotBytes) -> Result<Self, SnapshotError> {
        let (id, parts) = file::open((*bytes).as_ref())?;
        let columns = catalogue::tokens().iter().map(|_| OnceLock::new()).collect();
        Ok(Self { id, parts, columns, bytes: Some(bytes), groups: OnceLock::new() })
    }

    /// The same content at other times: what a later sync found unchanged.
    pub fn at(mut self, taken_at: Timestamp, learned_at: Timestamp) -> Self {
        (self.parts.taken_at, self.parts.learned_at) = (taken_at, learned_at);
        self
    }

    /// Whether two snapshots differ in nothing but their times.
    pub fn same_content(&self, other: &Self) -> bool {
        let same = |id| self.data(id).same_values(other.data(id));
        self.parts.same_tables(&other.parts) && catalogue::all_ids().all(same)
    }

    pub(super) fn data(&self, token: TokenId) -> &ColumnData {
        static EMPTY: OnceLock<ColumnData> = OnceLock::new();
        let Some(slot) = self.columns.get(usize::from(token.0)) else {
            return EMPTY.get_or_init(ColumnData::empty);
        };
        slot.get_or_init(|| {
            let section = self.parts.column_sections.iter().find(|s| s.token == token);
            let bytes = self.bytes.as_ref().zip(section).and_then(|(bytes, s)| (**bytes).as_ref().get(s.range.clone()));
            // A section that passed the checksum and still does not decode was never written by us: no values.
            bytes.and_then(|b| file::read_column(&mut Reader::new(b), self.len())).unwrap_or_else(ColumnData::empty)
        })
    }

    /// `snap-` and 16 hex digits: the same content has the same id.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// When the answers were true.
    pub fn taken_at(&self) -> Timestamp {
        self.parts.taken_at
    }

    /// When we learned them.
    pub fn learned_at(&self) -> Timestamp {
        self.parts.learned_at
    }

    /// Number of assets.
    pub fn len(&self) -> u32 {
        self.parts.id_ends.len() as u32
    }

    /// True without assets.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was read, and what was not.
    pub fn partitions(&self) -> &[Partition] {
        &self.parts.partitions
    }

    /// What was not completely read; where records of an earlier reading were kept, the gap says of when they are.
    pub fn partition_gaps(&self) -> impl Iterator<Item = (&Partition, Gap)> {
        self.partitions().iter().enumerate().filter_map(|(i, p)| {
            let gap = p.gap()?;
            Some((
                p,
                match self.parts.stale.since.get(&PartitionId(i as u32)) {
                    Some(at) => Gap { cause: format!("{}; its records are kept from {at}", gap.cause).into(), ..gap },
                    None => gap,
                },
            ))
        })
    }

    /// Rows that nobody has seen since an earlier reading: whether the assets still exist cannot be told.
    pub fn stale_rows(&self) -> &RoaringBitmap {
        &self.parts.stale.rows
    }

    /// Why a row's asset may be gone; empty where it was seen in this reading.
    pub fn stale_gaps(&self, row: u32) -> Vec<Gap> {
        let missing = if self.stale_rows().contains(row) { self.missing_of(row) } else { &[] };
        missing.iter().filter(|(kind, _)| *kind == Kind::Instances).map(|(_, gap)| gap.clone()).collect()
    }

    /// Whether a load balancer is known from an earlier reading only; by its place in [`Self::load_balancers`].
    pub fn is_stale_load_balancer(&self, index: usize) -> bool {
        u32::try_from(index).is_ok_and(|i| self.parts.stale.load_balancers.contains(i))
    }

    fn missing_of(&self, row: u32) -> &[(Kind, Gap)] {
        let Some(own) = self.parts.row_partitions.get(row as usize) else { return &[] };
        // INVARIANT: groups are in the order of their partitions.
        let groups = self.groups();
        let at = groups.binary_search_by_key(own, |g| g.partition);
        at.ok().and_then(|at| groups.get(at)).map_or(&[], |g| g.missing.as_slice())
    }

    /// Load balancers.
    pub fn load_balancers(&self) -> &[LoadBalancer] {
        &self.parts.load_balancers
    }

    /// The column of a token; every token has one, perhaps empty.
    pub fn column(&self, token: TokenId) -> Column<'_> {
        Column { snapshot: self, token, data: self.data(token) }
    }

    /// The row of a provider resource id; case matters for AWS and GCP, and not for Azure.
    pub fn row_of(&self, asset_id: &str) -> Option<u32> {
        for provider in Provider::ALL {
            let start = first_row(0, self.len(), |r| self.parts.provider(r) >= provider);
            let end = first_row(start, self.len(), |r| self.parts.provider(r) > provider);
            let at = first_row(start, end, |r| self.parts.asset_id(r) >= asset_id);
            if at < end && self.parts.asset_id(at) == asset_id {
                return Some(at);
            }
        }
        // Azure ids arrive in any case; looking them up by hand is rare enough for a pass over them.
        (0..self.len()).find(|r| {
            self.parts.provider(*r) == Provider::Azure && self.parts.asset_id(*r).eq_ignore_ascii_case(asset_id)
        })
    }

    /// Rows whose `name` is exactly this.
    pub fn rows_named(&self, name: &str) -> Vec<u32> {
        let column = self.column(ids::NAME);
        let codes: RoaringBitmap =
            (0..column.codes()).filter(|c| column.value(*c) == Some(ValueRef::Str(name))).collect();
        column.rows_with(&codes).iter().collect()
    }

    /// One asset.
    pub fn asset(&self, row: u32) -> Option<AssetRow<'_>> {
        (row < self.len()).then_some(AssetRow { snapshot: self, row })
    }

    /// Rows that this connector brought.
    pub fn rows_of_connector(&self, connector: &str) -> RoaringBitmap {
        let column = self.column(ids::CONNECTORS_NAME);
        let codes: RoaringBitmap =
            (0..column.codes()).filter(|c| column.value(*c) == Some(ValueRef::Str(connector))).collect();
        let mut rows = column.rows_with(&codes);
        if codes.is_empty() {
            rows = (0..self.len()).filter(|r| self.parts.connector(*r) == connector).collect();
        }
        rows
    }

    fn groups(&self) -> &[Group] {
        self.groups.get_or_init(|| {
            let mut by_partition: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            for (row, partition) in self.parts.row_partitions.iter().enumerate() {
                by_partition.entry(*partition).or_default().push(row as u32);
            }
            by_partition
                .into_iter()
                .map(|(partition, rows)| Group {
                    partition,
                    rows: rows.into_iter().collect(),
                    missing: self.missing_for(PartitionId(partition)),
                })
                .collect()
        })
    }

    /// The kinds not completely read beside an instance partition: those of the same connector, account and region, or
    /// of the connector as a whole where account or region is empty. Results that nobody asked for are a gap too.
    fn missing_for(&self, partition: PartitionId) -> Vec<(Kind, Gap)> {
        let Some(own) = self.partitions().get(partition.0 as usize) else { return Vec::new() };
        let covers = |p: &&Partition| {
            p.connector == own.connector
                && (p.account == own.account || p.account.is_empty())
                && (p.region == own.region || p.region.is_empty())
        };
        let mut missing: Vec<(Kind, Gap)> =
            self.partition_gaps().filter(|(p, _)| covers(p)).map(|(p, g)| (p.kind, g)).collect();
        if !self.partitions().iter().filter(covers).any(|p| p.kind == Kind::Results) {
            let results = Partition { kind: Kind::Results, state: PartitionState::NotAsked, ..own.clone() };
            missing.extend(results.gap().map(|g| (Kind::Results, g)));
        }
        missing
    }
}

/// The first row in `low..high` for which the test holds, given that it holds from there on; `high` where it never does.
fn first_row(mut low: u32, mut high: u32, holds: impl Fn(u32) -> bool) -> u32 {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// One asset of a snapshot.
#[derive(Debug, Clone, Copy)]
pub struct AssetRow<'a> {
    snapshot: &'a Snapshot,
    row: u32,
}

impl<'a> AssetRow<'a> {
    /// Its row.
    pub fn row(&self) -> u32 {
        self.row
    }

    /// Provider resource id.
    pub fn id(&self) -> &'a str {
        self.snapshot.parts.asset_id(self.row)
    }

    /// Name for people.
    pub fn name(&self) -> Option<&'a str> {
        self.text(ids::NAME)
    }

    /// Whose cloud.
    pub fn provider(&self) -> Provider {
        self.snapshot.parts.provider(self.row)
    }

    /// The connector that brought it first.
    pub fn connector(&self) -> &'a str {
        self.snapshot.parts.connector(self.row)
    }

    /// The partition it was read in.
    pub fn partition(&self) -> Option<&'a Partition> {
        let at = *self.snapshot.parts.row_partitions.get(self.row as usize)?;
        self.snapshot.partitions().get(at as usize)
    }

    /// Interfaces with their addresses.
    pub fn interfaces(&self) -> Vec<Interface> {
        let parts = &self.snapshot.parts;
        let at = self.row as usize;
        let start = at.checked_sub(1).and_then(|p| parts.interface_ends.get(p)).copied().unwrap_or(0);
        let end = parts.interface_ends.get(at).copied().unwrap_or(start);
        let bytes = parts.interfaces.get(start as usize..end as usize).unwrap_or(&[]);
        read_interfaces(&mut Reader::new(bytes)).unwrap_or_default()
    }

    /// The first text value of a token.
    pub fn text(&self, token: TokenId) -> Option<&'a str> {
        let column = self.snapshot.column(token);
        column.cells(self.row).find_map(|cell| match column.value(cell.code) {
            Some(ValueRef::Str(s)) => Some(s),
            _ => None,
        })
    }
}

/// One token's values over all rows.
#[derive(Clone, Copy)]
pub struct Column<'a> {
    snapshot: &'a Snapshot,
    token: TokenId,
    data: &'a ColumnData,
}

impl<'a> Column<'a> {
    /// Number of distinct values.
    pub fn codes(&self) -> u32 {
        self.data.dictionary.len() as u32
    }

    /// A distinct value.
    pub fn value(&self, code: u32) -> Option<ValueRef<'a>> {
        self.data.dictionary.get(code)
    }

    /// The cells of a row, in the order delivered.
    pub fn cells(&self, row: u32) -> CellIter<'a> {
        self.data.cells(row)
    }

    /// Rows that have any of these values, stale ones too.
    pub fn rows_with(&self, codes: &RoaringBitmap) -> RoaringBitmap {
        self.data.rows_with(codes)
    }

    /// Rows whose values are of an earlier reading, so that they prove nothing.
    pub fn stale(&self) -> RoaringBitmap {
        self.snapshot.parts.stale.of(self.token)
    }

    /// Whether one row's values are of an earlier reading.
    pub fn is_stale(&self, row: u32) -> bool {
        self.snapshot.parts.stale.has(self.token, row)
    }

    /// Rows that have a value.
    pub fn present(&self) -> RoaringBitmap {
        self.data.present.clone()
    }

    /// Rows without a value whose absence proves nothing, because a partition that the token needs was not completely
    /// read, and rows whose value is of an earlier reading.
    pub fn unread(&self) -> RoaringBitmap {
        let token = catalogue::token(self.token);
        let mut rows = RoaringBitmap::new();
        for group in self.snapshot.groups() {
            if group.missing.iter().any(|(kind, _)| token.needs.contains(kind)) {
                rows |= &group.rows;
            }
        }
        if let Some(provider) = token.provider {
            let parts = &self.snapshot.parts;
            rows = rows.iter().filter(|r| parts.provider(*r) == provider).collect();
        }
        rows -= &self.data.present;
        rows |= self.stale();
        rows
    }

    /// Why a row's value is unread; empty where it is not.
    pub fn gaps(&self, row: u32) -> Vec<Gap> {
        if self.is_stale(row) {
            return self.stale_gaps(row);
        }
        if self.data.present.contains(row) {
            return Vec::new();
        }
        let token = catalogue::token(self.token);
        if token.provider.is_some_and(|p| row >= self.snapshot.len() || self.snapshot.parts.provider(row) != p) {
            return Vec::new();
        }
        let groups = self.snapshot.groups().iter().filter(|g| g.rows.contains(row));
        let mut gaps: Vec<Gap> = groups
            .flat_map(|g| g.missing.iter())
            .filter(|(kind, _)| token.needs.contains(kind))
            .map(|(_, gap)| gap.clone())
            .collect();
        gaps.sort();
        gaps.dedup();
        gaps
    }

    /// The unread rows by what was not read; a row may stand under several gaps.
    pub fn gap_rows(&self) -> Vec<(Gap, RoaringBitmap)> {
        let unread = self.unread();
        let needs = catalogue::token(self.token).needs;
        let mut by_gap: BTreeMap<Gap, RoaringBitmap> = BTreeMap::new();
        for group in self.snapshot.groups() {
            for (_, gap) in group.missing.iter().filter(|(kind, _)| needs.contains(kind)) {
                *by_gap.entry(gap.clone()).or_default() |= &group.rows & &unread;
            }
        }
        for row in self.stale() {
            for gap in self.stale_gaps(row) {
                by_gap.entry(gap).or_default().insert(row);
            }
        }
        by_gap.into_iter().filter(|(_, rows)| !rows.is_empty()).collect()
    }

    /// Why a stale value is not to be believed: the partitions that its token needs, or that of the whole record.
    fn stale_gaps(&self, row: u32) -> Vec<Gap> {
        let mut gaps = self.snapshot.stale_gaps(row);
        let needs = catalogue::token(self.token).needs;
        let missing = self.snapshot.missing_of(row).iter();
        gaps.extend(missing.filter(|(kind, _)| needs.contains(kind)).map(|(_, gap)| gap.clone()));
        gaps.sort();
        gaps.dedup();
        gaps
    }

    /// Number of rows that have this value.
    pub fn count(&self, code: u32) -> u64 {
        self.rows_with(&RoaringBitmap::from_iter([code])).len()
    }

    /// The declared type.
    pub fn ty(&self) -> TokenType {
        catalogue::token(self.token).ty
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inventory::asset::{Field, Value};
    use crate::inventory::synthetic;

    fn built(input: SnapshotInput) -> Snapshot {
        Snapshot::build(input, &Limits::default()).unwrap().0
    }

    fn reopened(snapshot: &Snapshot) -> Snapshot {
        Snapshot::from_bytes(Arc::new(snapshot.to_bytes())).unwrap()
    }

    #[test]
    fn columns_hold_what_was_delivered_and_survive_the_file() {
        let input = synthetic::assets(3_000, 7);
        let snapshot = built(input.clone());
        let again = reopened(&snapshot);
        assert_eq!((again.id(), again.len()), (snapshot.id(), 3_000));
        for asset in &input.assets {
            for s in [&snapshot, &again] {
                let row = s.row_of(&asset.id).unwrap();
                assert_eq!(s.asset(row).unwrap().interfaces(), asset.interfaces);
                for field in &asset.fields {
                    let column = s.column(field.token);
                    let values: Vec<Value> =
                        column.cells(row).filter_map(|c| column.value(c.code)).map(ValueRef::to_value).collect();
                    assert!(values.contains(&field.value), "{field:?} not in {values:?}");
                }
            }
        }
        assert_eq!(again.row_of("nothing"), None);
        assert_eq!(again.rows_named("vm-17").len(), 1);
    }

    #[test]
    fn one_resource_of_two_connectors_is_one_row() {
        let mut first = synthetic::assets(1, 1);
        let mut second = synthetic::assets(1, 2);
        second.assets[0].connector = "other".into();
        second.assets[0].fields.retain(|f| f.token != ids::CONNECTORS_NAME);
        second.assets[0].fields.push(Field {
            token: ids::CONNECTORS_NAME,
            element: 0,
            value: Value::Str("other".into()),
        });
        let twice = first.assets[0].clone();
        first.assets.push(twice);
        let (snapshot, notices) =
            Snapshot::build(SnapshotInput::merge(vec![first, second]), &Limits::default()).unwrap();
        assert_eq!(snapshot.len(), 1);
        let texts: Vec<&str> = notices.iter().map(|n| n.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "also brought by connector `other`, whose values come first",
                "also brought by connector `other`, whose values come first"
            ]
        );
        assert_eq!(snapshot.column(ids::CONNECTORS_NAME).cells(0).count(), 2);
    }

    #[test]
    fn unread_is_not_absent() {
        let mut input = synthetic::assets(4, 3);
        for asset in &mut input.assets {
            asset.fields.retain(|f| f.token != ids::AZURE_STATE);
        }
        input.partitions.push(Partition {
            kind: Kind::InstanceView,
            state: PartitionState::Denied { cause: "AuthorizationFailed".into() },
            ..input.partitions[0].clone()
        });
        let snapshot = built(input);
        assert_eq!(snapshot.column(ids::AZURE_STATE).unread().len(), 4);
        assert_eq!(snapshot.column(ids::AZURE_LOCATION).unread().len(), 0);
        let gap = snapshot.column(ids::AZURE_STATE).gaps(0).remove(0);
        assert_eq!(&*gap.cause, "denied: AuthorizationFailed");
        assert!(gap.partition.ends_with("/-/instance-view"));
    }

    #[test]
    fn foreign_and_damaged_files_are_refused() {
        let open = |bytes: Vec<u8>| Snapshot::from_bytes(Arc::new(bytes)).err();
        assert_eq!(open(b"{}".to_vec()), Some(SnapshotError::NotASnapshot));
        let mut bytes = built(synthetic::assets(10, 1)).to_bytes();
        bytes[8] = 9;
        assert_eq!(open(bytes.clone()), Some(SnapshotError::Version { found: 9, known: 2 }));
        bytes[8] = 2;
        bytes.pop();
        assert_eq!(open(bytes), Some(SnapshotError::Damaged("the checksum does not match")));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(at in 0usize..4_000, byte in any::<u8>(), cut in 0usize..4_000) {
            let snapshot = built(synthetic::assets(20, 1));
            let mut body = Vec::new();
            let times = (snapshot.taken_at(), snapshot.learned_at());
            file::write(&snapshot.parts, times, |id| snapshot.data(id), &mut |b| body.extend_from_slice(b));
            let at = at % body.len();
            body[at] = byte;
            body.truncate(body.len() - cut % body.len());
            // Sealed again, so that the checksum does not save the reader from the bytes.
            if let Ok(opened) = Snapshot::from_bytes(Arc::new(file::sealed("snap-0", &body))) {
                for id in catalogue::all_ids() {
                    let column = opened.column(id);
                    for row in 0..opened.len().min(50) {
                        column.cells(row).for_each(|c| drop(column.value(c.code).map(ValueRef::to_value)));
                        let _ = opened.asset(row).map(|a| a.interfaces().len());
                    }
                }
            }
        }
    }
}
