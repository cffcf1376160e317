//! Values against a token's declared type: the matching table of language.md 2.1.

use std::net::IpAddr;

use super::check::Checker;
use super::date::When;
use super::matcher::Matcher;
use super::words::{Glob, words};
use crate::base::addr_set::AddrRange;
use crate::base::diagnostic::Diagnostic;
use crate::base::nearest::did_you_mean;
use crate::base::source::Span;
use crate::inventory::catalogue::{self, TokenId, TokenType};
use crate::lang::syntax::ast::{CompareOp, Quote, Scalar};

impl Checker<'_, '_> {
    /// What a single value asks of a token; none after an error.
    pub(super) fn value(&mut self, token: TokenId, value: &Scalar) -> Option<Matcher> {
        if value.quote == Quote::Bare
            && let Some(name) = value.text.strip_prefix('@')
        {
            let values = self.expand_values(name, value.span)?;
            return match values.as_slice() {
                [one] => self.value(token, one),
                several => self.any_of(token, several, value.span),
            };
        }
        let only_star = value.text == "*" && value.wildcards.len() == 1;
        if only_star && value.quote == Quote::Bare {
            return Some(Matcher::Present);
        }
        match catalogue::token(token).ty {
            TokenType::Enum(known) => self.enum_value(token, known, value),
            TokenType::Keyword => Some(keyword(value)),
            TokenType::Text => Some(self.text(value)),
            TokenType::Number => self.number(value).map(|n| Matcher::Number { low: n, high: n }),
            TokenType::Date => {
                self.date(value).map(|w| Matcher::Date { low: Some((w.clone(), true)), high: Some((w, true)) })
            }
            TokenType::Bool => match value.text.to_lowercase().as_str() {
                "true" => Some(Matcher::Bool(true)),
                "false" => Some(Matcher::Bool(false)),
                _ => self.fail(
                    "P0107",
                    format!("`{}` is neither `true` nor `false`", value.text),
                    value.span,
                    "write `true` or `false`",
                ),
            },
            TokenType::Ip => self.address(value),
        }
    }

    fn enum_value(&mut self, token: TokenId, known: &'static [&'static str], value: &Scalar) -> Option<Matcher> {
        if !value.wildcards.is_empty() {
            self.found.push(
                Diagnostic::warning("P0121", "a wildcard on a closed list of values", value.span, "")
                    .help(format!("the values are {}", known.join(", "))),
            );
            return Some(Matcher::Glob(Glob::new(&value.text, &value.wildcards)));
        }
        if let Some(canonical) = known.iter().find(|k| k.eq_ignore_ascii_case(&value.text)) {
            return Some(Matcher::Same(canonical.to_lowercase()));
        }
        if let Some(canonical) = catalogue::enum_alias(token, &value.text) {
            self.found.push(
                Diagnostic::warning(
                    "P0104",
                    format!("`{}` is another spelling of `{canonical}`", value.text),
                    value.span,
                    "",
                )
                .fix(format!("write {canonical}"), value.span, canonical),
            );
            return Some(Matcher::Same(canonical.to_lowercase()));
        }
        let name = catalogue::token(token).name;
        let help = did_you_mean(&value.text, known.iter().copied())
            .unwrap_or_else(|| format!("the values are {}", known.join(", ")));
        self.fail("P0103", format!("`{}` is no value of `{name}`", value.text), value.span, help)
    }

    fn text(&mut self, value: &Scalar) -> Matcher {
        if value.quote == Quote::Backtick {
            return Matcher::Exact(value.text.clone());
        }
        if !value.wildcards.is_empty() {
            return Matcher::WordGlob(Glob::new(&value.text, &value.wildcards));
        }
        let wanted = words(&value.text);
        let quoted = value.quote != Quote::Bare;
        if wanted.is_empty() {
            return Matcher::Same(value.text.to_lowercase());
        }
        if quoted && wanted.last().is_some_and(|w| w.chars().count() <= 2) {
            let last = wanted.last().map_or("", String::as_str);
            self.found.push(
                Diagnostic::advice(
                    "P0122",
                    format!("the last word `{last}` also matches words that begin with it"),
                    value.span,
                    "",
                )
                .help("backticks ask for the whole value"),
            );
        }
        Matcher::Phrase { words: wanted, prefix: quoted }
    }

    fn number(&mut self, value: &Scalar) -> Option<i64> {
        match value.text.parse() {
            Ok(n) => Some(n),
            Err(_) => self.fail(
                "P0105",
                format!("`{}` is not a whole number", value.text),
                value.span,
                match value.wildcards.is_empty() {
                    true => "write a number such as 443",
                    false => "a number takes no wildcard, except `*` alone for any; write a range such as [80 .. 89]",
                },
            ),
        }
    }

    fn date(&mut self, value: &Scalar) -> Option<When> {
        let read = When::read(&value.text);
        if let Some(When::Now { shifts, .. }) = &read {
            if read.as_ref().is_some_and(|w| !w.is_in_calendar()) {
                let message = format!("`{}` lies outside the calendar", value.text);
                return self.fail("P0106", message, value.span, "years 0 to 9999 can be written");
            }
            let units: Vec<char> = shifts.iter().map(|(_, unit)| *unit).collect();
            if units.contains(&'m') && units.iter().any(|u| "dwMy".contains(*u)) {
                let message = "`m` is minutes; months are `M`";
                self.found.push(
                    Diagnostic::advice("P0126", message, value.span, "minutes beside days or longer")
                        .help("units are s m h d w M y"),
                );
            }
        }
        if read.is_none() {
            self.fail::<()>(
                "P0106",
                format!("`{}` is not a date", value.text),
                value.span,
                "write 2026-01-31, \"2026-01-31T12:00:00Z\", now, now-7d or now/d; units are s m h d w M y",
            );
        }
        read
    }

    /// An address, a network, or an octet prefix such as `10.0.1.` or `10.0.1.*`.
    fn address(&mut self, value: &Scalar) -> Option<Matcher> {
        let text = value.text.as_str();
        if let Ok(addr) = text.parse::<IpAddr>() {
            return Some(Matcher::address(addr));
        }
        let bad = |this: &mut Self, why: String| {
            this.fail("P0108", why, value.span, "write an address, a network such as 10.0.0.0/8, a prefix such as 10.0.1. or a range [a .. b]; IPv6 needs quotes")
        };
        if value.quote == Quote::Backtick {
            return bad(self, format!("`{text}` is not one address"));
        }
        if let Some((addr, prefix)) = text.split_once('/') {
            let (Ok(addr), Ok(prefix)) = (addr.parse::<IpAddr>(), prefix.parse::<u32>()) else {
                return bad(self, format!("`{text}` is not a network"));
            };
            let (addr, prefix) = unmapped(addr, prefix);
            return match AddrRange::network(addr, prefix) {
                Ok(range) => {
                    if range.first != addr.to_canonical() {
                        let network = range.to_string();
                        self.found.push(
                            Diagnostic::warning(
                                "P0123",
                                "the network has bits below its prefix",
                                value.span,
                                "they are ignored",
                            )
                            .fix(format!("write {network}"), value.span, network.clone()),
                        );
                    }
                    Some(Matcher::Addresses(range))
                }
                Err(error) => bad(self, error.to_string()),
            };
        }
        match octet_prefix(text) {
            Some(range) => Some(Matcher::Addresses(range)),
            None => bad(self, format!("`{text}` is not an address, a network or a prefix")),
        }
    }

    /// One end of a range.
    fn end(&mut self, token: TokenId, value: &Scalar) -> Option<End> {
        match catalogue::token(token).ty {
            TokenType::Number => self.number(value).map(End::Number),
            TokenType::Date => self.date(value).map(End::Date),
            TokenType::Ip => match value.text.parse::<IpAddr>() {
                Ok(addr) => Some(End::Ip(addr.to_canonical())),
                Err(_) => self.fail(
                    "P0108",
                    format!("`{}` is not an address", value.text),
                    value.span,
                    "the ends of a range are single addresses",
                ),
            },
            TokenType::Enum(_) | TokenType::Keyword | TokenType::Text | TokenType::Bool => None,
        }
    }

    fn ordered(&mut self, token: TokenId, span: Span) -> bool {
        let row = catalogue::token(token);
        let ok = matches!(row.ty, TokenType::Number | TokenType::Date | TokenType::Ip);
        if !ok {
            self.fail::<()>(
                "P0110",
                format!("`{}` has no order, so ranges and comparisons mean nothing on it", row.name),
                span,
                "numbers, dates and addresses have one; use a value, a list or a wildcard here",
            );
        }
        ok
    }

    /// `[low .. high]` and `(low .. high)`.
    pub(super) fn range(
        &mut self,
        token: TokenId,
        ends: (Option<&Scalar>, Option<&Scalar>),
        inclusive: bool,
        span: Span,
    ) -> Option<Matcher> {
        if !self.ordered(token, span) {
            return None;
        }
        let low = ends.0.map(|v| self.end(token, v));
        let high = ends.1.map(|v| self.end(token, v));
        if low == Some(None) || high == Some(None) {
            return None;
        }
        let (low, high) = (low.flatten(), high.flatten());
        if let (Some(End::Ip(a)), Some(End::Ip(b))) = (&low, &high)
            && a.is_ipv6() != b.is_ipv6()
        {
            let message = "one end of the range is IPv4 and the other IPv6".into();
            return self.fail("P0109", message, span, "write a range for each");
        }
        let matcher = between(catalogue::token(token).ty, low.map(|e| (e, inclusive)), high.map(|e| (e, inclusive)));
        if !matcher.is_empty_range() {
            return Some(matcher);
        }
        let closed = ends.0.zip(ends.1).is_some_and(|(a, b)| a.text == b.text);
        let (message, help) = match (inclusive, closed) {
            (false, true) => ("the range is empty: round brackets leave its ends out", "write square brackets"),
            (true, _) => ("the range is empty: its ends are reversed", "write the lower end first"),
            (false, false) => (
                "the range is empty: nothing lies between its ends",
                "write the lower end first; square brackets keep the ends",
            ),
        };
        self.fail("P0109", message.into(), span, help)
    }

    /// `> value` and its kin; `!=` is handled by the caller.
    pub(super) fn compare(&mut self, token: TokenId, op: CompareOp, value: &Scalar, span: Span) -> Option<Matcher> {
        if matches!(op, CompareOp::Equal | CompareOp::NotEqual) {
            return self.value(token, value);
        }
        if !self.ordered(token, span) {
            return None;
        }
        let end = self.end(token, value)?;
        let ty = catalogue::token(token).ty;
        Some(match op {
            CompareOp::Greater => between(ty, Some((end, false)), None),
            CompareOp::GreaterEqual => between(ty, Some((end, true)), None),
            CompareOp::Less => between(ty, None, Some((end, false))),
            CompareOp::LessEqual | CompareOp::Equal | CompareOp::NotEqual => between(ty, None, Some((end, true))),
        })
    }

    /// `[a, b]`.
    pub(super) fn any_of(&mut self, token: TokenId, values: &[Scalar], span: Span) -> Option<Matcher> {
        let row = catalogue::token(token);
        if matches!(row.ty, TokenType::Date | TokenType::Bool) {
            let help = "join single tests with `or`, or use a range";
            return self.fail("P0110", format!("`{}` takes no list", row.name), span, help);
        }
        if values.is_empty() {
            return self.fail(
                "P0110",
                "the list is empty, so nothing can match".into(),
                span,
                "write at least one value",
            );
        }
        let parts: Vec<Option<Matcher>> = values.iter().map(|v| self.value(token, v)).collect();
        parts.into_iter().collect::<Option<Vec<_>>>().map(Matcher::AnyOf)
    }
}

#[derive(Debug, Clone, PartialEq)]
enum End {
    Number(i64),
    Date(When),
    Ip(IpAddr),
}

fn between(ty: TokenType, low: Option<(End, bool)>, high: Option<(End, bool)>) -> Matcher {
    match ty {
        TokenType::Number => {
            let low = match low {
                Some((End::Number(n), own)) => {
                    if own {
                        n
                    } else {
                        n.saturating_add(1)
                    }
                }
                _ => i64::MIN,
            };
            let high = match high {
                Some((End::Number(n), own)) => {
                    if own {
                        n
                    } else {
                        n.saturating_sub(1)
                    }
                }
                _ => i64::MAX,
            };
            Matcher::Number { low, high }
        }
        TokenType::Ip => {
            let v6 = [&low, &high].into_iter().flatten().any(|(e, _)| matches!(e, End::Ip(IpAddr::V6(_))));
            let (least, most) = if v6 { (0u128, u128::MAX) } else { (0, u128::from(u32::MAX)) };
            let bits = |e: &End| match e {
                End::Ip(IpAddr::V4(a)) => u128::from(u32::from(*a)),
                End::Ip(IpAddr::V6(a)) => u128::from(*a),
                End::Number(_) | End::Date(_) => 0,
            };
            let first = low.as_ref().map_or(least, |(e, own)| bits(e).saturating_add(u128::from(!own)));
            let last = high.as_ref().map_or(most, |(e, own)| bits(e).saturating_sub(u128::from(!own)));
            if first > last {
                // Nothing lies between; `range` says so.
                return Matcher::AnyOf(Vec::new());
            }
            let addr =
                |b: u128| if v6 { IpAddr::from(b.to_be_bytes()) } else { IpAddr::from((b as u32).to_be_bytes()) };
            Matcher::Addresses(AddrRange { first: addr(first), last: addr(last) })
        }
        TokenType::Date | TokenType::Enum(_) | TokenType::Keyword | TokenType::Text | TokenType::Bool => {
            let when = |end: Option<(End, bool)>| match end {
                Some((End::Date(when), own)) => Some((when, own)),
                _ => None,
            };
            Matcher::Date { low: when(low), high: when(high) }
        }
    }
}

fn keyword(value: &Scalar) -> Matcher {
    if value.quote == Quote::Backtick {
        Matcher::Exact(value.text.clone())
    } else if value.wildcards.is_empty() {
        Matcher::Same(value.text.to_lowercase())
    } else {
        Matcher::Glob(Glob::new(&value.text, &value.wildcards))
    }
}

/// `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
fn unmapped(addr: IpAddr, prefix: u32) -> (IpAddr, u32) {
    match (addr.to_canonical(), prefix.checked_sub(96)) {
        (v4 @ IpAddr::V4(_), Some(prefix)) if addr.is_ipv6() => (v4, prefix),
        _ => (addr, prefix),
    }
}

fn octet(text: &str) -> Option<u8> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// `10.0.1.`, `10.0.1.*` and `10.*` as the network of their octets.
fn octet_prefix(text: &str) -> Option<AddrRange> {
    let front = text.strip_suffix('*').unwrap_or(text).strip_suffix('.')?;
    let octets: Vec<u8> = front.split('.').map(octet).collect::<Option<_>>()?;
    if octets.is_empty() || octets.len() > 3 {
        return None;
    }
    let mut four = [0u8; 4];
    for (slot, octet) in four.iter_mut().zip(&octets) {
        *slot = *octet;
    }
    AddrRange::network(IpAddr::from(four), octets.len() as u32 * 8).ok()
}
