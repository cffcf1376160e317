//! CSV, RFC 4180: one row a finding, and one for each host without any, so that every host stands in it. Cells that a
//! spreadsheet would run as a formula begin with an apostrophe.

use super::{Options, RenderError};
use crate::report::document::{Report, ReportFinding, ReportHost};

const COLUMNS: [&str; 22] = [
    "asset",
    "label",
    "name",
    "address",
    "state",
    "os",
    "port",
    "protocol",
    "service",
    "check",
    "title",
    "kind",
    "severity",
    "status",
    "first_seen",
    "last_seen",
    "evidence",
    "cve",
    "threat",
    "impact",
    "solution",
    "tags",
];

pub(super) fn render(report: &Report, _: &Options) -> Result<Vec<u8>, RenderError> {
    let failed = |why: String| RenderError { format: "csv", why };
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(|e| failed(e.to_string()))?;
    for host in &report.hosts {
        if host.findings.is_empty() {
            writer.write_record(row(report, host, None).map(harmless)).map_err(|e| failed(e.to_string()))?;
        }
        for finding in &host.findings {
            writer.write_record(row(report, host, Some(finding)).map(harmless)).map_err(|e| failed(e.to_string()))?;
        }
    }
    writer.into_inner().map_err(|e| failed(e.to_string()))
}

fn row(report: &Report, host: &ReportHost, finding: Option<&ReportFinding>) -> [String; 22] {
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    let of = |get: fn(&ReportFinding) -> String| finding.map(get).unwrap_or_default();
    let check = finding.and_then(|f| report.glossary.get(&f.check));
    [
        host.asset.clone(),
        text(host.label.as_ref()),
        text(host.name.as_ref()),
        host.address.clone(),
        host.state.clone(),
        text(host.os.as_ref()),
        of(|f| f.port.map(|p| p.to_string()).unwrap_or_default()),
        of(|f| f.protocol.clone().unwrap_or_default()),
        of(|f| f.service.clone().unwrap_or_default()),
        of(|f| f.check.clone()),
        of(|f| f.title.clone()),
        of(|f| f.kind.clone()),
        of(|f| f.severity.to_string()),
        of(|f| f.state.clone().unwrap_or_default()),
        of(|f| f.first_seen.clone().unwrap_or_default()),
        of(|f| f.last_seen.clone().unwrap_or_default()),
        of(|f| f.evidence.clone()),
        check.map(|c| c.cves().collect::<Vec<_>>().join(" ")).unwrap_or_default(),
        check.map(|c| c.threat.clone()).unwrap_or_default(),
        check.map(|c| c.impact.clone()).unwrap_or_default(),
        check.map(|c| c.solution.clone()).unwrap_or_default(),
        host.tags.join(", "),
    ]
}

/// Banners are strangers' text: none of them becomes a formula in somebody's spreadsheet.
fn harmless(cell: String) -> String {
    match cell.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{cell}"),
        _ => cell,
    }
}
