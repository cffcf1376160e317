//! One token's values over all rows: a dictionary, and a code for every cell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use roaring::RoaringBitmap;

use super::asset::Value;

/// A row without a value, in the array of a column that has at most one value a row.
const NONE: u32 = u32::MAX;
/// Dictionaries up to this size keep the rows of each code, so that a look-up is a union of bitmaps.
const MAX_POSTINGS: usize = 1_024;

/// A value borrowed from a dictionary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    /// Keyword, text, enum.
    Str(&'a str),
    /// Number.
    Num(i64),
    /// Date.
    Date(Timestamp),
    /// Bool.
    Bool(bool),
    /// Address.
    Ip(IpAddr),
}

impl ValueRef<'_> {
    /// An owned copy.
    pub fn to_value(self) -> Value {
        match self {
            Self::Str(s) => Value::Str(s.into()),
            Self::Num(n) => Value::Num(n),
            Self::Date(d) => Value::Date(d),
            Self::Bool(b) => Value::Bool(b),
            Self::Ip(ip) => Value::Ip(ip),
        }
    }
}

/// One cell: the code of its value, and the element of the token's group that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Index into the dictionary.
    pub code: u32,
    /// Element number.
    pub element: u16,
}

/// Distinct values, all of one type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Dictionary {
    /// Text in one arena; value i is `text[ends[i-1]..ends[i]]`.
    Str { ends: Vec<u32>, text: String },
    /// Numbers.
    Num(Vec<i64>),
    /// Microseconds since the epoch.
    Date(Vec<i64>),
    /// `false`, `true` as 0, 1.
    Bool(Vec<i64>),
    /// IPv4 addresses as (4, bits), IPv6 as (6, bits).
    Ip(Vec<(u8, u128)>),
}

impl Dictionary {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Str { ends, .. } => ends.len(),
            Self::Num(v) | Self::Date(v) | Self::Bool(v) => v.len(),
            Self::Ip(v) => v.len(),
        }
    }

    pub(super) fn get(&self, code: u32) -> Option<ValueRef<'_>> {
        let i = code as usize;
        match self {
            Self::Str { ends, text } => {
                let end = *ends.get(i)? as usize;
                let start = i.checked_sub(1).and_then(|p| ends.get(p)).map_or(0, |e| *e as usize);
                text.get(start..end).map(ValueRef::Str)
            }
            Self::Num(v) => v.get(i).copied().map(ValueRef::Num),
            Self::Date(v) => Timestamp::from_microsecond(*v.get(i)?).ok().map(ValueRef::Date),
            Self::Bool(v) => v.get(i).map(|b| ValueRef::Bool(*b != 0)),
            Self::Ip(v) => v.get(i).map(|(family, bits)| {
                ValueRef::Ip(if *family == 4 {
                    IpAddr::V4(Ipv4Addr::from(*bits as u32))
                } else {
                    IpAddr::V6(Ipv6Addr::from(*bits))
                })
            }),
        }
    }
}

/// Where the cells of a row are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cells {
    /// No row has a value.
    Empty,
    /// At most one value a row, all with element 0: a code a row, or none.
    Single(Vec<u32>),
    /// Cells of row r are `starts[r]..starts[r+1]`.
    Many { starts: Vec<u32>, codes: Vec<u32>, elements: Vec<u16> },
}

/// The data of one column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ColumnData {
    pub(super) dictionary: Dictionary,
    pub(super) cells: Cells,
    /// Rows that have a value.
    pub(super) present: RoaringBitmap,
    /// Rows of each code, for small dictionaries.
    pub(super) postings: Option<Vec<RoaringBitmap>>,
}

impl ColumnData {
    pub(super) fn empty() -> Self {
        Self {
            dictionary: Dictionary::Num(Vec::new()),
            cells: Cells::Empty,
            present: RoaringBitmap::new(),
            postings: None,
        }
    }

    /// Completes a column from its dictionary and cells.
    pub(super) fn new(dictionary: Dictionary, cells: Cells) -> Self {
        let mut data = Self { dictionary, cells, present: RoaringBitmap::new(), postings: None };
        data.present = data.rows_where(|_| true);
        if data.dictionary.len() <= MAX_POSTINGS {
            let mut rows: Vec<Vec<u32>> = vec![Vec::new(); data.dictionary.len()];
            data.each_cell(|row, code| {
                if let Some(list) = rows.get_mut(code as usize)
                    && list.last() != Some(&row)
                {
                    list.push(row);
                }
            });
            data.postings = Some(rows.into_iter().map(|list| bitmap(list.into_iter())).collect());
        }
        data
    }

    /// Whether both hold the same values in the same places; what else a column has is made from them.
    pub(super) fn same_values(&self, other: &Self) -> bool {
        (&self.dictionary, &self.cells) == (&other.dictionary, &other.cells)
    }

    fn each_cell(&self, mut visit: impl FnMut(u32, u32)) {
        match &self.cells {
            Cells::Empty => {}
            Cells::Single(codes) => {
                for (row, code) in codes.iter().enumerate() {
                    if *code != NONE {
                        visit(row as u32, *code);
                    }
                }
            }
            Cells::Many { starts, codes, .. } => {
                for (row, pair) in starts.windows(2).enumerate() {
                    let [start, end] = pair else { continue };
                    for code in codes.get(*start as usize..*end as usize).unwrap_or(&[]) {
                        visit(row as u32, *code);
                    }
                }
            }
        }
    }

    fn rows_where(&self, wanted: impl Fn(u32) -> bool) -> RoaringBitmap {
        let mut rows = Vec::new();
        self.each_cell(|row, code| {
            if wanted(code) && rows.last() != Some(&row) {
                rows.push(row);
            }
        });
        bitmap(rows.into_iter())
    }

    pub(super) fn rows_with(&self, codes: &RoaringBitmap) -> RoaringBitmap {
        if codes.is_empty() {
            return RoaringBitmap::new();
        }
        if let Some(postings) = &self.postings {
            return codes.iter().filter_map(|c| postings.get(c as usize)).fold(
                RoaringBitmap::new(),
                |mut all, rows| {
                    all |= rows;
                    all
                },
            );
        }
        // A flag a code is faster to ask than a bitmap once for every cell.
        let mut flags = vec![false; self.dictionary.len()];
        for code in codes {
            if let Some(flag) = flags.get_mut(code as usize) {
                *flag = true;
            }
        }
        self.rows_where(|code| flags.get(code as usize).copied().unwrap_or(false))
    }

    pub(super) fn cells(&self, row: u32) -> CellIter<'_> {
        match &self.cells {
            Cells::Empty => CellIter { codes: &[], elements: None },
            Cells::Single(codes) => {
                let at = row as usize;
                let code = codes.get(at..=at).unwrap_or(&[]);
                CellIter { codes: if code == [NONE] { &[] } else { code }, elements: None }
            }
            Cells::Many { starts, codes, elements } => {
                let at = row as usize;
                let (Some(start), Some(end)) = (starts.get(at), starts.get(at + 1)) else {
                    return CellIter { codes: &[], elements: None };
                };
                let range = *start as usize..*end as usize;
                CellIter {
                    codes: codes.get(range.clone()).unwrap_or(&[]),
                    elements: Some(elements.get(range).unwrap_or(&[])),
                }
            }
        }
    }
}

fn bitmap(sorted: impl Iterator<Item = u32>) -> RoaringBitmap {
    // INVARIANT: callers deliver ascending rows; the fallback only costs time.
    let rows: Vec<u32> = sorted.collect();
    RoaringBitmap::from_sorted_iter(rows.iter().copied()).unwrap_or_else(|_| rows.into_iter().collect())
}

/// Cells of one row.
#[derive(Debug, Clone)]
pub struct CellIter<'a> {
    codes: &'a [u32],
    elements: Option<&'a [u16]>,
}

impl Iterator for CellIter<'_> {
    type Item = Cell;

    fn next(&mut self) -> Option<Cell> {
        let (code, rest) = self.codes.split_first()?;
        self.codes = rest;
        let element = match &mut self.elements {
            None => 0,
            Some(elements) => {
                let (element, rest) = elements.split_first()?;
                *elements = rest;
                *element
            }
        };
        Some(Cell { code: *code, element })
    }
}

/// The code array of a column with at most one value a row.
pub(super) fn single_codes(rows: u32, cells: &[(u32, u32, u16)]) -> Vec<u32> {
    let mut codes = vec![NONE; rows as usize];
    for (row, code, _) in cells {
        if let Some(slot) = codes.get_mut(*row as usize) {
            *slot = *code;
        }
    }
    codes
}
