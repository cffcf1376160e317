//! What one term asks of one value. Every variant is complete: matching cannot fail.

use std::collections::HashSet;
use std::net::IpAddr;

use jiff::Timestamp;

use super::date::{When, moments};
use super::words::{Glob, Phrases, Words, contains_phrase};
use crate::base::addr_set::AddrRange;
use crate::inventory::snapshot::ValueRef;

/// A test of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Matcher {
    /// Any value at all.
    Present,
    /// The whole value, case aside; the text is in lower case.
    Same(String),
    /// The whole value is one of these, case aside; they are in lower case.
    OneOf(HashSet<String>),
    /// The whole value to the letter.
    Exact(String),
    /// The whole value by glob.
    Glob(Glob),
    /// The whole value or one word of it by glob.
    WordGlob(Glob),
    /// Adjacent words in order.
    Phrase {
        /// In lower case.
        words: Vec<String>,
        /// The last one may be cut short.
        prefix: bool,
    },
    /// A number from `low` to `high`, both included.
    Number {
        /// Lower end.
        low: i64,
        /// Upper end.
        high: i64,
    },
    /// A date between two moments.
    Date {
        /// Lower end with whether the moment itself counts.
        low: Option<(When, bool)>,
        /// Upper end with whether the moment itself counts.
        high: Option<(When, bool)>,
    },
    /// Microseconds from `low` up to but without `high`: a date once `now` is known.
    Micros {
        /// Lower end.
        low: i64,
        /// Upper end.
        high: i64,
    },
    /// This truth value.
    Bool(bool),
    /// An address in a range.
    Addresses(AddrRange),
    /// Any of these phrases, found by one of their words.
    OneOfPhrases(Phrases),
    /// Any of these.
    AnyOf(Vec<Matcher>),
}

impl Matcher {
    /// The same test with `now` put in.
    pub(super) fn at(&self, now: Timestamp) -> Self {
        match self {
            Self::Date { low, high } => {
                let low = low.as_ref().map_or(i64::MIN, |(when, own)| {
                    let (start, end) = when.range(now);
                    if *own { start } else { end }
                });
                let high = high.as_ref().map_or(i64::MAX, |(when, own)| {
                    let (start, end) = when.range(now);
                    if *own { end } else { start }
                });
                Self::Micros { low, high }
            }
            Self::AnyOf(parts) => Self::AnyOf(parts.iter().map(|p| p.at(now)).collect()),
            other => other.clone(),
        }
    }

    /// Any of these; a long list of whole values is one look-up, not many.
    pub(super) fn any_of(parts: Vec<Self>) -> Self {
        let same = |part: &Self| match part {
            Self::Same(text) => Some(text.clone()),
            _ => None,
        };
        match parts.iter().map(same).collect::<Option<HashSet<String>>>() {
            Some(texts) if texts.len() > 4 => Self::OneOf(texts),
            None if parts.len() > 4 => Phrases::new(&parts).map_or(Self::AnyOf(parts), Self::OneOfPhrases),
            _ => Self::AnyOf(parts),
        }
    }

    /// For a range: whether no value can lie in it, whatever `now` is.
    pub(super) fn is_empty_range(&self) -> bool {
        match self {
            Self::Number { low, high } => low > high,
            Self::AnyOf(parts) => parts.is_empty(),
            Self::Date { .. } => moments().all(|now| match self.at(now) {
                Self::Micros { low, high } => low >= high,
                _ => false,
            }),
            _ => false,
        }
    }

    /// Whether a value passes. A value of another type never does; dates need [`Self::at`] first.
    pub(super) fn matches(&self, value: &ValueRef<'_>) -> bool {
        match (self, value) {
            (Self::Present, _) => true,
            (Self::AnyOf(parts), value) => parts.iter().any(|p| p.matches(value)),
            (Self::Same(want), ValueRef::Str(s)) => same(want, s),
            (Self::OneOf(wanted), ValueRef::Str(s)) => wanted.contains(&s.to_lowercase()),
            (Self::OneOfPhrases(phrases), ValueRef::Str(s)) => phrases.matches(s),
            (Self::Exact(want), ValueRef::Str(s)) => want == s,
            (Self::Glob(glob), ValueRef::Str(s)) => glob.matches(s),
            (Self::WordGlob(glob), ValueRef::Str(s)) => glob.matches(s) || Words(s).any(|w| glob.matches(w)),
            (Self::Phrase { words, prefix }, ValueRef::Str(s)) => contains_phrase(s, words, *prefix),
            (Self::Number { low, high }, ValueRef::Num(n)) => low <= n && n <= high,
            (Self::Micros { low, high }, ValueRef::Date(at)) => {
                let at = at.as_microsecond();
                *low <= at && at < *high
            }
            (Self::Bool(want), ValueRef::Bool(b)) => want == b,
            (Self::Addresses(range), ValueRef::Ip(ip)) => range.contains(*ip),
            _ => false,
        }
    }

    /// The one address it asks for, where it asks for one.
    pub(super) fn address(addr: IpAddr) -> Self {
        Self::Addresses(AddrRange::single(addr))
    }
}

/// Equal, case aside; the first is in lower case already.
fn same(lower: &str, text: &str) -> bool {
    if lower.is_ascii() && text.is_ascii() {
        return text.eq_ignore_ascii_case(lower);
    }
    text.chars().flat_map(char::to_lowercase).eq(lower.chars())
}
