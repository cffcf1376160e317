//! Assets to columns: values interned into dictionaries, rows in one fixed order, duplicates told.

use std::net::IpAddr;
use std::num::NonZero;
use std::sync::Arc;

use super::asset::{Asset, Field, Value};
use super::catalogue::{self, TokenId, TokenType, ids};
use super::column::{Cells, ColumnData, Dictionary, single_codes};
use super::load_balancer::LoadBalancer;
use super::stale::{RecordKey, Stale, StaleRecord, StaleRows};
use crate::base::fast::FastMap;
use crate::base::limits::Limits;

/// Something that building noticed; nothing is dropped in silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildNotice {
    /// The asset.
    pub asset: Arc<str>,
    /// The connector of the record that was dropped or merged.
    pub connector: Arc<str>,
    /// What happened.
    pub text: String,
}

/// Recently met strings whose codes a column remembers by where they lie in memory.
const REMEMBERED: usize = 64;

/// Collects one column.
struct ColumnBuilder<'a> {
    ty: TokenType,
    strings: FastMap<&'a str, u32>,
    numbers: FastMap<i64, u32>,
    addresses: FastMap<IpAddr, u32>,
    string_values: Vec<&'a str>,
    number_values: Vec<i64>,
    address_values: Vec<IpAddr>,
    /// Connectors share strings that many assets have: the same place is the same text, and needs no hashing.
    remembered: Vec<(usize, u32)>,
    /// (row, code, element), rows ascending.
    cells: Vec<(u32, u32, u16)>,
    single: bool,
}

impl<'a> ColumnBuilder<'a> {
    fn new(ty: TokenType) -> Self {
        Self {
            ty,
            strings: FastMap::default(),
            numbers: FastMap::default(),
            addresses: FastMap::default(),
            string_values: Vec::new(),
            number_values: Vec::new(),
            address_values: Vec::new(),
            remembered: Vec::new(),
            cells: Vec::new(),
            single: true,
        }
    }

    /// Adds a value; one of another type than the token's is a connector's mistake and reported as false.
    fn add(&mut self, row: u32, field: &'a Field) -> bool {
        let code = match (self.ty, &field.value) {
            (TokenType::Enum(_) | TokenType::Keyword | TokenType::Text, Value::Str(s)) => self.string(s),
            (TokenType::Number, Value::Num(n)) => self.number(*n),
            (TokenType::Bool, Value::Bool(b)) => self.number(i64::from(*b)),
            (TokenType::Date, Value::Date(at)) => self.number(at.as_microsecond()),
            (TokenType::Ip, Value::Ip(ip)) => {
                let ip = ip.to_canonical();
                let next = self.address_values.len() as u32;
                *self.addresses.entry(ip).or_insert_with(|| {
                    self.address_values.push(ip);
                    next
                })
            }
            _ => return false,
        };
        let cell = (row, code, field.element);
        let repeated = self.cells.iter().rev().take_while(|c| c.0 == row).any(|c| *c == cell);
        if !repeated {
            self.single &= field.element == 0 && self.cells.last().is_none_or(|last| last.0 != row);
            self.cells.push(cell);
        }
        true
    }

    /// Every string lives as long as the builder, so that its place names it.
    fn string(&mut self, s: &'a Arc<str>) -> u32 {
        let place = s.as_ptr().addr();
        if self.remembered.is_empty() {
            self.remembered.resize(REMEMBERED, (0, 0));
        }
        // The allocator's places are multiples of sixteen.
        let slot = place / 16 % REMEMBERED;
        if let Some((_, code)) = self.remembered.get(slot).filter(|(known, _)| *known == place) {
            return *code;
        }
        let next = self.string_values.len() as u32;
        let code = *self.strings.entry(s).or_insert_with(|| {
            self.string_values.push(s);
            next
        });
        if let Some(slot) = self.remembered.get_mut(slot) {
            *slot = (place, code);
        }
        code
    }

    fn number(&mut self, n: i64) -> u32 {
        let next = self.number_values.len() as u32;
        *self.numbers.entry(n).or_insert_with(|| {
            self.number_values.push(n);
            next
        })
    }

    fn finish(self, rows: u32) -> Result<ColumnData, SnapshotTooLarge> {
        if self.cells.is_empty() {
            return Ok(ColumnData::empty());
        }
        let dictionary = match self.ty {
            TokenType::Enum(_) | TokenType::Keyword | TokenType::Text => {
                let mut text = String::new();
                let mut ends = Vec::with_capacity(self.string_values.len());
                for value in &self.string_values {
                    text.push_str(value);
                    ends.push(u32::try_from(text.len()).map_err(|_| SnapshotTooLarge)?);
                }
                Dictionary::Str { ends, text }
            }
            TokenType::Number => Dictionary::Num(self.number_values),
            TokenType::Bool => Dictionary::Bool(self.number_values),
            TokenType::Date => Dictionary::Date(self.number_values),
            TokenType::Ip => Dictionary::Ip(
                self.address_values
                    .iter()
                    .map(|ip| match ip {
                        IpAddr::V4(a) => (4, u128::from(u32::from(*a))),
                        IpAddr::V6(a) => (6, u128::from(*a)),
                    })
                    .collect(),
            ),
        };
        let cells = if self.single {
            Cells::Single(single_codes(rows, &self.cells))
        } else {
            let mut starts = Vec::with_capacity(rows as usize + 1);
            for (i, (row, _, _)) in self.cells.iter().enumerate() {
                while starts.len() <= *row as usize {
                    starts.push(i as u32);
                }
            }
            starts.resize(rows as usize + 1, self.cells.len() as u32);
            Cells::Many {
                starts,
                codes: self.cells.iter().map(|c| c.1).collect(),
                elements: self.cells.iter().map(|c| c.2).collect(),
            }
        };
        Ok(ColumnData::new(dictionary, cells))
    }
}

/// More text in one column than its 32-bit offsets can address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SnapshotTooLarge;

/// Rows in their final order, each resource once.
///
/// Rows are sorted by provider, then id. Where two records have the same provider and id, the one whose connector
/// comes first by name keeps its single values; the other adds its connector's name and its many-valued tokens. A
/// record of this reading comes before a kept one, which then adds its connector's name only.
pub(super) fn order(mut assets: Vec<Asset>, stale: &Stale, notices: &mut Vec<BuildNotice>) -> Vec<Asset> {
    let kept = |a: &Asset| !stale.records.is_empty() && stale.is_whole(&key(a));
    assets.sort_by(|a, b| {
        let same = (a.provider, &a.id).cmp(&(b.provider, &b.id));
        same.then_with(|| kept(a).cmp(&kept(b)))
            .then_with(|| (&a.connector, a.partition).cmp(&(&b.connector, b.partition)))
    });
    let mut rows: Vec<Asset> = Vec::with_capacity(assets.len());
    for asset in assets {
        match rows.last_mut() {
            Some(last) if last.provider == asset.provider && last.id == asset.id => {
                let behind = kept(&asset) && !kept(last);
                merge(last, asset, behind, notices);
            }
            _ => rows.push(asset),
        }
    }
    rows
}

fn key(asset: &Asset) -> RecordKey {
    RecordKey { provider: asset.provider, id: Arc::clone(&asset.id), connector: Arc::clone(&asset.connector) }
}

/// The stale records by row.
pub(super) fn stale_rows(assets: &[Asset], balancers: &[LoadBalancer], stale: &Stale) -> StaleRows {
    let mut found = StaleRows { since: stale.since.clone(), ..StaleRows::default() };
    if !stale.records.is_empty() {
        for (row, asset) in assets.iter().enumerate() {
            match stale.records.get(&key(asset)) {
                None => {}
                Some(StaleRecord::Whole) => drop(found.rows.insert(row as u32)),
                Some(StaleRecord::Tokens(tokens)) => {
                    for token in tokens {
                        found.cells.entry(*token).or_default().insert(row as u32);
                    }
                }
            }
        }
    }
    let kept = |l: &LoadBalancer| stale.load_balancers.contains(&(Arc::clone(&l.connector), Arc::clone(&l.id)));
    found.load_balancers = balancers.iter().enumerate().filter(|(_, l)| kept(l)).map(|(i, _)| i as u32).collect();
    found
}

fn merge(first: &mut Asset, second: Asset, behind: bool, notices: &mut Vec<BuildNotice>) {
    let same_connector = first.connector == second.connector;
    let text = if same_connector {
        "the same id was read twice; the first record was kept".to_owned()
    } else {
        format!("also brought by connector `{}`, whose values come first", first.connector)
    };
    notices.push(BuildNotice { asset: Arc::clone(&first.id), connector: Arc::clone(&second.connector), text });
    if same_connector {
        return;
    }
    let known: Vec<TokenId> = first.fields.iter().map(|f| f.token).collect();
    first.fields.extend(
        second
            .fields
            .into_iter()
            .filter(|f| f.token == ids::CONNECTORS_NAME || !(behind || known.contains(&f.token)))
            .map(|f| if f.token == ids::CONNECTORS_NAME { Field { element: f.element + 1, ..f } } else { f }),
    );
    for interface in second.interfaces.into_iter().filter(|_| !behind) {
        if !first.interfaces.iter().any(|i| i.id == interface.id) {
            first.interfaces.push(interface);
        }
    }
}

/// Assets from which on columns are built by several threads; below it, starting one costs more than it saves.
pub(super) const ASSETS_FOR_THREADS: usize = 8_192;
/// Threads at most: each passes over all assets, and memory is the limit soon.
const THREADS: usize = 4;

/// What one thread found: its columns, and by row and field what is wrong: the token of a value of another type, or
/// none for a value that is too long.
type Part = (Vec<ColumnData>, Vec<(usize, usize, Option<TokenId>)>);

/// Which thread builds which column: the fullest first, each by the thread that has least to do. Text is interned, which
/// takes about three times as long as a number.
fn shares(assets: &[Asset], threads: usize) -> Vec<usize> {
    let mut weights: Vec<(u64, usize)> = (0..catalogue::tokens().len()).map(|token| (0, token)).collect();
    for field in assets.iter().flat_map(|a| &a.fields) {
        if let Some(weight) = weights.get_mut(usize::from(field.token.0)) {
            weight.0 += if matches!(field.value, Value::Str(_)) { 3 } else { 1 };
        }
    }
    let mut builder = vec![0; weights.len()];
    let mut loads = vec![0u64; threads];
    weights.sort_unstable_by_key(|(weight, token)| (std::cmp::Reverse(*weight), *token));
    for (weight, token) in weights {
        let least = loads.iter_mut().enumerate().min_by_key(|(_, load)| **load);
        if let (Some((thread, load)), Some(builder)) = (least, builder.get_mut(token)) {
            *load += weight;
            *builder = thread;
        }
    }
    builder
}

/// All columns, in the catalogue's order, built by several threads where there are many assets.
pub(super) fn columns(
    assets: &[Asset],
    limits: &Limits,
    notices: &mut Vec<BuildNotice>,
) -> Result<Vec<ColumnData>, SnapshotTooLarge> {
    let threads = match assets.len() {
        0..ASSETS_FOR_THREADS => 1,
        _ => std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS),
    };
    let shares = if threads == 1 { vec![0; catalogue::tokens().len()] } else { shares(assets, threads) };
    let mut parts: Vec<Part> = if threads == 1 {
        vec![every(assets, limits, &shares, 0)?]
    } else {
        std::thread::scope(|scope| {
            let shares = &shares;
            let running: Vec<_> = (0..threads).map(|n| scope.spawn(move || every(assets, limits, shares, n))).collect();
            let ended = running.into_iter().map(|thread| match thread.join() {
                Ok(part) => part,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            ended.collect::<Result<_, _>>()
        })?
    };
    let mut wrong: Vec<_> = parts.iter_mut().flat_map(|(_, wrong)| std::mem::take(wrong)).collect();
    wrong.sort_unstable_by_key(|(row, field, _)| (*row, *field));
    for of_one in wrong.chunk_by(|a, b| a.0 == b.0) {
        say(assets, limits, of_one, notices);
    }
    let mut parts: Vec<_> = parts.into_iter().map(|(columns, _)| columns.into_iter()).collect();
    Ok(shares.into_iter().filter_map(|thread| parts.get_mut(thread)?.next()).collect())
}

/// The notices of one asset: each value of another type, then how many were too long.
fn say(assets: &[Asset], limits: &Limits, wrong: &[(usize, usize, Option<TokenId>)], notices: &mut Vec<BuildNotice>) {
    let Some(asset) = wrong.first().and_then(|(row, ..)| assets.get(*row)) else { return };
    let mut notice = |text| {
        notices.push(BuildNotice { asset: Arc::clone(&asset.id), connector: Arc::clone(&asset.connector), text });
    };
    for token in wrong.iter().filter_map(|(.., token)| *token) {
        notice(format!("`{}` was delivered with a value of another type", catalogue::token(token).name));
    }
    let long = wrong.iter().filter(|(.., token)| token.is_none()).count();
    if long > 0 {
        notice(format!("{long} values longer than {} bytes were left out", limits.inventory_string_bytes));
    }
}

/// The columns that are one thread's share.
fn every(assets: &[Asset], limits: &Limits, shares: &[usize], thread: usize) -> Result<Part, SnapshotTooLarge> {
    let own = |(_, share): &(&catalogue::Token, &usize)| **share == thread;
    let mut places: Vec<Option<usize>> = Vec::with_capacity(shares.len());
    let mut builders: Vec<ColumnBuilder<'_>> = Vec::new();
    for pair in catalogue::tokens().iter().zip(shares) {
        places.push(own(&pair).then_some(builders.len()));
        if own(&pair) {
            builders.push(ColumnBuilder::new(pair.0.ty));
        }
    }
    let mut wrong = Vec::new();
    for (row, asset) in assets.iter().enumerate() {
        for (n, field) in asset.fields.iter().enumerate() {
            let Some(place) = places.get(usize::from(field.token.0)).copied().flatten() else { continue };
            let too_long = matches!(&field.value, Value::Str(s) if s.len() > limits.inventory_string_bytes);
            if too_long {
                wrong.push((row, n, None));
            } else if let Some(builder) = builders.get_mut(place)
                && !builder.add(row as u32, field)
            {
                wrong.push((row, n, Some(field.token)));
            }
        }
    }
    let columns = builders.into_iter().map(|b| b.finish(assets.len() as u32)).collect::<Result<_, _>>()?;
    Ok((columns, wrong))
}
