//! Dates in queries: days, instants, and moments relative to `now`. language.md 2.1, query-language.md 5.2.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Unit};

/// A moment as written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum When {
    /// A whole UTC day.
    Day(Date),
    /// One instant.
    Instant(Timestamp),
    /// `now`, shifted and rounded down.
    Now {
        /// Signed amounts in the order written.
        shifts: Vec<(i64, char)>,
        /// `/d` and its kin.
        floor: Option<char>,
    },
}

impl When {
    /// Reads a date value; none where it is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        if let (Some(front), Some(rest)) = (text.get(..3), text.get(3..))
            && front.eq_ignore_ascii_case("now")
        {
            return read_now(rest);
        }
        if text.len() == 10
            && let Ok(day) = text.parse::<Date>()
        {
            return Some(Self::Day(day));
        }
        if let Ok(at) = text.parse::<Timestamp>() {
            return Some(Self::Instant(at));
        }
        // Without an offset a time is UTC.
        text.parse::<DateTime>().ok().and_then(utc).map(Self::Instant)
    }

    /// The half-open range of microseconds it stands for.
    pub(super) fn range(&self, now: Timestamp) -> (i64, i64) {
        match self {
            Self::Day(day) => {
                let start = utc(day.to_datetime(jiff::civil::Time::midnight()));
                let next = day.tomorrow().ok().and_then(|d| utc(d.to_datetime(jiff::civil::Time::midnight())));
                let micros = |t: Option<Timestamp>, or| t.map_or(or, |t: Timestamp| t.as_microsecond());
                (micros(start, i64::MIN), micros(next, i64::MAX))
            }
            Self::Instant(at) => (at.as_microsecond(), at.as_microsecond().saturating_add(1)),
            Self::Now { shifts, floor } => {
                // Beyond the calendar the nearest end of it stands.
                let forward = shifts.iter().any(|(n, _)| *n > 0);
                let end = if forward { Timestamp::MAX } else { Timestamp::MIN };
                let at = shifted(now, shifts, *floor).unwrap_or(end).as_microsecond();
                (at, at.saturating_add(1))
            }
        }
    }

    /// Whether a moment relative to `now` can be reached from times around ours.
    pub(super) fn is_in_calendar(&self) -> bool {
        match self {
            Self::Day(_) | Self::Instant(_) => true,
            Self::Now { shifts, floor } => moments().any(|now| shifted(now, shifts, *floor).is_some()),
        }
    }
}

/// Instants to try a range on before `now` is known: midnight, noon, ends of short and long months, a leap day.
pub(super) fn moments() -> impl Iterator<Item = Timestamp> {
    const DAY_SECONDS: i64 = 86_400;
    // 2024-01-01, then every 29th day for four years, at changing hours.
    let first = 1_704_067_200;
    (0..50i64).filter_map(move |n| Timestamp::from_second(first + n * 29 * DAY_SECONDS + n * 7_919).ok())
}

fn utc(civil: DateTime) -> Option<Timestamp> {
    civil.to_zoned_datetime(TimeZone::UTC).ok().map(|z| z.timestamp())
}

fn read_now(mut rest: &str) -> Option<When> {
    let mut shifts = Vec::new();
    let mut floor = None;
    while let Some(sign) = rest.chars().next() {
        rest = rest.get(1..)?;
        if sign == '/' {
            let unit = rest.chars().next().filter(|c| "smhdwMy".contains(*c))?;
            floor = Some(unit);
            rest = rest.get(1..)?;
            if !rest.is_empty() {
                return None;
            }
            break;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let n: i64 = rest.get(..digits)?.parse().ok().filter(|n| *n <= 1_000_000_000)?;
        let unit = rest.get(digits..)?.chars().next().filter(|c| "smhdwMy".contains(*c))?;
        rest = rest.get(digits + 1..)?;
        match sign {
            '-' => shifts.push((-n, unit)),
            '+' => shifts.push((n, unit)),
            _ => return None,
        }
    }
    Some(When::Now { shifts, floor })
}

fn shifted(now: Timestamp, shifts: &[(i64, char)], floor: Option<char>) -> Option<Timestamp> {
    let mut at = now.to_zoned_datetime(TimeZone::UTC);
    for (n, unit) in shifts {
        at = at.checked_add(span(*n, *unit)?).ok()?;
    }
    if let Some(unit) = floor {
        let civil = at.datetime();
        let day = civil.date();
        let midnight = jiff::civil::Time::midnight();
        let floored = match unit {
            'y' => day.first_of_year().to_datetime(midnight),
            'M' => day.first_of_month().to_datetime(midnight),
            'w' => {
                let back = i64::from(day.weekday().to_monday_zero_offset());
                day.checked_sub(back.days()).ok()?.to_datetime(midnight)
            }
            'd' => day.to_datetime(midnight),
            'h' => {
                civil.round(jiff::civil::DateTimeRound::new().smallest(Unit::Hour).mode(jiff::RoundMode::Floor)).ok()?
            }
            'm' => civil
                .round(jiff::civil::DateTimeRound::new().smallest(Unit::Minute).mode(jiff::RoundMode::Floor))
                .ok()?,
            _ => civil
                .round(jiff::civil::DateTimeRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Floor))
                .ok()?,
        };
        return utc(floored);
    }
    Some(at.timestamp())
}

fn span(n: i64, unit: char) -> Option<Span> {
    let span = Span::new();
    match unit {
        's' => span.try_seconds(n),
        'm' => span.try_minutes(n),
        'h' => span.try_hours(n),
        'd' => span.try_days(n),
        'w' => span.try_weeks(n),
        'M' => span.try_months(n),
        _ => span.try_years(n),
    }
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let now: Timestamp = "2026-03-31T12:34:56Z".parse().unwrap();
        let start =
            |text: &str| When::read(text).map(|w| Timestamp::from_microsecond(w.range(now).0).unwrap().to_string());
        assert_eq!(start("now").as_deref(), Some("2026-03-31T12:34:56Z"));
        assert_eq!(start("now-1M").as_deref(), Some("2026-02-28T12:34:56Z"));
        assert_eq!(start("now-1w+1d").as_deref(), Some("2026-03-25T12:34:56Z"));
        assert_eq!(start("now/d").as_deref(), Some("2026-03-31T00:00:00Z"));
        assert_eq!(start("now-1d/w").as_deref(), Some("2026-03-30T00:00:00Z"));
        assert_eq!(start("now/h").as_deref(), Some("2026-03-31T12:00:00Z"));
        assert_eq!(start("2026-01-01").as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(start("2026-01-01T02:00:00+02:00").as_deref(), Some("2026-01-01T00:00:00Z"));
        for bad in ["now-", "now-3x", "now-99999999999d", "yesterday", "2026-02-30", "now/d-1d"] {
            assert_eq!(start(bad), None, "{bad}");
        }
        assert!(
            !When::read("now-999999999y").unwrap().is_in_calendar() && When::read("NOW-9y").unwrap().is_in_calendar()
        );
        assert!(When::read("now+999999999y").unwrap().range(now).0 > When::read("9999-01-01").unwrap().range(now).0);
        assert_eq!(When::read("now-999999999y").unwrap().range(now).0, Timestamp::MIN.as_microsecond());
    }
}
