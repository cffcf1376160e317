//! Values of job files by their shape: `8000-8100` is a range of ports, `2026-12-31` a day, `10.0.0.0/8` a network.

use jiff::civil::{Date, DateTime};

use super::ast::NodeKind;
use crate::base::addr_set::{AddrError, AddrRange};
use crate::base::quantity::parse_duration;

/// Reads a bare value; the error says what is wrong with it.
pub(super) fn read(text: &str) -> Result<NodeKind, String> {
    if let Ok(n) = text.parse::<i64>() {
        return Ok(NodeKind::Number(n));
    }
    let digit_first = text.starts_with(|c: char| c.is_ascii_digit());
    if let Some(percent) = text.strip_suffix('%') {
        return read_percent(percent).map(NodeKind::Percent);
    }
    if digit_first && let Some(rate) = text.strip_suffix("/s") {
        return rate
            .parse::<u32>()
            .ok()
            .filter(|r| *r > 0)
            .map(NodeKind::Rate)
            .ok_or_else(|| format!("`{text}` is not a rate; write 1/s to {}/s", u32::MAX));
    }
    if looks_like_address(text) {
        return read_addresses(text);
    }
    if !digit_first {
        return if text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '*' | '/' | '+')) {
            Ok(NodeKind::Word(text.to_owned()))
        } else {
            Err(format!("`{text}` is not a value; quote it if it is text"))
        };
    }
    if text.as_bytes().get(4) == Some(&b'-') && text.as_bytes().get(7) == Some(&b'-') {
        return read_time(text);
    }
    if let Some((a, b)) = text.split_once('-') {
        return match (a.parse::<u16>(), b.parse::<u16>()) {
            (Ok(a), Ok(b)) if a > 0 && a <= b => Ok(NodeKind::Ports(a, b)),
            _ => Err(format!("`{text}` is not a range of ports; write two numbers from 1 to 65535, the lower first")),
        };
    }
    if let Some(size) = read_size(text) {
        return size.ok_or_else(|| format!("`{text}` is too large a size")).map(NodeKind::Size);
    }
    if let Some(duration) = parse_duration(text) {
        return Ok(NodeKind::Duration(duration));
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("`{text}` is too large a number"));
    }
    // `00:00`-like clock times and names such as `2nd` stay words for the one place that wants them.
    if text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '-' | '.')) && text.contains(':') {
        return Ok(NodeKind::Word(text.to_owned()));
    }
    Err(format!("`{text}` is not a value; durations look like 1h30m, rates 100/s, sizes 10MB, text stands in quotes"))
}

/// Reads `2026-03-30T00:00[America/Los_Angeles]`.
pub(super) fn read_moment(text: &str) -> Result<NodeKind, String> {
    let (civil, zone) = text.split_once('[').unwrap_or((text, ""));
    let civil: DateTime =
        civil.parse().map_err(|_| format!("`{civil}` is not a date and time, such as 2026-03-30T00:00"))?;
    Ok(NodeKind::DateTime { civil, zone: Some(zone.trim_end_matches(']').to_owned()) })
}

fn read_time(text: &str) -> Result<NodeKind, String> {
    if let Ok(day) = text.parse::<Date>()
        && !text.contains('T')
    {
        return Ok(NodeKind::Date(day));
    }
    text.trim_end_matches('Z')
        .parse::<DateTime>()
        .map(|civil| NodeKind::DateTime { civil, zone: text.ends_with('Z').then(|| "UTC".to_owned()) })
        .map_err(|_| format!("`{text}` is not a date; write 2026-12-31 or 2026-12-31T08:00[Europe/Berlin]"))
}

/// Thousandths of a percent.
fn read_percent(text: &str) -> Result<u32, String> {
    let bad = || format!("`{text}%` is not a percentage from 0% to 100% with at most three decimals");
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let whole: u32 = whole.parse().map_err(|_| bad())?;
    let part: u32 = format!("{decimals:0<3}").parse().map_err(|_| bad())?;
    let value = whole.checked_mul(1000).and_then(|w| w.checked_add(part)).ok_or_else(bad)?;
    if value > 100_000 { Err(bad()) } else { Ok(value) }
}

/// `10MB`: none where it is no size at all, some(none) where it overflows.
fn read_size(text: &str) -> Option<Option<u64>> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor: u64 = match unit {
        "B" => 1,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    Some(number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)))
}

fn looks_like_address(text: &str) -> bool {
    let first = text.split(['/', '-']).next().unwrap_or("");
    let v4 = first.split('.').count() == 4 && first.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let v6 = text.matches(':').count() >= 2
        && text.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'/' | b'-' | b'.'));
    v4 || v6
}

fn read_addresses(text: &str) -> Result<NodeKind, String> {
    text.parse::<AddrRange>().map(NodeKind::Addresses).map_err(|e: AddrError| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let shown = |t: &str| match read(t) {
            Ok(kind) => format!("{kind:?}"),
            Err(e) => e,
        };
        assert_eq!(shown("99.9%"), "Percent(99900)");
        assert_eq!(shown("100.001%"), "`100.001%` is not a percentage from 0% to 100% with at most three decimals");
        assert_eq!(shown("10000/s"), "Rate(10000)");
        assert_eq!(shown("8000-8100"), "Ports(8000, 8100)");
        assert_eq!(shown("10MB"), "Size(10000000)");
        assert_eq!(shown("1h1m"), "Duration(3660s)");
        assert_eq!(shown("2026-12-31"), "Date(2026-12-31)");
        assert!(shown("203.0.113.0/28").starts_with("Addresses"));
        assert!(shown("fd00:18::7").starts_with("Addresses"));
        assert_eq!(shown("203.0.113.0/40"), "prefix length 40 is out of range for IPv4");
        assert_eq!(shown("vpc_all"), "Word(\"vpc_all\")");
        assert_eq!(
            shown("2026-13-31"),
            "`2026-13-31` is not a date; write 2026-12-31 or 2026-12-31T08:00[Europe/Berlin]"
        );
        assert_eq!(shown("99999999999999999999"), "`99999999999999999999` is too large a number");
    }
}
