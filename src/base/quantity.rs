//! Rates, durations and sizes as people write them.

use std::fmt;
use std::time::Duration;

/// Packets a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate {
    /// Packets a second, at least 1.
    pub per_second: u32,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.per_second)
    }
}

/// Parses `1h30m`, `45s`, `250ms`, `2d`, `1w`; units `w d h m s ms`, each at most once, in any order.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut seen = Vec::new();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at_checked(digits)?;
        let number: u64 = number.parse().ok()?;
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at_checked(letters)?;
        let unit_ms: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        if seen.contains(&unit_ms) {
            return None;
        }
        seen.push(unit_ms);
        total = total.checked_add(Duration::from_millis(number.checked_mul(unit_ms)?))?;
        rest = tail;
    }
    Some(total)
}

/// Prints a duration the way [`parse_duration`] reads it: `1h30m`, `250ms`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let mut ms = duration.as_millis() as u64;
    let mut out = String::new();
    for (unit, unit_ms) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        let n = ms / unit_ms;
        if n > 0 {
            out.push_str(&format!("{n}{unit}"));
            ms %= unit_ms;
        }
    }
    if out.is_empty() { "0s".into() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_round_trip() {
        for text in ["1h30m", "250ms", "4h", "1d2h3m4s5ms", "0s"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(parse_duration("1w"), Some(Duration::from_secs(604_800)));
        for bad in ["", "h", "1", "1x", "1h1h", "99999999999999999999s", "é"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
