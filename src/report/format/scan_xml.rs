//! The guide's results as a SCAN document: header keys, then a host each with its findings by category.

use super::xml::{Document, number};
use super::{Options, RenderError};
use crate::report::document::{CheckText, Report, ReportFinding, ReportHost};

pub(super) fn render(report: &Report, _: &Options) -> Result<Vec<u8>, RenderError> {
    let mut document = Document::new("xml");
    document.doctype("SCAN SYSTEM \"scan-1.dtd\"");
    document.element("SCAN", &[("value", &report.summary.reference)], |d| {
        header(d, report);
        for one in report.hosts.iter().filter(|h| h.state == "up") {
            host(d, report, one);
        }
        for left in &report.not_scanned {
            d.text_with("ERROR", &[("number", "0")], &format!("{}: {}", left.target, left.reason));
        }
    });
    document.finish()
}

fn header(document: &mut Document, report: &Report) {
    let s = &report.summary;
    let seconds = s.duration_seconds.round() as u64;
    let duration = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let scanners: Vec<String> = s
        .external_scanners
        .iter()
        .map(|x| {
            let checks = x.checks.as_deref().unwrap_or("-");
            format!("{} (Scanner {}, Checks {checks})", x.addresses.join(", "), x.engine)
        })
        .collect();
    let targets: Vec<&str> = report.hosts.iter().map(|h| h.name.as_deref().unwrap_or(&h.address)).collect();
    let (alive, total) = (s.active_hosts.to_string(), s.total_hosts.to_string());
    document.element("HEADER", &[], |d| {
        for (key, value) in [
            ("COMPANY", report.organisation.as_deref().unwrap_or("")),
            ("DATE", s.launch_date.as_str()),
            ("TITLE", &s.title),
            ("TARGET", &targets.join(", ")),
            ("EXCLUDED_TARGET", if s.excluded_ips.is_empty() { "N/A" } else { "" }),
            ("DURATION", &duration),
            ("SCAN_HOST", &scanners.join("; ")),
            ("NBHOST_ALIVE", &alive),
            ("NBHOST_TOTAL", &total),
            ("REPORT_TYPE", &format!("{} ({})", s.kind, s.scan_type)),
            ("OPTIONS", &report.mode),
            ("STATUS", &s.status.to_uppercase()),
        ] {
            let value = match key {
                "EXCLUDED_TARGET" if value.is_empty() => s.excluded_ips.join(", "),
                _ => value.to_owned(),
            };
            d.text_with("KEY", &[("value", key)], &value);
        }
        d.element("OPTION_PROFILE", &[], |d| {
            let default = if s.option_profile == "Initial Options" { "1" } else { "0" };
            d.text_with("OPTION_PROFILE_TITLE", &[("option_profile_default", default)], &s.option_profile);
        });
    });
}

fn host(document: &mut Document, report: &Report, host: &ReportHost) {
    let name = host.name.as_deref().unwrap_or("No registered hostname");
    document.element("IP", &[("value", &host.address), ("name", name)], |d| {
        if let Some(os) = &host.os {
            d.text("OS", os);
        }
        for (group, one, kind) in
            [("INFOS", "INFO", "information"), ("VULNS", "VULN", "confirmed"), ("PRACTICES", "PRACTICE", "potential")]
        {
            let found: Vec<&ReportFinding> = host.findings.iter().filter(|f| f.kind == kind).collect();
            if !found.is_empty() {
                d.element(group, &[], |d| categories(d, report, one, &found));
            }
        }
    });
}

fn categories(document: &mut Document, report: &Report, one: &str, found: &[&ReportFinding]) {
    let unknown = CheckText::default();
    let text = |f: &ReportFinding| report.glossary.get(&f.check).unwrap_or(&unknown).clone();
    let key = |f: &ReportFinding| (text(f).family, f.port, f.protocol.clone());
    let mut sorted = found.to_vec();
    sorted.sort_by_key(|f| key(f));
    for group in sorted.chunk_by(|a, b| key(a) == key(b)) {
        let Some(first) = group.first() else { continue };
        let (family, port, protocol) = key(first);
        let port = port.map(|p| p.to_string());
        let mut attributes = vec![("value", family.as_str())];
        attributes.extend(port.as_deref().map(|p| ("port", p)));
        attributes.extend(protocol.as_deref().map(|p| ("protocol", p)));
        document.element("CAT", &attributes, |d| {
            for finding in group {
                item(d, one, finding, &text(finding));
            }
        });
    }
}

fn item(document: &mut Document, one: &str, finding: &ReportFinding, text: &CheckText) {
    let (number, severity) = (number(&finding.check).to_string(), finding.severity.to_string());
    let cves: Vec<&str> = text.cves().collect();
    let joined = cves.join(",");
    let mut attributes = vec![("number", number.as_str()), ("severity", &severity)];
    if !cves.is_empty() {
        attributes.push(("cveid", &joined));
    }
    document.element(one, &attributes, |d| {
        d.text("TITLE", &finding.title);
        if !cves.is_empty() {
            d.element("CVE_ID_LIST", &[], |d| {
                for cve in &cves {
                    d.element("CVE_ID", &[], |d| d.text("ID", cve));
                }
            });
        }
        for (name, value) in [
            ("DIAGNOSIS", &text.threat),
            ("CONSEQUENCE", &text.impact),
            ("SOLUTION", &text.solution),
            ("RESULT", &finding.evidence),
        ] {
            if !value.is_empty() {
                d.text(name, value);
            }
        }
    });
}
