//! Records that outlived a failed reading: kept, because unread is not absent, and never taken for true, because nobody
//! has seen them since. language.md 2.2, architecture decision 2.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use roaring::RoaringBitmap;

use super::asset::Provider;
use super::catalogue::{self, Lookup, TokenId, ids};
use super::partition::PartitionId;
use super::record::{Reader, Writer};

/// Facts about an asset that stay true for as long as it exists; only whether it exists is in doubt.
const LASTING: &[TokenId] = &[
    ids::PROVIDER,
    ids::CONNECTORS_NAME,
    ids::AWS_ACCOUNT,
    ids::AWS_INSTANCE,
    ids::AWS_REGION,
    ids::AWS_REGION_NAME,
    ids::AWS_ZONE,
    ids::AZURE_LOCATION,
    ids::AZURE_SUBSCRIPTION,
    ids::AZURE_VM_ID,
    ids::GCP_INSTANCE,
    ids::GCP_PROJECT,
    ids::GCP_PROJECT_NUMBER,
    ids::GCP_ZONE,
];

/// One connector's record of one asset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// Whose cloud.
    pub provider: Provider,
    /// Provider resource id.
    pub id: Arc<str>,
    /// Connector name.
    pub connector: Arc<str>,
}

/// How much of a record is of an earlier reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaleRecord {
    /// All of it: whether the asset still exists cannot be told.
    Whole,
    /// The values of these tokens.
    Tokens(BTreeSet<TokenId>),
}

/// What an inventory knows from earlier readings only.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stale {
    /// Asset records.
    pub records: BTreeMap<RecordKey, StaleRecord>,
    /// Load balancers, as (connector, id).
    pub load_balancers: BTreeSet<(Arc<str>, Arc<str>)>,
    /// When the kept records of a partition were true: the oldest of them.
    pub since: BTreeMap<PartitionId, Timestamp>,
}

impl Stale {
    /// True where everything is of this reading.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.load_balancers.is_empty() && self.since.is_empty()
    }

    /// Whether a whole record is of an earlier reading.
    pub fn is_whole(&self, key: &RecordKey) -> bool {
        self.records.get(key) == Some(&StaleRecord::Whole)
    }

    /// Takes note of the age of a partition's records; the oldest counts.
    pub fn note(&mut self, partition: PartitionId, at: Timestamp) {
        self.since.entry(partition).and_modify(|old| *old = at.min(*old)).or_insert(at);
    }
}

/// The same by rows of a snapshot.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct StaleRows {
    /// Rows that nobody has seen in this reading.
    pub(super) rows: RoaringBitmap,
    /// Rows whose values of one token are of an earlier reading.
    pub(super) cells: BTreeMap<TokenId, RoaringBitmap>,
    /// Indexes of load balancers.
    pub(super) load_balancers: RoaringBitmap,
    /// When the kept records of a partition were true.
    pub(super) since: BTreeMap<PartitionId, Timestamp>,
}

impl StaleRows {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.cells.is_empty() && self.load_balancers.is_empty() && self.since.is_empty()
    }

    /// Rows whose values of a token are not to be believed.
    pub(super) fn of(&self, token: TokenId) -> RoaringBitmap {
        let mut rows = self.cells.get(&token).cloned().unwrap_or_default();
        if !LASTING.contains(&token) {
            rows |= &self.rows;
        }
        rows
    }

    pub(super) fn has(&self, token: TokenId, row: u32) -> bool {
        self.cells.get(&token).is_some_and(|rows| rows.contains(row))
            || (self.rows.contains(row) && !LASTING.contains(&token))
    }

    /// Appended to a snapshot file; nothing where nothing is stale.
    pub(super) fn write(&self, out: &mut Writer) {
        if self.is_empty() {
            return;
        }
        out.u8(1);
        out.bitmap(&self.rows);
        out.bitmap(&self.load_balancers);
        out.u32(self.cells.len() as u32);
        for (token, rows) in &self.cells {
            out.text(Some(catalogue::token(*token).name));
            out.bitmap(rows);
        }
        out.u32(self.since.len() as u32);
        for (partition, at) in &self.since {
            out.u32(partition.0);
            out.i64(at.as_microsecond());
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Option<Self> {
        let mut stale = Self::default();
        if r.left() == 0 {
            return Some(stale);
        }
        if r.u8()? != 1 {
            return None;
        }
        stale.rows = r.bitmap()?;
        stale.load_balancers = r.bitmap()?;
        for _ in 0..r.u32()? {
            let name = r.text()??;
            let rows = r.bitmap()?;
            if let Lookup::Exact(token) = catalogue::look_up(name) {
                stale.cells.insert(token, rows);
            }
        }
        for _ in 0..r.u32()? {
            let partition = PartitionId(r.u32()?);
            stale.since.insert(partition, Timestamp::from_microsecond(r.i64()?).ok()?);
        }
        Some(stale)
    }
}
