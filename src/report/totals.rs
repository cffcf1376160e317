//! Totals by severity and kind, and the security risk. Guide rules L8 to L10.

use serde::{Deserialize, Serialize};

use super::document::ReportFinding;

/// Kinds in the guide's order of columns.
pub const KINDS: [&str; 3] = ["confirmed", "potential", "information"];

/// One row of the table: a count a column. None is a column that was not asked for and prints as a dash; zero is one
/// that was asked for and is empty. Trap T9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Row {
    /// Severity; none for the row of totals.
    pub severity: Option<u8>,
    /// Confirmed.
    pub confirmed: Option<u64>,
    /// Potential.
    pub potential: Option<u64>,
    /// Information gathered.
    pub information: Option<u64>,
    /// All columns that were asked for.
    pub total: u64,
}

impl Row {
    /// Columns in order, as printed.
    pub fn cells(&self) -> [String; 4] {
        let cell = |n: Option<u64>| n.map_or("-".to_owned(), |n| n.to_string());
        [cell(self.confirmed), cell(self.potential), cell(self.information), self.total.to_string()]
    }
}

/// Severities 5 to 1, then the totals.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Rows by severity, highest first.
    pub rows: Vec<Row>,
    /// The last row.
    pub all: Row,
}

impl Totals {
    /// Counts findings of the kinds that were asked for.
    pub fn of<'a>(findings: impl Iterator<Item = &'a ReportFinding>, kinds: &[String]) -> Self {
        let asked = |kind: &str| kinds.iter().any(|k| k == kind).then_some(0u64);
        let empty = |severity| Row {
            severity,
            confirmed: asked("confirmed"),
            potential: asked("potential"),
            information: asked("information"),
            total: 0,
        };
        let mut totals = Self { rows: (1..=5).rev().map(|s| empty(Some(s))).collect(), all: empty(None) };
        for finding in findings {
            let own = totals.rows.iter_mut().find(|r| r.severity == Some(finding.severity));
            for row in own.into_iter().chain([&mut totals.all]) {
                let column = match finding.kind.as_str() {
                    "confirmed" => &mut row.confirmed,
                    "potential" => &mut row.potential,
                    _ => &mut row.information,
                };
                if let Some(count) = column {
                    *count += 1;
                    row.total += 1;
                }
            }
        }
        totals
    }

    /// Vulnerabilities: confirmed and potential. Rule L8.
    pub fn vulnerabilities(&self) -> u64 {
        self.all.confirmed.unwrap_or(0) + self.all.potential.unwrap_or(0)
    }
}

/// Security risk, by the workspace's choice of average or highest severity. Rule L10.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Risk {
    /// Average severity of the vulnerabilities, one decimal, half up; 0 where there are none.
    pub average: f64,
    /// Highest severity; 0 where there are none.
    pub highest: u8,
    /// The one that the workspace shows.
    pub shown: f64,
}

fn tenths(sum: u64, n: u64) -> f64 {
    // Half up on integers: (10 sum / n + 1/2), so that 0.05 does not depend on binary fractions.
    if n == 0 { 0.0 } else { ((20 * sum + n) / (2 * n)) as f64 / 10.0 }
}

impl Risk {
    /// The risk of one host.
    pub fn of<'a>(findings: impl Iterator<Item = &'a ReportFinding>, kinds: &[String], highest: bool) -> Self {
        let asked = |f: &&ReportFinding| f.is_vulnerability() && kinds.contains(&f.kind);
        let (mut sum, mut n, mut top) = (0u64, 0u64, 0u8);
        for finding in findings.filter(asked) {
            sum += u64::from(finding.severity);
            n += 1;
            top = top.max(finding.severity);
        }
        Self::new(tenths(sum, n), top, highest)
    }

    /// The mean over active hosts.
    pub fn mean<'a>(hosts: impl Iterator<Item = &'a Self>, highest: bool) -> Self {
        let (mut sum, mut n, mut top) = (0u64, 0u64, 0u8);
        for risk in hosts {
            // In tenths, so that the mean is exact.
            sum += (if highest { f64::from(risk.highest) } else { risk.average } * 10.0).round() as u64;
            n += 1;
            top = top.max(risk.highest);
        }
        let mean = tenths(sum, n * 10);
        Self { average: mean, highest: top, shown: mean }
    }

    fn new(average: f64, top: u8, highest: bool) -> Self {
        Self { average, highest: top, shown: if highest { f64::from(top) } else { average } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(list: &[(&str, u8, usize)]) -> Vec<ReportFinding> {
        let one = |kind: &str, severity| ReportFinding {
            id: String::new(),
            check: "X-1".into(),
            title: String::new(),
            kind: kind.into(),
            severity,
            port: None,
            protocol: None,
            service: None,
            evidence: String::new(),
            state: None,
            first_seen: None,
            last_seen: None,
        };
        list.iter().flat_map(|(kind, severity, n)| vec![one(kind, *severity); *n]).collect()
    }

    #[test]
    fn the_guides_sample() {
        let sample = findings(&[("confirmed", 5, 1), ("confirmed", 4, 7), ("confirmed", 3, 2), ("information", 1, 12)]);
        let kinds = ["confirmed".to_owned()];
        let totals = Totals::of(sample.iter(), &kinds);
        let cells: Vec<String> = totals.rows.iter().chain([&totals.all]).map(|r| r.cells().join(" ")).collect();
        assert_eq!(cells, ["1 - - 1", "7 - - 7", "2 - - 2", "0 - - 0", "0 - - 0", "10 - - 10"]);
        assert_eq!(totals.vulnerabilities(), 10);
        let risk = Risk::of(sample.iter(), &kinds, false);
        assert_eq!((risk.average, risk.highest, risk.shown), (3.9, 5, 3.9));
        assert_eq!(Risk::of(sample.iter(), &kinds, true).shown, 5.0);
    }

    #[test]
    fn halves_go_up_and_nothing_is_no_risk() {
        let all: Vec<String> = KINDS.iter().map(|k| (*k).to_owned()).collect();
        // 17 / 4 = 4.25 and 9 / 4 = 2.25: half up.
        let risk = |list| Risk::of(findings(list).iter(), &all, false).average;
        assert_eq!(risk(&[("confirmed", 4, 3), ("potential", 5, 1)]), 4.3);
        assert_eq!(risk(&[("confirmed", 2, 3), ("potential", 3, 1)]), 2.3);
        assert_eq!(risk(&[("information", 3, 3)]), 0.0);
        let hosts = [Risk { average: 3.9, highest: 5, shown: 3.9 }, Risk::default()];
        assert_eq!(Risk::mean(hosts.iter(), false).shown, 2.0, "1.95, half up");
        assert_eq!(Risk::mean(hosts.iter(), true).shown, 2.5);
    }
}
