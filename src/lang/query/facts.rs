//! What values there are, and how many assets have each.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use super::predicate::Moment;
use crate::inventory::catalogue::{TokenId, ids};
use crate::inventory::snapshot::{Snapshot, ValueRef};

/// Assets by value of a token, most frequent first, then by value. Assets without a value count under `-`, those whose
/// value was not read under `?`: unread is not absent.
pub fn count_by(snapshot: &Snapshot, rows: &RoaringBitmap, token: TokenId, moment: &Moment<'_>) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut without = rows.clone();
    let mut unread = RoaringBitmap::new();
    if token == ids::TAGS_NAME {
        for tags in moment.tags {
            for (name, members) in tags.names().iter().filter_map(|n| tags.of(n).map(|m| (n, m))) {
                let with = rows & &members.matched;
                without -= &with;
                unread |= &members.cannot_tell;
                if !with.is_empty() {
                    counts.insert(name.to_string(), with.len());
                }
            }
        }
    } else {
        let column = snapshot.column(token);
        for (code, n) in by_code(snapshot, rows, token).into_iter().enumerate().filter(|(_, n)| *n > 0) {
            let text = column.value(code as u32).map(|v| text(&v)).unwrap_or_default();
            *counts.entry(text).or_default() += n;
        }
        without -= column.present();
        unread = column.unread();
    }
    unread &= &without;
    without -= &unread;
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    for (mark, rows) in [("-", without), ("?", unread)] {
        if !rows.is_empty() {
            counts.push((mark.into(), rows.len()));
        }
    }
    counts
}

/// Rows by code; a row that has a value twice counts once.
fn by_code(snapshot: &Snapshot, rows: &RoaringBitmap, token: TokenId) -> Vec<u64> {
    let column = snapshot.column(token);
    let mut counts = vec![0u64; column.codes() as usize];
    let mut codes: Vec<u32> = Vec::new();
    for row in rows {
        codes.clear();
        codes.extend(column.cells(row).map(|c| c.code));
        codes.sort_unstable();
        codes.dedup();
        for code in &codes {
            if let Some(n) = counts.get_mut(*code as usize) {
                *n += 1;
            }
        }
    }
    counts
}

/// The values of a token in the whole snapshot with their number of assets, most frequent first, at most `limit`. Tags
/// are not in the snapshot: see [`count_by`].
pub fn values(snapshot: &Snapshot, token: TokenId, limit: usize) -> Vec<(String, u64)> {
    let column = snapshot.column(token);
    let mut codes: Vec<(u32, u64)> =
        by_code(snapshot, &column.present(), token).into_iter().enumerate().map(|(c, n)| (c as u32, n)).collect();
    codes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| order(column.value(a.0), column.value(b.0))));
    let shown = |code: u32| column.value(code).map(|v| text(&v)).unwrap_or_default();
    codes.into_iter().take(limit).map(|(code, n)| (shown(code), n)).collect()
}

/// Values of one column in their own order.
fn order(a: Option<ValueRef<'_>>, b: Option<ValueRef<'_>>) -> Ordering {
    match (a, b) {
        (Some(ValueRef::Str(a)), Some(ValueRef::Str(b))) => a.cmp(b),
        (Some(ValueRef::Num(a)), Some(ValueRef::Num(b))) => a.cmp(&b),
        (Some(ValueRef::Date(a)), Some(ValueRef::Date(b))) => a.cmp(&b),
        (Some(ValueRef::Bool(a)), Some(ValueRef::Bool(b))) => a.cmp(&b),
        (Some(ValueRef::Ip(a)), Some(ValueRef::Ip(b))) => a.cmp(&b),
        _ => Ordering::Equal,
    }
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
