//! What values there are, and how many assets have each.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use super::predicate::Moment;
use crate::inventory::catalogue::{TokenId, ids};
use crate::inventory::snapshot::{Snapshot, ValueRef};

/// Assets by value of a token, most frequent first, then by value; assets without a value count under `-`.
pub fn count_by(snapshot: &Snapshot, rows: &RoaringBitmap, token: TokenId, moment: &Moment) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut without = rows.clone();
    if token == ids::TAGS_NAME {
        let tags = moment.tags.map(|t| t.names()).unwrap_or(&[]);
        for name in tags {
            let Some(members) = moment.tags.and_then(|t| t.of(name)) else { continue };
            let with = rows & &members.matched;
            without -= &with;
            if !with.is_empty() {
                counts.insert(name.to_string(), with.len());
            }
        }
    } else {
        let column = snapshot.column(token);
        let mut by_code = vec![0u64; column.codes() as usize];
        for row in rows {
            let mut codes: Vec<u32> = column.cells(row).map(|c| c.code).collect();
            codes.sort_unstable();
            codes.dedup();
            for code in codes {
                if let Some(n) = by_code.get_mut(code as usize) {
                    *n += 1;
                }
            }
        }
        without -= column.present();
        for (code, n) in by_code.into_iter().enumerate().filter(|(_, n)| *n > 0) {
            let text = column.value(code as u32).map(|v| text(&v)).unwrap_or_default();
            *counts.entry(text).or_default() += n;
        }
    }
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    if !without.is_empty() {
        counts.push(("-".into(), without.len()));
    }
    counts
}

/// A value as text.
pub fn text(value: &ValueRef<'_>) -> String {
    match value {
        ValueRef::Str(s) => (*s).to_owned(),
        ValueRef::Num(n) => n.to_string(),
        ValueRef::Date(at) => at.to_string(),
        ValueRef::Bool(b) => b.to_string(),
        ValueRef::Ip(ip) => ip.to_string(),
    }
}

/// The values a row has for a token, as text, in the order delivered.
pub fn seen(snapshot: &Snapshot, row: u32, token: TokenId, moment: &Moment) -> Vec<String> {
    if token == ids::TAGS_NAME {
        return moment.tags.map(|t| t.tags_of(row).iter().map(ToString::to_string).collect()).unwrap_or_default();
    }
    let column = snapshot.column(token);
    let mut values: Vec<String> = column.cells(row).filter_map(|c| column.value(c.code)).map(|v| text(&v)).collect();
    values.dedup();
    values
}
