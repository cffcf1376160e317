//! The snapshot's own file format, version 2. Version 1 had no stale records.
//!
//! ```text
//! "PALSNAP1" | version u32 | id text | checksum u64 (SipHash-1-3 of the body) | body
//! body = the small tables (times, partitions, load balancers, connectors, ids, providers, partition of each row,
//!        interfaces), then for each token that has values: 1 u8 | its name | length u64 | column, then 0 u8, and where
//!        there are any, the stale records: 1 u8 | rows, load balancers, rows by token, partitions with their times
//! ```
//! All numbers are little-endian. Tokens are named, not numbered, so that a file outlives a change of the catalogue.

use std::hash::Hasher;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use siphasher::sip::SipHasher13;

use super::asset::Provider;
use super::catalogue::{self, Lookup, TokenId};
use super::column::{Cells, ColumnData, Dictionary};
use super::load_balancer::LoadBalancer;
use super::partition::{Kind, Partition, PartitionId, PartitionState};
use super::record::{Reader, Writer};
use super::snapshot::{Snapshot, SnapshotError};
use super::stale::StaleRows;

const MAGIC: &[u8] = b"PALSNAP1";
const VERSION: u32 = 2;

/// Everything but the columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    pub(super) taken_at: Timestamp,
    pub(super) learned_at: Timestamp,
    pub(super) partitions: Vec<Partition>,
    pub(super) load_balancers: Vec<LoadBalancer>,
    pub(super) id_ends: Vec<u32>,
    pub(super) id_text: String,
    pub(super) providers: Vec<u8>,
    pub(super) row_partitions: Vec<u32>,
    /// While building: one name a row; afterwards: the distinct names.
    pub(super) connector_names: Vec<Arc<str>>,
    pub(super) row_connectors: Vec<u32>,
    pub(super) interface_ends: Vec<u32>,
    pub(super) interfaces: Vec<u8>,
    pub(super) column_sections: Vec<Section>,
    pub(super) stale: StaleRows,
}

/// Where a column lies in an opened file.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) token: TokenId,
    pub(super) range: Range<usize>,
}

impl Parts {
    pub(super) fn intern_connectors(&mut self) {
        let mut names: Vec<Arc<str>> = Vec::new();
        for name in &self.connector_names {
            let at = names.iter().position(|n| n == name).unwrap_or_else(|| {
                names.push(Arc::clone(name));
                names.len() - 1
            });
            self.row_connectors.push(at as u32);
        }
        self.connector_names = names;
    }

    /// Whether two have the same tables; times and places in a file count for nothing.
    pub(super) fn same_tables(&self, other: &Self) -> bool {
        self.partitions == other.partitions
            && self.load_balancers == other.load_balancers
            && self.connector_names == other.connector_names
            && (&self.id_ends, &self.id_text) == (&other.id_ends, &other.id_text)
            && self.providers == other.providers
            && (&self.row_partitions, &self.row_connectors) == (&other.row_partitions, &other.row_connectors)
            && (&self.interface_ends, &self.interfaces) == (&other.interface_ends, &other.interfaces)
            && self.stale == other.stale
    }

    pub(super) fn asset_id(&self, row: u32) -> &str {
        let at = row as usize;
        let start = at.checked_sub(1).and_then(|p| self.id_ends.get(p)).copied().unwrap_or(0);
        let end = self.id_ends.get(at).copied().unwrap_or(start);
        self.id_text.get(start as usize..end as usize).unwrap_or("")
    }

    pub(super) fn provider(&self, row: u32) -> Provider {
        match self.providers.get(row as usize) {
            Some(1) => Provider::Azure,
            Some(2) => Provider::Gcp,
            _ => Provider::Aws,
        }
    }

    pub(super) fn connector(&self, row: u32) -> &str {
        self.row_connectors
            .get(row as usize)
            .and_then(|at| self.connector_names.get(*at as usize))
            .map_or("", |name| name.as_ref())
    }
}

/// Writes the body piece by piece, with the times that it is to have.
pub(super) fn write<'a>(
    parts: &Parts,
    (taken_at, learned_at): (Timestamp, Timestamp),
    column: impl Fn(TokenId) -> &'a ColumnData,
    sink: &mut dyn FnMut(&[u8]),
) {
    let mut out = Writer::default();
    out.i64(taken_at.as_microsecond());
    out.i64(learned_at.as_microsecond());
    out.u32(parts.partitions.len() as u32);
    for p in &parts.partitions {
        write_partition(&mut out, p);
    }
    out.u32(parts.load_balancers.len() as u32);
    for l in &parts.load_balancers {
        write_load_balancer(&mut out, l);
    }
    out.u32(parts.connector_names.len() as u32);
    for name in &parts.connector_names {
        out.text(Some(name));
    }
    out.u32s(&parts.id_ends);
    out.text(Some(&parts.id_text));
    out.u64(parts.providers.len() as u64);
    out.bytes.extend_from_slice(&parts.providers);
    out.u32s(&parts.row_partitions);
    out.u32s(&parts.row_connectors);
    out.u32s(&parts.interface_ends);
    out.u64(parts.interfaces.len() as u64);
    sink(&out.bytes);
    sink(&parts.interfaces);
    for id in catalogue::all_ids() {
        let data = column(id);
        if matches!(data.cells, Cells::Empty) {
            continue;
        }
        let mut section = Writer::default();
        write_column(&mut section, data);
        let mut head = Writer::default();
        head.u8(1);
        head.text(Some(catalogue::token(id).name));
        head.u64(section.bytes.len() as u64);
        sink(&head.bytes);
        sink(&section.bytes);
    }
    let mut tail = Writer::default();
    tail.u8(0);
    parts.stale.write(&mut tail);
    sink(&tail.bytes);
}

fn checksum(body: &[u8]) -> u64 {
    let mut hash = SipHasher13::new();
    hash.write(body);
    hash.finish()
}

/// Writes header and body, piece by piece: the checksum of the body is put in its place at the end.
pub(super) fn seal<'a, W: Write + Seek>(
    id: &str,
    parts: &Parts,
    column: impl Fn(TokenId) -> &'a ColumnData,
    to: &mut W,
) -> io::Result<()> {
    let mut head = Writer::default();
    head.bytes.extend_from_slice(MAGIC);
    head.u32(VERSION);
    head.text(Some(id));
    let place = head.bytes.len() as u64;
    head.u64(0);
    to.write_all(&head.bytes)?;
    let mut sum = SipHasher13::new();
    let mut written = Ok(());
    write(parts, (parts.taken_at, parts.learned_at), column, &mut |bytes| {
        sum.write(bytes);
        if written.is_ok() {
            written = to.write_all(bytes);
        }
    });
    written?;
    to.seek(SeekFrom::Start(place))?;
    to.write_all(&sum.finish().to_le_bytes())
}

impl Snapshot {
    /// The file form, written from the start of `to`.
    pub fn write_to<W: io::Write + io::Seek>(&self, to: &mut W) -> io::Result<()> {
        seal(&self.id, &self.parts, |id| self.data(id), to)
    }

    /// The file form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = io::Cursor::new(Vec::new());
        // Memory takes whatever is written to it.
        let _ = self.write_to(&mut bytes);
        bytes.into_inner()
    }
}

/// A body of a test's making behind a header.
#[cfg(test)]
pub(super) fn sealed(id: &str, body: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    out.bytes.extend_from_slice(MAGIC);
    out.u32(VERSION);
    out.text(Some(id));
    out.u64(checksum(body));
    out.bytes.extend_from_slice(body);
    out.bytes
}

/// Reads header and small tables, and where each column lies.
pub(super) fn open(bytes: &[u8]) -> Result<(Arc<str>, Parts), SnapshotError> {
    let mut reader = Reader::new(bytes);
    if reader.take(MAGIC.len()) != Some(MAGIC) {
        return Err(SnapshotError::NotASnapshot);
    }
    let version = reader.u32().ok_or(SnapshotError::Damaged("it ends within the header"))?;
    if !(1..=VERSION).contains(&version) {
        return Err(SnapshotError::Version { found: version, known: VERSION });
    }
    let header = |r: &mut Reader<'_>| Some((Arc::<str>::from(r.text()??), r.u64()?));
    let (id, sum) = header(&mut reader).ok_or(SnapshotError::Damaged("it ends within the header"))?;
    let body_at = bytes.len() - reader.left();
    if checksum(bytes.get(body_at..).unwrap_or(&[])) != sum {
        return Err(SnapshotError::Damaged("the checksum does not match"));
    }
    let parts = read_parts(&mut reader, bytes.len()).ok_or(SnapshotError::Damaged("a table does not fit"))?;
    Ok((id, parts))
}

fn read_parts(r: &mut Reader<'_>, total: usize) -> Option<Parts> {
    let mut parts = Parts {
        taken_at: Timestamp::from_microsecond(r.i64()?).ok()?,
        learned_at: Timestamp::from_microsecond(r.i64()?).ok()?,
        ..Parts::default()
    };
    for _ in 0..r.u32()? {
        parts.partitions.push(read_partition(r)?);
    }
    for _ in 0..r.u32()? {
        parts.load_balancers.push(read_load_balancer(r)?);
    }
    for _ in 0..r.u32()? {
        parts.connector_names.push(r.text()??.into());
    }
    parts.id_ends = r.u32s()?;
    parts.id_text = r.text()??.to_owned();
    let n = usize::try_from(r.u64()?).ok()?;
    parts.providers = r.take(n)?.to_vec();
    parts.row_partitions = r.u32s()?;
    parts.row_connectors = r.u32s()?;
    parts.interface_ends = r.u32s()?;
    let n = usize::try_from(r.u64()?).ok()?;
    parts.interfaces = r.take(n)?.to_vec();
    let rows = parts.id_ends.len();
    let same =
        [parts.providers.len(), parts.row_partitions.len(), parts.row_connectors.len(), parts.interface_ends.len()];
    if same.iter().any(|n| *n != rows) {
        return None;
    }
    while r.u8()? == 1 {
        let name = r.text()??;
        let len = usize::try_from(r.u64()?).ok()?;
        let start = total - r.left();
        r.take(len)?;
        // A token that this version does not know has no column to fill.
        if let Lookup::Exact(token) = catalogue::look_up(name) {
            parts.column_sections.push(Section { token, range: start..start + len });
        }
    }
    parts.stale = StaleRows::read(r)?;
    Some(parts)
}

const KINDS: [Kind; 6] =
    [Kind::Instances, Kind::Interfaces, Kind::Addresses, Kind::LoadBalancers, Kind::InstanceView, Kind::Results];

fn write_partition(out: &mut Writer, p: &Partition) {
    out.text(Some(&p.connector));
    out.text(Some(&p.account));
    out.text(Some(&p.region));
    out.u8(KINDS.iter().position(|k| *k == p.kind).unwrap_or(0) as u8);
    let (state, cause) = match &p.state {
        PartitionState::Complete => (0, None),
        PartitionState::Partial { cause } => (1, Some(cause)),
        PartitionState::Denied { cause } => (2, Some(cause)),
        PartitionState::Throttled { cause } => (3, Some(cause)),
        PartitionState::NotAsked => (4, None),
    };
    out.u8(state);
    out.text(cause.map(AsRef::as_ref));
}

fn read_partition(r: &mut Reader<'_>) -> Option<Partition> {
    let connector = r.text()??.into();
    let account = r.text()??.into();
    let region = r.text()??.into();
    let kind = *KINDS.get(usize::from(r.u8()?))?;
    let state = r.u8()?;
    let cause: Option<Arc<str>> = r.text()?.map(Arc::from);
    let state = match (state, cause) {
        (0, _) => PartitionState::Complete,
        (1, Some(cause)) => PartitionState::Partial { cause },
        (2, Some(cause)) => PartitionState::Denied { cause },
        (3, Some(cause)) => PartitionState::Throttled { cause },
        (4, _) => PartitionState::NotAsked,
        _ => return None,
    };
    Some(Partition { connector, account, region, kind, state })
}

fn write_load_balancer(out: &mut Writer, l: &LoadBalancer) {
    for text in [&l.name, &l.id, &l.connector, &l.region] {
        out.text(Some(text));
    }
    out.u8(l.provider as u8);
    out.u32(l.partition.0);
    out.u8(u8::from(l.internet_facing) | u8::from(l.active) << 1);
    out.u32(l.addresses.len() as u32);
    for a in &l.addresses {
        out.address(*a);
    }
}

fn read_load_balancer(r: &mut Reader<'_>) -> Option<LoadBalancer> {
    let mut texts = [const { None::<Arc<str>> }; 4];
    for text in &mut texts {
        *text = Some(r.text()??.into());
    }
    let [Some(name), Some(id), Some(connector), Some(region)] = texts else { return None };
    let provider = *Provider::ALL.get(usize::from(r.u8()?))?;
    let partition = PartitionId(r.u32()?);
    let flags = r.u8()?;
    let mut addresses = Vec::new();
    for _ in 0..r.u32()? {
        addresses.push(r.address()?);
    }
    Some(LoadBalancer {
        name,
        id,
        provider,
        connector,
        region,
        partition,
        internet_facing: flags & 1 != 0,
        active: flags & 2 != 0,
        addresses,
    })
}

fn write_column(out: &mut Writer, data: &ColumnData) {
    match &data.dictionary {
        Dictionary::Str { ends, text } => {
            out.u8(0);
            out.u32s(ends);
            out.text(Some(text));
        }
        Dictionary::Num(v) => write_numbers(out, 1, v),
        Dictionary::Date(v) => write_numbers(out, 2, v),
        Dictionary::Bool(v) => write_numbers(out, 3, v),
        Dictionary::Ip(v) => {
            out.u8(4);
            out.u64(v.len() as u64);
            for (family, bits) in v {
                out.u8(*family);
                out.bytes.extend_from_slice(&bits.to_le_bytes());
            }
        }
    }
    match &data.cells {
        Cells::Empty => out.u8(0),
        Cells::Single(codes) => {
            out.u8(1);
            out.u32s(codes);
        }
        Cells::Many { starts, codes, elements } => {
            out.u8(2);
            out.u32s(starts);
            out.u32s(codes);
            for e in elements {
                out.bytes.extend_from_slice(&e.to_le_bytes());
            }
        }
    }
    out.bitmap(&data.present);
    match &data.postings {
        None => out.u32(u32::MAX),
        Some(postings) => {
            out.u32(postings.len() as u32);
            postings.iter().for_each(|p| out.bitmap(p));
        }
    }
}

fn write_numbers(out: &mut Writer, tag: u8, values: &[i64]) {
    out.u8(tag);
    out.u64(values.len() as u64);
    values.iter().for_each(|v| out.i64(*v));
}

fn read_numbers(r: &mut Reader<'_>) -> Option<Vec<i64>> {
    let n = usize::try_from(r.u64()?).ok()?;
    let (words, _) = r.take(n.checked_mul(8)?)?.as_chunks::<8>();
    Some(words.iter().map(|w| i64::from_le_bytes(*w)).collect())
}

/// Reads one column and checks that its codes and offsets stay inside.
pub(super) fn read_column(r: &mut Reader<'_>, rows: u32) -> Option<ColumnData> {
    let dictionary = match r.u8()? {
        0 => {
            let ends = r.u32s()?;
            let text = r.text()??.to_owned();
            if !ends.is_sorted() || ends.last().is_some_and(|e| *e as usize > text.len()) {
                return None;
            }
            Dictionary::Str { ends, text }
        }
        1 => Dictionary::Num(read_numbers(r)?),
        2 => Dictionary::Date(read_numbers(r)?),
        3 => Dictionary::Bool(read_numbers(r)?),
        4 => {
            let n = usize::try_from(r.u64()?).ok()?;
            let (items, _) = r.take(n.checked_mul(17)?)?.as_chunks::<17>();
            Dictionary::Ip(items.iter().map(|[family, bits @ ..]| (*family, u128::from_le_bytes(*bits))).collect())
        }
        _ => return None,
    };
    let known = dictionary.len() as u32;
    let cells = match r.u8()? {
        0 => Cells::Empty,
        1 => {
            let codes = r.u32s()?;
            let inside = codes.iter().all(|c| *c < known || *c == u32::MAX);
            (inside && codes.len() == rows as usize).then_some(Cells::Single(codes))?
        }
        2 => {
            let starts = r.u32s()?;
            let codes = r.u32s()?;
            let (pairs, _) = r.take(codes.len().checked_mul(2)?)?.as_chunks::<2>();
            let elements: Vec<u16> = pairs.iter().map(|p| u16::from_le_bytes(*p)).collect();
            let inside = codes.iter().all(|c| *c < known)
                && starts.is_sorted()
                && starts.last().is_some_and(|s| *s as usize == codes.len())
                && starts.len() == rows as usize + 1;
            inside.then_some(Cells::Many { starts, codes, elements })?
        }
        _ => return None,
    };
    let present = r.bitmap()?;
    let postings = match r.u32()? {
        u32::MAX => None,
        n if n == known => Some((0..n).map(|_| r.bitmap()).collect::<Option<Vec<_>>>()?),
        _ => return None,
    };
    Some(ColumnData { dictionary, cells, present, postings })
}
