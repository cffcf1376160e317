//! Security risk of a host and of a scan. Guide rule L10.

use super::check::Kind;
use crate::lang::job::SecurityRisk;

/// A risk in tenths, so that it is rounded once and always half up: 39 is 3.9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Risk {
    /// Tenths.
    pub tenths: u32,
}

impl std::fmt::Display for Risk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.tenths / 10, self.tenths % 10)
    }
}

/// Tenths of a quotient, half up; zero over nothing.
fn tenths(sum: u64, n: u64) -> Risk {
    let doubled = (sum * 20 + n).checked_div(n * 2).unwrap_or(0);
    Risk { tenths: u32::try_from(doubled).unwrap_or(u32::MAX) }
}

/// The risk of one host: average or highest severity of its vulnerabilities. Information gathered does not count.
pub fn of_host(findings: impl IntoIterator<Item = (Kind, u8)>, how: SecurityRisk) -> Risk {
    let severities = findings.into_iter().filter(|(kind, _)| *kind != Kind::Information).map(|(_, s)| u64::from(s));
    let (sum, n, highest) = severities.fold((0, 0, 0), |(sum, n, high), s| (sum + s, n + 1, s.max(high)));
    match how {
        SecurityRisk::Average => tenths(sum, n),
        SecurityRisk::Highest => tenths(highest, 1),
    }
}

/// The risk of a scan: the mean over its active hosts.
pub fn of_scan(hosts: &[Risk]) -> Risk {
    let sum: u64 = hosts.iter().map(|h| u64::from(h.tenths)).sum();
    // The mean of tenths is rounded to a tenth again: the quotient itself, not its tenths.
    let n = hosts.len() as u64;
    let mean = (sum * 2 + n).checked_div(n * 2).unwrap_or(0);
    Risk { tenths: u32::try_from(mean).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guides_sample_is_3_9() {
        let sample = || {
            let of = |severity: u8, n: usize| std::iter::repeat_n((Kind::Confirmed, severity), n);
            of(5, 1).chain(of(4, 7)).chain(of(3, 2)).chain([(Kind::Information, 1)])
        };
        assert_eq!(of_host(sample(), SecurityRisk::Average).to_string(), "3.9");
        assert_eq!(of_host(sample(), SecurityRisk::Highest).to_string(), "5.0");
    }

    #[test]
    fn halves_go_up_and_nothing_is_zero() {
        let of = |list: &[u8]| of_host(list.iter().map(|s| (Kind::Potential, *s)), SecurityRisk::Average).to_string();
        assert_eq!(of(&[3, 3, 3, 4]), "3.3", "3.25 goes up");
        assert_eq!(of(&[1, 1, 2]), "1.3");
        assert_eq!(of(&[]), "0.0");
        let risk = |tenths| Risk { tenths };
        assert_eq!(of_scan(&[risk(39), risk(0)]), risk(20), "1.95 goes up");
        assert_eq!(of_scan(&[]), risk(0));
    }
}
