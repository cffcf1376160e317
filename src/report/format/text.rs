//! The results view and the scan report as text, after the guide's. Rules K2 to K13, L4 to L9.

use std::fmt::Write as _;

use super::{Options, RenderError};
use crate::report::document::{PolicyOutcome, Report, ReportFinding, ReportHost};
use crate::report::model::counts_in_words;
use crate::report::results_text::{clock, dash, guide_time, tags};
use crate::report::totals::Totals;

pub(super) fn render(report: &Report, _: &Options) -> Result<Vec<u8>, RenderError> {
    let mut out = String::new();
    summary(report, &mut out);
    let _ = writeln!(out, "\nDetailed Results");
    let shown: Vec<&ReportHost> = report.hosts.iter().filter(|h| h.state != "down").collect();
    if shown.is_empty() {
        let _ = writeln!(out, "  -");
    }
    for one in shown {
        host(report, one, &mut out);
    }
    if !report.other.is_empty() {
        let _ = writeln!(out, "\nOther Findings");
        for other in &report.other {
            let f = &other.finding;
            let _ = writeln!(out, "  {} {} {}  {}", f.severity, f.check, f.title, other.asset);
            indented(&mut out, "result", &f.evidence);
        }
    }
    policies(&report.policies, &mut out);
    appendix(report, &mut out);
    Ok(out.into_bytes())
}

fn summary(report: &Report, out: &mut String) {
    let s = &report.summary;
    let scanners: Vec<String> = s
        .external_scanners
        .iter()
        .map(|x| {
            let checks = x.checks.as_deref().unwrap_or("-");
            format!("{} (Scanner {}, Checks {checks})", dash(&x.addresses.join(", ")), x.engine)
        })
        .collect();
    let _ = writeln!(out, "{}  {}", report.template, guide_time(&report.generated));
    if let Some(organisation) = &report.organisation {
        let _ = writeln!(out, "{organisation}");
    }
    let _ = writeln!(out, "\nReport Summary");
    let rows = [
        ("Launch Date", guide_time(&s.launch_date)),
        ("Active Hosts", s.active_hosts.to_string()),
        ("Total Hosts", s.total_hosts.to_string()),
        ("Type", s.kind.clone()),
        ("Scan Type", s.scan_type.clone()),
        ("Status", s.status.clone()),
        ("Reference", s.reference.clone()),
        ("External Scanners", scanners.join("; ")),
        ("Duration", clock(s.duration_seconds)),
        ("Title", s.title.clone()),
        ("Asset Groups", s.asset_groups.join(", ")),
        ("DNS", s.dns.join(", ")),
        ("Excluded IPs", s.excluded_ips.join(", ")),
        ("Tags Included", tags(s.tags_included.as_ref())),
        ("Tags Excluded", tags(s.tags_excluded.as_ref())),
        ("Option Profile", s.option_profile.clone()),
        ("Mode", report.mode.clone()),
        ("Vulnerabilities", report.totals.vulnerabilities().to_string()),
        ("Security Risk", format!("{:.1}", report.risk.shown)),
    ];
    for (label, value) in rows {
        let _ = writeln!(out, "  {:<20} {}", format!("{label}:"), dash(&value));
    }
}

fn host(report: &Report, host: &ReportHost, out: &mut String) {
    let has = |section: &str| report.include.iter().any(|s| s == section);
    let os = host.os.as_deref().map(|o| format!("  {o}")).unwrap_or_default();
    let label = host.label.as_deref().unwrap_or("-");
    let private = host.private_address.as_deref().map(|p| format!("{p}, ")).unwrap_or_default();
    let _ = writeln!(
        out,
        "\n  {} ({}, -)  {private}{} {label}{os}",
        host.address,
        host.name.as_deref().unwrap_or("-"),
        host.asset
    );
    let block = match host.tracking.as_str() {
        "EC2" => has("ec2_information"),
        _ => has("azure_information") || has("host_details"),
    };
    if block && !host.cloud.is_empty() {
        let _ = writeln!(out, "    {} related Information", host.tracking);
        for (name, value) in &host.cloud {
            let _ = writeln!(out, "      {name:<20} {value}");
        }
    }
    if has("metadata") {
        for (name, value) in &host.metadata {
            let _ = writeln!(out, "      {name} = {value}");
        }
    }
    if has("host_details") {
        for (name, value) in &host.annotations {
            let _ = writeln!(out, "      {name}: {value}");
        }
        let _ = writeln!(out, "    Associated Tags: {}", dash(&host.tags.join(", ")));
        ports(host, out);
    }
    if has("summary") {
        totals(&host.totals, host.risk.shown, out);
    }
    findings(report, host, out);
}

fn ports(host: &ReportHost, out: &mut String) {
    let counts = counts_in_words(&host.counts, &host.reasons);
    let _ = writeln!(out, "    Ports: {}", dash(&counts));
    if let Some(saved) = host.every_port {
        let _ = writeln!(out, "    Answers on every port ({saved} probes saved): open ports mean little here");
    }
    for port in &host.ports {
        let service = port.service.as_deref().unwrap_or("-");
        let _ =
            writeln!(out, "      {:>5}/{} {:<6} {service:<14} {}", port.port, port.protocol, port.state, port.reason);
    }
}

fn totals(totals: &Totals, risk: f64, out: &mut String) {
    let _ = writeln!(out, "    Vulnerabilities Total {}   Security Risk {risk:.1}", totals.vulnerabilities());
    let _ = writeln!(out, "      by Severity  Confirmed  Potential  Information Gathered  Total");
    for row in totals.rows.iter().chain([&totals.all]) {
        let name = row.severity.map_or("Total".to_owned(), |s| s.to_string());
        let [a, b, c, d] = row.cells();
        let _ = writeln!(out, "      {name:<11}  {a:>9}  {b:>9}  {c:>20}  {d:>5}");
    }
}

/// Findings by kind with a count. Rule K9.
fn findings(report: &Report, host: &ReportHost, out: &mut String) {
    let has = |section: &str| report.include.iter().any(|s| s == section);
    for (kind, heading) in [
        ("confirmed", "Vulnerabilities"),
        ("potential", "Potential Vulnerabilities"),
        ("information", "Information Gathered"),
    ] {
        let found: Vec<&ReportFinding> = host.findings.iter().filter(|f| f.kind == kind).collect();
        if found.is_empty() {
            continue;
        }
        let _ = writeln!(out, "    {heading} ({})", found.len());
        for finding in found {
            let place = finding.place().map(|p| format!("  port {p}")).unwrap_or_default();
            let state = finding.state.as_deref().map(|s| format!("  [{s}]")).unwrap_or_default();
            let _ = writeln!(out, "      {} {} {}{place}{state}", finding.severity, finding.check, finding.title);
            if !has("vulnerability_details") || kind == "information" && !has("results") {
                continue;
            }
            if has("results") && !finding.evidence.is_empty() {
                indented(out, "result", &finding.evidence);
            }
            if let Some(text) = report.glossary.get(&finding.check).filter(|_| kind != "information") {
                for (section, value) in
                    [("threat", &text.threat), ("impact", &text.impact), ("solution", &text.solution)]
                {
                    if has(section) && !value.is_empty() {
                        indented(out, section, value);
                    }
                }
            }
        }
    }
}

/// A text of strangers on lines of its own, control characters made visible.
fn indented(out: &mut String, label: &str, text: &str) {
    for (n, line) in text.lines().enumerate() {
        let label = if n == 0 { label } else { "" };
        let shown: String = line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        let _ = writeln!(out, "          {label:<9} {shown}");
    }
}

fn policies(outcomes: &[PolicyOutcome], out: &mut String) {
    if outcomes.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nPolicies");
    for word in ["fail", "error", "unknown", "waived", "pass"] {
        let of: Vec<&PolicyOutcome> = outcomes.iter().filter(|o| o.result == word).collect();
        if word == "pass" {
            let _ = writeln!(out, "  {} passed", of.len());
            continue;
        }
        for outcome in of {
            let place = match (&outcome.file, outcome.line) {
                (Some(file), Some(line)) => format!("  ({file}:{line})"),
                _ => String::new(),
            };
            let port = outcome.port.as_deref().map(|p| format!(" {p}")).unwrap_or_default();
            let asset = outcome.asset.as_deref().unwrap_or("-");
            let _ = writeln!(
                out,
                "  {word:<8} {} {}{port} {asset}: {}{place}",
                outcome.policy, outcome.rule, outcome.message
            );
        }
    }
}

fn appendix(report: &Report, out: &mut String) {
    let _ = writeln!(out, "\nAppendix");
    let scanned: Vec<&str> =
        report.hosts.iter().filter(|h| h.state == "up").map(|h| h.name.as_deref().unwrap_or(&h.address)).collect();
    let _ = writeln!(out, "  Successfully Scanned Hosts ({}): {}", scanned.len(), dash(&scanned.join(", ")));
    let mut reasons: std::collections::BTreeMap<&str, Vec<&str>> = std::collections::BTreeMap::new();
    for left in &report.not_scanned {
        reasons.entry(&left.reason).or_default().push(left.name.as_deref().unwrap_or(&left.target));
    }
    for (reason, hosts) in reasons {
        let _ = writeln!(out, "  Hosts Not Scanned, {reason} ({}): {}", hosts.len(), hosts.join(", "));
    }
    for gap in &report.gaps {
        let _ = writeln!(out, "  Not Read: {} {}", gap.partition, gap.cause);
    }
    let c = &report.coverage;
    let _ = writeln!(out, "  Coverage: {} of {} probes, {} of {} targets", c.done, c.planned, c.scanned, c.targets);
    if let Some(recall) = report.recall {
        let _ = writeln!(out, "  Recall: {:.3} %", recall * 100.0);
    }
    let _ = writeln!(
        out,
        "  Ledger: {} sent under warrants, {} refused by the gate, {} replies",
        report.ledger.total, report.ledger.refused, report.ledger.replies
    );
    for note in report.notes.iter().chain(&report.errors) {
        let _ = writeln!(out, "  Note: {note}");
    }
}
